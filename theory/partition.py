"""Partitions of a named axis into blocks of clones.

Along a partitioned axis every vector is the sum of a block-constant one and one whose entries sum
to zero in every block. The two kinds of coordinates, and the maps from coordinates to vectors,
are written with plain NumPy functions: they act alike on floats, residues, SymPy symbols and
traced arrays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import index
from typing import Any

import numpy as np

from theory.errors import PartitionError
from theory.exact_arrays import numbers


@dataclass(frozen=True)
class AxisPartition:
    """A partition of the units 0..size-1 of one axis.

    Raises:
        PartitionError: if blocks are empty, overlap, leave the axis or do not cover it.

    >>> AxisPartition(4, ((0, 2), (1,), (3,))).block_of
    (0, 1, 0, 2)
    """

    size: int
    blocks: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        owner: dict[int, int] = {}
        for k, block in enumerate(self.blocks):
            if not block:
                raise PartitionError(f"blocks[{k}] is empty: a block has at least one unit")
            for unit in block:
                if not isinstance(unit, int) or isinstance(unit, bool):
                    raise PartitionError(f"blocks[{k}]={block}: unit {unit!r} is not an integer")
                if not 0 <= unit < self.size:
                    raise PartitionError(
                        f"blocks[{k}]={block}: unit {unit} is not in 0..{self.size - 1}"
                    )
                if unit in owner:
                    raise PartitionError(
                        f"blocks[{k}]={block}: unit {unit} is in blocks[{owner[unit]}] too; "
                        "blocks are disjoint"
                    )
                owner[unit] = k
        if missing := sorted(set(range(self.size)) - set(owner)):
            raise PartitionError(f"unit {missing[0]} is in no block: blocks cover the axis")

    @cached_property
    def block_of(self) -> tuple[int, ...]:
        """The block of every unit."""
        owner = {unit: k for k, block in enumerate(self.blocks) for unit in block}
        return tuple(owner[unit] for unit in range(self.size))

    @property
    def num_blocks(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def num_mixed(self) -> int:
        """Dimension of the zero-sum part, size - number of blocks."""
        return self.size - self.num_blocks

    @cached_property
    def _order(self) -> list[int]:
        return [unit for block in self.blocks for unit in block]

    @cached_property
    def _place(self) -> list[int]:
        place = {unit: k for k, unit in enumerate(self._order)}
        return [place[unit] for unit in range(self.size)]

    @cached_property
    def _uniform(self) -> int | None:
        sizes = {len(block) for block in self.blocks}
        return sizes.pop() if len(sizes) == 1 else None

    @cached_property
    def _is_sorted(self) -> bool:
        return self._order == list(range(self.size))

    def expand(self, values: Any, axis: int) -> Any:
        """Block-constant: block values ``(…, num_blocks, …)`` to units ``(…, size, …)``."""
        if self.num_blocks == self.size and self._is_sorted:
            return values
        n = self._uniform
        if n is None or not self._is_sorted:
            return np.take(values, list(self.block_of), axis=axis)
        axis = axis % values.ndim
        shape = values.shape
        stretched = (*shape[: axis + 1], n, *shape[axis + 1 :])
        column = np.reshape(values, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
        return np.reshape(
            np.broadcast_to(column, stretched), (*shape[:axis], self.size, *shape[axis + 1 :])
        )

    def complete(self, values: Any, axis: int) -> Any:
        """Zero-sum: free entries ``(…, num_mixed, …)`` to units ``(…, size, …)``.

        The last unit of a block gets minus the sum of its others.
        """
        axis = axis % values.ndim
        before, after = values.shape[:axis], values.shape[axis + 1 :]
        n = self._uniform
        if n is not None:
            free = np.reshape(values, (*before, self.num_blocks, n - 1, *after))
            last = np.expand_dims(-np.sum(free, axis=axis + 1), axis + 1)
            units = np.reshape(
                np.concatenate([free, last], axis=axis + 1), (*before, self.size, *after)
            )
        else:
            parts, start = [], 0
            for block in self.blocks:
                if len(block) == 1:
                    parts.append(np.zeros_like(np.take(values, [0], axis=axis)))
                    continue
                own = np.take(values, list(range(start, start + len(block) - 1)), axis=axis)
                parts += [own, np.expand_dims(-np.sum(own, axis=axis), axis)]
                start += len(block) - 1
            units = np.concatenate(parts, axis=axis)
        return units if self._is_sorted else np.take(units, self._place, axis=axis)

    def expand_vector(self, values: Any) -> Any:
        """Block-constant along the last axis."""
        return self.expand(values, -1)

    def complete_vector(self, values: Any) -> Any:
        """Zero-sum along the last axis."""
        return self.complete(values, -1)

    def block_sums(self, values: Any, axis: int) -> Any:
        """Sums over blocks: units ``(…, size, …)`` to blocks ``(…, num_blocks, …)``."""
        n = self._uniform
        if n is not None:
            axis = axis % values.ndim
            ordered = values if self._is_sorted else np.take(values, self._order, axis=axis)
            before, after = values.shape[:axis], values.shape[axis + 1 :]
            return np.sum(np.reshape(ordered, (*before, self.num_blocks, n, *after)), axis=axis + 1)
        return np.stack(
            [np.sum(np.take(values, list(b), axis=axis), axis=axis) for b in self.blocks], axis=axis
        )

    def contrasts(self, values: Any, axis: int) -> Any:
        """The transpose of :meth:`complete`: each unit minus the last of its block.

        Units ``(…, size, …)`` to free entries ``(…, num_mixed, …)``.

        >>> AxisPartition(3, ((0, 2), (1,))).contrasts(np.array([1, 5, 2]), 0)
        array([-1])
        """
        units = [unit for block in self.blocks for unit in block[:-1]]
        last = [block[-1] for block in self.blocks for _ in block[:-1]]
        return np.take(values, units, axis=axis) - np.take(values, last, axis=axis)

    def block_means(self, values: Any, axis: int) -> Any:
        """The projection onto block-constant vectors, ``(…, size, …)`` to the same shape.

        >>> AxisPartition(3, ((0, 2), (1,))).block_means(np.array([1, 5, 2]), 0)
        array([Fraction(3, 2), Fraction(5, 1), Fraction(3, 2)], dtype=object)
        """
        values = numbers(values) if isinstance(values, np.ndarray) else values
        counts = np.array([len(b) for b in self.blocks])
        axis = axis % values.ndim
        column = counts.reshape((-1,) + (1,) * (values.ndim - axis - 1))
        return self.expand(self.block_sums(values, axis) / column, axis)

    def constant_basis(self) -> list[dict[int, int]]:
        """Sparse integer basis of the block-constant vectors: the blocks' indicators."""
        return [dict.fromkeys(block, 1) for block in self.blocks]

    def mixed_basis(self) -> list[dict[int, int]]:
        """Sparse integer basis of the zero-sum vectors: a unit minus the last of its block."""
        return [{u: 1, block[-1]: -1} for block in self.blocks for u in block[:-1]]


