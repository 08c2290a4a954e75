"""P5: on IE∩OE the gradient is block-constant, so every leaf is invariant; E5d: the scalings."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.parity import prove_parity
from numerics.plasticity.span import gradient_rank
from numerics.systems.rational import Rational
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import (
    Choose,
    chooser,
    draw_network,
    draw_partition,
    draw_rationals,
)
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from proofs_check.findings import (
    campaign,
    derived,
    from_identity,
    leaves_kept,
    refuted_twice,
)
from theory.activation import activation
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.manifold import (
    block_constant,
    equitable,
    incoming_equitable,
    leaf,
    outgoing_equitable,
)
from theory.partition import AxisPartition, make_partition
from theory.widening import widen
from theory.zoo import mlp

Blocks = dict[str, AxisPartition]


def leaves_exactly(settings: Settings) -> Evidence:
    """The gradient on IE∩OE lies in BC, in random networks."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network = draw_network(choose)
        partition = draw_partition(choose, network)
        return leaves_kept(network, partition, bits, seed)

    count = 1000 if settings.full else 40
    return campaign(settings, "P5", count, "networks with random partitions", test)


def leaves_derived(settings: Settings) -> Evidence:
    """The derivation for small networks, arbitrary φ and loss."""
    cases = [([2, 2, 1], {"h1": [[0, 1]]}), ([2, 3, 2], {"h1": [[0, 2]]})]
    if settings.full:
        cases.append(([3, 4, 4, 1], {"h1": [[0, 1], [2, 3]], "h2": [[0, 1], [2, 3]]}))
    found = []
    for widths, blocks in cases:
        network = mlp(widths)
        partition = make_partition(network.sizes, blocks)
        found.append(
            derived(network, equitable(network, partition), block_constant(network, partition))
        )
    return conjoin(found)


def leaf_dimensions(settings: Settings) -> Evidence:
    """The dimension of a leaf against the number of pairs and the span of its gradients."""
    for trial in range(8):
        choose = chooser(settings.sub_seed("P5", "dimension", trial))
        widths = [choose(1, 3), *(choose(2, 4) for _ in range(choose(1, 2))), choose(1, 3)]
        network = mlp(widths)
        partition = draw_partition(choose, network)
        flat = equitable(network, partition)
        point = flat.embed(draw_rationals(choose, flat.free_shapes))
        manifold = leaf(network, partition, point)
        pairs = sum(
            prod(partition[axis].num_blocks for axis in axes)
            for axes in network.parameters.values()
        )
        rank = gradient_rank(network, manifold, seed=settings.sub_seed("P5", "rank", trial))
        if rank < manifold.dimension == pairs:  # a chance shortfall of the rank looks like this
            return unknown(network.name, f"gradients span {rank} of {pairs}")
        if not manifold.dimension == pairs == rank:
            return refuted(
                network.name,
                f"dimension {manifold.dimension}, {pairs} pairs, gradients span {rank}",
            )
    return holds(
        Level.OBSERVED,
        "8 random MLPs, each on one leaf",
        "the dimension of a leaf is the number of pairs, and its gradients span all of it",
    )


def _clones(widths: list[int]) -> tuple[Architecture, Blocks]:
    network = mlp(widths)
    return network, make_partition(network.sizes, {"h1": [[0, 1]]})


def only_incoming(settings: Settings) -> Evidence:
    """IE alone is invariant."""
    network, partition = _clones([1, 2, 1])
    return refuted_twice(network, incoming_equitable(network, partition), seed=settings.seed)


def only_outgoing(settings: Settings) -> Evidence:
    """OE alone is invariant."""
    network, partition = _clones([1, 2, 1])
    return refuted_twice(network, outgoing_equitable(network, partition), seed=settings.seed)


