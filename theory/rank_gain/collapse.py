r"""Near collapse: all correlations are 1 - ε.

K(1 - ε) = 1 - (1 + α)ε + o(ε) with the centred α = K'(1) - 1. A kink of φ makes the next term one
in ε^{3/2}. What er₂ and the Shannon effective rank exceed 1 by is multiplied by 1 + α to first
order, the latter with a logarithmic correction.
"""

from __future__ import annotations

from typing import Any

import sympy

from theory.errors import ValueSystemError
from theory.rank_gain.hermite import ExactHermite, R
from theory.rank_gain.proof import Equal, step
from theory.theorem import Theorem

EPSILON = sympy.Symbol("epsilon", positive=True)
ALPHA = sympy.Symbol("alpha", nonnegative=True)
D = sympy.Symbol("d", integer=True, positive=True)


def collapse_series(
    hermite: ExactHermite, *, half_orders: int = 4, centred: bool = True
) -> sympy.Expr:
    """K(1 - ε), or the cosine similarity of activations, as a series in √ε.

    Args:
        hermite: of an activation with an elementary kernel.
        half_orders: terms below ε^{half_orders/2} are kept.
        centred: correlation; else cosine similarity, with the mean left in.

    Raises:
        ValueSystemError: if the kernel is not elementary.

    >>> from theory.rank_gain.hermite import exact_hermite
    >>> series = collapse_series(exact_hermite("relu"))
    >>> sympy.factor(series.coeff(EPSILON ** sympy.Rational(3, 2)))
    2*sqrt(2)/(3*(-1 + pi))
    """
    joint = hermite.smoothing.covariance(R, hermite.scale, hermite.shift)
    square = hermite.second_moment
    if joint is None or square is None:
        raise ValueSystemError(f"{hermite!r}: its kernel is not elementary")
    mean = hermite.moment(0) ** 2 if centred else sympy.Integer(0)
    angle, root = sympy.symbols("theta delta", positive=True)  # r = cos θ = 1 - δ²
    turned = joint.subs(sympy.sqrt(1 - R**2), sympy.sin(angle)).subs(
        sympy.asin(R), sympy.pi / 2 - angle
    )
    kernel = (turned.subs(R, sympy.cos(angle)) - mean) / (square - mean)
    in_angle = sympy.series(kernel, angle, 0, half_orders).removeO()
    theta = sympy.series(2 * sympy.asin(root / sympy.sqrt(2)), root, 0, half_orders).removeO()
    polynomial = sympy.Poly(sympy.expand(in_angle.subs(angle, theta)), root)
    terms = (
        sympy.radsimp(sympy.simplify(c)) * EPSILON ** sympy.Rational(power, 2)
        for (power,), c in polynomial.terms()
        if power < half_orders
    )
    return sum(terms, sympy.Integer(0))


def equicorrelated_ranks(size: Any, correlation: Any) -> tuple[sympy.Expr, sympy.Expr]:
    """er₂ and the Shannon effective rank of the d × d matrix with equal correlations c < 1.

    Its eigenvalues are 1 + (d - 1)c once and 1 - c, d - 1 times.

    >>> second, shannon = equicorrelated_ranks(4, 0)
    >>> second, shannon.n(8)
    (4, 4.0000000)
    """
    d, c = sympy.sympify(size), sympy.sympify(correlation)
    largest, other = (1 + (d - 1) * c) / d, (1 - c) / d
    entropy = -largest * sympy.log(largest) - (d - 1) * other * sympy.log(other)
    # evaluated, exp(p ln q) becomes a power of q, and SymPy factorises q
    return d / (1 + (d - 1) * c**2), sympy.exp(entropy, evaluate=False)


def shannon_factor(alpha: Any, size: Any, epsilon: Any) -> sympy.Expr:
    """(1 + α)(1 - ln(1 + α) / (1 + ln(d/ε))), by which the Shannon rank minus 1 is multiplied.

    Up to a relative error of order ε ln(1/ε), for equal correlations 1 - ε.
    """
    a, d, e = (sympy.sympify(x) for x in (alpha, size, epsilon))
    return (1 + a) * (1 - sympy.log(1 + a) / (1 + sympy.log(d / e)))


def collapse_theorem() -> Theorem:
    """How correlation, er₂ and the Shannon rank leave collapse (P11)."""
    first, second, x = sympy.symbols("E_1 E_2 x", positive=True)

    def excess(scale: Any) -> sympy.Expr:
        size = D**2 - 2 * scale * EPSILON * first + (scale * EPSILON) ** 2 * second
        return D**2 / size - 1

    entropy = x * (1 + sympy.log(D / EPSILON))
    scaled = x * (1 + ALPHA) * (1 + sympy.log(D / ((1 + ALPHA) * EPSILON)))
    corrected = (1 + ALPHA) * (entropy - x * sympy.log(1 + ALPHA))
    return Theorem(
        id="P11.collapse",
        name="near collapse",
        statement=(
            "For $C_{ij} = 1 - \\varepsilon e_{ij}$, $K(C)_{ij} = 1 - (1 + \\alpha)\\varepsilon "
            "e_{ij} + o(\\varepsilon)$, and $er_2 - 1$ is multiplied by $1 + \\alpha$ as "
            "$\\varepsilon \\to 0$. If all correlations are equal, the Shannon rank minus 1 is "
            "multiplied by $(1 + \\alpha)(1 - \\ln(1 + \\alpha)/(1 + \\ln(d/\\varepsilon)))$ up to "
            "$o(1/\\ln(1/\\varepsilon))$."
        ),
        hypotheses=(
            "E φ'(Z)² is finite, φ is not constant",
            "centred α for correlations; α with E φ² for cosine similarities",
        ),
        steps=(
            step(
                "$K'(1) = \\sum k w_k = E\\varphi'^2 / Var\\,\\varphi = 1 + \\alpha$, by Abel's "
                "theorem the one-sided derivative at 1; for cosine similarities the same holds of "
                "$\\sum_{k \\ge 0} a_k^2 r^k / E\\varphi^2$."
            ),
            step(
                "With $E_1$ and $E_2$ the sums of $e_{ij}$ and of $e_{ij}^2$ over $i \\ne j$, "
                "$er_2 - 1$ begins with $2 E_1 \\varepsilon / d^2$; after the activation it is",
                facts=(
                    Equal(sympy.limit(excess(1) / EPSILON, EPSILON, 0), 2 * first / D**2),
                    Equal(
                        sympy.limit(excess(1 + ALPHA) / excess(1), EPSILON, 0),
                        1 + ALPHA,
                    ),
                ),
            ),
            step(
                "Equal correlations: the eigenvalues divided by d are $1 - x$ and, d - 1 times, "
                "$\\varepsilon/d$, with $x = (d - 1)\\varepsilon/d$. So the entropy is "
                "$x \\ln(d/\\varepsilon) - (1 - x)\\ln(1 - x)$, and the last term is $x + O(x^2)$:",
                facts=(Equal(sympy.limit(-(1 - x) * sympy.log(1 - x) / x, x, 0), 1),),
            ),
            step(
                "Since $e^H - 1 = H + O(H^2)$, the Shannon rank minus 1 begins with $x(1 + \\ln(d/"
                "\\varepsilon))$. With $(1 + \\alpha)\\varepsilon$ in place of ε this is",
                facts=(Equal(sympy.expand_log(scaled), sympy.expand_log(corrected)),),
            ),
        ),
    )
