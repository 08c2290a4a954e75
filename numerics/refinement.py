"""Which units of a trained network are clones, up to a tolerance.

Colour refinement as in :mod:`theory.refinement`, with floating-point signatures: units of one block
stay together if each is within a tolerance of the block's leader, in the Euclidean norm. Equality
up to a tolerance is not transitive, so the answer comes with two numbers that say whether it was
needed: how far units are from equality inside the blocks that were found, and how far from each
other the blocks are. Where the first is far below the second, every tolerance in between finds the
same partition.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite

import numpy as np

from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.exact_arrays import Array
from theory.manifold import ClonedManifold
from theory.manifold.base import Parameters
from theory.partition import AxisPartition
from theory.refinement import MANIFOLDS, ZERO, Colouring, Kind

CHUNK = 1024  # rows of which all distances are held at once


@dataclass(frozen=True)
class ApproximateRefinement:
    """A partition found from floating-point parameters.

    Attributes:
        partition: of every axis.
        manifold: of the kind asked for, with this partition; its ``distance(parameters)`` does not
            depend on how the partition was found.
        violation: largest distance of a unit's signature from that of its block's first unit, of a
            zero unit's from 0.
        gap: smallest distance between the signatures of two blocks of one axis, up to sign where
            the axis is mirrored, and of one from 0 where units may be 0; infinite without such.
        rounds: how often all units were compared.
    """

    partition: Mapping[str, AxisPartition]
    manifold: ClonedManifold
    violation: float
    gap: float
    rounds: int


def approximate_partition(
    architecture: Architecture,
    parameters: Parameters,
    *,
    tolerance: float,
    kind: Kind = "IE∩OE",
    mirrored: Collection[str] = (),
    zero: Collection[str] = (),
) -> ApproximateRefinement:
    """The coarsest partition of the hidden axes on whose manifold the parameters nearly lie.

    Args:
        architecture: the network.
        parameters: arrays of floats, without leading axes.
        tolerance: Euclidean distance of two signatures that count as equal; a signature is a
            unit's sums of weights from and to all blocks, and its bias.
        kind: of manifold: ``IE∩OE``, ``IE`` or ``BC``.
        mirrored: hidden axes on which clones may have opposite values.
        zero: hidden axes on which units may be 0.

    Raises:
        ManifoldError: if the tolerance is no number >= 0, a parameter is missing, has another
            shape or is not finite, an axis is not hidden, or an axis of the output has no name.
        GraphError: if sources and targets of a parameter are ambiguous.

    >>> from theory.zoo import mlp
    >>> net = mlp([1, 3, 1], "tanh", bias=False)
    >>> weights = {"W1": np.array([[2, 2 + 1e-9, 3]]), "W2": np.array([[1.0], [1], [1]])}
    >>> found = approximate_partition(net, weights, tolerance=1e-6)
    >>> found.partition["h1"].blocks, found.violation < 2e-9, round(found.gap, 6)
    (((0, 1), (2,)), True, 1.0)
    """
    if not 0 <= tolerance < inf:
        raise ManifoldError(f"tolerance={tolerance}: a tolerance is a finite number >= 0")
    floats = {}
    for p, shape in architecture.parameter_shapes.items():
        if p not in parameters or np.shape(parameters[p]) != shape:
            raise ManifoldError(f"parameters[{p!r}]: an array of shape {shape} is expected")
        floats[p] = np.asarray(parameters[p], dtype=float)
        if not isfinite(np.sum(np.abs(floats[p]))):
            raise ManifoldError(f"parameters[{p!r}]: an entry or the sum of all is not finite")
    colouring = Colouring(architecture, floats, kind, frozenset(mirrored), frozenset(zero))
    rounds = colouring.refine(partial(_near_rows, tolerance))
    partition = colouring.partition()
    violation, gap = 0.0, inf
    for axis in colouring.axes:
        units = np.arange(architecture.sizes[axis])
        rows = colouring.signatures(axis, units)
        violation = max(violation, _violation(rows, partition[axis]))
        leaders = rows[[block[0] for block in partition[axis].blocks]]
        if axis in colouring.vanishing and len(leaders):
            gap = min(gap, float(np.linalg.norm(leaders, axis=1).min()))
        gap = min(gap, _smallest_distance(leaders, up_to_sign=axis in colouring.mirrored))
    return ApproximateRefinement(
        partition, MANIFOLDS[kind](architecture, partition), violation, gap, rounds
    )


def _near_rows(
    tolerance: float, rows: Array, with_zero: bool, up_to_sign: bool
) -> tuple[Array, Array]:
    """Rows grouped around leaders; rows within the tolerance of 0 apart if asked for.

    Rows are first sorted by their component along one random unit vector. Components of near rows
    are near, so where they are not a group ends, and few rows are compared in full.
    """
    labels = np.full(len(rows), ZERO)
    signs = np.ones(len(rows), dtype=int)
    direction = np.random.default_rng(0).standard_normal(rows.shape[1])
    heights = rows @ (direction / (np.linalg.norm(direction) or 1))
    if up_to_sign:
        heights = np.abs(heights)
    norms = np.linalg.norm(rows, axis=1)
    alive = np.flatnonzero((norms > tolerance) | (not with_zero))
    order = alive[np.argsort(heights[alive], kind="stable")]
    rounding = 2 * (rows.shape[1] + 2) * np.finfo(float).eps * norms.max(initial=0)
    fresh = 0
    for group in np.split(
        order, np.flatnonzero(np.diff(heights[order]) > tolerance + rounding) + 1
    ):
        rest = group
        while len(rest):
            leader = rows[rest.min()]
            same = np.linalg.norm(rows[rest] - leader, axis=1) <= tolerance
            opposite = np.zeros_like(same)
            if up_to_sign:
                opposite = ~same & (np.linalg.norm(rows[rest] + leader, axis=1) <= tolerance)
            labels[rest[same | opposite]] = fresh
            signs[rest[opposite]] = -1
            fresh, rest = fresh + 1, rest[~(same | opposite)]
    return labels, signs


def _violation(rows: Array, partition: AxisPartition) -> float:
    first = np.arange(partition.size)
    for block in partition.blocks:
        first[list(block)] = block[0]
    away = rows * np.array(partition.signs)[:, None] - rows[first]
    away[list(partition.zero)] = rows[list(partition.zero)]
    return float(np.linalg.norm(away, axis=1).max(initial=0))


def _smallest_distance(rows: Array, *, up_to_sign: bool) -> float:
    """Between any two rows, or a row and minus another.

    Candidates are found from scalar products; rounding there may prefer a pair that is farther by
    10⁻⁸ of the rows' norm, whose true distance is then returned.
    """
    if len(rows) < 2:
        return inf
    squares = np.sum(rows * rows, axis=1)
    smallest = inf
    for start in range(0, len(rows), CHUNK):
        own = rows[start : start + CHUNK]
        products = own @ rows.T
        if up_to_sign:
            products = np.abs(products)
        distances = squares[start : start + CHUNK, None] + squares - 2 * products
        distances[np.arange(len(own)), start + np.arange(len(own))] = inf
        nearest = rows[distances.argmin(axis=1)]
        found = np.linalg.norm(own - nearest, axis=1).min()
        if up_to_sign:
            found = min(found, np.linalg.norm(own + nearest, axis=1).min())
        smallest = min(smallest, float(found))
    return smallest
