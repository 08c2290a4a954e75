"""A manifold given by explicit sparse constraints, of any form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm, prod
from typing import Any

import numpy as np
from sympy import QQ
from sympy.polys.matrices import DomainMatrix

from theory.errors import ManifoldError
from theory.manifold.base import (
    Constraint,
    Factor,
    Manifold,
    NormalTest,
    Parameters,
    SparseVector,
)
from theory.primitives import Shape

Entry = tuple[str, int]


@dataclass(frozen=True, eq=False)
class AffineManifold(Manifold):
    """{θ : every row's Σ coefficient · θ_entry = value}.

    Rows may depend on each other; contradictory ones are an error. The work grows with the number
    of parameters that the rows mention, not with the number of all parameters.

    Raises:
        ManifoldError: if a row names no entry of a parameter, or the rows contradict each other.

    >>> rows = (Constraint({("w", 0): Fraction(1), ("w", 2): Fraction(-1)}, Fraction(0), "tied"),)
    >>> AffineManifold("tied", {"w": (3,)}, rows).embed({"w": np.array([5]), "bound": np.array([7])})
    {'w': array([7, 5, 7], dtype=object)}
    """

    label: str
    parameter_shapes: Mapping[str, Shape]
    rows: tuple[Constraint, ...]

    def __post_init__(self) -> None:
        for k, row in enumerate(self.rows):
            for p, e in row.terms:
                if p not in self.parameter_shapes or not 0 <= e < prod(self.parameter_shapes[p]):
                    raise ManifoldError(
                        f"rows[{k}] ({row.label}): no entry {e} of a parameter {p!r}"
                    )
        if self._solution is None:
            raise ManifoldError(f"{self.label}: the constraints contradict each other")

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    @property
    def shapes(self) -> Mapping[str, Shape]:
        """Shapes of the parameters."""
        return self.parameter_shapes

    @cached_property
    def _bound(self) -> list[Entry]:
        """The entries that rows mention, in order."""
        order = {p: k for k, p in enumerate(self.parameter_shapes)}
        return sorted({e for row in self.rows for e in row.terms}, key=lambda e: (order[e[0]], e[1]))

    @cached_property
    def _solution(self) -> tuple[list[list[Fraction]], list[Fraction], list[int]] | None:
        """Reduced rows and values, and the pivots; ``None`` if there is no solution."""
        position = {e: k for k, e in enumerate(self._bound)}
        n = len(position)
        if not self.rows:
            return [], [], []
        sparse = {
            i: {position[e]: _rational(c) for e, c in row.terms.items() if c}
            | ({n: _rational(row.value)} if row.value else {})
            for i, row in enumerate(self.rows)
        }
        matrix = DomainMatrix(
            {i: r for i, r in sparse.items() if r}, (len(self.rows), n + 1), QQ
        )
        reduced, pivots = matrix.rref()
        if pivots and pivots[-1] == n:
            return None
        dense = [
            [Fraction(int(v.numerator), int(v.denominator)) for v in row]
            for row in reduced.to_dense().to_list()[: len(pivots)]
        ]
        return [row[:n] for row in dense], [row[n] for row in dense], list(pivots)

    @cached_property
    def _frame(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Origin ``(n,)`` and integer directions ``(d, n)`` of the bound entries."""
        rows, values, pivots = self._solution or ([], [], [])
        n = len(self._bound)
        origin = np.array([Fraction(0)] * n, dtype=object)
        for row, pivot, value in zip(rows, pivots, values, strict=True):
            origin[pivot] = value
        directions = []
        for k in sorted(set(range(n)) - set(pivots)):
            column = [Fraction(0)] * n
            column[k] = Fraction(1)
            for row, pivot in zip(rows, pivots, strict=True):
                column[pivot] = -row[k]
            scale = lcm(*(c.denominator for c in column))
            directions.append([int(c * scale) for c in column])
        frame = np.array(directions, dtype=object).reshape(len(directions), n)
        return _whole(origin), frame

    @cached_property
    def _layout(self) -> dict[str, tuple[int, list[int]]]:
        """For each parameter the number of unbound entries and where each entry comes from."""
        position = {e: k for k, e in enumerate(self._bound)}
        layout = {}
        for p, shape in self.parameter_shapes.items():
            free = [e for e in range(prod(shape)) if (p, e) not in position]
            place = {e: k for k, e in enumerate(free)}
            source = [
                place[e] if e in place else len(free) + position[p, e] for e in range(prod(shape))
            ]
            layout[p] = (len(free), source)
        return layout

    @cached_property
    def free_shapes(self) -> Mapping[str, Shape]:
        """The unbound entries of each parameter, and ``bound`` for those that rows mention."""
        shapes = {p: (count,) for p, (count, _) in self._layout.items() if count}
        if len(self._frame[1]):
            shapes["bound"] = (len(self._frame[1]),)
        return shapes

    def embed(self, free: Parameters) -> dict[str, Any]:
        """Unbound entries in their places, bound ones from the solution of the rows."""
        origin, directions = self._frame
        lead = next((np.shape(v)[:-1] for v in free.values()), ())
        fixed: Any = np.broadcast_to(origin, (*lead, len(origin)))
        bound = free["bound"] @ directions + fixed if len(directions) else fixed
        theta: dict[str, Any] = {}
        for p, (count, source) in self._layout.items():
            parts = [free[p], bound] if count else [bound]
            flat = np.concatenate([part for part in parts if part.shape[-1]], axis=-1)
            theta[p] = np.reshape(np.take(flat, source, axis=-1), (*lead, *self.shapes[p]))
        return theta

    def constraints(self) -> Iterator[Constraint]:
        """An independent choice of the rows."""
        position = {e: k for k, e in enumerate(self._bound)}
        columns = {
            i: {position[e]: _rational(c) for e, c in row.terms.items() if c}
            for i, row in enumerate(self.rows)
        }
        transposed: dict[int, dict[int, Any]] = {}
        for i, entries in columns.items():
            for e, c in entries.items():
                transposed.setdefault(e, {})[i] = c
        if not transposed:
            return
        _, pivots = DomainMatrix(transposed, (len(position), len(self.rows)), QQ).rref()
        yield from (self.rows[i] for i in pivots)

    def tangent_basis(self) -> Iterator[SparseVector]:
        """Unit vectors of the unbound entries and the solution's directions."""
        bound = set(self._bound)
        for p, shape in self.parameter_shapes.items():
            for e in range(prod(shape)):
                if (p, e) not in bound:
                    yield {(p, e): Fraction(1)}
        for direction in self._frame[1]:
            yield {e: Fraction(c) for e, c in zip(self._bound, direction, strict=True) if c}

    def normal_tests(self) -> tuple[NormalTest, ...]:
        """One test: a generic combination of the rows."""
        rows = list(self.constraints())
        if not rows:
            return ()
        factors = {}
        for p, shape in self.shapes.items():
            matrix = np.zeros((len(rows), prod(shape)), dtype=object)
            for i, row in enumerate(rows):
                for (q, e), c in row.terms.items():
                    if q == p:
                        matrix[i, e] = _plain(c)
            if matrix.any():
                factors[p] = (_row_combination(matrix, shape),)
        return (NormalTest(self.label, factors),)

    def normal_part(self, theta: Parameters) -> dict[str, Any]:
        """Aᵀ(A Aᵀ)⁻¹(A θ - b)."""
        rows = list(self.constraints())
        starts, total = {}, 0
        for p, shape in self.shapes.items():
            starts[p], total = total, total + prod(shape)
        lead = {p: np.shape(theta[p])[: np.ndim(theta[p]) - len(s)] for p, s in self.shapes.items()}
        flat = np.concatenate(
            [np.reshape(theta[p], (*lead[p], prod(s))) for p, s in self.shapes.items()], axis=-1
        )
        matrix = np.zeros((len(rows), total), dtype=object)
        for i, row in enumerate(rows):
            for (p, e), c in row.terms.items():
                matrix[i, starts[p] + e] = c
        values = np.array([row.value for row in rows], dtype=object)
        inverse = _pseudo_inverse(matrix)
        kind = float if flat.dtype.kind == "f" else object
        normal = (flat @ matrix.T.astype(kind) - values.astype(kind)) @ inverse.T.astype(kind)
        return {
            p: np.reshape(normal[..., starts[p] : starts[p] + prod(s)], (*lead[p], *s))
            for p, s in self.shapes.items()
        }


def _row_combination(matrix: np.ndarray[Any, Any], shape: Shape) -> Factor:
    return Factor(
        tuple(range(len(shape))),
        (len(matrix),),
        lambda weights: np.reshape(weights @ matrix, (*weights.shape[:-1], *shape)),
    )


def _pseudo_inverse(matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Aᵀ(A Aᵀ)⁻¹ for a matrix with independent rows, exactly."""
    if not len(matrix):
        return matrix.T
    gram = DomainMatrix(
        [[_rational(v) for v in row] for row in matrix @ matrix.T], (len(matrix),) * 2, QQ
    )
    inverse = [
        [Fraction(int(v.numerator), int(v.denominator)) for v in row]
        for row in gram.inv().to_dense().to_list()
    ]
    result: np.ndarray[Any, Any] = matrix.T @ np.array(inverse, dtype=object)
    return result


def _rational(value: Any) -> Any:
    value = Fraction(value)
    return QQ(value.numerator, value.denominator)


def _plain(value: Fraction) -> Fraction | int:
    return int(value) if value.denominator == 1 else value


def _whole(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.array([_plain(v) for v in values], dtype=object)


def intersect(one: Manifold, other: Manifold) -> AffineManifold:
    """The points of both manifolds.

    Raises:
        ManifoldError: if the parameters differ or there is no common point.
    """
    if dict(one.shapes) != dict(other.shapes):
        raise ManifoldError(f"{one.name} and {other.name} have different parameters")
    rows = (*one.constraints(), *other.constraints())
    return AffineManifold(f"{one.name} ∩ {other.name}", one.shapes, rows)
