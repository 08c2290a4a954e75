"""What array operations mean in primitives.

Functions of :class:`~theory.value.Value`: arithmetic with broadcasting, products, indexing. A
neutral element leaves no node, so equal computations have equal graphs whether or not a bias of
zeros is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import prod
from string import ascii_letters
from types import EllipsisType
from typing import Any, TypeVar

import numpy as np

from theory import activation as symbols
from theory.errors import TraceError
from theory.primitives import (
    Add,
    Apply,
    Concatenate,
    Divide,
    Einsum,
    Multiply,
    Negative,
    Power,
    Scatter,
    Shape,
    Subtract,
    Take,
)
from theory.value import Value, axes_of, axis_of, constant_value, integers

V = TypeVar("V", bound=Value)


def _aligned(a: V, b: V, call: str) -> tuple[V, V]:
    shape = _common_shape(a.shape, b.shape, f"{call}: shapes")
    return a.broadcast_to(shape), b.broadcast_to(shape)


def _common_shape(a: Shape, b: Shape, what: str) -> Shape:
    try:
        return np.broadcast_shapes(a, b)
    except ValueError:
        raise TraceError(f"{what} {a} and {b} do not broadcast") from None


def add(a: V, b: V) -> V:
    """a + b, without a node for an added zero."""
    a, b = _aligned(a, b, "add")
    if constant_value(a) == 0:
        return b
    return a if constant_value(b) == 0 else a.record(Add(), b)


def subtract(a: V, b: V) -> V:
    """a - b, without a node for a zero on either side."""
    a, b = _aligned(a, b, "subtract")
    if constant_value(a) == 0:
        return negative(b)
    return a if constant_value(b) == 0 else a.record(Subtract(), b)


def multiply(a: V, b: V) -> V:
    """a b, without a node for a factor 0 or 1."""
    a, b = _aligned(a, b, "multiply")
    for one, other in ((a, b), (b, a)):
        if constant_value(one) == 0 or constant_value(other) == 1:
            return one
    return a.record(Multiply(), b)


def divide(a: V, b: V) -> V:
    """a / b; a constant divisor becomes a constant factor.

    Raises:
        TraceError: if the divisor is the constant 0.
    """
    a, b = _aligned(a, b, "divide")
    divisor = constant_value(b)
    if divisor == 0:
        raise TraceError(f"divide: {a!r} by the constant 0")
    if divisor is not None:
        return multiply(a, a.lift(1 / divisor))
    return a.record(Divide(), b)


def negative(a: V) -> V:
    """-a."""
    return a.record(Negative())


def power(a: V, exponent: V) -> V:
    """aⁿ for a constant n that is an integer or ±1/2.

    Raises:
        TraceError: for any other exponent.
    """
    a, exponent = _aligned(a, exponent, "power")
    n = constant_value(exponent)
    if n is None:
        raise TraceError("power: the exponent must be one number, the same for all entries")
    if abs(n) == Fraction(1, 2):
        return a.record(Apply(symbols.sqrt if n > 0 else symbols.rsqrt))
    if n.denominator != 1:
        shown = n if n.denominator < 1000 else float(n)  # 0.3 is a fraction of 2^54
        raise TraceError(f"power: exponent {shown}; supported are integers, 1/2 and -1/2")
    if n < 0:
        return reciprocal(power(a, a.lift(-n)))
    if n == 0:
        return a.lift(1).broadcast_to(a.shape)
    return a if n == 1 else a.record(Power(int(n)))


def reciprocal(a: V) -> V:
    """1 / a."""
    return divide(a.lift(1), a)


def maximum(a: V, b: V) -> V:
    """max(a, b) = a + relu(b - a); a ReLU where one side is 0."""
    a, b = _aligned(a, b, "maximum")
    if constant_value(b) is not None:
        a, b = b, a
    return add(a, subtract(b, a).record(Apply(symbols.relu)))


def minimum(a: V, b: V) -> V:
    """min(a, b) = a - relu(a - b)."""
    a, b = _aligned(a, b, "minimum")
    return subtract(a, subtract(a, b).record(Apply(symbols.relu)))


def maximum_along(a: V, axis: Any = None, *, keepdims: bool = False) -> V:
    """The largest entry along the given axes, all by default, as a tournament of :func:`maximum`.

    Halves of an axis meet, so n entries take ⌈log₂ n⌉ rounds. In the model of :func:`maximum` the
    gate of a tie is free: what is proved holds for every way of breaking ties.

    Raises:
        TraceError: if an axis does not exist, or is empty.
    """
    axes = axes_of(axis, a.ndim)
    kept = tuple(1 if k in axes else n for k, n in enumerate(a.shape))
    for k in axes:
        if not a.shape[k]:
            raise TraceError(f"max(axis={axis}) of shape {a.shape}: an empty axis has no maximum")
        while (n := a.shape[k]) > 1:
            half = n // 2
            winners = maximum(_range(a, k, 0, half), _range(a, k, half, 2 * half))
            rest = [_range(a, k, n - 1, n)] if n % 2 else []
            a = concatenate([winners, *rest], k)
    return a if keepdims else a.reshape([n for k, n in enumerate(kept) if k not in axes])


def minimum_along(a: V, axis: Any = None, *, keepdims: bool = False) -> V:
    """The smallest entry along the given axes, -max(-a)."""
    return negative(maximum_along(negative(a), axis, keepdims=keepdims))


def _range(a: V, axis: int, start: int, stop: int) -> V:
    return a.record(Take(axis, tuple(range(start, stop))))


def where(condition: Any, a: V, b: V) -> V:
    """``a`` where a condition known while tracing holds, ``b`` elsewhere.

    Raises:
        TraceError: if the condition is traced, or shapes do not broadcast.
    """
    if isinstance(condition, Value):
        raise TraceError("where: the condition must be known while tracing; use an activation")
    chosen = np.asarray(condition).astype(bool).astype(int)
    return add(multiply(a, a.lift(chosen)), multiply(b, b.lift(1 - chosen)))


def absolute(a: V) -> V:
    """|a| = a (2 step(a) - 1)."""
    gate = a.record(Apply(symbols.step))
    return multiply(a, subtract(multiply(a.lift(2), gate), a.lift(1)))


def matmul(a: V, b: V) -> V:
    """NumPy's ``@``: stacked matrices, a vector on either side.

    Raises:
        TraceError: if an operand is a scalar, or the lengths do not fit.
    """
    if not a.ndim or not b.ndim:
        raise TraceError(f"matmul: shapes {a.shape} and {b.shape}: a scalar has no rows")
    inner = b.shape[0] if b.ndim == 1 else b.shape[-2]
    if a.shape[-1] != inner:
        raise TraceError(f"matmul: shapes {a.shape} and {b.shape}: {a.shape[-1]} != {inner}")
    stack = _common_shape(a.shape[:-2], b.shape[:-2], "matmul: stacks")
    letters = ascii_letters[: len(stack)]
    row, column = ("Z" if a.ndim > 1 else ""), ("Y" if b.ndim > 1 else "")
    a, labels_a = _drop_stretched(a, stack, letters, row + "X")
    b, labels_b = _drop_stretched(b, stack, letters, "X" + column)
    return contract([a, b], [labels_a, labels_b], letters + row + column)


def _drop_stretched(a: V, stack: Shape, letters: str, matrix: str) -> tuple[V, str]:
    """Remove stack axes of length 1 that broadcasting would stretch, and label the rest."""
    own = a.ndim - len(matrix)
    kept = [k for k in range(-own, 0) if a.shape[:own][k] == stack[k]]
    shape = tuple(a.shape[:own][k] for k in kept) + a.shape[own:]
    return a.reshape(shape), "".join(letters[k] for k in kept) + matrix


def dot(a: V, b: V) -> V:
    """``np.dot`` where it is a product by a scalar or agrees with ``@``.

    Raises:
        TraceError: if ``b`` is a stack of matrices and ``a`` no vector, or lengths do not fit.
    """
    if not a.ndim or not b.ndim:
        return multiply(a, b)
    if a.ndim > 1 and b.ndim > 2:
        raise TraceError(f"dot: shapes {a.shape} and {b.shape}: write @ or np.einsum")
    return matmul(a, b)


def contract(operands: Sequence[V], labels: Sequence[str], out: str) -> V:
    """Sum of products in einsum notation, as a chain of two-operand einsums from the left."""
    value, own = operands[0], labels[0]
    for k in range(1, len(operands)):
        later = out + "".join(labels[k + 1 :])
        value, own = _sum_lone(value, own, later + labels[k])
        other, theirs = _sum_lone(operands[k], labels[k], later + own)
        is_last = k == len(operands) - 1
        kept = out if is_last else "".join(dict.fromkeys(c for c in own + theirs if c in later))
        value, own = value.record(Einsum(f"{own},{theirs}->{kept}"), other), kept
    value, own = _sum_lone(value, own, out)
    return value.transpose([own.index(c) for c in out])


def _sum_lone(a: V, labels: str, needed: str) -> tuple[V, str]:
    lone = tuple(k for k, c in enumerate(labels) if c not in needed)
    return (a.sum(lone), "".join(c for c in labels if c in needed)) if lone else (a, labels)


def einsum(subscripts: Any, operands: Sequence[V]) -> V:
    """``np.einsum`` with explicit labels; an output that is not written is in sorted order.

    Raises:
        TraceError: if the labels do not fit the operands, repeat within one, or are ``...``.
    """
    call = f"einsum: {subscripts!r:.60}"
    if not isinstance(subscripts, str) or "..." in subscripts:
        raise TraceError(f"{call}: write subscripts with a label for every axis, such as 'bi,ij'")
    written, arrow, out = subscripts.replace(" ", "").partition("->")
    labels = written.split(",")
    joined = "".join(labels)
    if not all(c in ascii_letters for c in joined + out):
        raise TraceError(f"{call}: a label is a letter")
    if not arrow:
        out = "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    if [len(c) for c in labels] != [a.ndim for a in operands]:
        raise TraceError(f"{call}: does not label shapes {[a.shape for a in operands]}")
    if any(len(set(c)) != len(c) for c in (*labels, out)) or not set(out) <= set(joined):
        raise TraceError(f"{call}: diagonals and new output labels are not supported")
    sizes: dict[str, int] = {}
    for own, a in zip(labels, operands, strict=True):
        for c, n in zip(own, a.shape, strict=True):
            if sizes.setdefault(c, n) != n:
                raise TraceError(f"{call}: label {c!r} has lengths {sizes[c]} and {n}")
    return contract(operands, labels, out)


def mean(a: V, axis: Any = None, *, keepdims: bool = False) -> V:
    """Mean over the given axes, all by default.

    Raises:
        TraceError: if an axis does not exist, or there is nothing to average.
    """
    count = prod(a.shape[k] for k in axes_of(axis, a.ndim))
    if not count:
        raise TraceError(f"mean(axis={axis}) of shape {a.shape}: an empty axis has no mean")
    return multiply(a.sum(axis, keepdims=keepdims), a.lift(Fraction(1, count)))


def variance(a: V, axis: Any = None, *, keepdims: bool = False) -> V:
    """Mean square of the deviation from the mean, divisor n."""
    deviation = subtract(a, mean(a, axis, keepdims=True))
    return mean(multiply(deviation, deviation), axis, keepdims=keepdims)


def deviation(a: V, axis: Any = None, *, keepdims: bool = False) -> V:
    """The square root of :func:`variance`."""
    return variance(a, axis, keepdims=keepdims).record(Apply(symbols.sqrt))


def tensordot(a: V, b: V, axes: Any = 2) -> V:
    """Sum of products over the last axes of ``a`` and the first of ``b``, or over given pairs.

    Raises:
        TraceError: if the axes do not pair, or have different lengths.
    """
    if not isinstance(axes, tuple | list):
        (n,) = integers((axes,), "a number of axes")
        of_a, of_b = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    else:
        of_a, of_b = (
            tuple(axis_of(k, v.ndim) for k in (pair if np.ndim(pair) else (pair,)))
            for pair, v in zip(axes, (a, b), strict=True)
        )
    if len(of_a) != len(of_b) or len(of_a) > min(a.ndim, b.ndim):
        raise TraceError(f"tensordot: axes={axes!r:.60}: as many of a as of b, which have them")
    left, right = ascii_letters[: a.ndim], list(ascii_letters[a.ndim : a.ndim + b.ndim])
    for k, j in zip(of_a, of_b, strict=True):
        right[j] = left[k]
    kept = [c for k, c in enumerate(left) if k not in of_a]
    kept += [c for j, c in enumerate(right) if j not in of_b]
    return einsum(f"{left},{''.join(right)}->{''.join(kept)}", [a, b])


def concatenate(parts: Sequence[V], axis: Any) -> V:
    """Arrays one after another along an axis.

    Raises:
        TraceError: if there are none, or they differ off the axis.
    """
    if not parts:
        raise TraceError("concatenate: no arrays")
    first = parts[0]
    k = axis_of(axis, first.ndim)
    for a in parts[1:]:
        if a.ndim != first.ndim or _without(a.shape, k) != _without(first.shape, k):
            raise TraceError(f"concatenate: shapes {first.shape} and {a.shape} differ off axis {k}")
    return first if len(parts) == 1 else first.record(Concatenate(k), *parts[1:])


def _without(shape: Shape, axis: int) -> Shape:
    return shape[:axis] + shape[axis + 1 :]


def expand_dims(a: V, axis: Any) -> V:
    """A new axis of length 1."""
    k = axis_of(axis, a.ndim + 1)
    return a.reshape((*a.shape[:k], 1, *a.shape[k:]))


def scatter(a: V, axis: int, indices: tuple[int, ...], size: int) -> V:
    """Entries of one axis added into zeros of length ``size``; the adjoint of a take."""
    return a.record(Scatter(axis, indices, size))


def index(a: V, key: Any) -> V:
    """``a[key]`` by integers, slices, ``None``, ``...`` and constant index arrays.

    Raises:
        TraceError: if the key is traced, or NumPy would refuse it.
    """
    keys = key if isinstance(key, tuple) else (key,)
    if any(isinstance(k, Value) for k in keys):
        raise TraceError("x[traced]: an index must be known while tracing")
    try:
        positions = np.arange(a.size).reshape(a.shape)[key]
    except (IndexError, TypeError, ValueError) as error:
        raise TraceError(f"x[{key!r:.60}] with shape {a.shape}: {error}") from None
    value = _take_by_axis(a, keys) if _acts_by_axis(keys) else _take_flat(a, positions)
    return value.reshape(positions.shape)


SIMPLE_KEY = int | np.integer | slice | EllipsisType | None


def _acts_by_axis(keys: tuple[Any, ...]) -> bool:
    """Whether every key selects along one axis: index arrays are combined, one alone is not."""
    if any(isinstance(k, bool) for k in keys):
        return False
    arrays = [np.asarray(k) for k in keys if not isinstance(k, SIMPLE_KEY)]
    if any(isinstance(k, int | np.integer) for k in keys):
        return not arrays
    return not arrays or (len(arrays) == 1 and arrays[0].dtype != np.bool_)


def _take_by_axis(a: V, keys: tuple[Any, ...]) -> V:
    """The entries in order; axes that an integer drops, or that ``None`` adds, are left as 1."""
    named = sum(k is not None and k is not Ellipsis for k in keys)
    value, axis = a, 0
    for k in keys:
        if k is Ellipsis:
            axis += a.ndim - named
        elif k is not None:
            one = k if isinstance(k, SIMPLE_KEY) else np.asarray(k, dtype=np.intp)
            chosen = tuple(np.arange(a.shape[axis])[one].ravel().tolist())
            if chosen != tuple(range(a.shape[axis])):
                value = value.record(Take(axis, chosen))
            axis += 1
    return value


def _take_flat(a: V, positions: Any) -> V:
    return a.reshape(-1).record(Take(0, tuple(np.ravel(positions).tolist())))
