from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.primes import random_primes
from numerics.reciprocals import opaque
from numerics.systems.prime import PrimeField
from numerics.systems.rational import Rational
from tests.test_theory.graphs import COVERING, GATED, PHI, UNKNOWN, graphs
from theory.activation import reciprocal
from theory.core import CORE, core
from theory.errors import GraphError
from theory.graph import Builder, Graph
from theory.primitives import Apply, Broadcast, Constant, Divide, Parameter
from theory.tracing import trace

FUNCTIONS = {"phi": (1, -2, "1/3", 1), "psi": (0, 2, 0, 1), "chi": (3, 0, -1)}


def is_core(graph: Graph) -> bool:
    symbols = [n.primitive.activation for n in graph.nodes if isinstance(n.primitive, Apply)]
    is_simple = all(symbol.law.definition is None for symbol in symbols)
    return is_simple and all(isinstance(node.primitive, CORE) for node in graph.nodes)


def rational_values(graph: Graph, seed: int) -> dict[str, list]:
    system, rng = Rational(FUNCTIONS), np.random.default_rng(seed)
    shapes = sorted(graph.input_shapes.items())
    given_values = {n: system.array(rng.integers(-4, 5, size=s)) for n, s in shapes}
    return {k: v.tolist() for k, v in Evaluator(graph, system)(given_values).items()}


@given(graphs((*UNKNOWN, *GATED)), st.integers(0, 10**6))
def test_equal_values_in_the_rationals(graph, seed):
    reduced = core(graph)
    assume(reduced.input_shapes == graph.input_shapes)
    assert rational_values(reduced, seed) == rational_values(graph, seed)


@pytest.mark.parametrize("name", COVERING)
def test_equal_values_in_prime_fields(name):
    graph = COVERING[name]
    reduced = core(graph)
    assert is_core(reduced)
    system = PrimeField(random_primes(3, seed=5), seed=7)
    theta = {n: system.random(s, n) for n, s in graph.input_shapes.items()}
    expected = Evaluator(opaque(graph), system, lead=1)(theta)
    found = Evaluator(reduced, system, lead=1)(theta)
    for output, value in expected.items():
        assert (system.canonical(found[output]) == system.canonical(value)).all()


@given(graphs((*UNKNOWN, *GATED)))
def test_it_is_a_projection_onto_core_primitives(graph):
    reduced = core(graph)
    assert is_core(reduced)
    assert core(reduced) == reduced
    assert {k: reduced.nodes[n].shape for k, n in reduced.outputs.items()} == {
        k: graph.nodes[n].shape for k, n in graph.outputs.items()
    }


def test_constant_divisors_become_factors():
    graph = trace(lambda p, x: {"y": p["w"] / np.array([2, -3])}, {"w": (2,)}, {})
    constants = [n.primitive.values for n in core(graph).nodes if isinstance(n.primitive, Constant)]
    assert constants == [(Fraction(1, 2), Fraction(-1, 3))]
    graph = trace(lambda p, x: {"y": 1 / p["w"]}, {"w": (2,)}, {})
    assert Apply(reciprocal) in [n.primitive for n in core(graph).nodes]


def test_division_by_the_constant_zero_is_refused():
    builder = Builder()
    zero = builder.add(Broadcast((2,)), builder.add(Constant((Fraction(0),), ())))
    quotient = builder.add(Divide(), builder.add(Parameter("w", (2,))), zero)
    with pytest.raises(GraphError, match="a constant divisor has an entry 0"):
        core(builder.finish({"y": quotient}))


def test_shared_values_stay_shared():
    graph = trace(lambda p, x: {"y": PHI(p["w"] - p["v"]) * PHI(p["w"] - p["v"])}, *PAIR)
    kinds = [type(node.primitive).__name__ for node in core(graph).nodes]
    assert kinds.count("Apply") == 1


PAIR: tuple[dict[str, tuple[int]], dict[str, tuple[int]]] = ({"w": (2,), "v": (2,)}, {})


def test_too_many_axes_are_refused():
    graph = trace(lambda p, x: {"y": -p["w"]}, {"w": (1,) * 52}, {})
    with pytest.raises(GraphError, match="at most 51 axes"):
        core(graph)
