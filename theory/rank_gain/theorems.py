r"""The rank-gain theorems: what an activation does to the effective rank of a correlation matrix.

C is a symmetric d × d matrix with unit diagonal and entries in [-1, 1], as correlation matrices
are; K(C) is taken entrywise. Since K(1) = 1, er₂(M) = (tr M)² / ‖M‖_F² gives

    er₂(K(C)) / er₂(C) = (d + Σ_{i≠j} C_ij²) / (d + Σ_{i≠j} K(C_ij)²),

so everything is a matter of r² - K(r)² for one entry r. Throughout ρ = |r| and w = w_1 = K'(0).
"""

from __future__ import annotations

import sympy
from sympy import Integer

from theory.rank_gain.proof import Equal, NonNegative, step
from theory.theorem import Theorem

RHO, W = sympy.symbols("rho w", nonnegative=True)
K, J = sympy.symbols("k j", integer=True, positive=True)
V, Q, SIGMA, W_K = sympy.symbols("v q sigma w_k", nonnegative=True)
D, S, T, F, PSI = sympy.symbols("d S T F Psi", positive=True)
X, Y = sympy.symbols("x y", nonnegative=True)

UNIT = "C is symmetric, has unit diagonal, and its entries lie in [-1, 1]"
FINITE = "φ is not constant and E φ(Z)² is finite"
MEHLER = step(
    "By Mehler's formula the correlation of φ(X) and φ(Y) is a power series with non-negative "
    "coefficients of sum 1.",
    formulas=(r"K(r) = \sum_{k \ge 1} w_k r^k, \quad w_k \ge 0, \quad \sum_{k \ge 1} w_k = 1",),
)
POWERS = step(
    "Powers of $\\rho \\in [0, 1]$ do not grow: $1 - \\rho^n$ is a sum of such terms, j < n.",
    facts=(Equal((1 - RHO) * RHO**J, RHO**J - RHO ** (J + 1)),),
)
BELOW = step(
    "With $\\rho = |r|$, $|K(r)| \\le K(\\rho)$, and $\\rho - K(\\rho)$ is the sum over k of",
    facts=(
        NonNegative(
            W_K * RHO - W_K * RHO**K,
            W_K * RHO * Q,
            {W_K: W_K, RHO: RHO, Q: 1 - RHO ** (K - 1)},
        ),
    ),
)


def rank_gain_theorem() -> Theorem:
    """er₂ does not fall: er₂(K(C)) ≥ er₂(C) (P10)."""
    return Theorem(
        id="P10",
        name="rank gain",
        statement="$er_2(K(C)) \\ge er_2(C)$.",
        hypotheses=(UNIT, FINITE),
        steps=(
            MEHLER,
            POWERS,
            BELOW,
            step(
                "So $r^2 - K(r)^2 \\ge 0$ for every entry.",
                formulas=(r"r^2 - K(r)^2 = (\rho - |K(r)|)(\rho + |K(r)|) \ge 0",),
            ),
            step(
                "With S and T the sums of $C_{ij}^2$ and of $K(C_{ij})^2$ over $i \\ne j$, "
                "$S \\ge T$, the gain is",
                facts=(Equal((D + S) / (D + T) - 1, (S - T) / (D + T)),),
            ),
        ),
    )


def equality_theorem() -> Theorem:
    """When er₂ stays the same (E10a)."""
    return Theorem(
        id="E10a",
        name="equality",
        statement=(
            "$er_2(K(C)) = er_2(C)$ if and only if every off-diagonal entry is 0 or 1, or is -1 "
            "where $\\varphi - E\\varphi$ is odd or even."
        ),
        hypotheses=(UNIT, FINITE, "φ is not affine, that is, w < 1"),
        steps=(
            MEHLER,
            step(
                "The ratio is 1 if and only if the sum of the non-negative numbers "
                "$r^2 - K(r)^2$ over all off-diagonal entries r is 0, that is, each is."
            ),
            step("For r = 0 and for r = 1 it is: $K(0) = 0$, $K(1) = 1$."),
            step(
                "For $0 < \\rho < 1$ it is not: some $w_k > 0$ with $k \\ge 2$, and its term in "
                "$\\rho - K(\\rho)$ is positive, so $|K(r)| \\le K(\\rho) < \\rho$.",
                facts=(Equal(W_K * RHO - W_K * RHO**K, W_K * RHO * (1 - RHO ** (K - 1))),),
            ),
            step(
                "For r = -1, $K(-1) = \\sum w_k (-1)^k$ is 1 or -1 if and only if all degrees with "
                "$w_k > 0$ are even, or all are odd."
            ),
        ),
    )


