"""Hypothesis strategies and assertions for your own test suite.

Two questions about an architecture of yours take five lines::

    def test_every_parameter_can_learn():
        assert_no_structural_trap(mine, allow=["bK"])

    @given(partitions(mine, axes=["d", "head"]))
    def test_clones_stay_clones(partition):
        assert_invariant(mine, equitable(mine, partition))
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, get_args

from hypothesis import strategies as st

from numerics.exact import prove_invariance
from numerics.plasticity.span import Adjoints
from proofs_check.discover import Discovery, discover
from proofs_check.drawing.layered_networks import LayeredNetwork, draw_layered
from proofs_check.drawing.networks import Choose, draw_network, draw_partition, draw_rationals
from theory.architecture import Architecture
from theory.conserved import Group, Kind
from theory.errors import ArchitectureError
from theory.manifold import Manifold
from theory.partition import AxisPartition


def _choose(draw: st.DrawFn) -> Choose:
    return lambda low, high: draw(st.integers(low, high))


@st.composite
def architectures(draw: st.DrawFn, max_depth: int = 3, max_width: int = 5) -> Architecture:
    """Feed-forward networks: depth, widths, activations, biases, skips and gates vary."""
    return draw_network(_choose(draw), max_depth, max_width)


@st.composite
def layered_networks(draw: st.DrawFn, max_layers: int = 3) -> LayeredNetwork:
    """Networks of convolutions, norms, attention, …, each with a partition of all its axes.

    A third of them holds a layer that may let clones part, ``false_neighbour`` says which.

    >>> from hypothesis import find
    >>> find(layered_networks(1), lambda network: "skip" in network.features).architecture.name
    'residual'
    """
    return draw_layered(_choose(draw), max_layers)


@st.composite
def partitions(
    draw: st.DrawFn, architecture: Architecture, axes: Collection[str] | None = None
) -> dict[str, AxisPartition]:
    """Partitions of some axes, by default those named ``h…``, with clones wherever possible."""
    return draw_partition(_choose(draw), architecture, axes)


@st.composite
def points(draw: st.DrawFn, manifold: Manifold) -> dict[str, Any]:
    """Exact points of a manifold, arrays of integers or fractions, with small coordinates."""
    return manifold.embed(draw_rationals(_choose(draw), manifold.free_shapes))


def assert_invariant(
    architecture: Architecture,
    manifold: Manifold,
    *,
    tangent: Manifold | None = None,
    bits: float = 60,
    seed: int = 0,
) -> None:
    """Fail unless every gradient on the manifold is tangent, for all data and losses.

    Args:
        architecture: yours or from :mod:`theory.zoo`.
        manifold: where the parameters lie.
        tangent: in whose tangent space the gradient must lie; by default the manifold itself, so
            that training cannot leave it.
        bits: the test errs with probability at most 2^-bits, and only by passing.
        seed: of the random point.

    Raises:
        AssertionError: with what fails, if the statement is refuted or undefined.
        LopError: if architecture and manifold do not fit, or something has no exact model.

    >>> from theory.manifold import equitable, incoming_equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([2, 4, 1])
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]]})
    >>> assert_invariant(net, equitable(net, clones))
    >>> assert_invariant(net, incoming_equitable(net, clones))
    Traceback (most recent call last):
    AssertionError: refuted: not everywhere the gradient on IE is tangent to IE; it fails in
        normal:W1:CZ, normal:b1:Z
    """
    __tracebackhide__ = True  # pytest shows the caller's line
    result = prove_invariance(architecture, manifold, tangent=tangent, bits=bits, seed=seed)
    if result.verdict != "proved":
        raise AssertionError(result.summary())


def assert_no_structural_trap(
    architecture: Architecture,
    *,
    allow: Collection[str] = (),
    adjoints: Adjoints = "all",
    bits: float = 60,
    seed: int = 0,
) -> None:
    """Fail if part of the parameter space is out of reach of training from birth.

    From generic parameters the plasticity dimension (N6) should be the number of parameters. Where
    it is smaller, some linear functionals of the parameters are conserved whatever the data and
    the loss, by every method whose steps combine past gradients. Networks of up to about ten
    thousand parameters take seconds to minutes.

    Args:
        architecture: yours or from :mod:`theory.zoo`.
        allow: what is accepted: names of parameters, for laws about these alone, or kinds of laws:
            ``never learns``, ``cloned``, ``mirror``, ``trap``, ``shift``, ``other``; and
            ``unexplained`` for dimensions that were not reached without a law that was proved.
        adjoints: ``"all"``, or ``"cross-entropy"`` if the outputs are logits on the last axis.
        bits: each law is wrong with probability at most 2^-bits.
        seed: of the random points.

    Raises:
        AssertionError: with the conserved functionals in words.
        ArchitectureError: if something allowed is neither a parameter nor a kind.
        LopError: if something in the architecture has no exact model.

    >>> import numpy as np
    >>> from theory.layers import batch_norm
    >>> from theory.zoo import mlp
    >>> assert_no_structural_trap(mlp([2, 3, 1]))
    >>> net = Architecture(
    ...     lambda p, x: np.tanh(batch_norm(x @ p["W"] + p["b"], eps=1)) @ p["V"],
    ...     sizes={"x": 2, "h": 3, "y": 1},
    ...     parameters={"W": ("x", "h"), "b": ("h",), "V": ("h", "y")},
    ... )
    >>> assert_no_structural_trap(net, allow=["b"])
    >>> assert_no_structural_trap(net)
    Traceback (most recent call last):
    AssertionError: architecture: training cannot use 3 of 12 dimensions, whatever data and loss:
      3  never learns  b (all 3 entries)
    if that is meant: allow=['b']
    """
    __tracebackhide__ = True
    known = {*get_args(Kind), "unexplained", *architecture.parameters}
    if unknown := [name for name in allow if name not in known]:
        raise ArchitectureError(
            f"allow: {unknown[0]!r} is neither a parameter of {architecture.name} nor one of "
            f"{', '.join([*get_args(Kind), 'unexplained'])}"
        )
    found = discover(architecture, adjoints=adjoints, bits=bits, seed=seed)
    traps = [group for group in found.groups if not _is_allowed(group, allow)]
    unexplained = 0 if "unexplained" in allow else found.unexplained
    if traps or unexplained:
        raise AssertionError(_in_words(found, traps, unexplained))


def _is_allowed(group: Group, allow: Collection[str]) -> bool:
    met = {parameter for functional in group.functionals for parameter, _ in functional}
    return group.kind in allow or met <= set(allow)


def _in_words(found: Discovery, traps: list[Group], unexplained: int) -> str:
    lost = sum(group.dimension for group in traps) + unexplained
    lines = [
        f"{found.architecture.name}: training cannot use {lost} of "
        f"{found.architecture.num_parameters} dimensions, whatever data and loss:",
        *(f"  {group.dimension}  {group.kind}  {group.text}" for group in traps),
    ]
    if unexplained:
        lines.append(f"  {unexplained}  unexplained  observed, no law was proved")
    names = {p: None for group in traps for f in group.functionals for p, _ in f}
    words = [*names, *(["unexplained"] if unexplained else [])]
    return "\n".join([*lines, f"if that is meant: allow={words}"])
