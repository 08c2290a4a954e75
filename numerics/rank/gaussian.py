r"""Expectations over a standard normal variable, enclosed.

Wanted are E f(aZ + b) He_k(Z) for all degrees k ≤ N at once.

*Smooth f.* The trapezoidal rule with step h errs by at most 2M / (e^(2πD/h) - 1) if the integrand
is analytic for |Im z| < D and ∫ |integrand(x + iy)| dx ≤ M for |y| < D (Trefethen and Weideman,
The exponentially convergent trapezoidal rule, SIAM Review 56, 2014, Theorem 5.1). Here
|ϕ(x + iy)| = ϕ(x) e^(y²/2), and He_k(x + iy) = Σ_j C(k,j) (iy)^j He_{k-j}(x) gives the Laguerre
polynomial ∫ |he_k(x + iy)|² ϕ(x) dx = L_k(-y²), so by Cauchy and Schwarz

    M = √k! e^(D²/2) √(L_k(-D²)) √(E (A + B|aZ + b|)²).

*Kinked f.* FLINT integrates the entire functions on both sides of the kink rigorously, on a
bounded interval.

*Tails.* Mehler's kernel at t = 1/2 on the diagonal is Σ 2^-k he_k(x)² = √(4/3) e^(x²/3), hence
ϕ(x)|he_k(x)| ≤ 2^(k/2 - 1) e^(-x²/3), and for p ≤ 2, T ≥ 3 both the integral over x > T and the sum
over the nodes beyond T times h of x^p e^(-x²/3) are at most 3 T^(p-1) e^(-T²/3).
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, comb, factorial, floor, frexp, isqrt, log, log2, pi
from typing import Any

import flint
from flint import acb, arb, fmpq

from numerics.rank.analytic import Function, Growth

_STRIP = Fraction(2)  # a wider one makes M large and saves little
_STEP_BITS = 8  # of a step, a dyadic number, so that nodes are exact


def ball(value: Fraction) -> Any:
    """An enclosure of a rational number."""
    return arb(fmpq(value.numerator, value.denominator))


def smooth_moments(
    f: Function,
    growth: Growth,
    strip: Fraction,
    scale: Fraction,
    shift: Fraction,
    *,
    degree: int,
    bits: int,
    power: int = 1,
) -> list[Any]:
    """Balls for E f(aZ + b)^q He_k(Z), k = 0..degree.

    The degree is 0 for the power q = 2.

    >>> unit = Growth(Fraction("1.55"))
    >>> one, = smooth_moments(lambda u: u.cos(), unit, Fraction(1), Fraction(1), Fraction(0),
    ...                       degree=0, bits=100)
    >>> one.overlaps((-arb(1) / 2).exp()), bool(one.rad() < 1e-29)
    (True, True)
    """
    width = min(strip / scale, _STRIP)
    line = growth.along(scale, shift)
    with flint.ctx.workprec(bits + 3 * degree + 64):
        largest = _integral_bound(growth, scale, shift, width, degree, power)
        wanted = bits + float((largest.upper() + 1).log()) / log(2)
        step = _dyadic_below(2 * pi * float(width) / (wanted * log(2)))
        last = _end(line, degree, bits) / step
        number = int(last) + 1
        moments = _trapezoidal(f, scale, shift, step, number, degree, power)
        rate = 2 * arb.pi() * ball(width) / ball(step)
        tail = _tails(line, number * step, degree, power)
        for k in range(degree + 1):
            bound = _integral_bound(growth, scale, shift, width, k, power)
            error = 2 * bound / (rate.exp() - 1) + tail[k]
            moments[k] += arb(0, error.upper())
    return moments


def kinked_moments(
    left: Function,
    right: Function,
    growth: Growth,
    scale: Fraction,
    shift: Fraction,
    *,
    degree: int,
    bits: int,
    power: int = 1,
) -> list[Any]:
    """Balls for E f(aZ + b)^q He_k(Z), k = 0..degree, f(u) = left(u) for u < 0, else right(u).

    >>> half, = kinked_moments(lambda u: 0 * u, lambda u: u, Growth(Fraction(0), Fraction(1)),
    ...                        Fraction(1), Fraction(0), degree=0, bits=80, power=2)
    >>> half.contains(arb(0.5)), bool(half.rad() < 1e-20)
    (True, True)
    """
    line, kink = growth.along(scale, shift), -shift / scale
    end = max(Fraction(_end(line, degree, bits)), abs(kink) + 1)
    with flint.ctx.workprec(bits + 6 * degree + 64):
        a, b = ball(scale), ball(shift)
        powers = [
            _integral(left, a, b, -end, kink, j, power, bits)
            + _integral(right, a, b, kink, end, j, power, bits)
            for j in range(degree + 1)
        ]
        tail = _tails(line, end, degree, power)
        moments = []
        for k in range(degree + 1):
            inside = sum((c * powers[k - 2 * m] for m, c in enumerate(_hermite(k))), arb(0))
            moments.append(inside + arb(0, tail[k].upper()))
    return moments


def _hermite(k: int) -> list[int]:
    """Coefficients of He_k at z^k, z^(k-2) and so on."""
    return [
        (-1) ** m * factorial(k) // (factorial(m) * factorial(k - 2 * m) * 2**m)
        for m in range(k // 2 + 1)
    ]


def _integral(
    f: Function, a: Any, b: Any, low: Fraction, high: Fraction, j: int, power: int, bits: int
) -> Any:
    def integrand(z: Any, _: bool) -> Any:
        return f(a * z + b) ** power * z**j * (-z * z / 2).exp()

    largest = float(max(abs(low), abs(high), Fraction(1))) ** 2
    extra = int(j / 2 * log2(max(j, 2))) + int(log2(largest)) + j
    tolerance = arb(2) ** -(bits + extra)
    found = acb.integral(integrand, ball(low), ball(high), abs_tol=tolerance)
    return found.real / (2 * arb.pi()).sqrt()


def _dyadic_below(x: float) -> Fraction:
    """The largest number of a few bits that is at most x > 0."""
    unit = Fraction(2) ** (frexp(x)[1] - _STEP_BITS)
    return floor(Fraction(x) / unit) * unit


def _trapezoidal(
    f: Function,
    scale: Fraction,
    shift: Fraction,
    step: Fraction,
    number: int,
    degree: int,
    power: int,
) -> list[Any]:
    a, b, h = ball(scale), ball(shift), ball(step)
    unit = h / (2 * arb.pi()).sqrt()
    moments = [arb(0)] * (degree + 1)
    for n in range(number + 1):
        z = n * h
        weight = unit * (-z * z / 2).exp()
        above = f(a * z + b) ** power * weight
        below = f(b - a * z) ** power * weight if n else arb(0)
        parts = (above + below, above - below if n else arb(0))
        before, here = arb(0), arb(1)
        for k in range(degree + 1):
            moments[k] += parts[k % 2] * here
            before, here = here, z * here - k * before
    return moments


def _integral_bound(
    growth: Growth, scale: Fraction, shift: Fraction, width: Fraction, k: int, power: int
) -> Any:
    """M of the module's text; for squares E (A + B|aZ + b|)² itself, with k = 0."""
    square = 2 * growth.constant**2 + 2 * growth.linear**2 * (scale**2 + shift**2)
    size = ball(square)
    if power == 1:
        terms = (comb(k, j) * width ** (2 * j) / factorial(j) for j in range(k + 1))
        size = (size * ball(sum(terms, Fraction(0))) * factorial(k)).sqrt()
    return size * (ball(width) ** 2 / 2).exp()


def _end(line: Growth, degree: int, bits: int) -> int:
    """T, such that the tails are below 2^-bits or so."""
    size = log2(float(line.constant + 40 * line.linear) + 1)
    wanted = bits + degree / 2 + (log2(factorial(degree)) if degree else 0) / 2 + 2 * size
    return max(3, isqrt(ceil(3 * log(2) * wanted)) + 1)


def _tails(line: Growth, end: Fraction, degree: int, power: int) -> list[Any]:
    """Bounds of the part beyond ±T, of the integral and of the sum alike."""
    at_end = ball(line.constant + line.linear * end) ** power * 3 / ball(end)
    decay = (-(ball(end) ** 2) / 3).exp()
    return [at_end * decay * arb(2**k).sqrt() * arb(factorial(k)).sqrt() for k in range(degree + 1)]
