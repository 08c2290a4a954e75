"""A network: an ordinary NumPy function with named axes.

The names carry the structure that proofs need: two tensors that share an axis name have the same
units along it, so a partition of ``h`` is one statement about every tensor that has an ``h``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod
from traceback import extract_tb
from types import FunctionType, MappingProxyType
from typing import Any

import numpy as np

from theory.axes import BATCH, axis_names
from theory.errors import ArchitectureError, LopError
from theory.graph import Graph
from theory.html_table import html_table
from theory.primitives import (
    Apply,
    Broadcast,
    Concatenate,
    Einsum,
    Reshape,
    Shape,
    Sum,
    Take,
    Transpose,
)
from theory.rewrite import replace_values
from theory.tracing import Traced, trace

Forward = Callable[[dict[str, Any], Any], Any]

# What may happen to the values of a frozen unit: moved about, and summed with weights.
CARRIERS = (Einsum, Sum, Broadcast, Reshape, Transpose, Take, Concatenate)


@dataclass(frozen=True, eq=False)
class Architecture:
    """A forward function with its parameters over named axes.

    Args:
        forward: ``forward(p, x)`` with ``p`` the parameters by name and ``x (batch, *inputs)``;
            returns the outputs ``(batch, …)``.
        sizes: length of every axis.
        parameters: axes of every parameter.
        inputs: axes of ``x`` after the batch.
        name: how reports call it.
        frozen: units overridden by a constant, ``{"h": {3: 0}}``: what a unit is on data on which
            φ' vanishes. See :meth:`freeze`.

    Raises:
        ArchitectureError: if an axis is unknown or named ``batch``, a length is not positive, or
            the forward function does not return an array whose first axis is the batch.

    >>> import numpy as np
    >>> net = Architecture(
    ...     lambda p, x: np.tanh(x @ p["W"] + p["b"]) @ p["V"],
    ...     sizes={"x": 3, "h": 4, "y": 2},
    ...     parameters={"W": ("x", "h"), "b": ("h",), "V": ("h", "y")},
    ... )
    >>> net.num_parameters, net.output_shape
    (24, (2,))
    """

    forward: Forward
    sizes: Mapping[str, int]
    parameters: Mapping[str, tuple[str, ...]]
    inputs: tuple[str, ...] = ("x",)
    name: str = "architecture"
    frozen: Mapping[str, Mapping[int, Fraction]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def __post_init__(self) -> None:
        for axis, n in self.sizes.items():
            if axis == BATCH:
                raise ArchitectureError(
                    f"sizes[{axis!r}]: that is the name of the data's first axis"
                )
            if not isinstance(n, int) or n < 1:
                raise ArchitectureError(f"sizes[{axis!r}]={n!r}: a length is a positive integer")
        if not self.parameters:
            raise ArchitectureError("parameters={}: an architecture has at least one parameter")
        for entry, axes in (("inputs", self.inputs), *self.parameters.items()):
            for axis in axes:
                self._check_axis(entry, axis)
        for axis, units in self.frozen.items():
            self._check_axis("frozen", axis)
            for unit in units:
                if not 0 <= unit < self.sizes[axis]:
                    n = self.sizes[axis]
                    raise ArchitectureError(f"frozen[{axis!r}]: unit {unit} is not in 0..{n - 1}")

    def _check_axis(self, entry: str, axis: str) -> None:
        if axis not in self.sizes:
            known = ", ".join(self.sizes)
            raise ArchitectureError(f"{entry}: unknown axis {axis!r}; the axes are {known}")

    @property
    def parameter_shapes(self) -> dict[str, Shape]:
        """Shape of every parameter."""
        return {p: tuple(self.sizes[a] for a in axes) for p, axes in self.parameters.items()}

    @property
    def num_parameters(self) -> int:
        """Number of scalar parameters."""
        return sum(prod(shape) for shape in self.parameter_shapes.values())

    @property
    def input_shape(self) -> Shape:
        """Shape of one sample."""
        return tuple(self.sizes[a] for a in self.inputs)

    @property
    def output_shape(self) -> Shape:
        """Shape of one sample's output."""
        graph = self.graph()
        return graph.nodes[graph.outputs["y"]].shape[1:]

    @property
    def declared_axes(self) -> dict[str, tuple[str, ...]]:
        """Axis names of the parameters and of the input ``x``."""
        return {**self.parameters, "x": (BATCH, *self.inputs)}

    def freeze(self, axis: str, unit: int, value: Fraction | int = 0) -> Architecture:
        """The architecture in which one unit outputs ``value`` whatever reaches it.

        Raises:
            ArchitectureError: if there is no such unit.
        """
        units = {**self.frozen.get(axis, {}), unit: Fraction(value)}
        return replace(self, frozen={**self.frozen, axis: units})

    def unfrozen(self) -> Architecture:
        """The architecture without overrides."""
        return replace(self, frozen=MappingProxyType({}))

    def graph(self, batch: int = 1) -> Graph:
        """The forward graph for ``batch`` samples: parameters, input ``x``, output ``y``.

        Raises:
            ArchitectureError: if the forward function fails, leaves a parameter unused, or
                returns no array with the batch as its first axis; or if a frozen unit's axis
                meets no function symbol, several, or one whose values are no unit's output.
            TraceError: if it does what a traced array cannot follow.
        """

        def forward(p: dict[str, Traced], x: dict[str, Traced]) -> dict[str, Any]:
            try:
                y = self.forward(dict(p), x["x"])
            except LopError as error:
                raise type(error)(f"{self._place(error)}: {error}") from error
            except Exception as error:
                kind = type(error).__name__
                raise ArchitectureError(f"{self._place(error)}: {kind}: {error}") from error
            if not isinstance(y, Traced):
                raise ArchitectureError(
                    f"{self.name}: forward returns {y!r:.60}, expected an array computed from x"
                )
            return {"y": y}

        graph = trace(forward, self.parameter_shapes, {"x": (batch, *self.input_shape)})
        shape = graph.nodes[graph.outputs["y"]].shape
        if not shape or shape[0] != batch:
            raise ArchitectureError(
                f"{self.name}: forward returns shape {shape}, expected ({batch}, ...)"
            )
        if unused := [p for p in self.parameters if p not in graph.parameter_shapes]:
            raise ArchitectureError(f"{self.name}: forward never uses parameter {unused[0]!r}")
        return _override(graph, self) if self.frozen else graph

    def _place(self, error: Exception) -> str:
        """The network, and the line of its file in which an error arose."""
        own = self.forward.__code__.co_filename if isinstance(self.forward, FunctionType) else ""
        lines = [f.lineno for f in extract_tb(error.__traceback__) if f.filename == own]
        return f"{self.name}, line {lines[-1]}" if lines else self.name

    def __repr__(self) -> str:
        lengths = ", ".join(f"{axis} {n}" for axis, n in self.sizes.items())
        return f"Architecture {self.name!r} ({lengths}) with {self.num_parameters} parameters"

    def _repr_html_(self) -> str:
        lengths = ", ".join(f"{axis} {n:,}" for axis, n in self.sizes.items())
        held = [f"{a}[{u}] = {c}" for a, units in self.frozen.items() for u, c in units.items()]
        frozen = f"; frozen: {', '.join(held)}" if held else ""
        shapes = self.parameter_shapes
        rows = [
            (p, " × ".join(axes), " × ".join(map(str, shapes[p])), f"{prod(shapes[p]):,}")
            for p, axes in self.parameters.items()
        ]
        rows.append(("all", "", "", f"{self.num_parameters:,}"))
        header = ("parameter", "axes", "shape", "entries")
        return html_table(f"{self.name}: axes {lengths}{frozen}", header, rows, len(rows))


