"""Rules of what moves entries about: broadcast, reshape, transpose, take, scatter, concatenate."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from theory.modules.block_structure import (
    CONSTANT,
    BlockStructure,
    Factor,
    cell,
    components,
    labels_over,
    translated,
    zero,
)
from theory.modules.labelling import (
    Labels,
    join,
    labels,
    multiset_labels,
    num_blocks,
    numbered,
    one_block,
    product,
)
from theory.primitives import Shape

Table = list[tuple[int, frozenset[int], frozenset[int]]]


def _built(
    a: BlockStructure, shape: Shape, factors: Sequence[Factor], table: Table
) -> BlockStructure:
    ordered = tuple(sorted(factors, key=lambda f: f.axes))
    return BlockStructure(shape, ordered, translated(a.patterns, table)).normal_form


def constant(values: Sequence[Any], shape: Shape) -> BlockStructure:
    """Known entries: one block for each value.

    Sound because entries in one block are equal.
    """
    if not any(values):
        return zero(shape)
    known: dict[Any, int] = {}
    numbers = [known.setdefault(v, len(known)) for v in values]
    found = labels(np.array(numbers).reshape(shape))
    return BlockStructure(shape, cell(tuple(range(len(shape))), found, shape).factors, CONSTANT)


def transpose(a: BlockStructure, permutation: tuple[int, ...]) -> BlockStructure:
    """The same factors and letters at other axes: a renaming."""
    shape = tuple(a.shape[k] for k in permutation)
    place = {k: n for n, k in enumerate(permutation)}
    factors, table = [], []
    for factor in a.factors:
        there = [place[k] for k in factor.axes]
        own = factor.labels
        if own is not None and there != sorted(there):
            own = labels(np.transpose(own.array, np.argsort(there)))
        factors.append(Factor(tuple(sorted(there)), own))
        table.append((factor.bit, CONSTANT, frozenset([factors[-1].bit])))
    return _built(a, shape, factors, table)


def broadcast(a: BlockStructure, shape: Shape) -> BlockStructure:
    """New and stretched axes are one block, and block-constant.

    Sound because all entries along such an axis are copies. An axis of length 1 is a factor of its
    own, without a zero-sum part.
    """
    added = len(shape) - len(a.shape)
    factors = [Factor((k,), one_block((shape[k],))) for k in range(added)]
    table: Table = []
    for axes, own in a.factors:
        there = tuple(k + added for k in axes)
        is_stretched = len(axes) == 1 and a.shape[axes[0]] != shape[there[0]]
        factors.append(Factor(there, one_block((shape[there[0]],)) if is_stretched else own))
        bit = 0 if own is None else 1 << axes[0]
        table.append((bit, CONSTANT, frozenset([bit << added])))
    return _built(a, shape, factors, table)


def reshape(a: BlockStructure, shape: Shape) -> BlockStructure:
    """Merged and split axes are labelled together, by the tuples of their labels.

    Sound because the entries and their blocks stay the same ones. A product of vectors of which one
    is zero-sum is zero-sum over the products of blocks. Where the joint labelling is a product of
    labellings of the new axes it falls apart again, and Z is then a Z along one of them at least.
    """
    factors: list[Factor] = []
    table: Table = []
    segments = _segments(a.shape, shape)
    new_of = {old: new for old, new in segments if old}
    links = [old for old, _ in segments if old] + [f.axes for f in a.factors]
    for axes in components(links):
        inside = [old for old in new_of if old[0] in axes]
        there = tuple(k for old in sorted(inside) for k in new_of[old])
        own, mask = labels_over(a, axes)
        lengths = tuple(shape[k] for k in there)
        if own is not None:
            own = _reshaped(own, lengths)
        result = cell(there, own, lengths)
        factors += result.factors
        if mask:
            table.append((mask, CONSTANT, result.mixed))
    covered = {k for f in factors for k in f.axes}
    factors += [Factor((k,), None) for k in range(len(shape)) if k not in covered]
    return _built(a, shape, factors, table)


def _reshaped(a: Labels, shape: Shape) -> Labels:
    if a is None or a.array.shape == shape:
        return a
    return labels(a.array.reshape(shape))


@lru_cache(maxsize=1 << 12)
def _segments(old: Shape, new: Shape) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Runs of old axes and the runs of new axes that hold the same entries.

    Axes of length 1 are in a run of their own, with nothing on the other side.

    >>> _segments((6, 4, 5), (2, 3, 20))
    (((0,), (0, 1)), ((1, 2), (2,)))
    """
    lone = [((k,), ()) for k, n in enumerate(old) if n == 1]
    if not prod(old):
        return (*lone, (tuple(k for k, n in enumerate(old) if n != 1), _long(new)))
    left, right = list(_long(old)), list(_long(new))
    found: list[tuple[tuple[int, ...], tuple[int, ...]]] = [*lone]
    while left:
        ours, theirs = [left.pop(0)], [right.pop(0)]
        m, n = old[ours[0]], new[theirs[0]]
        while m != n:
            if m < n:
                ours.append(left.pop(0))
                m *= old[ours[-1]]
            else:
                theirs.append(right.pop(0))
                n *= new[theirs[-1]]
        found.append((tuple(ours), tuple(theirs)))
    return tuple(found)


