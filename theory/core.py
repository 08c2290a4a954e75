"""Every graph in seven primitives, for a reader who must trust whoever evaluates them.

Sums, products with constants, and function symbols without a definition of their own are enough:
x - y is x + (-1)·y, a sum over an axis is a product with a vector of ones, a selection of entries
one with a matrix of zeros and ones, x / y is x·r(y) with r(v) = 1/v. What such a graph lacks in
brevity it gains in a short evaluator; see :mod:`proofs_check.checker`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import reduce
from math import prod
from string import ascii_letters
from typing import Any

import numpy as np

from theory.activation import reciprocal
from theory.errors import GraphError
from theory.graph import Builder, Graph
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
from theory.rewrite import substitute
from theory.tracing import Traced, trace

CORE = (Parameter, Input, Constant, Add, Einsum, Apply, Reshape)
"""The primitives that are left; an Apply among them has no definition from simpler symbols."""


def core(graph: Graph) -> Graph:
    """The same values, 1/v taken for a function symbol, by the primitives of :data:`CORE` alone.

    Structure on constants is carried out, so a constant divisor is a constant factor.

    Raises:
        GraphError: if a constant divisor has an entry 0, or a value has more than 51 axes.

    >>> double = trace(lambda p, x: {"y": p["w"] - x["x"].sum(1)}, {"w": (2,)}, {"x": (2, 3)})
    >>> [type(node.primitive).__name__ for node in core(double).nodes]
    ['Input', 'Parameter', 'Constant', 'Einsum', 'Constant', 'Einsum', 'Add']
    """
    builder = Builder()
    numbers: list[int] = []
    for k, node in enumerate(graph.nodes):
        if len(node.shape) >= len(ascii_letters):
            raise GraphError(f"nodes[{k}] has shape {node.shape}: at most 51 axes can be labelled")
        try:
            numbers.append(
                _lowered(builder, node.primitive, tuple(numbers[j] for j in node.operands))
            )
        except ZeroDivisionError:
            raise GraphError(f"nodes[{k}]: a constant divisor has an entry 0") from None
    return builder.finish({name: numbers[k] for name, k in graph.outputs.items()})


def _lowered(builder: Builder, primitive: Primitive, operands: tuple[int, ...]) -> int:
    shapes = [builder.nodes[k].shape for k in operands]
    folded = _on_constant(builder, primitive, operands)
    if folded is not None:
        return _constant(builder, folded.ravel(), folded.shape)
    labels = ascii_letters[: len(shapes[0])] if shapes else ""
    match primitive:
        case Apply(activation) if activation.law.definition is not None:
            return _defined(builder, activation.law.definition, operands[0])
        case Subtract():
            return builder.add(Add(), operands[0], _scaled(builder, operands[1], -1))
        case Negative():
            return _scaled(builder, operands[0], -1)
        case Multiply():
            return _product(builder, *operands)
        case Divide():
            return _product(builder, operands[0], _inverse(builder, operands[1]))
        case Power(n):
            return _power(builder, operands[0], n)
        case Sum(axes):
            ones = _ones(builder, tuple(shapes[0][k] for k in axes))
            summed = "".join(labels[k] for k in axes)
            kept = "".join(c for c in labels if c not in summed)
            return builder.add(Einsum(f"{labels},{summed}->{kept}"), operands[0], ones)
        case Broadcast(shape):
            return _stretched(builder, operands[0], shape)
        case Transpose(permutation):
            order = "".join(labels[k] for k in permutation)
            return builder.add(Einsum(f"{labels},->{order}"), operands[0], _ones(builder, ()))
        case Take(axis, indices):
            pairs = ((k, j) for j, k in enumerate(indices))
            return _moved(builder, operands[0], axis, len(indices), pairs)
        case Scatter(axis, indices, size):
            return _moved(builder, operands[0], axis, size, enumerate(indices))
        case Concatenate(axis):
            size, start, parts = sum(shape[axis] for shape in shapes), 0, []
            for operand, shape in zip(operands, shapes, strict=True):
                pairs = ((k, start + k) for k in range(shape[axis]))
                parts.append(_moved(builder, operand, axis, size, pairs))
                start += shape[axis]
            return reduce(lambda a, b: builder.add(Add(), a, b), parts)
        case _:
            return builder.add(primitive, *operands)


def _on_constant(builder: Builder, primitive: Primitive, operands: tuple[int, ...]) -> Any:
    """The entries of a constant brought to other places, ``None`` for anything else."""
    leaf = builder.nodes[operands[0]].primitive if operands else None
    if not isinstance(leaf, Constant):
        return None
    values = np.array(leaf.values, dtype=object).reshape(leaf.shape)
    match primitive:
        case Reshape(shape):
            return values.reshape(shape)
        case Broadcast(shape):
            return np.broadcast_to(values, shape)
        case Transpose(permutation):
            return values.transpose(permutation)
        case Take(axis, indices):
            return values.take(indices, axis)
        case _:
            return None


def _constant(builder: Builder, values: Iterable[Fraction | int], shape: Shape) -> int:
    return builder.add(Constant(tuple(map(Fraction, values)), shape))


def _ones(builder: Builder, shape: Shape) -> int:
    return _constant(builder, [1] * prod(shape), shape)


def _scaled(builder: Builder, operand: int, factor: int) -> int:
    labels = ascii_letters[: len(builder.nodes[operand].shape)]
    return builder.add(Einsum(f"{labels},->{labels}"), operand, _constant(builder, [factor], ()))


def _product(builder: Builder, a: int, b: int) -> int:
    labels = ascii_letters[: len(builder.nodes[a].shape)]
    return builder.add(Einsum(f"{labels},{labels}->{labels}"), a, b)


def _power(builder: Builder, operand: int, exponent: int) -> int:
    if exponent == 1:
        return operand
    half = _power(builder, operand, exponent // 2)
    square = _product(builder, half, half)
    return _product(builder, square, operand) if exponent % 2 else square


def _inverse(builder: Builder, operand: int) -> int:
    leaf = builder.nodes[operand].primitive
    if isinstance(leaf, Constant):
        return _constant(builder, [1 / v for v in leaf.values], leaf.shape)
    return builder.add(Apply(reciprocal), operand)


def _defined(builder: Builder, definition: Callable[[Any], Any], operand: int) -> int:
    shape = builder.nodes[operand].shape
    simpler = core(trace(lambda p, x: {"f": definition(x["z"])}, {}, {"z": shape}))
    return substitute(builder, simpler, {"z": Traced(builder, operand)})["f"].number


def _stretched(builder: Builder, operand: int, shape: Shape) -> int:
    own = builder.nodes[operand].shape
    labels, start = ascii_letters[: len(shape)], len(shape) - len(own)
    kept = [k for k in range(start, len(shape)) if own[k - start] == shape[k]]
    added = [k for k in range(len(shape)) if k not in kept]
    if not added:
        return operand
    narrow = builder.add(Reshape(tuple(shape[k] for k in kept)), operand)
    ones = _ones(builder, tuple(shape[k] for k in added))
    sides = ["".join(labels[k] for k in axes) for axes in (kept, added)]
    return builder.add(Einsum(f"{sides[0]},{sides[1]}->{labels}"), narrow, ones)


def _moved(
    builder: Builder, operand: int, axis: int, size: int, pairs: Iterable[tuple[int, int]]
) -> int:
    """Entry k of an axis is added at place j, for all pairs (k, j)."""
    shape = builder.nodes[operand].shape
    matrix = np.zeros((shape[axis], size), dtype=int)
    for k, j in pairs:
        matrix[k, j] = 1
    labels, fresh = ascii_letters[: len(shape)], ascii_letters[len(shape)]
    out = labels.replace(labels[axis], fresh)
    subscripts = f"{labels},{labels[axis]}{fresh}->{out}"
    selection = _constant(builder, matrix.ravel().tolist(), matrix.shape)
    return builder.add(Einsum(subscripts), operand, selection)
