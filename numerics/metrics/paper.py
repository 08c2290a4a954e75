"""The metrics of arXiv 2510.00304 under their names, with the paper's thresholds.

Each is a symptom; what each misses stands in its docstring, with the name of the function of
:mod:`numerics.metrics.calibrated` that does not. Values are ``(…, samples, units)``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from numerics.systems.system import Array
from theory.errors import ShapeError
from theory.partition import AxisPartition

DEAD_VALUE, DEAD_SHARE = 1e-7, 0.95
DUPLICATE_COSINE = 0.95
SATURATION_RATIO, SATURATION_SHARE = 1e-4, 0.99
EPSILON = 1e-12
"""Least mean activation by which gradients are divided; the paper leaves it open."""


def dead_units(h: Array, *, value: float = DEAD_VALUE, share: float = DEAD_SHARE) -> Array:
    """Units with ``|h| < 1e-7`` on more than 95 % of samples, ``(…, units)``.

    Misses units that are frozen at a constant other than 0, and depends on the scale of h:
    :func:`~numerics.metrics.flat_units`. Says nothing of other data or later steps:
    :mod:`numerics.frozen`.

    >>> dead_units(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([ True, False])
    """
    return np.asarray((np.abs(samples(h)) < value).mean(axis=-2) > share)


def cosine(h: Array) -> Array:
    """Uncentred cosines ``⟨h_u, h_v⟩/(‖h_u‖ ‖h_v‖)``, ``(…, units, units)``; 0 where h is 0."""
    scale = np.abs(samples(h)).max(axis=-2, keepdims=True)  # squares neither over- nor underflow
    h = h / np.where(scale > 0, scale, 1)
    norm = np.linalg.norm(h, axis=-2, keepdims=True)
    h = h / np.where(norm > 0, norm, 1)
    found: Array = h.swapaxes(-1, -2) @ h
    return found


def duplicate_units(h: Array, *, threshold: float = DUPLICATE_COSINE) -> Array:
    """Units whose uncentred cosine with another one exceeds 0.95, ``(…, units)``.

    Sees duplicates in independent units whose mean exceeds 4.36 standard deviations
    (:func:`~numerics.metrics.misleading_ratio`), and none in h and -h:
    :func:`~numerics.metrics.clone_units`.

    >>> duplicate_units(np.array([[1.0, 2.0, -1.0], [3.0, 6.0, -3.0]]))
    array([ True,  True, False])
    """
    found = cosine(h)
    own = np.arange(found.shape[-1])
    found[..., own, own] = -1
    return np.asarray((found > threshold).any(axis=-1))


def saturated_units(
    h: Array,
    gradient: Array,
    *,
    ratio: float = SATURATION_RATIO,
    share: float = SATURATION_SHARE,
    epsilon: float = EPSILON,
) -> Array:
    """Units with ``|gradient| / max(mean |h|, ε) < 1e-4`` on more than 99 % of samples.

    The gradient scales with the loss: under a mean over samples it falls with the batch size, and
    at a minimum every unit is "saturated". :func:`~numerics.metrics.flat_units` depends on neither.

    Args:
        h: activations.
        gradient: of the loss, of the shape of ``h``: ``d`` or ``delta`` of
            :class:`~numerics.metrics.Signals`.
        ratio: below which a sample counts.
        share: of samples that must count.
        epsilon: ε.

    Raises:
        ShapeError: if the shapes differ.
    """
    if np.shape(h) != np.shape(gradient):
        raise ShapeError(f"h has shape {np.shape(h)}, gradient {np.shape(gradient)}: equal shapes")
    scale = np.maximum(np.abs(samples(h)).mean(axis=-2, keepdims=True), epsilon)
    return np.asarray((np.abs(gradient) / scale < ratio).mean(axis=-2) > share)


def effective_rank(h: Array) -> Array:
    """``exp(-Σ p log p)`` of the normalised singular values of h, not centred (Roy, Vetterli 2007).

    0 for a matrix of zeros. Depends on the units' scales, counts a common mean as a direction, and
    is at most the number of samples.

    >>> round(float(effective_rank(np.eye(3))), 12)
    3.0
    """
    singular = np.linalg.svd(samples(h), compute_uv=False)
    total = singular.sum(axis=-1, keepdims=True)
    p = singular / np.where(total > 0, total, 1)
    entropy = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)
    found: Array = np.where(total[..., 0] > 0, np.exp(entropy), 0.0)
    return found


def stable_rank(h: Array) -> Array:
    """``‖H‖_F⁴ / tr((HᵀH)²)`` of centred H: er₂ of the covariance; 0 for constant units.

    Commonly "stable rank" is ``‖H‖_F² / ‖H‖₂²``. With few samples it is low for independent units
    too: :func:`~numerics.metrics.chance_stable_rank`.

    >>> stable_rank(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    array(2.)
    """
    h = samples(h) - np.mean(h, axis=-2, keepdims=True)
    square = (h * h).sum(axis=(-1, -2))
    # the smaller of HᵀH and HHᵀ, whose squares have one trace
    gram = h @ h.swapaxes(-1, -2) if h.shape[-2] < h.shape[-1] else h.swapaxes(-1, -2) @ h
    fourth = (gram * gram).sum(axis=(-1, -2))
    return np.where(fourth > 0, square * square / np.where(fourth > 0, fourth, 1), 0.0)


def cloning_r2(values: Array, blocks: AxisPartition | Sequence[Sequence[int]]) -> Array:
    """``1 - Var(residual to block mean) / Var(total)``: of h forward, of d or δ backward.

    The total is that about the mean of all entries. Independent units reach 1/n in blocks of n, not
    0: :func:`~numerics.metrics.calibrated_cloning_r2`. 1 for entries that are all equal.

    Args:
        values: of the units.
        blocks: of all units.

    Raises:
        ShapeError: if the blocks do not fit the units.
        PartitionError: if lists are no blocks of all units.

    >>> cloning_r2(np.array([[1.0, 1.0, 5.0], [2.0, 2.0, 4.0]]), [[0, 1], [2]])
    array(1.)
    """
    residual = squares_in_blocks(values, partition_of(values, blocks))
    total = np.square(values - values.mean(axis=(-1, -2), keepdims=True)).sum(axis=(-1, -2))
    return np.asarray(1 - ratio_of_squares(residual, total, values))


def ratio_of_squares(part: Array, whole: Array, values: Array) -> Array:
    """``part / whole`` of sums of squared differences; 0 where the whole is rounding alone."""
    rounding = np.square(4 * np.finfo(float).eps * values).sum(axis=(-1, -2))
    return np.where(whole > rounding, part / np.where(whole > rounding, whole, 1), 0.0)


def squares_in_blocks(values: Array, partition: AxisPartition) -> Array:
    """``Σ (value - block mean)²`` over samples and units."""
    found = np.zeros(values.shape[:-2])
    for block in partition.blocks:
        own = values[..., list(block)]
        found = found + np.square(own - own.mean(axis=-1, keepdims=True)).sum(axis=(-1, -2))
    return found


def partition_of(values: Array, blocks: AxisPartition | Sequence[Sequence[int]]) -> AxisPartition:
    """The blocks of the units of ``values``, which are all units.

    Raises:
        ShapeError: if a partition is of another number of units, or has signs or zero units.
        PartitionError: if lists are no blocks of all units.
    """
    units = samples(values).shape[-1]
    if not isinstance(blocks, AxisPartition):
        blocks = AxisPartition(units, tuple(tuple(block) for block in blocks))
    if blocks.size != units or blocks.is_signed or blocks.zero:
        raise ShapeError(f"{blocks!r} for {units} units: blocks without signs that cover all units")
    return blocks


def samples(values: Array) -> Array:
    """``values`` with at least one sample and one unit.

    Raises:
        ShapeError: if there are none, or axes are missing.
    """
    if np.ndim(values) < 2 or 0 in np.shape(values)[-2:]:
        raise ShapeError(f"shape {np.shape(values)}: values are (..., samples, units)")
    return values
