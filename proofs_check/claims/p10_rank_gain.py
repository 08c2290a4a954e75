"""P10, E10a, N10s: activations raise the effective rank of correlations, and by how much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from flint import arb

from numerics.rank.correlation_kernel import SeriesKernel
from numerics.rank.hermite import hermite_series
from numerics.rank.random_layer import effective_ranks, layer_grams, mean_with_interval
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose, chooser
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted, unknown
from proofs_check.theorems import from_theorem
from theory.activation import gelu, relu, tanh
from theory.rank_gain import (
    correlation_matrix,
    equality_theorem,
    optimal_theorem,
    rank_gain_bounds,
    rank_gain_theorem,
    sharp_theorem,
)
from theory.theorem import Theorem

HALF = Fraction(1, 2)
DEGREE = 5


@dataclass(frozen=True)
class Case:
    """A symmetric matrix with unit diagonal and weights of degrees 1, 2, …, all rational."""

    matrix: list[list[Fraction]]
    weights: list[Fraction]

    @property
    def entries(self) -> list[Fraction]:
        """The off-diagonal entries."""
        return [x for i, row in enumerate(self.matrix) for j, x in enumerate(row) if i != j]

    @property
    def ratio(self) -> Fraction:
        """er₂(K(C)) / er₂(C)."""
        before = sum(x * x for x in self.entries)
        after = sum(self.kernel(x) ** 2 for x in self.entries)
        return Fraction(len(self.matrix) + before, len(self.matrix) + after)

    def kernel(self, r: Fraction) -> Fraction:
        """K(r) = Σ w_k r^k, whatever the weights."""
        return sum((w * r**k for k, w in enumerate(self.weights, start=1)), Fraction(0))

    def counterexample(self, **found: Any) -> dict[str, Any]:
        """In words that JSON knows."""
        shown = {"C": [[str(x) for x in row] for row in self.matrix]}
        return {**shown, "weights": [str(w) for w in self.weights]} | {
            name: str(value) for name, value in found.items()
        }


Says = Callable[[Case], bool]


def draw(choose: Choose) -> Case:
    """A random correlation matrix, often with entries 0, 1 and -1, and random weights."""
    dimension = choose(1, 3)
    vectors = [
        [Fraction(choose(-4, 4), choose(1, 3)) for _ in range(dimension)]
        for _ in range(choose(1, 4))
    ]
    matrix = correlation_matrix(vectors + vectors[: choose(0, 1)])
    if choose(0, 1):  # the opposite of the first vector as one more
        row = [-x for x in matrix[0]]
        matrix = [[*old, x] for old, x in zip(matrix, row, strict=True)] + [[*row, Fraction(1)]]
    raw = [Fraction(choose(0, 3)) for _ in range(DEGREE)]
    kind = choose(0, 4)  # every degree, odd ones, even ones
    if kind >= 3:
        raw = [w if k % 2 == kind % 2 else Fraction(0) for k, w in enumerate(raw)]
    total = sum(raw)
    if not total:
        raw, total = [Fraction(k == kind) for k in range(DEGREE)], Fraction(1)
    return Case(matrix, [w / total for w in raw])


def examined(
    settings: Settings, name: str, says: Says, charted: Callable[[list[Case]], Chart] | None = None
) -> Evidence:
    """A statement on random matrices in rational numbers, and a chart of some of them."""
    count = 5000 if settings.full else 300
    scope = f"{count} random correlation matrices and kernels, rational numbers"
    cases = []
    for trial in range(count):
        case = draw(chooser(settings.sub_seed("P10", trial)))
        if not says(case):
            return refuted(scope, f"not so: {name}", counterexample=case.counterexample())
        cases.append(case)
    charts = (charted(cases[:150]),) if charted else ()
    return holds(Level.OBSERVED, scope, name, figures={"matrices": count}, charts=charts)


def ranks(cases: list[Case]) -> Chart:
    """er₂ after the layer against er₂ before."""
    squares = [sum((x * x for row in c.matrix for x in row), Fraction(0)) for c in cases]
    before = [len(c.matrix) ** 2 / s for c, s in zip(cases, squares, strict=True)]
    after = [r * c.ratio for r, c in zip(before, cases, strict=True)]
    return _scatter("Effective ranks of random matrices", "er₂(C)", "er₂(K(C))", before, after)


def bounded(cases: list[Case]) -> Chart:
    """The ratio against the bound that is attained for each C and w."""
    least = [rank_gain_bounds(c.matrix, c.weights[0]).optimal for c in cases]
    return _scatter("Rank gains", "bound by C and K'(0)", "ratio", least, [c.ratio for c in cases])


def _scatter(title: str, x: str, y: str, least: list[Fraction], seen: list[Fraction]) -> Chart:
    ends = (float(min(least)), float(max(least)))
    points = Series("seen", tuple(map(float, least)), tuple(map(float, seen)), "points")
    return Chart(title, x, y, (Series("equal", ends, ends, "dashed"), points))


def proved(theorem: Callable[[], Theorem], _: Settings) -> Evidence:
    """The proof, its algebra checked."""
    return from_theorem(theorem())


def at(case: Case, name: str, says: Says, _: Settings) -> Evidence:
    """A statement about one matrix and one kernel."""
    scope = f"one {len(case.matrix)} × {len(case.matrix)} matrix, exact"
    if says(case):
        return holds(Level.PROVED, scope, name)
    example = case.counterexample(ratio=case.ratio)
    return refuted(scope, f"not so: {name}; the ratio is {case.ratio}", counterexample=example)


def two(r: Fraction | int, *weights: Fraction | int) -> Case:
    """The 2 × 2 matrix with one entry."""
    one = Fraction(1)
    return Case([[one, Fraction(r)], [Fraction(r), one]], [Fraction(w) for w in weights])


def finite_widths(settings: Settings) -> Evidence:
    """Gram matrices of random layers have the kernel's expectation at every width."""
    c = np.array([[1.0, 0.9, -0.5], [0.9, 1.0, -0.2], [-0.5, -0.2, 1.0]])
    trials = 20_000 if settings.full else 1500
    figures: dict[str, float | int | str] = {}
    scope = f"layers of 16 and 256 units, {trials} each, confidence 99.99 % a layer size"
    for number, phi in enumerate((tanh, relu, gelu)):
        series = hermite_series(phi, digits=12)
        kernel, mean = SeriesKernel(series), float(series.coefficients[0]) ** 2
        expected = [[mean + float(series.variance * kernel(arb(x))) for x in row] for row in c]
        for width in (16, 256):
            seed = settings.sub_seed("P10", "width", number, width) % 2**32
            grams = layer_grams(phi, c, width, trials, seed=seed)
            found = mean_with_interval(grams)
            if not found.contains(expected):
                return refuted(
                    scope,
                    f"{phi!r}, {width} units: {found} misses the kernel",
                    counterexample={"mean": found.mean.tolist(), "kernel": expected},
                    level=Level.OBSERVED,
                )
            ranks = effective_ranks(grams)[0].mean()
            limit = effective_ranks(np.array(expected))[0]
            figures[f"{phi!r}: er₂ of {width} units / limit"] = round(float(ranks / limit), 4)
    return holds(
        Level.OBSERVED, scope, "mean Gram matrices lie in their intervals", figures=figures
    )


