"""What each NumPy call means in primitives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from string import ascii_letters
from types import EllipsisType
from typing import Any

import numpy as np

from theory import activation as symbols
from theory.errors import TraceError
from theory.graph import Builder
from theory.primitives import (
    Add,
    Concatenate,
    Divide,
    Einsum,
    Multiply,
    Negative,
    Power,
    Scatter,
    Subtract,
    Take,
)
from theory.tracing import Traced, as_traced, axes_of, axis_of, constant_value, record


def _aligned(a: Traced, b: Traced, call: str) -> tuple[Traced, Traced]:
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise TraceError(f"{call}: shapes {a.shape} and {b.shape} do not broadcast") from None
    return a.broadcast_to(shape), b.broadcast_to(shape)


def add(a: Traced, b: Traced) -> Traced:
    """a + b, without a node for an added zero."""
    a, b = _aligned(a, b, "add")
    if constant_value(a) == 0:
        return b
    return a if constant_value(b) == 0 else record(a.builder, Add(), a, b)


def subtract(a: Traced, b: Traced) -> Traced:
    """a - b, without a node for a zero on either side."""
    a, b = _aligned(a, b, "subtract")
    if constant_value(a) == 0:
        return negative(b)
    return a if constant_value(b) == 0 else record(a.builder, Subtract(), a, b)


def multiply(a: Traced, b: Traced) -> Traced:
    """a b, without a node for a factor 0 or 1."""
    a, b = _aligned(a, b, "multiply")
    for one, other in ((a, b), (b, a)):
        if constant_value(one) == 0 or constant_value(other) == 1:
            return one
    return record(a.builder, Multiply(), a, b)


def divide(a: Traced, b: Traced) -> Traced:
    """a / b; a constant divisor becomes a constant factor."""
    a, b = _aligned(a, b, "divide")
    divisor = constant_value(b)
    if divisor == 0:
        raise TraceError("divide: the divisor is the constant 0")
    if divisor is not None:
        return multiply(a, as_traced(a.builder, 1 / divisor))
    return record(a.builder, Divide(), a, b)


def negative(a: Traced) -> Traced:
    """-a."""
    return record(a.builder, Negative(), a)


def power(a: Traced, exponent: Traced) -> Traced:
    """aⁿ for a constant n that is an integer or ±1/2."""
    n = constant_value(exponent)
    if n is None or n.denominator not in (1, 2) or (n.denominator == 2 and abs(n) != 0.5):
        raise TraceError(f"power: exponent {n}, supported are integers, 1/2 and -1/2")
    if n.denominator == 2:
        return symbols.sqrt(a) if n > 0 else symbols.rsqrt(a)  # type: ignore[no-any-return]
    one = as_traced(a.builder, 1).broadcast_to(a.shape)
    if n < 0:
        return divide(one, power(a, as_traced(a.builder, -n)))
    if n in (0, 1):
        return a if n == 1 else one
    return record(a.builder, Power(int(n)), a)


def maximum(a: Traced, b: Traced) -> Traced:
    """max(a, b) = a + relu(b - a); a ReLU where one side is 0."""
    a, b = _aligned(a, b, "maximum")
    if constant_value(a) is not None:
        a, b = b, a
    if constant_value(b) == 0:
        return symbols.relu(a)  # type: ignore[no-any-return]
    return add(a, symbols.relu(subtract(b, a)))


def absolute(a: Traced) -> Traced:
    """|a| = a (2 step(a) - 1)."""
    gate = symbols.step(a)
    return multiply(a, 2 * gate - 1)


def matmul(a: Traced, b: Traced) -> Traced:
    """NumPy's ``@``: stacked matrices, a vector on either side."""
    if not a.ndim or not b.ndim:
        raise TraceError(f"matmul: shapes {a.shape} and {b.shape}, a scalar has no rows")
    inner = b.shape[0] if b.ndim == 1 else b.shape[-2]
    if a.shape[-1] != inner:
        raise TraceError(f"matmul: shapes {a.shape} and {b.shape}: {a.shape[-1]} != {inner}")
    stack_a, stack_b = a.shape[:-2], b.shape[:-2]
    try:
        stack = np.broadcast_shapes(stack_a, stack_b)
    except ValueError:
        raise TraceError(f"matmul: stacks {stack_a} and {stack_b} do not broadcast") from None
    letters = ascii_letters[: len(stack)]
    row, column = ("Z" if a.ndim > 1 else ""), ("Y" if b.ndim > 1 else "")
    a, labels_a = _drop_stretched(a, stack, letters, row + "X")
    b, labels_b = _drop_stretched(b, stack, letters, "X" + column)
    out = [c for c in letters if c in labels_a + labels_b]
    value = contract([a, b], [labels_a, labels_b], "".join(out) + row + column)
    tail = (a.shape[-2:-1] if row else ()) + (b.shape[-1:] if column else ())
    return value.reshape(stack + tail)


