from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.systems.objects import exact
from numerics.systems.rational import Rational
from theory.activation import Activation, leaky_relu
from theory.errors import ValueSystemError

COEFFICIENTS = st.lists(st.fractions(max_denominator=20), min_size=1, max_size=5)
Z = st.fractions(max_denominator=20)


@given(c=COEFFICIENTS, z=Z, order=st.integers(0, 6))
def test_a_chain_is_the_derivatives_of_one_polynomial(c, z, order):
    system = Rational(functions={"phi": c})
    value = system.apply(Activation("phi", order=order), system.array([z]))
    for _ in range(order):
        c = [k * c[k] for k in range(1, len(c))]
    assert exact(value[0]) == sum(c[k] * z**k for k in range(len(c)))


def test_a_derivative_needs_the_function_and_not_itself():
    with pytest.raises(ValueSystemError, match=r"functions=\{'phi'"):
        Rational(functions={"phi'": (1,)}).apply(Activation("phi", order=1), Rational().array([1]))


@pytest.mark.parametrize(("parity", "good"), [("odd", (0, 1, 0, 2)), ("even", (3, 0, 2))])
def test_coefficients_must_have_the_parity_of_their_symbol(parity, good):
    phi = Activation("phi", parity=parity)
    z = Rational().array([2])
    Rational(functions={"phi": good}).apply(phi, z)
    Rational(functions={"phi": good}).apply(phi.derivative_symbol(), z)
    with pytest.raises(ValueSystemError, match=f"phi is {parity}"):
        Rational(functions={"phi": (1, 1)}).apply(phi, z)


@given(z=Z)
def test_a_leaky_gate_is_exact(z):
    value = Rational().apply(leaky_relu("1/3"), Rational().array([z]))
    assert exact(value[0]) == (z if z > 0 else z * Fraction(1, 3))


def test_a_zero_divisor_is_reported_with_its_place():
    q = Rational()
    with pytest.raises(ZeroDivisionError, match=r"entry \(1,\) of the divisor"):
        q.divide(q.array([1, 1]), q.array([1, 0]))
