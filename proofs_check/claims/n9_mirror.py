"""N9: mirrored clones. Where φ is odd, units of a block may have opposite values."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.exact import prove_invariance
from numerics.generic import generic_factors, num_samples, pair
from numerics.identity import vanishes
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose, draw_network, draw_partition
from proofs_check.evidence import Evidence, Verdict, conjoin
from proofs_check.findings import (
    campaign,
    derived,
    from_exact,
    from_identity,
    leaves_kept,
    refuted_twice,
)
from theory.activation import activation, gelu, relu, sigmoid, tanh
from theory.architecture import Architecture
from theory.graph import Builder
from theory.manifold import block_constant, equitable
from theory.partition import AxisPartition, make_partition
from theory.primitives import Parameter
from theory.refinement import odd_axes
from theory.rewrite import reassociate, substitute
from theory.tracing import Traced, record
from theory.zoo import mlp

Blocks = dict[str, AxisPartition]
ODD = activation("phi", parity="odd")
SYMBOLS = (ODD, tanh, activation("psi"), activation("chi", parity="even"), gelu, relu)


def draw_mirrored(choose: Choose) -> tuple[Architecture, Blocks]:
    """A network without gates and a partition with a mirrored clone on every axis with odd φ."""
    while True:
        network = draw_network(choose, activations=SYMBOLS)
        odd = sorted(odd_axes(network))
        if "G" in network.parameters or all(network.sizes[axis] < 2 for axis in odd):
            continue
        partition = draw_partition(choose, network)
        for axis in odd:
            own = partition[axis]
            signs = {
                unit: 1 - 2 * choose(0, 1) if k > 1 else -1
                for block in own.blocks
                for k, unit in enumerate(block)
                if k
            }
            signed = make_partition({axis: own.size}, {axis: own.blocks}, signs={axis: signs})
            partition[axis] = signed[axis]
        return network, partition


def leaves_exactly(settings: Settings) -> Evidence:
    """The gradient on signed IE∩OE lies in signed BC, in random networks."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network, partition = draw_mirrored(choose)
        return leaves_kept(network, partition, bits, seed)

    count = 500 if settings.full else 30
    scope = "networks with mirrored clones where φ is odd, other φ elsewhere"
    return campaign(settings, "N9", count, scope, test)


def exchanges_keep_the_function(settings: Settings) -> Evidence:
    """Exchanging two clones with the product of their signs leaves the outputs unchanged.

    It does for *all* parameters, so at the fixed points, which are BC, the gradient of every loss
    is fixed too: BC is invariant, without any derivative taken.
    """

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network, partition = draw_mirrored(choose)
        axis = next(a for a in sorted(odd_axes(network)) if partition[a].is_signed)
        own = partition[axis]
        block = next(b for b in own.blocks if any(own.signs[u] < 0 for u in b))
        other = next(u for u in block if own.signs[u] < 0)
        found = vanishes(
            reassociate(_exchange(network, axis, block[0], other)), bits=bits, seed=seed
        )
        return from_identity(found, network.name, "a signed exchange keeps the outputs")

    count = 200 if settings.full else 30
    return campaign(settings, "N9.group", count, "networks and pairs of mirrored clones", test)


def _exchange(network: Architecture, axis: str, one: int, other: int) -> Any:
    """The outputs before an exchange of two units with the sign -1, minus those after it."""
    forward = network.graph(num_samples(network))
    order = list(range(network.sizes[axis]))
    order[one], order[other] = other, one
    signs = np.array([-1 if unit in (one, other) else 1 for unit in order])
    builder = Builder()
    before: dict[str, Traced] = {}
    after: dict[str, Traced] = {}
    for p, axes in network.parameters.items():
        value: Any = record(builder, Parameter(p, network.parameter_shapes[p]))
        before[p] = value
        for k, name in enumerate(axes):
            if name == axis:
                column = signs.reshape((-1,) + (1,) * (len(axes) - k - 1))
                value = np.take(value, order, axis=k) * column
        after[p] = value
    y = substitute(builder, forward, before)["y"] - substitute(builder, forward, after)["y"]
    generic = generic_factors(builder, "generic", y.shape)
    return builder.finish({"outputs": pair(y, generic).number})


