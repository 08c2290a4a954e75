"""N12: an exact start on IE∩OE stays, and an error of 10^-p leaves after a time linear in p."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import flint
import numpy as np
from flint import arb, fmpq

from numerics.flow.events import crossing, distance
from numerics.flow.solution import Flow
from numerics.flow.solver import flow
from numerics.losses import MSE
from numerics.systems.ball import Ball
from numerics.tasks import Task
from numerics.transverse.escape import escape_step
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from theory.architecture import Architecture
from theory.manifold import Manifold, equitable
from theory.partition import make_partition
from theory.zoo import mlp

DIGITS = 50
NEARBY = Fraction(1, 10**6)
THRESHOLD = Fraction(1, 10)
TOLERANCE = Fraction(1, 10**9)
STEP_SIZE = Fraction(1, 10)


def _exact(rows: list[list[Any]]) -> Any:
    return np.array([[Fraction(v) for v in row] for row in rows], dtype=object)


def _leaf() -> tuple[Architecture, Manifold, Task, dict[str, Any]]:
    """A tanh network 1-3-3-1 on a leaf of IE∩OE off BC: no two weights of W2 in a row agree."""
    net = mlp([1, 3, 3, 1], "tanh", bias=False)
    manifold = equitable(net, make_partition(net.sizes, {"h1": [[0, 1, 2]], "h2": [[0, 1, 2]]}))
    offset = _exact([[1, -1, 0], [-3, 1, 2], [2, 0, -2]]) / 10
    start = {
        "W1": _exact([["1/2"] * 3]),
        "W2": offset + Fraction(1, 3),
        "W3": _exact([["1/4"]] * 3),
    }
    data = Task("two samples", _exact([[1], ["-1/2"]]), _exact([[1], [0]]))
    return net, manifold, data, start


def _stays(moved: Fraction, time: int, digits: int = DIGITS) -> Evidence:
    """Whether the flow is within 10^(5 - digits) of IE∩OE, from a start with one weight moved."""
    net, manifold, data, start = _leaf()
    start["W2"] = start["W2"].copy()
    start["W2"][0, 0] += moved
    found = flow(net, MSE, data, start, time, digits=digits)
    scope = f"tanh network 1-3-3-1, t = {time}, {digits} digits"
    if not isinstance(found, Flow):
        return unknown(scope, found.message)
    away = distance(manifold, found(time), found.bits)
    detail = f"the distance from IE∩OE is {away.str(5)}"
    if away < arb(10) ** (5 - digits):
        return holds(Level.ENCLOSED, scope, detail)
    if away > arb(10) ** (5 - digits):
        start_at = {p: a.tolist() for p, a in start.items()}
        return refuted(scope, detail, counterexample=_plain(start_at), level=Level.ENCLOSED)
    return unknown(scope, detail)


def _plain(values: Any) -> Any:
    if isinstance(values, Mapping):
        return {key: _plain(value) for key, value in values.items()}
    return [_plain(v) for v in values] if isinstance(values, list) else str(values)


def kept(settings: Settings) -> Evidence:
    """On the leaf, in two precisions."""
    time = 8 if settings.full else 2
    return conjoin(_stays(Fraction(0), time, digits) for digits in (DIGITS // 2, DIGITS))


def neighbour(settings: Settings) -> Evidence:
    """Beside it."""
    return _stays(NEARBY, 8 if settings.full else 2)


def _at_rest(digits: int) -> tuple[Architecture, Manifold, Task, dict[str, Any]]:
    """A tanh network 1-2-1 beside its point of rest 0, its clones 10^-digits off IE∩OE.

    On the data x = 1, y = 1 the Hessian at 0 has the transverse eigenvalue λ = -1.
    """
    net = mlp([1, 2, 1], "tanh", bias=False)
    manifold = equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    small = Fraction(1, 10**digits)
    start = {"W1": _exact([[small, -small]]), "W2": _exact([[small], [-small]])}
    return net, manifold, Task("one sample", _exact([[1]]), _exact([[1]])), start


def _escape_time(digits: int) -> Any:
    """When the clones are THRESHOLD apart."""
    net, manifold, data, start = _at_rest(digits)
    found = flow(net, MSE, data, start, 3 * digits, digits=digits + 12)
    if not isinstance(found, Flow):
        return None
    event = crossing(found, manifold, THRESHOLD, tolerance=TOLERANCE)
    return event and _ball(event.before).union(_ball(event.after))


def _ball(value: Fraction) -> Any:
    return arb(fmpq(value.numerator, value.denominator))


def _slope(settings: Settings, rate: int) -> Evidence:
    """Whether ten more digits of the start postpone the escape by 10 ln(10) / rate."""
    digits = (4, 14, 24, 34) if settings.full else (4, 14)
    scope = f"tanh network 1-2-1, starts 10^-p from 0 for p in {digits}"
    with flint.ctx.workprec(128):
        times = [_escape_time(p) for p in digits]
        if any(t is None for t in times):
            return unknown(scope, "no crossing was enclosed")
        expected = 10 * arb(10).log() / rate
        delays = [b - a for a, b in pairwise(times)]
        errors = [abs(delay - expected) for delay in delays]
        text = ", ".join(delay.str(10) for delay in delays)
    detail = f"escape times differ by {text}; 10 ln(10) / {rate} is {expected.str(10)}"
    chart = _chart("Flow: escape against digits", "time of escape", digits, times, expected / 10)
    # the start 10^-4 itself is nonlinear by its square
    if all(error < 1e-6 for error in errors):
        return holds(Level.ENCLOSED, scope, detail, charts=(chart,))
    if any(error > 1e-6 for error in errors):
        counterexample = {"digits": list(digits), "times": [t.str(15) for t in times]}
        return refuted(scope, detail, counterexample=counterexample, level=Level.ENCLOSED)
    return unknown(scope, detail)


def _chart(
    title: str, y_label: str, digits: Sequence[int], escapes: Sequence[Any], per_digit: Any
) -> Chart:
    """The escapes, and the line of the predicted slope through the first of them."""
    x = tuple(float(p) for p in digits)
    y = tuple(float(e) for e in escapes)
    line = tuple(y[0] + (p - x[0]) * float(per_digit) for p in x)
    predicted = Series("predicted slope", x, line, "dashed")
    return Chart(title, "p of a start 10^-p", y_label, (predicted, Series("seen", x, y, "points")))


def slope(settings: Settings) -> Evidence:
    """ln(10) a digit."""
    return _slope(settings, 1)


def double_slope(settings: Settings) -> Evidence:
    """Half of it."""
    return _slope(settings, 2)


def _steps(settings: Settings, per_digit: Any, name: str) -> Evidence:
    """Whether steps of GD until the escape grow by ``per_digit`` a digit of the start.

    In exact arithmetic a step multiplies the error by 1 + η, so the number of steps is that of a
    straight line, rounded up, but for the square of the start.
    """
    digits = (4, 14, 24, 34) if settings.full else (4, 14)
    scope = f"GD of a tanh network 1-2-1, η = {STEP_SIZE}, starts 10^-p from 0 for p in {digits}"
    steps = []
    for p in digits:
        net, manifold, data, start = _at_rest(p)
        step = escape_step(
            net,
            data,
            start,
            manifold,
            rate=STEP_SIZE,
            threshold=THRESHOLD,
            system=Ball(bits=256 + 64 * p),
            most=50 * p,
        )
        if step is None:
            return unknown(scope, f"no step of escape was enclosed for p = {p}")
        steps.append(step)
    errors = [
        abs(b - a - (q - p) * per_digit)
        for (a, b), (p, q) in zip(pairwise(steps), pairwise(digits), strict=True)
    ]
    detail = f"GD leaves at steps {steps}, {name} a digit is {per_digit.str(6)}"
    figures = {f"step of escape from 10^-{p}": n for p, n in zip(digits, steps, strict=True)}
    chart = _chart("GD: escape against digits", "step of escape", digits, steps, per_digit)
    if all(error < 1.001 for error in errors):
        return holds(Level.ENCLOSED, scope, detail, figures=figures, charts=(chart,))
    if any(error > 1.001 for error in errors):
        counterexample = {"digits": list(digits), "steps": steps}
        return refuted(scope, detail, counterexample=counterexample, level=Level.ENCLOSED)
    return unknown(scope, detail)


def steps(settings: Settings) -> Evidence:
    """ln(10) / ln(1 + η)."""
    return _steps(settings, arb(10).log() / (1 + _ball(STEP_SIZE)).log(), "ln(10) / ln(1 + η|λ|)")


def steps_of_the_flow(settings: Settings) -> Evidence:
    """ln(10) / η, the flow's time divided by the step size."""
    return _steps(settings, arb(10).log() / _ball(STEP_SIZE), "ln(10) / η|λ|")


