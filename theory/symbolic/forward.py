"""Values of a graph entry by entry, in anything that has arithmetic.

NumPy arrays of Python objects do all the bookkeeping; the entries may be SymPy expressions,
rational numbers or dual numbers. Speed is not the point: this is a second, independent reading of
what each primitive means, and derivations rest on it instead of on ``theory.backprop``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, Literal

import numpy as np

from theory.activation import Activation
from theory.errors import ShapeError, ValueSystemError
from theory.graph import Graph
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
    Primitive,
    Reshape,
    Scatter,
    Shape,
    Subtract,
    Sum,
    Take,
    Transpose,
)
from theory.tracing import trace

Array = np.ndarray[Any, Any]
Applied = Callable[[Activation, Any], Any]  # a function symbol at one entry
Rule = Literal["derivative", "definition", "centre"]


def forward_values(graph: Graph, given: Mapping[str, Any], apply: Applied) -> list[Array]:
    """The value of every node, as arrays of objects.

    Args:
        graph: what is computed.
        given: an array for every parameter and input of the graph.
        apply: what a function symbol is at one entry.

    Raises:
        ShapeError: if an array is missing or does not fit.

    >>> graph = trace(lambda p, x: {"y": x["x"] @ p["w"]}, {"w": (2,)}, {"x": (1, 2)})
    >>> forward_values(graph, {"w": [3, 4], "x": [[1, Fraction(1, 2)]]}, lambda f, z: z)[-1]
    array([Fraction(5, 1)], dtype=object)
    """
    values: list[Array] = []
    for node in graph.nodes:
        operands = [values[j] for j in node.operands]
        if isinstance(node.primitive, Parameter | Input):
            value = _bound(node.primitive, given)
        else:
            value = _value(node.primitive, operands, apply)
        values.append(_array(value, node.shape))
    return values


def rule_value(activation: Activation, rule: Rule, z: Any, apply: Applied, f: Any = None) -> Any:
    """A rule of a symbol's law at one entry: f'(z) from z and f(z), a definition, a centre.

    The rule is traced once and read like any other graph, so it needs no operand type of its own.

    Raises:
        ValueSystemError: if the law has no such rule.

    >>> from theory.activation import tanh
    >>> rule_value(tanh, "derivative", 0, lambda f, z: z, f=Fraction(1, 2))
    Fraction(3, 4)
    """
    graph = _rule_graph(activation, rule)
    return forward_values(graph, {"z": z, "f": f}, apply)[graph.outputs["value"]][()]


@cache
def _rule_graph(activation: Activation, rule: Rule) -> Graph:
    law = activation.law
    match rule:
        case "derivative":
            shapes: dict[str, Shape] = {"z": (), "f": ()}
            return trace(lambda _, x: {"value": law.derivative(x["z"], x["f"])}, {}, shapes)
        case "definition" | "centre":
            known = getattr(law, rule)
            if known is not None:
                return trace(lambda _, x: {"value": known(x["z"])}, {}, {"z": ()})
    raise ValueSystemError(f"{activation!r}: its law has no {rule}")


def _bound(leaf: Parameter | Input, given: Mapping[str, Any]) -> Array:
    if leaf.name not in given:
        raise ShapeError(f"{leaf.name!r} is missing: the graph needs its {leaf.shape} array")
    array: Any = given[leaf.name]
    if not isinstance(array, np.ndarray):
        array = np.array(array, dtype=object) if isinstance(array, list) else _array(array, ())
    if array.shape != leaf.shape:
        raise ShapeError(f"{leaf.name!r} has shape {array.shape}, expected {leaf.shape}")
    result: Array = array
    return result


def _array(value: Any, shape: Shape) -> Array:
    """NumPy returns bare entries where an array would have no axes."""
    if isinstance(value, np.ndarray):
        return value
    boxed = np.empty(shape, dtype=object)
    boxed[()] = value
    return boxed


def _value(primitive: Primitive, operands: Sequence[Array], apply: Applied) -> Any:
    match primitive:
        case Constant(entries, shape):
            return _filled([_plain(entry) for entry in entries], shape)
        case Add():
            return operands[0] + operands[1]
        case Subtract():
            return operands[0] - operands[1]
        case Multiply():
            return operands[0] * operands[1]
        case Divide():
            pairs = zip(operands[0].flat, operands[1].flat, strict=True)
            return _filled([_quotient(a, b) for a, b in pairs], operands[0].shape)
        case Negative():
            return -operands[0]
        case Power(exponent):
            return operands[0] ** exponent
        case Apply(activation):
            return _filled([apply(activation, z) for z in operands[0].flat], operands[0].shape)
        case Einsum(subscripts):
            return np.einsum(subscripts, *operands)
        case Sum(axes):
            return np.sum(operands[0], axis=axes)
        case Broadcast(shape):
            return np.broadcast_to(operands[0], shape)
        case Reshape(shape):
            return operands[0].reshape(shape)
        case Transpose(permutation):
            return operands[0].transpose(permutation)
        case Take(axis, indices):
            return np.take(operands[0], indices, axis=axis)
        case Scatter(axis, indices, size):
            return _scattered(operands[0], axis, indices, size)
        case Concatenate(axis):
            return np.concatenate(operands, axis=axis)
    raise ValueSystemError(
        f"{primitive!r} has no value of its own: parameters and inputs are given"
    )


def _filled(entries: Sequence[Any], shape: Shape) -> Array:
    # NumPy would look inside entries that are sequences, so they are put in one by one.
    flat = np.empty(len(entries), dtype=object)
    for k, entry in enumerate(entries):
        flat[k] = entry
    return flat.reshape(shape)


def _plain(value: Fraction) -> Fraction | int:
    return int(value) if value.denominator == 1 else value


def _quotient(a: Any, b: Any) -> Any:
    return Fraction(a) / b if isinstance(a, int) else a / b  # int / int would be a float


def _scattered(a: Array, axis: int, indices: tuple[int, ...], size: int) -> Array:
    moved = np.moveaxis(a, axis, 0)
    out = _filled([0] * (size * moved[0].size), (size, *moved.shape[1:]))
    for source, target in enumerate(indices):
        out[target] = out[target] + moved[source]
    return np.moveaxis(out, 0, axis)