def stays_iff(case: Case) -> bool:
    """The ratio is 1 exactly where E10a says so."""
    degrees = {k % 2 for k, w in enumerate(case.weights, start=1) if w}
    allowed = {0, 1, -1} if len(degrees) == 1 else {0, 1}
    is_affine = case.weights[0] == 1
    return (case.ratio == 1) == (is_affine or set(case.entries) <= allowed)


def forms(case: Case) -> bool:
    """All lower bounds, in their order, and those that name the kernel attained."""
    w = case.weights[0]
    bounds = rank_gain_bounds(case.matrix, w)
    ordered = [getattr(bounds, name) for name in bounds.__slots__]
    attained = [Case(case.matrix, [w, *rest]).ratio for rest in ([1 - w], [0, 1 - w])]
    is_optimal = bounds.optimal == min(attained)
    if all(x >= 0 for x in case.entries):
        is_optimal = is_optimal and bounds.optimal == bounds.entrywise
    return is_optimal and sorted(ordered) == ordered and bounds.optimal <= case.ratio


def entry_bound(case: Case, in_r: bool) -> bool:
    """r² - K² ≥ r²(1 - w)(1 - ρ)(1 + w + (1 - w)ρ), with ρ = |r| or with ρ = r."""
    w = case.weights[0]
    for r in case.entries:
        rho = r if in_r else abs(r)
        if r * r - case.kernel(r) ** 2 < r * r * (1 - w) * (1 - rho) * (1 + w + (1 - w) * rho):
            return False
    return True


