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

from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.exact_arrays import like, numbers
from theory.manifold.base import (
    Constraint,
    Factor,
    Manifold,
    NormalTest,
    Parameters,
    SparseVector,
    leading_shape,
)
from theory.manifold.elimination import Echelon, row_echelon
from theory.primitives import Shape

Entry = tuple[str, int]


@dataclass(frozen=True, eq=False, repr=False)
class AffineManifold(Manifold):
    """{θ : every row's Σ coefficient · θ_entry = value}.

    Rows may depend on each other; contradictory ones are an error. The work grows with the number
    of parameters that the rows mention, not with the number of all parameters.

    Raises:
        ManifoldError: if a row names no entry of a parameter, or the rows contradict each other.

    >>> rows = (Constraint({("w", 0): Fraction(1), ("w", 2): Fraction(-1)}, Fraction(0), "tied"),)
    >>> tied = AffineManifold("tied", {"w": (3,)}, rows)
    >>> tied.embed({"w": np.array([5]), "bound": np.array([7])})
    {'w': array([7, 5, 7], dtype=object)}
    """

    label: str
    parameter_shapes: Mapping[str, Shape]
    rows: tuple[Constraint, ...]

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows):
            for p, e in row.terms:
                if p not in self.parameter_shapes or not 0 <= e < prod(self.parameter_shapes[p]):
                    raise ManifoldError(
                        f"rows[{number}] ({row.label}): no entry {e} of a parameter {p!r}"
                    )
        if (k := self._echelon.contradiction) is not None:
            raise ManifoldError(
                f"{self.label}: rows[{k}] ({self.rows[k].label}) contradicts the rows before it"
            )

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
        return sorted(
            {e for row in self.rows for e in row.terms}, key=lambda e: (order[e[0]], e[1])
        )

    @cached_property
    def _position(self) -> dict[Entry, int]:
        return {e: k for k, e in enumerate(self._bound)}

    @cached_property
    def _echelon(self) -> Echelon:
        """The rows in whole numbers, solved; the right sides stand in the last column."""
        return row_echelon([self._whole_row(row) for row in self.rows], len(self._bound))

    def _whole_row(self, row: Constraint) -> dict[int, int]:
        scale = lcm(row.value.denominator, *(c.denominator for c in row.terms.values()))
        whole = {
            self._position[e]: c.numerator * (scale // c.denominator) for e, c in row.terms.items()
        }
        if row.value:
            whole[len(self._bound)] = row.value.numerator * (scale // row.value.denominator)
        return whole

    @cached_property
    def _frame(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Origin ``(n,)`` and integer directions ``(d, n)`` of the bound entries."""
        n = len(self._bound)
        solved = self._echelon.rows
        origin = np.zeros(n, dtype=object)
        users: dict[int, list[int]] = {k: [] for k in range(n) if k not in solved}
        for pivot, row in solved.items():
            if n in row:
                origin[pivot] = _plain(Fraction(row[n], row[pivot]))
            for column in row:
                if column != pivot and column != n:
                    users[column].append(pivot)
        directions = np.zeros((len(users), n), dtype=object)
        for direction, (column, pivots) in zip(directions, users.items(), strict=True):
            shares = {k: Fraction(-solved[k][column], solved[k][k]) for k in pivots}
            scale = lcm(*(c.denominator for c in shares.values()))
            direction[column] = scale
            for k, share in shares.items():
                direction[k] = share.numerator * (scale // share.denominator)
        return origin, directions

    @cached_property
    def _layout(self) -> dict[str, tuple[int, list[int]]]:
        """For each parameter the number of unbound entries and where each entry comes from."""
        position = self._position
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
        """Unbound entries in their places, bound ones from the solution of the rows.

        Whole coordinates of a manifold with whole right sides give whole parameters.

        Raises:
            ManifoldError: if a coordinate array is missing or does not fit.
        """
        lead = leading_shape(free, self.free_shapes, self.label)
        origin, directions = self._frame
        bound: Any = origin
        if len(directions):
            bound = free["bound"] @ like(directions, free["bound"])
            if origin.any():
                bound = bound + like(origin, free["bound"])
        theta: dict[str, Any] = {}
        for p, (count, source) in self._layout.items():
            parts = [part for part in ([free[p], bound] if count else [bound]) if part.shape[-1]]
            parts = [np.broadcast_to(part, (*lead, part.shape[-1])) for part in parts]
            flat = np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0]
            theta[p] = np.reshape(np.take(flat, source, axis=-1), (*lead, *self.shapes[p]))
        return theta

    def constraints(self) -> Iterator[Constraint]:
        """An independent choice of the rows."""
        return (self.rows[i] for i in self._echelon.independent)

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
        """One test: a generic combination of the rows, the same in every parameter."""
        columns: dict[str, dict[int, list[tuple[int, Fraction]]]] = {}
        count = 0
        for row in self.constraints():
            for (p, e), c in row.terms.items():
                columns.setdefault(p, {}).setdefault(e, []).append((count, c))
            count += 1
        factors = {
            p: (_row_combination(columns[p], count, shape),)
            for p, shape in self.shapes.items()
            if p in columns
        }
        return (NormalTest(self.label, factors),) if factors else ()

    @cached_property
    def _clusters(self) -> list[_Cluster]:
        """The independent rows, gathered into groups that share no entry."""
        owner: dict[Entry, int] = {}
        rows_of: dict[int, list[Constraint]] = {}
        for number, row in enumerate(self.constraints()):
            met = {owner[e] for e in row.terms if e in owner}
            rows_of[number] = [r for k in sorted(met) for r in rows_of.pop(k)] + [row]
            owner |= {e: number for r in rows_of[number] for e in r.terms}
        return [_cluster(rows) for rows in rows_of.values()]

    def normal_part(self, theta: Parameters) -> dict[str, Any]:
        """Aᵀ(A Aᵀ)⁻¹(A θ - b), for arrays of numbers.

        Raises:
            ManifoldError: if a parameter is missing or does not fit.
        """
        point = {p: numbers(theta[p]) for p in self.shapes if p in theta}
        lead = leading_shape(point, self.shapes, self.label)
        flat, normal = {}, {}
        for p, shape in self.shapes.items():
            own_lead = point[p].shape[: point[p].ndim - len(shape)]
            flat[p] = np.broadcast_to(
                point[p].reshape(*own_lead, prod(shape)), (*lead, prod(shape))
            )
            normal[p] = np.zeros_like(flat[p])
        for cluster in self._clusters:
            own = np.stack([flat[p][..., e] for p, e in cluster.entries], axis=-1)
            residual = own @ like(cluster.matrix.T, own) - like(cluster.values, own)
            part = residual @ like(cluster.inverse.T, own)
            for k, (p, e) in enumerate(cluster.entries):
                normal[p][..., e] = part[..., k]
        return {p: np.reshape(normal[p], (*lead, *s)) for p, s in self.shapes.items()}


@dataclass(frozen=True, slots=True)
class _Cluster:
    """Rows A θ = b on a few entries, and Aᵀ(A Aᵀ)⁻¹."""

    entries: tuple[Entry, ...]
    matrix: np.ndarray[Any, Any]
    values: np.ndarray[Any, Any]
    inverse: np.ndarray[Any, Any]


def _cluster(rows: list[Constraint]) -> _Cluster:
    entries = tuple(dict.fromkeys(e for row in rows for e in row.terms))
    matrix = np.zeros((len(rows), len(entries)), dtype=object)
    for i, row in enumerate(rows):
        for e, c in row.terms.items():
            matrix[i, entries.index(e)] = c
    values = np.array([row.value for row in rows], dtype=object)
    return _Cluster(entries, matrix, values, _pseudo_inverse(matrix))


def _row_combination(
    columns: Mapping[int, list[tuple[int, Fraction]]], count: int, shape: Shape
) -> Factor:
    """Aᵀ λ in one parameter, from the few rows and coefficients of each entry that has any."""
    touched = sorted(columns)
    position = {e: k for k, e in enumerate(touched)}
    # Round k adds the k-th row of every entry; an entry without one reads an added zero.
    rounds = []
    for k in range(max(len(terms) for terms in columns.values())):
        terms = [columns[e][k] if k < len(columns[e]) else (0, Fraction(0)) for e in touched]
        rows = [row for row, _ in terms]
        rounds.append((rows, np.array([_plain(c) for _, c in terms], dtype=object)))
    spread = [position.get(e, len(touched)) for e in range(prod(shape))]

    def embed(weights: Any) -> Any:
        total: Any = 0
        for rows, coefficients in rounds:
            total = total + np.take(weights, rows, axis=-1) * coefficients
        padded = np.concatenate([total, np.zeros_like(np.take(total, [0], axis=-1))], axis=-1)
        flat = np.take(padded, spread, axis=-1)
        return np.reshape(flat, (*weights.shape[:-1], *shape))

    return Factor("rows", tuple(range(len(shape))), (count,), embed)


def _pseudo_inverse(matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Aᵀ(A Aᵀ)⁻¹ for a matrix with independent rows, exactly."""
    gram = DomainMatrix(
        [[QQ(v.numerator, v.denominator) for v in row] for row in matrix @ matrix.T],
        (len(matrix),) * 2,
        QQ,
    )
    inverse = [
        [Fraction(int(v.numerator), int(v.denominator)) for v in row]
        for row in gram.inv().to_dense().to_list()
    ]
    result: np.ndarray[Any, Any] = matrix.T @ np.array(inverse, dtype=object)
    return result


def _plain(value: Fraction) -> Fraction | int:
    return int(value) if value.denominator == 1 else value


def ambient(architecture: Architecture) -> AffineManifold:
    """The manifold without constraints: all parameters.

    >>> from theory.zoo import mlp
    >>> ambient(mlp([3, 4, 4, 2])).dimension
    46
    """
    return AffineManifold("all parameters", architecture.parameter_shapes, ())


def intersect(one: Manifold, other: Manifold) -> AffineManifold:
    """The points of both manifolds.

    Raises:
        ManifoldError: if the parameters differ or there is no common point.
    """
    if dict(one.shapes) != dict(other.shapes):
        raise ManifoldError(f"{one.name} and {other.name} have different parameters")
    rows = (*one.constraints(), *other.constraints())
    return AffineManifold(f"{one.name} ∩ {other.name}", one.shapes, rows)
