"""Function symbols of the prime field, and derivatives of whole networks in it."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.primes import random_primes
from numerics.systems.field_element import FieldElement
from numerics.systems.prime import PrimeField
from theory.activation import (
    activation,
    exp,
    gelu,
    leaky_relu,
    log,
    normal_cdf,
    relu,
    rsqrt,
    sigmoid,
    silu,
    softplus,
    sqrt,
    step,
    tanh,
)
from theory.backprop import gradient, pushforward
from theory.primitives import Add, Subtract
from theory.tracing import trace

FIELD = PrimeField(random_primes(3, seed=0), seed=0)
Z = FIELD.array([0, 1, -1, Fraction(2, 3), 12345, Fraction(-7, 11)])
MINUS_Z = FIELD.negative(Z)
PHI, ODD, EVEN = (
    activation("phi"),
    activation("phi", parity="odd"),
    activation("phi", parity="even"),
)


@pytest.mark.parametrize(
    ("symbol", "combine", "expected"),
    [
        (sigmoid, FIELD.add, FIELD.array([1] * 6)),
        (normal_cdf, FIELD.add, FIELD.array([1] * 6)),
        (relu, FIELD.subtract, Z),
        (softplus, FIELD.subtract, Z),
        (silu, FIELD.subtract, Z),
        (gelu, FIELD.subtract, Z),
        (leaky_relu("1/4"), FIELD.subtract, FIELD.multiply(Z, FIELD.array([Fraction(5, 4)] * 6))),
        (tanh, FIELD.add, FIELD.array([0] * 6)),
        (ODD, FIELD.add, FIELD.array([0] * 6)),
        (ODD.derivative_symbol(), FIELD.subtract, FIELD.array([0] * 6)),
        (EVEN, FIELD.subtract, FIELD.array([0] * 6)),
        (EVEN.derivative_symbol(), FIELD.add, FIELD.array([0] * 6)),
    ],
    ids=repr,
)
def test_symbols_keep_their_law_of_parity(symbol, combine, expected):
    found = combine(FIELD.apply(symbol, Z), FIELD.apply(symbol, MINUS_Z))
    np.testing.assert_array_equal(FIELD.canonical(found), FIELD.canonical(expected))


def test_the_gate_has_its_law_away_from_its_jump_and_no_value_at_it():
    found = FIELD.canonical(FIELD.add(FIELD.apply(step, Z), FIELD.apply(step, MINUS_Z)))
    np.testing.assert_array_equal(found[:, 1:], 1)
    assert (found[:, 0] != 1).all()  # neither 0 nor 1 nor 1/2: every convention is covered
    assert not FIELD.apply(relu, Z)[:, 0].any()


@pytest.mark.parametrize("symbol", [PHI, exp, log, sqrt, rsqrt], ids=repr)
def test_other_symbols_have_no_parity(symbol):
    a, b = FIELD.apply(symbol, Z)[:, 1:], FIELD.apply(symbol, MINUS_Z)[:, 1:]
    assert FIELD.add(a, b).all()
    assert FIELD.subtract(a, b).all()


def test_both_balanced_forms_of_a_residue_have_one_value():
    field = PrimeField(((1 << 23) - 15, (1 << 22) - 3), seed=0)
    p, q = field.primes
    a = np.array([[(p + 1) / 2, 1], [3, (q + 1) / 2]])
    b = np.array([[(p + 1) / 2 - p, 1], [3, (q + 1) / 2 - q]])
    for symbol in (PHI, ODD, EVEN, gelu):
        np.testing.assert_array_equal(field.apply(symbol, a), field.apply(symbol, b))


@pytest.mark.parametrize("symbol", [relu, silu, gelu, leaky_relu("1/4")], ids=repr)
def test_a_defined_symbol_is_its_definition(symbol):
    expected = symbol.law.definition(FieldElement(FIELD, Z)).array
    np.testing.assert_array_equal(FIELD.apply(symbol, Z), expected)


def test_a_gate_has_no_derivative():
    slope = step.law.derivative(FieldElement(FIELD, Z), step(FieldElement(FIELD, Z)))
    assert not slope.array.any()


SYMBOLS = [tanh, PHI, ODD, relu, leaky_relu("1/4"), gelu, sigmoid, softplus, silu, exp]


def pairing(field, values):
    """Σ a b over all named pairs and all axes but the first."""
    total = field.array(0)
    for a, b in values:
        product = field.multiply(a, b)
        total = field.add(total, field.sum(product, tuple(range(1 - product.ndim, 0))))
    return field.canonical(total)


@given(
    symbol=st.sampled_from(SYMBOLS),
    widths=st.lists(st.integers(1, 3), min_size=2, max_size=4),
    batch=st.integers(1, 3),
    trials=st.sampled_from([None, 2]),
    seed=st.integers(0, 2**32),
)
def test_reverse_and_forward_mode_agree_exactly(symbol, widths, batch, trials, seed):
    layers = list(enumerate(pairwise(widths)))
    shapes = {f"W{k}": shape for k, shape in layers} | {f"b{k}": s[1:] for k, s in layers}

    def forward(p, x):
        h = x["x"]
        for k, _ in layers:
            h = symbol(h @ p[f"W{k}"] + p[f"b{k}"])
        return {"y": h}

    graph = trace(forward, shapes, {"x": (batch, widths[0])})
    field = PrimeField(FIELD.primes, seed)
    front = () if trials is None else (trials,)
    lead = 1 + len(front)
    reverse, ahead = gradient(graph), pushforward(graph)
    given_ = {
        name: field.random((*front, *shape), name)
        for name, shape in (reverse.input_shapes | ahead.input_shapes).items()
    }
    pulled = Evaluator(reverse, field, lead)(given_)
    pushed = Evaluator(ahead, field, lead)(given_)
    np.testing.assert_array_equal(field.canonical(pulled["y"]), field.canonical(pushed["y"]))
    right = pairing(field, [(pulled[f"grad:{p}"], given_[f"tangent:{p}"]) for p in shapes])
    left = pairing(field, [(given_["adjoint:y"], pushed["tangent:y"])])
    np.testing.assert_array_equal(left, right)


def test_a_wrong_backward_rule_is_noticed():
    graph = trace(lambda p, x: {"y": tanh(x["x"] @ p["W"])}, {"W": (3, 2)}, {"x": (4, 3)})
    reverse, ahead = gradient(graph), pushforward(graph)
    shapes = reverse.input_shapes | ahead.input_shapes
    given_ = {name: FIELD.random(shape, name) for name, shape in shapes.items()}
    nodes = (
        replace(node, primitive=Add()) if isinstance(node.primitive, Subtract) else node
        for node in reverse.nodes
    )
    wrong = replace(reverse, nodes=tuple(nodes))  # tanh' = 1 + tanh²
    pulled = Evaluator(wrong, FIELD, 1)(given_)
    pushed = Evaluator(ahead, FIELD, 1)(given_)
    left = pairing(FIELD, [(given_["adjoint:y"], pushed["tangent:y"])])
    right = pairing(FIELD, [(pulled["grad:W"], given_["tangent:W"])])
    assert (left != right).all()
