"""Is a unit frozen, on which inputs, and for how long: proved, refuted, or unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf

import numpy as np

from numerics.bounds import Box, Data, Domain, Propagator
from numerics.frozen.attack import Alive, Attack
from numerics.frozen.certificate import (
    FrozenCertificate,
    Grade,
    NotFrozen,
    Outcome,
    Unit,
    Unknown,
)
from numerics.frozen.persistent import Held
from numerics.frozen.units import checked
from numerics.systems.system import Array
from theory.architecture import Architecture


def frozen_certificate(
    architecture: Architecture,
    parameters: Mapping[str, Array],
    unit: Unit,
    domain: Domain,
    *,
    boxes: int = 64,
    bisections: int = 8,
    seed: int = 0,
) -> Outcome:
    """For how long a ReLU unit is frozen, or an input at which it is not.

    z ≤ 0 is proved by linear bounds with outward rounding, on parts of the box if need be, or
    sample by sample; the two stronger grades by :mod:`numerics.frozen.persistent`.

    Args:
        architecture: a network whose samples are not coupled.
        parameters: its parameters, without leading axes; taken as doubles.
        unit: axis and index, ``("h2", 3)``.
        domain: a :class:`~numerics.bounds.Box` of inputs, or :class:`~numerics.bounds.Data`.
        boxes: into how many parts a box is split at most before the answer is "unknown".
        bisections: of the radius.
        seed: of the search for a counterexample.

    Raises:
        ArchitectureError: if there is no such ReLU unit, or samples are coupled.
        ShapeError: if an array does not fit.
        ValueSystemError: if a parameter is not finite.
        GraphError: if sources and targets of a parameter are ambiguous.

    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], "relu")
    >>> weights = {"W1": np.array([[1.0, 1.0]]), "b1": np.array([-2.0, 0.0])}
    >>> weights |= {"W2": np.ones((2, 1)), "b2": np.zeros(1)}
    >>> found = [frozen_certificate(net, weights, ("h1", v), Box(0.0, 1.0)) for v in (0, 1)]
    >>> found[0].grade, found[0].bound, found[1].counterexample, found[1].exact
    ('persistent', -1.0, array([1.]), Fraction(1, 1))
    """
    held = Held(architecture, domain)
    held.units.check(*unit)
    parameters = checked(architecture, parameters)
    if (persistent := _persistent(held, parameters, unit, str(domain))) is not None:
        return persistent
    attack = Attack(held.units, parameters, *unit, seed)
    if isinstance(domain, Data):
        found = _on_data(attack, domain, held, parameters, unit)
    else:
        found = _on_box(attack, domain, parameters, unit, boxes)
    if not isinstance(found, float):
        return found
    by = "at every sample" if isinstance(domain, Data) else "by linear bounds"
    why = f"z ≤ {found:.3g} {by}"
    radius = held.radius(parameters, unit, bisections)
    grade: Grade = "radius" if radius > 0 else "domain"
    if radius > 0:
        why += "; within the radius its own parameters have no gradient"
    return FrozenCertificate(unit, grade, str(domain), found, radius, why)


def _persistent(
    held: Held, parameters: Mapping[str, Array], unit: Unit, domain: str
) -> FrozenCertificate | None:
    bound = held.alone(parameters, unit)
    others: tuple[Unit, ...] = ()
    if bound is None:
        together = held.largest_set(parameters, inf)
        if unit not in together:
            return None
        bound, others = together[unit], tuple(one for one in together if one != unit)
    but = f"but those of {len(others)} units frozen for ever with it " if others else ""
    why = (
        f"z ≤ {bound:.3g} whatever values the other parameters {but}take; its own have no gradient"
    )
    return FrozenCertificate(unit, "persistent", domain, bound, inf, why, others)


def _on_data(
    attack: Attack, data: Data, held: Held, parameters: Mapping[str, Array], unit: Unit
) -> float | NotFrozen | Unknown:
    """The bound of z on samples: in intervals, exactly where these leave the sign open."""
    graph = held.architecture.graph(data.num_samples)
    values = Propagator(graph, "interval")({**parameters, "x": held.x})
    ends = [
        np.take(values[k], unit[1], axis=p).reshape(data.num_samples, -1)
        for k, p in held.units.pre_activations(graph, unit[0])
    ]
    high = np.max([e["high"].max(axis=1) for e in ends], axis=0)
    low = np.max([e["low"].max(axis=1) for e in ends], axis=0)
    x = np.asarray(data.x, float)
    sample = int(low.argmax())
    if low[sample] > 0 and (alive := attack.prove_alive(x[sample])) is not None:
        return _alive(unit, str(data), alive, sample)
    bound = 0.0
    for open_sample in np.flatnonzero(~(high <= 0)).tolist():
        value = attack.exact_value(x[open_sample])
        if value is None:
            largest, why = float(low.max()), "the sign of z at a sample is within rounding"
            return Unknown(unit, str(data), float(high.max()), largest, why)
        if value > 0:
            return _alive(unit, str(data), Alive(x[open_sample], 0.0, value), open_sample)
    decided = high[high <= 0]
    return bound if len(decided) < len(high) else float(decided.max())


@dataclass(frozen=True, order=True)
class _Part:
    """A part of the box; the one with the largest bound comes first."""

    priority: float
    number: int
    box: Box


def _on_box(
    attack: Attack, box: Box, parameters: Mapping[str, Array], unit: Unit, boxes: int
) -> float | NotFrozen | Unknown:
    """The bound of z on a box, split where its bound is largest."""
    units = attack.units
    shape = units.architecture.input_shape
    graph = units.architecture.graph()
    nodes = units.pre_activations(graph, unit[0])
    run = Propagator(graph, targets=())

    def bounded(part: Box, number: int) -> _Part:
        values = run({**parameters, "x": part.values(shape)})
        high = max(float(np.take(values[k]["high"], unit[1], axis=p).max()) for k, p in nodes)
        return _Part(-high, number, part)

    best = attack.ascend(box)
    queue = [bounded(box, 0)]
    bound, examined = -inf, 1
    while queue:
        part = heappop(queue)
        if -part.priority <= 0:
            bound = max(bound, -part.priority)
            continue
        candidate = best if examined == 1 else attack.ascend(part.box)
        if attack.largest(candidate) > attack.largest(best):
            best = candidate
        if (alive := attack.prove_alive(candidate)) is not None:
            return _alive(unit, str(box), alive, None)
        halves = _halves(part.box, attack, shape) if examined + 2 <= boxes else None
        if halves is None:
            why = f"{examined} parts of the box did not decide it"
            return Unknown(unit, str(box), -part.priority, attack.largest(best), why)
        for half in halves:
            heappush(queue, bounded(half, examined))
            examined += 1
    return bound


def _halves(box: Box, attack: Attack, shape: tuple[int, ...]) -> tuple[Box, Box] | None:
    """The box cut across the entry on which z depends most; ``None`` if it is too thin."""
    ends = box.values(shape)[0]
    low, high = ends["low"], ends["high"]
    middle = low + (high - low) / 2
    weight = (high - low) * (np.abs(attack.slope(middle)) + 1e-3)
    where = np.unravel_index(int(weight.argmax()), shape)
    if not low[where] < middle[where] < high[where]:
        return None
    lower, upper = high.copy(), low.copy()
    lower[where] = upper[where] = middle[where]
    return Box(low, lower), Box(upper, high)


def _alive(unit: Unit, domain: str, alive: Alive, sample: int | None) -> NotFrozen:
    return NotFrozen(unit, domain, alive.x, sample, alive.low, alive.exact)
