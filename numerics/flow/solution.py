"""Enclosures of a gradient flow, at every time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import flint
import numpy as np
from flint import arb, fmpq

from numerics.flow.remainder import Remainder
from numerics.systems.objects import exact
from numerics.systems.system import Array
from theory.errors import ValueSystemError

Reason = Literal["not smooth", "undefined", "step underflow", "too many steps", "enclosure blow-up"]


@dataclass(frozen=True)
class FlowFailure:
    """Why there is no enclosure.

    Attributes:
        reason: what stopped the integration.
        message: the same in a sentence.
        time: until when there was a solution.
    """

    reason: Reason
    message: str
    time: Fraction = Fraction(0)


@dataclass(frozen=True)
class FlowStep:
    """Enclosures of the flow over one step.

    The solution from the centre is Σ_{k≤N} coefficients[k] τ^k, τ = (t - start) / unit, up to the
    remainder; every solution within ``distance`` of the centre is at most e^{μ(t - start)} times
    as far from it at t.

    Attributes:
        start: time at which the step starts.
        length: of the step.
        unit: of time.
        coefficients: ``(N + 1, *shape)`` for every parameter.
        remainder: of the Taylor polynomial.
        rate: μ.
        distance: Euclidean, of the solution from the centre at the start.
    """

    start: Fraction
    length: Fraction
    unit: Fraction
    coefficients: Mapping[str, Array]
    remainder: Remainder
    rate: Any
    distance: Any

    def from_centre(self, t: Fraction) -> dict[str, Array]:
        """Enclosures at time t of the solution that starts at the centre, in FLINT's precision."""
        tau = _ball((t - self.start) / self.unit)
        shrunk = (tau / arb(self.remainder.radius)) ** self.remainder.order
        found: dict[str, Array] = {}
        for p, series in self.coefficients.items():
            rest = _balls(self.remainder.bounds[p] + np.zeros(series.shape[1:]))
            found[p] = np.asarray(polynomial(series, tau) + _symmetric(rest * shrunk), dtype=object)
        return found

    def apart(self, t: Fraction) -> Any:
        """An upper bound of the distance of the solution from that of the centre at time t."""
        return ((self.rate * _ball(t - self.start)).exp() * self.distance).upper()


@dataclass(frozen=True)
class Flow:
    """The solution of θ' = -∇L(θ) from the given start, enclosed on [0, end].

    Attributes:
        steps: one after another.
        digits: no ball at the end of a step has a radius above 10^-digits.
        bits: working precision.
    """

    steps: tuple[FlowStep, ...]
    digits: int
    bits: int

    @property
    def end(self) -> Fraction:
        """The last time."""
        last = self.steps[-1]
        return last.start + last.length

    def __call__(self, t: Any) -> dict[str, Array]:
        """Balls that contain the solution at an exact time: a float is the rational number it is.

        Raises:
            ValueSystemError: if the time is not in [0, end].
        """
        time = exact(t)
        step = self.step_at(time)
        with flint.ctx.workprec(self.bits):
            around = arb(0, step.apart(time))
            return {p: np.asarray(a + around) for p, a in step.from_centre(time).items()}

    def step_at(self, time: Fraction) -> FlowStep:
        """The step that covers a time.

        Raises:
            ValueSystemError: if there is none.
        """
        for step in self.steps:
            if step.start <= time <= step.start + step.length:
                return step
        raise ValueSystemError(f"t={time}: the flow is known for 0 <= t <= {self.end}")


def polynomial(coefficients: Array, tau: Any) -> Array:
    """Σ_k coefficients[k] τ^k, by Horner's rule."""
    value = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = value * tau + c
    return np.asarray(value)


def _ball(value: Fraction) -> Any:
    return arb(fmpq(value.numerator, value.denominator))


_symmetric = np.frompyfunc(lambda x: arb(0, x.abs_upper()), 1, 1)
_balls = np.frompyfunc(arb, 1, 1)
