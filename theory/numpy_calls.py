"""Which NumPy calls a traced array understands, and what they mean.

Two tables: ufuncs act on values; array functions get their arguments as they were written, behind
a ``lift`` that turns each array among them into a value. Parameters carry NumPy's names, and what
NumPy takes further (``dtype``, ``where``, …) is refused by Python itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from theory import activation as symbols
from theory import layout, lowering
from theory.errors import TraceError
from theory.value import Value, axes_of, axis_of

Lift = Callable[[Any], Value]


def call_name(function: Any) -> str:
    """How a NumPy function is written: ``np.linalg.norm``.

    >>> call_name(np.linalg.norm), call_name(np.add)
    ('np.linalg.norm', 'np.add')
    """
    name: str = function.__name__
    if getattr(np, name, None) is function:
        return f"np.{name}"
    module = getattr(function, "__module__", None)
    return f"{module}.{name}".replace("numpy.", "np.", 1) if module else name


def unsupported(call: str) -> TraceError:
    """The error for a call that is in neither table; it names the ones that are."""
    names = ", ".join(sorted({f.__name__ for f in (*UFUNCS, *FUNCTIONS)}))
    return TraceError(f"{call} is not supported on traced arrays; supported: {names}")


def _einsum(lift: Lift, subscripts: Any, *operands: Any) -> Value:
    return lowering.einsum(subscripts, [lift(a) for a in operands])


def _dot(lift: Lift, a: Any, b: Any) -> Value:
    return lowering.dot(lift(a), lift(b))


def _sum(lift: Lift, a: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    return lift(a).sum(axis, keepdims=keepdims)


def _mean(lift: Lift, a: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    return lowering.mean(lift(a), axis, keepdims=keepdims)


def _var(lift: Lift, a: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    return lowering.variance(lift(a), axis, keepdims=keepdims)


def _std(lift: Lift, a: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    return lowering.deviation(lift(a), axis, keepdims=keepdims)


def _max(lift: Lift, a: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    return lowering.maximum_along(lift(a), axis, keepdims=keepdims)


def _min(lift: Lift, a: Any, axis: Any = None, *, keepdims: bool = False) -> Value:
    return lowering.minimum_along(lift(a), axis, keepdims=keepdims)


def _clip(lift: Lift, a: Any, a_min: Any = None, a_max: Any = None) -> Value:
    value = lift(a)
    if a_min is not None:
        value = lowering.maximum(value, lift(a_min))
    return value if a_max is None else lowering.minimum(value, lift(a_max))


def _where(lift: Lift, condition: Any, x: Any, y: Any) -> Value:
    return lowering.where(condition, lift(x), lift(y))


def _outer(lift: Lift, a: Any, b: Any) -> Value:
    return lowering.contract([lift(a).reshape(-1), lift(b).reshape(-1)], ["i", "j"], "ij")


def _tensordot(lift: Lift, a: Any, b: Any, axes: Any = 2) -> Value:
    return lowering.tensordot(lift(a), lift(b), axes)


def _reshape(lift: Lift, a: Any, shape: Any) -> Value:
    return lift(a).reshape(shape)


def _ravel(lift: Lift, a: Any) -> Value:
    return lift(a).reshape(-1)


def _transpose(lift: Lift, a: Any, axes: Any = None) -> Value:
    return lift(a).transpose(axes)


def _swapaxes(lift: Lift, a: Any, axis1: Any, axis2: Any) -> Value:
    value = lift(a)
    order = list(range(value.ndim))
    one, two = axis_of(axis1, value.ndim), axis_of(axis2, value.ndim)
    order[one], order[two] = two, one
    return value.transpose(order)


def _moveaxis(lift: Lift, a: Any, source: Any, destination: Any) -> Value:
    value = lift(a)
    moved = axis_of(source, value.ndim)
    order = [k for k in range(value.ndim) if k != moved]
    order.insert(axis_of(destination, value.ndim), moved)
    return value.transpose(order)


def _expand_dims(lift: Lift, a: Any, axis: Any) -> Value:
    return lowering.expand_dims(lift(a), axis)


def _squeeze(lift: Lift, a: Any, axis: Any = None) -> Value:
    value = lift(a)
    ones = tuple(k for k, n in enumerate(value.shape) if n == 1)
    dropped = ones if axis is None else axes_of(axis, value.ndim)
    if not set(dropped) <= set(ones):
        raise TraceError(f"squeeze(axis={axis}) of shape {value.shape}: only length 1 is dropped")
    return value.reshape([n for k, n in enumerate(value.shape) if k not in dropped])


def _broadcast_to(lift: Lift, array: Any, shape: Any) -> Value:
    return lift(array).broadcast_to(shape)


def _concatenate(lift: Lift, arrays: Any, axis: Any = 0) -> Value:
    return lowering.concatenate([lift(a) for a in arrays], axis)


def _stack(lift: Lift, arrays: Any, axis: Any = 0) -> Value:
    parts = [lift(a) for a in arrays]
    if len(shapes := sorted({a.shape for a in parts})) > 1:
        raise TraceError(f"stack: shapes {shapes[0]} and {shapes[1]} must be equal")
    return lowering.concatenate([lowering.expand_dims(a, axis) for a in parts], axis)


def _take(lift: Lift, a: Any, indices: Any, axis: Any = None) -> Value:
    value, chosen = lift(a), np.asarray(indices)
    if chosen.dtype.kind not in "iu":
        raise TraceError(f"take: indices {indices!r:.60}: an index is an integer")
    if axis is None:
        return lowering.index(value.reshape(-1), chosen)
    before = (slice(None),) * axis_of(axis, value.ndim)
    return lowering.index(value, (*before, chosen))


def _pad(
    lift: Lift, array: Any, pad_width: Any, mode: Any = "constant", *, constant_values: Any = 0
) -> Value:
    if mode != "constant" or np.any(constant_values):
        values = f" with constant_values={constant_values!r:.40}" if mode == "constant" else ""
        raise TraceError(f"pad: mode={mode!r:.40}{values}: only zeros are padded")
    return layout.pad(lift(array), pad_width)


def _split(lift: Lift, ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[Value]:
    return layout.split(lift(ary), indices_or_sections, axis)


def _repeat(lift: Lift, a: Any, repeats: Any, axis: Any = None) -> Value:
    return layout.repeat(lift(a), repeats, axis)


def _tile(lift: Lift, A: Any, reps: Any) -> Value:
    return layout.tile(lift(A), reps)


def _roll(lift: Lift, a: Any, shift: Any, axis: Any = None) -> Value:
    return layout.roll(lift(a), shift, axis)


def _flip(lift: Lift, m: Any, axis: Any = None) -> Value:
    return layout.flip(lift(m), axis)


def _filled_like(number: int, lift: Lift, a: Any) -> Value:
    return lift(number).broadcast_to(lift(a).shape)


def _sign(a: Value) -> Value:
    """step(a) - step(-a): odd, and 0 at 0 whatever step(0) is."""
    above: Value = symbols.step(a)
    below: Value = symbols.step(lowering.negative(a))
    return lowering.subtract(above, below)


UFUNCS: Mapping[Any, Callable[..., Any]] = MappingProxyType(
    {
        np.add: lowering.add,
        np.subtract: lowering.subtract,
        np.multiply: lowering.multiply,
        np.divide: lowering.divide,
        np.negative: lowering.negative,
        np.positive: lambda a: a,
        np.power: lowering.power,
        np.square: lambda a: lowering.power(a, a.lift(2)),
        np.reciprocal: lowering.reciprocal,
        np.matmul: lowering.matmul,
        np.maximum: lowering.maximum,
        np.minimum: lowering.minimum,
        np.absolute: lowering.absolute,
        np.sign: _sign,
        np.exp: symbols.exp,
        np.log: symbols.log,
        np.sqrt: symbols.sqrt,
        np.tanh: symbols.tanh,
    }
)

FUNCTIONS: Mapping[Any, Callable[..., Value | list[Value]]] = MappingProxyType(
    {
        np.einsum: _einsum,
        np.dot: _dot,
        np.sum: _sum,
        np.mean: _mean,
        np.var: _var,
        np.std: _std,
        np.max: _max,
        np.amax: _max,
        np.min: _min,
        np.amin: _min,
        np.clip: _clip,
        np.where: _where,
        np.outer: _outer,
        np.tensordot: _tensordot,
        np.reshape: _reshape,
        np.ravel: _ravel,
        np.transpose: _transpose,
        np.swapaxes: _swapaxes,
        np.moveaxis: _moveaxis,
        np.expand_dims: _expand_dims,
        np.squeeze: _squeeze,
        np.broadcast_to: _broadcast_to,
        np.concatenate: _concatenate,
        np.stack: _stack,
        np.take: _take,
        np.pad: _pad,
        np.split: _split,
        np.repeat: _repeat,
        np.tile: _tile,
        np.roll: _roll,
        np.flip: _flip,
        np.zeros_like: partial(_filled_like, 0),
        np.ones_like: partial(_filled_like, 1),
    }
)
