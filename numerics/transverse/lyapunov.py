r"""Lyapunov exponents of products of linear maps, with error bars.

The exponents of :math:`A_t \cdots A_2 A_1` are the mean logarithmic rates at which the product
stretches volumes: the sum of the first k is that of k-dimensional ones. The frame of k vectors is
orthonormalised after every map, :math:`A_t Q_{t-1} = Q_t R_t`, and the exponents are the means of
:math:`\ln |R_t|_{jj}` (Benettin et al. 1980).

These logarithms are correlated in time. Their mean's standard error is the largest of those that
means of blocks of 1, 2, 4, … of them give as if they were independent, as long as there are at
least 16 blocks (Flyvbjerg and Petersen 1989): it grows with the block until blocks are longer than
the correlation. An error of 0 means a constant stretch, as at a fixed point, or a singular product.

The error sees correlations of up to about a fiftieth of the path, no longer ones: for an
autoregressive series of 1,000 logarithms whose correlation time is 10, 94 % of the intervals of
95 % hold the true mean, for 50 only 77 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import numpy as np
from scipy.special import stdtrit

from numerics.systems.system import Array
from theory.errors import ShapeError, ValueSystemError

Map = Callable[[Array], Array]  # frames (*lead, n, k) to frames

LEAST_BLOCKS = 16


@dataclass(frozen=True, slots=True)
class LyapunovExponents:
    """Estimates, the largest first.

    Attributes:
        values: the exponents ``(*lead, k)``, in nats per unit of time; -inf for a singular product.
        errors: their standard errors.
        freedom: degrees of freedom of the errors, for Student's distribution.
        steps: number of maps that were averaged over.
    """

    values: Array
    errors: Array
    freedom: int
    steps: int

    def interval(self, confidence: float = 0.95) -> tuple[Array, Array]:
        """Ends of the symmetric confidence intervals.

        Raises:
            ValueSystemError: if the confidence is not between 0 and 1.

        >>> found = LyapunovExponents(np.array([1.0]), np.array([0.1]), 15, 100)
        >>> [float(end.round(3)[0]) for end in found.interval()]
        [0.787, 1.213]
        """
        if not 0 < confidence < 1:
            raise ValueSystemError(f"confidence={confidence}: it is between 0 and 1")
        width = stdtrit(self.freedom, (1 + confidence) / 2) * self.errors
        return self.values - width, self.values + width

    def pooled(self) -> LyapunovExponents:
        """The mean over independent members along the first axis, its error from their spread.

        Raises:
            ShapeError: if there are fewer than two members.
        """
        members = len(self.values) if self.values.ndim > 1 else 1
        if members < 2:
            raise ShapeError(f"values have shape {self.values.shape}: pooling needs members")
        mean = self.values.mean(axis=0)
        with np.errstate(invalid="ignore"):
            spread = self.values.std(axis=0, ddof=1) / np.sqrt(members)
        errors = np.where(np.isneginf(mean), 0.0, spread)
        return LyapunovExponents(mean, errors, members - 1, self.steps * members)


def lyapunov_exponents(
    maps: Iterable[Map], frame: Array, *, discard: int = 0, time: float = 1.0
) -> LyapunovExponents:
    """The exponents of a product of maps, one for each vector of the frame.

    Args:
        maps: the factors, first A_1; ``matrix.__matmul__`` for a matrix.
        frame: ``(*lead, n, k)``, any independent vectors.
        discard: number of maps at the start that only align the frame.
        time: of one map, the exponents' unit.

    Raises:
        ShapeError: if the frame is no array of at least two axes with k ≤ n.
        ValueSystemError: if fewer than 16 maps are left to average over.

    >>> stretch = np.diag([2.0, 0.5]).__matmul__
    >>> lyapunov_exponents([stretch] * 20, np.eye(2)).values / np.log(2)
    array([ 1., -1.])
    """
    if frame.ndim < 2 or frame.shape[-1] > frame.shape[-2]:
        raise ShapeError(f"frame has shape {frame.shape}, expected (*lead, n, k) with k ≤ n")
    factors = iter(maps)
    for a in islice(factors, discard):
        frame = np.linalg.qr(a(frame))[0]
    logarithms = []
    with np.errstate(divide="ignore"):
        for a in factors:
            frame, triangle = np.linalg.qr(a(frame))
            logarithms.append(np.log(np.abs(np.diagonal(triangle, axis1=-2, axis2=-1))))
    if len(logarithms) < LEAST_BLOCKS:
        raise ValueSystemError(
            f"{len(logarithms)} maps after discard={discard}: an error bar needs at least "
            f"{LEAST_BLOCKS}"
        )
    series = np.array(logarithms) / time
    mean = series.mean(axis=0)
    with np.errstate(invalid="ignore"):
        errors = np.where(np.isneginf(mean), 0.0, block_error(series))
    return LyapunovExponents(mean, errors, LEAST_BLOCKS - 1, len(series))


def block_error(series: Array) -> Array:
    """Standard error of the mean along the first axis, for correlated entries.

    Raises:
        ValueSystemError: if there are fewer than 16 entries.

    >>> float(block_error(np.repeat([1.0, -1.0], 32)))  # 16 blocks of 4, 8 of each sign
    0.2581988897471611
    """
    if len(series) < LEAST_BLOCKS:
        raise ValueSystemError(f"{len(series)} entries, at least {LEAST_BLOCKS} are needed")
    largest = np.zeros(series.shape[1:])
    blocks = series
    while (m := len(blocks)) >= LEAST_BLOCKS:
        largest = np.maximum(largest, blocks.std(axis=0, ddof=1) / np.sqrt(m))
        paired = blocks[: m - m % 2]
        blocks = (paired[0::2] + paired[1::2]) / 2
    return largest


def random_frame(rng: np.random.Generator, lead: tuple[int, ...], n: int, k: int) -> Array:
    """k orthonormal vectors of length n, uniform, for every leading index.

    Raises:
        ShapeError: if k > n.

    >>> q = random_frame(np.random.default_rng(0), (5,), 3, 2)
    >>> bool(np.allclose(q.transpose(0, 2, 1) @ q, np.eye(2)))
    True
    """
    if k > n:
        raise ShapeError(f"k={k}: in {n} dimensions there are no more orthonormal vectors than {n}")
    return np.asarray(np.linalg.qr(rng.normal(size=(*lead, n, k)))[0])
