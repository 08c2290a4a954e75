r"""Hermite series of activations, with enclosed coefficients.

With orthonormal Hermite polynomials he_k and Z standard normal, φ(az + b) = Σ a_k he_k(z),
a_k = E φ(aZ + b) he_k(Z). The variance Σ_{l≥1} a_l² = E φ² - (E φ)² is an integral of its own, so
the weights w_k = a_k² / Σ_{l≥1} a_l² of all degrees together are known to be 1, and the weight of
the degrees that were not computed is enclosed too.

The numbers are integrals, proved as :mod:`numerics.rank.gaussian` says; closed forms, where there
are any, are derived elsewhere and compared in tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import factorial
from typing import Any

import flint
from flint import arb

from numerics.rank.analytic import Growth, Smooth, analytic
from numerics.rank.gaussian import ball, kinked_moments, smooth_moments
from theory.activation import Activation
from theory.errors import ValueSystemError
from theory.html_table import html_table

_ATTEMPTS = 4


@dataclass(frozen=True, eq=False)
class HermiteSeries:
    """φ(az + b) in orthonormal Hermite polynomials, up to a degree.

    Attributes:
        name: of φ.
        scale: a > 0.
        shift: b.
        coefficients: balls for a_0, …, a_N.
        second_moment: a ball for E φ(aZ + b)².
        slope_moment: a ball for a² E φ'(aZ + b)² = Σ k a_k²; ``None`` if φ jumps.
        bits: precision for further computations.
    """

    name: str
    scale: Fraction
    shift: Fraction
    coefficients: tuple[Any, ...]
    second_moment: Any
    slope_moment: Any | None
    bits: int

    @property
    def degree(self) -> int:
        """N, the largest degree with a coefficient."""
        return len(self.coefficients) - 1

    @cached_property
    def variance(self) -> Any:
        """Var φ(aZ + b) = Σ_{l≥1} a_l²."""
        with flint.ctx.workprec(self.bits):
            return self.second_moment - self.coefficients[0] * self.coefficients[0]

    @cached_property
    def weights(self) -> tuple[Any, ...]:
        """w_0 = 0 and w_k = a_k² / Var φ for k = 1..N."""
        with flint.ctx.workprec(self.bits):
            return (arb(0), *(a * a / self.variance for a in self.coefficients[1:]))

    @cached_property
    def rest(self) -> Any:
        """Σ_{k>N} w_k = 1 - Σ_{k≤N} w_k, a ball without negative numbers."""
        with flint.ctx.workprec(self.bits):
            return (1 - sum(self.weights, arb(0))).nonnegative_part()

    @property
    def first_weight(self) -> Any:
        """w_1 = K'(0)."""
        return self.weights[1]

    @cached_property
    def decorrelation(self) -> Any:
        """Centred α = E φ'² / Var φ - 1 = Σ (k - 1) w_k = K'(1) - 1, infinite if φ jumps."""
        return self._ratio(self.variance)

    @cached_property
    def uncentred_decorrelation(self) -> Any:
        """The paper's α = E φ'² / E φ² - 1, with the mean left in; infinite if φ jumps."""
        return self._ratio(self.second_moment)

    def _ratio(self, moment: Any) -> Any:
        if self.slope_moment is None:
            return arb("inf")
        with flint.ctx.workprec(self.bits):
            return self.slope_moment / moment - 1

    def __repr__(self) -> str:
        argument = "z" if self.scale == 1 and self.shift == 0 else f"{self.scale}z + {self.shift}"
        return f"HermiteSeries({self.name}({argument}), degree {self.degree})"

    def _repr_html_(self) -> str:
        rows = [
            (k, a.str(12), w.str(12))
            for k, (a, w) in enumerate(zip(self.coefficients, self.weights, strict=True))
        ]
        more = f"{self!r}: α = {self.decorrelation.str(10)}, {self.rest.str(4)} beyond the degree"
        return html_table(more, ("k", "a_k", "w_k"), rows, len(rows))


def hermite_series(
    activation: Activation | str,
    *,
    scale: Fraction | int | str = 1,
    shift: Fraction | int | str = 0,
    degree: int = 40,
    digits: int = 30,
) -> HermiteSeries:
    """The Hermite series of φ(az + b), every coefficient that is not 0 to so many digits.

    A coefficient that cannot be told from 0 is a ball around 0 of radius far below 10^-digits.

    Args:
        activation: a symbol or a name in :data:`numerics.rank.analytic.TABLE`.
        scale: a > 0.
        shift: b.
        degree: N ≥ 1.
        digits: of coefficients and moments.

    Raises:
        ValueSystemError: if φ is unknown, the scale is not positive, or degree or digits are < 1.

    >>> tanh = hermite_series("tanh", degree=8)
    >>> tanh.first_weight.str(9, radius=False), tanh.decorrelation.str(9, radius=False)
    ('0.930469924', '0.177807232')
    """
    a, b = Fraction(scale), Fraction(shift)
    if a <= 0:
        raise ValueSystemError(f"scale={a}: a scale is positive")
    if degree < 1 or digits < 1:
        raise ValueSystemError(f"degree={degree}, digits={digits}: both are at least 1")
    function = analytic(activation)
    symmetry = function.symmetry if b == 0 else None
    known = [symmetry.moment(k, a) if symmetry else None for k in range(degree + 1)]
    bits = int(digits * 3.33) + 48
    for _ in range(_ATTEMPTS):
        moments, *squares = _moments(function, a, b, degree, bits)
        unknown = [c for c, exact in zip(moments, known, strict=True) if exact is None]
        if all(x is None or x.rel_accuracy_bits() > digits * 3.33 + 4 for x in unknown + squares):
            break
        bits += bits // 2 + 32
    with flint.ctx.workprec(bits):
        moments = [c if e is None else ball(e) for c, e in zip(moments, known, strict=True)]
        coefficients = tuple(c / arb(factorial(k)).sqrt() for k, c in enumerate(moments))
    return HermiteSeries(str(activation), a, b, coefficients, squares[0], squares[1], bits)


def _moments(function: Any, a: Fraction, b: Fraction, degree: int, bits: int) -> tuple[Any, ...]:
    """E φ He_k for all k, E φ² and a² E φ'² or ``None``."""
    if isinstance(function, Smooth):

        def of(f: Any, growth: Growth, degree: int, power: int) -> list[Any]:
            return smooth_moments(
                f, growth, function.strip, a, b, degree=degree, bits=bits, power=power
            )

        first = of(function.value, function.growth, degree, 1)
        second = of(function.value, function.growth, 0, 2)[0]
        slope = of(function.slope, function.slope_growth, 0, 2)[0]
    else:
        sides = function.left, function.right, function.growth, a, b
        first = kinked_moments(*sides, degree=degree, bits=bits)
        second = kinked_moments(*sides, degree=0, bits=bits, power=2)[0]
        if function.slope_growth is None:
            return first, second, None
        slopes = function.left_slope, function.right_slope, function.slope_growth, a, b
        slope = kinked_moments(*slopes, degree=0, bits=bits, power=2)[0]
    with flint.ctx.workprec(bits):
        return first, second, slope * ball(a) ** 2
