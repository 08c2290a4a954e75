"""The explicit gradient field against backprop on the graph, and its display."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.test_theory.architectures import networks
from tests.test_theory.graphs import COVERING
from tests.test_theory.interpreter import interpret
from tests.test_theory.rational_values import Functions, Value, closed_form
from theory.activation import LAWS, Activation, activation
from theory.backprop import gradient
from theory.errors import ShapeError, ValueSystemError
from theory.symbolic import gradient_field
from theory.symbolic.forward import forward_values, rule_value
from theory.symbolic.functions import FunctionSymbol, applied, loss_of
from theory.zoo import mlp


def rationals(random, shape):
    """Integers and halves, none of them 0."""
    values = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        values[index] = Fraction(random.choice([-3, -2, -1, 1, 2, 3]), random.choice([1, 2]))
    return values


def assert_same_gradient(network, random, functions, batch):
    field = gradient_field(network, batch)
    graph = gradient(network.graph(batch))
    given_values = {name: rationals(random, shape) for name, shape in graph.input_shapes.items()}
    expected = interpret(graph, given_values, functions)
    symbols = {
        symbol: number
        for name, array in {**field.parameters, "x": field.x}.items()
        if name in given_values
        for symbol, number in zip(array.flat, given_values[name].flat, strict=True)
    }
    value = Value(symbols, functions, list(given_values["adjoint:y"].flat))
    for p, entries in field.gradient.items():
        found = [value(entry) for entry in entries.flat]
        wanted = expected[f"grad:{p}"] if f"grad:{p}" in expected else np.zeros(entries.shape)
        assert found == list(wanted.flat), p


@given(
    networks(),
    st.randoms(use_true_random=False),
    st.lists(st.integers(-2, 2), min_size=3, max_size=4),
)
@settings(max_examples=30)
def test_gradient_is_that_of_backprop(network, random, coefficients):
    assert_same_gradient(network, random, Functions(coefficients), 1)


@given(networks().filter(lambda n: n.num_parameters < 16), st.randoms(use_true_random=False))
@settings(max_examples=10)
def test_gradient_over_two_samples(network, random):
    assert_same_gradient(network, random, Functions([1, 2, 1]), 2)


@given(st.sampled_from(["h1", "h2"]), st.randoms(use_true_random=False))
@settings(max_examples=6)
def test_gradient_with_a_frozen_unit(axis, random):
    network = mlp([2, 2, 2, 1]).freeze(axis, 1, Fraction(3, 2))
    assert_same_gradient(network, random, Functions([1, -1, 2]), 1)


@pytest.mark.parametrize("name", sorted(set(COVERING) - {"activations"}))
def test_every_primitive_has_the_reference_value(name):
    graph = COVERING[name]
    values = {
        node: rationals(np.random.default_rng(k), shape)
        for k, (node, shape) in enumerate(graph.input_shapes.items())
    }
    values = {node: np.vectorize(Fraction, otypes=[object])(a) for node, a in values.items()}
    functions = Functions([1, 2, 3])
    found = forward_values(graph, values, functions)
    for output, expected in interpret(graph, values, functions).items():
        assert (found[graph.outputs[output]] == expected).all()


@pytest.mark.parametrize("name", sorted(set(LAWS) - {"leaky_relu"}))
def test_named_derivatives_are_those_of_the_closed_forms(name):
    z = sympy.Symbol("z", positive=True)
    symbol = activation(name)
    closed = (
        applied(symbol, z)
        .diff(z)
        .replace(
            lambda e: isinstance(e, FunctionSymbol),
            lambda e: closed_form(type(e).activation, e.args[0]),
        )
    )
    difference = closed - closed_form(symbol, z).diff(z)
    assert sympy.simplify(difference.rewrite(sympy.exp)) == 0


def test_a_parameter_outside_the_frozen_graph_has_no_gradient():
    network = mlp([2, 2, 1]).freeze("h1", 0).freeze("h1", 1)
    field = gradient_field(network)
    assert all(entry == 0 for entry in field.gradient["W1"].flat)
    assert field.layers[0].h.tolist() == [[0, 0]] if field.layers else True


def test_symbols_are_named_as_written():
    field = gradient_field(mlp([2, 2, 1]))
    assert field.parameters["W1"][0, 1].name == "w^{(1)}_{12}"
    assert field.parameters["b2"][0].name == "b^{(2)}_{1}"
    assert field.x[0, 1].name == "x_{2}"
    assert gradient_field(mlp([1, 1, 1]), batch=2).x[1, 0].name == "x_{2,1}"


def test_one_output_meets_a_target_and_several_meet_each_other():
    a, b = sympy.symbols("a b")
    one = loss_of([a * b])
    assert one.args == (a * b, sympy.Symbol("t"))
    several = loss_of([a, a * b])
    assert len(several.diff(a).args) == 2
    assert (several.diff(a).diff(b) - several.diff(b).diff(a)).expand() == 0


def test_derivatives_are_plain_expressions():
    field = gradient_field(mlp([2, 2, 2, 2]))
    for array in field.gradient.values():
        for entry in array.flat:
            assert not entry.atoms(sympy.Derivative, sympy.Subs)


def test_latex():
    text = gradient_field(mlp([1, 1, 1], bias=False))._repr_latex_()
    assert r"\varphi'\left(w^{(1)}_{11} x_{1}\right)" in text
    assert r"\ell'(y, t)" in text
    assert text.count(r"\frac{\partial \ell}") == 2


def test_errors_name_the_entry():
    graph = mlp([2, 2, 1]).graph()
    with pytest.raises(ShapeError, match=r"'x' is missing: the graph needs its \(1, 2\) array"):
        forward_values(graph, {}, applied)
    with pytest.raises(ValueSystemError, match="tanh: its law has no definition"):
        rule_value(Activation("tanh"), "definition", 0, applied)
