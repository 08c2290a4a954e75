r"""Closed forms of Gaussian expectations, found by smoothing.

Let u(μ, v) = E φ(μ + √v Z). It solves the heat equation ∂u/∂v = ½ ∂²u/∂μ² with u(μ, 0) = φ(μ), and
is the only locally bounded solution that grows no faster than e^{cμ²}; so a closed form of u is
verified by differentiation and a limit. Since e^{xz - x²/2} = Σ He_k(z) x^k / k!,

    Σ_k E[φ(aZ + b) He_k(Z)] x^k / k! = E φ(a(Z + x) + b) = u(ax + b, a²),

and all Hermite coefficients are derivatives of u:

    E[φ(aZ + b) He_k(Z)] = a^k ∂_μ^k u(b, a²).

For ReLU, sign, erf, Φ and GELU some derivative is a Gaussian density times a polynomial, and
Rodrigues' formula ϕ^(n)(x) = (-1)^n He_n(x) ϕ(x) gives the k-th one for every k.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sympy
from sympy import Expr, Integer, Rational, asin, cos, erf, exp, pi, sin, sqrt

ONE, TWO = Integer(1), Integer(2)


def density(x: Any, order: int = 0) -> Expr:
    """ϕ^(n)(x) = (-1)^n He_n(x) ϕ(x).

    >>> density(sympy.Symbol("x"), 2) * sympy.sqrt(2 * sympy.pi)
    (x**2 - 1)*exp(-x**2/2)
    """
    return (-1) ** order * hermite(order, x) * exp(-(x**2) / 2) / sqrt(2 * pi)


def distribution(x: Any) -> Expr:
    """Φ(x)."""
    return (1 + erf(x / sqrt(2))) / 2


def hermite(k: int, x: Any) -> Expr:
    """He_k(x), the probabilists' polynomial: He_{k+1} = x He_k - k He_{k-1}."""
    x = sympy.sympify(x)
    before, here = Integer(0), Integer(1)
    for j in range(k):
        before, here = here, sympy.expand(x * here - j * before)
    return here


@dataclass(frozen=True, slots=True)
class Smoothing:
    """What is known of φ in closed form; a and b are those of φ(az + b), a > 0.

    Attributes:
        value: x ↦ φ(x), for x ≠ 0.
        smoothed: (μ, v) ↦ u(μ, v).
        moment: (k, a, b) ↦ E φ(aZ + b) He_k(Z), for every k ≥ 0.
        covariance: (r, a, b) ↦ E φ(aX + b) φ(aY + b) for standard normal X, Y of correlation r;
            ``None`` where it is not elementary.
        square: (a, b) ↦ E φ(aZ + b)², or ``None``.
        slope_square: (a, b) ↦ a² E φ'(aZ + b)², or ``None``; infinite if φ jumps.
    """

    value: Callable[[Any], Expr]
    smoothed: Callable[[Any, Any], Expr]
    moment: Callable[[int, Any, Any], Expr]
    covariance: Callable[[Any, Any, Any], Expr | None]
    square: Callable[[Any, Any], Expr | None]
    slope_square: Callable[[Any, Any], Expr | None]


def _relu_smoothed(mu: Any, v: Any) -> Expr:
    return mu * distribution(mu / sqrt(v)) + sqrt(v) * density(mu / sqrt(v))


def _relu_moment(k: int, a: Any, b: Any) -> Expr:
    if k == 0:
        return _relu_smoothed(b, a**2)
    return a * distribution(b / a) if k == 1 else a * density(b / a, k - 2)


def _relu_square(a: Any, b: Any) -> Expr:
    return (a**2 + b**2) * distribution(b / a) + a * b * density(b / a)


def leaky_relu(slope: Any) -> Smoothing:
    """φ(x) = x for x > 0 and slope·x otherwise; ReLU has slope 0."""
    s = sympy.sympify(slope)

    def moment(k: int, a: Any, b: Any) -> Expr:
        linear = (b, a)[k] if k < 2 else 0
        return s * linear + (1 - s) * _relu_moment(k, a, b)

    def covariance(r: Any, a: Any, b: Any) -> Expr | None:
        if b != 0:
            return None
        even = (sqrt(1 - r**2) + r * asin(r)) * 2 / pi  # of |x|
        return a**2 * ((1 + s) ** 2 * r + (1 - s) ** 2 * even) / 4

    return Smoothing(
        value=lambda x: sympy.Piecewise((x, x > 0), (s * x, True)),
        smoothed=lambda mu, v: s * mu + (1 - s) * _relu_smoothed(mu, v),
        moment=moment,
        covariance=covariance,
        square=lambda a, b: _relu_square(a, b) + s**2 * _relu_square(a, -b),
        slope_square=lambda a, b: a**2 * (distribution(b / a) + s**2 * distribution(-b / a)),
    )


