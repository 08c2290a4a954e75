"""P11: how strongly an activation decorrelates, and what scale and shift do to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache, partial
from itertools import pairwise
from typing import Any

import flint
import sympy
from flint import arb

from numerics.rank.correlation_kernel import SeriesKernel, strongest_decorrelation
from numerics.rank.hermite import HermiteSeries, hermite_series
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from proofs_check.theorems import from_theorem
from theory.rank_gain import (
    decorrelation_theorem,
    exact_hermite,
    monotone_theorem,
    sign_limit_theorem,
)
from theory.rank_gain.scaling import FAMILIES, A, family_defects

SCALES = ("1/4", "1/2", "1", "2", "4")
SHIFTS = ("0", "1/2", "1", "2", "3")
NEGATIVE_SHIFTS = ("0", "-1", "-2", "-3")
Quantity = Callable[[str, str, str], Any]


@cache
def series(name: str, scale: str = "1", shift: str = "0", degree: int = 1) -> HermiteSeries:
    """φ(az + b) to 15 digits; α needs no degree beyond 1."""
    return hermite_series(name, scale=scale, shift=shift, digits=15, degree=degree)


def centred(name: str, scale: str, shift: str) -> Any:
    """α with the variance."""
    return series(name, scale, shift).decorrelation


def uncentred(name: str, scale: str, shift: str) -> Any:
    """α as printed."""
    return series(name, scale, shift).uncentred_decorrelation


def kappa(name: str, scale: str, shift: str) -> Any:
    """κ over [0, 1]."""
    kernel = SeriesKernel(series(name, scale, shift, 40))
    return strongest_decorrelation(kernel, tolerance=1e-5, most=500).value


def not_negative(settings: Settings) -> Evidence:
    """α ≥ 1 - w, proved."""
    return from_theorem(decorrelation_theorem())


def families(settings: Settings) -> Evidence:
    """The theorem, and its hypothesis for each named family to degree 8."""
    shift = sympy.Symbol("b", real=True)
    for name, parameter in FAMILIES.items():
        b = shift if name in ("exp", "sin") else 0
        if defects := family_defects(exact_hermite(name, scale=A, shift=b), parameter):
            return unknown(name, f"no exponential family: {', '.join(defects)}")
    return from_theorem(monotone_theorem())


def gelu_family(settings: Settings) -> Evidence:
    """In an exponential family a_2² a_6² / a_4⁴ would not depend on a."""
    hermite = exact_hermite("gelu", scale=A)
    moments = {k: hermite.moment(k) for k in (2, 4, 6)}
    quotient = sympy.simplify((moments[2] * moments[6] / moments[4] ** 2) ** 2)
    values = [str(quotient.subs(A, a)) for a in (1, 2)]
    scope, detail = "GELU(az)", f"a_2² a_6² / a_4⁴ is proportional to {quotient}"
    if values[0] != values[1]:
        return refuted(scope, detail, counterexample={"at a = 1 and a = 2": values})
    return unknown(scope, detail)


def cosine_family(settings: Settings) -> Evidence:
    """K'(0) of sin(az + π/2), said to depend on a."""
    weight = exact_hermite("sin", scale=A, shift=sympy.pi / 2).weight(1)
    scope, detail = "sin(az + π/2)", f"K'(0) = {weight} for every a"
    if sympy.simplify(sympy.diff(weight, A)) == 0:
        return refuted(scope, detail, counterexample={"b": "π/2", "K'(0)": str(weight)})
    return unknown(scope, detail)


def limit(settings: Settings) -> Evidence:
    """The rate, proved."""
    return from_theorem(sign_limit_theorem())