Partition = Mapping[str, AxisPartition]


def make_partition(
    sizes: Mapping[str, int], blocks: Mapping[str, Iterable[Sequence[int]]]
) -> dict[str, AxisPartition]:
    """A partition of every axis: the given blocks, units left out as singletons.

    Raises:
        PartitionError: if an axis is unknown, a unit is no integer, or blocks overlap or leave
            their axis.

    >>> make_partition({"x": 2, "h": 3}, {"h": [[0, 2]]})["h"].blocks
    ((0, 2), (1,))
    """
    for axis in blocks:
        if axis not in sizes:
            raise PartitionError(f"unknown axis {axis!r}; the axes are {', '.join(sizes)}")
    partition: dict[str, AxisPartition] = {}
    for axis, size in sizes.items():
        given = [_units(axis, k, block) for k, block in enumerate(blocks.get(axis, ()))]
        met = {unit for block in given for unit in block}
        single = [(unit,) for unit in range(size) if unit not in met]
        try:
            partition[axis] = AxisPartition(size, tuple(sorted([*given, *single])))
        except PartitionError as error:
            raise PartitionError(f"axis {axis!r}: {error}") from None
    return partition


def _units(axis: str, k: int, block: Sequence[int]) -> tuple[int, ...]:
    try:
        return tuple(index(unit) for unit in block)
    except TypeError:
        raise PartitionError(
            f"axis {axis!r}: blocks[{k}]={block!r:.60}: a block is a sequence of integers"
        ) from None


def parse_blocks(text: str) -> tuple[str, list[list[int]]]:
    """An axis and its blocks from ``h=0,1/2,3``.

    Raises:
        PartitionError: if the text does not have that form.

    >>> parse_blocks("h=0,1/2,3")
    ('h', [[0, 1], [2, 3]])
    """
    axis, equals, rest = text.partition("=")
    blocks = [[unit.strip() for unit in block.split(",")] for block in rest.split("/")]
    is_well_formed = all(u.isascii() and u.isdecimal() for block in blocks for u in block)
    if not equals or not axis.strip() or not is_well_formed:
        raise PartitionError(f"{text!r}: blocks are written h=0,1/2,3, units from 0")
    return axis.strip(), [[int(u) for u in block] for block in blocks]
