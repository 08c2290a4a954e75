"""The second derivative channel: ⟨adjoint, J v⟩ = ⟨Jᵀ adjoint, v⟩ in a product of prime fields."""

from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.systems.prime import PrimeField
from theory.backprop import gradient, pushforward
from theory.graph import Graph

PRIMES = (4194301, 4194287)


def generic_values(graph: Graph, field: PrimeField) -> dict[str, Any]:
    """Random residues for everything the graph must be given."""
    return {name: field.random(shape, name) for name, shape in graph.input_shapes.items()}


def channel_agrees(graph: Graph, seed: int = 0) -> bool:
    """Whether both modes give the same number for generic parameters, data, v and adjoint.

    Two components of 22 bits: a difference that is a non-zero polynomial of degree D in these
    values is missed with probability at most (D / 4194287)².
    """
    field = PrimeField(PRIMES, seed)
    reverse = gradient(graph, outputs=graph.outputs)
    forward = pushforward(graph)
    given = generic_values(reverse, field) | generic_values(forward, field)
    pulled, pushed = Evaluator(reverse, field, 1)(given), Evaluator(forward, field, 1)(given)
    pairs = [
        (field.random(graph.nodes[k].shape, f"adjoint:{name}"), pushed[f"tangent:{name}"])
        for name, k in graph.outputs.items()
    ]
    outer = _pairing(field, pairs)
    pairs = [
        (pulled[f"grad:{name}"], field.random(shape, f"tangent:{name}"))
        for name, shape in graph.parameter_shapes.items()
    ]
    return bool((field.canonical(outer) == field.canonical(_pairing(field, pairs))).all())


def _pairing(field: PrimeField, pairs: list[tuple[Any, Any]]) -> Any:
    total = field.constant([0], (), 1)  # type: ignore[list-item]
    for a, b in pairs:
        product = field.multiply(a, b)
        total = field.add(total, field.sum(product.reshape(len(PRIMES), -1), (-1,)))
    return np.asarray(total)
