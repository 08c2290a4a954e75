from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from numerics.spectrum.inertia import EnclosedEigenvalues, ExactEigenvalues, ObservedEigenvalues
from numerics.spectrum.thresholds import (
    Interval,
    critical_decay,
    largest_eigenvalue,
    smallest_eigenvalue,
    undecided_radius,
)
from numerics.systems.ball import Ball
from proofs_check.drawing.planted_spectra import draw_planted
from theory.errors import ValueSystemError


@st.composite
def families(draw):
    choose = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    return [draw_planted(choose, 5) for _ in range(draw(st.integers(1, 3)))]


@given(families())
def test_the_ends_are_certified_by_counts(family):
    exact = [ExactEigenvalues(planted.matrix) for planted in family]
    smallest, largest = smallest_eigenvalue(exact), largest_eigenvalue(exact)
    assert smallest is not None
    assert largest is not None
    for values in exact:
        assert values.inertia(smallest.low).negative == 0
        assert values.inertia(largest.high).positive == 0
    high = [values.inertia(smallest.high) for values in exact]
    low = [values.inertia(largest.low) for values in exact]
    assert any(inertia.negative + inertia.zero for inertia in high)
    assert any(inertia.positive + inertia.zero for inertia in low)
    assert smallest.high <= largest.high


@given(families())
def test_balls_enclose_what_is_exact(family):
    exact = smallest_eigenvalue([ExactEigenvalues(planted.matrix) for planted in family])
    balls = smallest_eigenvalue(
        [EnclosedEigenvalues(Ball(300).array(p.matrix), bits=300) for p in family]
    )
    assert exact is not None
    if balls is not None:  # undecided zeros may leave it open
        assert balls.low <= exact.high
        assert exact.low <= balls.high


def test_decay_above_the_critical_one_makes_every_matrix_positive_definite():
    family = [ExactEigenvalues([[0, 3], [3, 0]]), ExactEigenvalues([[-1, 0], [0, 5]])]
    found = critical_decay(family)
    assert found is not None
    assert found.low < 3 < found.high
    assert all(v.inertia(-found.high).positive == 2 for v in family)
    assert any(v.inertia(-found.low).negative for v in family)


def test_an_interval_is_as_narrow_as_float64_proposes():
    """The first distance tried is 2^-36 of the norm."""
    found = smallest_eigenvalue([ExactEigenvalues([[1, 1], [1, -1]])])
    assert found is not None
    assert found.high - found.low < Fraction(1, 2**34)
    assert found.midpoint == pytest.approx(-np.sqrt(2))


def test_nothing_is_known_of_no_matrix():
    assert smallest_eigenvalue([]) is None
    assert largest_eigenvalue([ExactEigenvalues(np.zeros((0, 0)))]) is None


def test_wide_balls_leave_it_open():
    assert smallest_eigenvalue([EnclosedEigenvalues([[arb("nan")]])]) is None


def test_observed_values_give_observed_thresholds():
    found = smallest_eigenvalue([ObservedEigenvalues([-2.0, 1.0], 1e-12)])
    assert found is not None
    assert found.low < -2 < found.high


def test_the_radius_bounds_what_is_undecided():
    wide = arb(0, 1e-20)
    radius = undecided_radius(EnclosedEigenvalues([[1, 0, 0], [0, wide, 0], [0, 0, -1]]))
    assert radius is not None
    assert Fraction(1, 10**20) <= radius < Fraction(1, 10**15)
    assert undecided_radius(EnclosedEigenvalues([[1, 0], [0, -1]])) == 0
    assert undecided_radius(EnclosedEigenvalues([[arb("nan")]])) is None


def test_an_interval_has_its_lower_end_first():
    with pytest.raises(ValueSystemError, match="low=2 > high=1"):
        Interval(Fraction(2), Fraction(1))