def limit_at(power: int, settings: Settings) -> Evidence:
    """|K_a(r) - (2/π) arcsin r| ≤ c(1 + 2 ln 2)/(a - c)^p, enclosed at some a and r."""
    scales = ("1", "2", "4", "8", "16", "32") if settings.full else ("1", "4", "16")
    places = (arb(-0.75), arb(0.5), arb(0.9375))
    scope, figures = f"tanh(az), a in {', '.join(scales)}", {}
    with flint.ctx.workprec(80):
        c = (2 / arb.pi()).sqrt()
        for scale in scales:
            kernel = SeriesKernel(series("tanh", scale, degree=40))
            bound = c * (1 + 2 * arb(2).log()) / (arb(int(scale)) - c) ** power
            for r in places:
                gap = abs(kernel(r) - 2 * r.asin() / arb.pi())
                if gap > bound:
                    example = {"a": scale, "r": str(float(r)), "gap": gap.str(5)}
                    detail = f"the gap at a = {scale} is {gap.str(5)}, above {bound.str(5)}"
                    return refuted(scope, detail, counterexample=example, level=Level.ENCLOSED)
                if not gap <= bound:
                    return unknown(scope, f"a = {scale}: {gap} is not told from {bound}")
            rate = arb(int(scale)) * (kernel(arb(0.5)) - arb(1) / 3)
            figures[f"a (K_a(1/2) - 1/3) at a = {scale}"] = rate.str(6, radius=False)
    return holds(Level.ENCLOSED, scope, "the gap is below the bound", figures=figures)


def grows(
    name: str, quantity: Quantity, what: str, points: Sequence[tuple[str, str]], _: Settings
) -> Evidence:
    """Whether a quantity grows from each (a, b) to the next, by enclosures."""
    values = [quantity(name, *point) for point in points]
    shown = ", ".join(value.str(6, radius=False) for value in values)
    scope = f"{name}(az + b), (a, b) = {', '.join(f'({a}, {b})' for a, b in points)}"
    detail = f"{what}: {shown}"
    for (first, second), (before, after) in zip(pairwise(values), pairwise(points), strict=True):
        if first > second:
            example = {"before": list(before), "after": list(after), "values": shown}
            return refuted(scope, detail, counterexample=example, level=Level.ENCLOSED)
        if not first < second:
            return unknown(scope, f"not decided: {detail}")
    return holds(Level.ENCLOSED, scope, detail)


def scales() -> list[tuple[str, str]]:
    """Growing a, no shift."""
    return [(a, "0") for a in SCALES]


def shifts(values: Sequence[str]) -> list[tuple[str, str]]:
    """a = 1."""
    return [("1", b) for b in values]


def in_scale(settings: Settings) -> Evidence:
    """α of six activations and κ of three grow with a."""
    smooth = ("tanh", "sigmoid", "gelu", "silu", "softplus", "elu")
    strengths = [grows(n, centred, "centred α", scales(), settings) for n in smooth]
    peaks = [grows(n, kappa, "κ", scales(), settings) for n in ("tanh", "sigmoid", "softplus")]
    together = conjoin([*strengths, *peaks])
    return replace(together, charts=(_curves(smooth),)) if together.holds else together


def _curves(names: Sequence[str]) -> Chart:
    """The centred α at the scales."""
    x = tuple(float(Fraction(a)) for a in SCALES)
    curves = tuple(Series(n, x, tuple(float(centred(n, a, "0")) for a in SCALES)) for n in names)
    title = "Decorrelation of φ(az)"
    return Chart(title, "scale a", "centred α", curves, log_x=True, log_y=True)


def in_shift(settings: Settings) -> Evidence:
    """α and κ of tanh and sigmoid grow with |b|; of ReLU and softplus with -b."""
    points: list[tuple[str, Sequence[str]]] = [("tanh", SHIFTS), ("sigmoid", SHIFTS)]
    points += [("relu", NEGATIVE_SHIFTS), ("softplus", NEGATIVE_SHIFTS)]
    return conjoin(
        [
            grows(name, quantity, what, shifts(values), settings)
            for name, values in points
            for quantity, what in ((centred, "centred α"), (kappa, "κ"))
            if not (name == "relu" and quantity is kappa)
        ]
    )


def uncentred_sign(settings: Settings) -> Evidence:
    """α ≥ 0 with E φ² in the denominator."""
    found = uncentred("sigmoid", "1", "0")
    scope, detail = "sigmoid", f"α as printed is {found.str(6)}"
    if found < 0:
        example = {"alpha": found.str(10)}
        return refuted(scope, detail, counterexample=example, level=Level.ENCLOSED)
    return unknown(scope, detail)


