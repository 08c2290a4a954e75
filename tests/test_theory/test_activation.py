from fractions import Fraction

import numpy as np
import pytest
import sympy

from theory.activation import LAWS, Activation, activation, apply, leaky_relu, relu, step, tanh
from theory.errors import TraceError, ValueSystemError

SYMBOLS = [activation(name) for name in sorted(LAWS)] + [leaky_relu("3/2"), leaky_relu(-1)]
POSITIVE, NEGATIVE = sympy.Symbol("z", positive=True), sympy.Symbol("z", negative=True)
# The kinks are at 0, so each symbol is looked at on either side of it.
EITHER_SIDE = pytest.mark.parametrize(
    ("symbol", "z"),
    [
        pytest.param(symbol, z, id=f"{symbol}-{'positive' if z is POSITIVE else 'negative'}")
        for symbol in SYMBOLS
        for z in (POSITIVE, NEGATIVE)
        if z is POSITIVE or symbol.name not in ("log", "sqrt", "rsqrt")
    ],
)


def vanishes(expression: sympy.Expr, z: sympy.Symbol) -> bool:
    """Whether a rational expression in z, √z, exp(±z), exp(-z²/2), erf and logarithms is 0.

    Its derivative is free of logarithms, so it is 0 if that is and one value is.
    """
    if _canonical(sympy.sympify(expression), z) == 0:
        return True
    value = expression.subs(z, 3 if z.is_positive else -3)
    constant = _canonical(sympy.diff(expression, z), z) == 0
    return constant and bool(abs(sympy.N(value, 60)) < sympy.Float("1e-50"))


def _canonical(expression: sympy.Expr, z: sympy.Symbol) -> sympy.Expr:
    u = sympy.Symbol("u", positive=True)
    exponentials = expression.rewrite(sympy.exp).subs(sympy.exp(-z), 1 / u).subs(sympy.exp(z), u)
    return sympy.cancel(sympy.together(exponentials))


@EITHER_SIDE
def test_the_derivative_is_that_of_the_closed_form(symbol, z):
    assert vanishes(symbol.law.derivative(z, symbol(z)) - sympy.diff(symbol(z), z), z)


@pytest.mark.parametrize("name", [name for name in sorted(LAWS) if name != "step"])
def test_the_check_of_derivatives_sees_a_wrong_one(name):
    symbol, z = activation(name), POSITIVE
    wrong = symbol.law.derivative(z, symbol(z)) * sympy.Rational(1001, 1000)
    assert not vanishes(wrong - sympy.diff(symbol(z), z), z)


@EITHER_SIDE
def test_a_definition_is_the_closed_form(symbol, z):
    definition = symbol.law.definition
    if definition is None:
        return
    assert vanishes(definition(z) - symbol(z), z)


@EITHER_SIDE
def test_the_function_minus_its_centre_has_its_parity(symbol, z):
    law = symbol.law
    assert (law.parity is None) <= (law.centre is None)
    if law.parity is None:
        return

    def off_centre(at):
        return symbol(at) - (0 if law.centre is None else law.centre(at))

    mirrored = off_centre(-z)
    assert vanishes(off_centre(z) + (mirrored if law.parity == "odd" else -mirrored), z)


def test_gates_and_slopes_at_a_kink_are_those_of_the_left_side():
    zero = sympy.Integer(0)
    assert step(zero) == relu(zero) == relu.law.derivative(zero, zero) == 0
    assert leaky_relu("1/3").law.derivative(zero, zero) == sympy.Rational(1, 3)


def test_an_unknown_function_has_a_chain_of_alternating_parity():
    phi = activation("phi", parity="odd")
    chain = [phi]
    for _ in range(3):
        chain.append(chain[-1].derivative_symbol())
    assert [repr(f) for f in chain] == ["phi", "phi'", "phi''", "phi'''"]
    assert [f.value_parity for f in chain] == ["odd", "even", "odd", "even"]
    assert [f.law.parity for f in chain] == ["odd", "even", "odd", "even"]
    assert activation("phi").derivative_symbol().value_parity is None


def test_an_unknown_function_is_differentiated_to_the_next_link():
    z = sympy.Symbol("z")
    phi = activation("phi")
    assert phi.law.derivative(z, phi(z)) == sympy.Function("phi'")(z)
    assert phi(z) == sympy.Function("phi")(z)


def test_a_symbol_shows_its_name():
    assert repr(leaky_relu("0.01")) == "leaky_relu[1/100]"
    assert activation("phi").derivative_symbol().latex() == r"\varphi'"
    assert activation("normal_cdf").latex() == r"\operatorname{normal cdf}"
    assert tanh._repr_latex_() == r"$\operatorname{tanh}$"


def test_equal_symbols_are_one():
    assert activation("leaky_relu") == leaky_relu("1/100") == leaky_relu(Fraction(1, 100))
    assert leaky_relu(0.5) == leaky_relu("1/2")
    assert leaky_relu(0.1) != leaky_relu("0.1")
    assert len({activation("phi"), activation("phi"), activation("psi")}) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "no name"}, "name='no name'"),
        ({"name": "phi", "order": -1}, "order=-1"),
        ({"name": "phi", "parity": "both"}, "parity='both'"),
        ({"name": "phi", "slope": Fraction(1)}, "slope=1"),
        ({"name": "leaky_relu"}, "slope=None"),
        ({"name": "leaky_relu", "slope": Fraction(1), "parity": "odd"}, "leaky_relu is a known"),
        ({"name": "tanh", "order": 1}, "tanh is a known function"),
        ({"name": "tanh", "parity": "odd"}, "tanh is a known function"),
    ],
)
def test_a_symbol_that_contradicts_itself_is_refused(arguments, message):
    with pytest.raises(ValueSystemError, match=message):
        Activation(**arguments)


def test_a_known_function_is_given_no_parity():
    for name in ("tanh", "leaky_relu"):
        with pytest.raises(ValueSystemError, match=f"{name} is a known function"):
            activation(name, parity="odd")


@pytest.mark.parametrize("slope", ["steep", float("nan"), float("inf"), "1/0"])
def test_a_slope_is_a_finite_number(slope):
    with pytest.raises(ValueSystemError, match="a slope is a finite number"):
        leaky_relu(slope)


def test_a_known_function_has_no_derivative_symbol():
    with pytest.raises(ValueSystemError, match=r"law\.derivative"):
        tanh.derivative_symbol()


@pytest.mark.parametrize("number", [1, 0.5, np.zeros(2)])
def test_numbers_are_evaluated_elsewhere(number):
    with pytest.raises(TraceError, match=r"numerics\.evaluate"):
        apply(number, tanh)
