"""Units that no training of the other parameters revives.

Let F be the incoming parameters of a set of units. Evaluate the *gradient* graph in intervals: F as
it is, every other parameter in a box around its value, the inputs in their domain, the output
adjoint in [-1, 1]. The gradient is linear in the adjoint, so if the enclosure of ∂ℓ/∂F is {0}, F
has no gradient for every loss, all labels and all such parameters, and ``{F = const}`` is invariant
as long as the others stay in the box; if the box is all of ℝ, for ever. In exact arithmetic 0 times
anything is 0, and intervals keep that: a unit with z ≤ 0 contributes no gradient.

With unbounded boxes the pre-activation ``z = b + Σ w h`` is bounded by the ranges of its sources
alone, so the certificates of the theory are cases of this one: a first layer on a domain; sources
in [-1, 1] (tanh) with ``b + Σ|w| ≤ 0``; sources ≥ 0 with w ≤ 0, b ≤ 0; sources ≥ -m (GELU, SiLU,
ELU) with w ≤ 0 and ``b + m Σ|w| ≤ 0``; and sources that are themselves frozen for ever.

What moves F without a gradient is not covered: momentum left over from before, noise, weight decay.
Decay of all of F at one rate multiplies z by a positive factor where z is linear in F; decay of the
weights alone does no harm if b ≤ 0, since then ``b + c Σ w h = (1 - c) b + c z ≤ 0`` for c in
[0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import inf, sqrt
from typing import Any

import numpy as np

from numerics.bounds import Box, Domain, Propagator, hull
from numerics.bounds.interval import down, up
from numerics.frozen.certificate import Unit
from numerics.frozen.units import Masks, ReluUnits, checked
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import ArchitectureError
from theory.graph import Graph

LARGEST, FIRST, SMALLEST = 2.0**20, 2.0**-7, 2.0**-40  # radii that are tried
Units = dict[str, set[int]]


def persistent_units(
    architecture: Architecture, parameters: Mapping[str, Array], domain: Domain
) -> dict[Unit, float]:
    """Units that are frozen for ever on a domain, each with a bound of its pre-activation.

    Found as the largest set that passes together: units that fail are taken out until none does.

    Args:
        architecture: a network with ReLU units, of any kind; samples must not be coupled.
        parameters: its parameters, without leading axes; taken as doubles.
        domain: the inputs that training meets.

    Raises:
        ArchitectureError: if samples are coupled.
        ShapeError: if an array does not fit.
        ValueSystemError: if a parameter is not finite.
        GraphError: if sources and targets of a parameter are ambiguous.

    >>> from numerics.bounds import Box
    >>> from theory.zoo import mlp
    >>> net = mlp([2, 2, 1], "relu", bias=False)
    >>> weights = {"W1": np.array([[1.0, -1.0], [0.0, -1.0]]), "W2": np.ones((2, 1))}
    >>> persistent_units(net, weights, Box(0.0, 1.0))
    {('h1', 1): 0.0}
    """
    held = Held(architecture, domain)
    return held.largest_set(checked(architecture, parameters), inf)


def held_radius(
    architecture: Architecture,
    parameters: Mapping[str, Array],
    unit: Unit,
    domain: Domain,
    *,
    bisections: int = 8,
) -> float:
    """A radius r: the unit is frozen for all other parameters within r of theirs, entry by entry.

    Infinite for a unit that is persistent on its own, 0 if no positive radius was proved. The
    largest r that is found by bisection; a larger one may exist, since bounds are not sharp.

    Raises:
        ArchitectureError: if samples are coupled, or there is no such unit.
        ShapeError: if an array does not fit.
        ValueSystemError: if a parameter is not finite.
        GraphError: if sources and targets of a parameter are ambiguous.

    >>> from numerics.bounds import Box
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 1, 1, 1], "relu", bias=False)
    >>> one = np.ones((1, 1))
    >>> held_radius(net, {"W1": one, "W2": -one, "W3": one}, ("h2", 0), Box(0.0, 1.0))
    inf
    """
    held = Held(architecture, domain)
    held.units.check(*unit)
    weights = checked(architecture, parameters)
    if held.alone(weights, unit) is not None:
        return inf
    return held.radius(weights, unit, bisections)


class Held:
    """The gradient graph of an architecture, made ready for certificates on one domain.

    Raises:
        ArchitectureError: if samples are coupled.
    """

    def __init__(self, architecture: Architecture, domain: Domain) -> None:
        self.units = ReluUnits(architecture)
        if self.units.couples_samples:
            raise ArchitectureError(
                f"{architecture.name}: the output of a sample may depend on other samples, so what "
                "holds for one batch need not hold for another"
            )
        self.architecture = architecture
        self.x = domain.values(architecture.input_shape)
        self.graph, linear, self._intervals = _prepared(architecture, domain.num_samples)
        # samples have no width for lines to save, and parameters next to nothing
        self._nearby = linear if isinstance(domain, Box) else self._intervals

    def largest_set(self, parameters: Mapping[str, Array], radius: float) -> dict[Unit, float]:
        """All units that are held together while other parameters move by at most ``radius``."""
        candidates = {axis: set(range(self.architecture.sizes[axis])) for axis in self.units.axes}
        while any(candidates.values()):
            values = self._bounds(parameters, self.units.own_parameters(candidates), radius)
            passing = {
                axis: {v for v in found if self._passes(values, axis, v)}
                for axis, found in candidates.items()
            }
            if passing == candidates:
                return {
                    (axis, v): self.bound(values, axis, v)
                    for axis, found in candidates.items()
                    for v in sorted(found)
                }
            candidates = passing
        return {}

    def alone(self, parameters: Mapping[str, Array], unit: Unit) -> float | None:
        """The bound of a unit that is frozen for ever though all other units train, or None."""
        masks = self.units.own_parameters({unit[0]: {unit[1]}})
        values = self._bounds(parameters, masks, inf)
        return self.bound(values, *unit) if self._passes(values, *unit) else None

    def radius(self, parameters: Mapping[str, Array], unit: Unit, bisections: int) -> float:
        """The largest radius found at which the unit alone is held."""
        low, high = 0.0, FIRST
        while high <= LARGEST and self._holds_within(parameters, unit, high):
            low, high = high, high * 8
        if low > 0 and high > LARGEST:
            return low
        while low == 0:
            high /= 32
            if high < SMALLEST:
                return 0.0
            low = high if self._holds_within(parameters, unit, high) else 0.0
        high = high if high > low else low * 32
        for _ in range(bisections):
            middle = sqrt(low * high)
            if self._holds_within(parameters, unit, middle):
                low = middle
            else:
                high = middle
        return low

    def bound(self, values: tuple[Array, ...], axis: str, index: int) -> float:
        """An upper bound of a unit's pre-activations."""
        return 0.0 + max(
            float(np.take(values[k]["high"], index, axis=position).max())
            for k, position in self.units.pre_activations(self.graph, axis)
        )

    def _holds_within(self, parameters: Mapping[str, Array], unit: Unit, radius: float) -> bool:
        masks = self.units.own_parameters({unit[0]: {unit[1]}})
        return self._passes(self._bounds(parameters, masks, radius), *unit)

    def _bounds(
        self, parameters: Mapping[str, Array], fixed: Masks, radius: float
    ) -> tuple[Array, ...]:
        given: dict[str, Any] = {"x": self.x}
        for p, mask in fixed.items():
            value = parameters[p]
            low, high = (
                (value, value) if radius == 0 else (down(value - radius), up(value + radius))
            )
            given[p] = hull(np.where(mask, value, low), np.where(mask, value, high))
        output = self.graph.nodes[self.graph.outputs["y"]].shape
        given["adjoint:y"] = hull(np.full(output, -1.0), np.full(output, 1.0))
        run = self._intervals if radius == inf else self._nearby
        return run(given)

    def _passes(self, values: tuple[Array, ...], axis: str, index: int) -> bool:
        """Whether the unit is dead, and its own parameters have no gradient."""
        if not self.bound(values, axis, index) <= 0:
            return False
        for p, mask in self.units.own_parameters({axis: {index}}).items():
            slope = values[self.graph.outputs[f"grad:{p}"]][mask]
            if (slope["low"] != 0).any() or (slope["high"] != 0).any():
                return False
        return True


@lru_cache(maxsize=16)
def _prepared(architecture: Architecture, batch: int) -> tuple[Graph, Propagator, Propagator]:
    graph = gradient(architecture.graph(batch))
    return graph, Propagator(graph, targets=()), Propagator(graph, "interval")