CLAIMS = (
    Claim(
        id="P11",
        title="decorrelation strength",
        statement=(
            r"With the variance in the denominator, $\alpha = E\varphi'^2/Var\,\varphi - 1 = K'(1) "
            r"- 1 \ge 1 - K'(0) \ge 0$, and 0 only for affine φ. For $e^{az+b}$, $\sin(az + b)$, "
            r"$\mathrm{erf}(az)$ and $\Phi(az)$, $\alpha$ and $\kappa = \max_{0 \le r \le 1} "
            r"(r^2 - K(r)^2)$ grow strictly with $a$, and $K'(0)$ falls unless it is 0. For "
            r"$\tanh(az)$, "
            r"$K \to \frac{2}{\pi}\arcsin r$ uniformly, at distance at most $c(1 + 2\ln 2)/(a - c)$"
            r", $c = \sqrt{2/\pi}$."
        ),
        hypotheses=("E φ(Z)² and E φ'(Z)² are finite",),
        where="decorrelation strength and freezing of pre-activations",
        expected=Verdict.PROVED,
        checks=(
            Check("α is not negative", not_negative, "sign"),
            Check("exponential families", families, "scale"),
            Check("steep tanh", limit, "limit"),
            Check("steep tanh, enclosed", partial(limit_at, 1), "limit"),
        ),
        false_variants=(
            FalseVariant(
                "with E φ² in the denominator",
                "a mean that no derivative sees makes it negative",
                uncentred_sign,
            ),
            FalseVariant("a rate 1/a²", "1 - V alone is of order 1/a", partial(limit_at, 2)),
            FalseVariant("GELU is an exponential family", "its a_k² mix two powers", gelu_family),
            FalseVariant(
                "K'(0) of sin(az + b) falls for every b", "the cosine is even", cosine_family
            ),
            FalseVariant(
                "κ grows with a for every φ",
                "GELU tends to ReLU, which decorrelates less than GELU(2z)",
                partial(grows, "gelu", kappa, "κ", scales()),
            ),
        ),
    ),
    Claim(
        id="P11.scale",
        title="decorrelation along scale and shift",
        statement=(
            r"On the grid $a = \frac14, \frac12, 1, 2, 4$, $b = 0$, the centred $\alpha$ of tanh, "
            r"sigmoid, GELU, SiLU, softplus and ELU grows strictly with $a$, and so does $\kappa$ "
            r"of tanh, sigmoid and softplus. For $a = 1$, $\alpha$ and $\kappa$ of tanh and "
            r"sigmoid grow on $|b| = 0, \frac12, 1, 2, 3$, $\alpha$ of ReLU and softplus and "
            r"$\kappa$ of softplus on $b = 0, -1, -2, -3$."
        ),
        hypotheses=("these numbers; nothing is said of those between",),
        where="whether a larger scale or shift decorrelates more",
        expected=Verdict.PROVED,
        checks=(Check("scale", in_scale, "scale"), Check("shift", in_shift, "shift")),
        false_variants=(
            FalseVariant(
                "α as printed grows with a",
                "for GELU it falls from a = 1 on, towards ReLU's 0",
                partial(grows, "gelu", uncentred, "α as printed", scales()),
            ),
            FalseVariant(
                "α as printed grows with |b|",
                "the mean of tanh(z + b) grows too",
                partial(grows, "tanh", uncentred, "α as printed", shifts(SHIFTS)),
            ),
            FalseVariant(
                "α of GELU grows with |b|",
                "for b > 0 GELU is nearly linear",
                partial(grows, "gelu", centred, "centred α", shifts(SHIFTS)),
            ),
            FalseVariant(
                "α of GELU grows with -b",
                "far below its minimum GELU has no kink: b = -3 decorrelates less than b = -2",
                partial(grows, "gelu", centred, "centred α", shifts(NEGATIVE_SHIFTS)),
            ),
        ),
        about_numbers=True,
    ),
)
