"""Looking for an input at which a unit is alive, and proving that it is.

Gradient ascent on z over a box, by signs and from many starts at once, finds a candidate in
floating point. What is reported is proved afterwards, at the float input that was found: by
interval arithmetic, and exactly where the network computes rational numbers from rational ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from numerics.bounds import Box, Propagator, hull
from numerics.evaluate import Evaluator
from numerics.frozen.units import ReluUnits
from numerics.systems.float64 import Float64
from numerics.systems.objects import exact
from numerics.systems.rational import Rational
from numerics.systems.system import Array, NumberSystem
from theory.backprop import gradient
from theory.errors import ValueSystemError
from theory.graph import Graph

STARTS, ITERATIONS = 24, 24


@dataclass(frozen=True, eq=False)
class Alive:
    """An input at which z > 0, with a lower bound of z and, if it is rational, z itself."""

    x: Array
    low: float
    exact: Fraction | None


class Attack:
    """Search for large pre-activations of one unit.

    Args:
        units: of the network.
        parameters: doubles, without leading axes.
        axis: of the unit.
        index: of the unit.
        seed: of the starts.
    """

    def __init__(
        self,
        units: ReluUnits,
        parameters: Mapping[str, Array],
        axis: str,
        index: int,
        seed: int = 0,
    ) -> None:
        self.units, self.axis, self.index = units, axis, index
        self.parameters = dict(parameters)
        self._rng = np.random.default_rng(seed)
        self._probe = self._probed(STARTS)
        self._forward = Evaluator(self._probe, Float64())
        self._backward = Evaluator(
            gradient(self._probe, ["x"], self._probe.outputs.keys()), Float64()
        )
        self._single = self._probed(1)
        self._checked = Propagator(self._single, "interval")

    def _probed(self, batch: int) -> Graph:
        graph = self.units.architecture.graph(batch)
        found = self.units.pre_activations(graph, self.axis)
        return Graph(graph.nodes, {f"z{i}": k for i, (k, _) in enumerate(found)})

    def _positions(self) -> list[int]:
        return [p for _, p in self.units.pre_activations(self._single, self.axis)]

    def ascend(self, box: Box) -> Array:
        """The input with the largest z that was found in a box."""
        shape = self.units.architecture.input_shape
        ends = box.values(shape)[0]
        low, high = ends["low"], ends["high"]
        share = self._rng.uniform(size=(STARTS, *shape))
        share[: STARTS // 2] = np.round(share[: STARTS // 2])
        share[0] = 0.5
        x = np.clip(low + share * (high - low), low, high)
        value, slope = self._values_and_slopes(x)
        reach = np.ones((STARTS,) + (1,) * len(shape))
        for _ in range(ITERATIONS):
            moved = np.clip(x + reach * (high - low) * np.sign(slope), low, high)
            new_value, new_slope = self._values_and_slopes(moved)
            better = (new_value > value).reshape(reach.shape)
            x, slope = np.where(better, moved, x), np.where(better, new_slope, slope)
            value = np.maximum(value, new_value)
            reach = np.where(better, reach, reach / 2)
        best: Array = x[int(value.argmax())]
        return best

    def slope(self, x: Array) -> Array:
        """∂z/∂x at one input, at the place where z is largest."""
        slope: Array = self._values_and_slopes(np.broadcast_to(x, (STARTS, *x.shape)))[1][0]
        return slope

    def _values_and_slopes(self, x: Array) -> tuple[Array, Array]:
        given = {**self.parameters, "x": x}
        found = self._forward(given)
        rows = [
            np.take(found[f"z{i}"], self.index, axis=p).reshape(len(x), -1)
            for i, p in enumerate(self._positions())
        ]
        together = np.concatenate(rows, axis=1)
        place = together.argmax(axis=1)
        chosen = np.zeros(together.shape)
        chosen[np.arange(len(x)), place] = 1
        adjoints, start = {}, 0
        for i, (position, row) in enumerate(zip(self._positions(), rows, strict=True)):
            whole = np.zeros(found[f"z{i}"].shape)
            own = np.moveaxis(whole, position, 0)[self.index]
            own[...] = chosen[:, start : start + row.shape[1]].reshape(own.shape)
            adjoints[f"adjoint:z{i}"] = whole
            start += row.shape[1]
        slope = self._backward({**given, **adjoints})["grad:x"]
        return together.max(axis=1), np.broadcast_to(slope, x.shape)

    def largest(self, x: Array) -> float:
        """The largest z of the unit at one input, in floating point."""
        return float(self._values_and_slopes(np.broadcast_to(x, (STARTS, *x.shape)))[0][0])

    def prove_alive(self, x: Array) -> Alive | None:
        """A proof that z > 0 at an input, if there is one."""
        values = self._checked({**self.parameters, "x": hull(x, x)[None]})
        found = self.units.pre_activations(self._single, self.axis)
        low = max(float(np.take(values[k]["low"], self.index, axis=p).max()) for k, p in found)
        value = self.exact_value(x)
        if low > 0 or (value is not None and value > 0):
            return Alive(np.array(x), max(low, 0.0), value)
        return None

    def exact_value(self, x: Array) -> Fraction | None:
        """The largest z of the unit at a float input, if the network computes with fractions."""
        try:
            values = self._run(Rational(), x)
        except ValueSystemError:
            return None
        return max(exact(v) for v in values)

    def _run(self, system: NumberSystem, x: Array) -> list[object]:
        found = Evaluator(self._single, system)({**self.parameters, "x": x[None]})
        rows = [
            np.take(found[f"z{i}"], self.index, axis=p).ravel().tolist()
            for i, p in enumerate(self._positions())
        ]
        return [v for row in rows for v in row]
