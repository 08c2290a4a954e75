r"""What the scale a of the pre-activations does to φ(az): families that are monotone, and a limit.

Where a_k(a)² is proportional to q_k s^k with q_k ≥ 0 free of a, the weights are an exponential
family in s, w_k = q_k s^k / Q(s), K(r) = Q(rs) / Q(s), and everything is monotone in s.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import sympy

from theory.rank_gain.hermite import ExactHermite
from theory.rank_gain.proof import Equal, step
from theory.theorem import Theorem

A = sympy.Symbol("a", positive=True)

# s as a function of a; without a shift, but for exp and sin
FAMILIES: Mapping[str, Any] = MappingProxyType(
    {
        "exp": A**2,
        "sin": A**2,
        "normal_cdf": A**2 / (1 + A**2),
        "erf": 2 * A**2 / (1 + 2 * A**2),
    }
)


def family_defects(hermite: ExactHermite, parameter: Any, degree: int = 8) -> tuple[str, ...]:
    """Whether a_k² / s^k depends on a only by a common factor, and s grows with a.

    Args:
        hermite: with the scale :data:`A`.
        parameter: s as a function of A.
        degree: up to which coefficients are compared.

    >>> from theory.rank_gain.hermite import exact_hermite
    >>> family_defects(exact_hermite("erf", scale=A), FAMILIES["erf"])
    ()
    >>> family_defects(exact_hermite("gelu", scale=A), A**2)[:1]
    ('degree 2',)
    """
    squares = [sympy.simplify(hermite.moment(k) ** 2 / parameter**k) for k in range(1, degree + 1)]
    first = next(x for x in squares if x != 0)
    defects = [
        f"degree {k}"
        for k, x in enumerate(squares, start=1)
        if sympy.simplify(sympy.diff(sympy.simplify(x / first), A)) != 0
    ]
    if not sympy.simplify(sympy.diff(parameter, A)).is_positive:
        defects.append("s does not grow")
    return tuple(defects)


def monotone_theorem() -> Theorem:
    """α and κ grow with a for the exponential families (P11)."""
    s, r = sympy.symbols("s r", positive=True)
    q = sympy.Function("Q")
    mean = s * q(s).diff(s) / q(s)
    second = (s * q(s).diff(s) + s**2 * q(s).diff(s, 2)) / q(s)
    w = s / q(s)  # over q_1
    slope_here, slope_there, here, there = sympy.symbols("Q'(s) Q'(rs) Q(s) Q(rs)")
    return Theorem(
        id="P11.monotone",
        name="monotone families",
        statement=(
            "If $a_k^2$ is proportional to $q_k s^k$ with $q_k \\ge 0$, then as s grows α grows, "
            "$w = K'(0)$ falls unless it is 0 (as for the cosine), $K(r)$ falls for every "
            "$0 < r < 1$, and $\\kappa = \\max_{0 \\le r \\le 1} (r^2 - K(r)^2)$ grows, all "
            "strictly unless one degree has all the weight. "
            "This covers $e^{az + b}$ and $\\sin(az + b)$ with $s = a^2$ and every b, $\\Phi(az)$ "
            "with $s = a^2/(1 + a^2)$, $\\mathrm{erf}(az)$ with $s = 2a^2/(1 + 2a^2)$."
        ),
        hypotheses=("φ(az + b) has a finite second moment and slope", "the form of a_k²"),
        steps=(
            step(
                "Let $Q(s) = \\sum_{k \\ge 1} q_k s^k$. Then $w_k = q_k s^k / Q(s)$, $K(r) = "
                "Q(rs)/Q(s)$, and the mean degree is $m(s) = s Q'(s)/Q(s) = 1 + \\alpha$. The four "
                "functions are of this form: $E\\varphi(aZ + b) He_k(Z)$ is, for k ≥ 1 and up to a "
                "factor without k,",
                formulas=(
                    r"a^k e^b, \quad a^k \sin(b + k\pi/2), \quad s^{k/2}\phi^{(k-1)}(0), \quad "
                    r"s^{k/2}\phi^{(k-1)}(0)",
                ),
            ),
            step(
                "$s\\,m'(s)$ is the variance of the degree under w, so m grows:",
                facts=(Equal((s * mean.diff(s)).doit(), second - mean**2),),
            ),
            step(
                "The first weight falls if $q_1 > 0$, $s\\,w' = w(1 - m)$ and $m \\ge 1$ (up to "
                "$q_1$):",
                facts=(Equal((s * w.diff(s)).doit(), w * (1 - mean)),),
            ),
            step(
                "For $0 < r < 1$, $s\\,\\partial_s \\ln K(r) = m(rs) - m(s) \\le 0$:",
                facts=(
                    Equal(
                        (s * (r * slope_there * here - there * slope_here) / here**2)
                        / (there / here),
                        (r * s * slope_there / there) - (s * slope_here / here),
                    ),
                ),
            ),
            step("So $r^2 - K(r)^2$ grows for every such r, and so does its maximum."),
        ),
    )


def sign_limit_theorem() -> Theorem:
    """K of tanh(az) tends to that of the sign, with a rate (P11)."""
    u = sympy.Symbol("u", positive=True)
    c, log_two = sympy.symbols("c L", positive=True)
    primitive = u - sympy.log(sympy.cosh(u))
    return Theorem(
        id="P11.steep",
        name="steep tanh",
        statement=(
            "For $\\varphi = \\tanh(az)$, $a > c = \\sqrt{2/\\pi}$ and all $|r| \\le 1$: "
            "$|K_a(r) - \\frac{2}{\\pi}\\arcsin r| \\le c(1 + 2\\ln 2)/(a - c)$."
        ),
        hypotheses=("X, Y standard normal with correlation r",),
        steps=(
            step(
                "$\\int_0^\\infty (1 - \\tanh u)\\,du = \\ln 2$ and $\\int_0^\\infty (1 - \\tanh^2 "
                "u)\\,du = 1$, by the primitives $u - \\ln\\cosh u$ and $\\tanh u$:",
                facts=(
                    Equal(
                        primitive.diff(u).rewrite(sympy.exp), (1 - sympy.tanh(u)).rewrite(sympy.exp)
                    ),
                    Equal(
                        sympy.tanh(u).diff(u).rewrite(sympy.exp),
                        (1 - sympy.tanh(u) ** 2).rewrite(sympy.exp),
                    ),
                ),
            ),
            step(
                "The density is at most $1/\\sqrt{2\\pi}$, so with $u = az$ $E|\\tanh(aZ) - "
                "\\mathrm{sign} Z| \\le c\\ln 2/a$ and $1 - V \\le c/a$ for "
                "$V = E\\tanh^2(aZ) \\le 1$."
            ),
            step(
                "All four functions are bounded by 1, so $|E\\tanh(aX)\\tanh(aY) - "
                "E\\,\\mathrm{sign}X\\,\\mathrm{sign}Y| \\le 2c\\ln 2/a$, and the second is "
                "$\\frac{2}{\\pi}\\arcsin r$ (Sheppard)."
            ),
            step(
                "Division by V costs at most $(1 - V)/V$: in all $(2c\\ln 2 + c)/(aV)$ with "
                "$V \\ge 1 - c/a$, where L stands for ln 2,",
                facts=(
                    Equal(
                        (2 * c * log_two + c) / (A * (1 - c / A)), c * (1 + 2 * log_two) / (A - c)
                    ),
                ),
            ),
        ),
    )
