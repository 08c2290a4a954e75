"""SymPy's expressions in balls, against SymPy's own numbers."""

import flint
import pytest
import sympy
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from numerics.rank.expression import enclosed
from theory.errors import ValueSystemError

X = sympy.Symbol("x")
POINT = sympy.Rational(3, 7)
ATOMS = [sympy.Rational(2, 3), sympy.pi, sympy.E, X, sympy.sqrt(2)]
FUNCTIONS = [sympy.exp, sympy.sin, sympy.cos, sympy.atan, sympy.erf, sympy.erfc, sympy.tanh]


def grow(inner):
    return st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1] / 4),
        st.tuples(inner, st.integers(2, 3)).map(lambda pair: pair[0] ** pair[1] / 8),
        inner.map(lambda e: sympy.sqrt(1 + e**2)),
        inner.map(lambda e: 1 / (2 + sympy.cos(e))),
        st.tuples(st.sampled_from(FUNCTIONS), inner).map(lambda pair: pair[0](pair[1] / 10)),
    )


@given(st.recursive(st.sampled_from(ATOMS), grow, max_leaves=5))
def test_against_sympy(expression):
    with flint.ctx.workprec(120):
        point = arb(3) / 7
    found = enclosed(expression, {X: point}, bits=120)
    expected = sympy.N(expression.subs(X, POINT), 25)
    with flint.ctx.workprec(120):
        assert abs(found - arb(str(expected))) <= abs(found) * arb(10) ** -22 + arb(10) ** -22


def test_intervals_hold_all_points():
    whole = arb(0.5, 0.25)
    for expression in (X**2, sympy.asin(X), sympy.sqrt(1 - X**2), X**-2, sympy.exp(-X)):
        for t in (0.25, 0.5, 0.75):
            assert enclosed(expression, {X: whole}, bits=60).contains(
                enclosed(expression, {X: arb(t)}, bits=90).mid()
            )


def test_inverse_functions_at_the_end_of_their_domain():
    beyond = arb(1, 1e-6)
    assert enclosed(sympy.acos(X), {X: beyond}, bits=60).contains(0)
    assert enclosed(sympy.asin(X), {X: beyond}, bits=60).is_finite()
    assert enclosed(sympy.sqrt(1 - X), {X: beyond}, bits=60).contains(0)


def test_what_has_no_enclosure():
    for expression in (X, sympy.gamma(sympy.Rational(1, 3)), sympy.I):
        with pytest.raises(ValueSystemError, match="no enclosure is known"):
            enclosed(expression, bits=60)