def _jump(low: int, high: int) -> Smoothing:
    """Low for x < 0 and high for x > 0."""
    height = high - low

    def covariance(r: Any, a: Any, b: Any) -> Expr | None:
        centre = Rational(low + high, 2)
        return None if b != 0 else centre**2 + Rational(height**2, 2) * asin(r) / pi

    return Smoothing(
        value=lambda x: sympy.Piecewise((high, x > 0), (low, True)),
        smoothed=lambda mu, v: low + height * distribution(mu / sqrt(v)),
        moment=lambda k, a, b: (
            height * density(b / a, k - 1) if k else low + height * distribution(b / a)
        ),
        covariance=covariance,
        square=lambda a, b: low**2 + (high**2 - low**2) * distribution(b / a),
        slope_square=lambda a, b: sympy.oo,
    )


def _normal_cdf(scale: Any, factor: int, offset: int) -> Smoothing:
    """φ(x) = offset + factor Φ(scale x): Φ itself, and erf(x) = 2Φ(√2 x) - 1."""
    c = sympy.sympify(scale)

    def spread(a: Any) -> Expr:
        return sqrt(1 + (c * a) ** 2)

    def moment(k: int, a: Any, b: Any) -> Expr:
        s = spread(a)
        if k == 0:
            return offset + factor * distribution(c * b / s)
        return factor * (c * a / s) ** k * density(c * b / s, k - 1)

    def covariance(r: Any, a: Any, b: Any) -> Expr | None:
        if b != 0:
            return None
        mean = offset + Rational(factor, 2)
        return mean**2 + factor**2 * asin(r * (c * a) ** 2 / spread(a) ** 2) / (2 * pi)

    def slope_square(a: Any, b: Any) -> Expr:
        spread_twice = 1 + 2 * (c * a) ** 2
        return (
            (factor * c * a) ** 2
            * exp(-((c * b) ** 2) / spread_twice)
            / sqrt(spread_twice)
            / (2 * pi)
        )

    return Smoothing(
        value=lambda x: offset + factor * distribution(c * x),
        smoothed=lambda mu, v: offset + factor * distribution(c * mu / sqrt(1 + c**2 * v)),
        moment=moment,
        covariance=covariance,
        square=lambda a, b: covariance(ONE, a, b),
        slope_square=slope_square,
    )


def _gelu_moment(k: int, a: Any, b: Any) -> Expr:
    s = sqrt(1 + a**2)
    if k == 0:
        return _gelu_smoothed(b, a**2)
    if k == 1:
        return a * distribution(b / s) - a * density(b / s, 1) / s**2
    return (a / s) ** k * (s * density(b / s, k - 2) - density(b / s, k) / s)


def _gelu_smoothed(mu: Any, v: Any) -> Expr:
    s = sqrt(1 + v)
    return mu * distribution(mu / s) + v / s * density(mu / s)


def _gelu_covariance(r: Any, a: Any, b: Any) -> Expr | None:
    """By Stein's identity E[U h] = a² E ∂_U h + q E ∂_V h, applied twice, with q = a² r."""
    if b != 0:
        return None
    q, s = a**2 * r, 1 + a**2
    product = q * (Rational(1, 4) + asin(q / s) / (2 * pi))
    return product + (a**4 + q**2 * (1 - a**2) / s) / (2 * pi * sqrt(s**2 - q**2))


def _gelu_slope_square(a: Any, b: Any) -> Expr | None:
    """Price's theorem: ∂/∂r of the covariance at r = 1."""
    if b != 0:
        return None
    r = sympy.Symbol("r")
    slope = sympy.diff(_gelu_covariance(r, a, b), r)
    return slope.subs(r, 1)


def _elu_below(mu: Any, v: Any, rate: int) -> Expr:
    """E e^{rate U} over U < 0, U normal of mean μ and variance v."""
    return exp(rate * mu + rate**2 * v / 2) * distribution(-mu / sqrt(v) - rate * sqrt(v))


def _elu_smoothed(mu: Any, v: Any) -> Expr:
    return _relu_smoothed(mu, v) + _elu_below(mu, v, 1) - _elu_below(mu, v, 0)


