r"""Certified inertia: how many eigenvalues of a symmetric matrix are negative, zero, positive.

Never read off rounded eigenvalues. Over the rationals (every float is one) the characteristic
polynomial is computed exactly; all its roots are real, so Descartes' rule of signs is an equality:
as many roots are positive as the coefficients change sign, 0 is a root as often as the low
coefficients vanish, and a shift by s counts the eigenvalues above s.

For balls the matrix is made nearly diagonal by float64 eigenvectors, used as exact numbers. If the
discs of Gershgorin of the rows D keep away from 0, the signs of their diagonal are the inertia of
that block, by Sylvester and Haynsworth,

    In [[S_DD, S_DU], [S_UD, S_UU]] = In(S_DD) + In(S_UU - S_UD S_DD⁻¹ S_DU),

and the Schur complement, whose eigenvalues are smaller by the factor that float64 resolved, is
treated in the same way, until its balls contain 0. Lower bounds on the number of negative and of
positive eigenvalues need no regular eigenvectors: a subspace on which the form is definite is
one. No ball shows that an eigenvalue is 0; the pattern of exact zeros does: the rank is at most
the number of entries, no two in a row or a column, that may differ from 0.

Sources: C. Jacobi, 1857; E. V. Haynsworth, Determination of the inertia of a partitioned Hermitian
matrix, 1968; D. Kőnig, 1931 (term rank).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import lcm
from typing import Any, Literal, Protocol

import flint
import numpy as np
from flint import arb, arb_mat, fmpq, fmpq_poly, fmpz_mat
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from numerics.systems.objects import exact
from numerics.systems.system import Array
from theory.errors import ShapeError, ValueSystemError
from theory.stability_class import Inertia

Level = Literal["proved", "enclosed", "observed"]

RESOLVED = 2.0**-20  # eigenvalues that one pass decides, relative to the largest


class Eigenvalues(Protocol):
    """The eigenvalues of one symmetric matrix, by their signs and the signs of their shifts."""

    @property
    def level(self) -> Level:
        """By which right the counts are known."""

    @property
    def size(self) -> int:
        """Number of eigenvalues."""

    @property
    def approximate(self) -> Array:
        """The eigenvalues in float64, ascending: not certified."""

    def inertia(self, shift: Fraction = Fraction(0)) -> Inertia:
        """How many eigenvalues are below the shift, equal to it, above it."""


@dataclass(frozen=True, eq=False)
class ExactEigenvalues:
    r"""Eigenvalues of :math:`D A D` with rational A and :math:`D^2` rational and diagonal.

    They are those of :math:`D^2 A`, so square roots in D do no harm.

    Args:
        matrix: A, symmetric, rational numbers or floats as rational numbers, shape ``(n, n)``.
        squares: the diagonal of D², positive; all 1 if left out.

    Raises:
        ShapeError: if A is not square, or D² does not fit.
        ValueSystemError: if A is not symmetric, or has an entry that is no rational number, or D²
            is not positive.

    >>> ExactEigenvalues([[0, 1], [1, 0]]).inertia()
    Inertia(negative=1, zero=0, positive=1, undecided=0)
    >>> ExactEigenvalues([[1, 1], [1, 1]], squares=[1, 2]).inertia(Fraction(3))  # 0 and 3
    Inertia(negative=1, zero=1, positive=0, undecided=0)
    """

    matrix: Any
    squares: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        n = self.size
        if any(self._entries[i][j] != self._entries[j][i] for i in range(n) for j in range(i)):
            raise ValueSystemError("matrix: not symmetric, so its eigenvalues may be complex")
        if len(self._squares) != n:
            raise ShapeError(f"squares has length {len(self._squares)}, expected {n}")
        if any(not s > 0 for s in self._squares):
            raise ValueSystemError("squares: the diagonal of D² is positive")

    @property
    def level(self) -> Level:
        """``proved``."""
        return "proved"

    @property
    def size(self) -> int:
        """Number of eigenvalues."""
        return len(self._entries)

    @cached_property
    def _entries(self) -> list[list[Fraction]]:
        rows = np.asarray(self.matrix, dtype=object)
        _check_square(rows)
        try:
            return [[exact(v) for v in row] for row in rows]
        except (TypeError, ValueError) as error:
            raise ValueSystemError(f"matrix: {error}") from None

    @cached_property
    def _squares(self) -> list[Fraction]:
        return [exact(s) for s in (self.squares or [1] * self.size)]

    @cached_property
    def approximate(self) -> Array:
        """The eigenvalues in float64, ascending: not certified."""
        roots = np.sqrt(np.array([float(s) for s in self._squares]))
        dense = np.array([[float(v) for v in row] for row in self._entries]).reshape(
            self.size, self.size
        )
        return np.asarray(np.linalg.eigvalsh(roots[:, None] * dense * roots))

    @cached_property
    def _characteristic(self) -> tuple[Any, int]:
        """The characteristic polynomial of q D² A with integer entries, and q."""
        rows = [[s * v for v in row] for s, row in zip(self._squares, self._entries, strict=True)]
        q = lcm(*(v.denominator for row in rows for v in row))
        scaled = [[int(v * q) for v in row] for row in rows]
        return fmpq_poly(fmpz_mat(scaled).charpoly()), q

    def inertia(self, shift: Fraction = Fraction(0)) -> Inertia:
        """How many eigenvalues are below the shift, equal to it, above it; always decided."""
        if not self.size:
            return Inertia(0, 0, 0)
        polynomial, q = self._characteristic
        if shift:
            s = Fraction(shift) * q
            polynomial = polynomial(fmpq_poly([fmpq(s.numerator, s.denominator), 1]))
        signs = [1 if c > 0 else -1 for c in polynomial.coeffs() if c != 0]
        zero = next(k for k, c in enumerate(polynomial.coeffs()) if c != 0)
        positive = sum(a != b for a, b in pairwise(signs))
        return Inertia(self.size - zero - positive, zero, positive)


@dataclass(frozen=True, eq=False)
class EnclosedEigenvalues:
    """Eigenvalues of a symmetric matrix of balls: counts for every matrix in the enclosure.

    Entries (i, j) and (j, i) enclose one number.

    Args:
        matrix: of balls, shape ``(n, n)``.
        bits: of precision.
        nullity: so many eigenvalues are known to be 0; the pattern of exact zeros may say more.

    Raises:
        ShapeError: if the matrix is not square.

    >>> third = arb(1) / 3
    >>> EnclosedEigenvalues([[third, 1, 0], [1, third - third, 0], [0, 0, 0]]).inertia()
    Inertia(negative=1, zero=1, positive=1, undecided=0)
    >>> EnclosedEigenvalues([[third - third]]).inertia()
    Inertia(negative=0, zero=0, positive=0, undecided=1)
    """

    matrix: Any
    bits: int = 128
    nullity: int = 0

    def __post_init__(self) -> None:
        _check_square(self._entries)

    @property
    def level(self) -> Level:
        """``enclosed``."""
        return "enclosed"

    @property
    def size(self) -> int:
        """Number of eigenvalues."""
        return len(self._entries)

    @cached_property
    def _entries(self) -> Array:
        return np.asarray(self.matrix, dtype=object)

    @cached_property
    def approximate(self) -> Array:
        """The eigenvalues of the midpoints in float64, ascending: not certified; nan if unknown."""
        centre = midpoints(self._entries)
        if not np.isfinite(centre).all():
            return np.full(self.size, np.nan)
        return np.asarray(np.linalg.eigvalsh(centre))

    @cached_property
    def zeros(self) -> int:
        """A certain lower bound on the number of eigenvalues that are 0."""
        return max(self.nullity, self.size - term_rank(self._entries))

    def inertia(self, shift: Fraction = Fraction(0)) -> Inertia:
        """How many eigenvalues are certainly below the shift, equal to it, above it."""
        size, zeros = self.size, self.zeros
        with flint.ctx.workprec(self.bits):
            matrix = [[arb(v) for v in row] for row in self._entries]
            if not all(v.is_finite() for row in matrix for v in row):
                return Inertia(0, 0 if shift else zeros, 0, size if shift else size - zeros)
            moved = arb(fmpq(shift.numerator, shift.denominator))
            for k in range(size):
                matrix[k][k] = matrix[k][k] - moved
            negative, positive = _decided(matrix)
        if shift:
            # The zeros of M are at -shift now: as many have its sign.
            negative = max(negative, zeros) if shift > 0 else negative
            positive = max(positive, zeros) if shift < 0 else positive
            zeros = 0
        return Inertia(negative, zeros, positive, size - negative - zeros - positive)


@dataclass(frozen=True, eq=False)
class ObservedEigenvalues:
    """Eigenvalues in float64: counts are observations, and what rounding may have made is open.

    Args:
        values: the eigenvalues.
        error: eigenvalues that are closer to a shift are undecided.

    >>> ObservedEigenvalues([1.0, -2.0, 1e-16], error=1e-12).inertia()
    Inertia(negative=1, zero=0, positive=1, undecided=1)
    """

    values: Any
    error: float

    @property
    def level(self) -> Level:
        """``observed``."""
        return "observed"

    @property
    def size(self) -> int:
        """Number of eigenvalues."""
        return len(self.approximate)

    @cached_property
    def approximate(self) -> Array:
        """The eigenvalues, ascending."""
        return np.sort(np.asarray(self.values, dtype=float))

    def inertia(self, shift: Fraction = Fraction(0)) -> Inertia:
        """How many eigenvalues are seen below the shift and above it."""
        away = self.approximate - float(shift)
        negative, positive = (int(np.sum(sign * away > self.error)) for sign in (-1, 1))
        return Inertia(negative, 0, positive, self.size - negative - positive)


def term_rank(matrix: Any) -> int:
    """The largest number of entries that may differ from 0, no two in a row or a column.

    No matrix with these zeros has a higher rank. A ball is zero only if it is exactly 0.

    >>> term_rank([[1, 1, 1], [1, 0, 0], [1, 0, 0]])
    2
    """
    if not len(matrix):
        return 0
    pattern = csr_array([[0 if v == 0 else 1 for v in row] for row in matrix])
    return int(np.sum(maximum_bipartite_matching(pattern, perm_type="column") >= 0))


def midpoints(matrix: Any) -> Array:
    """The midpoints of balls, rounded to float64."""
    values = [float(v.mid()) if isinstance(v, arb) else float(v) for v in np.ravel(matrix)]
    return np.array(values).reshape(np.shape(matrix))


def _check_square(matrix: Array) -> None:
    if matrix.shape != (0,) and (matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]):
        raise ShapeError(f"matrix has shape {matrix.shape}, expected (n, n)")


def _decided(matrix: list[list[Any]]) -> tuple[int, int]:
    """Certain lower bounds on the numbers of negative and of positive eigenvalues."""
    negative = positive = 0
    while matrix:
        balls = arb_mat(matrix)
        centre = np.array([[float(v.mid()) for v in row] for row in matrix])
        largest = np.abs(centre).max()
        if not 0 < largest < np.inf:
            break
        values, vectors = np.linalg.eigh(centre / largest)
        basis = arb_mat(vectors.tolist())
        rotated = basis.transpose() * balls * basis
        table = [[rotated[i, j] for j in range(len(matrix))] for i in range(len(matrix))]
        rows = [k for k, v in enumerate(values) if abs(v) > RESOLVED * abs(values).max()]
        rows = _away_from_zero(table, rows)
        if not rows:
            break
        negative += sum(table[k][k] < 0 for k in rows)
        positive += sum(table[k][k] > 0 for k in rows)
        rest = [k for k in range(len(matrix)) if k not in set(rows)]
        if not rest:
            break
        matrix = _schur_complement(table, rows, rest)
        if not all(v.is_finite() for row in matrix for v in row):
            break
    return negative, positive


def _away_from_zero(table: list[list[Any]], rows: list[int]) -> list[int]:
    """The rows, of those given, whose discs of Gershgorin among themselves do not hold 0."""
    while True:
        kept = []
        for i in rows:
            radius = sum((table[i][j].abs_upper() for j in rows if j != i), arb(0))
            if table[i][i].abs_lower() > radius:
                kept.append(i)
        if len(kept) == len(rows):
            return kept
        rows = kept


def _schur_complement(table: list[list[Any]], rows: list[int], rest: list[int]) -> list[list[Any]]:
    block = arb_mat([[table[i][j] for j in rows] for i in rows])
    across = arb_mat([[table[i][j] for j in rest] for i in rows])
    corner = arb_mat([[table[i][j] for j in rest] for i in rest])
    found = corner - across.transpose() * block.solve(across)
    return [[found[i, j] for j in range(len(rest))] for i in range(len(rest))]
