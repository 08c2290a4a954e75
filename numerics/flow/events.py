"""How far an enclosed flow is from a manifold, and when that distance crosses a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from flint import arb, fmpq

from numerics.flow.solution import Flow
from numerics.systems.objects import exact
from numerics.systems.system import Array
from theory.errors import ValueSystemError
from theory.manifold.base import Manifold


def distance(manifold: Manifold, theta: Mapping[str, Array], bits: int) -> Any:
    """A ball that contains the Euclidean distances of all points in ``theta`` from the manifold.

    The distance from a set is Lipschitz with constant 1, so it is that of the midpoints, which is
    computed from rational numbers, up to the Euclidean norm of the radii.

    >>> from theory.manifold import zero
    >>> from theory.zoo import mlp
    >>> origin = zero(mlp([1, 1], bias=False), {"x": [0]})
    >>> distance(origin, {"W1": np.array([[arb(-3, 0.25)]])}, bits=53).contains(3.25)
    True
    """
    with flint.ctx.workprec(bits):
        entries = [x for a in theta.values() for x in a.ravel()]
        if not all(x.is_finite() for x in entries):
            return arb("nan")
        square = Fraction(manifold.squared_distance({p: _rational(a) for p, a in theta.items()}))
        radius = sum((x.rad() * x.rad() for x in entries), arb(0)).sqrt()
        found = arb(fmpq(square.numerator, square.denominator)).sqrt() + arb(0, radius.upper())
        return found if found > 0 else arb(0).union(found.upper())


def _rational(a: Array) -> Array:
    return np.asarray(_midpoints(a)).reshape(a.shape)


_midpoints = np.frompyfunc(lambda x: exact(x.mid().fmpq()), 1, 1)


@dataclass(frozen=True, slots=True)
class Crossing:
    """The distance is on one side of the threshold at ``before`` and on the other at ``after``.

    Attributes:
        before: a time.
        after: a later one; between them there is a crossing, perhaps not the first.
        upwards: whether the distance grows beyond the threshold.
    """

    before: Fraction
    after: Fraction
    upwards: bool


def crossing(
    flow: Flow, manifold: Manifold, threshold: Any, *, tolerance: Any = Fraction(1, 10**6)
) -> Crossing | None:
    """A time at which the distance from the manifold crosses a threshold, enclosed.

    The ends of the flow's steps are compared in order, and the first change of side is bisected
    until the interval is no longer than the tolerance, or a side is undecided. ``None`` says that
    no such change was seen, not that there is none.

    Raises:
        ValueSystemError: if the threshold or the tolerance is not positive.

    >>> from numerics.flow.solver import flow
    >>> from numerics.losses import MSE
    >>> from numerics.tasks import Task
    >>> from theory.manifold import zero
    >>> from theory.zoo import mlp
    >>> line = mlp([1, 1], bias=False)  # w' = -w
    >>> data = Task("one", np.array([[1.0]]), np.array([[0.0]]))
    >>> decay = flow(line, MSE, data, {"W1": [[1]]}, 1, digits=20)
    >>> found = crossing(decay, zero(line, {"x": [0]}), 0.5)  # at ln 2
    >>> round(float(found.before), 5), found.upwards
    (0.69315, False)
    """
    level, width = exact(threshold), exact(tolerance)
    if level <= 0 or width <= 0:
        raise ValueSystemError(f"threshold={level}, tolerance={width}: both are positive")

    def side(t: Fraction) -> int:
        found = distance(manifold, flow(t), flow.bits)
        ball = arb(fmpq(level.numerator, level.denominator))
        return 1 if found > ball else -1 if found < ball else 0

    before, first = Fraction(0), side(Fraction(0))
    for step in flow.steps:
        after = step.start + step.length
        last = side(after)
        if first * last < 0:
            break
        if last:
            before, first = after, last
    else:
        return None
    while after - before > width:
        middle = (before + after) / 2
        found = side(middle)
        if found == 0:
            break
        before, after = (middle, after) if found == first else (before, middle)
    return Crossing(before, after, upwards=first < 0)