def _elu_moment(k: int, a: Any, b: Any) -> Expr:
    """φ'' is e^x for x < 0 and 0 for x > 0: Leibniz' rule for e^μ Φ(-μ/a - a)."""
    if k == 0:
        return _elu_smoothed(b, a**2)
    if k == 1:
        return a * (distribution(b / a) + _elu_below(b, a**2, 1))
    end = -b / a - a
    terms = [distribution(end)]
    terms += [(-1 / a) ** j * density(end, j - 1) for j in range(1, k - 1)]
    leibniz = sum(sympy.binomial(k - 2, j) * term for j, term in enumerate(terms))
    return a**k * exp(b + a**2 / 2) * leibniz


def _elu_square(a: Any, b: Any) -> Expr:
    below = [_elu_below(b, a**2, rate) for rate in range(3)]
    return _relu_square(a, b) + below[2] - 2 * below[1] + below[0]


def _sin_covariance(r: Any, a: Any, b: Any) -> Expr:
    return (exp(-(a**2) * (1 - r)) - cos(2 * b) * exp(-(a**2) * (1 + r))) / 2


def polynomial(expression: Any, variable: sympy.Symbol) -> Smoothing:
    """A polynomial: u is e^{v∂²/2} φ, a finite sum.

    >>> x = sympy.Symbol("x")
    >>> [polynomial(x**3, x).moment(k, 1, 0) for k in range(5)]
    [0, 3, 0, 6, 0]
    """
    phi = sympy.Poly(expression, variable).as_expr()
    degree = int(sympy.degree(phi, variable)) if phi.has(variable) else 0

    def smoothed(mu: Any, v: Any) -> Expr:
        terms = (
            (v / TWO) ** j * sympy.diff(phi, variable, 2 * j) / sympy.factorial(j)
            for j in range(degree // 2 + 1)
        )
        return sympy.expand(sum(terms, Integer(0)).subs(variable, mu))

    def moment(k: int, a: Any, b: Any) -> Expr:
        mu = sympy.Dummy("mu")
        return sympy.expand(a**k * sympy.diff(smoothed(mu, a**2), mu, k).subs(mu, b))

    def covariance(r: Any, a: Any, b: Any) -> Expr:
        terms = (moment(k, a, b) ** 2 * r**k / sympy.factorial(k) for k in range(degree + 1))
        return sympy.expand(sum(terms, Integer(0)))

    def slope_square(a: Any, b: Any) -> Expr:
        terms = (k * moment(k, a, b) ** 2 / sympy.factorial(k) for k in range(degree + 1))
        return sympy.expand(sum(terms, Integer(0)))

    return Smoothing(
        value=lambda x: phi.subs(variable, x),
        smoothed=smoothed,
        moment=moment,
        covariance=covariance,
        square=lambda a, b: covariance(ONE, a, b),
        slope_square=slope_square,
    )


TABLE: Mapping[str, Smoothing] = MappingProxyType(
    {
        "relu": leaky_relu(0),
        "sign": _jump(-1, 1),
        "step": _jump(0, 1),
        "normal_cdf": _normal_cdf(1, 1, 0),
        "erf": _normal_cdf(sqrt(2), 2, -1),
        "gelu": Smoothing(
            value=lambda x: x * distribution(x),
            smoothed=_gelu_smoothed,
            moment=_gelu_moment,
            covariance=_gelu_covariance,
            square=lambda a, b: _gelu_covariance(ONE, a, b),
            slope_square=_gelu_slope_square,
        ),
        "elu": Smoothing(
            value=lambda x: sympy.Piecewise((x, x > 0), (exp(x) - 1, True)),
            smoothed=_elu_smoothed,
            moment=_elu_moment,
            covariance=lambda r, a, b: None,
            square=_elu_square,
            slope_square=lambda a, b: a**2 * (distribution(b / a) + _elu_below(b, a**2, 2)),
        ),
        "exp": Smoothing(
            value=exp,
            smoothed=lambda mu, v: exp(mu + v / 2),
            moment=lambda k, a, b: a**k * exp(b + a**2 / 2),
            covariance=lambda r, a, b: exp(2 * b + a**2 * (1 + r)),
            square=lambda a, b: exp(2 * b + 2 * a**2),
            slope_square=lambda a, b: a**2 * exp(2 * b + 2 * a**2),
        ),
        "sin": Smoothing(
            value=sin,
            smoothed=lambda mu, v: exp(-v / 2) * sin(mu),
            moment=lambda k, a, b: a**k * exp(-(a**2) / 2) * sin(b + k * pi / 2),
            covariance=_sin_covariance,
            square=lambda a, b: _sin_covariance(ONE, a, b),
            slope_square=lambda a, b: a**2 * (1 + cos(2 * b) * exp(-2 * a**2)) / 2,
        ),
    }
)