CLAIMS = (
    Claim(
        id="N12",
        title="escape horizon",
        statement=(
            "Gradient flow from an exact start on a leaf of IE∩OE with unequal weights stays "
            "within $10^{-45}$ of IE∩OE at 50 digits and within $10^{-20}$ at 25. From a "
            "transverse error $10^{-p}$ beside a point of rest with transverse eigenvalue "
            "$\\lambda < 0$ the escape time grows by $\\ln 10 / |\\lambda|$ a digit, up to "
            "$10^{-6}$ over ten digits, and the number of steps of gradient descent by "
            "$\\ln 10 / \\ln(1 + \\eta|\\lambda|)$ a digit, up to one step over ten digits."
        ),
        hypotheses=("the networks, data and starts of the checks",),
        where="new: dynamics at many digits",
        expected=Verdict.PROVED,
        checks=(
            Check("distance on a leaf", kept, "stays"),
            Check("times of escape", slope, "escapes"),
            Check("steps until escape", steps, "steps"),
        ),
        false_variants=(
            FalseVariant("a start beside the leaf", "it is 10^-6 off IE∩OE", neighbour),
            FalseVariant(
                "ln(10) / 2|λ| a digit", "errors grow like e^{|λ|t}, not e^{2|λ|t}", double_slope
            ),
            FalseVariant(
                "steps of GD as time of the flow",
                "a step multiplies errors by 1 + η|λ|, which is less than e^{η|λ|}",
                steps_of_the_flow,
            ),
        ),
        about_numbers=True,
    ),
)
