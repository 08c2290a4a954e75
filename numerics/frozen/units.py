"""The ReLU units of an architecture: where they are computed, and which parameters lead there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numerics.metrics.signals import symbols_on_data
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.axes import axis_names, couples_samples
from theory.axis_roles import contracted_axes
from theory.errors import ArchitectureError, ShapeError, ValueSystemError
from theory.graph import Graph

Masks = dict[str, Array]  # of every parameter, which entries


@dataclass(frozen=True, eq=False)
class ReluUnits:
    """The units of an architecture whose output is a ReLU.

    A unit of an axis may be computed several times: at places of an image, at steps in time. It is
    dead where z ≤ 0 in all of them.

    Args:
        architecture: the network, without overrides.

    Raises:
        ArchitectureError: if units are overridden by constants.

    >>> from theory.zoo import mlp
    >>> ReluUnits(mlp([2, 3, 3, 1], "relu")).axes
    ('h1', 'h2')
    """

    architecture: Architecture

    def __post_init__(self) -> None:
        if self.architecture.frozen:
            raise ArchitectureError(
                f"{self.architecture.name}: units are overridden by constants; take unfrozen()"
            )

    @cached_property
    def couples_samples(self) -> bool:
        """Whether one sample's values may depend on another's, as with batch statistics."""
        graph = self.architecture.graph(2)
        return couples_samples(graph, self.architecture.declared_axes)

    @cached_property
    def axes(self) -> tuple[str, ...]:
        """Axes along which every function symbol that meets samples is a ReLU."""
        graph = self.architecture.graph()
        names = axis_names(graph, self.architecture.declared_axes)
        symbols: dict[str, set[str]] = {}
        for k, activation in symbols_on_data(graph):
            for axis in names[k][1:]:
                symbols.setdefault(axis or "", set()).add(activation.name)
        known = self.architecture.sizes
        return tuple(axis for axis in known if symbols.get(axis) == {"relu"})

    def check(self, axis: str, index: int) -> None:
        """Refuse what is no ReLU unit.

        Raises:
            ArchitectureError: if the axis has no ReLU units, or not so many.
        """
        if axis not in self.axes:
            raise ArchitectureError(
                f"{self.architecture.name}: axis {axis!r} has no ReLU units, and φ' of others "
                f"vanishes on no interval; axes with ReLU units: {', '.join(self.axes) or 'none'}"
            )
        if not 0 <= index < self.architecture.sizes[axis]:
            n = self.architecture.sizes[axis]
            raise ArchitectureError(f"unit {index} of axis {axis!r} is not in 0..{n - 1}")

    def pre_activations(self, graph: Graph, axis: str) -> list[tuple[int, int]]:
        """Nodes that hold z of the units of an axis, with the position of the axis in each.

        Args:
            graph: that starts with the nodes of the forward graph, as its gradient does.
            axis: with ReLU units.
        """
        names = axis_names(graph, self.architecture.declared_axes)
        return [
            (graph.nodes[k].operands[0], names[k].index(axis))
            for k, activation in symbols_on_data(graph)
            if activation.name == "relu" and axis in names[k][1:]
        ]

    @cached_property
    def _sources(self) -> dict[str, tuple[bool, ...]]:
        return contracted_axes(self.architecture.graph(), up_to_exchange=True)

    def own_parameters(self, units: dict[str, set[int]]) -> Masks:
        """Which entries of the parameters lead into the given units and into no others.

        Raises:
            GraphError: if sources and targets of a parameter are ambiguous.
        """
        masks: Masks = {}
        for p, axes in self.architecture.parameters.items():
            mask = np.zeros(self.architecture.parameter_shapes[p], dtype=bool)
            for position, axis in enumerate(axes):
                if axis in units and not self._sources[p][position]:
                    chosen = sorted(units[axis])
                    mask[(slice(None),) * position + (chosen,)] = True
            masks[p] = mask
        return masks


def checked(architecture: Architecture, parameters: Mapping[str, Array]) -> dict[str, Array]:
    """The parameters as doubles.

    Raises:
        ShapeError: if one is missing, or has another shape (leading axes are not allowed).
        ValueSystemError: if an entry is not finite.
    """
    found = {}
    for p, shape in architecture.parameter_shapes.items():
        if p not in parameters or np.shape(parameters[p]) != shape:
            raise ShapeError(f"parameters[{p!r}]: an array of shape {shape} is expected")
        found[p] = np.asarray(parameters[p], float)
        if not np.isfinite(found[p]).all():
            raise ValueSystemError(f"parameters[{p!r}]: an entry is not finite")
    return found