def _override(graph: Graph, architecture: Architecture) -> Graph:
    """Replace the frozen units' values by constants, so that their derivative is 0.

    The function symbol along the axis must *be* the units' output: one symbol, whose values go
    into sums and not into further elementwise functions.
    """
    names = axis_names(graph, architecture.declared_axes)
    met: dict[str, int] = {}
    for k, node in enumerate(graph.nodes):
        for axis in set(names[k]) & set(architecture.frozen):
            if isinstance(node.primitive, Apply) and met.setdefault(str(axis), k) != k:
                raise ArchitectureError(
                    f"frozen: several function symbols act along axis {axis!r}: which of them is "
                    "the unit's output is ambiguous"
                )
    for node in graph.nodes:
        for axis, k in met.items():
            if k in node.operands and not isinstance(node.primitive, CARRIERS):
                kind = type(node.primitive).__name__
                raise ArchitectureError(
                    f"frozen: values along axis {axis!r} meet {kind} after their function symbol, "
                    "so a constant there is no constant unit"
                )

    def frozen_value(k: int, value: Traced) -> Traced:
        for position, axis in enumerate(names[k]):
            if axis is not None and axis in architecture.frozen:
                units = architecture.frozen[axis]
                length = value.shape[position]
                column = (length,) + (1,) * (value.ndim - position - 1)
                alive = [int(u not in units) for u in range(length)]
                held = [units.get(u, Fraction(0)) for u in range(length)]
                value = value * np.reshape(np.array(alive, dtype=object), column)
                value = value + np.reshape(np.array(held, dtype=object), column)
        return value

    def change(k: int, value: Traced) -> Traced:
        return frozen_value(k, value) if isinstance(graph.nodes[k].primitive, Apply) else value

    result = replace_values(graph, change)
    if missing := set(architecture.frozen) - set(met):
        raise ArchitectureError(f"frozen: no function symbol acts along axis {min(missing)!r}")
    return result
