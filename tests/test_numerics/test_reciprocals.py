"""Opaque reciprocals prove what holds, leave what needs v/v = 1 to the fields, invert no zero."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.exact import prove_invariance
from numerics.identity import error_bound, vanishes
from numerics.reciprocals import divides, opaque
from numerics.sizes import measure
from numerics.systems.prime import PrimeField
from numerics.systems.rational import Rational
from tests.test_theory.graphs import graphs
from theory.activation import activation, reciprocal
from theory.architecture import Architecture
from theory.errors import ValueSystemError
from theory.graph import Graph
from theory.manifold import ambient, block_constant, equitable, incoming_equitable
from theory.partition import make_partition
from theory.primitives import Apply, Divide
from theory.tracing import trace

PHI = activation("phi")


def scalars(function: Any, *names: str) -> Graph:
    shapes = dict.fromkeys(names, ())
    return trace(lambda p, x: {"zero": function(*(x[n] for n in names))}, {}, shapes)


def softmax(z: Any) -> Any:
    e = np.exp(z - z.mean(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# The graph.


@given(graph=graphs(functions=()), data=st.data())
def test_the_values_are_those_of_the_graph(graph, data):
    numbers = st.fractions(-3, 3, max_denominator=4)
    system, given_values = Rational(), {}
    for name, shape in graph.input_shapes.items():
        size = int(np.prod(shape, dtype=int))
        entries = data.draw(st.lists(numbers, min_size=size, max_size=size))
        given_values[name] = np.array(entries, dtype=object).reshape(shape)
    try:
        expected = Evaluator(graph, system)(given_values)
    except ZeroDivisionError:
        reject()
    found = Evaluator(opaque(graph), system)(given_values)
    assert all(np.array_equal(expected[name], found[name]) for name in expected)


@given(graphs())
def test_nothing_but_constants_is_divided_by(graph):
    assert not divides(opaque(graph))
    if not divides(graph):
        assert opaque(graph) == graph


def test_division_by_what_is_computed_from_constants_stays():
    graph = trace(
        lambda p, x: {"y": x["x"] / (np.array([2, 3]) * x["x"].shape[0])}, {}, {"x": (2,)}
    )
    assert not divides(graph)
    assert opaque(graph) == graph


def test_a_divisor_is_inverted_before_it_is_broadcast():
    graph = opaque(trace(lambda p, x: {"y": softmax(x["z"])}, {}, {"z": (3, 5)}))
    (inverse,) = [n for n in graph.nodes if n.primitive == Apply(reciprocal)]
    assert inverse.shape == (3,)
    assert not any(isinstance(n.primitive, Divide) for n in graph.nodes)


def test_degrees_add():
    def layers(p: Any, x: Any) -> Any:
        h = x["x"]
        for _ in range(10):
            h = h + softmax(h)
        return {"y": h}

    measured = measure(opaque(trace(layers, {}, {"x": (3, 4)})))
    assert measured.outputs["y"].degree == 2
    assert not measured.divisors


# Identities.

OPAQUE = {
    "the same quotient": scalars(lambda x, z: x / z - (x + x) / z + x / z, "x", "z"),
    "equal divisors": scalars(
        lambda x, z: 1 / (x + z) ** 2 - 1 / (x * x + 2 * x * z + z * z), "x", "z"
    ),
    "odd": scalars(lambda x, z: x / (z - x) + x / (x - z), "x", "z"),
}
EXACT = {
    "v / v": scalars(lambda x: x / x - 1, "x"),
    "cancelling": scalars(lambda x, z: x / z - (x * x) / (x * z), "x", "z"),
    "twice": scalars(lambda x: 1 / (1 / x) - x, "x"),
    "rows of softmax": trace(
        lambda p, x: {"y": softmax(x["z"]).sum(axis=1) - 1}, {}, {"z": (2, 3)}
    ),
}
FALSE = {
    "another divisor": scalars(lambda x, z: 1 / x - 1 / z, "x", "z"),
    "even": scalars(lambda x, z: x / (z - x) - x / (x - z), "x", "z"),
    "nearly": scalars(lambda x: x / (x + 1) - 1, "x"),
}


@pytest.mark.parametrize(
    ("graph", "verdict", "division"),
    [
        *((graph, "holds", "opaque") for graph in OPAQUE.values()),
        *((graph, "holds", "exact") for graph in EXACT.values()),
        *((graph, "fails", "exact") for graph in FALSE.values()),
        (scalars(lambda x: x / 3 + x / 6 - x / 2, "x"), "holds", "none"),
        (scalars(lambda x: x / 3 + x / 6 - x, "x"), "fails", "none"),
    ],
)
def test_identities(graph, verdict, division):
    for seed in range(10):
        found = vanishes(graph, bits=60, seed=seed)
        assert (found.verdict, found.division) == (verdict, division)
        assert verdict == "fails" or found.bound.bits >= 60


def test_the_error_is_that_of_both_tests():
    for graph, read in [(OPAQUE["odd"], opaque), (EXACT["cancelling"], lambda graph: graph)]:
        found = vanishes(graph, bits=60, seed=0)
        alone = error_bound(measure(read(graph)), found.bound.components)
        assert found.bound.bits == pytest.approx(alone.bits - 1)


def test_what_is_false_is_seen_to_fail_where_no_error_can_be_reached():
    found = vanishes(FALSE["another divisor"], bits=9000, seed=0)
    assert (found.verdict, found.bound.bits < 9000) == ("fails", True)
    with pytest.raises(ValueSystemError, match=r"^bits=9001: "):
        vanishes(OPAQUE["odd"], bits=9000, seed=0)


# Zeros.


@pytest.mark.parametrize(
    "divisor",
    [lambda x: x - x, lambda x: PHI(x + x) - PHI(2 * x), lambda x: 1 / x + 1 / (-x)],
)
def test_a_divisor_that_is_zero_for_every_odd_function_is_undefined(divisor):
    graph = scalars(lambda x: (x - x) / divisor(x), "x")
    found = vanishes(graph, bits=60, seed=0)
    assert (found.verdict, found.division) == ("undefined", "opaque")


def test_zero_has_no_reciprocal_and_a_residue_has():
    field = PrimeField((101, 103), seed=0)
    with pytest.raises(ZeroDivisionError, match=r"^an argument of reciprocal is 0 in every"):
        field.apply(reciprocal, field.array([1, 0]))
    values = field.apply(reciprocal, field.array([1, 101, 103]))
    assert (
        field.canonical(values + field.apply(reciprocal, field.array([-1, -101, -103]))).any() == 0
    )


def layer_norm(epsilon: Fraction | int) -> Architecture:
    def forward(p: dict[str, Any], x: Any) -> Any:
        h = x @ p["W"]
        h = h - h.mean(axis=1, keepdims=True)
        return h / np.sqrt((h * h).mean(axis=1, keepdims=True) + epsilon) @ p["V"]

    return Architecture(forward, {"x": 2, "h": 4, "y": 2}, {"W": ("x", "h"), "V": ("h", "y")})


@pytest.mark.parametrize(
    ("epsilon", "blocks", "verdict"),
    [
        (0, [[0, 1, 2, 3]], "undefined"),
        (Fraction(1, 100000), [[0, 1, 2, 3]], "proved"),
        (0, [[0, 1], [2, 3]], "proved"),
    ],
)
def test_layer_norm_over_one_block_needs_its_epsilon(epsilon, blocks, verdict):
    net = layer_norm(epsilon)
    found = prove_invariance(net, equitable(net, make_partition(net.sizes, {"h": blocks})))
    assert (found.verdict, found.division) == (verdict, "opaque")


# Networks.


def test_depth_costs_little():
    def forward(p: dict[str, Any], x: Any) -> Any:
        h = x @ p["W"]
        for _ in range(12):
            h = h + softmax(h @ p["U"])
        return h @ p["V"]

    net = Architecture(
        forward,
        {"x": 2, "h": 4, "k": 4, "y": 2},
        {"W": ("x", "h"), "U": ("h", "h"), "V": ("h", "y")},
    )
    clones = make_partition(net.sizes, {"h": [[0, 1], [2, 3]]})
    found = prove_invariance(net, equitable(net, clones), tangent=block_constant(net, clones))
    assert (found.verdict, found.division, found.error_bits >= 60) == ("proved", "opaque", True)
    assert found.bound.degree < 150
    assert prove_invariance(net, incoming_equitable(net, clones)).verdict == "refuted"


def test_a_gradient_that_is_zero_because_rows_sum_to_one_needs_exact_division():
    """The sum of a softmax does not depend on its argument; only v/v = 1 shows that."""
    net = Architecture(
        lambda p, x: softmax(x @ p["W"]).sum(axis=1, keepdims=True) * p["v"],
        {"x": 2, "h": 3, "y": 2},
        {"W": ("x", "h"), "v": ("y",)},
    )
    clones = make_partition(net.sizes, {})
    joined = make_partition(net.sizes, {"h": [[0, 1]]})
    found = prove_invariance(net, equitable(net, clones), tangent=block_constant(net, joined))
    assert (found.verdict, found.division, found.error_bits >= 60) == ("proved", "exact", True)
    assert prove_invariance(net, ambient(net)).division == "opaque"