def _long(shape: Shape) -> tuple[int, ...]:
    return tuple(k for k, n in enumerate(shape) if n != 1)


def _along(
    a: BlockStructure, axis: int, shape: Shape, own: Labels, keeps_sums: bool
) -> BlockStructure:
    """The structure with other labels for the factor of one axis."""
    factors: list[Factor] = []
    table: Table = []
    for factor in a.factors:
        if axis not in factor.axes:
            factors.append(factor)
            table.append((factor.bit, CONSTANT, frozenset([factor.bit])))
            continue
        result = cell(factor.axes, own, tuple(shape[k] for k in factor.axes))
        factors += result.factors
        table.append((factor.bit, CONSTANT, result.zero_sum(not keeps_sums)))
    return _built(a, shape, factors, table)


def _factor_of(a: BlockStructure, axis: int) -> tuple[Factor, int, Shape]:
    (factor,) = (f for f in a.factors if axis in f.axes)
    return factor, factor.axes.index(axis), tuple(a.shape[k] for k in factor.axes)


def take(a: BlockStructure, axis: int, indices: tuple[int, ...]) -> BlockStructure:
    """Taken entries keep their labels; a zero-sum part stays one if whole blocks are taken.

    Sound because an entry is a copy. The sum over the copies of a block is 0 if all its entries are
    taken equally often.
    """
    shape = (*a.shape[:axis], len(indices), *a.shape[axis + 1 :])
    if not a.patterns:
        return zero(shape)
    factor, place, lengths = _factor_of(a, axis)
    own, is_even = _taken(factor.labels, place, lengths, indices)
    return _along(a, axis, shape, own, is_even)


@lru_cache(maxsize=1 << 12)
def _taken(
    own: Labels, place: int, lengths: Shape, indices: tuple[int, ...]
) -> tuple[Labels, bool]:
    if own is None and len(set(indices)) == len(indices):
        return None, True
    array = numbered(own, lengths)
    chosen = np.array(indices, dtype=np.intp)
    counts = np.bincount(chosen, minlength=lengths[place])
    column = [1] * len(lengths)
    column[place] = -1
    spread = np.broadcast_to(counts.reshape(column), lengths)
    return labels(np.take(array, chosen, axis=place)), _is_function_of(spread, array)


def _is_function_of(values: Any, array: Any) -> bool:
    """Whether entries with one label have one value."""
    first = np.zeros(array.max(initial=-1) + 1, dtype=np.int64)
    first[array.ravel()] = values.ravel()
    return bool(np.all(first[array] == values))


def scatter(a: BlockStructure, axis: int, indices: tuple[int, ...], size: int) -> BlockStructure:
    """A place is labelled by the multiset of the labels of what is added there.

    Sound because the value at a place is the sum of these entries, and 0, one block, where there
    are none. A zero-sum part stays one if whole blocks arrive in each block of places: every entry
    arrives once.
    """
    shape = (*a.shape[:axis], size, *a.shape[axis + 1 :])
    if not a.patterns:
        return zero(shape)
    factor, place, lengths = _factor_of(a, axis)
    own, is_whole = _scattered(factor.labels, place, lengths, indices, size)
    return _along(a, axis, shape, own, is_whole)


