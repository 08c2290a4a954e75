"""Arranging the entries of an array: pad, split, repeat, tile, roll, flip.

Each is a take or a scatter along one axis after the other, so no index table is larger than an
axis.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from theory.errors import TraceError
from theory.lowering import scatter
from theory.primitives import Take
from theory.value import Value, axes_of, axis_of, integers

V = TypeVar("V", bound=Value)


def take(a: V, axis: int, indices: Any) -> V:
    """Entries ``indices`` of one axis, without a node if that is all of them in order."""
    chosen = tuple(np.asarray(indices, dtype=np.intp).tolist())
    return a if chosen == tuple(range(a.shape[axis])) else a.record(Take(axis, chosen))


def pad(a: V, width: Any) -> V:
    """Zeros before and after the entries of each axis, ``width`` as in ``np.pad``.

    Raises:
        TraceError: if the widths do not fit the axes, or are negative.
    """
    try:
        pairs = np.broadcast_to(np.asarray(width), (a.ndim, 2)).tolist()
    except ValueError:
        raise TraceError(
            f"pad: widths {width!r:.60} do not fit an array of shape {a.shape}"
        ) from None
    for axis, pair in enumerate(pairs):
        before, after = integers(pair, "a width")
        if before < 0 or after < 0:
            raise TraceError(f"pad: width {(before, after)}: a width is at least 0")
        if before or after:
            n = a.shape[axis]
            a = scatter(a, axis, tuple(range(before, before + n)), before + n + after)
    return a


def split(a: V, sections: Any, axis: Any = 0) -> list[V]:
    """Equal parts, or the parts between given positions, of one axis.

    Raises:
        TraceError: if an axis is not a multiple of the number of parts.
    """
    k = axis_of(axis, a.ndim)
    try:
        return [take(a, k, part) for part in np.split(np.arange(a.shape[k]), sections)]
    except (TypeError, ValueError) as error:
        raise TraceError(f"split: {sections!r:.60} of axis {k} of {a!r}: {error}") from None


def repeat(a: V, repeats: Any, axis: Any = None) -> V:
    """Each entry several times, of the flat array by default.

    Raises:
        TraceError: if the numbers of repeats do not fit the axis.
    """
    if axis is None:
        return repeat(a.reshape(-1), repeats, 0)
    k = axis_of(axis, a.ndim)
    try:
        return take(a, k, np.repeat(np.arange(a.shape[k]), repeats))
    except (TypeError, ValueError) as error:
        raise TraceError(f"repeat: {repeats!r:.60} for axis {k} of {a!r}: {error}") from None


def tile(a: V, repeats: Any) -> V:
    """The array several times along each axis, aligned at the right."""
    counts = integers(repeats if np.ndim(repeats) else (repeats,), "a number of repeats")
    counts = (1,) * (a.ndim - len(counts)) + counts
    a = a.reshape((1,) * (len(counts) - a.ndim) + a.shape)
    for axis, count in enumerate(counts):
        a = take(a, axis, np.tile(np.arange(a.shape[axis]), count))
    return a


def roll(a: V, shift: Any, axis: Any = None) -> V:
    """Entries moved round by ``shift`` places, of the flat array by default.

    Raises:
        TraceError: if there are other numbers of shifts than of axes.
    """
    if axis is None:
        return roll(a.reshape(-1), shift, 0).reshape(a.shape)
    axes = tuple(axis) if np.ndim(axis) else (axis,)
    shifts = integers(shift if np.ndim(shift) else (shift,) * len(axes), "a shift")
    if len(shifts) != len(axes):
        raise TraceError(f"roll: shifts {shifts} for axes {axes}: one shift an axis")
    for places, one in zip(shifts, axes, strict=True):
        k = axis_of(one, a.ndim)
        a = take(a, k, np.roll(np.arange(a.shape[k]), places))
    return a


def flip(a: V, axis: Any = None) -> V:
    """The given axes backwards, all by default."""
    for k in axes_of(axis, a.ndim):
        a = take(a, k, np.arange(a.shape[k])[::-1])
    return a
