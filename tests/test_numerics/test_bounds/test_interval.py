"""Interval arithmetic against exact fractions and balls, extreme numbers included."""

from fractions import Fraction

import flint
import numpy as np
import pytest
from flint import arb
from hypothesis import assume, example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from numerics.bounds import Interval, hull, interval
from numerics.bounds.functions import function_range, minimum
from numerics.systems.enclosures import FUNCTIONS, leaky
from theory.activation import Activation, activation, gelu, leaky_relu, relu, silu, step

SYSTEM = Interval()
ANY = st.floats(allow_nan=False, allow_infinity=False)
MODEST = st.floats(-1e3, 1e3)
INF = float("inf")


def holds(interval, value):
    """Whether a fraction lies between two ends, either of which may be infinite."""
    low, high = float(interval["low"]), float(interval["high"])
    return (low == -INF or Fraction(low) <= value) and (high == INF or value <= Fraction(high))


def number(x):
    return hull(np.float64(x), np.float64(x))


@given(ANY, ANY)
@example(5e-324, 0.5)
@example(1.7e308, 1.7e308)
@example(-5e-324, 5e-324)
def test_elementwise_operations(x, y):
    a, b, p, q = number(x), number(y), Fraction(x), Fraction(y)
    assert holds(SYSTEM.add(a, b), p + q)
    assert holds(SYSTEM.subtract(a, b), p - q)
    assert holds(SYSTEM.multiply(a, b), p * q)
    assert holds(SYSTEM.negative(a), -p)
    assert holds(SYSTEM.power(a, 2), p**2)
    assert holds(SYSTEM.power(a, 3), p**3)
    quotient = SYSTEM.divide(a, b)
    assert (float(quotient["low"]), float(quotient["high"])) == (-INF, INF) if not y and x else True
    assert not y or holds(quotient, p / q)


@given(st.lists(MODEST, min_size=6, max_size=6))
def test_operations_hold_what_inner_points_give(ends):
    (a, x, b), (c, y, d) = sorted(ends[:3]), sorted(ends[3:])
    first, second = hull(np.float64(a), np.float64(b)), hull(np.float64(c), np.float64(d))
    p, q = Fraction(x), Fraction(y)
    assert holds(SYSTEM.add(first, second), p + q)
    assert holds(SYSTEM.subtract(first, second), p - q)
    assert holds(SYSTEM.multiply(first, second), p * q)
    for exponent in (2, 3, 4):
        assert holds(SYSTEM.power(first, exponent), p**exponent)
    assert not y or holds(SYSTEM.divide(first, second), p / q)


@given(arrays(float, (3, 4), elements=ANY), arrays(float, (4, 2), elements=ANY), st.booleans())
@example(np.full((3, 4), 5e-324), np.full((4, 2), 0.5), False)  # each product rounds to 0
def test_products_and_sums(a, b, wide):
    exact = [
        [sum(Fraction(x) * Fraction(y) for x, y in zip(row, column, strict=True)) for column in b.T]
        for row in a
    ]
    sides = [hull(m, np.nextafter(m, np.maximum(m, 0)) if wide else m) for m in (a, b)]
    for first, second in ((0, 1), (1, 0)):
        left, right = (sides[0], hull(b, b)) if first < second else (hull(a, a), sides[1])
        product = SYSTEM.matmul(left, right)
        assert all(holds(product[i, j], exact[i][j]) for i in range(3) for j in range(2))
    for product in (SYSTEM.matmul(*sides), SYSTEM._matmul_by_radii(*sides)):
        assert all(holds(product[i, j], exact[i][j]) for i in range(3) for j in range(2))
    total = SYSTEM.sum(hull(a, a), (-1,))
    assert all(holds(total[i], sum(map(Fraction, a[i]))) for i in range(3))


UNIT_SQUARE = arrays(float, (2, 3, 4), elements=st.floats(-1, 1))


@given(UNIT_SQUARE, UNIT_SQUARE, st.integers(0, 2**20))
def test_large_products_hold_what_inner_points_give(a, b, seed):
    rng = np.random.default_rng(seed)
    sides = [hull(e.min(axis=0), e.max(axis=0)) for e in (a, b.swapaxes(-1, -2))]
    sharp, quick = SYSTEM._matmul_by_terms(*sides), SYSTEM._matmul_by_radii(*sides)
    assert (quick["high"] - quick["low"] <= 1.5001 * (sharp["high"] - sharp["low"]) + 1e-12).all()
    inner = [
        np.where(rng.uniform(size=side.shape) < 0.5, side["low"], side["high"]) for side in sides
    ]
    for product in (sharp, quick):
        for i, j in np.ndindex(3, 3):
            pairs = zip(inner[0][i], inner[1][:, j], strict=True)
            assert holds(product[i, j], sum(Fraction(x) * Fraction(y) for x, y in pairs))


