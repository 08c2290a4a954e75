"""The value of a node, while its graph is being built.

A :class:`Value` knows its shape and its place in a :class:`~theory.graph.Builder`, and records what
is done to it. Its own methods are the structural ones; arithmetic stands in
:mod:`theory.lowering`. Every method returns the kind of value it was called on, so array code
written once serves plain values and the traced arrays of :mod:`theory.tracing`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import prod
from numbers import Rational
from operator import index
from typing import Any, Self

import numpy as np

from theory.activation import Activation, apply
from theory.errors import TraceError
from theory.graph import Builder
from theory.primitives import (
    Apply,
    Broadcast,
    Constant,
    Primitive,
    Reshape,
    Shape,
    Sum,
    Transpose,
)


@dataclass(frozen=True, eq=False)
class Value:
    """Node ``number`` of the graph under construction in ``builder``."""

    builder: Builder
    number: int

    @property
    def shape(self) -> Shape:
        """Lengths of the axes."""
        return self.builder.nodes[self.number].shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of entries."""
        return prod(self.shape)

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self.shape}"

    def record(self, primitive: Primitive, *others: Value) -> Self:
        """The value ``primitive(self, *others)``.

        Raises:
            GraphError: if the operands do not fit the primitive.
            TraceError: if one of them belongs to another graph.
        """
        numbers = (number_in(self.builder, other) for other in others)
        return type(self)(self.builder, self.builder.add(primitive, self.number, *numbers))

    def lift(self, value: Any) -> Self:
        """``value`` itself if it belongs to the same graph, an exact constant if it is numbers.

        Raises:
            TraceError: if it belongs to another graph, or an entry is no finite number.
        """
        return type(self)(self.builder, number_in(self.builder, value))

    def reshape(self, *shape: Any) -> Self:
        """The same entries under another shape; one length may be -1.

        Raises:
            TraceError: if the lengths do not fill the array.
        """
        lengths = integers(_unpacked(shape), "a length")
        if lengths.count(-1) == 1 and (known := -prod(lengths)):
            lengths = tuple(self.size // known if n == -1 else n for n in lengths)
        if any(n < 0 for n in lengths) or prod(lengths) != self.size:
            raise TraceError(f"reshape{shape}: does not fit an array of shape {self.shape}")
        return self if lengths == self.shape else self.record(Reshape(lengths))

    def transpose(self, *axes: Any) -> Self:
        """The axes in the given order, reversed by default.

        Raises:
            TraceError: if ``axes`` does not name every axis once.
        """
        order = _unpacked(axes)
        if order is None or not axes:
            order = range(self.ndim - 1, -1, -1)
        permutation = tuple(axis_of(k, self.ndim) for k in integers(order, "an axis"))
        if sorted(permutation) != list(range(self.ndim)):
            raise TraceError(f"transpose{axes}: does not order the {self.ndim} axes of {self!r}")
        in_order = permutation == tuple(range(self.ndim))
        return self if in_order else self.record(Transpose(permutation))

    def sum(self, axis: Any = None, *, keepdims: bool = False) -> Self:
        """Sum over the given axes, all by default.

        Raises:
            TraceError: if an axis does not exist or is named twice.
        """
        axes = axes_of(axis, self.ndim)
        if not axes:
            return self
        total = self.record(Sum(axes))
        kept = tuple(1 if k in axes else n for k, n in enumerate(self.shape))
        return total.reshape(kept) if keepdims else total

    def broadcast_to(self, shape: Any) -> Self:
        """Stretched to ``shape``, aligned at the right.

        Raises:
            TraceError: if a length other than 1 would change.
        """
        lengths = integers(_unpacked((shape,)), "a length")
        if lengths == self.shape:
            return self
        aligned = (1,) * (len(lengths) - self.ndim) + self.shape
        if len(aligned) != len(lengths) or any(
            n not in (1, m) or m < 0 for n, m in zip(aligned, lengths, strict=True)
        ):
            raise TraceError(f"broadcast_to: {self!r} does not stretch to shape {lengths}")
        return self.record(Broadcast(lengths))


@apply.register
def _apply_to_value(z: Value, activation: Activation) -> Value:
    return z.record(Apply(activation))


def number_in(builder: Builder, value: Any) -> int:
    """The node of a value, or of the exact constant that an array of numbers is.

    A float counts as the rational number that it is: ``0.1`` is not 1/10. Equal entries are one
    entry, broadcast.

    Raises:
        TraceError: if a value belongs to another graph, or an entry is no finite number.
    """
    if isinstance(value, Value):
        if value.builder is not builder:
            raise TraceError(f"{value!r} belongs to another graph: keep no values between traces")
        return value.number
    try:
        # Without dtype=object NumPy would round an integer that stands beside a float.
        array = value if isinstance(value, np.ndarray) else np.asarray(value, dtype=object)
        entries = _entries(array)
    except (TypeError, ValueError) as error:
        shown = " ".join(f"{value!r:.60} ({error})".split())
        raise TraceError(f"not an array of finite numbers: {shown}") from None
    if len(entries) > 1 and _common(entries) is not None:
        return builder.add(Broadcast(array.shape), builder.add(Constant(entries[:1], ())))
    return builder.add(Constant(entries, array.shape))


def _entries(array: np.ndarray[Any, Any]) -> tuple[Fraction, ...]:
    raw = array.ravel().tolist()
    if array.dtype == object:
        return tuple(map(_exact, raw))
    exact = {entry: _exact(entry) for entry in set(raw)}  # a mask has millions of 0 and 1
    return tuple(map(exact.__getitem__, raw))


@lru_cache(maxsize=1 << 12, typed=True)  # equal constants share entries, so they compare quickly
def _exact(entry: Any) -> Fraction:
    if isinstance(entry, Rational):
        return Fraction(int(entry.numerator), int(entry.denominator))
    if isinstance(entry, float | np.floating) and np.isfinite(entry):
        return Fraction(*entry.as_integer_ratio())
    raise ValueError(f"entry {entry!r}")


def constant_value(a: Value) -> Fraction | None:
    """The number of which ``a`` consists, if it is a constant with equal entries."""
    node = a.builder.nodes[a.number]
    while isinstance(node.primitive, Broadcast | Reshape):
        node = a.builder.nodes[node.operands[0]]
    return _common(node.primitive.values) if isinstance(node.primitive, Constant) else None


def _common(entries: tuple[Fraction, ...]) -> Fraction | None:
    """The entry that all others equal, if there is one."""
    if not entries:
        return None
    first = entries[0]
    return first if all(entry is first or entry == first for entry in entries) else None


def integers(values: Any, what: str) -> tuple[int, ...]:
    """The entries of a sequence as integers; floats are refused, even whole ones.

    Raises:
        TraceError: if it is no sequence, or an entry is no integer.
    """
    try:
        return tuple(index(n) for n in values)
    except TypeError:
        raise TraceError(f"{values!r:.60}: {what} is an integer known while tracing") from None


def axis_of(axis: Any, ndim: int) -> int:
    """A non-negative axis number.

    Raises:
        TraceError: if there is no such axis.
    """
    (k,) = integers((axis,), "an axis")
    if not -ndim <= k < ndim:
        allowed = f"{-ndim}..{ndim - 1}" if ndim else "none"
        raise TraceError(f"axis={axis}: an array with {ndim} axes has {allowed}")
    return k % ndim


def axes_of(axis: Any, ndim: int) -> tuple[int, ...]:
    """Sorted axis numbers from NumPy's ``axis`` argument, all of them for ``None``.

    Raises:
        TraceError: if an axis does not exist or is named twice.
    """
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(sorted(axis_of(k, ndim) for k in _unpacked((axis,))))
    if len(set(axes)) != len(axes):
        raise TraceError(f"axis={axis}: an axis is named twice")
    return axes


def _unpacked(arguments: tuple[Any, ...]) -> Any:
    """``f(2, 3)`` and ``f((2, 3))`` mean the same."""
    single = len(arguments) == 1 and isinstance(arguments[0], tuple | list | np.ndarray | None)
    return arguments[0] if single else arguments
