"""Ranges of function symbols over intervals of doubles.

Values at the ends are enclosed in FLINT's balls and rounded outwards. Most symbols are monotone;
SiLU and GELU fall to one minimum and grow from there (claim E2b), the normal density is even.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from math import inf
from typing import Any

import flint
import numpy as np
from flint import arb

from numerics.systems.ball import bounds
from numerics.systems.enclosures import FUNCTIONS
from numerics.systems.objects import filled
from numerics.systems.system import Array
from theory.activation import Activation
from theory.errors import ValueSystemError

BITS = 80

# values at -∞ and ∞
INCREASING: Mapping[str, tuple[float, float]] = {
    "tanh": (-1.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "softplus": (0.0, inf),
    "exp": (0.0, inf),
    "normal_cdf": (0.0, 1.0),
}
VALLEYS: Mapping[str, tuple[float, float]] = {"silu": (0.0, inf), "gelu": (0.0, inf)}
BRACKETS = {"silu": (-1.5, -1.0), "gelu": (-1.0, -0.5)}

_SLOPES: Mapping[str, Callable[[Any], Any]] = {
    "silu": lambda z: FUNCTIONS["sigmoid"](z) * (1 + z * FUNCTIONS["sigmoid"](-z)),
    "gelu": lambda z: FUNCTIONS["normal_cdf"](z) + z * FUNCTIONS["normal_pdf"](z),
}

Ends = tuple[Array, Array]


def function_range(activation: Activation, low: Array, high: Array) -> Ends:
    """Doubles below and above all values of a function on ``[low, high]``, elementwise.

    Where a function has a pole or is not defined, only what holds at the other points is said.

    Raises:
        ValueSystemError: for an unknown symbol.

    >>> from theory.activation import gelu, relu
    >>> function_range(relu, np.array([-2.0]), np.array([3.0]))
    (array([0.]), array([3.]))
    >>> low, high = function_range(gelu, np.array([-np.inf]), np.array([0.0]))
    >>> -0.17 < low[0] < -0.1699, high[0]
    (np.True_, np.float64(0.0))
    """
    name = activation.name
    if activation.slope is not None:
        return _leaky(float(activation.slope), activation, low, high)
    match name:
        case "relu":
            return np.maximum(low, 0.0), np.maximum(high, 0.0)
        case "step":
            return np.heaviside(low, 0.0), np.heaviside(high, 0.0)
        case "reciprocal":
            return _reciprocal(low, high)
        case "sqrt":
            below = np.nextafter(np.sqrt(np.maximum(low, 0.0)), -inf)
            return np.maximum(below, 0.0), np.nextafter(np.sqrt(np.maximum(high, 0.0)), inf)
        case "rsqrt":
            lowest = np.where(high > 0, at("rsqrt", high, (inf, 0.0))[0], 0.0)
            return lowest, np.where(low > 0, at("rsqrt", low, (inf, 0.0))[1], inf)
        case "log":
            lowest = np.where(low > 0, at("log", low, (-inf, inf))[0], -inf)
            return lowest, np.where(high > 0, at("log", high, (-inf, inf))[1], inf)
        case "normal_pdf":
            ends = [at(name, end, (0.0, 0.0)) for end in (low, high)]
            top = at(name, np.zeros(1), (0.0, 0.0))[1][0]
            highest = np.maximum(ends[0][1], ends[1][1])
            straddles = (low <= 0) & (high >= 0)
            return np.minimum(ends[0][0], ends[1][0]), np.where(straddles, top, highest)
    if name in INCREASING:
        return at(name, low, INCREASING[name])[0], at(name, high, INCREASING[name])[1]
    if name in VALLEYS:
        ends = [at(name, end, VALLEYS[name]) for end in (low, high)]
        place, bottom = minimum(name)
        has_bottom = (low <= place[1]) & (high >= place[0])
        lowest = np.minimum(ends[0][0], ends[1][0])
        return np.where(has_bottom, bottom, lowest), np.maximum(ends[0][1], ends[1][1])
    raise ValueSystemError(f"{activation!r} is an unknown function: it has no range")


def at(name: str, z: Array, limits: tuple[float, float]) -> Ends:
    """Doubles below and above f(z), elementwise; ``limits`` are the values at -∞ and ∞."""
    finite = np.isfinite(z)
    low = np.where(z > 0, limits[1], limits[0])
    high = low.copy()
    if finite.any():
        with flint.ctx.workprec(BITS):
            values = [FUNCTIONS[name](arb(x)) for x in z[finite].tolist()]
            defined = np.array([v.is_finite() for v in values])
            known = filled([v if v.is_finite() else arb(0) for v in values], (len(values),))
        below, above = bounds(known)
        low[finite] = np.where(defined, below, -inf)
        high[finite] = np.where(defined, above, inf)
    if name in INCREASING:
        low, high = np.maximum(low, INCREASING[name][0]), np.minimum(high, INCREASING[name][1])
    return low, high


@lru_cache(maxsize=4)
def minimum(name: str) -> tuple[tuple[float, float], float]:
    """An interval that holds the place of the minimum of SiLU or GELU, and a double below it.

    f' changes its sign once (claim E2b), so the place is bracketed by signs in balls.

    >>> minimum("silu")[1] > -0.2785, minimum("gelu")[1] > -0.17
    (True, True)
    """
    slope = _SLOPES[name]
    left, right = BRACKETS[name]
    with flint.ctx.workprec(BITS):
        while True:
            middle = (left + right) / 2
            value = slope(arb(middle))
            if middle in (left, right) or not (value > 0 or value < 0):
                break
            left, right = (left, middle) if value > 0 else (middle, right)
        if not (slope(arb(left)) < 0 < slope(arb(right))):
            raise ArithmeticError(f"{name}: its minimum was not bracketed")
        bottom = FUNCTIONS[name](arb(left).union(arb(right)))
        below = bounds(filled([bottom], (1,)))[0]
    return (left, right), float(below[0])


def _leaky(slope: float, activation: Activation, low: Array, high: Array) -> Ends:
    """z for z > 0, slope z otherwise; the slope's own rounding is within one unit."""
    rounded = np.array([np.nextafter(slope, -inf), slope, np.nextafter(slope, inf)])
    if activation.slope is not None and activation.slope == slope:
        rounded = rounded[1:2]

    def branch(z: Array) -> Ends:
        slopes = rounded.reshape((-1, *(1,) * z.ndim))
        # an end at infinity stands for real numbers: 0 times it is 0
        products = slopes * np.where((slopes == 0) & np.isinf(z), 0.0, z)
        values = np.where(z > 0, z, products)
        is_exact = (z >= 0) | (activation.slope == 0)
        below, above = values.min(axis=0), values.max(axis=0)
        return (
            np.where(is_exact, below, np.nextafter(below, -inf)),
            np.where(is_exact, above, np.nextafter(above, inf)),
        )

    ends = [branch(low), branch(high)]
    lowest, highest = np.minimum(ends[0][0], ends[1][0]), np.maximum(ends[0][1], ends[1][1])
    straddles = (low < 0) & (high > 0)
    return (
        np.where(straddles, np.minimum(lowest, 0.0), lowest),
        np.where(straddles, np.maximum(highest, 0.0), highest),
    )


def _reciprocal(low: Array, high: Array) -> Ends:
    lowest, highest = np.nextafter(1 / high, -inf), np.nextafter(1 / low, inf)
    has_zero = (low <= 0) & (high >= 0)
    # at an infinite end the quotient is 0, which is exact
    lowest = np.where(np.isinf(high), 0.0, lowest)
    highest = np.where(np.isinf(low), 0.0, highest)
    return np.where(has_zero, -inf, lowest), np.where(has_zero, inf, highest)
