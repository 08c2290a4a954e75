"""An orthogonal basis of parameter space that the permutations of clones respect.

Along each axis a tensor is block-constant (C) or zero-sum in every block (Z). In a weight matrix

    CC  constant on block pairs                tangent to every leaf
    CZ  1_{S_j} ⊗ c with c zero-sum on S_i     an incoming direction of block i: normal
    ZC  c ⊗ 1_{S_k} with c zero-sum on S_i     an outgoing direction of block i: normal
    ZZ  zero-sum on both sides                 from leaf to leaf: tangent to IE∩OE

Vectors have integer entries and the roots of their squared norms stay unwritten until two sides are
compared, so everything is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Literal

import numpy as np

from theory.architecture import Architecture
from theory.errors import ArchitectureError, PartitionError
from theory.partition import AxisPartition, Partition
from theory.stability.explicit_loss import Direction

Block = tuple[str, int]  # an axis and the number of a block
Kind = Literal["in", "out", "mixed", "tangent"]

CONSTANT_UNIT: Block = ("1", 0)  # the source of biases


@dataclass(frozen=True, slots=True)
class Adapted:
    """A vector of the basis.

    Attributes:
        kind: incoming or outgoing direction of a block of clones, mixed, or tangent.
        block: the clones that it tells apart, for an incoming or outgoing one.
        other: the block at the other end, of sources for an incoming one, of targets for an
            outgoing one.
        copy: which zero-sum vector c on the block.
        direction: the entries.
    """

    kind: Kind
    block: Block
    other: Block
    copy: int
    direction: Direction


def zero_sums(size: int) -> list[tuple[int, ...]]:
    """An orthogonal basis of the zero-sum vectors: size - 1 of them.

    >>> zero_sums(3)
    [(1, -1, 0), (1, 1, -2)]
    """
    return [(1,) * k + (-k,) + (0,) * (size - k - 1) for k in range(1, size)]


def adapted_basis(architecture: Architecture, partition: Partition) -> tuple[Adapted, ...]:
    """The whole basis: as many orthogonal vectors as there are parameters.

    Raises:
        ArchitectureError: if a parameter is neither a matrix of weights nor a vector of biases.
        PartitionError: if there are signs or zero units.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 3, 2])
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1, 2]]})
    >>> basis = adapted_basis(net, clones)
    >>> len(basis), sum(vector.kind == "in" for vector in basis)
    (14, 4)
    """
    for axis, units in partition.items():
        if units.is_signed or units.zero:
            raise PartitionError(f"axis {axis!r}: transverse blocks are derived for plain clones")
    found: list[Adapted] = []
    for p, axes in architecture.parameters.items():
        if len(axes) not in (1, 2):
            raise ArchitectureError(
                f"{p} {axes}: a weight has a source and a target axis, a bias a target axis"
            )
        found += _of_parameter(p, axes, [partition[axis] for axis in axes])
    return tuple(found)


def _of_parameter(
    p: str, axes: tuple[str, ...], parts: Sequence[AxisPartition]
) -> Iterator[Adapted]:
    shape = tuple(part.size for part in parts)
    for blocks in product(*(range(part.num_blocks) for part in parts)):
        units = [part.blocks[k] for part, k in zip(parts, blocks, strict=True)]
        ends = [(axis, k) for axis, k in zip(axes, blocks, strict=True)]
        choices = [range(len(members)) for members in units]  # 0: constant, k: the k-th zero-sum
        for copies in product(*choices):
            factors = [_factor(len(m), c) for m, c in zip(units, copies, strict=True)]
            terms = {}
            for places in product(*(range(len(members)) for members in units)):
                value = prod(f[k] for f, k in zip(factors, places, strict=True))
                index = tuple(m[k] for m, k in zip(units, places, strict=True))
                if value:
                    terms[p, int(np.ravel_multi_index(index, shape))] = Fraction(value)
            yield _named(terms, ends, copies)


def _factor(size: int, copy: int) -> tuple[int, ...]:
    return zero_sums(size)[copy - 1] if copy else (1,) * size


def _named(
    terms: dict[tuple[str, int], Fraction], ends: list[Block], copies: tuple[int, ...]
) -> Adapted:
    source, target = (CONSTANT_UNIT, ends[0]) if len(ends) == 1 else (ends[0], ends[1])
    at_source, at_target = (0, copies[0]) if len(ends) == 1 else (copies[0], copies[1])
    match bool(at_source), bool(at_target):
        case False, True:
            direction = Direction(terms, f"e_{{{label(source)}}}")
            return Adapted("in", target, source, at_target, direction)
        case True, False:
            direction = Direction(terms, f"f_{{{label(target)}}}")
            return Adapted("out", source, target, at_source, direction)
        case True, True:
            return Adapted("mixed", source, target, 0, Direction(terms, "m"))
    return Adapted("tangent", source, target, 0, Direction(terms, r"\tau"))


def label(block: Block) -> str:
    r"""LaTeX of a block: its axis, and its number where an axis has one.

    >>> label(("h1", 0)), label(CONSTANT_UNIT)
    ('h1,1', '1')
    """
    return "1" if block == CONSTANT_UNIT else f"{block[0]},{block[1] + 1}"
