from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.spectrum.inertia import (
    EnclosedEigenvalues,
    ExactEigenvalues,
    ObservedEigenvalues,
    term_rank,
)
from numerics.systems.ball import Ball
from proofs_check.drawing.planted_spectra import draw_planted, rounded_inertia
from theory.errors import ShapeError, ValueSystemError
from theory.stability_class import Inertia


def lagrange(rows):
    """Inertia by completing squares, in fractions: a congruence, and no polynomial."""
    a = [
        [Fraction(int(v.p), int(v.q)) if hasattr(v, "p") else Fraction(v) for v in r] for r in rows
    ]
    signs = []
    left = list(range(len(a)))
    while left:
        pivot = next((i for i in left if a[i][i] != 0), None)
        if pivot is None:
            pair = next(((i, j) for i in left for j in left if a[i][j] != 0), None)
            if pair is None:
                signs += [0] * len(left)
                break
            i, j = pair  # row and column i become those of e_i + e_j
            for k in left:
                a[i][k] += a[j][k]
            for k in left:
                a[k][i] += a[k][j]
            pivot = i
        d = a[pivot][pivot]
        signs.append(1 if d > 0 else -1)
        left.remove(pivot)
        for i in left:
            factor = a[i][pivot] / d
            for j in left:
                a[i][j] -= factor * a[pivot][j]
    return Inertia(signs.count(-1), signs.count(0), signs.count(1))


@st.composite
def planted(draw, max_size=8):
    return draw_planted(lambda low, high: draw(st.integers(low, high)), max_size)


@st.composite
def symmetric(draw, max_size=6):
    n = draw(st.integers(1, max_size))
    a = [[draw(st.integers(-3, 3)) for _ in range(n)] for _ in range(n)]
    return [[Fraction(a[min(i, j)][max(i, j)]) for j in range(n)] for i in range(n)]


@given(planted())
def test_planted_inertia_is_found(found):
    assert ExactEigenvalues(found.matrix).inertia() == found.inertia
    assert lagrange(found.matrix) == found.inertia


@given(symmetric(), st.fractions(-4, 4, max_denominator=4))
def test_two_methods_agree_at_every_shift(rows, shift):
    moved = [[v - shift * (i == j) for j, v in enumerate(row)] for i, row in enumerate(rows)]
    assert ExactEigenvalues(rows).inertia(shift) == lagrange(moved)


@given(symmetric(max_size=4), st.data())
def test_scales_with_square_roots(rows, data):
    """D A D with D = √(integers) has the inertia of A - s D⁻² after the shift s."""
    squares = [data.draw(st.integers(1, 6)) for _ in rows]
    shift = data.draw(st.fractions(-2, 2, max_denominator=3))
    pencil = [
        [v - shift / Fraction(squares[i]) * (i == j) for j, v in enumerate(row)]
        for i, row in enumerate(rows)
    ]
    assert ExactEigenvalues(rows, squares).inertia(shift) == lagrange(pencil)


@given(planted())
def test_balls_never_claim_too_much(found):
    """Nor too little: 400 bits tell every eigenvalue from 0 that is not 0."""
    seen = EnclosedEigenvalues(Ball(400).array(found.matrix), bits=400).inertia()
    true = found.inertia
    assert (seen.negative, seen.positive) == (true.negative, true.positive)
    assert seen.zero <= true.zero
    assert seen.size == true.size


@settings(max_examples=50)
@given(planted(max_size=6), st.integers(2, 40))
def test_wide_balls_claim_what_holds_for_all_of_them(found, digits):
    """Every matrix in the enclosure, the centre among them, has the certified signs."""
    with_radius = [
        [arb(0, 10.0**-digits) + v for v in row] for row in Ball(200).array(found.matrix)
    ]
    seen = EnclosedEigenvalues(with_radius, bits=200).inertia()
    assert seen.negative <= found.inertia.negative
    assert seen.positive <= found.inertia.positive
    # Moving every eigenvalue by less than the radius is possible inside the enclosure.
    for shift in (Fraction(1, 2 * 10**digits), -Fraction(1, 2 * 10**digits)):
        inside = ExactEigenvalues(found.matrix).inertia(shift)
        assert seen.negative <= inside.negative
        assert seen.positive <= inside.positive


@given(st.integers(1, 4), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_zeros_of_a_block_matrix_are_structural(s, t, seed):
    """[[B, G], [Gᵀ, 0]] of balls has at least t - s zeros, and generically no more."""
    rng = np.random.default_rng(seed)
    b = rng.normal(size=(s, s))
    g = rng.normal(size=(s, t))
    dense = np.block([[b + b.T, g], [g.T, np.zeros((t, t))]])
    balls = Ball(128).array(dense)
    for i, j in np.argwhere(dense != 0):
        balls[i, j] += arb(0, 1e-30)
    seen = EnclosedEigenvalues(balls).inertia()
    if s <= t:
        assert seen == Inertia(s, t - s, s)
    else:
        assert seen.undecided == 0


def test_shifted_balls_count_known_zeros():
    third = arb(1) / 3
    values = EnclosedEigenvalues([[third, 0, 0], [0, -third, 0], [0, 0, third - third]], nullity=1)
    assert values.inertia() == Inertia(1, 1, 1)
    assert values.inertia(Fraction(1, 5)) == Inertia(2, 0, 1)
    assert values.inertia(Fraction(-1, 5)) == Inertia(1, 0, 2)


def test_balls_that_know_nothing_leave_all_open():
    assert EnclosedEigenvalues([[arb("nan"), 1], [1, 0]]).inertia() == Inertia(0, 0, 0, 2)


def test_rounded_eigenvalues_are_wrong_on_planted_ones():
    """The check that the certified method passes can fail."""
    rng = np.random.default_rng(0)
    spectra = [draw_planted(lambda a, b: int(rng.integers(a, b + 1))) for _ in range(100)]
    for strict in (True, False):
        wrong = sum(rounded_inertia(p.matrix, strict=strict) != p.inertia for p in spectra)
        assert wrong > 10
    assert all(ExactEigenvalues(p.matrix).inertia() == p.inertia for p in spectra)


def test_term_rank_bounds_the_rank():
    rng = np.random.default_rng(1)
    for _ in range(30):
        pattern = rng.integers(0, 2, size=(5, 5))
        rank = np.linalg.matrix_rank(pattern * rng.normal(size=(5, 5)))
        assert term_rank(pattern.tolist()) == rank  # generic entries reach it


def test_an_empty_matrix_has_no_eigenvalues():
    empty = np.zeros((0, 0))
    assert ExactEigenvalues(empty).inertia() == Inertia(0, 0, 0)
    assert EnclosedEigenvalues(empty).inertia() == Inertia(0, 0, 0)
    assert ObservedEigenvalues([], 0.0).inertia() == Inertia(0, 0, 0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ExactEigenvalues([[0, 1], [2, 0]]), ValueSystemError, "not symmetric"),
        (lambda: ExactEigenvalues([[0, 1]]), ShapeError, "expected \\(n, n\\)"),
        (lambda: ExactEigenvalues([[arb(1)]]), ValueSystemError, "real number"),
        (lambda: ExactEigenvalues([[1.0]], squares=[0]), ValueSystemError, "positive"),
        (lambda: ExactEigenvalues([[1.0]], squares=[1, 1]), ShapeError, "length 2"),
        (lambda: EnclosedEigenvalues([[arb(1), arb(2)]]), ShapeError, "expected \\(n, n\\)"),
    ],
)
def test_errors_name_the_entry(call, error, message):
    with pytest.raises(error, match=message):
        call()