@pytest.mark.parametrize("small", [0, 1 << 30])
def test_products_of_unbounded_intervals(monkeypatch, small):
    monkeypatch.setattr(interval, "SMALL", small)
    rows = hull(np.array([[0.0, -INF, 1.0], [2.0, 0, 0]]), np.array([[INF, INF, 2.0], [2.5, 0, 0]]))
    columns = hull(np.array([[2.0, 0], [0, 0], [-1, 3]]), np.array([[2.0, 0], [0, 0], [-1, 4]]))
    product = SYSTEM.matmul(rows, columns)
    assert product["high"][0, 0] == INF
    assert -2.0001 < product["low"][0, 0] <= -2  # a number times a half-line is a half-line
    assert holds(product[0, 1], Fraction(3))
    assert holds(product[0, 1], Fraction(8))
    assert product["high"][0, 1] < 8.0001
    assert (product["low"][1, 1], product["high"][1, 1]) == (0, 0)
    wider = hull(columns["low"], columns["high"] + np.array([[1.0, 0], [0, 0], [0, 0]]))
    unknown = SYSTEM.matmul(rows, wider)
    assert unknown["high"][0, 0] == INF
    assert holds(unknown[0, 0], Fraction(-2))


@given(arrays(float, (5,), elements=st.floats(-1e100, 1e100)))
def test_results_are_tight(a):
    total = SYSTEM.sum(hull(a, a), (-1,))
    size = float(np.abs(a).sum())
    assert total["high"] - total["low"] <= 20 * 2.0**-52 * size
    product = SYSTEM.multiply(hull(a, a), hull(a[::-1], a[::-1]))
    assert (product["high"] - product["low"] <= 2.0**-51 * np.abs(a * a[::-1]) + 1e-323).all()


def test_zero_stays_zero():
    nothing = hull(np.full((2, 2), -INF), np.full((2, 2), INF))
    zero = hull(np.zeros((2, 2)), np.zeros((2, 2)))
    one = hull(np.full((2, 2), 0.1), np.full((2, 2), 0.1))
    for result in (
        SYSTEM.matmul(zero, nothing),
        SYSTEM.matmul(zero, one),
        SYSTEM.multiply(nothing, zero),
        SYSTEM.sum(zero, (-1,)),
        SYSTEM.add(zero, zero),
    ):
        assert (result["low"] == 0).all()
        assert (result["high"] == 0).all()


def test_unbounded_sums():
    half = hull(np.array([0.0, 1.0]), np.array([INF, 2.0]))
    total = SYSTEM.sum(half, (-1,))
    assert 0.999 < total["low"] <= 1
    assert total["high"] == INF
    assert SYSTEM.add(half, half)["high"].tolist() == [INF, 4.0]


@given(st.fractions())
def test_exact_numbers_are_enclosed_by_neighbours(value):
    found = SYSTEM.constant([value], (), 0)
    assert holds(found, value)
    assert np.nextafter(found["low"], INF) >= found["high"]
    assert found == SYSTEM.array(value)


KNOWN = ["tanh", "sigmoid", "softplus", "silu", "gelu", "exp", "normal_cdf", "normal_pdf", "relu"]
SYMBOLS = [*map(activation, KNOWN), step, leaky_relu("0.1"), leaky_relu(3)]


@given(st.sampled_from(SYMBOLS), st.lists(st.floats(-30, 30), min_size=3, max_size=3))
@example(gelu, [-0.7517915, -0.75179, -0.7])
@example(silu, [-1.2784645, -1.27846, 30])
@example(gelu, [-30, -0.75179, 1e-300])
def test_ranges_hold_values(symbol, ends):
    low, x, high = sorted(ends)
    below, above = function_range(symbol, np.array([low]), np.array([high]))
    with flint.ctx.workprec(200):
        f = leaky(arb(flint.fmpq(*symbol.slope.as_integer_ratio()))) if symbol.slope else None
        value = (f or FUNCTIONS[symbol.name])(arb(x))
        assert not (value < arb(below[0]))
        assert not (value > arb(above[0]))
    assert below[0] <= above[0]


@given(st.sampled_from(["sqrt", "rsqrt", "log", "reciprocal"]), st.lists(MODEST, min_size=3))
def test_ranges_of_partial_functions(name, ends):
    low, x, high = sorted(ends)[0], sorted(ends)[1], sorted(ends)[-1]
    assume(x > 0 or (name == "reciprocal" and x != 0))
    with np.errstate(all="ignore"):
        below, above = function_range(Activation(name), np.array([low]), np.array([high]))
    with flint.ctx.workprec(200):
        value = FUNCTIONS[name](arb(x))
        assert not (value < arb(below[0]))
        assert not (value > arb(above[0]))


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("tanh", -1, 1),
        ("sigmoid", 0, 1),
        ("relu", 0, INF),
        ("step", 0, 1),
        ("softplus", 0, INF),
        ("normal_cdf", 0, 1),
        ("exp", 0, INF),
    ],
)
def test_ranges_of_the_line(name, low, high):
    found = function_range(Activation(name), np.array([-INF]), np.array([INF]))
    assert (found[0][0], found[1][0]) == (low, high)


def test_minima_are_those_of_the_theory():
    for name, digits in (("gelu", -0.169971207), ("silu", -0.278464543)):
        place, bottom = minimum(name)
        assert digits - 2e-9 < bottom < digits + 2e-9
        assert place[1] - place[0] < 1e-12
        with flint.ctx.workprec(100):
            assert FUNCTIONS[name](arb(place[0])) > arb(bottom)
    assert function_range(relu, np.array([-2.0]), np.array([-1.0])) == (np.zeros(1), np.zeros(1))


def test_slope_zero_is_relu_at_infinity_too():
    found = function_range(leaky_relu(0), np.array([-INF, -INF]), np.array([-1.0, INF]))
    assert [end.tolist() for end in found] == [[0, 0], [0, INF]]