_UPPER = W * RHO + (1 - W) * RHO**2
_ENTRY = RHO**2 * (1 - W) * (1 - RHO) * (1 + W + (1 - W) * RHO)
_KNOWN = {RHO: RHO, SIGMA: 1 - RHO, W: W, V: 1 - W}


def sharp_theorem() -> Theorem:
    """The constant 1 - K'(0) and two stronger forms (N10s)."""
    r = sympy.Symbol("r", positive=True)
    upper = W * r + (1 - W) * r**2
    gain = (2 + 2 * r**2) / (2 + 2 * upper**2) - 1
    form = 2 * r**2 * (1 - r**2) / (2 + 2 * r**2)
    return Theorem(
        id="N10s",
        name="sharp rank gain",
        statement=(
            "With $\\gamma = 1 - w$ and $\\Psi = \\sum_{i \\ne j} C_{ij}^2 (1 - C_{ij}^2)$, the "
            "ratio $er_2(K(C))/er_2(C)$ is at least $\\|C\\|_F^2 / (d + \\sum_{i \\ne j} "
            "(w|C_{ij}| + (1 - w)C_{ij}^2)^2)$, which is at least $1/(1 - \\gamma\\Psi/\\|C\\|_F^2)"
            "$, which is at least $1 + \\gamma\\Psi/\\|C\\|_F^2$. No larger $\\gamma$ that depends "
            "on w alone will do in the last form, and given w and $C \\ge 0$ nothing larger than "
            "the first is true."
        ),
        hypotheses=(UNIT, FINITE),
        steps=(
            MEHLER,
            POWERS,
            step(
                "$|K(r)| \\le K(\\rho) \\le U(\\rho) = w\\rho + (1 - w)\\rho^2$: the difference is "
                "the sum over $k \\ge 2$ of",
                facts=(
                    NonNegative(
                        W_K * RHO**2 - W_K * RHO**K,
                        W_K * RHO**2 * Q,
                        {W_K: W_K, RHO: RHO, Q: 1 - RHO ** (K - 2)},
                    ),
                ),
            ),
            step(
                "Hence $r^2 - K(r)^2 \\ge \\rho^2 - U(\\rho)^2$, in ρ = |r| and not in r:",
                facts=(Equal(RHO**2 - _UPPER**2, _ENTRY),),
            ),
            step(
                "This is at least $(1 - w) r^2 (1 - r^2)$:",
                facts=(
                    NonNegative(
                        _ENTRY - (1 - W) * RHO**2 * (1 - RHO**2),
                        W * V * RHO**2 * SIGMA**2,
                        _KNOWN,
                    ),
                ),
            ),
            step(
                "So with $F = \\|C\\|_F^2$ the ratio is at least $F / (F - \\gamma\\Psi)$, whose "
                "denominator is positive because every entry contributes",
                facts=(
                    NonNegative(
                        RHO**2 - (1 - W) * RHO**2 * (1 - RHO**2),
                        RHO**2 * (W + V * RHO**2),
                        {RHO: RHO, W: W, V: 1 - W},
                    ),
                ),
            ),
            step(
                "and that is at least the linear form (here γ stands for 1 - w):",
                facts=(
                    Equal(
                        F / (F - (1 - W) * PSI) - 1 - (1 - W) * PSI / F,
                        ((1 - W) * PSI) ** 2 / (F * (F - (1 - W) * PSI)),
                    ),
                ),
            ),
            step(
                "Best possible: $\\varphi = \\sqrt{w}\\,he_1 + \\sqrt{1 - w}\\,he_2$ has K = U. "
                "For $C \\ge 0$ the first form is an equality; for d = 2 and an entry $r \\to 1$ "
                "the gain divided by $\\Psi/\\|C\\|_F^2$ tends to",
                facts=(Equal(sympy.limit(sympy.cancel(gain / form), r, 1), 1 - W),),
            ),
            step(
                "The paper's constant is smaller:",
                facts=(Equal((1 - W) - (1 - W) / (1 + W), W * (1 - W) / (1 + W)),),
            ),
        ),
    )


