"""N4c.degree: label noise attracts clones of degree p > 1 and repels those of p < 1."""

from __future__ import annotations

from functools import lru_cache

import sympy

from numerics.transverse.lyapunov import LyapunovExponents
from numerics.transverse.power_pair import DEGREES, leading_exponents, power_pair_exponents
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted, unknown

WEIGHTS = {0.5: 1.0, 1.0: 1.0, 2.0: 0.5, 3.0: 0.6}  # w, so that ηp|K| < 1 on the paths
NOISE, RATE = 1.0, 0.2
SMALL_RATE = 0.05
NEAR = 0.25  # terms of order η³, at the small rate


def law(_: Settings) -> Evidence:
    """The balance, the transverse block's eigenvectors, and Bernoulli's inequality."""
    w, p, delta, eta, z, a = sympy.symbols("w p delta eta z a", positive=True)
    balanced = {a: w / sympy.sqrt(p)}
    y = a * w**p
    slopes = [delta * y.diff(v) for v in (w, a)]  # δ is the derivative of the loss
    k = sympy.sqrt(p) * delta * w ** (p - 1)
    shrink = [
        sympy.simplify((s / v).subs(balanced) - k) for s, v in zip(slopes, (w, a), strict=True)
    ]
    inner = (delta * a * (w**p).diff(w, 2)).subs(balanced)
    block = sympy.Matrix([[inner, delta * (w**p).diff(w)], [delta * (w**p).diff(w), 0]])
    own, other = sympy.Matrix([sympy.sqrt(p), 1]), sympy.Matrix([1, -sympy.sqrt(p)])
    first = (block * own - p * k * own).applyfunc(sympy.simplify)
    second = (block * other + k * other).applyfunc(sympy.simplify)
    # Bernoulli: the gap is 0 at z = 0, and its derivative has one sign on each side
    gap = (1 - z) ** p - 1 + p * z
    slope = sympy.simplify(gap.diff(z) - p * (1 - (1 - z) ** (p - 1)))
    growth = [sympy.log(1 - p * eta * z), sympy.log(1 + eta * z)]
    # with E ln(1 - ηK) = 0, that is E ηK = -E η²K²/2 to leading order
    mean = -(z**2) * eta / 2
    orders = [
        sympy.simplify(g.diff(eta).subs(eta, 0) / z * mean + g.diff(eta, 2).subs(eta, 0) * eta / 2)
        for g in growth
    ]
    expected = [-p * (p - 1) / 2 * eta * z**2, -eta * z**2]
    facts = [
        *(s == 0 for s in shrink),
        first.is_zero_matrix,
        second.is_zero_matrix,
        gap.subs(z, 0) == 0,
        slope == 0,
        *(sympy.simplify(o - e) == 0 for o, e in zip(orders, expected, strict=True)),
    ]
    scope = "y = a w^p, w > 0, w² = p a², one input"
    if not all(facts):
        return refuted(scope, f"not all equations hold: {facts}")
    return holds(
        Level.PROVED,
        scope,
        "SymPy: w and a shrink by the same 1 - ηK, the transverse block has the eigenvectors "
        "(√p, 1) and (1, -√p) with pK and -K; (1 - z)^p - 1 + pz has the slope "
        "p(1 - (1 - z)^(p-1)), so E ln(1 - ηpK) < p E ln(1 - ηK) = 0 for p > 1 and > 0 for p < 1, "
        "and E ln(1 + ηK) = E ln(1 - η²K²) < 0",
    )


@lru_cache(maxsize=16)
def _measured(degree: float, rate: float, seed: int, full: bool) -> LyapunovExponents:
    return power_pair_exponents(
        degree,
        weight=WEIGHTS[degree],
        noise=NOISE,
        rate=rate if degree < 2 else rate / 2,
        steps=6000 if full else 600,
        discard=1000 if full else 200,
        seeds=range(seed, seed + (32 if full else 16)),
    ).pooled()


def _top(settings: Settings, degree: float) -> tuple[float, float, float]:
    """The top exponent and its 99.9 % interval."""
    found = _measured(degree, RATE, settings.sub_seed("N4c degree") % 2**30, settings.full)
    low, high = found.interval(0.999)
    return float(found.values[0]), float(low[0]), float(high[0])


