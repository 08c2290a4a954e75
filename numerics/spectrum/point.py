"""A point with its data, and whether clones agree there in their parameters and gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.losses import Loss
from numerics.spectrum.adjoint import output_adjoint
from numerics.spectrum.errors import SpectrumError
from numerics.systems.float64 import Float64
from numerics.systems.system import Array, NumberSystem
from numerics.tasks import Task
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import ShapeError
from theory.graph import Graph
from theory.manifold.base import leading_shape
from theory.partition import Partition

ROUNDING = 2.0**-40
"""Largest difference of clones, relative to the array's largest entry, that counts as none."""
GRADIENT_ROUNDING = 2.0**-26
"""The same for gradients, which are computed: far above their rounding, far below a difference."""


@dataclass(frozen=True, slots=True)
class Point:
    """Where a spectrum is wanted.

    Attributes:
        graph: of the forward function on so many samples.
        values: parameters ``(…, *shape)``, inputs ``x``, and ``adjoint:y`` of the loss.
        lead: number of leading axes.
    """

    graph: Graph
    values: Mapping[str, Array]
    lead: int


def point_of(
    architecture: Architecture,
    parameters: Mapping[str, Any],
    task: Task,
    loss: Loss,
    system: NumberSystem,
) -> Point:
    """Parameters and data in a number system, with the adjoint of the output.

    Raises:
        ManifoldError: if a parameter is missing or does not fit.
        ShapeError: if inputs or targets do not fit.
        ValueSystemError: if a number or a function symbol has no value in the system.
    """
    shapes = architecture.parameter_shapes
    theta = {p: system.array(parameters[p]) for p in shapes if p in parameters}
    lead = len(leading_shape(theta, shapes, "parameters"))
    x, target = system.array(task.x), system.array(task.y)
    graph = architecture.graph(len(x))
    y = Evaluator(graph, system, lead=lead)({**theta, "x": x})["y"]
    if y.shape[lead:] != target.shape:
        raise ShapeError(f"task.y has shape {target.shape}, the outputs have {y.shape[lead:]}")
    adjoint = output_adjoint(loss, y, target, system)
    return Point(graph, {**theta, "x": x, "adjoint:y": adjoint}, lead)


def check_block_constant(
    architecture: Architecture,
    partition: Partition,
    point: Mapping[str, Array],
    system: NumberSystem,
) -> None:
    """Refuse a point at which clones differ: by more than rounding in floats, at all elsewhere.

    Args:
        architecture: the network.
        partition: its blocks.
        point: parameters ``(…, *shape)`` and inputs ``x (samples, …)``, the system's numbers.
        system: the number system.

    Raises:
        SpectrumError: if entries between the same blocks differ.
    """
    for p, names in (*architecture.parameters.items(), ("x", architecture.inputs)):
        values = point[p]
        first = _first_clones(values, names, partition)
        if not isinstance(system, Float64):
            if (values != first).any():
                where = tuple(int(n) for n in np.argwhere(values != first)[0])
                raise SpectrumError(
                    f"{p}{list(where)} is {values[where]}, its first clone {first[where]}: not "
                    "block-constant"
                )
            continue
        away = np.abs(values - first).max(initial=0.0)
        size = np.abs(values).max(initial=0.0)
        if away > ROUNDING * size:
            raise SpectrumError(
                f"{p!r}: entries between the same blocks differ by {away:.3g}, the "
                f"largest entry is {size:.3g}: not block-constant, where the blocks couple; "
                "block_constant(architecture, partition).project gives the nearest such point"
            )


def check_smooth(
    architecture: Architecture,
    partition: Partition,
    point: Point,
    system: NumberSystem,
    seed: int,
) -> None:
    """Refuse a point at which clones get different gradients, as a maximum over clones gives them.

    Where clones may be exchanged, that happens only at a kink. Balls do not decide it: there a
    kink shows as a wide enclosure.

    Args:
        architecture: whose clones may be exchanged.
        partition: its blocks.
        point: block-constant.
        system: the number system.
        seed: of an output adjoint.

    Raises:
        SpectrumError: if gradients between the same blocks differ.
    """
    rng = np.random.default_rng(seed)
    adjoint = rng.integers(-9, 10, size=point.graph.nodes[point.graph.outputs["y"]].shape)
    given = {**point.values, "adjoint:y": system.array(adjoint)}
    found = Evaluator(gradient(point.graph), system, lead=point.lead)(given)
    for p, names in architecture.parameters.items():
        slope = found[f"grad:{p}"]
        first = _first_clones(slope, names, partition)
        differs = slope != first
        if isinstance(system, Float64):
            differs = np.abs(slope - first) > GRADIENT_ROUNDING * np.abs(slope).max(initial=0.0)
        if differs.any():
            raise SpectrumError(
                f"{architecture.name}: clones get different gradients in {p!r}: the network has a "
                "kink at this point, as a maximum over equal clones has"
            )


def _first_clones(values: Array, names: tuple[str, ...], partition: Partition) -> Array:
    """Every entry replaced by that between the first units of its blocks."""
    for k, axis in enumerate(names):
        blocks = partition[axis].blocks
        representative = [blocks[i][0] for i in partition[axis].block_of]
        values = np.take(values, representative, axis=k - len(names))
    return values
