r"""Hermite weights and correlation kernels in closed form.

φ(az + b) = Σ a_k he_k(z) in orthonormal Hermite polynomials, w_k = a_k² / Σ_{l≥1} a_l², and
K(r) = Σ_{k≥1} w_k r^k is the correlation of φ(aX + b) and φ(aY + b) for standard normal X and Y of
correlation r (Mehler).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy

from theory.activation import Activation
from theory.errors import ValueSystemError
from theory.html_table import html_table
from theory.rank_gain.smoothing import TABLE, Smoothing, leaky_relu, polynomial

R = sympy.Symbol("r", real=True)
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class ExactHermite:
    """The Hermite expansion of φ(az + b), every degree in closed form.

    Attributes:
        name: of φ.
        smoothing: its Gaussian expectations.
        scale: a > 0.
        shift: b.
    """

    name: str
    smoothing: Smoothing
    scale: sympy.Expr
    shift: sympy.Expr

    def moment(self, k: int) -> sympy.Expr:
        """E φ(aZ + b) He_k(Z) = √k! a_k.

        Raises:
            ValueSystemError: if ``k`` is negative.
        """
        if k < 0:
            raise ValueSystemError(f"k={k}: a degree is at least 0")
        return self.smoothing.moment(k, self.scale, self.shift)

    def coefficient(self, k: int) -> sympy.Expr:
        """a_k = E φ(aZ + b) he_k(Z)."""
        return self.moment(k) / sympy.sqrt(sympy.factorial(k))

    @property
    def second_moment(self) -> sympy.Expr | None:
        """E φ(aZ + b)², if it is elementary."""
        return self.smoothing.square(self.scale, self.shift)

    @property
    def slope_moment(self) -> sympy.Expr | None:
        """a² E φ'(aZ + b)² = Σ k a_k², if it is elementary; ∞ if φ jumps."""
        return self.smoothing.slope_square(self.scale, self.shift)

    @property
    def variance(self) -> sympy.Expr | None:
        """Σ_{l≥1} a_l² = Var φ(aZ + b), if it is elementary."""
        square = self.second_moment
        return None if square is None else square - self.moment(0) ** 2

    def weight(self, k: int) -> sympy.Expr | None:
        """w_k, k ≥ 1; ``None`` if the variance is not elementary.

        Raises:
            ValueSystemError: if ``k`` is less than 1.

        >>> exact_hermite("relu").weight(1)
        pi/(2*(-1 + pi))
        """
        if k < 1:
            raise ValueSystemError(f"k={k}: a weight belongs to a degree k >= 1")
        if self.variance is None:
            return None
        return sympy.simplify(self.moment(k) ** 2 / (sympy.factorial(k) * self.variance))

    def kernel(self, r: Any = R) -> sympy.Expr | None:
        """K(r), if it is elementary.

        >>> exact_hermite("sign").kernel()
        2*asin(r)/pi
        """
        joint = self.smoothing.covariance(r, self.scale, self.shift)
        if joint is None or self.variance is None:
            return None
        return sympy.simplify((joint - self.moment(0) ** 2) / self.variance)

    def decorrelation(self) -> sympy.Expr | None:
        """Centred α = E φ'² / Var φ - 1, if it is elementary.

        >>> exact_hermite("relu").decorrelation()
        1/(-1 + pi)
        """
        return self._ratio(self.variance)

    def uncentred_decorrelation(self) -> sympy.Expr | None:
        """α with E φ² in place of the variance, as printed.

        >>> exact_hermite("relu").uncentred_decorrelation()
        0
        """
        return self._ratio(self.second_moment)

    def _ratio(self, moment: sympy.Expr | None) -> sympy.Expr | None:
        if moment is None or self.slope_moment is None:
            return None
        return sympy.simplify(self.slope_moment / moment - 1)

    def __repr__(self) -> str:
        return f"ExactHermite({self.name}({self.scale}*z + {self.shift}))"

    def _repr_html_(self) -> str:
        rows = [
            (k, f"${sympy.latex(self.coefficient(k))}$", f"${sympy.latex(self.weight(k))}$")
            for k in range(1, _SHOWN + 1)
        ]
        return html_table(f"{self!r}, and so on", ("k", "a_k", "w_k"), rows, len(rows))

    def _repr_latex_(self) -> str:
        kernel = self.kernel()
        if kernel is None:
            return (
                rf"$$K(r) = \sum_{{k \ge 1}} w_k r^k, \quad w_1 = {sympy.latex(self.weight(1))}$$"
            )
        return f"$$K(r) = {sympy.latex(kernel)}$$"


def exact_hermite(
    activation: Activation | str | sympy.Poly, *, scale: Any = 1, shift: Any = 0
) -> ExactHermite:
    """The exact Hermite expansion of φ(az + b).

    Args:
        activation: ReLU, leaky ReLU, ELU, GELU, Φ, step by symbol or by name; by name also
            ``erf``, ``sign``, ``sin`` and ``exp``; or a polynomial in one variable.
        scale: a > 0, an exact number or a positive symbol.
        shift: b, an exact number or a real symbol.

    Raises:
        ValueSystemError: if there is no closed form, or the scale is not positive, or either is a
            float.

    >>> exact_hermite("erf").weight(3)
    4/(81*asin(2/3))
    """
    a, b = sympy.sympify(scale), sympy.sympify(shift)
    if not a.is_positive or a.has(sympy.Float) or b.has(sympy.Float):
        raise ValueSystemError(f"scale={scale}, shift={shift}: exact numbers, the scale positive")
    if isinstance(activation, sympy.Poly):
        return ExactHermite(str(activation.as_expr()), polynomial(activation, activation.gen), a, b)
    name = activation.name if isinstance(activation, Activation) else activation
    slope = activation.slope if isinstance(activation, Activation) else None
    if slope is not None:
        return ExactHermite(repr(activation), leaky_relu(slope), a, b)
    if name not in TABLE:
        known = ", ".join([*TABLE, "leaky_relu"])
        raise ValueSystemError(f"activation {name!r}: no closed form; there are {known}")
    return ExactHermite(name, TABLE[name], a, b)


def smoothing_defects(smoothing: Smoothing, degrees: int = 6) -> tuple[str, ...]:
    """What is wrong with the closed forms: the heat equation, its initial value, the moments.

    The heat equation is checked in SymPy for all μ and v, the initial value for all μ > 0 and all
    μ < 0, the moments against derivatives of u for all a > 0 and b up to the degree.
    """
    mu, b = sympy.symbols("mu b", real=True)
    s, a = sympy.symbols("s a", positive=True)  # s = √v
    defects = []
    u = smoothing.smoothed(mu, s**2)
    residual = sympy.diff(u, s) / (2 * s) - sympy.diff(u, mu, 2) / 2
    if not _vanishes(residual):
        defects.append("the heat equation")
    for sign in (1, -1):
        x = sympy.Symbol("x", positive=True)
        start = smoothing.smoothed(sign * x, s**2)
        if not _vanishes(sympy.limit(start, s, 0, "+") - smoothing.value(sign * x)):
            defects.append(f"the initial value for {'μ > 0' if sign > 0 else 'μ < 0'}")
    here = smoothing.smoothed(mu, a**2)
    for k in range(degrees + 1):
        if not _vanishes(a**k * here.subs(mu, b) - smoothing.moment(k, a, b)):
            defects.append(f"the moment of degree {k}")
        here = sympy.diff(here, mu)
    return tuple(defects)


def _vanishes(expression: Any) -> bool:
    return bool(sympy.simplify(sympy.expand(sympy.expand_func(expression))) == 0)