def signs(settings: Settings) -> Evidence:
    """p = ½ positive, p = 1 neutral, p = 2 and 3 negative."""
    figures: dict[str, float] = {}
    wrong = []
    for degree in DEGREES:
        value, low, high = _top(settings, degree)
        figures[f"p = {degree:g}: top exponent"] = value
        figures[f"p = {degree:g}: half of its 99.9 % interval"] = (high - low) / 2
        if not (low > 0 if degree < 1 else high < 0 if degree > 1 else low < 0 < high):
            wrong.append(f"p = {degree:g} in [{low:.5f}, {high:.5f}]")
    scope = f"two clones of degree p, labels ± {NOISE:g}, SGD with single samples"
    if wrong:
        return refuted(scope, "; ".join(wrong), level=Level.OBSERVED, figures=figures)
    detail = "top exponents have the signs of 1 - p with confidence 99.9 %"
    degrees = tuple(float(p) for p in DEGREES)
    values, errors = (
        tuple(figures[f"p = {p:g}: {what}"] for p in DEGREES)
        for what in ("top exponent", "half of its 99.9 % interval")
    )
    chart = Chart(
        "Label noise attracts clones above degree 1",
        "degree p",
        "top transverse exponent, a step",
        (
            Series("0", (degrees[0], degrees[-1]), (0.0, 0.0), "dashed"),
            Series("seen, with 99.9 % intervals", degrees, values, "points", y_error=errors),
        ),
    )
    return holds(Level.OBSERVED, scope, detail, figures=figures, charts=(chart,))


def roots_attract(settings: Settings) -> Evidence:
    """p = ½, by the same paths."""
    value, low, high = _top(settings, 0.5)
    scope, detail = "two clones of degree ½", f"the top exponent is in [{low:.5f}, {high:.5f}]"
    if high < 0:
        return holds(Level.OBSERVED, scope, detail)
    if low > 0:
        return refuted(scope, detail, level=Level.OBSERVED, figures={"exponent": value})
    return unknown(scope, detail)


def _leading(settings: Settings, factor: float) -> Evidence:
    """Whether the measured exponent for p = 2 is a multiple of the leading order, nearly."""
    seed = settings.sub_seed("N4c degree") % 2**30
    found = _measured(2.0, 2 * SMALL_RATE, seed, settings.full)
    expected = factor * leading_exponents(2.0, WEIGHTS[2.0], NOISE, SMALL_RATE)[0]
    value = float(found.values[0])
    scope = f"two clones of degree 2, η = {SMALL_RATE}"
    detail = f"the top exponent is {value:.6f}, predicted {expected:.6f}"
    figures = {"p = 2: measured / predicted": value / expected}
    if abs(value / expected - 1) > NEAR:
        return refuted(scope, detail, level=Level.OBSERVED, figures=figures)
    return holds(Level.OBSERVED, scope, detail, figures=figures)


def leading_order(settings: Settings) -> Evidence:
    """-p(p - 1)/2 · η²E K²."""
    return _leading(settings, 1.0)


def frozen_path(settings: Settings) -> Evidence:
    """-p²/2 · η²E K², as if K had the mean 0."""
    return _leading(settings, 2.0)


CLAIMS = (
    Claim(
        id="N4c.degree",
        title="label noise attracts clones of degree above one",
        statement=(
            "For clones of $y = a w^p$ with one input, $w > 0$ and $w^2 = p a^2$, steps of SGD "
            "keep the balance and multiply $w$ by $1 - \\eta K$. Along a path on which "
            "$\\ln w$ is bounded the transverse exponents are the means of $\\ln|1 - \\eta p K|$ "
            "and $\\ln|1 + \\eta K|$, both negative for $p > 1$; the first is positive for "
            "$p < 1$ and 0 for $p = 1$. For small steps they are "
            "$-\\frac12 p(p-1) \\eta^2 E K^2$ and $-\\eta^2 E K^2$."
        ),
        hypotheses=("$\\eta \\max(p, 1) |K| < 1$ on the path", "K is not 0 on all of the path"),
        where="new: why noise attracts clones of SiLU units and not of tanh or ReLU units",
        expected=Verdict.PROVED,
        checks=(
            Check("balance, block and Bernoulli's inequality", law),
            Check("signs of measured exponents", signs),
            Check("the leading order", leading_order),
        ),
        false_variants=(
            FalseVariant("clones of degree ½ are attracted", "1 - p is positive", roots_attract),
            FalseVariant(
                "the exponent is -p²/2 · η²E K²",
                "the path settles where ηE K = -η²E K²/2, not where E K = 0",
                frozen_path,
            ),
        ),
    ),
)
