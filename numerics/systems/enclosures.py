"""Enclosures of the function symbols on one ball, in FLINT's current precision.

FLINT's own functions are tight for narrow balls and loose for wide ones: arb(1, 3).tanh() is all
of [-1.96, 1.96]. A monotone function is therefore taken at both ends of a wide ball, and a product
z g(z), whose factors move together, is cut with its mean value form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flint import arb

BallFunction = Callable[[Any], Any]


def is_narrow(z: Any) -> bool:
    """Whether the radius is so small, absolutely and relatively, that a first-order bound is tight.

    Only an exact ball can be narrow and hold 0.
    """
    return bool(z.is_exact() or (z.rad() < 1e-6 and z.rel_accuracy_bits() >= 20))


def monotone(f: BallFunction) -> BallFunction:
    """f([a, b]) = hull of f(a) and f(b)."""

    def enclosure(z: Any) -> Any:
        return f(z) if is_narrow(z) else f(z.lower()).union(f(z.upper()))

    return enclosure


def centred(f: BallFunction, slope: BallFunction) -> BallFunction:
    """F(Z) ∩ (f(m) + f'(Z)(Z - m)) with m the midpoint of Z."""

    def enclosure(z: Any) -> Any:
        direct = f(z)
        if z.is_exact() or not direct.is_finite():
            return direct
        m = z.mid()
        return direct.intersection(f(m) + slope(z) * (z - m))

    return enclosure


def raised(z: Any, exponent: int) -> Any:
    """zⁿ for n ≥ 2: of |z| if n is even, monotone if n is odd."""
    # FLINT's z**n is nan where the midpoint is 0 and the radius is not.
    if is_narrow(z):
        return z**exponent
    low, high = (z.abs_lower(), z.abs_upper()) if exponent % 2 == 0 else (z.lower(), z.upper())
    return (low**exponent).union(high**exponent)


def step(z: Any) -> Any:
    """1 for z > 0, 0 for z ≤ 0, [0, 1] where the sign is undecided."""
    if z.is_nan():
        return z
    if z > 0:
        return arb(1)
    return arb(0) if z <= 0 else arb(0.5, 0.5)


def leaky(slope: Any) -> BallFunction:
    """z for z > 0, slope z otherwise; where the sign is undecided, the hull of both sides."""

    def enclosure(z: Any) -> Any:
        if z > 0:
            return z
        if z <= 0:
            return slope * z
        return z.upper().union(slope * z.lower()).union(arb(0))

    return enclosure


def _even(f: BallFunction) -> BallFunction:
    """Of an even function that is monotone in |z|."""

    def enclosure(z: Any) -> Any:
        return f(z) if is_narrow(z) else f(z.abs_lower()).union(f(z.abs_upper()))

    return enclosure


_sigmoid = monotone(lambda z: 1 / (1 + (-z).exp()))
_normal_cdf = monotone(lambda z: (-z / arb(2).sqrt()).erfc() / 2)
_normal_pdf = _even(lambda z: (-z * z / 2).exp() / (2 * arb.pi()).sqrt())

FUNCTIONS: Mapping[str, BallFunction] = {
    "tanh": monotone(lambda z: z.tanh()),
    "sigmoid": _sigmoid,
    "softplus": monotone(lambda z: z.exp().log1p()),
    "silu": centred(
        lambda z: z * _sigmoid(z),
        lambda z: _sigmoid(z) + z * _sigmoid(z) * _sigmoid(-z),
    ),
    "exp": monotone(lambda z: z.exp()),
    "log": monotone(lambda z: z.log()),
    "sqrt": monotone(lambda z: z.sqrt()),
    "rsqrt": monotone(lambda z: z.rsqrt()),
    "reciprocal": lambda z: 1 / z,
    "step": step,
    "relu": leaky(arb(0)),
    "normal_cdf": _normal_cdf,
    "normal_pdf": _normal_pdf,
    "gelu": centred(
        lambda z: z * _normal_cdf(z),
        lambda z: _normal_cdf(z) + z * _normal_pdf(z),
    ),
}
