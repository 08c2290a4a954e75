"""Supports: along which places of an axis a value can differ from 0, whatever the numbers.

What a network drops gets no adjoint: :class:`~theory.primitives.Scatter` fills the places with
zeros. Products keep them, so behind it neither slopes nor weights matter there. Structures know
equal entries, not which of them are 0; the graph is read once for these places.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from theory.graph import Graph, Node
from theory.modules.block_structure import BlockStructure, zero
from theory.modules.elementwise import function, multiply
from theory.modules.rearrangement import scatter, take
from theory.primitives import (
    Add,
    Broadcast,
    Divide,
    Einsum,
    Multiply,
    Negative,
    Power,
    Reshape,
    Scatter,
    Shape,
    Subtract,
    Sum,
    Take,
    Transpose,
)

Support = dict[int, frozenset[int]]  # an axis, and its places outside of which all entries are 0


def supports(graph: Graph) -> tuple[Support, ...]:
    """Of every node the axes along which it is 0 at some places, and the other places.

    >>> from theory.backprop import gradient
    >>> from theory.tracing import trace
    >>> graph = gradient(trace(lambda p, x: {"y": p["b"][1:]}, {"b": (3,)}, {}))
    >>> supports(graph)[graph.outputs["grad:b"]]
    {0: frozenset({1, 2})}
    """
    found: list[Support] = []
    for node in graph.nodes:
        own = _support(node, [found[j] for j in node.operands], graph)
        found.append({k: s for k, s in own.items() if len(s) < node.shape[k]})
    return tuple(found)


def _support(node: Node, operands: Sequence[Support], graph: Graph) -> Support:
    shapes = [graph.nodes[j].shape for j in node.operands]
    match node.primitive:
        case Scatter(axis, indices, _):
            places = operands[0].get(axis, range(len(indices)))
            return {**operands[0], axis: frozenset(indices[k] for k in places)}
        case Take(axis, indices) if axis in operands[0]:
            chosen = frozenset(k for k, i in enumerate(indices) if i in operands[0][axis])
            return {**operands[0], axis: chosen}
        case Take() | Negative() | Power() | Divide():
            return operands[0]
        case Multiply():
            return _meet(operands)
        case Add() | Subtract():
            left, right = operands
            return {k: s | right[k] for k, s in left.items() if k in right}
        case Transpose(permutation):
            return {n: operands[0][k] for n, k in enumerate(permutation) if k in operands[0]}
        case Broadcast(shape):
            # a stretched axis is here only if nothing of it can differ from 0
            added = len(shape) - len(shapes[0])
            return {k + added: s for k, s in operands[0].items()}
        case Reshape(shape):
            old, new = (_long(own) for own in (shapes[0], shape))
            is_same = [shapes[0][k] for k in old] == [shape[k] for k in new]
            moved = dict(zip(old, new, strict=True)) if is_same else {}
            return {moved[k]: s for k, s in operands[0].items() if k in moved}
        case Sum(axes):
            kept = [k for k in range(len(shapes[0])) if k not in axes]
            return {n: operands[0][k] for n, k in enumerate(kept) if k in operands[0]}
        case Einsum() as einsum:
            *letters, out = einsum.labels
            return _meet(
                [
                    {out.index(c): own[k] for k, c in enumerate(word) if k in own and c in out}
                    for word, own in zip(letters, operands, strict=True)
                ]
            )
    return {}


def _long(shape: Shape) -> list[int]:
    return [k for k, n in enumerate(shape) if n != 1]


def _meet(factors: Sequence[Support]) -> Support:
    """Where a product can differ from 0: where every factor can."""
    found: Support = {}
    for one in factors:
        found |= {k: s & found.get(k, s) for k, s in one.items()}
    return found


def restricted(a: BlockStructure, support: Support) -> BlockStructure:
    """The structure of a tensor whose entries outside the support are replaced by 0.

    Sound because that is what taking the places of the support and scattering them does. An axis
    with zero-sum parts is left as it is where these would be cut; then the tensor must be 0
    outside already, or else only be multiplied by what is.
    """
    return reduce(_restricted_along, support.items(), a)


def _restricted_along(a: BlockStructure, item: tuple[int, frozenset[int]]) -> BlockStructure:
    axis, places = item
    (factor,) = (f for f in a.factors if axis in f.axes)
    if not places:
        return zero(a.shape)
    if factor.bit & a.mixed:
        return a
    kept = tuple(sorted(places))
    return scatter(take(a, axis, kept), axis, kept, a.shape[axis])


def product_on(
    node: Node, a: BlockStructure, b: BlockStructure, support: Support
) -> BlockStructure:
    """A product or quotient that is 0 outside the support: a and b, or 1/b, matter inside only."""
    right = function(b) if isinstance(node.primitive, Divide) else b
    return multiply(restricted(a, support), restricted(right, support))