def _drop_stretched(
    a: Traced, stack: Sequence[int], letters: str, matrix: str
) -> tuple[Traced, str]:
    """Remove stack axes of length 1 that broadcasting would stretch, and label the rest."""
    own = a.shape[: a.ndim - len(matrix)]
    labels = letters[len(letters) - len(own) :]
    targets = stack[len(stack) - len(own) :]
    kept = [n == m for n, m in zip(own, targets, strict=True)]
    shape = tuple(n for n, keep in zip(own, kept, strict=True) if keep)
    label = "".join(c for c, keep in zip(labels, kept, strict=True) if keep)
    return a.reshape(shape + a.shape[len(own) :]), label + matrix


def contract(operands: Sequence[Traced], labels: Sequence[str], out: str) -> Traced:
    """Sum of products in einsum notation, as a chain of two-operand einsums from the left."""
    value, own = operands[0], labels[0]
    for k in range(1, len(operands)):
        later = out + "".join(labels[k + 1 :])
        value, own = _sum_lone(value, own, later + labels[k])
        other, theirs = _sum_lone(operands[k], labels[k], later + own)
        kept = "".join(dict.fromkeys(c for c in own + theirs if c in later))
        if k == len(operands) - 1:
            kept = out
        value = record(value.builder, Einsum(f"{own},{theirs}->{kept}"), value, other)
        own = kept
    value, own = _sum_lone(value, own, out)
    return value.transpose([own.index(c) for c in out])


def _sum_lone(a: Traced, labels: str, needed: str) -> tuple[Traced, str]:
    lone = tuple(k for k, c in enumerate(labels) if c not in needed)
    kept = "".join(c for c in labels if c in needed)
    return (a.sum(lone), kept) if lone else (a, labels)


def einsum(builder: Builder, subscripts: str, *operands: Any) -> Traced:
    """``np.einsum`` with explicit labels; an output that is not written is in sorted order."""
    if not isinstance(subscripts, str) or "." in subscripts:
        raise TraceError(f"np.einsum: subscripts {subscripts!r}: write labels, without '...'")
    written, arrow, out = subscripts.replace(" ", "").partition("->")
    labels = written.split(",")
    arrays = [as_traced(builder, a) for a in operands]
    joined = "".join(labels)
    if not arrow:
        out = "".join(sorted(c for c in set(joined) if joined.count(c) == 1))
    if len(labels) != len(arrays) or any(
        len(c) != a.ndim for c, a in zip(labels, arrays, strict=False)
    ):
        shapes = [a.shape for a in arrays]
        raise TraceError(f"np.einsum: {subscripts!r} does not label shapes {shapes}")
    if any(len(set(c)) != len(c) for c in (*labels, out)) or not set(out) <= set(joined):
        raise TraceError(f"np.einsum: {subscripts!r}: diagonals and new labels are not supported")
    sizes: dict[str, int] = {}
    for c, n in ((c, n) for k, a in enumerate(arrays) for c, n in zip(labels[k], a.shape, strict=True)):
        if sizes.setdefault(c, n) != n:
            raise TraceError(f"np.einsum: {subscripts!r}: label {c!r} has lengths {sizes[c]}, {n}")
    return contract(arrays, labels, out)


def index(a: Traced, key: Any) -> Traced:
    """``a[key]`` by integers, slices, ``None``, ``...`` and constant index arrays."""
    keys = key if isinstance(key, tuple) else (key,)
    if any(isinstance(k, Traced) for k in keys):
        raise TraceError("x[traced]: an index must be known while tracing")
    try:
        positions = np.arange(a.size).reshape(a.shape)[key]
    except (IndexError, TypeError, ValueError) as error:
        raise TraceError(f"x[{key!r}] with shape {a.shape}: {error}") from None
    simple = int | np.integer | slice | EllipsisType | None
    if not all(isinstance(k, simple) for k in keys):
        chosen = tuple(int(k) for k in np.ravel(positions))
        return record(a.builder, Take(0, chosen), a.reshape(-1)).reshape(positions.shape)
    named = sum(k is not None and k is not Ellipsis for k in keys)
    value, axis = a, 0
    for k in keys:
        if k is Ellipsis:
            axis += a.ndim - named
        elif k is not None:
            n = a.shape[axis]
            chosen = tuple(range(n)[k]) if isinstance(k, slice) else (range(n)[int(k)],)
            if chosen != tuple(range(n)):
                value = record(a.builder, Take(axis, chosen), value)
            axis += 1
    return value.reshape(positions.shape)


