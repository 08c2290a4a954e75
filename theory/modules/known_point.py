"""What a manifold says about its parameters, as block structures."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np

from theory.exact_arrays import numbers
from theory.manifold import ClonedManifold
from theory.modules.block_structure import BlockStructure, along_axes
from theory.modules.labelling import Labels, labels
from theory.partition import AxisPartition


def points(manifold: ClonedManifold) -> dict[str, BlockStructure]:
    """Of every parameter a space that holds its values on the manifold.

    An offset adds the patterns that it has a part of. Along an axis with mirrored clones or zero
    units entries are not equal but opposite or 0, which no labelling says: there the parameter may
    be anything.
    """
    return {p: _point(manifold, p) for p in manifold.axes}


def directions(manifold: ClonedManifold) -> dict[str, BlockStructure | None]:
    """Of every parameter the tangent space; ``None`` if no structure describes it."""
    found: dict[str, BlockStructure | None] = {}
    for p, axes in manifold.axes.items():
        is_all = len(manifold.allowed[p]) == 1 << len(axes)
        is_plain = all(_is_plain(axis) for axis in axes)
        found[p] = _structure(axes, manifold.allowed[p]) if is_plain or is_all else None
    return found


def _point(manifold: ClonedManifold, p: str) -> BlockStructure:
    patterns = manifold.allowed[p]
    if manifold.offset is not None:
        patterns |= _patterns_of(_exactly(manifold.offset[p]), manifold.axes[p])
    return _structure(manifold.axes[p], patterns)


def _exactly(point: Any) -> Any:
    """Floats as the fractions that they are: rounded sums may hide a part of a tensor."""
    array = np.asarray(point)
    return numbers(_fractions(array) if array.dtype.kind == "f" else array)


_fractions = np.frompyfunc(lambda v: Fraction(float(v)), 1, 1)


def _patterns_of(point: Any, axes: tuple[AxisPartition, ...]) -> frozenset[str]:
    """The patterns of which an array has a part other than 0."""
    found = set()
    for letters in product("CZ", repeat=len(axes)):
        part = point
        for k, letter in enumerate(letters):
            mean = axes[k].block_means(part, k)
            part = mean if letter == "C" else part - mean
        if np.any(part != 0):
            found.add("".join(letters))
    return frozenset(found)


def _is_plain(axis: AxisPartition) -> bool:
    return not axis.is_signed and not axis.zero


def axis_labels(axis: AxisPartition) -> Labels:
    """The blocks of an axis; the discrete labelling where they say more than equality."""
    return labels(axis.block_of) if _is_plain(axis) else None


def _structure(axes: tuple[AxisPartition, ...], patterns: frozenset[str]) -> BlockStructure:
    own = [axis_labels(axis) for axis in axes]
    shape = tuple(axis.size for axis in axes)
    masks = set()
    for pattern in patterns:
        # a pattern with Z along an axis without a zero-sum part holds 0 alone
        is_void = any(x == "Z" and not a.num_mixed for x, a in zip(pattern, axes, strict=True))
        if not is_void:
            zero_sum = (x == "Z" and a is not None for x, a in zip(pattern, own, strict=True))
            masks.add(sum(1 << k for k, is_mixed in enumerate(zero_sum) if is_mixed))
    return along_axes(own, shape, frozenset(masks))
