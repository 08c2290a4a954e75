from fractions import Fraction
from math import inf, nextafter

import flint
import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from numerics.systems.ball import Ball, bounds, contains
from theory.activation import Activation
from theory.errors import ValueSystemError


def hull(low: float, high: float) -> arb:
    return arb(low).union(arb(high))


@given(x=st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_exact_and_its_decimal_string_is_not_it(x):
    ball = Ball(bits=20).array([x])
    assert ball[0].is_exact()
    assert contains(ball, [Fraction(x)])[0]


def test_a_string_is_the_number_it_spells():
    tenth = Ball().array(["0.1"])
    assert contains(tenth, [Fraction(1, 10)])[0]
    assert not contains(tenth, [0.1])[0]


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (-1, 2), (-3, -1), (1, 5), (0, 1), (-2, 0)])
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_a_power_of_a_wide_ball_is_its_range(low, high, n):
    ends = sorted((low**n, high**n))
    expected = (0 if n % 2 == 0 and low < 0 < high else ends[0], ends[1])
    found = bounds(Ball(64).power(np.array([hull(low, high)]), n))
    width = expected[1] - expected[0]
    for side, (got, want) in enumerate(zip(found, expected, strict=True)):
        outside = want - got[0] if side == 0 else got[0] - want
        assert 0 <= outside <= width * 2.0**-20  # union: radius of 30 bits around each end


def test_an_undecided_gate_is_the_whole_interval_between_both_sides():
    ball = Ball(64)
    z = np.array([hull(-1, 3), arb(-2, 1), arb(2, 1), arb(0)])
    low, high = bounds(ball.apply(Activation("step"), z))
    assert low[1:].tolist() == high[1:].tolist() == [0, 1, 0]
    assert -(2.0**-28) <= low[0] <= 0  # FLINT rounds a radius up to 30 bits
    assert 1 <= high[0] <= 1 + 2.0**-28


def test_nothing_known_stays_nothing_known():
    ball = Ball(64)
    unknown = ball.divide(ball.array([1]), np.array([arb(0, 1)]))
    through = ball.multiply(ball.apply(Activation("step"), unknown), ball.array([0]))
    assert contains(through, [10**9])[0]
    with pytest.raises(ValueSystemError, match=r"entry \(0,\) is nan"):
        bounds(through)


@given(n=st.integers(-(2**1100), 2**1100), d=st.integers(1, 2**1100))
def test_bounds_are_doubles_on_either_side(n, d):
    low, high = bounds(Ball(bits=1200).array([Fraction(n, d)]))
    assert low[0] == -inf or Fraction(low[0]) <= Fraction(n, d)
    assert high[0] == inf or Fraction(n, d) <= Fraction(high[0])
    assert high[0] <= nextafter(nextafter(low[0], inf), inf)


def test_precision_is_restored_after_an_error_inside_an_operation():
    def broken(z):
        assert flint.ctx.prec == 99
        raise KeyError("phi")

    before = flint.ctx.prec
    ball = Ball(bits=99, functions={"phi": broken})
    with pytest.raises(KeyError):
        ball.apply(Activation("phi"), ball.array([1]))
    assert flint.ctx.prec == before


def test_too_few_bits_are_refused():
    with pytest.raises(ValueSystemError, match="bits=1"):
        Ball(bits=1)
