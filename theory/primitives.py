"""The primitives of a computation graph, each with its shape rule.

The set is small and closed under differentiation: the adjoint of a broadcast is a sum, of a take
a scatter, of an einsum an einsum. Broadcasting is explicit, so every elementwise primitive acts on
equal shapes. Richer NumPy functions are lowered to these while tracing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod

from theory.activation import Activation
from theory.errors import GraphError

Shape = tuple[int, ...]

HASHED = 16  # entries from each end of a constant that its hash is made of


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named parameter tensor, trained."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Input:
    """A named tensor that is not trained: data, an output adjoint, a direction."""

    name: str
    shape: Shape


@dataclass(frozen=True, slots=True)
class Constant:
    """Exact rational entries in row-major order."""

    values: tuple[Fraction, ...]
    shape: Shape

    def __hash__(self) -> int:
        """Of a few entries only: a mask has millions, and every lookup of its node hashes it."""
        return hash((self.shape, self.values[:HASHED], self.values[-HASHED:]))


@dataclass(frozen=True, slots=True)
class Add:
    """Elementwise a + b."""


@dataclass(frozen=True, slots=True)
class Subtract:
    """Elementwise a - b."""


@dataclass(frozen=True, slots=True)
class Multiply:
    """Elementwise a b."""


@dataclass(frozen=True, slots=True)
class Divide:
    """Elementwise a / b."""


@dataclass(frozen=True, slots=True)
class Negative:
    """Elementwise -a."""


@dataclass(frozen=True, slots=True)
class Power:
    """Elementwise aⁿ for a fixed integer n ≥ 2."""

    exponent: int


@dataclass(frozen=True, slots=True)
class Apply:
    """A function symbol, elementwise."""

    activation: Activation


@dataclass(frozen=True, slots=True)
class Einsum:
    """Sum of products of two operands, ``"bi,ij->bj"``.

    Labels are distinct within an operand, and one that is missing from the output stands in both
    operands (a sum over one operand alone is a :class:`Sum`).
    """

    subscripts: str

    @property
    def labels(self) -> tuple[str, str, str]:
        """Labels of the left operand, the right operand and the output."""
        operands, out = self.subscripts.split("->")
        left, right = operands.split(",")
        return left, right, out


@dataclass(frozen=True, slots=True)
class Sum:
    """Sum over axes, which disappear."""

    axes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Broadcast:
    """NumPy's ``broadcast_to``: axes aligned at the right, length 1 stretched."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Reshape:
    """The same entries in row-major order under another shape."""

    shape: Shape


