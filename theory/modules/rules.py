"""One inference rule for each primitive.

The primitives are closed under differentiation, so these rules are enough for a network and for its
gradient: applied to the nodes of the network they give forward equality (MC1 of P6), applied to the
adjoints backward equality (MC2), applied to the outputs ``grad:p`` tangency (MC3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from theory.errors import GraphError
from theory.graph import Graph, Node
from theory.modules import contraction, elementwise, rearrangement
from theory.modules.block_structure import BlockStructure, discrete
from theory.modules.deviation import deviations, infer_from_means
from theory.modules.support import product_on, restricted, supports
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
    Constant,
    Divide,
    Einsum,
    Input,
    Multiply,
    Negative,
    Parameter,
    Power,
    Reshape,
    Scatter,
    Subtract,
    Sum,
    Take,
    Transpose,
)


def infer(
    node: Node, operands: Sequence[BlockStructure], given: Mapping[str, BlockStructure]
) -> BlockStructure:
    """The structure of a node's value from the structures of its operands.

    Args:
        node: a primitive and its place in a graph.
        operands: the structures of its operands.
        given: structures of parameters and inputs; what is left out may be anything.

    Raises:
        GraphError: if the primitive has no rule.
    """
    match node.primitive:
        case Parameter(name) | Input(name):
            return given.get(name) or discrete(node.shape)
        case Constant(values, shape):
            return rearrangement.constant(values, shape)
        case Add() | Subtract():
            return elementwise.add(operands[0], operands[1])
        case Multiply():
            return elementwise.multiply(operands[0], operands[1])
        case Divide():
            return elementwise.divide(operands[0], operands[1])
        case Negative():
            return operands[0]
        case Power():
            return elementwise.function(operands[0], fixes_zero=True)
        case Apply(activation):
            return elementwise.function(operands[0], elementwise.fixes_zero(activation))
        case Einsum() as einsum:
            return contraction.contract(einsum, operands[0], operands[1])
        case Sum(axes):
            return contraction.add_up(operands[0], axes)
        case Broadcast(shape):
            return rearrangement.broadcast(operands[0], shape)
        case Reshape(shape):
            return rearrangement.reshape(operands[0], shape)
        case Transpose(permutation):
            return rearrangement.transpose(operands[0], permutation)
        case Take(axis, indices):
            return rearrangement.take(operands[0], axis, indices)
        case Scatter(axis, indices, size):
            return rearrangement.scatter(operands[0], axis, indices, size)
        case Concatenate(axis):
            return rearrangement.concatenate(operands, node.operands, axis, node.shape)
    raise GraphError(f"{node.primitive!r} has no inference rule")


def structures(graph: Graph, given: Mapping[str, BlockStructure]) -> tuple[BlockStructure, ...]:
    """The structure of every node.

    Args:
        graph: a network, or its gradient.
        given: structures of parameters and inputs; what is left out may be anything.

    >>> from theory.tracing import trace
    >>> graph = trace(lambda p, x: {"y": x["x"] + p["b"]}, {"b": (2,)}, {"x": (5, 2)})
    >>> structures(graph, {})[-1] == discrete((5, 2))
    True
    """
    means, places = deviations(graph), supports(graph)
    found: list[BlockStructure] = []
    for k, node in enumerate(graph.nodes):
        operands = [found[j] for j in node.operands]
        own = infer_from_means(graph, k, found, means)
        if own is None and places[k] and isinstance(node.primitive, Multiply | Divide):
            own = product_on(node, operands[0], operands[1], places[k])
        found.append(restricted(own or infer(node, operands, given), places[k]))
    return tuple(found)
