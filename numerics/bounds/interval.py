"""Interval arithmetic with outward rounding, as a number system for graphs.

An entry ``[low, high]`` holds the real number it stands for, whatever was rounded, so a conclusion
is a proof. Ends may be infinite: ``[-∞, ∞]`` says that nothing is known, and 0 times it is 0, since
it stands for real numbers. Intervals of a point network are a few units in the last place wide.

Elementwise operations take one directed rounding each, found from the exact error of a sum and the
neighbours of a product. Products of matrices and long sums use BLAS and an a priori bound: in any
order of summation ``|fl(Σ aᵢbᵢ) - Σ aᵢbᵢ| ≤ γ_n Σ|aᵢbᵢ|`` with ``γ_n = nu/(1 - nu)``, u = 2⁻⁵³
(Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), and 2⁻¹⁰⁷⁵ for each product
that underflows. Doubled, the bound covers the rounding of its own evaluation as long as nu < 1/4.
Two matrices of intervals are multiplied by midpoints and radii if they are large.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import inf, nextafter
from typing import Any

import numpy as np

from numerics.bounds.functions import function_range
from numerics.systems.objects import exact
from numerics.systems.system import Array
from theory.activation import Activation
from theory.errors import ValueSystemError

INTERVAL = np.dtype([("low", np.float64), ("high", np.float64)])
UNIT = 2.0**-52  # 2u
SUBNORMAL = 2.0**-1074
SMALL = 1 << 12  # multiplications up to which a product is taken term by term


class Interval:
    """Closed intervals of doubles, ends rounded outwards; arrays have fields low and high.

    A float counts as the rational number that it is; fractions and other exact numbers get the
    smallest interval that holds them.

    >>> system = Interval()
    >>> third = system.divide(system.array([1.0]), system.array([3.0]))
    >>> bool(Fraction(third["low"][0]) < Fraction(1, 3) < Fraction(third["high"][0]))
    True
    >>> nothing = hull([-inf], [inf])
    >>> system.multiply(system.array([0.0]), nothing)
    array([(0., 0.)], dtype=[('low', '<f8'), ('high', '<f8')])
    """

    @property
    def name(self) -> str:
        """``intervals``."""
        return "intervals"

    def array(self, values: Any) -> Array:
        """Numbers as intervals; an array of intervals is returned as it is.

        Raises:
            ValueSystemError: if an entry is no finite real number.
        """
        given = np.asarray(values)
        if given.dtype == INTERVAL:
            return given
        if given.dtype.kind in "fiub" and given.dtype.itemsize <= (
            8 if given.dtype == float else 4
        ):
            floats = given.astype(np.float64)
            if not np.isfinite(floats).all():
                raise ValueSystemError("an entry is not finite: numbers must be finite")
            return hull(floats, floats)
        try:
            entries = [exact(v) for v in given.astype(object).ravel().tolist()]
        except (TypeError, ValueError) as error:
            raise ValueSystemError(f"an array of real numbers is expected: {error}") from None
        return self.constant(entries, given.shape, 0)

    def constant(self, values: Sequence[Fraction], shape: tuple[int, ...], lead: int) -> Array:
        """The smallest intervals that hold exact entries."""
        ends = np.array([_neighbours(v) for v in values]).reshape((-1, 2))
        found = hull(ends[:, 0], ends[:, 1])
        return found.reshape((1,) * lead + shape)

    def add(self, a: Array, b: Array) -> Array:
        """a + b."""
        with np.errstate(all="ignore"):
            return hull(_sum_down(a["low"], b["low"]), -_sum_down(-a["high"], -b["high"]))

    def subtract(self, a: Array, b: Array) -> Array:
        """a - b."""
        return self.add(a, self.negative(b))

    def multiply(self, a: Array, b: Array) -> Array:
        """a b."""
        with np.errstate(all="ignore"):
            ends = [_product(a[p], b[q]) for p in ("low", "high") for q in ("low", "high")]
        low, high = ends[0]
        for down, up in ends[1:]:
            low, high = np.minimum(low, down), np.maximum(high, up)
        return hull(low, high)

    def divide(self, a: Array, b: Array) -> Array:
        """a / b; ``[-∞, ∞]`` where b contains 0."""
        return self.multiply(a, self.apply(Activation("reciprocal"), b))

    def negative(self, a: Array) -> Array:
        """-a."""
        return hull(0.0 - a["high"], 0.0 - a["low"])

    def power(self, a: Array, exponent: int) -> Array:
        """aⁿ: of |a| if n is even."""
        low, high = a["low"], a["high"]
        if exponent % 2 == 0:
            inner = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
            low, high = inner, np.maximum(np.abs(low), np.abs(high))
        ends = [hull(e, e) for e in (low, high)]
        powers = list(ends)
        for _ in range(exponent - 1):
            powers = [self.multiply(p, e) for p, e in zip(powers, ends, strict=True)]
        return hull(powers[0]["low"], powers[1]["high"])

    def sum(self, a: Array, axes: tuple[int, ...]) -> Array:
        """Sum over axes."""
        count = int(np.prod([a.shape[k] for k in axes]))
        with np.errstate(all="ignore"):
            low = _long_sum_down(a["low"], axes, count)
            return hull(low, -_long_sum_down(-a["high"], axes, count))

    def matmul(self, a: Array, b: Array) -> Array:
        """Stacked matrix product: sharp for small ones and where one side is made of numbers."""
        if _is_number(b).all():
            return _times_numbers(a, b["low"])
        if _is_number(a).all():
            return _times_numbers(b.swapaxes(-1, -2), a["low"].swapaxes(-1, -2)).swapaxes(-1, -2)
        if a.shape[-2] * a.shape[-1] * b.shape[-1] <= SMALL:
            return self._matmul_by_terms(a, b)
        known = _is_number(b).all(axis=tuple(range(b.ndim - 1)))
        product = self._matmul_by_radii(a, b)
        if known.any():
            product[..., known] = _times_numbers(a, b["low"][..., known])
        return product

    def _matmul_by_radii(self, a: Array, b: Array) -> Array:
        """By midpoints and radii, ``AB ⊂ mA mB ± (|mA| rB + rA (|mB| + rB))`` (Rump 1999).

        At most 3/2 as wide as the sharp product. A term that is not bounded leaves nothing known.
        """
        parts = [_midpoints_and_radii(side) for side in (a, b)]
        (middle, radius, unbounded), (other, other_radius, other_unbounded) = parts
        sizes = [_is_not_zero(side).astype(float) for side in (a, b)]
        with np.errstate(all="ignore"):
            centre = _times_numbers(hull(middle, middle), other)
            spread = np.abs(middle) @ other_radius + radius @ up(np.abs(other) + other_radius)
            count = a.shape[-1]
            spread = up(spread * (1 + (4 * count + 8) * UNIT) + (4 * count + 8) * SUBNORMAL)
            spread = np.where(sizes[0] @ sizes[1] == 0, 0.0, spread)
            unknown = unbounded @ sizes[1] + sizes[0] @ other_unbounded > 0
            spread = np.where(unknown | np.isnan(spread), inf, spread)
        return self.add(centre, hull(-spread, spread))

    def _matmul_by_terms(self, a: Array, b: Array) -> Array:
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        total = np.zeros((*stack, a.shape[-2], b.shape[-1]), INTERVAL)
        for k in range(a.shape[-1]):
            total = self.add(total, self.multiply(a[..., :, k, None], b[..., None, k, :]))
        return total

    def apply(self, activation: Activation, z: Array) -> Array:
        """The range of a known function over each interval.

        Raises:
            ValueSystemError: for an unknown symbol.
        """
        with np.errstate(all="ignore"):
            return hull(*function_range(activation, z["low"], z["high"]))


def hull(low: Any, high: Any) -> Array:
    """Intervals from their ends.

    >>> hull([0.0], [1.0])
    array([(0., 1.)], dtype=[('low', '<f8'), ('high', '<f8')])
    """
    low, high = np.broadcast_arrays(low, high)
    found = np.empty(low.shape, INTERVAL)
    found["low"], found["high"] = low, high
    return found


def intersection(a: Array, b: Array) -> Array:
    """What two enclosures of the same numbers leave."""
    return hull(np.maximum(a["low"], b["low"]), np.minimum(a["high"], b["high"]))


def down(a: Array) -> Array:
    """The next double below."""
    found: Array = np.nextafter(a, -inf)
    return found


def up(a: Array) -> Array:
    """The next double above."""
    found: Array = np.nextafter(a, inf)
    return found


def _neighbours(value: Fraction) -> tuple[float, float]:
    try:
        nearest = float(value)
    except OverflowError:
        largest = float(np.finfo(float).max)
        return (largest, inf) if value > 0 else (-inf, -largest)
    if not np.isfinite(nearest) or Fraction(nearest) == value:
        return nearest, nearest
    below = Fraction(nearest) < value
    return (nearest, nextafter(nearest, inf)) if below else (nextafter(nearest, -inf), nearest)


def _sum_down(a: Array, b: Array) -> Array:
    """The largest double not above a + b: the error of a rounded sum is a double (Knuth)."""
    total = a + b
    shifted = total - a
    error = (a - (total - shifted)) + (b - shifted)
    found: Array = np.where(error >= 0, total, down(total))
    return found


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """Doubles below and above a b; exact where a factor is 0, 1 or -1."""
    value = a * b
    is_zero = (a == 0) | (b == 0)
    value = np.where(is_zero, 0.0, value)
    is_exact = is_zero | (np.abs(a) == 1) | (np.abs(b) == 1)
    return np.where(is_exact, value, down(value)), np.where(is_exact, value, up(value))


def _long_sum_down(a: Array, axes: tuple[int, ...], count: int) -> Array:
    error = (count + 2) * UNIT * np.abs(a).sum(axis=axes)
    total = a.sum(axis=axes)
    # an addition never underflows, so no error means that all terms are 0
    low: Array = np.where(error == 0, total, down(total - error))
    return np.where(np.isnan(low), -inf, low)


def _is_number(a: Array) -> Array:
    return np.asarray(a["low"] == a["high"])


def _is_not_zero(a: Array) -> Array:
    return np.asarray((a["low"] != 0) | (a["high"] != 0))


def _midpoints_and_radii(a: Array) -> tuple[Array, Array, Array]:
    """Midpoints and radii of what is bounded, 0 of the rest, and 1.0 for the rest."""
    bounded = np.isfinite(a["low"]) & np.isfinite(a["high"])
    low, high = (np.where(bounded, a[end], 0.0) for end in ("low", "high"))
    middle = low / 2 + high / 2
    radius = np.where(low == high, 0.0, up(np.maximum(up(high - middle), up(middle - low))))
    middle = np.where(low == high, low, middle)
    return middle, radius, (~bounded).astype(float)


def _times_numbers(a: Array, b: Array) -> Array:
    """Intervals times a matrix of numbers."""
    low = _times_numbers_down(a["low"], a["high"], b)
    return hull(low, 0.0 - _times_numbers_down(a["low"], a["high"], -b))


def _times_numbers_down(low: Array, high: Array, b: Array) -> Array:
    """Below Σ aᵢbᵢ: the smallest sum takes the lower end of aᵢ where bᵢ > 0, else the upper one."""
    count = low.shape[-1]
    parts = ((low, np.maximum(b, 0.0)), (high, np.minimum(b, 0.0)))
    with np.errstate(all="ignore"):
        finite = [(np.where(np.isfinite(end), end, 0.0), part) for end, part in parts]
        total = sum(end @ part for end, part in finite)
        size = sum(np.abs(end) @ np.abs(part) for end, part in finite)
        error = (count + 2) * UNIT * size + (4 * count + 8) * SUBNORMAL
        # where every product has a factor 0 there is no rounding, and 0 is to stay 0
        terms = sum((end != 0).astype(float) @ (part != 0).astype(float) for end, part in parts)
        endless = sum(
            np.isinf(end).astype(float) @ (part != 0).astype(float) for end, part in parts
        )
        below = np.where(terms == 0, 0.0, down(total - error))
    return np.where(np.isnan(below) | (endless > 0), -inf, below)
