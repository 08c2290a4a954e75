"""N12.rounding: GD in p digits leaves an unstable leaf after a number of steps linear in p."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import log, sqrt
from typing import Any

import numpy as np

from numerics.systems.float64 import Float64
from numerics.systems.multiprecision import MultiPrecision
from numerics.systems.system import NumberSystem
from numerics.tasks import Task
from numerics.transverse.escape import escape_step, resting_task, transverse_eigenvalues
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted, unknown
from theory.architecture import Architecture
from theory.manifold import Manifold, equitable
from theory.partition import make_partition
from theory.widening import widen
from theory.zoo import mlp

STEP_SIZE = Fraction(1, 2)
THRESHOLD = Fraction(1, 100)
MOVED = Fraction(1, 64)  # of the output biases, so that training moves
FLOAT64 = 53 * log(2) / log(10)  # digits


def _over(denominator: int, rows: list[list[int]] | list[int]) -> Any:
    return np.array(rows, dtype=object) * Fraction(1, denominator)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A tanh network 2-3-3-3 cloned from 2-1-1-3, with generic offsets in the middle.

    Blocks of three and offsets without symmetry: sums of equal numbers in the same order would
    hide the rounding. The targets are those at which the base network is at rest.

    Attributes:
        architecture: the cloned network.
        manifold: its IE∩OE.
        data: eight samples.
        at_rest: a point of IE∩OE without gradient.
        moved: the same with other output biases; training comes back close to rest.
    """

    architecture: Architecture
    manifold: Manifold
    data: Task
    at_rest: dict[str, Any]
    moved: dict[str, Any]


@cache
def leaf() -> Leaf:
    """The network, start and data of this claim."""
    base, wide = mlp([2, 1, 1, 3], "tanh"), mlp([2, 3, 3, 3], "tanh")
    partition = make_partition(wide.sizes, {"h1": [[0, 1, 2]], "h2": [[0, 1, 2]]})
    theta = {
        "W1": _over(4, [[0], [2]]),
        "b1": _over(4, [-1]),
        "W2": _over(4, [[-6]]),
        "b2": _over(4, [1]),
        "W3": _over(4, [[-6, -3, 4]]),
        "b3": _over(4, [0, 1, 6]),
    }
    x = [[-4, 5], [3, -2], [-3, -3], [-1, 2], [-1, -5], [6, -1], [5, -4], [-3, 4]]
    errors = [
        *([-1, 2, 0], [0, -2, 0], [-1, 0, 2], [-2, 2, -1]),
        *([0, 0, 0], [2, 2, 2], [0, 1, 2], [2, 2, -2]),
    ]
    data = resting_task(base, theta, _over(2, x), _over(2, errors), bits=400)
    at_rest = widen(wide, partition, theta)
    at_rest["W2"] = at_rest["W2"] + _over(18, [[-18, 18, 0], [21, 3, -24], [-3, -21, 24]])
    moved = {**at_rest, "b3": at_rest["b3"] + MOVED}
    return Leaf(wide, equitable(wide, partition), data, at_rest, moved)


def growth() -> float:
    """|λ| of the most negative transverse eigenvalue at rest."""
    here = leaf()
    found = transverse_eigenvalues(here.architecture, here.data, here.at_rest, here.manifold)
    return -float(found[0])


def steps_until_escape(start: dict[str, Any], system: NumberSystem, most: int) -> int | None:
    """Steps of GD in a number system until the distance from IE∩OE exceeds the threshold."""
    here = leaf()
    return escape_step(
        here.architecture,
        here.data,
        start,
        here.manifold,
        rate=STEP_SIZE,
        threshold=THRESHOLD,
        system=system,
        most=most,
    )


@dataclass(frozen=True, slots=True)
class Line:
    """Least squares: steps = slope · digits + constant.

    Attributes:
        slope: in steps a digit.
        constant: in steps.
        slope_error: standard error of the slope.
        deviation: standard deviation of a point from the line.
    """

    slope: float
    constant: float
    slope_error: float
    deviation: float


def fitted(digits: tuple[int, ...], steps: list[int]) -> Line:
    """The line through at least three points.

    >>> round(fitted((8, 16, 24), [100, 200, 300]).slope, 9)
    12.5
    """
    p = np.array(digits, dtype=float)
    (slope, constant), residual = np.polyfit(p, steps, 1), 0.0
    residual = float(np.square(steps - slope * p - constant).sum())
    deviation = sqrt(residual / (len(p) - 2))
    spread = sqrt(float(np.square(p - p.mean()).sum()))
    return Line(float(slope), float(constant), deviation / spread, deviation)


