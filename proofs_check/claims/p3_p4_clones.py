"""P3 and P4: clones agree forward on IE, and backward on IE∩OE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from numerics.clones import Side, prove_equal_units
from numerics.evaluate import Evaluator
from numerics.identity import vanishes
from numerics.systems.rational import Rational
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import (
    Choose,
    chooser,
    draw_network,
    draw_partition,
    draw_rationals,
)
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted
from proofs_check.findings import campaign, from_identity
from theory.activation import activation
from theory.architecture import Architecture
from theory.axes import axis_names
from theory.backprop import gradient
from theory.graph import Graph
from theory.manifold import Manifold, equitable, incoming_equitable, outgoing_equitable
from theory.manifold.coordinates import in_coordinates
from theory.partition import AxisPartition, make_partition
from theory.primitives import Apply
from theory.tracing import trace
from theory.zoo import mlp

CUBIC = {"phi": (1, -2, 3, 1)}  # ascending coefficients of φ


def _campaign(settings: Settings, side: Side) -> Evidence:
    name = {"forward": "P3", "backward": "P4"}[side]
    manifold_of = {"forward": incoming_equitable, "backward": equitable}[side]

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network = draw_network(choose)
        partition = draw_partition(choose, network)
        found = prove_equal_units(
            network, partition, manifold_of(network, partition), side, bits=bits, seed=seed
        )
        return from_identity(found, network.name, f"{side} values are equal inside blocks")

    count = 300 if settings.full else 40
    return campaign(settings, name, count, "networks with random partitions", test)


def forward_exactly(settings: Settings) -> Evidence:
    """z and h are equal inside blocks on IE, in random networks."""
    return _campaign(settings, "forward")


def backward_exactly(settings: Settings) -> Evidence:
    """d and δ are equal inside blocks on IE∩OE, in random networks."""
    return _campaign(settings, "backward")


def _small() -> tuple[Architecture, dict[str, AxisPartition]]:
    network = mlp([2, 4, 3, 2])
    return network, make_partition(network.sizes, {"h1": [[0, 2], [1, 3]], "h2": [[0, 1]]})


def _rational_values(graph: Graph, manifold: Manifold, choose: Choose) -> Mapping[str, Any]:
    """Outputs of a graph at a random integer point, in rational arithmetic with a cubic φ."""
    data = {k: s for k, s in graph.input_shapes.items() if k not in graph.parameter_shapes}
    theta = manifold.embed(draw_rationals(choose, manifold.free_shapes))
    return Evaluator(graph, Rational(functions=CUBIC))({**theta, **draw_rationals(choose, data)})


def forward_in_rationals(settings: Settings) -> Evidence:
    """Hidden values at a rational point of IE off OE."""
    network, partition = _small()
    forward = network.graph()
    names = axis_names(forward, network.declared_axes)
    hidden = {
        axis: k
        for k, node in enumerate(forward.nodes)
        if isinstance(node.primitive, Apply) and (axis := names[k][1]) is not None
    }
    values = _rational_values(
        Graph(forward.nodes, hidden),
        incoming_equitable(network, partition),
        chooser(settings.sub_seed("P3", "rational")),
    )
    for axis, h in values.items():
        for block in partition[axis].blocks:
            if len({str(h[0, unit]) for unit in block}) != 1:
                return refuted(network.name, f"h differs in {axis} {block}: {h[0].tolist()}")
    return holds(
        Level.OBSERVED,
        f"{network.name}, φ = 1 - 2z + 3z² + z³, one point of IE off OE",
        "hidden values are equal inside blocks, in rational arithmetic",
    )


def equal_gradients_in_rationals(settings: Settings) -> Evidence:
    """∂ℓ/∂w_uv at a rational point of IE∩OE off BC: equal on all edges of a pair."""
    network, partition = _small()
    values = _rational_values(
        gradient(network.graph()),
        equitable(network, partition),
        chooser(settings.sub_seed("P4", "rational")),
    )
    for p, axes in network.parameters.items():
        owners = [partition[axis].block_of for axis in axes]
        met: dict[tuple[int, ...], str] = {}
        for entry in np.ndindex(network.parameter_shapes[p]):
            pair = tuple(owner[k] for owner, k in zip(owners, entry, strict=True))
            value = str(values[f"grad:{p}"][entry])
            if met.setdefault(pair, value) != value:
                return refuted(network.name, f"∂ℓ/∂{p}{entry} = {value}, another is {met[pair]}")
    return holds(
        Level.OBSERVED,
        f"{network.name}, φ = 1 - 2z + 3z² + z³, one point of IE∩OE off BC",
        "the gradient is equal on all edges of each pair, in rational arithmetic",
    )


def _one_pair(manifold_of: Any, side: Side, settings: Settings) -> Evidence:
    """Equality of two clones in a network 1-2-1."""
    network = mlp([1, 2, 1])
    partition = make_partition(network.sizes, {"h1": [[0, 1]]})
    found = prove_equal_units(
        network, partition, manifold_of(network, partition), side, seed=settings.seed
    )
    return from_identity(found, network.name, f"{side} values are equal inside blocks")


def forward_on_oe(settings: Settings) -> Evidence:
    """Forward equality on OE alone, the printed index order (E5a)."""
    return _one_pair(outgoing_equitable, "forward", settings)


def backward_on_ie(settings: Settings) -> Evidence:
    """Backward equality on IE alone."""
    return _one_pair(incoming_equitable, "backward", settings)


def backward_on_oe(settings: Settings) -> Evidence:
    """Backward equality on OE alone."""
    return _one_pair(outgoing_equitable, "backward", settings)


def two_activations(settings: Settings) -> Evidence:
    """Forward equality on IE of two clones, one with φ and one with ψ."""
    network = mlp([1, 2, 1], bias=False)
    flat = incoming_equitable(network, make_partition(network.sizes, {"h1": [[0, 1]]}))
    phi, psi = activation("phi"), activation("psi")

    def difference(p: dict[str, Any], x: dict[str, Any]) -> dict[str, Any]:
        z = x["x"] @ p["W1"]
        return {"h[0] - h[1]": phi(z[:, 0]) - psi(z[:, 1])}

    graph = trace(difference, {"W1": (1, 2)}, {"x": (1, 1)})
    found = vanishes(in_coordinates(graph, flat), bits=60, seed=settings.seed)
    return from_identity(found, "MLP 1-2-1 with φ and ψ", "the two hidden values are equal")


CLAIMS = (
    Claim(
        id="P3",
        title="forward cloning",
        statement="IE ⇒ equal z and h inside blocks, on every input.",
        hypotheses=(
            "units of one block share their activation, and all or none of them have a bias",
            "inputs are singletons",
        ),
        where="Theorem on cloned manifolds, part 1, with the index order of E5a",
        expected=Verdict.PROVED,
        checks=(
            Check("random networks over prime fields", forward_exactly),
            Check("one network in rational numbers", forward_in_rationals),
        ),
        false_variants=(
            FalseVariant(
                "OE in place of IE", "equal outgoing sums say nothing about z", forward_on_oe
            ),
            FalseVariant(
                "two activations in one block", "equal z, but φ(z) and ψ(z)", two_activations
            ),
        ),
    ),
    Claim(
        id="P4",
        title="backward cloning",
        statement=(
            "IE ∩ OE ⇒ equal d and δ inside blocks; ∂ℓ/∂w_uv is equal on all existing edges of a "
            "pair."
        ),
        hypotheses=(
            "units of one block share their activation, and all or none of them have a bias",
            "inputs and outputs are singletons",
        ),
        where="Theorem on cloned manifolds, part 2",
        expected=Verdict.PROVED,
        checks=(
            Check("random networks over prime fields", backward_exactly),
            Check("one network in rational numbers", equal_gradients_in_rationals),
        ),
        false_variants=(
            FalseVariant("IE alone", "outgoing weights of clones differ", backward_on_ie),
            FalseVariant("OE alone", "δ contains φ'(z), and z differs", backward_on_oe),
        ),
    ),
)
