"""N10: zero units. A unit all of whose weights and biases are 0 stays so if φ(0) = 0."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numerics.exact import prove_invariance
from numerics.generic import generic_factors, num_samples, outer, pair
from numerics.identity import vanishes
from numerics.plasticity.span import gradient_rank
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose, chooser, draw_network
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from proofs_check.findings import (
    campaign,
    derived,
    from_exact,
    from_identity,
    leaves_kept,
    refuted_twice,
)
from theory.activation import activation, gelu, leaky_relu, relu, silu, tanh
from theory.architecture import Architecture
from theory.axis_roles import contracted_axes
from theory.graph import Builder, Graph
from theory.manifold import AffineManifold, zero
from theory.partition import make_partition
from theory.primitives import Input
from theory.rewrite import reassociate, substitute
from theory.tracing import as_traced, record
from theory.zoo import mlp

ODD = activation("phi", parity="odd")
SYMBOLS = (ODD, tanh, relu, gelu, silu, leaky_relu())


def draw_zero_units(choose: Choose) -> tuple[Architecture, dict[str, list[int]]]:
    """A random network with φ(0) = 0, and one zero unit or more."""
    network = draw_network(choose, activations=SYMBOLS)
    hidden = [axis for axis in network.sizes if axis.startswith("h")]
    units: dict[str, list[int]] = {}
    for _ in range(choose(1, 3)):
        axis = hidden[choose(0, len(hidden) - 1)]
        unit = choose(0, network.sizes[axis] - 1)
        if unit not in units.setdefault(axis, []):
            units[axis].append(unit)
    return network, units


def invariant_exactly(settings: Settings) -> Evidence:
    """M_0 is invariant in random networks, for any kept weights between zero units."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network, units = draw_zero_units(choose)
        partition = make_partition(network.sizes, {}, zero=units)
        manifold = zero(network, units)
        every = prove_invariance(network, manifold, bits=bits + 1, seed=seed)
        leaves = leaves_kept(network, partition, bits + 1, seed)
        return conjoin([from_exact(every, network.name), leaves])

    count = 500 if settings.full else 25
    return campaign(settings, "N10", count, "networks with zero units and φ(0) = 0", test)


def one_side_is_invisible(settings: Settings) -> Evidence:
    """Outputs do not change when only the incoming, or only the outgoing parameters of v move.

    Then no derivative normal to M_0 is other than 0, and none was taken.
    """

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network, units = draw_zero_units(choose)
        axis = min(units)
        found = vanishes(_moved(network, axis, units[axis][0]), bits=bits, seed=seed)
        return from_identity(found, network.name, "moving one side of a zero unit changes nothing")

    count = 200 if settings.full else 30
    return campaign(settings, "N10.sides", count, "networks with a zero unit and φ(0) = 0", test)


def _moved(network: Architecture, axis: str, unit: int) -> Graph:
    """Outputs on M_0 minus those with arbitrary incoming, or outgoing parameters of the unit."""
    forward = network.graph(num_samples(network))
    sources = contracted_axes(forward)
    manifold = zero(network, {axis: [unit]})
    builder = Builder()
    free = {
        name: record(builder, Input(f"point:{name}", shape))
        for name, shape in manifold.free_shapes.items()
    }
    point = {p: as_traced(builder, value) for p, value in manifold.embed(free).items()}
    y = substitute(builder, forward, point)["y"]
    residuals = {}
    for side in ("incoming", "outgoing"):
        moved = dict(point)
        for p, axes in network.parameters.items():
            for k, name in enumerate(axes):
                if name == axis and sources[p][k] == (side == "outgoing"):
                    shift: Any = outer(generic_factors(builder, f"{side}:{p}", point[p].shape))
                    slices = [int(u == unit) for u in range(network.sizes[axis])]
                    column = as_traced(builder, slices).reshape(-1, *[1] * (len(axes) - k - 1))
                    moved[p] = point[p] + shift * column
        change = substitute(builder, forward, moved)["y"] - y
        generic = generic_factors(builder, f"generic:{side}", y.shape)
        residuals[side] = pair(change, generic).number
    return reassociate(builder.finish(residuals))


