"""Labellings: which entries of an axis, or of several axes together, belong to one block.

A labelling is an integer array over the entries; entries with one label form a block. Labels are
numbered in the order in which they first appear, so equal partitions are equal arrays. ``None``
stands for the discrete labelling, in which every entry is a block of its own: most axes of a
network are discrete, and they cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from theory.primitives import Shape


class Labelling:
    """A partition of the entries of an array of some shape, not the discrete one.

    >>> labels([5, 7, 5]).array
    array([0, 1, 0])
    >>> labels([5, 7, 5]) == labels([1, 2, 1]), labels([1, 2, 3]) is None
    (True, True)
    """

    __slots__ = ("_bytes", "_hash", "array", "num_blocks")

    def __init__(self, array: Any, num_blocks: int) -> None:
        array.setflags(write=False)
        self.array, self.num_blocks = array, num_blocks
        self._bytes: bytes = array.tobytes()
        self._hash = hash((array.shape, self._bytes))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Labelling)
            and self._hash == other._hash
            and self.array.shape == other.array.shape
            and self._bytes == other._bytes
        )

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"Labelling({self.array.tolist()})"


Labels = Labelling | None


def labels(values: Any) -> Labels:
    """The labelling by equality of integers; ``None`` if all differ."""
    array = np.asarray(values, dtype=np.int64)
    _, first, inverse = np.unique(array, return_index=True, return_inverse=True)
    if len(first) == array.size:
        return None
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return Labelling(rank[inverse].reshape(array.shape), len(first))


@lru_cache(maxsize=1 << 10)
def one_block(shape: Shape) -> Labels:
    """All entries in one block."""
    return None if prod(shape) <= 1 else Labelling(np.zeros(shape, dtype=np.int64), 1)


@lru_cache(maxsize=1 << 12)
def join(a: Labels, b: Labels) -> Labels:
    """The coarsest common refinement of two labellings of one shape.

    >>> join(labels([0, 0, 0, 1]), labels([0, 0, 1, 0])).array
    array([0, 0, 1, 2])
    """
    if a is None or b is None or a == b:
        return None if a is None or b is None else a
    if 1 in (a.num_blocks, b.num_blocks):
        return b if a.num_blocks == 1 else a
    return labels(a.array * b.num_blocks + b.array)


def num_blocks(a: Labels, shape: Shape) -> int:
    """Number of blocks of a labelling of entries of that shape."""
    return prod(shape) if a is None else a.num_blocks


def numbered(a: Labels, shape: Shape) -> Any:
    """The labels as an array, also of the discrete labelling."""
    return np.arange(prod(shape)).reshape(shape) if a is None else a.array


def product(parts: Iterable[tuple[Sequence[int], Labels]], shape: Shape) -> Labels:
    """Labels of tuples: entries agree if they agree in every part.

    Args:
        parts: axes in increasing order, and the labels of their entries. Axes without a part are
            one block.
        shape: lengths of all axes.

    >>> product([((0,), None), ((1,), labels([0, 0, 1]))], (2, 3)).array
    array([[0, 0, 1],
           [2, 2, 3]])
    """
    parts = list(parts)
    if all(a is None for _, a in parts):
        covered = {k for axes, _ in parts for k in axes}
        if all(n == 1 or k in covered for k, n in enumerate(shape)):
            return None
    if len(parts) == 1 and len(parts[0][0]) == len(shape):
        return parts[0][1]
    total: Any = np.zeros((1,) * len(shape), dtype=np.int64)
    for axes, a in parts:
        own = tuple(shape[k] for k in axes)
        column = tuple(n if k in axes else 1 for k, n in enumerate(shape))
        total = total * num_blocks(a, own) + numbered(a, own).reshape(column)
    return labels(np.broadcast_to(total, shape))


def row_labels(rows: Any) -> Labels:
    """Labels of the rows of a matrix of integers by equality.

    >>> row_labels(np.array([[1, 2], [3, 4], [1, 2]])).array
    array([0, 1, 0])
    """
    rows = np.ascontiguousarray(rows)
    known: dict[bytes, int] = {}
    found = [known.setdefault(row.tobytes(), len(known)) for row in rows]
    if len(known) == len(found):
        return None
    return Labelling(np.array(found, dtype=np.int64), len(known))


def multiset_labels(rows: Any) -> Labels:
    """Labels of the rows by equality up to order."""
    return row_labels(np.sort(rows, axis=1))


@lru_cache(maxsize=1 << 10)
def independent_parts(a: Labels, shape: Shape) -> tuple[tuple[tuple[int, ...], Labels], ...]:
    """A labelling of several axes as the product of labellings of fewer axes.

    Every axis splits off along which being equal does not depend on the other axes. The parts
    come in the order of their first axes.

    >>> a = product([((0,), labels([0, 0])), ((1,), labels([0, 1, 1]))], (2, 3))
    >>> [axes for axes, _ in independent_parts(a, (2, 3))]
    [(0,), (1,)]
    >>> [axes for axes, _ in independent_parts(labels([[0, 1], [1, 0]]), (2, 2))]
    [(0, 1)]
    """
    if a is None or len(shape) == 1:
        return tuple(((k,), a) for k in range(len(shape)))
    found: list[tuple[tuple[int, ...], Labels]] = []
    rest, axes = a.array, list(range(len(shape)))
    for k in range(len(shape)):
        place = axes.index(k)
        n = shape[k]
        if len(axes) == 1:
            break
        rows = np.moveaxis(rest, place, 0).reshape(n, -1)
        own = row_labels(rows) if n > 1 else None
        others = row_labels(rows.T) if n > 1 else labels(rows[0])
        together = labels(rest)
        size = num_blocks(own, (n,)) * num_blocks(others, (rows.shape[1],))
        if size == num_blocks(together, rest.shape):
            found.append(((k,), own))
            shape_left = rest.shape[:place] + rest.shape[place + 1 :]
            rest = numbered(others, (rows.shape[1],)).reshape(shape_left)
            axes.remove(k)
    found.append((tuple(axes), labels(rest)))
    if found[-1][1] is None:
        found[-1:] = [((k,), None) for k in axes]
    return tuple(sorted(found, key=lambda part: part[0]))
