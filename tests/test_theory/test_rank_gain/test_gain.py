"""The rank gain of rational correlation matrices and its bounds."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from theory.errors import ValueSystemError
from theory.rank_gain import (
    correlation_matrix,
    effective_rank,
    polynomial_kernel,
    rank_gain,
    rank_gain_bounds,
)

FRACTIONS = st.fractions(-3, 3, max_denominator=4)
MATRICES = st.integers(1, 3).flatmap(
    lambda n: st.lists(st.lists(FRACTIONS, min_size=n, max_size=n), min_size=1, max_size=5).map(
        correlation_matrix
    )
)


@st.composite
def weights(draw):
    raw = draw(st.lists(st.integers(0, 4), min_size=1, max_size=6))
    assume(sum(raw))
    return [Fraction(w, sum(raw)) for w in raw]


@given(MATRICES)
def test_correlation_matrices_are_positive_semidefinite(matrix):
    values = np.linalg.eigvalsh(np.array(matrix, dtype=float))
    assert values.min() > -1e-12
    assert all(row[i] == 1 for i, row in enumerate(matrix))


@given(MATRICES, weights())
def test_every_bound_holds_and_they_are_ordered(matrix, w):
    bounds = rank_gain_bounds(matrix, w[0])
    assert 1 <= bounds.paper <= bounds.linear <= bounds.reciprocal
    assert bounds.reciprocal <= bounds.entrywise <= bounds.optimal <= rank_gain(matrix, w)


@given(MATRICES, st.fractions(0, 1, max_denominator=9))
def test_the_optimum_is_attained(matrix, w):
    attained = [rank_gain(matrix, [w, 1 - w]), rank_gain(matrix, [w, 0, 1 - w])]
    assert rank_gain_bounds(matrix, w).optimal == min(attained)


@given(MATRICES)
def test_er2_is_that_of_the_eigenvalues(matrix):
    values = np.linalg.eigvalsh(np.array(matrix, dtype=float))
    assert float(effective_rank(matrix)) == pytest.approx(values.sum() ** 2 / (values**2).sum())


def test_odd_and_even_kernels_at_opposite_inputs():
    opposite = [[1, -1], [-1, 1]]
    assert rank_gain(opposite, [0, 1]) == rank_gain(opposite, [0, 0, 1]) == 1
    assert rank_gain(opposite, ["1/2", "1/2"]) == 2


def test_no_larger_constant():
    """On K = (r + r²)/2 the gain over Ψ/‖C‖² falls to γ* = 1/2 and stays above."""
    gains = []
    for r in (Fraction(9, 10), Fraction(99, 100), Fraction(9999, 10_000)):
        matrix: list[list[Any]] = [[1, r], [r, 1]]
        bounds = rank_gain_bounds(matrix, "1/2")
        gains.append((rank_gain(matrix, ["1/2", "1/2"]) - 1) / (bounds.linear - 1) / 2)
    assert gains == sorted(gains, reverse=True)
    assert Fraction(1, 2) < gains[-1] < Fraction(5002, 10_000)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: effective_rank([[1, 2]]), "1 rows of lengths"),
        (lambda: effective_rank([[0]]), "effective rank of 0"),
        (lambda: polynomial_kernel([2, -1], 0), "add up to 1"),
        (lambda: rank_gain([[1, 2], [2, 1]], [1]), r"C\[0, 1\]=2"),
        (lambda: rank_gain([[2]], [1]), r"C\[0, 0\]=2: the diagonal"),
        (lambda: rank_gain([[1, 0], [1, 1]], [1]), "symmetric"),
        (lambda: rank_gain([[1, 0]], [1]), "row 0 has 2 entries"),
        (lambda: rank_gain_bounds([[1]], 2), "first_weight=2"),
    ],
)
def test_unusable_input(call, message):
    with pytest.raises(ValueSystemError, match=message):
        call()


def test_shown_as_a_table():
    assert "reciprocal" in rank_gain_bounds([[1]], 1)._repr_html_()
