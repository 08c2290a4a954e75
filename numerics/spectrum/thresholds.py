r"""Certified thresholds of transverse eigenvalues: critical weight decay, largest step size.

An interval for the smallest eigenvalue of a family of matrices is certified by counting: at its
lower end no eigenvalue of any matrix is below, at its upper end some is. Float64 only proposes the
ends. With L2 decay of strength λ the matrices M_i become M_i + λI, so the family is positive
definite iff

    λ > λ* = -min λ_min(M_i) .
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from numerics.spectrum.inertia import Eigenvalues
from theory.errors import ValueSystemError

TIGHT = Fraction(1, 2**36)  # first distance of the ends from the proposal, relative to ‖M‖
WIDER = 64  # the factor by which it grows until it is certified
TRIES = 8


@dataclass(frozen=True, slots=True)
class Interval:
    """Rational numbers low ≤ high with the number in question between them.

    Raises:
        ValueSystemError: if low > high.

    >>> Interval(Fraction(1), Fraction(3)).midpoint
    2.0
    """

    low: Fraction
    high: Fraction

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueSystemError(f"interval: low={self.low} > high={self.high}")

    @property
    def midpoint(self) -> float:
        """For display."""
        return float((self.low + self.high) / 2)

    def __neg__(self) -> Interval:
        """The interval of the negative."""
        return Interval(-self.high, -self.low)

    def __add__(self, number: Fraction) -> Interval:
        """The interval, moved."""
        return Interval(self.low + number, self.high + number)


def smallest_eigenvalue(family: Sequence[Eigenvalues]) -> Interval | None:
    """An interval that holds the smallest eigenvalue of a family of symmetric matrices.

    As certain as the family's counts. ``None`` if there is no eigenvalue, or no count decides.

    >>> from numerics.spectrum.inertia import ExactEigenvalues
    >>> found = smallest_eigenvalue([ExactEigenvalues([[2, 1], [1, 2]])])
    >>> bool(found.low < 1 < found.high), bool(found.high - found.low < 1e-9)
    (True, True)
    """
    own = _proposing(family)
    if not own:
        return None
    if all(v.inertia().negative + v.inertia().undecided == 0 for v in own) and any(
        v.inertia().zero for v in own
    ):
        return Interval(Fraction(0), Fraction(0))
    proposal = Fraction(min(float(v.approximate[0]) for v in own))
    scale = Fraction(max(float(np.abs(v.approximate).max()) for v in own)) or Fraction(1)
    low = _certified(
        proposal, -scale, lambda at: all(v.inertia(at).positive == v.size for v in own)
    )
    high = _certified(proposal, scale, lambda at: any(v.inertia(at).negative for v in own))
    return None if low is None or high is None else Interval(low, high)


def largest_eigenvalue(family: Sequence[Eigenvalues]) -> Interval | None:
    """An interval that holds the largest eigenvalue of a family of symmetric matrices."""
    own = _proposing(family)
    if not own:
        return None
    proposal = Fraction(max(float(v.approximate[-1]) for v in own))
    scale = Fraction(max(float(np.abs(v.approximate).max()) for v in own)) or Fraction(1)
    low = _certified(proposal, -scale, lambda at: any(v.inertia(at).positive for v in own))
    high = _certified(
        proposal, scale, lambda at: all(v.inertia(at).negative == v.size for v in own)
    )
    return None if low is None or high is None else Interval(low, high)


def critical_decay(family: Sequence[Eigenvalues]) -> Interval | None:
    """An interval that holds λ* = -min λ_min(M_i).

    >>> from numerics.spectrum.inertia import ExactEigenvalues
    >>> critical_decay([ExactEigenvalues([[0, 0], [0, 0]]), ExactEigenvalues([[1]])])
    Interval(low=Fraction(0, 1), high=Fraction(0, 1))
    """
    smallest = smallest_eigenvalue(family)
    return None if smallest is None else -smallest


def undecided_radius(values: Eigenvalues) -> Fraction | None:
    """A number that no eigenvalue of undecided sign exceeds in modulus; 0 if all are decided.

    Zeros, as far as the precision shows: the radius says how far that is. ``None`` if no count
    bounds them.

    >>> from flint import arb
    >>> from numerics.spectrum.inertia import EnclosedEigenvalues
    >>> third = arb(1) / 3
    >>> found = undecided_radius(EnclosedEigenvalues([[1, 0], [0, third - third]]))
    >>> bool(0 < found < 1e-10)
    True
    """
    inertia = values.inertia()
    if inertia.is_decided:
        return Fraction(0)
    scale = Fraction(float(np.nan_to_num(np.abs(values.approximate)).max())) or Fraction(1)
    step = scale * TIGHT**3
    while step <= scale:
        radius = _rounded(step, step / 4)
        above, below = values.inertia(-radius), values.inertia(radius)
        is_above = above.positive >= values.size - inertia.negative
        if is_above and below.negative >= values.size - inertia.positive:
            return radius
        step *= WIDER**2
    return None


def _proposing(family: Sequence[Eigenvalues]) -> list[Eigenvalues]:
    """The matrices that are not empty; none at all if one has no finite proposal."""
    own = [values for values in family if values.size]
    return own if all(np.isfinite(values.approximate).all() for values in own) else []


def _certified(
    proposal: Fraction, scale: Fraction, is_certain: Callable[[Fraction], bool]
) -> Fraction | None:
    """The proposal moved by the least of some multiples of the scale that is certain."""
    step = scale * TIGHT
    for _ in range(TRIES):
        # Short numbers keep the exact polynomials short.
        end = _rounded(proposal + step, abs(step) / 4)
        if is_certain(end):
            return end
        step *= WIDER
    return None


def _rounded(value: Fraction, error: Fraction) -> Fraction:
    """A dyadic number that close."""
    bits = max(0, error.denominator.bit_length() - error.numerator.bit_length() + 1)
    return Fraction(round(value * 2**bits), 2**bits)