def linear_with(factor: Fraction, case: Case) -> bool:
    """Ratio ≥ 1 + factor (1 - w) Ψ / ‖C‖²."""
    linear = rank_gain_bounds(case.matrix, case.weights[0]).linear
    return case.ratio >= 1 + factor * (linear - 1)


def without_size(case: Case) -> bool:
    """The ratio is that of the sums alone, without the d of the diagonal."""
    after = sum(case.kernel(x) ** 2 for x in case.entries)
    return case.ratio * after == sum(x * x for x in case.entries)


def relu_at_minus_one(_: Settings) -> Evidence:
    """ReLU at C_ij = -1: 1.642, since K(-1) = -1/(π - 1)."""
    kernel = SeriesKernel(hermite_series("relu", degree=60))
    ratio = 2 / (1 + kernel(arb(-1)) ** 2)
    scope, detail = "ReLU, C = [[1, -1], [-1, 1]]", f"the ratio is {ratio.str(4)}"
    if ratio > 1:
        return refuted(scope, detail, counterexample={"ratio": ratio.str(6)}, level=Level.ENCLOSED)
    return unknown(scope, detail)


NEAR_ONE = Fraction(999, 1000)
QUADRATIC = (HALF, HALF)
ODD = (HALF, 0, HALF)

CLAIMS = (
    Claim(
        id="P10",
        title="rank gain",
        statement=(
            r"For a correlation matrix $C$ of size $d$ and the correlation kernel $K$ of any "
            r"activation, $er_2(K(C))/er_2(C) = (d + \sum_{i \ne j} C_{ij}^2)/(d + "
            r"\sum_{i \ne j} K(C_{ij})^2) \ge 1$. Only $C_{ii} = 1$ and $|C_{ij}| \le 1$ are used."
        ),
        hypotheses=("unit diagonal", "φ is not constant, E φ(Z)² < ∞"),
        where="the theorem on rank gain",
        expected=Verdict.PROVED,
        checks=(
            Check("proof", partial(proved, rank_gain_theorem)),
            Check(
                "random matrices",
                lambda s: examined(s, "the ratio is at least 1", lambda c: c.ratio >= 1, ranks),
            ),
            Check("random layers", finite_widths),
        ),
        false_variants=(
            FalseVariant(
                "the rank grows unless C = I",
                "equal inputs stay equal",
                partial(at, two(1, *QUADRATIC), "the ratio is above 1", lambda c: c.ratio > 1),
            ),
            FalseVariant(
                "covariances in place of correlations",
                "beyond 1 higher powers are larger",
                partial(at, two(2, *QUADRATIC), "the ratio is at least 1", lambda c: c.ratio >= 1),
            ),
            FalseVariant(
                "weights of any sign",
                "2r - r² is larger than r",
                partial(at, two(HALF, 2, -1), "the ratio is at least 1", lambda c: c.ratio >= 1),
            ),
            FalseVariant(
                "without d",
                "the diagonal stays",
                lambda s: examined(s, "the ratio is ΣC²/ΣK²", without_size),
            ),
        ),
    ),
    Claim(
        id="E10a",
        title="when the rank stays",
        statement=(
            r"$er_2(K(C)) = er_2(C)$ if and only if every off-diagonal entry is 0 or 1, or is -1 "
            r"where $\varphi - E\varphi$ is odd or even. In particular $|K(r)| < |r|$ fails at "
            r"$r = 0$, and $C = I$ gains nothing."
        ),
        hypotheses=("φ is neither affine nor constant, E φ(Z)² < ∞",),
        where="corrects the strict inequality",
        expected=Verdict.PROVED,
        checks=(
            Check("proof", partial(proved, equality_theorem)),
            Check(
                "random matrices",
                lambda s: examined(s, "the ratio is 1 as stated", stays_iff),
            ),
        ),
        false_variants=(
            FalseVariant(
                "|K(r)| < |r| for all |r| < 1, as printed",
                "K(0) = 0",
                partial(
                    at,
                    two(0, *QUADRATIC),
                    "|K(r)| < |r|",
                    lambda c: all(abs(c.kernel(r)) < abs(r) for r in c.entries),
                ),
            ),
            FalseVariant(
                "only C = I keeps its rank",
                "so does a matrix of ones",
                partial(at, two(1, *QUADRATIC), "the ratio is above 1", lambda c: c.ratio > 1),
            ),
            FalseVariant(
                "opposite inputs stay opposite",
                "ReLU is neither odd nor even about its mean: 1.642",
                relu_at_minus_one,
            ),
            FalseVariant(
                "affine activations too",
                "they keep every correlation",
                partial(at, two(HALF, 1), "the ratio is above 1", lambda c: c.ratio > 1),
            ),
        ),
    ),
    Claim(
        id="N10s",
        title="sharp constants of the rank gain",
        statement=(
            r"With $w = K'(0)$, $\gamma^* = 1 - w$, $\Psi = \sum_{i \ne j} C_{ij}^2(1 - C_{ij}^2)$ "
            r"and $F = \|C\|_F^2$ the ratio is at least $F/(d + \max_{n = 2, 3} \sum_{i \ne j} "
            r"(wC_{ij} + (1 - w)C_{ij}^n)^2)$, at least $F/(d + \sum_{i \ne j}(w|C_{ij}| + "
            r"(1 - w)C_{ij}^2)^2)$, at least $1/(1 - \gamma^*\Psi/F)$, at least $1 + "
            r"\gamma^*\Psi/F$, each weaker than the one before. The first is attained for every C "
            r"and w, the second for $C \ge 0$, and $\gamma^*$ is best possible in the last."
        ),
        hypotheses=("unit diagonal, entries in [-1, 1]", "φ is not constant, E φ(Z)² < ∞"),
        where="sharpens γ = (1 - K'(0))/(1 + K'(0))",
        expected=Verdict.PROVED,
        checks=(
            Check("proof", partial(proved, sharp_theorem), "three forms"),
            Check(
                "random matrices",
                lambda s: examined(s, "the bounds hold in their order", forms, bounded),
                "three forms",
            ),
            Check(
                "random entries",
                lambda s: examined(
                    s,
                    "r² - K² ≥ r²(1 - w)(1 - |r|)(1 + w + (1 - w)|r|)",
                    partial(entry_bound, in_r=False),
                ),
                "three forms",
            ),
            Check("proof of the optimum", partial(proved, optimal_theorem), "optimum"),
        ),
        false_variants=(
            FalseVariant(
                "1 % more than 1 - K'(0)",
                "K = (r + r²)/2 at r = 0.999 gains less",
                partial(
                    at,
                    two(NEAR_ONE, *QUADRATIC),
                    "the ratio is at least 1 + 1.01 γ* Ψ/F",
                    partial(linear_with, Fraction(101, 100)),
                ),
            ),
            FalseVariant(
                "the entry bound with r in place of |r|",
                "odd kernels keep r = -1",
                lambda s: examined(
                    s,
                    "r² - K² ≥ r²(1 - w)(1 - r)(1 + w + (1 - w)r)",
                    partial(entry_bound, in_r=True),
                ),
            ),
            FalseVariant(
                "the entrywise form is attained for negative entries",
                "w|r| + (1 - w)r² needs odd and even degrees to agree in sign",
                partial(
                    at,
                    two(-HALF, *ODD),
                    "some kernel attains the entrywise form",
                    lambda c: (
                        rank_gain_bounds(c.matrix, HALF).optimal
                        == rank_gain_bounds(c.matrix, HALF).entrywise
                    ),
                ),
            ),
            FalseVariant(
                "n = 2 alone",
                "for negative entries an odd kernel gains less",
                partial(
                    at,
                    two(-HALF, *ODD),
                    "the ratio is at least that of (r + r²)/2",
                    lambda c: c.ratio >= two(-HALF, *QUADRATIC).ratio,
                ),
            ),
        ),
    ),
)