def leaves_derived(_: Settings) -> Evidence:
    """The derivation for small MLPs with odd φ and arbitrary loss."""
    found = []
    for widths, blocks, mirrored in (([2, 2, 1], [[0, 1]], 1), ([1, 3, 2], [[0, 1, 2]], 2)):
        network, partition = _mirrored(widths, blocks, mirrored)
        found.append(
            derived(network, equitable(network, partition), block_constant(network, partition))
        )
    return conjoin(found)


def _mirrored(
    widths: list[int], blocks: list[list[int]], unit: int, phi: Any = ODD
) -> tuple[Architecture, Blocks]:
    network = mlp(widths, phi)
    return network, make_partition(network.sizes, {"h1": blocks}, signs={"h1": {unit: -1}})


def any_activation(settings: Settings) -> Evidence:
    """A mirrored pair under an arbitrary φ."""
    network, partition = _mirrored([1, 2, 1], [[0, 1]], 1, "phi")
    return refuted_twice(network, equitable(network, partition), seed=settings.seed)


def half_and_odd(settings: Settings) -> Evidence:
    """A mirrored pair under the sigmoid, which is odd about (0, ½)."""
    network, partition = _mirrored([1, 2, 1], [[0, 1]], 1, sigmoid)
    flat = equitable(network, partition)
    return from_exact(prove_invariance(network, flat, seed=settings.seed), network.name)


def signed_outputs(settings: Settings) -> Evidence:
    """A mirrored pair of outputs."""
    network = mlp([1, 1, 2], ODD)
    partition = make_partition(network.sizes, {"y": [[0, 1]]}, signs={"y": {1: -1}})
    return refuted_twice(network, equitable(network, partition), seed=settings.seed)


def unsigned_points(settings: Settings) -> Evidence:
    """Clones with equal values, whose gradient would lie in the signed BC."""
    network, partition = _mirrored([1, 2, 1], [[0, 1]], 1)
    plain = make_partition(network.sizes, {"h1": [[0, 1]]})
    return refuted_twice(
        network,
        equitable(network, plain),
        block_constant(network, partition),
        settings.seed,
    )


def mirrored_gate(settings: Settings) -> Evidence:
    """A mirrored pair of gated units φ(x W) (x G), in all weights."""
    network = Architecture(
        lambda p, x: (ODD(x @ p["W"]) * (x @ p["G"])) @ p["V"],
        sizes={"x": 1, "h1": 2, "y": 1},
        parameters={"W": ("x", "h1"), "G": ("x", "h1"), "V": ("h1", "y")},
        name="gated 1-2-1 with odd φ",
    )
    partition = make_partition(network.sizes, {"h1": [[0, 1]]}, signs={"h1": {1: -1}})
    return refuted_twice(network, equitable(network, partition), seed=settings.seed)


CLAIMS = (
    Claim(
        id="N9",
        title="mirrored clones",
        statement=(
            "With signs s_u = ±1, h_u = s_u h_block and signed sums in IE, OE and BC, the gradient "
            "on IE∩OE lies in BC, so each leaf is invariant. φ need be odd only in blocks that "
            "hold a -1; outputs have no signs."
        ),
        hypotheses=(
            "as in P5",
            "φ(-z) = -φ(z) for the units of each block that holds both signs",
            "values along such an axis are summed with weights, and not multiplied with each other",
        ),
        where="extends the theorem on cloned manifolds",
        expected=Verdict.PROVED,
        checks=(
            Check("random networks over prime fields", leaves_exactly),
            Check("signed exchanges over prime fields", exchanges_keep_the_function),
            Check("derivation for small MLPs", leaves_derived, part="derivation"),
        ),
        false_variants=(
            FalseVariant("any φ", "φ(-z) is not -φ(z)", any_activation),
            FalseVariant("½ plus an odd function", "1 - σ(z) is not -σ(z)", half_and_odd),
            FalseVariant(
                "mirrored outputs", "the adjoints of outputs are arbitrary", signed_outputs
            ),
            FalseVariant(
                "signs in the gradient only", "equal clones have equal gradients", unsigned_points
            ),
            FalseVariant(
                "a gate mirrored with its unit",
                "a product of two mirrored values is not mirrored",
                mirrored_gate,
            ),
        ),
    ),
)
