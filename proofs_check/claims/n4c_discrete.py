"""N4c: up to which eigenvalue a step of GD or with momentum contracts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import sympy

from numerics.losses import MSE
from numerics.spectrum import transverse_blocks
from numerics.spectrum.inertia import EnclosedEigenvalues
from numerics.spectrum.thresholds import largest_eigenvalue
from numerics.systems.ball import Ball
from numerics.systems.multiprecision import MultiPrecision
from numerics.systems.objects import exact
from numerics.tasks import Task
from numerics.train import train
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.regularised_points import tanh_point
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from proofs_check.theorems import from_outcome
from theory.optimizer import Optimizer, heavy_ball, heavy_ball_l2, nesterov, sgd, sgd_l2
from theory.partition import make_partition
from theory.stability.identity import Equation, compare
from theory.stability_class import Method, contraction_limit

ETA, BETA, KAPPA, Z = sympy.symbols("eta beta kappa z")
RULES: dict[Method, Optimizer] = {"gd": sgd(), "heavy ball": heavy_ball(), "nesterov": nesterov()}
LIMITS: dict[Method, sympy.Expr] = {
    "gd": 2 / ETA,
    "heavy ball": 2 * (1 + BETA) / ETA,
    "nesterov": 2 * (1 + BETA) / ((1 + 2 * BETA) * ETA),
}
# 1 + t + d = slope · (limit - κ), by which z = -1 is reached at the limit.
SLOPES: dict[Method, sympy.Expr] = {
    "gd": ETA,
    "heavy ball": ETA,
    "nesterov": (1 + 2 * BETA) * ETA,
}

DIGITS = 200
BITS = 900
SMALL = Fraction(1, 10**60)
STEPS = 60  # few enough that errors along the manifold, which grow faster, stay small
FIRST = 20  # steps after which transients are gone
DECAY = Fraction(1, 10)
BETAS = (Fraction(1, 2), Fraction(9, 10))


def step_matrix(method: Method) -> sympy.Matrix:
    """The update rule itself on a loss ½κw²: (w, m) to (w', m')."""
    w, m = sympy.symbols("w m")
    scalars = {"rate": ETA, "momentum": BETA}
    moved, state = RULES[method].rule(w, KAPPA * w, {"m": m}, scalars)
    if method == "gd":
        return sympy.Matrix([[sympy.expand(moved).coeff(w)]])
    rows = [[sympy.expand(v).coeff(s) for s in (w, m)] for v in (moved, state["m"])]
    return sympy.Matrix(rows)


def jury(method: Method, limit: sympy.Expr) -> list[Equation]:
    """The three numbers whose signs decide: 1 - t + d, 1 + t + d, 1 - d.

    With z = (1 + s) / (1 - s) a polynomial z² - tz + d becomes (1+t+d)s² + 2(1-d)s + (1-t+d) over
    (1 - s)², and a real quadratic has both roots in the left half-plane iff its coefficients have
    one sign. For GD, t is the multiplier and d = 0 in the same way.
    """
    step = step_matrix(method)
    t, d = step.trace(), (step.det() if method != "gd" else sympy.Integer(0))
    s = sympy.Symbol("s")
    polynomial = Z**2 - t * Z + d
    moved = sympy.expand(sympy.cancel(polynomial.subs(Z, (1 + s) / (1 - s)) * (1 - s) ** 2))
    last = {
        "gd": sympy.Integer(1),
        "heavy ball": 1 - BETA,
        "nesterov": (1 - BETA) + BETA * ETA * KAPPA,
    }
    return [
        Equation("1 - t + d", moved.coeff(s, 0), ETA * KAPPA),
        Equation("1 + t + d", moved.coeff(s, 2), sympy.expand(SLOPES[method] * (limit - KAPPA))),
        Equation("2 (1 - d)", moved.coeff(s, 1), sympy.expand(2 * last[method])),
    ]


def by_jury(_: Settings) -> Evidence:
    """The rules that are trained with, on a quadratic loss."""
    found = []
    for method, limit in LIMITS.items():
        outcome = compare(jury(method, limit))
        found.append(
            from_outcome(
                outcome,
                "every η > 0, 0 ≤ β < 1 and κ",
                f"the roots of {method} are inside the unit circle iff κ is in (0, {limit})",
            )
        )
        for k in range(1, 8):
            eta, beta = Fraction(k, 10), Fraction(k, 9) if method != "gd" else Fraction(0)
            value = limit.subs({ETA: _rational(eta), BETA: _rational(beta)})
            if value != _rational(contraction_limit(method, eta, beta) or Fraction(0)):
                return refuted(method, f"contraction_limit is not {limit} at η = {eta}, β = {beta}")
    return conjoin(found)


def _rational(value: Fraction) -> sympy.Rational:
    return sympy.Rational(value.numerator, value.denominator)


def nesterov_as_heavy_ball(_: Settings) -> Evidence:
    """Nesterov's method with the heavy ball's limit."""
    return from_outcome(
        compare(jury("nesterov", LIMITS["heavy ball"])),
        "every η, β and κ",
        "Nesterov's roots reach the circle at 2(1+β)/η",
    )


@dataclass(frozen=True)
class Growth:
    """What a transverse error did in training.

    Attributes:
        last: the factor of the last step.
        mean: the geometric mean of the factors after the first steps.
        roots: the multipliers that are expected.
    """

    last: float
    mean: float
    roots: tuple[complex, ...]

    @property
    def is_real(self) -> bool:
        """Whether the error grows by the same factor in every step, and does not turn."""
        return all(abs(z.imag) < 1e-9 for z in self.roots)

    @property
    def error(self) -> float:
        """The last factor's relative difference from the largest multiplier's modulus."""
        return abs(self.last / max(abs(z) for z in self.roots) - 1)


def growth(beta: Fraction, share: Fraction, w: Fraction) -> Growth:
    """Train tanh clones 1-2-1 beside a critical point, in 200 digits.

    Args:
        beta: momentum; 0 for GD.
        share: the top eigenvalue κ of M + λI over the limit 2(1+β)/η: it fixes η.
        w: incoming weight of the clones.
    """
    network, theta, task = tanh_point(DECAY, BITS, w)
    clones = make_partition(network.sizes, {"h1": [[0, 1]]})
    (block,) = transverse_blocks(network, clones, theta, task, MSE, system=Ball(BITS))
    top = largest_eigenvalue([EnclosedEigenvalues(block.matrix, BITS)])
    if top is None:
        raise ArithmeticError("the largest eigenvalue was not enclosed")
    kappa = (top.low + top.high) / 2 + DECAY
    eta = share * 2 * (1 + beta) / kappa
    chosen = heavy_ball_l2() if beta else sgd_l2()
    numbers = {"rate": eta, "decay": DECAY} | ({"momentum": beta} if beta else {})
    _, vectors = block.eigenvectors()
    away = block.direction(vectors[:, -1])
    start = {
        p: _exact(theta[p]) + SMALL * _fractions(away[p].reshape(np.shape(theta[p]))) for p in theta
    }
    run = train(
        network,
        chosen.with_hyperparameters(**numbers),
        MSE,
        start,
        Task(task.name, _exact(task.x), _exact(task.y)),
        steps=STEPS,
        record=1,
        system=MultiPrecision(DIGITS),
    )
    distances = [_distance(point) for point in run.trajectory]
    return Growth(
        float(distances[-1] / distances[-2]),
        float(distances[-1] / distances[FIRST]) ** (1 / (STEPS - FIRST)),
        _multipliers(float(beta), float(share)),
    )


def _multipliers(beta: float, share: float) -> tuple[complex, ...]:
    """Roots of z² - (1 + β - ηκ)z + β with ηκ = share · 2(1+β); without momentum, 1 - ηκ."""
    product = share * 2 * (1 + beta)
    roots = np.roots([1, product - 1 - beta, beta]).tolist() if beta else [1 - product]
    return tuple(complex(z) for z in roots)


def _exact(values: Any) -> Any:
    found = np.empty(np.shape(values), dtype=object)
    for where, v in np.ndenumerate(values):
        found[where] = exact(v.mid().fmpq())
    return found


def _fractions(values: Any) -> Any:
    found = np.empty(values.shape, dtype=object)
    for where, v in np.ndenumerate(values):
        found[where] = Fraction(float(v))
    return found


def _distance(point: Any) -> Any:
    parts = (point["W1"][0, 0] - point["W1"][0, 1], point["W2"][0, 0] - point["W2"][1, 0])
    return mpmath.sqrt(sum(v * v for v in parts))


def _runs(settings: Settings, contracts: Callable[[Fraction, Fraction], bool]) -> Evidence:
    """Do runs beside critical points contract exactly where a rule says?

    Args:
        settings: the settings.
        contracts: ``(share, β)``, with κ = share · 2(1+β)/η.
    """
    worst = 0.0
    weights = (Fraction(1, 2), Fraction(1), Fraction(2)) if settings.full else (Fraction(1, 2),)
    shares = (Fraction(99, 100), Fraction(101, 100), Fraction(3, 4))
    seen: dict[Fraction, list[float]] = {beta: [] for beta in (Fraction(0), *BETAS)}
    for w in weights:
        for beta in (Fraction(0), *BETAS):
            for share in shares:
                found = growth(beta, share, w)
                scope = f"tanh clones 1-2-1, β = {beta}, κη / (2(1+β)) = {share}"
                if contracts(share, beta) != (found.mean < 1):
                    return refuted(
                        scope,
                        f"the transverse error is multiplied by {found.mean:.6f} a step",
                        counterexample={"κη": str(share * 2 * (1 + beta)), "factor": found.mean},
                        level=Level.OBSERVED,
                    )
                if found.is_real:
                    worst = max(worst, found.error)
                if w == weights[0]:
                    seen[beta].append(found.mean)
    if worst > 1e-8:  # roots of one sign differ enough for 60 steps to leave one of them
        return unknown("tanh clones 1-2-1", f"factors differ by {worst:.1e} from the roots")
    return holds(
        Level.OBSERVED,
        f"tanh clones 1-2-1, critical points with decay: {len(weights)}, {DIGITS} digits",
        f"{STEPS} steps from a transverse error of 1e-60: it shrinks 1 % below the limit and grows "
        "1 % above it, by the factors of the roots",
        figures={"largest relative difference of factors": worst},
        charts=(_chart(tuple(float(share) for share in shares), seen),),
    )


def _chart(shares: tuple[float, ...], seen: Mapping[Fraction, Sequence[float]]) -> Chart:
    """Factors by which errors grew, and the largest moduli of the multipliers."""
    grid = tuple(np.linspace(0.7, 1.05, 71).tolist())
    series = []
    for beta, factors in seen.items():
        moduli = tuple(max(abs(z) for z in _multipliers(float(beta), s)) for s in grid)
        series.append(Series(f"seen, β = {beta}", shares, tuple(factors), "points"))
        series.append(Series("", grid, moduli, "dashed"))
    return Chart(
        "Contraction seen, and by the roots (dashed)",
        "κη / 2(1+β)",
        "factor of a step",
        tuple(series),
    )


def runs(settings: Settings) -> Evidence:
    """Training with the limit 2(1+β)/η."""
    return _runs(settings, lambda share, _: share < 1)


def half_limit(settings: Settings) -> Evidence:
    """The limit 1/η for GD."""
    return _runs(settings, lambda share, beta: share < (1 if beta else Fraction(1, 2)))


def minus_momentum(settings: Settings) -> Evidence:
    """The limit 2(1-β)/η for the heavy ball."""
    return _runs(settings, lambda share, beta: share < (1 - beta) / (1 + beta))


CLAIMS = (
    Claim(
        id="N4c",
        title="contraction of discrete steps",
        statement=(
            "Around a critical point in BC of the loss with decay λ, a small transverse error "
            "along an eigenvalue κ of M + λI contracts under full-batch GD iff κ is in (0, 2/η), "
            "with a heavy ball iff κ is in (0, 2(1+β)/η), with Nesterov's momentum iff κ is in "
            "(0, 2(1+β)/((1+2β)η))."
        ),
        hypotheses=("0 ≤ β < 1, η > 0", "decay is part of the gradient"),
        where="new; goes beyond Definition 2.2",
        expected=Verdict.PROVED,
        checks=(
            Check("Jury's conditions on the update rules, by SymPy", by_jury),
            Check("training beside planted critical points", runs),
        ),
        false_variants=(
            FalseVariant(
                "GD up to 1/η", "between 1/η and 2/η errors alternate in sign", half_limit
            ),
            FalseVariant(
                "heavy ball up to 2(1-β)/η", "momentum widens the interval", minus_momentum
            ),
            FalseVariant(
                "Nesterov up to 2(1+β)/η",
                "the gradient is taken ahead, which costs 1 + 2β",
                nesterov_as_heavy_ball,
            ),
        ),
    ),
)
