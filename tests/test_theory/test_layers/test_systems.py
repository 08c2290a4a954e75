"""Every layer has a value in every number system, the same one where systems mean the same."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from flint import arb

from numerics.evaluate import Evaluator
from numerics.systems.ball import Ball, contains
from numerics.systems.float64 import Float64
from numerics.systems.multiprecision import MultiPrecision
from numerics.systems.prime import PrimeField
from numerics.systems.rational import Rational
from tests.test_theory.test_layers.instances import INSTANCES
from theory.activation import Activation
from theory.backprop import gradient
from theory.errors import ValueSystemError
from theory.graph import Graph
from theory.primitives import Apply
from theory.rewrite import replace_values
from theory.tracing import Traced

PRIME = 4194301
GATES = {"step", "relu"}


def polynomial(graph: Graph) -> Graph:
    """The unknown φ is z + z³: a function that every system has."""

    def change(k: int, value: Traced) -> Traced:
        node = graph.nodes[k]
        if isinstance(node.primitive, Apply) and node.primitive.activation == Activation("phi"):
            z = Traced(value.builder, value.builder.nodes[value.number].operands[0])
            return z + z**3
        return value

    return replace_values(graph, change)


def with_gradient(name: str) -> Graph:
    return gradient(polynomial(INSTANCES[name][0].graph(2)), outputs=("y",))


def dyadic(graph: Graph) -> dict[str, Any]:
    """Numbers k/16 below 1/2: exact in every system, and positive where a root is taken."""
    rng = np.random.default_rng(0)
    return {name: rng.integers(1, 8, s) / 16 for name, s in graph.input_shapes.items()}


def symbols(graph: Graph) -> set[str]:
    return {n.primitive.activation.name for n in graph.nodes if isinstance(n.primitive, Apply)}


@pytest.mark.parametrize("name", INSTANCES)
def test_numbers_agree(name):
    graph = with_gradient(name)
    point = dyadic(graph)
    balls = Evaluator(graph, Ball())(point)
    digits = Evaluator(graph, MultiPrecision())(point)
    floats = Evaluator(graph, Float64())(point)
    for output, found in floats.items():
        assert np.isfinite(found).all()
        middle = np.vectorize(float, otypes=[float])(digits[output])
        # A few hundred operations on numbers of size one: far fewer roundings than 1e6.
        np.testing.assert_allclose(found, middle, rtol=1e-9, atol=1e-9)
        exact = [Fraction(*_ratio(v)) for v in digits[output].ravel()]
        for ball, value in zip(balls[output].ravel(), exact, strict=True):
            # Fifty digits are more than the ball's: its neighbourhood of 1e-30 holds the value.
            assert contains(np.array([ball + arb(0, 1e-30)]), value)[0]


def _ratio(value: Any) -> tuple[int, int]:
    sign, mantissa, exponent, _ = value._mpf_
    number = Fraction(int(mantissa)) * Fraction(2) ** int(exponent)
    return (-number if sign else number).as_integer_ratio()


@pytest.mark.parametrize("name", INSTANCES)
def test_rational_numbers_are_exact_or_refused(name):
    graph = with_gradient(name)
    point = dyadic(graph)
    if symbols(graph) - GATES:
        with pytest.raises(ValueSystemError, match="is not rational"):
            Evaluator(graph, Rational())(point)
        return
    rational = Evaluator(graph, Rational())(point)
    floats = Evaluator(graph, Float64())(point)
    for output, found in floats.items():
        exact = np.vectorize(float, otypes=[float])(rational[output])
        np.testing.assert_allclose(found, exact, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", INSTANCES)
def test_residues_are_those_of_the_rational_numbers(name):
    graph = with_gradient(name)
    field = PrimeField((PRIME,), 0)
    point = dyadic(graph)
    found = Evaluator(graph, field, lead=1)({k: field.array(v) for k, v in point.items()})
    if symbols(graph):  # their values are random, but they are residues
        assert all(np.isfinite(v).all() for v in found.values())
        return
    rational = Evaluator(graph, Rational())(point)
    for output, value in found.items():
        expected = [int(v.p) * pow(int(v.q), -1, PRIME) % PRIME for v in rational[output].ravel()]
        assert np.ravel(field.canonical(value)).astype(int).tolist() == expected
