"""P11 near collapse: correlations 1 - ε become 1 - (1 + α)ε."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from typing import Any

import flint
import sympy
from flint import arb

from numerics.rank.correlation_kernel import ClosedKernel
from numerics.rank.expression import enclosed
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from proofs_check.theorems import from_theorem
from theory.rank_gain import (
    collapse_series,
    collapse_theorem,
    equicorrelated_ranks,
    exact_hermite,
    shannon_factor,
)
from theory.rank_gain.collapse import EPSILON
from theory.rank_gain.hermite import R

BITS = 256
SIZE = 8
NEXT = 2 * sympy.sqrt(2) / (3 * (sympy.pi - 1))


def near(exponent: int) -> Any:
    """ε = 10^-exponent."""
    return sympy.Rational(1, 10**exponent)


@cache
def after(name: str, exponent: int) -> Any:
    """K(1 - ε) in closed form, enclosed."""
    kernel = exact_hermite(name).kernel()
    with flint.ctx.workprec(BITS):
        return ClosedKernel(kernel, R, BITS)(1 - arb(10) ** -exponent)


@cache
def strength(name: str, *, is_centred: bool = True) -> Any:
    """α."""
    hermite = exact_hermite(name)
    alpha = hermite.decorrelation() if is_centred else hermite.uncentred_decorrelation()
    return enclosed(alpha, bits=BITS)


def proved(settings: Settings) -> Evidence:
    """The theorem."""
    return from_theorem(collapse_theorem())


def compared(scope: str, what: str, value: Any, expected: Any, tolerance: Any) -> Evidence:
    """Whether |value - expected| ≤ tolerance, all of them balls."""
    gap = abs(value - expected)
    detail = f"{what} is {value.str(9)}, expected {expected.str(9)} up to {tolerance.str(2)}"
    if gap <= tolerance:
        return holds(Level.ENCLOSED, scope, detail)
    if gap > tolerance:
        example = {"value": value.str(12), "expected": expected.str(12)}
        return refuted(scope, detail, counterexample=example, level=Level.ENCLOSED)
    return unknown(scope, detail)


def slope_of(name: str, exponent: int, expected: Any) -> Evidence:
    """(1 - K(1 - ε)) / ε, up to √ε."""
    with flint.ctx.workprec(BITS):
        epsilon = arb(10) ** -exponent
        slope = (1 - after(name, exponent)) / epsilon
        scope = f"{name}, correlation 1 - 10^-{exponent}"
        return compared(scope, "(1 - K)/ε", slope, expected, epsilon.sqrt())


def slopes(settings: Settings) -> Evidence:
    """ReLU, GELU and erf lose 1 + α."""
    return conjoin(slope_of(name, 12, 1 + strength(name)) for name in ("relu", "gelu", "erf"))


def without_one(settings: Settings) -> Evidence:
    """α in place of 1 + α."""
    return slope_of("gelu", 12, strength("gelu"))


def uncentred(settings: Settings) -> Evidence:
    """The printed α for a correlation."""
    return slope_of("relu", 12, 1 + strength("relu", is_centred=False))


def kink_exactly(settings: Settings) -> Evidence:
    """ReLU's expansion, term by term."""
    hermite = exact_hermite("relu")
    series = collapse_series(hermite)
    alpha = sympy.sympify(hermite.decorrelation())
    expected = 1 - (1 + alpha) * EPSILON + NEXT * EPSILON ** sympy.Rational(3, 2)
    scope = "ReLU, up to ε²"
    if sympy.simplify(series - expected) != 0:
        return refuted(scope, f"K(1 - ε) = {series}", counterexample={"series": str(series)})
    detail = "1 - π/(π - 1) ε + 2√2/(3(π - 1)) ε^(3/2), from r = cos θ, in SymPy"
    figures = {"coefficient of ε^(3/2)": enclosed(NEXT, bits=BITS).str(15, radius=False)}
    return holds(Level.PROVED, scope, detail, figures=figures)


def kink(constant: Any, settings: Settings) -> Evidence:
    """(K(1 - ε) - 1 + (1 + α)ε) / ε^(3/2) of ReLU."""
    exponent = 16
    with flint.ctx.workprec(BITS):
        epsilon = arb(10) ** -exponent
        found = compared(
            f"ReLU, ε = 10^-{exponent}",
            "the next term over ε^(3/2)",
            next_term(exponent) / (epsilon * epsilon.sqrt()),
            enclosed(constant, bits=BITS),
            epsilon.sqrt(),
        )
    return replace(found, charts=(_next_terms(),)) if found.holds else found


