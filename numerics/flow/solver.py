"""Gradient flow by a Taylor method with an enclosure of everything that is neglected.

A step from a centre c with a ball of radius d around it, in which the solution is:

1. The solution from c is expanded in balls (:mod:`numerics.flow.series`), the remainder is bounded
   (:mod:`numerics.flow.remainder`): its existence is part of the theorem.
2. The step is as long as the remainder permits.
3. A tube around the polynomial gives μ (:mod:`numerics.flow.separation`). The solution stays in
   it: as long as it does, its distance from that of c is at most e^{μt} d, less than the tube is
   wide, so there is no first time at which it leaves.
4. The next centre is the middle of the end, and its ball has the radius e^{μh} d plus the
   remainder and the radii of the coefficients.

The result is proved, whatever step, order and precision are chosen; these choices decide only how
small the balls are. Balls that are too large are computed again with more digits.

Source: Taylor methods with a posteriori enclosures, N. S. Nedialkov, K. R. Jackson and
G. F. Corliss, Validated solutions of initial value problems for ordinary differential equations,
Applied Mathematics and Computation 105 (1999), 21-68.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, exp, floor, isfinite, log, log2
from typing import Any

import flint
import numpy as np
from flint import arb

from numerics.flow.field import DATA, TARGET, Adjoint, field
from numerics.flow.polynomial import NotSmoothError, polynomial_system
from numerics.flow.remainder import Weights
from numerics.flow.separation import Separation
from numerics.flow.series import Series
from numerics.flow.solution import Flow, FlowFailure, FlowStep, polynomial
from numerics.losses import Loss
from numerics.systems.ball import Ball
from numerics.systems.objects import exact
from numerics.systems.system import Array
from numerics.tasks import Task
from theory.architecture import Architecture
from theory.errors import ShapeError, ValueSystemError

GUARD = 4  # digits beyond those asked for
MOST_GUARD = 2000
HALVINGS = 12
SHORTEST = Fraction(1, 2**40)  # of a step, as a part of the whole time


def flow(
    architecture: Architecture,
    loss: Loss | Adjoint,
    data: Task,
    start: Mapping[str, Any],
    t: Any,
    *,
    digits: int = 50,
    max_steps: int = 10_000,
) -> Flow | FlowFailure:
    """The solution of θ' = -∇L(θ), θ(0) = ``start``, enclosed on [0, t].

    Args:
        architecture: with smooth function symbols.
        loss: a loss, or its adjoint as NumPy code.
        data: samples; floats count as the rational numbers they are, strings as what they spell.
        start: every parameter, exact numbers or balls.
        t: a positive exact number.
        digits: the balls have radii up to 10^-digits.
        max_steps: steps after which to give up.

    Raises:
        ValueSystemError: if ``digits`` or ``t`` is not positive, or a number not finite.
        ShapeError: if a parameter or the data do not fit the architecture.

    >>> from numerics.losses import MSE
    >>> from theory.zoo import mlp
    >>> one = Task("one", np.array([[1.0]]), np.array([[0.0]]))
    >>> line = mlp([1, 1], bias=False)  # w' = -w
    >>> decayed = flow(line, MSE, one, {"W1": [[1]]}, 1, digits=30)
    >>> print(decayed(1)["W1"][0, 0].str(25, radius=False))
    0.3678794411714423215955238
    """
    time = exact(t)
    if digits < 1 or time <= 0:
        raise ValueSystemError(f"digits={digits}, t={time}: both are positive")
    try:
        integrator = _Integrator(architecture, loss, data, time, digits, max_steps)
    except NotSmoothError as error:
        return FlowFailure("not smooth", str(error))
    guard = GUARD
    while True:
        found = integrator.run(start, digits + guard)
        if not isinstance(found, _Loss):
            return found
        guard += found.digits
        if guard > MOST_GUARD:
            message = f"the balls grow by more than {MOST_GUARD} digits"
            return FlowFailure("enclosure blow-up", message, found.time)


@dataclass(frozen=True)
class _Loss:
    """How many digits were missing, and since when."""

    digits: int
    time: Fraction


class _Integrator:
    def __init__(
        self,
        architecture: Architecture,
        loss: Loss | Adjoint,
        data: Task,
        end: Fraction,
        digits: int,
        max_steps: int,
    ) -> None:
        self.shapes = architecture.parameter_shapes
        self.data, self.end = data, end
        self.digits, self.max_steps = digits, max_steps
        self.field = field(architecture, loss, len(data.x))
        self.system = polynomial_system(self.field)
        self.separation = Separation(self.field, self.shapes, self._numbers(Ball(bits=64)))

    def _numbers(self, ball: Ball) -> dict[str, Array]:
        return {DATA: ball.array(self.data.x), TARGET: ball.array(self.data.y)}

    def _start(self, start: Mapping[str, Any], ball: Ball) -> dict[str, Array]:
        found: dict[str, Array] = {}
        for p, shape in self.shapes.items():
            if p not in start:
                raise ShapeError(f"start: {p!r} is missing, an array of shape {shape}")
            found[p] = ball.array(start[p])
            if found[p].shape != shape:
                raise ShapeError(f"start[{p!r}] has shape {found[p].shape}, expected {shape}")
        return found

    def run(self, start: Mapping[str, Any], accuracy: int) -> Flow | FlowFailure | _Loss:
        """The flow with remainders of 10^-accuracy a step."""
        order = max(8, ceil(1.15 * accuracy))
        ball = Ball(bits=ceil(3.33 * accuracy) + 24)
        data = self._numbers(ball)
        series = Series(self.system, ball, data)
        most = arb(10) ** -self.digits
        steps: list[FlowStep] = []
        time, unit = Fraction(0), None
        values = self._start(start, ball)
        with flint.ctx.workprec(ball.bits):
            centre, distance = _centred(values)
            while time < self.end:
                if len(steps) == self.max_steps:
                    return FlowFailure("too many steps", f"{self.max_steps} steps", time)
                initial = series.initial(centre, data)
                if not all(x.is_finite() for a in initial.values() for x in a.ravel()):
                    return FlowFailure("undefined", f"the field is undefined at t={time}", time)
                weights, radius = _expanded(series, initial, order, unit)
                made = self._step(weights, radius, centre, distance, time, accuracy)
                if isinstance(made, FlowFailure):
                    return made
                steps.append(made)
                time += made.length
                unit = _power_of_two(radius * float(weights.expansion.unit))
                apart = made.apart(time)
                centre, local = _centred(made.from_centre(time))
                distance = (apart + local).upper()
                if not distance <= most:
                    return self._lacking(distance, time)
        return Flow(tuple(steps), self.digits, ball.bits)

    def _lacking(self, distance: Any, time: Fraction) -> FlowFailure | _Loss:
        if not distance.is_finite():
            return FlowFailure("enclosure blow-up", f"the balls are unbounded at t={time}", time)
        lost = float((distance.log() / arb(10).log()).upper()) + self.digits
        return _Loss(ceil(lost * float(self.end / time)) + 2, time)

    def _step(
        self,
        weights: Weights,
        radius: float,
        centre: Mapping[str, Array],
        distance: Any,
        time: Fraction,
        accuracy: int,
    ) -> FlowStep | FlowFailure:
        remainder = next(
            (r for k in range(HALVINGS) if (r := weights.remainder(radius / 2 ** (k + 1)))), None
        )
        if remainder is None:
            return FlowFailure("step underflow", f"no remainder is bounded at t={time}", time)
        unit = weights.expansion.unit
        largest = max(float(remainder.bounds[p].max()) for p in self.shapes)
        shrunk = exp(-(accuracy * log(10) + log(largest)) / remainder.order)
        tau = remainder.radius * min(shrunk, 0.9)
        length = min(_rounded_down(tau) * unit, self.end - time)
        coefficients = {p: weights.expansion.unknowns[p] for p in self.shapes}
        for _ in range(HALVINGS):
            if length < SHORTEST * self.end:
                break
            rate = self._rate(coefficients, remainder.bounds, length / unit, distance, length)
            if rate.is_finite():
                return FlowStep(time, length, unit, coefficients, remainder, rate, distance)
            length /= 2
        else:
            message = f"the balls are too large for a bound of their growth at t={time}"
            return FlowFailure("enclosure blow-up", message, time)
        return FlowFailure("step underflow", f"a step of {float(length):.1e} at t={time}", time)

    def _rate(
        self,
        coefficients: Mapping[str, Array],
        bounds: Mapping[str, Array],
        tau: Fraction,
        distance: Any,
        length: Fraction,
    ) -> Any:
        """μ over a tube around the solution from the centre that is wide enough to be one."""
        with flint.ctx.workprec(64):
            whole = arb(float(tau) / 2, float(tau) / 2 * (1 + 1e-9))
            middle = {
                p: polynomial(a, whole) + _around(bounds[p] + np.zeros(a.shape[1:]))
                for p, a in coefficients.items()
            }
            width = 2 * distance
            for _ in range(4):
                box = {p: np.asarray(a + arb(0, width)) for p, a in middle.items()}
                rate = self.separation(box)
                grown = (_positive(rate) * arb(float(length) * (1 + 1e-9))).exp() * distance
                if grown < width or (distance == 0 and rate.is_finite()):
                    return rate
                if not grown.is_finite():
                    break
                width = (2 * grown).upper()
            return arb("inf")


def _expanded(
    series: Series, initial: Mapping[str, Array], order: int, unit: Fraction | None
) -> tuple[Weights, float]:
    """An expansion whose coefficients are near 1 in its unit, and its radius of convergence.

    The radius is an estimate, on which no enclosure depends.
    """
    if unit is None:
        first = Weights(series, series.expand(initial, 8, Fraction(1)))
        unit = _power_of_two(_convergence(first))
    while True:
        weights = Weights(series, series.expand(initial, order, unit))
        radius = _convergence(weights)
        if order * abs(log2(radius)) < 600:
            return weights, radius
        unit = _power_of_two(radius * float(unit))


def _convergence(weights: Weights) -> float:
    order = weights.expansion.order
    estimates = [64.0]
    for a in weights.expansion.unknowns.values():
        for k in (order - 1, order):
            largest = max((float(x.abs_upper()) for x in a[k].ravel()), default=0.0)
            if isfinite(largest) and largest > 0:
                estimates.append(largest ** (-1 / k))
    return min(estimates)


def _power_of_two(x: float) -> Fraction:
    return Fraction(2) ** round(log2(x))


def _rounded_down(x: float) -> Fraction:
    """A number with few binary digits, so that sums of steps stay short."""
    if x == 0:
        return Fraction(0)
    scale = Fraction(2) ** (floor(log2(x)) - 20)
    return floor(Fraction(x) / scale) * scale


def _centred(values: Mapping[str, Array]) -> tuple[dict[str, Array], Any]:
    """The midpoints, and an upper bound of the Euclidean distance from them."""
    squares = sum((x.rad() * x.rad() for a in values.values() for x in a.ravel()), arb(0))
    middle = {p: np.asarray(_middles(a)).reshape(a.shape) for p, a in values.items()}
    return middle, squares.sqrt().upper()


def _around(bounds: Array) -> Array:
    return np.asarray(_symmetric(bounds))


def _positive(x: Any) -> Any:
    return x if x > 0 else arb(0)


_middles = np.frompyfunc(lambda x: x.mid(), 1, 1)
_symmetric = np.frompyfunc(lambda x: arb(0, x), 1, 1)
