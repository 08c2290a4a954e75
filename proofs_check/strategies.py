"""Hypothesis strategies, and :func:`assert_invariant`, for your own test suite.

A property test of an architecture of yours takes five lines::

    @given(partitions(my_architecture))
    def test_clones_stay_clones(partition):
        manifold = equitable(my_architecture, partition)
        assert_invariant(my_architecture, manifold)
"""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from numerics.exact import prove_invariance
from proofs_check.networks import Choose, draw_network, draw_partition, draw_rationals
from theory.architecture import Architecture
from theory.manifold import Manifold
from theory.partition import AxisPartition


def _choose(draw: st.DrawFn) -> Choose:
    return lambda low, high: draw(st.integers(low, high))


@st.composite
def architectures(draw: st.DrawFn, max_depth: int = 3, max_width: int = 5) -> Architecture:
    """Feed-forward networks: depth, widths, activations, biases, skips and gates vary."""
    return draw_network(_choose(draw), max_depth, max_width)


@st.composite
def partitions(draw: st.DrawFn, architecture: Architecture) -> dict[str, AxisPartition]:
    """Partitions of the hidden axes ``h…`` of an architecture, with clones wherever possible."""
    return draw_partition(_choose(draw), architecture)


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
    result = prove_invariance(architecture, manifold, tangent=tangent, bits=bits, seed=seed)
    if result.verdict != "proved":
        raise AssertionError(result.summary())
