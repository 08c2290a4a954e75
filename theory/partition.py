"""Partitions of a named axis into blocks of clones, mirrored clones and zero units.

Along a partitioned axis every vector is the sum of a block-constant one, ``v_u = s_u c_block`` with
signs ``s_u = ±1``, and a zero-sum one, ``Σ_u s_u v_u = 0`` in every block. A unit with the sign -1
is a mirrored clone (N9). A zero unit (N10) is in no block: block-constant vectors are 0 there, and
zero-sum ones arbitrary. The two kinds of coordinates, and the maps from coordinates to vectors,
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

    Args:
        size: number of units.
        blocks: disjoint sets of units.
        signs: +1 or -1 for every unit, +1 for the first of a block; all +1 if left out.
        zero: the units that are in no block.

    Raises:
        PartitionError: if blocks are empty, overlap, leave the axis or do not cover it together
            with the zero units; if signs are not ±1, or -1 for a zero unit or a block's first.

    >>> AxisPartition(4, ((0, 2), (1,), (3,))).block_of
    (0, 1, 0, 2)
    >>> AxisPartition(3, ((0, 1),), signs=(1, -1, 1), zero=(2,)).expand(np.array([5]), 0)
    array([ 5, -5,  0])
    """

    size: int
    blocks: tuple[tuple[int, ...], ...]
    signs: tuple[int, ...] = ()
    zero: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        owner: dict[int, str] = {}
        for k, block in enumerate(self.blocks):
            if not block:
                raise PartitionError(f"blocks[{k}] is empty: a block has at least one unit")
            self._own(owner, block, f"blocks[{k}]")
        self._own(owner, self.zero, "zero")
        if missing := sorted(set(range(self.size)) - set(owner)):
            raise PartitionError(f"unit {missing[0]} is in no block: blocks cover the axis")
        if not self.signs:
            object.__setattr__(self, "signs", (1,) * self.size)
        if len(self.signs) != self.size or set(self.signs) - {1, -1}:
            raise PartitionError(
                f"signs={self.signs}: one of +1 and -1 for each of {self.size} units"
            )
        for unit in (*(block[0] for block in self.blocks), *self.zero):
            if self.signs[unit] < 0:
                raise PartitionError(
                    f"signs[{unit}]=-1: the first unit of a block has +1, and so has a zero unit"
                )

    def _own(self, owner: dict[int, str], units: tuple[int, ...], place: str) -> None:
        for unit in units:
            if not isinstance(unit, int) or isinstance(unit, bool):
                raise PartitionError(f"{place}={units}: unit {unit!r} is not an integer")
            if not 0 <= unit < self.size:
                raise PartitionError(f"{place}={units}: unit {unit} is not in 0..{self.size - 1}")
            if unit in owner:
                raise PartitionError(
                    f"{place}={units}: unit {unit} is in {owner[unit]} too; blocks are disjoint"
                )
            owner[unit] = place

    def __repr__(self) -> str:
        """What was given: signs and zero units only where there are some."""
        signs = f", signs={self.signs}" if self.is_signed else ""
        zero = f", zero={self.zero}" if self.zero else ""
        return f"AxisPartition(size={self.size}, blocks={self.blocks}{signs}{zero})"

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        printer.text(repr(self))  # IPython and Hypothesis would list all fields

    @cached_property
    def block_of(self) -> tuple[int, ...]:
        """The block of every unit; the number of blocks for a zero unit."""
        owner = {unit: k for k, block in enumerate(self.blocks) for unit in block}
        return tuple(owner.get(unit, self.num_blocks) for unit in range(self.size))

    @property
    def num_blocks(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def num_mixed(self) -> int:
        """Dimension of the zero-sum part, size - number of blocks."""
        return self.size - self.num_blocks

    @cached_property
    def is_signed(self) -> bool:
        """Whether some unit is a mirrored clone."""
        return -1 in self.signs

    @cached_property
    def _uniform(self) -> int | None:
        """The size of all blocks, if it is one and no unit is a zero unit."""
        sizes = {len(block) for block in self.blocks}
        return sizes.pop() if len(sizes) == 1 and not self.zero else None

    @cached_property
    def _order(self) -> list[int]:
        return [unit for block in self.blocks for unit in block]

    @cached_property
    def _place(self) -> list[int]:
        place = {unit: k for k, unit in enumerate(self._order)}
        return [place[unit] for unit in range(self.size)]

    @cached_property
    def _is_sorted(self) -> bool:
        return self._order == list(range(self.size))

    @cached_property
    def _by_size(self) -> dict[int, list[int]]:
        """The blocks of every size, smallest first."""
        found: dict[int, list[int]] = {}
        for k in sorted(range(self.num_blocks), key=lambda k: len(self.blocks[k])):
            found.setdefault(len(self.blocks[k]), []).append(k)
        return found

    def _signed(self, values: Any, axis: int) -> Any:
        """Every unit's entry times its sign."""
        if not self.is_signed:
            return values
        return values * np.reshape(np.array(self.signs), (-1,) + (1,) * (values.ndim - axis - 1))

    def expand(self, values: Any, axis: int) -> Any:
        """Block-constant: block values ``(…, num_blocks, …)`` to units ``(…, size, …)``."""
        if self.num_blocks == self.size and self._is_sorted:
            return values
        axis = axis % values.ndim
        n = self._uniform
        if n is None or not self._is_sorted:
            if self.zero:
                nothing = np.zeros_like(np.take(values, [0], axis=axis))
                values = np.concatenate([values, nothing], axis=axis)
            return self._signed(np.take(values, list(self.block_of), axis=axis), axis)
        shape = values.shape
        stretched = (*shape[: axis + 1], n, *shape[axis + 1 :])
        column = np.reshape(values, (*shape[: axis + 1], 1, *shape[axis + 1 :]))
        units = np.reshape(
            np.broadcast_to(column, stretched), (*shape[:axis], self.size, *shape[axis + 1 :])
        )
        return self._signed(units, axis)

    def complete(self, values: Any, axis: int) -> Any:
        """Zero-sum: free entries ``(…, num_mixed, …)`` to units ``(…, size, …)``.

        The last unit of a block gets what makes the signed sum 0. The entries of zero units come
        last.
        """
        axis = axis % values.ndim
        before, after = values.shape[:axis], values.shape[axis + 1 :]
        n = self._uniform
        if n is None:
            return self._signed(self._completed(values, axis), axis)
        free = np.reshape(values, (*before, self.num_blocks, n - 1, *after))
        last = np.expand_dims(-np.sum(free, axis=axis + 1), axis + 1)
        units = np.reshape(
            np.concatenate([free, last], axis=axis + 1), (*before, self.size, *after)
        )
        units = units if self._is_sorted else np.take(units, self._place, axis=axis)
        return self._signed(units, axis)

    def _completed(self, values: Any, axis: int) -> Any:
        """Zero-sum without signs, for blocks of several sizes, those of one size at a time."""
        before, after = values.shape[:axis], values.shape[axis + 1 :]
        starts = np.cumsum([0, *(len(block) - 1 for block in self.blocks)]).tolist()
        place = {
            u: starts[k] + i
            for k, block in enumerate(self.blocks)
            for i, u in enumerate(block[:-1])
        }
        place |= {unit: starts[-1] + i for i, unit in enumerate(self.zero)}
        parts, length = [values], self.num_mixed
        for n, blocks in self._by_size.items():
            lasts = [self.blocks[k][-1] for k in blocks]
            if n == 1:
                parts.append(np.zeros_like(np.take(values, [0], axis=axis)))
                place |= dict.fromkeys(lasts, length)
                length += 1
                continue
            own = np.take(values, [starts[k] + i for k in blocks for i in range(n - 1)], axis=axis)
            free = np.reshape(own, (*before, len(blocks), n - 1, *after))
            parts.append(-np.sum(free, axis=axis + 1))
            place |= {unit: length + i for i, unit in enumerate(lasts)}
            length += len(blocks)
        units = np.concatenate(parts, axis=axis)
        return np.take(units, [place[unit] for unit in range(self.size)], axis=axis)

    def expand_vector(self, values: Any) -> Any:
        """Block-constant along the last axis."""
        return self.expand(values, -1)

    def complete_vector(self, values: Any) -> Any:
        """Zero-sum along the last axis."""
        return self.complete(values, -1)

    def block_sums(self, values: Any, axis: int) -> Any:
        """Signed sums over blocks: units ``(…, size, …)`` to blocks ``(…, num_blocks, …)``."""
        axis = axis % values.ndim
        values = self._signed(values, axis)
        before, after = values.shape[:axis], values.shape[axis + 1 :]
        parts = []
        for n, blocks in self._by_size.items():
            units = [unit for k in blocks for unit in self.blocks[k]]
            own = values
            if units != list(range(self.size)):
                own = np.take(values, units, axis=axis)
            grouped = np.reshape(own, (*before, len(blocks), n, *after))
            parts.append(np.sum(grouped, axis=axis + 1))
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return np.take(values, np.array([], dtype=int), axis=axis)
        place = {k: i for i, k in enumerate(k for own in self._by_size.values() for k in own)}
        sums = np.concatenate(parts, axis=axis)
        return np.take(sums, [place[k] for k in range(self.num_blocks)], axis=axis)

    def contrasts(self, values: Any, axis: int) -> Any:
        """The transpose of :meth:`complete`: each unit minus the last of its block, with signs.

        Units ``(…, size, …)`` to free entries ``(…, num_mixed, …)``.

        >>> AxisPartition(3, ((0, 2), (1,))).contrasts(np.array([1, 5, 2]), 0)
        array([-1])
        """
        values = self._signed(values, axis % values.ndim)
        units = [unit for block in self.blocks for unit in block[:-1]]
        last = [block[-1] for block in self.blocks for _ in block[:-1]]
        differences = np.take(values, _places(units), axis=axis) - np.take(
            values, _places(last), axis=axis
        )
        if not self.zero:
            return differences
        alone = np.take(values, list(self.zero), axis=axis)
        return np.concatenate([differences, alone], axis=axis) if units else alone

    def block_means(self, values: Any, axis: int) -> Any:
        """The projection onto block-constant vectors, ``(…, size, …)`` to the same shape.

        >>> AxisPartition(3, ((0, 2), (1,))).block_means(np.array([1, 5, 2]), 0)
        array([Fraction(3, 2), Fraction(5, 1), Fraction(3, 2)], dtype=object)
        """
        values = numbers(values) if isinstance(values, np.ndarray) else values
        if not self.blocks:
            return np.zeros_like(values)
        counts = np.array([len(b) for b in self.blocks])
        axis = axis % values.ndim
        column = counts.reshape((-1,) + (1,) * (values.ndim - axis - 1))
        return self.expand(self.block_sums(values, axis) / column, axis)

    def constant_basis(self) -> list[dict[int, int]]:
        """Sparse integer basis of the block-constant vectors: the blocks' signs."""
        return [{unit: self.signs[unit] for unit in block} for block in self.blocks]

    def mixed_basis(self) -> list[dict[int, int]]:
        """Sparse integer basis of the zero-sum vectors: a unit minus the last of its block."""
        inside = [
            {u: self.signs[u], block[-1]: -self.signs[block[-1]]}
            for block in self.blocks
            for u in block[:-1]
        ]
        return [*inside, *({unit: 1} for unit in self.zero)]


def _places(units: list[int]) -> Any:
    """Indices, of integers also where there are none."""
    return np.array(units, dtype=int)


Partition = Mapping[str, AxisPartition]


def make_partition(
    sizes: Mapping[str, int],
    blocks: Mapping[str, Iterable[Sequence[int]]],
    *,
    signs: Mapping[str, Mapping[int, int]] | None = None,
    zero: Mapping[str, Iterable[int]] | None = None,
) -> dict[str, AxisPartition]:
    """A partition of every axis: the given blocks, units left out as singletons.

    Args:
        sizes: length of every axis.
        blocks: of some axes.
        signs: +1 or -1 for some units, +1 for all others. A block and its mirror image are the
            same block: the first unit's sign becomes +1.
        zero: the zero units of some axes.

    Raises:
        PartitionError: if an axis is unknown, a unit is no integer, a sign is not ±1, or blocks
            overlap or leave their axis.

    >>> make_partition({"x": 2, "h": 3}, {"h": [[0, 2]]})["h"].blocks
    ((0, 2), (1,))
    >>> make_partition({"h": 2}, {"h": [[0, 1]]}, signs={"h": {0: -1}})["h"].signs
    (1, -1)
    """
    signs, zero = signs or {}, zero or {}
    for axis in (*blocks, *signs, *zero):
        if axis not in sizes:
            raise PartitionError(f"unknown axis {axis!r}; the axes are {', '.join(sizes)}")
    partition: dict[str, AxisPartition] = {}
    for axis, size in sizes.items():
        given = [_units(axis, f"blocks[{k}]", b) for k, b in enumerate(blocks.get(axis, ()))]
        nothing = _units(axis, "zero", zero.get(axis, ()))
        met = {unit for block in (*given, nothing) for unit in block}
        every = sorted([*given, *((unit,) for unit in range(size) if unit not in met)])
        own = signs.get(axis, {})
        for unit, sign in own.items():
            if unit not in range(size) or sign not in (1, -1):
                raise PartitionError(
                    f"axis {axis!r}: signs[{unit}]={sign}: a sign is +1 or -1, of a unit in "
                    f"0..{size - 1}"
                )
        first = {unit: own.get(block[0], 1) for block in every if block for unit in block}
        relative = tuple(own.get(u, 1) * first.get(u, 1) for u in range(size)) if own else ()
        try:
            partition[axis] = AxisPartition(size, tuple(every), relative, nothing)
        except PartitionError as error:
            raise PartitionError(f"axis {axis!r}: {error}") from None
    return partition


def _units(axis: str, place: str, units: Any) -> tuple[int, ...]:
    try:
        return tuple(index(unit) for unit in units)
    except TypeError:
        raise PartitionError(
            f"axis {axis!r}: {place}={units!r:.60}: a block is a sequence of integers"
        ) from None


def parse_blocks(text: str) -> tuple[str, list[list[int]]]:
    """An axis and its blocks from ``h=0,1/2,3``.

    Raises:
        PartitionError: if the text does not have that form.

    >>> parse_blocks("h=0,1/2,3")
    ('h', [[0, 1], [2, 3]])
    """
    axis, blocks, signs = _parsed(text, "h=0,1/2,3")
    if signs:
        raise PartitionError(f"{text!r}: blocks are written h=0,1/2,3, units from 0")
    return axis, blocks


def parse_mirrored_blocks(text: str) -> tuple[str, list[list[int]], dict[int, int]]:
    """An axis, its blocks and the units with the sign -1 from ``h=0,-1/2,3``.

    Raises:
        PartitionError: if the text does not have that form.

    >>> parse_mirrored_blocks("h=-0,1/2,3")
    ('h', [[0, 1], [2, 3]], {0: -1})
    """
    return _parsed(text, "h=0,-1/2,3")


def _parsed(text: str, form: str) -> tuple[str, list[list[int]], dict[int, int]]:
    axis, equals, rest = text.partition("=")
    blocks = [[unit.strip() for unit in block.split(",")] for block in rest.split("/")]
    bare = [[unit.removeprefix("-") for unit in block] for block in blocks]
    is_well_formed = all(u.isascii() and u.isdecimal() for block in bare for u in block)
    if not equals or not axis.strip() or not is_well_formed:
        raise PartitionError(f"{text!r}: blocks are written {form}, units from 0")
    signs = {int(u[1:]): -1 for block in blocks for u in block if u.startswith("-")}
    return axis.strip(), [[int(u) for u in block] for block in bare], signs