def two_activations(settings: Settings) -> Evidence:
    """Clones with different activations stay clones."""
    phi, psi = activation("phi"), activation("psi")

    def forward(p: dict[str, Any], x: Any) -> Any:
        z = x @ p["W1"]
        return np.concatenate([phi(z[:, :1]), psi(z[:, 1:])], axis=1) @ p["W2"]

    network = Architecture(
        forward,
        sizes={"x": 1, "h1": 2, "y": 1},
        parameters={"W1": ("x", "h1"), "W2": ("h1", "y")},
        name="MLP 1-2-1 with φ and ψ in one block",
    )
    partition = make_partition(network.sizes, {"h1": [[0, 1]]})
    return refuted_twice(network, equitable(network, partition), seed=settings.seed)


def unequal_inputs(settings: Settings) -> Evidence:
    """The inputs form a block, although they carry different data."""
    network = mlp([2, 1, 1])
    partition = make_partition(network.sizes, {"x": [[0, 1]]})
    return refuted_twice(
        network,
        equitable(network, partition),
        block_constant(network, partition),
        settings.seed,
    )


def _widened(choose: Choose) -> tuple[Architecture, Architecture, Blocks]:
    """A random MLP, and a wider one in which each hidden unit has 1 to 3 clones."""
    depth = choose(1, 3)
    widths = [choose(1, 3), *(choose(1, 3) for _ in range(depth)), choose(1, 3)]
    wide_widths = list(widths)
    blocks = {}
    for k in range(1, depth + 1):
        sizes = [choose(1, 3) for _ in range(widths[k])]
        order = list(range(sum(sizes)))
        for unit in range(len(order) - 1, 0, -1):  # clones of one unit need not be neighbours
            other = choose(0, unit)
            order[unit], order[other] = order[other], order[unit]
        starts = np.cumsum([0, *sizes])
        found = [order[starts[i] : starts[i + 1]] for i in range(widths[k])]
        blocks[f"h{k}"] = sorted(sorted(block) for block in found)
        wide_widths[k] = len(order)
    base, wide = mlp(widths), mlp(wide_widths)
    return base, wide, make_partition(wide.sizes, blocks)


def scalings_exactly(settings: Settings) -> Evidence:
    """Outputs and gradients of widened networks against their base, on every leaf."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        base, wide, partition = _widened(choose)
        found = prove_parity(base, wide, partition, bits=bits, seed=seed)
        return from_identity(found, wide.name, "outputs equal, gradients the base's divided by n_j")

    count = 300 if settings.full else 40
    return campaign(settings, "E5d", count, "widened MLPs with unequal multiplicities", test)


def _doubled(weights: Callable[[Architecture, Blocks], dict[str, Any]]) -> Evidence:
    """Outputs and output gradient of a base 1-1-1 and of 1-2-1, with the given clone weights."""
    base, wide = mlp([1, 1, 1]), mlp([1, 2, 1])
    partition = make_partition(wide.sizes, {"h1": [[0, 1]]})
    small = {"W1": [[2]], "b1": [1], "W2": [[3]], "b2": [0]}
    theta = {p: np.array(v, dtype=object) for p, v in small.items()}
    large = {p: np.array(v, dtype=object) for p, v in weights(wide, partition).items()}
    one = np.array([[1]], dtype=object)
    system = Rational(functions={"phi": (0, 0, 1)})
    values = [
        Evaluator(gradient(network.graph()), system)({**point, "x": one, "adjoint:y": one})
        for network, point in ((base, theta), (wide, large))
    ]
    outputs = [str(v["y"][0, 0]) for v in values]
    slopes = [str(v["grad:W1"][0, 0]) for v in values]
    numbers = {
        "phi": "z^2",
        "x": "1",
        "base": small,
        "clone": {p: np.vectorize(str)(v).tolist() for p, v in large.items()},
        "outputs": outputs,
        "gradients of W1[0, 0]": slopes,
    }
    if outputs[0] != outputs[1]:
        return refuted(wide.name, f"outputs {outputs[0]} != {outputs[1]}", counterexample=numbers)
    if slopes[0] != slopes[1]:
        return refuted(
            wide.name,
            f"equal outputs, gradients {slopes[0]} != {slopes[1]}",
            counterexample=numbers,
        )
    return holds(Level.OBSERVED, wide.name, "outputs and gradients are equal")


def printed_weights(_: Settings) -> Evidence:
    """w̃_ij = (1/n_i) Σ w_uv, that is, clone weights w̃_ij / n_j."""
    return _doubled(
        lambda wide, partition: {
            "W1": [[Fraction(2, 2)] * 2],
            "b1": [Fraction(1, 2)] * 2,
            "W2": [[3], [3]],
            "b2": [0],
        }
    )


def same_signals(_: Settings) -> Evidence:
    """Clones carry the base network's backward signals."""
    return _doubled(
        lambda wide, partition: widen(
            wide,
            partition,
            {
                "W1": np.array([[Fraction(2)]]),
                "b1": np.array([Fraction(1)]),
                "W2": np.array([[Fraction(3)]]),
                "b2": np.array([Fraction(0)]),
            },
        )
    )