def derivation(_: Settings) -> Evidence:
    """The derivation for an MLP 2-2-2 with odd φ, and with ReLU."""
    return conjoin(
        [derived(network, zero(network, {"h1": [1]})) for network in map(_small, (ODD, relu))]
    )


def _small(phi: Any) -> Architecture:
    return mlp([2, 2, 2], phi)


def _codimensions(settings: Settings, formula: Callable[[int, int], int]) -> Evidence:
    """The codimension of one zero unit in random MLPs, and the rank of gradients on M_0."""
    for trial in range(8):
        choose = chooser(settings.sub_seed("N10", "dimension", trial))
        widths = [choose(1, 3), *(choose(2, 4) for _ in range(choose(1, 2))), choose(1, 3)]
        network = mlp(widths, ODD)
        layer = choose(1, len(widths) - 2)
        manifold = zero(network, {f"h{layer}": [choose(0, widths[layer] - 1)]})
        expected = formula(widths[layer - 1], widths[layer + 1])
        rank = gradient_rank(network, manifold, seed=settings.sub_seed("N10", "rank", trial))
        if manifold.codimension != expected:
            return refuted(
                network.name, f"codimension {manifold.codimension}, the formula says {expected}"
            )
        if rank != manifold.dimension:
            return unknown(network.name, f"gradients span {rank} of {manifold.dimension}")
    return holds(
        Level.OBSERVED,
        "8 random MLPs with one zero unit",
        "the codimension is as stated, and gradients on M_0 span all of it",
    )


def codimensions(settings: Settings) -> Evidence:
    """Codimension fan-in + 1 + fan-out, and no smaller invariant set through generic points."""
    return _codimensions(settings, lambda fan_in, fan_out: fan_in + 1 + fan_out)


def without_the_bias(settings: Settings) -> Evidence:
    """Codimension fan-in + fan-out."""
    return _codimensions(settings, lambda fan_in, fan_out: fan_in + fan_out)


def any_activation(settings: Settings) -> Evidence:
    """Zero units under an arbitrary φ."""
    network = mlp([1, 1, 1])
    return refuted_twice(network, zero(network, {"h1": [0]}), seed=settings.seed)


def _without(settings: Settings, *forgotten: str) -> Evidence:
    """M_0 without the conditions on some parameters, in a network 1-1-1 with odd φ."""
    network = mlp([1, 1, 1], ODD)
    rows = tuple(
        row
        for row in zero(network, {"h1": [0]}).constraints()
        if not any(p in forgotten for p, _ in row.terms)
    )
    manifold = AffineManifold(f"M_0 without {', '.join(forgotten)}", network.parameter_shapes, rows)
    return refuted_twice(network, manifold, seed=settings.seed)


def free_bias(settings: Settings) -> Evidence:
    """The bias is free, all weights are 0."""
    return _without(settings, "b1")


def free_outgoing(settings: Settings) -> Evidence:
    """Outgoing weights are free, incoming parameters are 0."""
    return _without(settings, "W2")


def free_incoming(settings: Settings) -> Evidence:
    """Incoming parameters are free, outgoing weights are 0."""
    return _without(settings, "W1", "b1")


CLAIMS = (
    Claim(
        id="N10",
        title="zero units",
        statement=(
            "If φ(0) = 0, M_0 = {w_in(v) = 0, b_v = 0, w_out(v) = 0} is invariant, of codimension "
            "fan-in + 1 + fan-out. A weight between two zero units is kept at any value."
        ),
        hypotheses=("φ_v(0) = 0",),
        where="adds an invariant manifold without clones or saturation",
        expected=Verdict.PROVED,
        checks=(
            Check("random networks over prime fields", invariant_exactly),
            Check("moves of one side over prime fields", one_side_is_invisible),
            Check("derivation for 2-2-2", derivation, part="derivation"),
            Check("codimensions against gradient ranks", codimensions),
        ),
        false_variants=(
            FalseVariant("any φ", "φ(0) reaches the outgoing weights", any_activation),
            FalseVariant("a free bias", "the unit then outputs φ(b)", free_bias),
            FalseVariant("free outgoing weights", "they carry an adjoint back", free_outgoing),
            FalseVariant("free incoming parameters", "the unit then has a value", free_incoming),
            FalseVariant(
                "codimension fan-in + fan-out", "the bias is pinned as well", without_the_bias
            ),
        ),
    ),
)
