"""All transverse blocks by Hessian-vector products, of any layers in which units can be cloned.

The Hessian maps every component of the normal space to itself. One product with the sum of one row
from each component therefore serves them all, and the number of products is the size of the largest
component, whatever their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod

import numpy as np

from numerics.spectrum.adjoint import working
from numerics.spectrum.block import TransverseBlock
from numerics.spectrum.normal_space import Component
from numerics.spectrum.point import Point
from numerics.spectrum.products import NormalHessian
from numerics.systems.system import Array, NumberSystem
from theory.architecture import Architecture

ENTRIES = 1 << 23
"""Entries of all tangents in one batch of probes."""


def probed_blocks(
    architecture: Architecture,
    components: Sequence[Component],
    point: Point,
    system: NumberSystem,
) -> tuple[TransverseBlock, ...]:
    """The transverse blocks of some components at a block-constant point.

    Args:
        architecture: the network.
        components: those wanted.
        point: block-constant, in the system's numbers.
        system: the number system.
    """
    if not components:
        return ()
    shapes = architecture.parameter_shapes
    lead = point.lead
    hessian = NormalHessian(architecture.parameters, point.graph, system, lead)
    count = max(component.size for component in components)
    step = max(1, ENTRIES // max(architecture.num_parameters * _members(point.values, shapes), 1))
    columns: list[list[Array]] = [[] for _ in components]
    for start in range(0, count, step):
        probes = range(start, min(start + step, count))
        moved = hessian(point.values, _directions(components, probes, shapes, system, lead))
        with working(system):
            half = system.constant((Fraction(1, 2),), (), 0)[()]
            for component, found in zip(components, columns, strict=True):
                rows = [panel.read(moved[panel.parameter], half) for panel in component.panels]
                front = np.broadcast_shapes(*(row.shape[:-1] for row in rows))
                rows = [np.broadcast_to(row, (*front, row.shape[-1])) for row in rows]
                own = min(len(probes), max(component.size - start, 0))
                found.append(np.concatenate(rows, axis=-1)[..., :own, :])
    return tuple(
        TransverseBlock(component, _symmetric(np.concatenate(found, axis=-2)), system)
        for component, found in zip(components, columns, strict=True)
    )


def _members(point: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]) -> int:
    leads = (point[p].shape[: point[p].ndim - len(shape)] for p, shape in shapes.items())
    return prod(np.broadcast_shapes(*leads))


def _directions(
    components: Sequence[Component],
    probes: range,
    shapes: Mapping[str, tuple[int, ...]],
    system: NumberSystem,
    lead: int,
) -> dict[str, Array]:
    """The sum over the components of their rows with the numbers ``probes``, for every probe."""
    is_float = system.constant((Fraction(0),), (), 0).dtype != object
    found = {
        p: np.zeros((len(probes), *shape), dtype=np.float64 if is_float else object)
        for p, shape in shapes.items()
    }
    for component in components:
        first = 0
        for panel in component.panels:
            begin, end = max(first, probes.start), min(first + panel.size, probes.stop)
            if begin < end:
                chosen = np.zeros((end - begin, panel.size), dtype=found[panel.parameter].dtype)
                chosen[np.arange(end - begin), np.arange(begin - first, end - first)] = 1
                target = found[panel.parameter][begin - probes.start : end - probes.start]
                panel.add(chosen, target)
            first += panel.size
    return {p: a.reshape((1,) * lead + a.shape) for p, a in found.items()}


def _symmetric(form: Array) -> Array:
    """Without the rounding in which a float Hessian is not symmetric."""
    return form if form.dtype == object else (form + np.swapaxes(form, -1, -2)) / 2