@cache
def _runs(is_full: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    digits = tuple(range(8, 73 if is_full else 41, 4))
    found = [steps_until_escape(leaf().moved, MultiPrecision(p), 100 * p) for p in digits]
    return digits, tuple(-1 if n is None else n for n in found)


def _slope(settings: Settings, per_digit: float) -> Evidence:
    digits, steps = _runs(settings.full)
    scope = f"tanh network 2-3-3-3 cloned from 2-1-1-3, η = {STEP_SIZE}, p = {digits}"
    if -1 in steps:
        return unknown(scope, "GD did not leave in one of the precisions")
    line = fitted(digits, list(steps))
    detail = (
        f"the distance exceeds {THRESHOLD} at steps {list(steps)}: a line of slope "
        f"{line.slope:.2f} ± {line.slope_error:.2f} a digit, against {per_digit:.2f}"
    )
    figures = {"slope": line.slope, "standard error": line.slope_error, "predicted": per_digit}
    if abs(line.slope - per_digit) <= 3 * line.slope_error:
        return holds(Level.OBSERVED, scope, detail, figures=figures)
    counterexample = {"digits": list(digits), "steps": list(steps)}
    return refuted(
        scope, detail, counterexample=counterexample, level=Level.OBSERVED, figures=figures
    )


def slope(settings: Settings) -> Evidence:
    """ln(10) / ln(1 + η|λ|), and float64 leaves where the line says that 53 binary digits do."""
    found = _slope(settings, log(10) / log(1 + float(STEP_SIZE) * growth()))
    if not found.holds:
        return found
    digits, steps = _runs(settings.full)
    line = fitted(digits, list(steps))
    step = steps_until_escape(leaf().moved, Float64(), 3000)
    expected = line.slope * FLOAT64 + line.constant
    detail = f"{found.detail}; float64 leaves at step {step}, the line has {expected:.0f}"
    # a point beside the line, and rounding that is ten times as large or small in other sums
    if step is None or abs(step - expected) > 3 * line.deviation + line.slope:
        return unknown(found.scope, detail)
    chart = Chart(
        "GD in rounded arithmetic: escape against precision",
        "decimal digits of the arithmetic",
        "step of escape",
        (
            Series(
                "fitted line",
                (digits[0], digits[-1]),
                tuple(line.slope * d + line.constant for d in (digits[0], digits[-1])),
                "dashed",
            ),
            Series("multiprecision", tuple(digits), tuple(float(s) for s in steps), "points"),
            Series("float64", (FLOAT64,), (float(step),), "points"),
        ),
    )
    return holds(Level.OBSERVED, found.scope, detail, figures=found.figures, charts=(chart,))


def slope_of_the_flow(settings: Settings) -> Evidence:
    """ln(10) / η|λ|."""
    return _slope(settings, log(10) / (float(STEP_SIZE) * growth()))


def no_slope(_: Settings) -> Evidence:
    """The number of digits does not matter."""
    steps = {p: steps_until_escape(leaf().moved, MultiPrecision(p), 100 * p) for p in (8, 16)}
    detail = f"GD leaves at step {steps[8]} in 8 digits and {steps[16]} in 16"
    if None in steps.values() or steps[8] == steps[16]:
        return unknown("two precisions", detail)
    counterexample = {f"{p} digits": n for p, n in steps.items()}
    return refuted("two precisions", detail, counterexample=counterexample, level=Level.OBSERVED)


CLAIMS = (
    Claim(
        id="N12.rounding",
        title="float64's escape is rounding",
        statement=(
            "Gradient descent in $p$ digits, started on a leaf of IE∩OE from where it moves to an "
            "unstable point of rest, leaves after a number of steps that grows by "
            "$\\ln 10 / \\ln(1 + \\eta|\\lambda_{min}|)$ a digit, and float64 leaves where "
            "$53 \\log_{10} 2$ digits do: rounding is the error that grows."
        ),
        hypotheses=(
            "the network, start and data of the checks",
            "training moves at first: from a point of rest, steps below half a unit in the last "
            "place are lost, and the escape comes late or never",
        ),
        where="new: dynamics in float64; an observation, rounding errors are not modelled",
        expected=Verdict.UNKNOWN,
        checks=(Check("steps against digits", slope),),
        false_variants=(
            FalseVariant(
                "ln(10) / η|λ| a digit", "a step multiplies errors by 1 + η|λ|", slope_of_the_flow
            ),
            FalseVariant(
                "the same step in every precision", "a smaller error needs longer", no_slope
            ),
        ),
    ),
)
