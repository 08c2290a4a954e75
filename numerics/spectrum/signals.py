"""Forward and backward signals of two-sided units: one pass for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from numerics.evaluate import Evaluator
from numerics.spectrum.point import Point
from numerics.spectrum.two_sided import Operand, TwoSidedUnits
from numerics.systems.system import Array, NumberSystem
from theory.activation import Activation
from theory.backprop import GRADIENT, TANGENT, gradient, pushforward
from theory.graph import Builder, Graph
from theory.primitives import Apply, Input
from theory.rewrite import replace_values
from theory.tracing import Traced, record


@dataclass(frozen=True, slots=True)
class Signals:
    """What the blocks of one axis are made of; N runs over samples, and places if there are any.

    Attributes:
        slope: φ'(z) ``(…, N, units)``.
        bend: d φ''(z) ``(…, N, units)``, d the adjoint of h.
        incoming: values that weights multiply ``(…, N, *axes)``; ``None`` for a bias.
        outgoing: adjoints of the sums into which weights lead ``(…, N, *axes)``.
    """

    slope: Array
    bend: Array
    incoming: Mapping[str, Array | None]
    outgoing: Mapping[str, Array]


def signals(
    point: Point, units: Sequence[TwoSidedUnits], system: NumberSystem
) -> tuple[Signals, ...]:
    """The signals of all given axes.

    Args:
        point: parameters and data.
        units: what :func:`two_sided_units` found in the point's graph.
        system: the number system.
    """
    graph, lead = point.graph, point.lead
    pulled = sorted({u.post for u in units} | {s.node for u in units for s in u.outgoing.values()})
    kept = {u.pre for u in units}
    kept |= {value.node for u in units for value in u.incoming.values() if value is not None}
    shown = Graph(graph.nodes, {**graph.outputs, **{f"value:{k}": k for k in sorted(kept)}})

    def add_zero(k: int, value: Traced) -> Traced:
        if k not in pulled:
            return value
        return value + record(value.builder, Input(f"zero:{k}", value.shape))

    whole = gradient(replace_values(shown, add_zero), wrt=[f"zero:{k}" for k in pulled])
    builder = Builder()
    numbers = builder.extend(whole)
    wanted = {name: numbers[k] for name, k in whole.outputs.items() if name != "y"}
    zeros = {f"zero:{k}": _zero(system, graph.nodes[k].shape) for k in pulled}
    found = Evaluator(builder.finish(wanted), system, lead=lead)({**point.values, **zeros})
    return tuple(_of_axis(u, found, system, lead) for u in units)


def _zero(system: NumberSystem, shape: tuple[int, ...]) -> Array:
    return system.array(np.zeros(shape, dtype=np.int64))


def _of_axis(
    units: TwoSidedUnits, found: Mapping[str, Array], system: NumberSystem, lead: int
) -> Signals:
    z = found[f"value:{units.pre}"]
    first, second = _slopes(units.activation, z, system)
    adjoint = found[f"{GRADIENT}:zero:{units.post}"]
    bend = system.multiply(np.broadcast_to(adjoint, second.shape), second)

    def by_units(array: Array) -> Array:
        moved = np.moveaxis(array, lead + units.position, -1)
        return moved.reshape((*moved.shape[:lead], -1, moved.shape[-1]))

    count = z.ndim - lead - 1
    return Signals(
        by_units(first),
        by_units(bend),
        {
            p: None if v is None else _ordered(found[f"value:{v.node}"], v, lead, count)
            for p, v in units.incoming.items()
        },
        {
            p: _ordered(found[f"{GRADIENT}:zero:{s.node}"], s, lead, count)
            for p, s in units.outgoing.items()
        },
    )


def _ordered(array: Array, operand: Operand, lead: int, count: int) -> Array:
    """Samples first, flattened, then the axes shared with the weight."""
    moved = array.transpose((*range(lead), *(lead + k for k in operand.order)))
    return moved.reshape((*moved.shape[:lead], -1, *moved.shape[lead + count :]))


def _slopes(activation: Activation, z: Array, system: NumberSystem) -> tuple[Array, Array]:
    """φ'(z) and φ''(z)."""
    builder = Builder()
    argument = record(builder, Input("z", z.shape))
    value = argument.record(Apply(activation))
    once = pushforward(builder.finish({"y": value.number}), wrt=["z"])
    twice = pushforward(once, wrt=["z"])
    one = system.array(np.ones((1,) * z.ndim, dtype=np.int64))
    found = Evaluator(twice, system)({"z": z, f"{TANGENT}:z": np.broadcast_to(one, z.shape)})
    return found[f"{TANGENT}:y"], found[f"{TANGENT}:{TANGENT}:y"]
