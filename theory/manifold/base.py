"""Affine sets of parameters: {θ : A θ = b} with A sparse and integer.

A manifold knows two descriptions of itself. Coordinates: :meth:`Manifold.embed` maps free
coordinates affinely onto the manifold, one to one, so uniform coordinates are a uniform point and
nothing is rejected. Equations: :meth:`Manifold.constraints` lists the rows of A. ``embed`` is plain
NumPy code, so the coordinates may be floats, residues, SymPy symbols or traced arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from theory.errors import ManifoldError
from theory.exact_arrays import numbers
from theory.html_table import html_table
from theory.primitives import Shape

Parameters = Mapping[str, Any]
SparseVector = dict[tuple[str, int], Fraction]  # (parameter, flat index) to coefficient


@dataclass(frozen=True, slots=True)
class Constraint:
    """One row of A θ = b.

    Attributes:
        terms: coefficients of the row, by (parameter, flat index).
        value: the entry of b.
        label: the law in words.
    """

    terms: SparseVector
    value: Fraction
    label: str


@dataclass(frozen=True, slots=True)
class Factor:
    """A tensor over some axes of a parameter, given by a linear map of free entries.

    Factors of one test with the same ``name`` have the same free entries: a law such as
    ``w - c b`` joins entries of two parameters.
    """

    name: str
    axes: tuple[int, ...]
    free_shape: Shape
    embed: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class NormalTest:
    """A family of normal vectors Σ_p ⊗ factors(p), multilinear in the factors' free entries.

    The family spans a part of the normal space, so a gradient is orthogonal to that part exactly
    if it is orthogonal to a generic member.
    """

    label: str
    factors: Mapping[str, tuple[Factor, ...]]


@dataclass(frozen=True, slots=True)
class AxisMap:
    """A linear map S along one axis of an array, and its transpose.

    Attributes:
        spread: ``(values, axis)``, coordinates to units, S.
        gather: ``(values, axis)``, units to coordinates, Sᵀ.
    """

    spread: Callable[[Any, int], Any]
    gather: Callable[[Any, int], Any]


@dataclass(frozen=True, slots=True)
class Part:
    """A summand of a parameter: an array of free coordinates spread along every axis.

    Attributes:
        name: of the array of coordinates.
        axes: one map for each axis of the parameter.
    """

    name: str
    axes: tuple[AxisMap, ...]


class Manifold(ABC):
    """An affine set in the space of named parameters."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What reports call it."""

    @property
    @abstractmethod
    def shapes(self) -> Mapping[str, Shape]:
        """Shapes of all parameters of the ambient space."""

    @property
    @abstractmethod
    def free_shapes(self) -> Mapping[str, Shape]:
        """Shapes of the free coordinates, by name."""

    @abstractmethod
    def embed(self, free: Parameters) -> dict[str, Any]:
        """The point with the given coordinates; arrays may have leading axes."""

    @abstractmethod
    def constraints(self) -> Iterator[Constraint]:
        """Linearly independent rows of A θ = b; as many as the codimension."""

    @abstractmethod
    def tangent_basis(self) -> Iterator[SparseVector]:
        """A basis of the tangent space."""

    @abstractmethod
    def normal_tests(self) -> tuple[NormalTest, ...]:
        """Families whose sum spans the normal space."""

    @abstractmethod
    def normal_part(self, theta: Parameters) -> dict[str, Any]:
        """θ minus its orthogonal projection onto the manifold."""

    def parts(self, parameter: str) -> tuple[Part, ...]:
        """The parameter as a sum of parts, or no parts where it is not known to be one."""
        return ()

    @property
    def dimension(self) -> int:
        """Number of free coordinates."""
        return sum(prod(shape) for shape in self.free_shapes.values())

    @property
    def codimension(self) -> int:
        """Number of independent constraints."""
        return sum(prod(shape) for shape in self.shapes.values()) - self.dimension

    def normal_basis(self) -> Iterator[SparseVector]:
        """A basis of the normal space: the rows of A."""
        return (constraint.terms for constraint in self.constraints())

    def project(self, theta: Parameters) -> dict[str, Any]:
        """The nearest point of the manifold."""
        normal = self.normal_part(theta)
        return {p: numbers(theta[p]) - normal[p] for p in self.shapes}

    def squared_distance(self, theta: Parameters) -> Any:
        """Square of the Euclidean distance, exact for exact numbers; keeps the leading axes."""
        total: Any = 0
        for p, part in self.normal_part(theta).items():
            total = total + np.sum(part * part, axis=tuple(range(-len(self.shapes[p]), 0)))
        return total

    def distance(self, theta: Parameters) -> Any:
        """Euclidean distance from the manifold, for floats and whatever else has a square root."""
        return np.sqrt(self.squared_distance(theta))

    def __repr__(self) -> str:
        return f"{self.name}: dimension {self.dimension} of {self.dimension + self.codimension}"

    def _repr_html_(self) -> str:
        size = f"dimension {self.dimension:,} of {self.dimension + self.codimension:,}"
        rows = ((_equation(row, self.shapes), row.label) for row in self.constraints())
        header = ("constraint", "part") if self.codimension else ()
        return html_table(f"{self.name}: {size}", header, rows, self.codimension)


def _equation(row: Constraint, shapes: Mapping[str, Shape]) -> str:
    text = ""
    for (p, e), c in row.terms.items():
        index = ", ".join(str(int(k)) for k in np.unravel_index(e, shapes[p]))
        size = "" if abs(c) == 1 else f"{abs(c)} "
        text += f" {'-' if c < 0 else '+'} {size}{p}[{index}]"
    return f"{text.removeprefix(' + ').strip()} = {row.value}"


def leading_shape(arrays: Parameters, shapes: Mapping[str, Shape], label: str) -> Shape:
    """The common shape of the axes in front of the given ones.

    Raises:
        ManifoldError: if an array is missing, does not fit its shape, or leading axes differ so
            that they do not broadcast.

    >>> leading_shape({"w": np.zeros((5, 2, 3))}, {"w": (2, 3)}, "M")
    (5,)
    """
    leads: list[Shape] = []
    for name, shape in shapes.items():
        if name not in arrays:
            raise ManifoldError(f"{label}: {name!r} is missing, an array of shape {shape}")
        found = tuple(arrays[name].shape)
        leads.append(found[: len(found) - len(shape)])
        if len(found) < len(shape) or (*leads[-1], *shape) != found:
            raise ManifoldError(f"{label}: {name!r} has shape {found}, expected {shape} at its end")
    try:
        return np.broadcast_shapes(*leads)
    except ValueError:
        raise ManifoldError(f"{label}: leading axes {leads} do not broadcast") from None