@dataclass(frozen=True, slots=True)
class Transpose:
    """Axis ``k`` of the result is axis ``permutation[k]`` of the operand."""

    permutation: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Take:
    """Entries ``indices`` of one axis, in that order."""

    axis: int
    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Scatter:
    """Adjoint of :class:`Take`: entry k of an axis is added at ``indices[k]`` among ``size``."""

    axis: int
    indices: tuple[int, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Concatenate:
    """Operands one after another along an axis."""

    axis: int


Primitive = (
    Parameter
    | Input
    | Constant
    | Add
    | Subtract
    | Multiply
    | Divide
    | Negative
    | Power
    | Apply
    | Einsum
    | Sum
    | Broadcast
    | Reshape
    | Transpose
    | Take
    | Scatter
    | Concatenate
)


def result_shape(primitive: Primitive, operands: tuple[Shape, ...]) -> Shape:
    """The shape of a primitive's value, given its operands' shapes.

    Raises:
        GraphError: if the operands do not fit the primitive.

    >>> result_shape(Einsum("bi,ij->bj"), ((8, 3), (3, 4)))
    (8, 4)
    """
    expected = _arity(primitive)
    if expected is not None and len(operands) != expected:
        name = type(primitive).__name__
        raise GraphError(f"{name}: {len(operands)} operands, expected {expected}")
    match primitive:
        case Parameter() | Input():
            _check_shape(primitive, primitive.shape)
            return primitive.shape
        case Constant():
            _check_shape(primitive, primitive.shape)
            if len(primitive.values) != prod(primitive.shape):
                n = len(primitive.values)
                raise GraphError(f"Constant: {n} values do not fill shape {primitive.shape}")
            return primitive.shape
        case Add() | Subtract() | Multiply() | Divide():
            if operands[0] != operands[1]:
                name = type(primitive).__name__
                raise GraphError(f"{name}: shapes {operands[0]} and {operands[1]} must be equal")
            return operands[0]
        case Negative() | Apply():
            return operands[0]
        case Power(n):
            if n < 2:
                raise GraphError(f"Power: exponent={n}, an exponent is an integer n >= 2")
            return operands[0]
        case Einsum():
            return _einsum_shape(primitive, operands[0], operands[1])
        case Sum(axes):
            _check_axes(primitive, axes, operands[0])
            return tuple(n for k, n in enumerate(operands[0]) if k not in axes)
        case Broadcast(shape):
            _check_shape(primitive, shape)
            return _broadcast_shape(shape, operands[0])
        case Reshape(shape):
            _check_shape(primitive, shape)
            if prod(shape) != prod(operands[0]):
                raise GraphError(f"Reshape: {operands[0]} does not fill shape {shape}")
            return shape
        case Transpose(permutation):
            if sorted(permutation) != list(range(len(operands[0]))):
                raise GraphError(f"Transpose: {permutation} does not permute {operands[0]}")
            return tuple(operands[0][k] for k in permutation)
        case Take(axis, indices):
            _check_axes(primitive, (axis,), operands[0])
            _check_indices(primitive, indices, operands[0][axis])
            return _with_length(operands[0], axis, len(indices))
        case Scatter(axis, indices, size):
            _check_axes(primitive, (axis,), operands[0])
            _check_shape(primitive, (size,))
            _check_indices(primitive, indices, size)
            if operands[0][axis] != len(indices):
                n = operands[0][axis]
                raise GraphError(f"Scatter: {len(indices)} indices for an axis of length {n}")
            return _with_length(operands[0], axis, size)
        case Concatenate(axis):
            return _concatenate_shape(axis, operands)


def _arity(primitive: Primitive) -> int | None:
    match primitive:
        case Parameter() | Input() | Constant():
            return 0
        case Add() | Subtract() | Multiply() | Divide() | Einsum():
            return 2
        case Concatenate():
            return None
        case _:
            return 1


@lru_cache(maxsize=1 << 12)
def _einsum_shape(einsum: Einsum, left: Shape, right: Shape) -> Shape:
    if not re.fullmatch(r"[a-zA-Z]*,[a-zA-Z]*->[a-zA-Z]*", einsum.subscripts):
        raise GraphError(f"Einsum: {einsum.subscripts!r:.60} is not of the form 'ij,jk->ik'")
    a, b, out = einsum.labels
    sizes: dict[str, int] = {}
    for labels, shape in ((a, left), (b, right)):
        if len(labels) != len(shape) or len(set(labels)) != len(labels):
            raise GraphError(f"Einsum: {einsum.subscripts!r} does not label shape {shape}")
        for label, n in zip(labels, shape, strict=True):
            if sizes.setdefault(label, n) != n:
                raise GraphError(f"Einsum: label {label!r} has lengths {sizes[label]} and {n}")
    if len(set(out)) != len(out) or not set(out) <= set(sizes):
        raise GraphError(f"Einsum: {einsum.subscripts!r} repeats or invents an output label")
    if lone := set(sizes) - set(out) - (set(a) & set(b)):
        raise GraphError(f"Einsum: label {min(lone)!r} is summed over one operand alone")
    return tuple(sizes[label] for label in out)


def _broadcast_shape(shape: Shape, operand: Shape) -> Shape:
    tail = shape[len(shape) - len(operand) :]
    if len(operand) > len(shape) or any(
        n not in (1, m) for n, m in zip(operand, tail, strict=True)
    ):
        raise GraphError(f"Broadcast: {operand} does not stretch to {shape}")
    return shape


def _concatenate_shape(axis: int, operands: tuple[Shape, ...]) -> Shape:
    if not operands:
        raise GraphError("Concatenate: no operands")
    first = operands[0]
    _check_axes(Concatenate(axis), (axis,), first)
    for shape in operands[1:]:
        if len(shape) != len(first) or _with_length(shape, axis, 0) != _with_length(first, axis, 0):
            raise GraphError(f"Concatenate: shapes {first} and {shape} differ off axis {axis}")
    return _with_length(first, axis, sum(shape[axis] for shape in operands))


def _with_length(shape: Shape, axis: int, length: int) -> Shape:
    return (*shape[:axis], length, *shape[axis + 1 :])


def _check_shape(primitive: Primitive, shape: Shape) -> None:
    if any(n < 0 for n in shape):
        raise GraphError(f"{type(primitive).__name__}: shape {shape}: a length is at least 0")


def _check_axes(primitive: Primitive, axes: tuple[int, ...], shape: Shape) -> None:
    if len(set(axes)) != len(axes) or any(not 0 <= k < len(shape) for k in axes):
        raise GraphError(f"{type(primitive).__name__}: axes {axes} are not axes of shape {shape}")


def _check_indices(primitive: Primitive, indices: tuple[int, ...], size: int) -> None:
    for k in indices:
        if not 0 <= k < size:
            raise GraphError(f"{type(primitive).__name__}: index {k} is not in 0..{size - 1}")