def undivided(_: Settings) -> Evidence:
    """Clone weights equal to the base weights."""
    return _doubled(
        lambda wide, partition: {
            "W1": [[2, 2]],
            "b1": [1, 1],
            "W2": [[3], [3]],
            "b2": [0],
        }
    )


CLAIMS = (
    Claim(
        id="P5",
        title="every leaf of IE∩OE is invariant",
        statement=(
            "On IE∩OE the gradient lies in BC, so each leaf w + BC is invariant under GD and SGD; "
            "its dimension is the number of pairs of blocks with edges, biases included."
        ),
        hypotheses=(
            "all pairs of blocks complete (tensors; see E5b for absent edges)",
            "units of one block share their activation, and all or none of them have a bias",
            "inputs and outputs are singletons",
        ),
        where="Theorem on cloned manifolds, part 3, for complete pairs",
        expected=Verdict.PROVED,
        checks=(
            Check("random networks over prime fields", leaves_exactly),
            Check("derivation for small MLPs", leaves_derived, part="derivation"),
            Check("dimensions against gradient ranks", leaf_dimensions),
        ),
        false_variants=(
            FalseVariant("IE alone", "clones get different adjoints", only_incoming),
            FalseVariant("OE alone", "clones have different values", only_outgoing),
            FalseVariant(
                "two activations in one block", "the clones compute φ and ψ", two_activations
            ),
            FalseVariant(
                "unequal inputs in one block", "clones must see the same data", unequal_inputs
            ),
        ),
    ),
    Claim(
        id="E5d.printed",
        title="the printed scalings of the base network",
        statement=(
            "The base network has w̃_ij = (1/n_i) Σ_{u∈S_i, v∈S_j} w_uv, and clones carry its "
            "backward signals."
        ),
        hypotheses=("w_uv is the weight of the edge u → v",),
        where="Theorem on cloned manifolds, the base network, as printed",
        expected=Verdict.REFUTED,
        checks=(
            Check("1-1-1 doubled, weights as printed", printed_weights),
            Check("1-1-1 doubled, backward signals", same_signals),
        ),
        corrected_by="E5d",
    ),
    Claim(
        id="E5d",
        title="scalings between clones and base network",
        statement=(
            "With w̃_ij = (1/n_j) Σ_{u∈S_i, v∈S_j} w_uv the base network computes the same outputs; "
            "δ_v = δ̃_j / n_j, so ∂ℓ/∂w_uv = (∂ℓ/∂w̃_ij) / n_j, on every leaf of IE∩OE."
        ),
        hypotheses=("as in P5", "w_uv is the weight of the edge u → v"),
        where="corrects the base network of the theorem on cloned manifolds",
        expected=Verdict.PROVED,
        checks=(Check("random widenings over prime fields", scalings_exactly),),
        false_variants=(
            FalseVariant(
                "weights divided by n_j", "z must keep its sum over sources", printed_weights
            ),
            FalseVariant("undivided weights", "n_i clones count n_i times", undivided),
            FalseVariant("δ_v = δ̃_j", "the clones share the signal", same_signals),
        ),
    ),
)
