"""What the paper's metrics miss, and metrics that do not.

Values are ``(…, samples, units)``. Chance levels are exact expectations, not asymptotic ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt

import numpy as np

from numerics.metrics.paper import (
    DUPLICATE_COSINE,
    SATURATION_RATIO,
    SATURATION_SHARE,
    cloning_r2,
    cosine,
    partition_of,
    ratio_of_squares,
    samples,
    squares_in_blocks,
)
from numerics.systems.system import Array
from numerics.train import num_leading
from theory.architecture import Architecture
from theory.axis_roles import contracted_axes
from theory.errors import ArchitectureError
from theory.partition import AxisPartition


def flat_units(
    slope: Array, *, threshold: float = SATURATION_RATIO, share: float = SATURATION_SHARE
) -> Array:
    """Units with ``|φ'(z)| < 1e-4`` on more than 99 % of samples, ``(…, units)``.

    Dead and saturated units alike: the gradient with respect to incoming parameters is at most
    this factor times what reaches the unit's output. No property of the loss, of its reduction or
    of the batch size enters.

    Args:
        slope: φ'(z), as in :class:`~numerics.metrics.Signals`.
        threshold: below which a sample counts.
        share: of samples that must count.

    >>> flat_units(np.array([[0.0, 1.0], [0.0, 0.0]]))
    array([ True, False])
    """
    return np.asarray((np.abs(samples(slope)) < threshold).mean(axis=-2) > share)


def correlation(h: Array) -> Array:
    """Cosines of centred values, with sign, ``(…, units, units)``; 0 where a unit is constant.

    A unit counts as constant where centring leaves nothing but rounding.
    """
    mean = np.mean(samples(h), axis=-2, keepdims=True)
    centred = h - mean
    rounding = 4 * np.finfo(float).eps * np.abs(h).max(axis=-2, keepdims=True)
    is_constant = np.abs(centred).max(axis=-2, keepdims=True) <= rounding
    return cosine(np.where(is_constant, 0.0, centred))


def clone_units(h: Array, *, threshold: float = DUPLICATE_COSINE) -> Array:
    """The sign of each unit's strongest partner, ``(…, units)``: +1 clone, -1 anti-clone, 0 none.

    A partner is another unit with ``|correlation| > 0.95``. Means and scales do not enter; that
    units agree on these samples is all that is seen: for a certificate see
    :func:`numerics.refinement.approximate_partition`.

    >>> clone_units(np.array([[1.0, -2.0, 9.0], [2.0, -4.0, 8.0], [3.0, -6.0, 9.0]]))
    array([-1, -1,  0])
    """
    found = correlation(h)
    own = np.arange(found.shape[-1])
    found[..., own, own] = 0
    best = np.abs(found).argmax(axis=-1)[..., None]
    strongest = np.take_along_axis(found, best, axis=-1)[..., 0]
    signs: Array = np.where(np.abs(strongest) > threshold, np.sign(strongest), 0).astype(int)
    return signs


def incoming_cosine(
    architecture: Architecture, parameters: Mapping[str, Array], axis: str
) -> Array:
    """Signed cosines of the incoming parameters of an axis' units, biases included.

    No data enters. For a φ that is positively homogeneous of degree 1 two units with cosine 1 have
    proportional values on every input; for an odd one cosine -1 and equal norms give h and -h. That
    is sufficient only: sources may be clones themselves, which
    :func:`numerics.refinement.approximate_partition` takes into account.

    Args:
        architecture: the network.
        parameters: its parameters, all with the same leading axes or none.
        axis: whose units.

    Raises:
        ArchitectureError: if no parameter leads into the axis.
        GraphError: if sources and targets of a parameter are ambiguous.

    >>> from theory.zoo import mlp
    >>> net = mlp([2, 3, 1], "relu", bias=False)
    >>> weights = {"W1": np.array([[1.0, 2, 0], [0, 0, -1]]), "W2": np.ones((3, 1))}
    >>> incoming_cosine(net, weights, "h1")
    array([[1., 1., 0.],
           [1., 1., 0.],
           [0., 0., 1.]])
    """
    roles = contracted_axes(architecture.unfrozen().graph(), up_to_exchange=True)
    lead = num_leading(architecture, parameters)
    columns = []
    for p, axes in architecture.parameters.items():
        for position, name in enumerate(axes):
            if name == axis and not roles[p][position]:
                moved = np.moveaxis(np.asarray(parameters[p], float), lead + position, -1)
                columns.append(moved.reshape((*moved.shape[:lead], -1, moved.shape[-1])))
    if not columns:
        raise ArchitectureError(f"{architecture.name}: no parameter leads into axis {axis!r}")
    return cosine(np.concatenate(columns, axis=-2))


def chance_cosine(ratio: float, other: float | None = None) -> float:
    """The uncentred cosine of two independent units with these ratios of mean to deviation.

    ``E[h_u h_v] / √(E h_u² E h_v²) = 1 / √((1 + ρ_u⁻²)(1 + ρ_v⁻²))``: the limit of many samples.

    >>> round(chance_cosine(4.36), 3), chance_cosine(0)
    (0.95, 0.0)
    """
    product = 1.0
    for rho in (ratio, ratio if other is None else other):
        product *= rho / sqrt(1 + rho * rho)
    return product


def misleading_ratio(threshold: float = DUPLICATE_COSINE) -> float:
    """The ratio of mean to deviation from which independent units pass for duplicates.

    ``ρ²/(1 + ρ²) > c`` iff ``ρ > √(c/(1 - c))``; √19 for the paper's threshold.

    >>> round(misleading_ratio(), 2)
    4.36
    """
    return sqrt(threshold / (1 - threshold))


def chance_cloning_r2(num_samples: int, blocks: AxisPartition) -> float:
    """E R² of independent Gaussian entries of one mean and variance: ``(Mk - 1)/(Md - 1)``.

    M samples, d units, k blocks. Entries are a vector with Md - 1 degrees of freedom about its
    mean, of which M(d - k) lie inside blocks; for Gaussian entries the share of squares there is
    Beta(M(d - k)/2, (Mk - 1)/2), whose mean is the ratio. It tends to k/d, which is 1/n for blocks
    of n.

    >>> chance_cloning_r2(10, AxisPartition(4, ((0, 1), (2, 3))))  # (10·2 - 1)/(10·4 - 1)
    0.48717948717948717
    """
    if num_samples * blocks.size <= 1:
        return 1.0
    return (num_samples * blocks.num_blocks - 1) / (num_samples * blocks.size - 1)


def calibrated_cloning_r2(values: Array, blocks: AxisPartition | Sequence[Sequence[int]]) -> Array:
    """``(R² - c)/(1 - c)`` with c the chance level: mean 0 for independent units, 1 for clones.

    In the limit of many samples c = 1/n for blocks of n. Units of different means or deviations
    are not exchangeable entries: :func:`adjusted_cloning_r2` needs no such assumption. NaN where
    no block has two units.

    Raises:
        ShapeError: if the blocks do not fit the units.
        PartitionError: if lists are no blocks of all units.
    """
    partition = partition_of(values, blocks)
    chance = chance_cloning_r2(values.shape[-2], partition)
    if chance == 1:
        return np.full(values.shape[:-2], np.nan)
    return (cloning_r2(values, partition) - chance) / (1 - chance)


def adjusted_cloning_r2(values: Array, blocks: AxisPartition | Sequence[Sequence[int]]) -> Array:
    """``1 - (S_in/(d - k)) / (S_all/(d - 1))``: 1 for clones, mean 0 if blocks are random.

    S_in are the squares about block means, S_all those about the mean of all units, sample by
    sample, for d units in k blocks. If the units are dealt to blocks of the given sizes at random,
    ``E S_in = S_all (d - k)/(d - 1)`` exactly, whatever the values: a random projection of rank
    d - k in the d - 1 dimensions of zero-sum vectors. So the mean over all ways to deal is 0. 1
    where all units agree, NaN where no block has two units.

    Raises:
        ShapeError: if the blocks do not fit the units.
        PartitionError: if lists are no blocks of all units.

    >>> adjusted_cloning_r2(np.array([[1.0, 1.0, 5.0, 5.0]]), [[0, 1], [2, 3]])
    array(1.)
    >>> adjusted_cloning_r2(np.array([[1.0, 1.0, 5.0, 5.0]]), [[0, 2], [1, 3]])
    array(-0.5)
    """
    partition = partition_of(values, blocks)
    d, k = partition.size, partition.num_blocks
    if d == k:
        return np.full(values.shape[:-2], np.nan)
    inside = squares_in_blocks(values, partition)
    among = np.square(values - values.mean(axis=-1, keepdims=True)).sum(axis=(-1, -2))
    return np.asarray(1 - ratio_of_squares(inside, among, values) * ((d - 1) / (d - k)))


def chance_stable_rank(num_samples: int, num_units: int) -> float:
    """E‖H‖⁴/E tr((HᵀH)²) of independent Gaussian units of one variance: ``(nd + 2)/(n + d + 1)``.

    n = samples - 1 degrees of freedom, d units: moments of a Wishart matrix. It is d only in the
    limit of many samples.

    >>> chance_stable_rank(101, 100)  # a hundred independent units, a hundred samples
    49.76119402985075
    """
    n, d = num_samples - 1, num_units
    return (n * d + 2) / (n + d + 1)


def calibrated_stable_rank(h: Array) -> Array:
    """er₂ of the population's covariance Σ, its two traces estimated without bias.

    With S the sample covariance and n = samples - 1, for Gaussian values ``E (tr S)² = (tr Σ)² +
    2 tr Σ²/n`` and ``n E tr S² = (n + 1) tr Σ² + (tr Σ)²``; solved for (tr Σ)² and tr Σ², whose
    ratio is returned (not itself unbiased). Independent units give about d at any number of
    samples. NaN for fewer than three samples, and where the estimate of tr Σ² is not positive.
    """
    centred = samples(h) - np.mean(h, axis=-2, keepdims=True)
    n = centred.shape[-2] - 1
    if n < 2:
        return np.full(centred.shape[:-2], np.nan)
    first = np.square((centred * centred).sum(axis=(-1, -2)) / n)
    wide = centred.shape[-2] < centred.shape[-1]
    flipped = centred.swapaxes(-1, -2)
    gram = (centred @ flipped if wide else flipped @ centred) / n
    second = (gram * gram).sum(axis=(-1, -2))
    fourth = n * (n * second - first) / ((n + 2) * (n - 1))
    square = first - 2 * fourth / n
    found: Array = np.where(fourth > 0, square / np.where(fourth > 0, fourth, 1), np.nan)
    return found
