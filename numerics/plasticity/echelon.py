"""Row spaces of big dense matrices over one prime field, by float64 BLAS with exact residues.

A space of dimension r in GF(p)ⁿ is kept as its reduced row echelon form up to the order of columns,
[I | F] with I on the r pivots and F, r × (n - r), on the other columns. New rows R are reduced by
one product, R_free - R_pivot F; what is left of them gets a reduced form [I | S] of its own, which
changes F by one more product. Building a space of dimension n so takes ⅔ n³ operations, nearly all
of them in matrix products, and what annihilates the space can be read off: e_j - Σ_i F_ij e_i for
every column j without pivot.

Only the transformations of 128 rows among 144 columns are left to FLINT, whose entries have to pass
through Python integers.
"""

from __future__ import annotations

import flint
import numpy as np
from numpy.typing import NDArray

from numerics.systems.prime import PrimeField
from numerics.systems.system import Array
from theory.errors import ShapeError

PANEL = 128  # rows that are eliminated at once
SPARE = 16  # columns beyond them: 128 rows seldom have rank 128 in 128 columns of their support


class RowSpace:
    """A growing subspace of GF(p)ⁿ.

    Args:
        field: of one component; vectors are its balanced residues, without the component axis.
        length: n.

    Raises:
        ShapeError: if the field has several components.

    >>> space = RowSpace(PrimeField((101,), seed=0), length=3)
    >>> space.extend(np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 5.0]]))
    2
    >>> space.pivots.tolist(), space.contains(np.array([[3.0, 6.0, 0.0], [0.0, 1.0, 0.0]])).tolist()
    ([0, 2], [True, False])
    """

    def __init__(self, field: PrimeField, length: int) -> None:
        if field.num_components != 1:
            raise ShapeError(f"{field.name}: a row space is over one prime field")
        self.field = field
        self.length = length
        self._pivots: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._free = np.arange(length)
        self._tail = np.empty((0, length))  # F

    @property
    def rank(self) -> int:
        """Dimension of the space."""
        return len(self._pivots)

    @property
    def pivots(self) -> NDArray[np.intp]:
        """The columns on which the reduced form is the identity, in the order of its rows."""
        return self._pivots

    @property
    def free(self) -> NDArray[np.intp]:
        """The columns without pivot, ascending."""
        return self._free

    @property
    def tail(self) -> Array:
        """F: the reduced form on the columns :attr:`free`, shape (rank, n - rank)."""
        return self._tail

    def extend(self, rows: Array) -> int:
        """Add rows, shape (k, n); how much the rank grows.

        Raises:
            ShapeError: if the rows do not have n columns.
        """
        rest = self.remainder(rows)
        before = self.rank
        if len(rest) > PANEL:
            block = RowSpace(self.field, rest.shape[1])
            for start in range(0, len(rest), PANEL):
                block.extend(rest[start : start + PANEL])
            self._merge(block._pivots, block._free, block._tail)
            return self.rank - before
        while (rest := rest[rest.any(axis=1)]).size:
            columns = np.flatnonzero(rest.any(axis=0))[: len(rest) + SPARE]
            transform, found = _transformation(rest[:, columns], self.field.primes[0])
            moved = self._product(transform, rest)
            pivots = columns[found]
            others = np.setdiff1d(np.arange(rest.shape[1]), pivots)
            self._merge(pivots, others, moved[: len(pivots), others])
            rest = moved[len(pivots) :, others]
        return self.rank - before

    def remainder(self, rows: Array) -> Array:
        """Rows minus the members of the space that agree with them on the pivots, on :attr:`free`.

        Raises:
            ShapeError: if the rows do not have n columns.
        """
        if rows.ndim != 2 or rows.shape[1] != self.length:
            raise ShapeError(f"rows of shape {rows.shape}: expected (k, {self.length})")
        rest = rows[:, self._free]
        return self._minus(rest, rows[:, self._pivots], self._tail)

    def contains(self, rows: Array) -> NDArray[np.bool_]:
        """Which rows lie in the space.

        Raises:
            ShapeError: if the rows do not have n columns.
        """
        return np.logical_not(self.remainder(rows).any(axis=1))

    def combine(self, coefficients: Array) -> Array:
        """Members Σ_i c_i (row i of the reduced form), (k, rank) to (k, n)."""
        members = np.zeros((len(coefficients), self.length))
        members[:, self._pivots] = coefficients
        if self.rank:
            members[:, self._free] = self._product(coefficients, self._tail)
        return members

    def _merge(self, pivots: NDArray[np.intp], others: NDArray[np.intp], tail: Array) -> None:
        """Add rows that are 1 on ``pivots`` and ``tail`` on ``others``, positions in ``free``."""
        if not len(pivots):
            return
        kept = self._minus(self._tail[:, others], self._tail[:, pivots], tail)
        self._tail = np.concatenate([kept, tail])
        self._pivots = np.concatenate([self._pivots, self._free[pivots]])
        self._free = self._free[others]

    def _product(self, a: Array, b: Array) -> Array:
        product: Array = self.field.matmul(a[None], b[None])[0]
        return product

    def _minus(self, a: Array, b: Array, c: Array) -> Array:
        """a - b c."""
        if not (b.size and c.size):
            return a
        difference: Array = self.field.subtract(a[None], self._product(b, c)[None])[0]
        return difference


def _transformation(rows: Array, p: int) -> tuple[Array, NDArray[np.intp]]:
    """An invertible T with T ``rows`` in reduced row echelon form, and its pivots' columns."""
    k, n = rows.shape
    identity = np.eye(k, dtype=np.int64)
    joint = np.concatenate([rows.astype(np.int64), identity], axis=1) % p
    reduced, _ = flint.nmod_mat(joint.tolist(), p).rref()
    entries = np.array([int(e) for e in reduced.entries()], dtype=np.float64).reshape(k, k + n)
    entries[entries > p // 2] -= p
    left = entries[:, :n]
    rank = int(np.count_nonzero(left.any(axis=1)))
    return np.ascontiguousarray(entries[:, n:]), np.argmax(left[:rank] != 0, axis=1)
