"""Bounds of every value of a graph, by intervals and by linear relaxation backwards.

An interval forgets that two values come from one input. Linear bounds do not: a linear function of
a node's entries is pulled back through affine primitives exactly, and through function symbols by
the lines of :mod:`numerics.bounds.relaxation`, until it is one of the inputs, whose minimum over a
box is immediate (CROWN: Zhang et al. 2018; DeepPoly: Singh et al. 2019). Pre-activations are
bounded in this way one after the other, each from those before it.

Affine primitives are pulled back by the rules of reverse mode themselves, evaluated in intervals:
coefficients carry their rounding errors, and where the sign of a coefficient is not certain the
term is replaced by its range. A product of two values that vary is linear in one of them, with the
range of the other as coefficient; weights in a box are such coefficients. So everything stays an
enclosure, and bounds are never wider than those of interval arithmetic, which they are intersected
with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod
from typing import Any, Literal

import numpy as np

from numerics.bounds.interval import INTERVAL, Interval, hull, intersection
from numerics.bounds.relaxation import lines
from numerics.evaluate import Evaluator, operation
from numerics.systems.system import Array
from theory.backprop import pull
from theory.errors import ShapeError
from theory.graph import Builder, Graph, Node
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
    Divide,
    Einsum,
    Input,
    Multiply,
    Negative,
    Parameter,
    Reshape,
    Scatter,
    Subtract,
    Sum,
    Take,
    Transpose,
)
from theory.tracing import record

Method = Literal["interval", "linear"]
AFFINE = (
    Add,
    Subtract,
    Negative,
    Sum,
    Broadcast,
    Reshape,
    Transpose,
    Take,
    Scatter,
    Concatenate,
)


class Propagator:
    """A graph made ready to have its values bounded.

    Args:
        graph: what is computed.
        method: ``linear``, or ``interval`` for interval arithmetic alone.
        targets: the nodes, besides arguments of function symbols, that linear bounds are taken of;
            the outputs by default.

    >>> from theory.tracing import trace
    >>> graph = trace(lambda p, x: {"y": x["x"] - np.maximum(x["x"], 0)}, {}, {"x": (1,)})
    >>> box = {"x": hull([0.0], [1.0])}
    >>> ends = [Propagator(graph, m)(box)[graph.outputs["y"]] for m in ("interval", "linear")]
    >>> [round(float(e["high"][0] - e["low"][0]), 9) for e in ends]
    [2.0, 0.0]
    """

    def __init__(
        self, graph: Graph, method: Method = "linear", targets: Collection[int] | None = None
    ) -> None:
        self.graph, self.method = graph, method
        self._system = Interval()
        self._steps = [operation(node, graph, self._system) for node in graph.nodes]
        arguments = {node.operands[0] for node in graph.nodes if isinstance(node.primitive, Apply)}
        chosen = graph.outputs.values() if targets is None else targets
        self._refined = arguments.union(chosen) if method == "linear" else set()
        self._has_data = _descendants_of_inputs(graph)
        self._pulls: dict[tuple[int, tuple[bool, ...]], Evaluator] = {}

    def __call__(self, given: Mapping[str, Any]) -> tuple[Array, ...]:
        """Intervals that hold the value of every node.

        Args:
            given: every parameter and input of the graph, as intervals or exact numbers.

        Raises:
            ShapeError: if one is missing or has another shape.
            ValueSystemError: if a number is not finite, or a function symbol is unknown.
        """
        bounds: list[Array] = []
        varying: set[int] = set()
        for k, node in enumerate(self.graph.nodes):
            if isinstance(node.primitive, Parameter | Input):
                value = self._leaf(node.primitive, given)
                if (value["low"] < value["high"]).any():
                    varying.add(k)
            else:
                value = self._steps[k](self._system, *(bounds[j] for j in node.operands))
                if any(j in varying for j in node.operands):
                    varying.add(k)
            bounds.append(np.asarray(value))
            if k in self._refined and k in varying and not isinstance(node.primitive, Input):
                bounds[k] = intersection(bounds[k], self._backwards(k, bounds, varying))
        return tuple(bounds)

    def _leaf(self, leaf: Parameter | Input, given: Mapping[str, Any]) -> Array:
        if leaf.name not in given:
            raise ShapeError(f"{leaf.name!r} is missing: the graph needs its {leaf.shape} array")
        value = self._system.array(given[leaf.name])
        if value.shape != leaf.shape:
            raise ShapeError(f"{leaf.name!r} has shape {value.shape}, expected {leaf.shape}")
        return value

    def _backwards(self, k: int, bounds: list[Array], varying: set[int]) -> Array:
        """Linear bounds of node k: one row of coefficients an entry for low, one for -high."""
        shape = self.graph.nodes[k].shape
        size = prod(shape)
        rows = np.concatenate([np.eye(size), -np.eye(size)]).reshape((2 * size, *shape))
        pending = {k: hull(rows, rows)}
        least = np.zeros(2 * size, INTERVAL)
        for j in range(k, -1, -1):
            if j not in pending:
                continue
            coefficients, node = pending.pop(j), self.graph.nodes[j]
            if j in varying and isinstance(node.primitive, Apply):
                found = self._through_lines(node.primitive, coefficients, bounds, j)
                if found is not None:
                    constant, contributions = found
                    least = self._system.add(least, constant)
                    self._accumulate(pending, node.operands[0], contributions)
                    continue
            wanted = self._linear_in(node, varying)
            if j in varying and any(wanted):
                least = self._pull(j, wanted, coefficients, bounds, pending, least)
            else:
                least = self._system.add(least, self._inner(coefficients, bounds[j]))
        low = least["low"]
        return hull(low[:size].reshape(shape), 0.0 - low[size:].reshape(shape))

    def _linear_in(self, node: Node, varying: set[int]) -> tuple[bool, ...]:
        """In which of its operands a node is taken for a linear function."""
        varies = tuple(i in varying for i in node.operands)
        match node.primitive:
            case Multiply() | Einsum() if all(varies):
                place = int(node.operands[0] not in self._has_data)
                return _only(place, varies)
            case Multiply() | Einsum():
                return varies
            case Divide():
                return (varies[0], False)
            case _ if isinstance(node.primitive, AFFINE):
                return varies
        return (False,) * len(varies)

    def _through_lines(
        self, symbol: Apply, coefficients: Array, bounds: list[Array], j: int
    ) -> tuple[Array, Array] | None:
        """Constants and coefficients of z that bound those of φ(z) from below."""
        around = lines(symbol.activation, bounds[self.graph.nodes[j].operands[0]])
        if around is None:
            return None
        from_below = around.exist & (coefficients["low"] >= 0)
        from_above = around.exist & (coefficients["high"] <= 0)
        slope = np.where(from_below, around.lower_slope, around.upper_slope)
        height = np.where(from_below, around.lower, around.upper)
        is_line = from_below | from_above
        slope, height = (np.where(is_line, a, 0.0) for a in (slope, height))
        constant = np.where(is_line, hull(height, height), bounds[j])
        pulled = self._system.multiply(coefficients, hull(slope, slope))
        return self._inner(coefficients, constant), pulled

    def _pull(
        self,
        j: int,
        wanted: tuple[bool, ...],
        coefficients: Array,
        bounds: list[Array],
        pending: dict[int, Array],
        least: Array,
    ) -> Array:
        """Move the coefficients of node j to its varying operands; the sum with what is fixed."""
        node = self.graph.nodes[j]
        for place, i in enumerate(node.operands):
            if not wanted[place] and isinstance(node.primitive, Add | Subtract | Concatenate):
                fixed = self._run_pull(j, _only(place, wanted), coefficients, bounds)
                least = self._system.add(least, self._inner(fixed, bounds[i]))
        for place, i in enumerate(node.operands):
            if wanted[place]:
                pulled = self._run_pull(j, _only(place, wanted), coefficients, bounds)
                self._accumulate(pending, i, pulled)
        return least

    def _run_pull(
        self, j: int, wanted: tuple[bool, ...], coefficients: Array, bounds: list[Array]
    ) -> Array:
        node = self.graph.nodes[j]
        evaluator = self._pulls.get((j, wanted))
        if evaluator is None:
            shapes = [self.graph.nodes[i].shape for i in node.operands]
            evaluator = self._pulls[j, wanted] = _pull_evaluator(node, shapes, wanted)
        given = {f"operand:{p}": bounds[i] for p, i in enumerate(node.operands)}
        return evaluator({**given, "adjoint": coefficients})["pulled"]

    def _accumulate(self, pending: dict[int, Array], k: int, more: Array) -> None:
        pending[k] = self._system.add(pending[k], more) if k in pending else more

    def _inner(self, coefficients: Array, values: Array) -> Array:
        """Σ coefficient · value over the entries, for each row."""
        terms = self._system.multiply(coefficients, values)
        return self._system.sum(terms, tuple(range(1 - terms.ndim, 0))) if terms.ndim > 1 else terms


def _descendants_of_inputs(graph: Graph) -> set[int]:
    found: set[int] = set()
    for k, node in enumerate(graph.nodes):
        if isinstance(node.primitive, Input) or any(j in found for j in node.operands):
            found.add(k)
    return found


def _only(place: int, wanted: tuple[bool, ...]) -> tuple[bool, ...]:
    return tuple(p == place for p in range(len(wanted)))


def _pull_evaluator(
    node: Node, shapes: list[tuple[int, ...]], wanted: tuple[bool, ...]
) -> Evaluator:
    """Reverse mode's rule of one node, in intervals, with one leading axis of rows."""
    builder = Builder()
    operands = [record(builder, Input(f"operand:{p}", s)) for p, s in enumerate(shapes)]
    value = record(builder, Input("value", node.shape))
    adjoint = record(builder, Input("adjoint", node.shape))
    pulled = [a for a in pull(node, operands, value, adjoint, list(wanted)) if a is not None]
    return Evaluator(builder.finish({"pulled": pulled[0].number}), Interval(), 1)