@lru_cache(maxsize=1 << 12)
def _scattered(
    own: Labels, place: int, lengths: Shape, indices: tuple[int, ...], size: int
) -> tuple[Labels, bool]:
    array = np.moveaxis(numbered(own, lengths), place, 0)
    rest = array.shape[1:]
    rows = array.reshape(len(indices), -1)
    chosen = np.array(indices, dtype=np.intp)
    counts = np.bincount(chosen, minlength=size)
    # every place has as many slots as the fullest needs, -1 in the empty ones
    slots = np.full((size, int(counts.max(initial=0)), rows.shape[1]), -1, dtype=np.int64)
    order = np.argsort(chosen, kind="stable")
    slot = np.arange(len(chosen)) - np.concatenate([[0], np.cumsum(counts)[:-1]])[chosen[order]]
    slots[chosen[order], slot] = rows[order]
    table = np.moveaxis(slots, 1, 2).reshape(size * rows.shape[1], -1)
    found = multiset_labels(table) if table.shape[1] > 1 else labels(table[:, 0])
    whole = (size, *rest)
    places = numbered(found, (size * rows.shape[1],)).reshape(whole)
    shaped = labels(np.moveaxis(places, 0, place))
    # an entry's label and the block in which it arrives
    arrivals = places.reshape(size, -1)[chosen]
    return shaped, _is_function_of(arrivals, rows)


def concatenate(
    parts: Sequence[BlockStructure], nodes: Sequence[int], axis: int, shape: Shape
) -> BlockStructure:
    """Labels (operand, label) along the axis; an operand that stands there twice keeps its labels.

    Sound because each operand, continued by 0, is block-constant or zero-sum as before, and copies
    are equal. Zeros are one block.

    Args:
        parts: the structures of the operands.
        nodes: which values they are; equal numbers are equal values.
        axis: along which they are concatenated.
        shape: of the result.
    """
    live = [s for s in parts if s.patterns]
    if not live:
        return zero(shape)
    groups = components(f.axes for s in live for f in s.factors)
    factors: list[Factor] = []
    tables: list[Table] = [[] for _ in parts]
    for axes in groups:
        lengths = tuple(shape[k] for k in axes)
        own = [labels_over(s, axes) for s in parts]
        if axis in axes:
            found = _stacked(
                [a if s.patterns else None for (a, _), s in zip(own, parts, strict=True)],
                [n if s.patterns else -1 for n, s in zip(nodes, parts, strict=True)],
                [s.shape[axis] for s in parts],
                axes.index(axis),
                lengths,
            )
            refines = [False] * len(parts)
        else:
            found = product([], lengths)
            for (a, _), s in zip(own, parts, strict=True):
                found = join(found, a) if s.patterns else found
            size = num_blocks(found, lengths)
            refines = [num_blocks(a, lengths) < size for a, _ in own]
        result = cell(axes, found, lengths)
        factors += result.factors
        for table, (_, mask), is_split in zip(tables, own, refines, strict=True):
            table.append((mask, CONSTANT, result.zero_sum(is_split)))
    patterns = frozenset[int]().union(
        *(translated(s.patterns, t) for s, t in zip(parts, tables, strict=True))
    )
    ordered = tuple(sorted(factors, key=lambda f: f.axes))
    return BlockStructure(shape, ordered, patterns).normal_form


def _stacked(
    own: list[Labels], nodes: list[int], counts: list[int], place: int, lengths: Shape
) -> Labels:
    """Labels of entries of several arrays along one axis; node -1 holds zeros."""
    offsets: dict[int, int] = {}
    total, tables = 0, []
    for a, node, count in zip(own, nodes, counts, strict=True):
        shape = (*lengths[:place], count, *lengths[place + 1 :])
        if node not in offsets:
            offsets[node] = total
            total += 1 if node == -1 else num_blocks(a, shape)
        table = np.zeros(shape, dtype=np.int64) if node == -1 else numbered(a, shape)
        tables.append(table + offsets[node])
    return labels(np.concatenate(tables, axis=place))