def next_term(exponent: int) -> Any:
    """K(1 - ε) - 1 + (1 + α)ε of ReLU."""
    return after("relu", exponent) - 1 + (1 + strength("relu")) * arb(10) ** -exponent


def _next_terms() -> Chart:
    """The next term at some ε, and its leading order."""
    exponents = range(1, 17, 3)
    x = tuple(10.0**-k for k in exponents)
    with flint.ctx.workprec(BITS):
        seen = tuple(float(next_term(k)) for k in exponents)
    leading = tuple(float(NEXT) * e**1.5 for e in x)
    return Chart(
        "ReLU near collapse: what is left of K(1 - ε) - 1 + (1 + α)ε",
        "ε",
        "next term",
        (Series("2√2/(3(π - 1)) ε^(3/2)", x, leading, "dashed"), Series("seen", x, seen, "points")),
        log_x=True,
        log_y=True,
    )


@cache
def excesses(name: str, exponent: int) -> tuple[Any, Any]:
    """By what er₂ - 1 and the Shannon rank minus 1 are multiplied, for equal correlations."""
    c = sympy.Symbol("c")
    second, shannon = equicorrelated_ranks(SIZE, c)
    with flint.ctx.workprec(BITS):
        points = 1 - arb(10) ** -exponent, after(name, exponent)
        seconds = [enclosed(second, {c: point}, bits=BITS) - 1 for point in points]
        shannons = [enclosed(shannon, {c: point}, bits=BITS) - 1 for point in points]
        return seconds[1] / seconds[0], shannons[1] / shannons[0]


def ranks(settings: Settings) -> Evidence:
    """Both ranks of GELU at ε = 10^-12."""
    exponent, scope = 12, f"GELU, {SIZE} inputs with correlations 1 - 10^-12"
    alpha = strength("gelu")
    second, shannon = excesses("gelu", exponent)
    factor = sympy.Symbol("alpha")
    with flint.ctx.workprec(BITS):
        expected = enclosed(
            shannon_factor(factor, SIZE, near(exponent)), {factor: alpha}, bits=BITS
        )
        small = arb(10) ** -10
        return conjoin(
            [
                compared(scope, "the factor of er₂ - 1", second, 1 + alpha, small),
                compared(scope, "that of the Shannon rank", shannon, expected, small),
            ]
        )


def shannon_without_logarithm(settings: Settings) -> Evidence:
    """1 + α for the Shannon rank."""
    scope = f"GELU, {SIZE} inputs with correlations 1 - 10^-12"
    with flint.ctx.workprec(BITS):
        shannon = excesses("gelu", 12)[1]
        return compared(scope, "the factor", shannon, 1 + strength("gelu"), arb(10) ** -3)


CLAIMS = (
    Claim(
        id="P11.collapse",
        title="near collapse",
        statement=(
            r"$K(1 - \varepsilon) = 1 - (1 + \alpha)\varepsilon + o(\varepsilon)$ with the "
            r"centred $\alpha$ (for cosine similarities: with $E\varphi^2$), so $er_2 - 1$ is "
            r"multiplied by $1 + \alpha$ as $\varepsilon \to 0$; for equal correlations the "
            r"Shannon rank minus 1 is multiplied by $(1 + \alpha)(1 - \ln(1 + \alpha)/(1 + "
            r"\ln(d/\varepsilon)))$. ReLU: $K(1 - \varepsilon) = 1 - \frac{\pi}{\pi - 1}"
            r"\varepsilon + \frac{2\sqrt2}{3(\pi - 1)}\varepsilon^{3/2} + O(\varepsilon^2)$, "
            r"0.44024 to five digits."
        ),
        hypotheses=("E φ'(Z)² is finite, φ is not constant",),
        where="mends the early version's 1 + αε",
        expected=Verdict.PROVED,
        checks=(
            Check("proof", proved, "slope and ranks"),
            Check("ReLU, GELU, erf enclosed", slopes, "slope and ranks"),
            Check("ranks enclosed", ranks, "slope and ranks"),
            Check("ReLU's expansion", kink_exactly, "kink"),
            Check("ReLU enclosed", partial(kink, NEXT), "kink"),
        ),
        false_variants=(
            FalseVariant("α in place of 1 + α", "linear φ has α = 0", without_one),
            FalseVariant("the printed α for correlations", "ReLU would keep 1 - ε", uncentred),
            FalseVariant(
                "2√2/3π ε^(3/2)",
                "that is the term of the cosine similarity",
                partial(kink, 2 * sympy.sqrt(2) / (3 * sympy.pi)),
            ),
            FalseVariant(
                "1 + α for the Shannon rank",
                "its logarithm sees the scale of ε",
                shannon_without_logarithm,
            ),
        ),
    ),
)
