from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.stability_class import (
    METHODS,
    Inertia,
    StabilityClass,
    StabilityError,
    attraction,
    classify,
    contraction_limit,
    join,
    possible_classes,
    step_inertia,
)

ALL = tuple(StabilityClass)
counts = st.integers(0, 3)
inertias = st.builds(Inertia, counts, counts, counts)


def by_signs(values):
    """The class by the definitions, without the lattice."""
    negative, zero, positive = (any(np.sign(v) == s for v in values) for s in (-1, 0, 1))
    if negative and positive:
        return StabilityClass.SADDLE
    if positive:
        return StabilityClass.SEMI_ATTRACTING if zero else StabilityClass.ATTRACTING
    if negative:
        return StabilityClass.SEMI_REPELLING if zero else StabilityClass.REPELLING
    return StabilityClass.DEGENERATE if zero else StabilityClass.EMPTY


def signs(inertia):
    return [-1] * inertia.negative + [0] * inertia.zero + [1] * inertia.positive


@given(inertias)
def test_the_class_is_that_of_the_signs(inertia):
    assert classify(inertia) is by_signs(signs(inertia))


@given(inertias, inertias)
def test_the_class_of_a_direct_sum_is_the_join(a, b):
    assert classify(a + b) is join(c for c in (classify(a), classify(b)) if c is not None)


def test_the_join_is_a_semilattice_with_its_order():
    for a, b, c in product(ALL, repeat=3):
        assert a | b is b | a
        assert (a | b) | c is a | (b | c)
        assert a | a is a
        assert (a <= b) == (a | b is b)
        assert (a <= c and b <= c) == ((a | b) <= c)


def test_top_and_bottom():
    assert all(StabilityClass.EMPTY <= c <= StabilityClass.SADDLE for c in ALL)


@given(inertias, st.integers(0, 4))
def test_undecided_signs_leave_the_classes_of_all_choices(known, undecided):
    open_ = Inertia(known.negative, known.zero, known.positive, undecided)
    every = {by_signs([*signs(known), *choice]) for choice in product((-1, 0, 1), repeat=undecided)}
    assert set(possible_classes(open_)) == every
    assert (classify(open_) is None) == (len(every) > 1)


def multipliers(method, kappa, rate, momentum):
    """Moduli of the eigenvalues of the linear step, from the update rule itself."""
    if method == "gd":
        step = np.array([[1 - rate * kappa]])
    elif method == "heavy ball":  # m' = βm + κw, w' = w - ηm'
        step = np.array([[1 - rate * kappa, -rate * momentum], [kappa, momentum]])
    else:  # w' = w - η(κw + βm')
        step = np.array(
            [[1 - rate * kappa * (1 + momentum), -rate * momentum**2], [kappa, momentum]]
        )
    return np.abs(np.linalg.eigvals(step))


@given(
    st.sampled_from(METHODS[1:]),
    st.fractions(Fraction(1, 100), 2, max_denominator=100),
    st.fractions(0, Fraction(99, 100), max_denominator=100),
    st.fractions(-1, 4, max_denominator=64),
)
def test_the_limit_is_where_the_step_contracts(method, rate, momentum, place):
    beta = 0 if method == "gd" else momentum
    limit = contraction_limit(method, rate, beta)
    kappa = place * limit
    largest = multipliers(method, float(kappa), float(rate), float(beta)).max()
    # A double eigenvalue near the circle moves by √eps under rounding.
    if 0 < kappa < limit:
        assert largest < 1 + 1e-7
    elif kappa not in (0, limit):
        assert largest > 1 - 1e-7
    else:
        assert abs(largest - 1) < 1e-7


def test_the_limit_is_sharp():
    for method, beta in zip(
        METHODS[1:], (Fraction(0), Fraction(1, 2), Fraction(1, 2)), strict=True
    ):
        limit = float(contraction_limit(method, Fraction(1, 10), beta) or 0)
        assert multipliers(method, limit * 0.99, 0.1, float(beta)).max() < 1
        assert multipliers(method, limit * 1.01, 0.1, float(beta)).max() > 1


@given(st.lists(st.sampled_from([-2, 0, 1, 2, 3]), max_size=6))
def test_a_step_expands_keeps_or_contracts(kappas):
    """With the limit 2."""

    def inertia(shift):
        signs = [int(np.sign(k - shift)) for k in kappas]
        return Inertia(signs.count(-1), signs.count(0), signs.count(1))

    kinds = [-1 if k < 0 or k > 2 else 0 if k in (0, 2) else 1 for k in kappas]
    expected = Inertia(kinds.count(-1), kinds.count(0), kinds.count(1))
    assert step_inertia(inertia(0), inertia(2)) == expected


def test_attraction_needs_an_interval_on_one_side():
    assert attraction(Fraction(-1), Fraction(-1, 10)) == "attracts"
    assert attraction(-1, 0) == attraction(0, 1) == "undecided"
    with pytest.raises(StabilityError, match="lower end"):
        attraction(1, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Inertia(-1, 0, 0), "negative=-1"),
        (lambda: contraction_limit("adam", Fraction(1)), "method='adam'"),  # type: ignore[arg-type]
        (lambda: contraction_limit("gd"), "rate=None"),
        (lambda: contraction_limit("gd", Fraction(0)), "rate=0"),
        (lambda: contraction_limit("heavy ball", Fraction(1), Fraction(1)), "momentum=1"),
        (lambda: step_inertia(Inertia(1, 0, 0), Inertia(0, 0, 0)), "0 eigenvalues"),
    ],
)
def test_errors_name_the_entry(call, message):
    with pytest.raises(StabilityError, match=message):
        call()
