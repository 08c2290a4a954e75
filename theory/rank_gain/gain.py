"""The rank gain of one correlation matrix and its lower bounds, in rational numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from theory.errors import ValueSystemError
from theory.html_table import html_table

Matrix = Sequence[Sequence[Any]]  # of rational numbers
ZERO = Fraction(0)


def effective_rank(matrix: Matrix) -> Fraction:
    """er₂(M) = (tr M)² / ‖M‖_F², exactly.

    Raises:
        ValueSystemError: if the matrix is not square, or 0.

    >>> effective_rank([[1, 0], [0, 1]]), effective_rank([[1, 1], [1, 1]])
    (Fraction(2, 1), Fraction(1, 1))
    """
    rows = [[Fraction(x) for x in row] for row in matrix]
    if any(len(row) != len(rows) for row in rows):
        raise ValueSystemError(f"matrix: {len(rows)} rows of lengths {[len(r) for r in rows]}")
    square = sum((x * x for row in rows for x in row), ZERO)
    if not square:
        raise ValueSystemError("matrix: the effective rank of 0 is not defined")
    return sum((row[i] for i, row in enumerate(rows)), ZERO) ** 2 / square


def polynomial_kernel(weights: Sequence[Any], r: Any) -> Fraction:
    """K(r) = w_1 r + w_2 r² + …, exactly.

    Raises:
        ValueSystemError: if the weights are negative or do not add up to 1.

    >>> polynomial_kernel(["1/2", "1/2"], "1/3")
    Fraction(2, 9)
    """
    exact = [Fraction(w) for w in weights]
    if any(w < 0 for w in exact) or sum(exact) != 1:
        raise ValueSystemError(f"weights={weights}: they are >= 0 and add up to 1")
    x = Fraction(r)
    return sum((w * x**k for k, w in enumerate(exact, start=1)), ZERO)


def rank_gain(correlations: Matrix, weights: Sequence[Any]) -> Fraction:
    """er₂(K(C)) / er₂(C) for the kernel with the Hermite weights w_1, w_2 and so on.

    Raises:
        ValueSystemError: if C has no unit diagonal, is not symmetric or has entries beyond ±1, or
            the weights are not weights.

    >>> rank_gain([[1, "1/2"], ["1/2", 1]], ["1/2", "1/2"])
    Fraction(80, 73)
    """
    rows = _checked(correlations)
    image = [[polynomial_kernel(weights, x) for x in row] for row in rows]
    return effective_rank(image) / effective_rank(rows)


@dataclass(frozen=True, slots=True)
class RankGainBounds:
    """Lower bounds of er₂(K(C)) / er₂(C) that only use C and w = K'(0), from weak to strong.

    Attributes:
        paper: 1 + (1 - w)/(1 + w) Ψ/‖C‖².
        linear: 1 + (1 - w) Ψ/‖C‖².
        reciprocal: 1 / (1 - (1 - w) Ψ/‖C‖²).
        entrywise: ‖C‖² / (d + Σ (w|C_ij| + (1 - w) C_ij²)²), optimal for C ≥ 0.
        optimal: ‖C‖² / (d + max_{n=2,3} Σ (w C_ij + (1 - w) C_ijⁿ)²), optimal for every C.
    """

    paper: Fraction
    linear: Fraction
    reciprocal: Fraction
    entrywise: Fraction
    optimal: Fraction

    def _repr_html_(self) -> str:
        rows = [(name, getattr(self, name)) for name in self.__slots__]
        return html_table("lower bounds of the rank gain", ("form", "bound"), rows, len(rows))


def rank_gain_bounds(correlations: Matrix, first_weight: Any) -> RankGainBounds:
    """All lower bounds for one matrix and one w = K'(0).

    Raises:
        ValueSystemError: if C is no matrix of correlations, or w is not in [0, 1].

    >>> bounds = rank_gain_bounds([[1, "1/2"], ["1/2", 1]], "1/2")
    >>> bounds.paper, bounds.linear, bounds.reciprocal, bounds.optimal
    (Fraction(21, 20), Fraction(43, 40), Fraction(40, 37), Fraction(80, 73))
    """
    rows, w = _checked(correlations), Fraction(first_weight)
    if not 0 <= w <= 1:
        raise ValueSystemError(f"first_weight={w}: a weight lies in [0, 1]")
    d = len(rows)
    entries = [x for i, row in enumerate(rows) for j, x in enumerate(row) if i != j]
    square = d + sum((x * x for x in entries), ZERO)
    psi = sum((x * x * (1 - x * x) for x in entries), ZERO) / square

    def ratio(images: list[Fraction]) -> Fraction:
        return square / (d + sum((y * y for y in images), ZERO))

    powers = [ratio([w * x + (1 - w) * x**n for x in entries]) for n in (2, 3)]
    return RankGainBounds(
        paper=1 + (1 - w) / (1 + w) * psi,
        linear=1 + (1 - w) * psi,
        reciprocal=1 / (1 - (1 - w) * psi),
        entrywise=ratio([w * abs(x) + (1 - w) * x * x for x in entries]),
        optimal=min(powers),
    )


def correlation_matrix(vectors: Sequence[Sequence[Any]]) -> list[list[Fraction]]:
    """Correlations of rational unit vectors, one for each point of a chart of the sphere.

    Every point t of Qⁿ is mapped to the unit vector (2t, |t|² - 1) / (|t|² + 1), so the Gram matrix
    is a rational correlation matrix, positive semidefinite by construction.

    >>> correlation_matrix([[0], [1]])
    [[Fraction(1, 1), Fraction(0, 1)], [Fraction(0, 1), Fraction(1, 1)]]
    """
    units = []
    for t in vectors:
        point = [Fraction(x) for x in t]
        square = sum((x * x for x in point), ZERO)
        units.append([2 * x / (square + 1) for x in point] + [(square - 1) / (square + 1)])
    return [[sum((x * y for x, y in zip(u, v, strict=True)), ZERO) for v in units] for u in units]


def _checked(correlations: Matrix) -> list[list[Fraction]]:
    rows = [[Fraction(x) for x in row] for row in correlations]
    for i, row in enumerate(rows):
        if len(row) != len(rows):
            raise ValueSystemError(f"row {i} has {len(row)} entries, the matrix {len(rows)} rows")
        if row[i] != 1:
            raise ValueSystemError(f"C[{i}, {i}]={row[i]}: the diagonal of correlations is 1")
        for j, x in enumerate(row):
            if abs(x) > 1 or x != rows[j][i]:
                raise ValueSystemError(f"C[{i}, {j}]={x}: correlations are symmetric, in [-1, 1]")
    return rows