def optimal_theorem() -> Theorem:
    """The best bound that w alone gives, for entries of any sign."""
    weight = sympy.symbols("p", nonnegative=True)
    odd, even = W * RHO + (1 - W) * X, (1 - W) * Y - W * RHO
    gap = sympy.Symbol("g", nonnegative=True)
    known = {RHO: RHO, W: W, V: 1 - W, Y: Y, gap: X - Y}
    return Theorem(
        id="N10s.optimal",
        name="optimal rank gain",
        statement=(
            "$er_2(K(C))/er_2(C) \\ge \\|C\\|_F^2 / "
            "(d + \\max_{n \\in \\{2, 3\\}} \\sum_{i \\ne j} (w C_{ij} + (1 - w) C_{ij}^n)^2)$, "
            "and for each C and w some φ attains it."
        ),
        hypotheses=(UNIT, FINITE),
        steps=(
            MEHLER,
            step(
                "If w = 1 both sides are 1. Else K is the mean of $K_n(r) = w r + (1 - w) r^n$ "
                "with weights $w_n/(1 - w)$, n ≥ 2, and the square of a mean is at most the mean "
                "of the squares (for two terms, and so by induction and in the limit):",
                facts=(
                    Equal(
                        weight * X**2 + (1 - weight) * Y**2 - (weight * X + (1 - weight) * Y) ** 2,
                        weight * (1 - weight) * (X - Y) ** 2,
                    ),
                ),
                formulas=(
                    r"\sum_{i \ne j} K(C_{ij})^2 \le \max_{n \ge 2} \sum_{i \ne j} K_n(C_{ij})^2",
                ),
            ),
            step(
                "Among odd n the sum is largest for n = 3, since $K_n(r)^2 = K_n(\\rho)^2$ and "
                "$\\rho^n \\le \\rho^3$."
            ),
            step(
                "Even n ≥ 4 give no more than n = 3, entry by entry: with $x = \\rho^3 \\ge "
                "y = \\rho^n$, for r < 0 and for r > 0",
                facts=(
                    NonNegative(
                        odd**2 - even**2,
                        V * (2 * Y + gap) * (2 * W * RHO + V * gap),
                        known,
                    ),
                    NonNegative(
                        odd**2 - (W * RHO + (1 - W) * Y) ** 2,
                        V * gap * (2 * W * RHO + V * (2 * Y + gap)),
                        known,
                    ),
                ),
            ),
            step(
                "So n = 2 and n = 3 remain, and $\\sqrt{w}\\,he_1 + \\sqrt{1 - w}\\,he_n$ attains "
                "the larger of the two."
            ),
        ),
    )


def decorrelation_theorem() -> Theorem:
    """Centred α is never negative (P11, E11)."""
    return Theorem(
        id="P11",
        name="decorrelation",
        statement=(
            "$\\alpha = E\\varphi'^2 / Var\\,\\varphi - 1 = K'(1) - 1 \\ge 1 - w \\ge 0$, and "
            "α = 0 if and only if φ is affine."
        ),
        hypotheses=(FINITE, "E φ'(Z)² is finite"),
        steps=(
            step(
                "Differentiation lowers degrees, $he_k' = \\sqrt{k}\\,he_{k-1}$, so by Parseval",
                formulas=(r"E\varphi'^2 = \sum_{k \ge 1} k a_k^2 = K'(1)\,Var\,\varphi",),
            ),
            step(
                "Hence $\\alpha - (1 - w)$ is the sum over $k \\ge 2$ of",
                facts=(NonNegative(W_K * (K - 1) - W_K, W_K * Q, {W_K: W_K, Q: K - Integer(2)}),),
            ),
            step("and $1 - w = \\sum_{k \\ge 2} w_k$ is 0 only if φ has degree at most 1."),
        ),
    )
