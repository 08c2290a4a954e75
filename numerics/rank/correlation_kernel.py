r"""Correlation kernels K(r) = Σ_{k≥1} w_k r^k, enclosed, and how much they decorrelate at most.

If two pre-activations are standard normal with correlation r, the activations have correlation
K(r). A kernel is known as a Hermite series, whose degrees beyond N weigh at most their sum,
|K(r) - K_N(r)| ≤ |r|^(N+1) Σ_{k>N} w_k, or in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from typing import Any, Protocol

import flint
import sympy
from flint import arb

from numerics.rank.expression import enclosed
from numerics.rank.hermite import HermiteSeries
from theory.errors import ValueSystemError


class Kernel(Protocol):
    """K with K' on balls in [-1, 1]."""

    @property
    def bits(self) -> int:
        """Working precision."""

    def __call__(self, r: Any) -> Any:
        """A ball that contains K at all points of r."""

    def slope(self, r: Any) -> Any:
        """A ball that contains K' at all points of r, or one that is not finite."""


@dataclass(frozen=True)
class SeriesKernel:
    """The kernel of a Hermite series, with its tail enclosed.

    >>> from numerics.rank.hermite import hermite_series
    >>> tanh = SeriesKernel(hermite_series("tanh"))
    >>> tanh(arb(0.5)).str(8, radius=False), tanh.slope(arb(0)).str(8, radius=False)
    ('0.47255140', '0.93046992')
    """

    series: HermiteSeries

    @property
    def bits(self) -> int:
        """Precision of the series."""
        return self.series.bits

    def __call__(self, r: Any) -> Any:
        """K(r), a point or an interval in [-1, 1]."""
        with flint.ctx.workprec(self.bits):
            found = arb(0)
            for w in reversed(self.series.weights):
                found = found * r + w
            return found + _tail(r, self.series.rest, self.series.degree + 1)

    def slope(self, r: Any) -> Any:
        """K'(r), whose tail is at most |r|^N Σ_{k>N} k w_k."""
        with flint.ctx.workprec(self.bits):
            found = arb(0)
            for k in range(self.series.degree, 0, -1):
                found = found * r + k * self.series.weights[k]
            return found + _tail(r, self._slope_rest, self.series.degree)

    @cached_property
    def _slope_rest(self) -> Any:
        total = self.series.decorrelation + 1
        computed = sum((k * w for k, w in enumerate(self.series.weights)), arb(0))
        return (total - computed).nonnegative_part() if total.is_finite() else total


def _tail(r: Any, rest: Any, degree: int) -> Any:
    """Σ_{k≥degree} c_k r^k for c_k ≥ 0 with the given sum."""
    largest = rest * r.abs_upper() ** degree
    return arb(0).union(largest) if r >= 0 else arb(0, largest.upper())


@dataclass(frozen=True)
class ClosedKernel:
    """A kernel in closed form.

    Args:
        expression: K(r).
        variable: its only symbol.
        bits: working precision.

    >>> r = sympy.Symbol("r")
    >>> ClosedKernel(2 * sympy.asin(r) / sympy.pi, r)(arb(0.5)).overlaps(arb(1) / 3)
    True
    """

    expression: Any
    variable: sympy.Symbol
    bits: int = 128

    def __call__(self, r: Any) -> Any:
        """K(r)."""
        return enclosed(self.expression, {self.variable: r}, bits=self.bits)

    def slope(self, r: Any) -> Any:
        """K'(r)."""
        return enclosed(self._derivative, {self.variable: r}, bits=self.bits)

    @cached_property
    def _derivative(self) -> Any:
        return sympy.simplify(sympy.diff(self.expression, self.variable))


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest value of r² - K(r)².

    Attributes:
        value: a ball that contains the maximum.
        place: a point where it is attained up to the radius.
    """

    value: Any
    place: Any


def strongest_decorrelation(
    kernel: Kernel, *, low: int = 0, high: int = 1, tolerance: float = 1e-11, most: int = 20_000
) -> Peak:
    """κ = max (r² - K(r)²) over low ≤ r ≤ high, by branch and bound with proved bounds.

    On an interval with midpoint m the function is bounded directly, by its value at m and its
    slope, and by r² ≤ max(low², high²); intervals that cannot hold the maximum are dropped.

    Args:
        kernel: of any kind.
        low: -1 or 0.
        high: 0 or 1.
        tolerance: of the value's radius.
        most: intervals to be looked at; then the value is what was reached.

    Raises:
        ValueSystemError: if the interval is not one of [-1, 0], [0, 1] and [-1, 1].

    >>> r = sympy.Symbol("r")
    >>> strongest_decorrelation(ClosedKernel(r**2, r)).value.str(9, radius=False)
    '0.250000000'
    """
    if (low, high) not in {(-1, 0), (0, 1), (-1, 1)}:
        raise ValueSystemError(f"low={low}, high={high}: one of [-1, 0], [0, 1] and [-1, 1]")
    with flint.ctx.workprec(kernel.bits):
        best, place = arb(0), arb(0)
        waiting: list[tuple[float, float, float]] = []
        upper = _bound(kernel, float(low), float(high))
        heappush(waiting, (-_rounded_up(upper), float(low), float(high)))
        for _ in range(most):
            if not waiting:
                break
            negative, start, end = heappop(waiting)
            middle = (start + end) / 2  # dyadic, so exact
            for r in (middle, start, end):
                value = _gain(kernel, arb(r))
                if value.lower() > best:
                    best, place = value.lower(), arb(r)
            if arb(-negative) - best < tolerance:
                heappush(waiting, (negative, start, end))
                break
            for half in ((start, middle), (middle, end)):
                bound = _rounded_up(_bound(kernel, *half))
                if arb(bound) > best:
                    heappush(waiting, (-bound, *half))
        largest = arb(-waiting[0][0]) if waiting else best
        return Peak(best.union(largest), place)


def _rounded_up(x: Any) -> float:
    return float(x.upper()) * (1 + 2.0**-50) if x.is_finite() else 1.0


def _gain(kernel: Kernel, r: Any) -> Any:
    value = kernel(r)
    return r * r - value * value if value.is_finite() else arb(0)


def _bound(kernel: Kernel, start: float, end: float) -> Any:
    """An upper bound of r² - K(r)² on an interval."""
    middle, radius = arb((start + end) / 2), arb((end - start) / 2)
    r = arb((start + end) / 2, (end - start) / 2)
    bound = arb(max(abs(start), abs(end))) ** 2
    value, slope = kernel(r), kernel.slope(r)
    square = _square(value)
    if square.is_finite():
        bound = bound.min((bound - square).upper())
    change = 2 * r - 2 * value * slope
    if change.is_finite():
        bound = bound.min((_gain(kernel, middle) + radius * change.abs_upper()).upper())
    return bound


def _square(x: Any) -> Any:
    return x.abs_lower() ** 2 if x.is_finite() else x
