"""Block structures: what is known of a tensor whose entries are not.

The axes of a tensor are grouped into *factors*, one axis each as a rule; a factor has a labelling
of its entries. Along a factor a tensor splits into a block-constant part ``C`` and a part ``Z``
whose sum over every block is 0. A *pattern* chooses one letter a factor, and a structure is a set
of patterns: it stands for all tensors that are sums of parts with these patterns, a linear space.
No pattern at all stands for the zero tensor.

Patterns are bit masks over axes: the bit of a factor's first axis is set for ``Z``. A discrete
factor has no zero-sum part, so its bit is never set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain
from typing import NamedTuple

from theory.modules.labelling import (
    Labels,
    independent_parts,
    join,
    num_blocks,
    one_block,
    product,
)
from theory.primitives import Shape

Patterns = frozenset[int]
CONSTANT: Patterns = frozenset([0])
NOTHING: Patterns = frozenset()


class Factor(NamedTuple):
    """Axes that are labelled together, in increasing order; one axis if ``labels`` is None."""

    axes: tuple[int, ...]
    labels: Labels

    @property
    def bit(self) -> int:
        """The mask of the zero-sum letter; 0 where there is no zero-sum part."""
        return 0 if self.labels is None else 1 << self.axes[0]


@dataclass(frozen=True)
class BlockStructure:
    """The space of all sums of parts with the given patterns.

    Args:
        shape: of the tensors.
        factors: in the order of their first axes, each axis in one.
        patterns: masks over the axes.

    >>> from theory.modules.labelling import labels
    >>> a = BlockStructure((4,), (Factor((0,), labels([0, 0, 1, 1])),), CONSTANT)
    >>> a.is_constant
    True
    """

    shape: Shape
    factors: tuple[Factor, ...]
    patterns: Patterns

    @cached_property
    def is_constant(self) -> bool:
        """Whether the tensors are block-constant along every axis."""
        return not any(self.patterns)

    @cached_property
    def mixed(self) -> int:
        """The mask of the factors with a zero-sum part in some pattern."""
        mask = 0
        for pattern in self.patterns:
            mask |= pattern
        return mask

    @cached_property
    def normal_form(self) -> BlockStructure:
        """The same space; a factor along which it is everything becomes discrete."""
        if not self.patterns:
            return zero(self.shape)
        full = 0
        for factor in self.factors:
            bit = factor.bit & self.mixed
            if bit and all(p ^ bit in self.patterns for p in self.patterns):
                full |= bit
        return self.forgetting(full) if full else self

    def forgetting(self, mask: int) -> BlockStructure:
        """All tensors that are anything along the factors in ``mask``."""
        if not mask:
            return self
        return BlockStructure(
            self.shape,
            tuple(chain.from_iterable(_forget(f, mask) for f in self.factors)),
            frozenset(p & ~mask for p in self.patterns),
        ).ordered

    @cached_property
    def ordered(self) -> BlockStructure:
        """The same space, its factors in the order of their first axes."""
        factors = tuple(sorted(self.factors, key=lambda f: f.axes))
        return (
            self if factors == self.factors else BlockStructure(self.shape, factors, self.patterns)
        )


def _forget(factor: Factor, mask: int) -> Iterable[Factor]:
    return (Factor((k,), None) for k in factor.axes) if factor.bit & mask else (factor,)


@lru_cache(maxsize=1 << 10)
def zero(shape: Shape) -> BlockStructure:
    """The zero tensor."""
    factors = tuple(Factor((k,), one_block((n,))) for k, n in enumerate(shape))
    return BlockStructure(shape, factors, NOTHING)


def discrete(shape: Shape) -> BlockStructure:
    """All tensors."""
    return BlockStructure(shape, tuple(Factor((k,), None) for k in range(len(shape))), CONSTANT)


def along_axes(axes: Sequence[Labels], shape: Shape, patterns: Patterns) -> BlockStructure:
    """A structure whose axes are labelled one by one."""
    factors = tuple(Factor((k,), a) for k, a in enumerate(axes))
    return BlockStructure(shape, factors, patterns).normal_form


def combinations(bits: Iterable[int]) -> frozenset[int]:
    """All sums of some of the bits.

    >>> sorted(combinations([1, 4]))
    [0, 1, 4, 5]
    """
    found = [0]
    for bit in bits:
        found += [mask | bit for mask in found]
    return frozenset(found)


class Cell(NamedTuple):
    """Some axes of a result, labelled together: its factors.

    ``everything`` are the masks of all patterns of the factors.
    """

    factors: tuple[Factor, ...]
    everything: frozenset[int]

    @property
    def mixed(self) -> frozenset[int]:
        """Zero-sum over the blocks of a product: zero-sum along some factor."""
        return self.everything - CONSTANT

    def zero_sum(self, is_split: bool) -> frozenset[int]:
        """What ``Z`` turns into when its blocks are split, or not, to those of this cell."""
        return self.everything if is_split else self.mixed


@lru_cache(maxsize=1 << 12)
def cell(axes: tuple[int, ...], labelling: Labels, shape: Shape) -> Cell:
    """The factors of a labelling of ``axes``, whose lengths are ``shape``."""
    factors = []
    for places, own in independent_parts(labelling, shape):
        numbers = tuple(axes[k] for k in places)
        factors.append(Factor(tuple(sorted(numbers)), own))
    return Cell(tuple(factors), combinations(f.bit for f in factors if f.bit))


def components(groups: Iterable[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """The finest partition in which every group lies in one set, sorted.

    >>> components([(0,), (1, 2), (2, 4), (3,)])
    [(0,), (1, 2, 4), (3,)]
    """
    found: list[set[int]] = []
    for group in groups:
        one = set(group)
        apart = []
        for other in found:
            if one.isdisjoint(other):
                apart.append(other)
            else:
                one |= other
        found = [*apart, one]
    return sorted(tuple(sorted(one)) for one in found if one)


def labels_over(structure: BlockStructure, axes: tuple[int, ...]) -> tuple[Labels, int]:
    """The product labelling over a union of factors, and the mask of their letters."""
    parts, mask = [], 0
    for factor in structure.factors:
        if factor.axes[0] in axes:
            parts.append((tuple(axes.index(k) for k in factor.axes), factor.labels))
            mask |= factor.bit
    return product(parts, tuple(structure.shape[k] for k in axes)), mask


def translated(
    patterns: Patterns, table: Sequence[tuple[int, frozenset[int], frozenset[int]]]
) -> Patterns:
    """Patterns in new letters.

    Args:
        patterns: the old ones.
        table: for each group of factors its mask, and the masks into which its ``C`` and its
            ``Z`` turn; the letter of a group is ``Z`` if one of its factors has it.
    """
    found: set[int] = set()
    for pattern in patterns:
        masks = [0]
        for mask, constant, mixed in table:
            options = mixed if pattern & mask else constant
            if options is not CONSTANT:
                masks = [old | new for old in masks for new in options]
        found.update(masks)
    return frozenset(found)


def aligned(
    structures: Sequence[BlockStructure],
) -> tuple[tuple[Factor, ...], list[Patterns]]:
    """Structures of one shape over the coarsest common refinement of their labellings.

    A refined ``C`` is ``C``. A ``Z`` stays zero-sum where its blocks are kept, and becomes
    anything, ``C`` or ``Z``, where they are split. The zero tensor refines nothing.
    """
    live = [s for s in structures if s.patterns]
    if not live:
        return structures[0].factors, [NOTHING for _ in structures]
    first = live[0].factors
    if all(s.factors is first or s.factors == first for s in live):
        return first, [s.patterns for s in structures]
    shape = live[0].shape
    factors: list[Factor] = []
    tables: list[list[tuple[int, frozenset[int], frozenset[int]]]] = [[] for _ in live]
    for axes in components(f.axes for s in live for f in s.factors):
        own = [labels_over(s, axes) for s in live]
        lengths = tuple(shape[k] for k in axes)
        common: Labels = own[0][0]
        for a, _ in own[1:]:
            common = join(common, a)
        result = cell(axes, common, lengths)
        factors += result.factors
        size = num_blocks(common, lengths)
        for table, (a, mask) in zip(tables, own, strict=True):
            if mask:
                mixed = result.zero_sum(num_blocks(a, lengths) < size)
                table.append((mask, CONSTANT, mixed))
    new = iter([translated(s.patterns, t) for s, t in zip(live, tables, strict=True)])
    patterns = [next(new) if s.patterns else NOTHING for s in structures]
    return tuple(sorted(factors, key=lambda f: f.axes)), patterns


def contains(space: BlockStructure, part: BlockStructure) -> bool:
    """Whether every tensor of one structure surely belongs to another.

    Both are brought to the common refinement J. Back on the coarser blocks of ``space``, what is
    constant on J may be anything, unless J is no finer; what is zero-sum on J is zero-sum.

    >>> from theory.modules.labelling import labels
    >>> clones = along_axes([labels([0, 0])], (2,), frozenset([0]))
    >>> contains(clones, clones), contains(clones, discrete((2,)))
    (True, False)
    """
    if not part.patterns:
        return True
    shape = part.shape
    table = []
    for axes in components(f.axes for s in (space, part) for f in s.factors):
        wanted, _ = labels_over(space, axes)
        found, mask = labels_over(part, axes)
        lengths = tuple(shape[k] for k in axes)
        common = num_blocks(join(wanted, found), lengths)
        bits = [f.bit for f in space.factors if f.axes[0] in axes and f.bit]
        everything = combinations(bits)
        constant = CONSTANT if common == num_blocks(wanted, lengths) else everything
        is_split = common > num_blocks(found, lengths)
        # zero-sum over the blocks of a product is anything but constant along all of them
        mixed = everything if is_split else everything - CONSTANT
        table.append((mask, constant, mixed))
    return translated(part.patterns, table) <= space.patterns
