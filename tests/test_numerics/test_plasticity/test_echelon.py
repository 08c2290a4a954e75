"""Row spaces against FLINT, on matrices of every rank and shape."""

import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.plasticity.echelon import PANEL, RowSpace
from numerics.primes import random_primes
from numerics.systems.prime import PrimeField
from theory.errors import ShapeError

PRIME = random_primes(1, 5)[0]
FIELD = PrimeField((PRIME,), 0)


def of_rank(rank, rows, columns, stream, field=FIELD):
    left, right = field.random((rows, rank), f"{stream}l"), field.random((rank, columns), "r")
    if rank == 0:
        return np.zeros((rows, columns))
    return field.matmul(left, right)[0]


def flint_rank(matrix, p):
    return flint.nmod_mat((matrix.astype(np.int64) % p).tolist(), p).rank()


def reduced_form(space):
    full = space.combine(np.eye(space.rank))
    order = np.argsort(space.pivots)
    return full[order].astype(np.int64) % space.field.primes[0]


@pytest.mark.parametrize("p", [3, 7, PRIME])
@given(st.data())
def test_rank_and_members_agree_with_flint(p, data):
    field = PrimeField((p,), data.draw(st.integers(0, 1000)))
    rows, columns = data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12))
    rank = data.draw(st.integers(0, min(rows, columns)))
    matrix = of_rank(rank, rows, columns, "m", field)
    zeroed = data.draw(st.sets(st.integers(0, columns - 1)))
    matrix[:, sorted(zeroed)] = 0
    space = RowSpace(field, columns)
    cut = data.draw(st.integers(0, rows))
    grown = space.extend(matrix[:cut]) + space.extend(matrix[cut:])
    assert grown == space.rank == flint_rank(matrix, p)
    assert space.contains(matrix).all()
    other = field.random((3, columns), "other")[0]
    for row, inside in zip(other, space.contains(other), strict=True):
        assert inside == (flint_rank(np.vstack([matrix, row]), p) == space.rank)


@pytest.mark.parametrize(
    ("rows", "columns", "rank"),
    [(300, 290, 290), (400, 350, 131), (150, 500, 150), (2 * PANEL, 700, PANEL + 1), (500, 60, 59)],
)
def test_reduced_form_of_several_panels_spans_what_flint_says(rows, columns, rank):
    matrix = of_rank(rank, rows, columns, "big")
    space = RowSpace(FIELD, columns)
    space.extend(matrix[: rows // 3])
    space.extend(matrix[rows // 3 :])
    assert space.rank == rank
    form = reduced_form(space)
    assert (form[:, np.sort(space.pivots)] == np.eye(rank)).all()
    assert flint_rank(np.vstack([matrix, form]), PRIME) == rank


def test_rows_whose_first_columns_are_dependent():
    """Equal columns in front: the first panel of columns holds a single pivot."""
    matrix = of_rank(40, 60, 300, "late")
    matrix[:, :200] = matrix[:, :1]
    space = RowSpace(FIELD, 300)
    assert space.extend(matrix) == flint_rank(matrix, PRIME) == 40


def test_near_maximal_residues_stay_exact():
    """Sums of thousands of products of the largest residues, of either sign."""
    largest = (PRIME - 1) // 2
    signs = np.where(FIELD.random((900, 900), "signs")[0] < 0, -1.0, 1.0)
    matrix = largest * signs
    space = RowSpace(FIELD, 900)
    space.extend(matrix[:450])
    space.extend(matrix[450:])
    assert space.rank == flint_rank(matrix, PRIME)
    assert np.abs(space.tail).max(initial=0) <= (PRIME + 1) // 2


def test_annihilator_read_off_the_form():
    matrix = of_rank(20, 50, 33, "null")
    space = RowSpace(FIELD, 33)
    space.extend(matrix)
    normals = np.zeros((33 - 20, 33))
    normals[:, space.free] = np.eye(13)
    normals[:, space.pivots] = -space.tail.T
    assert not FIELD.matmul(matrix[None], normals.T[None]).any()


def test_rows_must_fit():
    space = RowSpace(FIELD, 3)
    with pytest.raises(ShapeError, match=r"expected \(k, 3\)"):
        space.extend(np.zeros((2, 4)))
    with pytest.raises(ShapeError, match="one prime field"):
        RowSpace(PrimeField((101, 103), 0), 3)
