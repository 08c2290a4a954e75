from flint import fmpq_mat
from hypothesis import example, given
from hypothesis import strategies as st

from theory.manifold.elimination import row_echelon

WIDTH = 6
rows = st.lists(st.dictionaries(st.integers(0, WIDTH), st.integers(-3, 3), max_size=4), max_size=7)


def dense(given_rows, width):
    entries = [row.get(c, 0) for row in given_rows for c in range(width)]
    return fmpq_mat(len(given_rows), width, entries)


@given(rows)
@example([{0: 2, 1: 3}, {0: 3, 1: 2}, {0: 1, 6: 1}])
def test_it_agrees_with_dense_elimination(drawn):
    echelon = row_echelon(drawn, WIDTH)
    rank = dense(drawn, WIDTH).rank()
    assert len(echelon.rows) == len(echelon.independent) == rank
    assert dense([drawn[k] for k in echelon.independent], WIDTH).rank() == rank
    is_consistent = dense(drawn, WIDTH + 1).rank() == rank
    assert (echelon.contradiction is None) == is_consistent
    if is_consistent:
        reduced = [*echelon.rows.values()]
        assert dense([*drawn, *reduced], WIDTH + 1).rank() == rank


@given(rows)
def test_a_pivot_stands_in_one_row(drawn):
    reduced = row_echelon(drawn, WIDTH).rows
    for pivot, row in reduced.items():
        assert row[pivot]
        assert all(row.values())
        assert not set(row) & set(reduced) - {pivot}