def _sum(builder: Builder, a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    return as_traced(builder, a).sum(axis, keepdims)


def _mean(builder: Builder, a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    return as_traced(builder, a).mean(axis, keepdims)


def _var(builder: Builder, a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    value = as_traced(builder, a)
    deviation = value - value.mean(axis, keepdims=True)
    result: Traced = (deviation * deviation).mean(axis, keepdims)
    return result


def _concatenate(builder: Builder, arrays: Any, axis: int = 0) -> Traced:
    parts = [as_traced(builder, a) for a in arrays]
    if not parts:
        raise TraceError("np.concatenate: no arrays")
    k = axis_of(axis, parts[0].ndim)
    return parts[0] if len(parts) == 1 else record(builder, Concatenate(k), *parts)


def _stack(builder: Builder, arrays: Any, axis: int = 0) -> Traced:
    parts = [as_traced(builder, a) for a in arrays]
    if not parts:
        raise TraceError("np.stack: no arrays")
    k = axis_of(axis, parts[0].ndim + 1)
    return _concatenate(builder, [a.reshape((*a.shape[:k], 1, *a.shape[k:])) for a in parts], k)


def _expand_dims(builder: Builder, a: Any, axis: int) -> Traced:
    value = as_traced(builder, a)
    k = axis_of(axis, value.ndim + 1)
    return value.reshape((*value.shape[:k], 1, *value.shape[k:]))


def _squeeze(builder: Builder, a: Any, axis: Any = None) -> Traced:
    value = as_traced(builder, a)
    ones = tuple(k for k, n in enumerate(value.shape) if n == 1)
    axes = ones if axis is None else axes_of(axis, value.ndim)
    return value.reshape(tuple(n for k, n in enumerate(value.shape) if k not in axes))


def _moveaxis(builder: Builder, a: Any, source: int, destination: int) -> Traced:
    value = as_traced(builder, a)
    order = [k for k in range(value.ndim) if k != axis_of(source, value.ndim)]
    order.insert(axis_of(destination, value.ndim), axis_of(source, value.ndim))
    return value.transpose(order)


def _swapaxes(builder: Builder, a: Any, axis1: int, axis2: int) -> Traced:
    value = as_traced(builder, a)
    order = list(range(value.ndim))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return value.transpose(order)


def _take(builder: Builder, a: Any, indices: Any, axis: int | None = None) -> Traced:
    value = as_traced(builder, a)
    if axis is None:
        return index(value.reshape(-1), np.asarray(indices))
    before = (slice(None),) * axis_of(axis, value.ndim)
    return index(value, (*before, np.asarray(indices)))


def scatter(a: Traced, axis: int, indices: tuple[int, ...], size: int) -> Traced:
    """Entries of one axis added into zeros of length ``size``; the adjoint of a take."""
    return record(a.builder, Scatter(axis, indices, size), a)


def _like(value: int) -> Callable[[Builder, Any], Traced]:
    return lambda builder, a: as_traced(builder, value).broadcast_to(as_traced(builder, a).shape)


UFUNCS: Mapping[Any, Callable[..., Traced]] = {
    np.add: add,
    np.subtract: subtract,
    np.multiply: multiply,
    np.divide: divide,
    np.negative: negative,
    np.positive: lambda a: a,
    np.power: power,
    np.square: lambda a: power(a, as_traced(a.builder, 2)),
    np.reciprocal: lambda a: divide(as_traced(a.builder, 1), a),
    np.matmul: matmul,
    np.maximum: maximum,
    np.minimum: lambda a, b: negative(maximum(negative(a), negative(b))),
    np.absolute: absolute,
    np.exp: symbols.exp,
    np.log: symbols.log,
    np.sqrt: symbols.sqrt,
    np.tanh: symbols.tanh,
}

FUNCTIONS: Mapping[Any, Callable[..., Traced]] = {
    np.einsum: einsum,
    np.dot: lambda builder, a, b: matmul(as_traced(builder, a), as_traced(builder, b)),
    np.sum: _sum,
    np.mean: _mean,
    np.var: _var,
    np.reshape: lambda builder, a, shape: as_traced(builder, a).reshape(shape),
    np.ravel: lambda builder, a: as_traced(builder, a).reshape(-1),
    np.transpose: lambda builder, a, axes=None: as_traced(builder, a).transpose(axes or ()),
    np.swapaxes: _swapaxes,
    np.moveaxis: _moveaxis,
    np.expand_dims: _expand_dims,
    np.squeeze: _squeeze,
    np.broadcast_to: lambda builder, a, shape: as_traced(builder, a).broadcast_to(tuple(shape)),
    np.concatenate: _concatenate,
    np.stack: _stack,
    np.take: _take,
    np.zeros_like: _like(0),
    np.ones_like: _like(1),
}
