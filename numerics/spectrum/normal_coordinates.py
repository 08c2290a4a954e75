"""Orthonormal coordinates of the normal space of IE∩OE.

Along an axis the vectors 1_i/√n_i and, in each block, Helmert's contrasts are an orthonormal basis;
products over the axes of a parameter, of the patterns that IE∩OE forbids, are one of the normal
space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod, sqrt

import numpy as np

from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.manifold import equitable
from theory.partition import AxisPartition, Partition


@dataclass(frozen=True, eq=False)
class NormalCoordinates:
    """The normal space of IE∩OE as ℝᵐ.

    Args:
        architecture: the network.
        partition: its blocks of clones.

    Raises:
        GraphError: if source and target of a parameter are ambiguous.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], bias=False)
    >>> normal = NormalCoordinates(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    >>> normal.dimension, normal.spread(np.array([1.0, 0.0]))["W1"]
    (2, array([[ 0.70710678, -0.70710678]]))
    """

    architecture: Architecture
    partition: Partition

    @cached_property
    def patterns(self) -> tuple[tuple[str, str], ...]:
        """The forbidden patterns of all parameters that are not empty."""
        allowed = equitable(self.architecture, self.partition).allowed
        return tuple(
            (p, pattern)
            for p, axes in self.architecture.parameters.items()
            for pattern in map("".join, product("CZ", repeat=len(axes)))
            if pattern not in allowed[p] and all(self._shape(p, pattern))
        )

    @cached_property
    def dimension(self) -> int:
        """m, the codimension of IE∩OE."""
        return sum(prod(self._shape(p, pattern)) for p, pattern in self.patterns)

    @cached_property
    def _bases(self) -> dict[tuple[str, str], Array]:
        return {
            (axis, letter): _constant(self.partition[axis])
            if letter == "C"
            else _mixed(self.partition[axis])
            for axis in self.architecture.sizes
            for letter in "CZ"
        }

    def _shape(self, p: str, pattern: str) -> tuple[int, ...]:
        blocks = (self.partition[axis] for axis in self.architecture.parameters[p])
        return tuple(
            axis.num_blocks if letter == "C" else axis.num_mixed
            for axis, letter in zip(blocks, pattern, strict=True)
        )

    def spread(self, vectors: Array) -> dict[str, Array]:
        """Directions ``(…, *shape)`` by parameter, from coordinates ``(…, m)``."""
        lead = vectors.shape[:-1]
        found = {
            p: np.zeros((*lead, *shape)) for p, shape in self.architecture.parameter_shapes.items()
        }
        start = 0
        for p, pattern in self.patterns:
            shape = self._shape(p, pattern)
            part = vectors[..., start : start + prod(shape)].reshape((*lead, *shape))
            found[p] += self._along(p, pattern, part, transposed=False)
            start += prod(shape)
        return found

    def gather(self, directions: Mapping[str, Array]) -> Array:
        """Coordinates ``(…, m)`` of the normal parts of directions."""
        parts = []
        for p, pattern in self.patterns:
            part = self._along(p, pattern, directions[p], transposed=True)
            parts.append(part.reshape((*part.shape[: part.ndim - len(pattern)], -1)))
        front = np.broadcast_shapes(*(part.shape[:-1] for part in parts))
        return np.concatenate([np.broadcast_to(a, (*front, a.shape[-1])) for a in parts], axis=-1)

    def _along(self, p: str, pattern: str, array: Array, *, transposed: bool) -> Array:
        axes = self.architecture.parameters[p]
        for k, (axis, letter) in enumerate(zip(axes, pattern, strict=True)):
            matrix = self._bases[axis, letter]
            place = k - len(axes)
            moved = np.moveaxis(array, place, -1) @ (matrix if transposed else matrix.T)
            array = np.moveaxis(moved, -1, place)
        return array


def _constant(blocks: AxisPartition) -> Array:
    """1_i/√n_i with signs, ``(size, blocks)``."""
    matrix = np.zeros((blocks.size, blocks.num_blocks))
    for i, units in enumerate(blocks.blocks):
        for u in units:
            matrix[u, i] = blocks.signs[u] / sqrt(len(units))
    return matrix


def _mixed(blocks: AxisPartition) -> Array:
    """Helmert's contrasts with signs, and zero units, ``(size, mixed)``."""
    columns = []
    for units in blocks.blocks:
        for k in range(1, len(units)):
            column = np.zeros(blocks.size)
            for u in units[:k]:
                column[u] = blocks.signs[u] / sqrt(k * (k + 1))
            column[units[k]] = -blocks.signs[units[k]] * k / sqrt(k * (k + 1))
            columns.append(column)
    for u in blocks.zero:
        columns.append(np.eye(blocks.size)[u])
    return np.array(columns).T.reshape(blocks.size, len(columns))
