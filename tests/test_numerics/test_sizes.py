"""Degrees and norms are those of explicit rational functions, or larger."""

from fractions import Fraction
from math import log2, prod
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, reject
from hypothesis import strategies as st

from numerics.sizes import FRESH, Divisor, Size, as_size, measure
from tests.test_numerics.quotients import (
    MAX_TERMS,
    ONE,
    TooLargeError,
    rational_functions,
    size_of,
)
from tests.test_theory.graphs import _STEPS, COVERING, GATED, SMOOTH, UNKNOWN, _like
from theory.activation import Activation, gelu, normal_cdf, relu, sigmoid, silu, step, tanh
from theory.activation import activation as symbol
from theory.graph import Builder, Graph
from theory.lowering import scatter
from theory.primitives import Apply, Broadcast, Constant, Divide, Input, Parameter, Scatter
from theory.tracing import trace

MAX_SIZE = 6
NUMBERS = st.fractions(-6, 6, max_denominator=6)


@st.composite
def graphs_with_constants(draw: Any, max_nodes: int = 6) -> Graph:
    """Random graphs of all primitives with fractional constants, divisors and symbols of any kind.

    Every node is an output.
    """
    builder = Builder()
    shapes = st.lists(st.integers(1, 3), max_size=2).map(tuple)
    values = [builder.add(Parameter("w", draw(shapes))), builder.add(Input("x", draw(shapes)))]
    for _ in range(draw(st.integers(1, max_nodes))):
        a = draw(st.sampled_from(values))
        kind = draw(st.sampled_from([*sorted(_STEPS, key=lambda k: k.__name__), Constant, Divide]))
        found: int | None
        if kind is Apply:
            found = builder.add(Apply(draw(st.sampled_from([*SMOOTH, *GATED, *UNKNOWN]))), a)
        elif kind is Divide:
            found = builder.add(Divide(), a, _like(draw, builder, values, a))
        elif kind is Constant:
            shape = builder.nodes[a].shape
            entries = draw(st.lists(NUMBERS, min_size=prod(shape), max_size=prod(shape)))
            found = builder.add(Constant(tuple(entries), shape))
        else:
            found = _STEPS[kind](draw, builder, values, a)
        if found is not None and prod(builder.nodes[found].shape) <= MAX_SIZE:
            values.append(found)
    return builder.finish({str(k): k for k in values})


def assert_bounded(graph: Graph, given: dict[str, Any], sizes: dict[str, Size]) -> None:
    """Over the denominators that sizes describe, written out, entries are polynomials of that size.

    All nodes are outputs, so the divisors' numerators, whose products the denominators are made of,
    are known too. What is given has the denominators of numbers alone.
    """
    whole = Graph(graph.nodes, {str(k): k for k in range(len(graph.nodes))})
    found = rational_functions(whole, given)
    measured = measure(whole, sizes).outputs
    products: dict[Divisor, Any] = {}

    def denominator(size: Size) -> Any:
        return prod((factor(q) ** e for q, e in size.exponents.items()), start=ONE)

    def factor(q: Divisor) -> Any:
        if isinstance(q.label, int):
            return q.label * ONE
        if q not in products:
            name = str(q.label[1])  # type: ignore[index]
            common = denominator(measured[name])
            numerators = [entry.over(common) for entry in found[name].ravel()]
            products[q] = prod((n for n in numerators if n != 0), start=ONE)
            assert_within(products[q], q)
        return products[q]

    for name, array in found.items():
        common = denominator(measured[name])
        for entry in array.ravel():
            assert_within(entry.over(common), measured[name])


def assert_within(polynomial: Any, bound: Size | Divisor) -> None:
    if len(polynomial) > MAX_TERMS:
        raise TooLargeError
    degree, norm = size_of(polynomial)
    assert degree <= bound.degree
    assert norm <= bound.norm + 1e-9


def divided_by_integers(p, x):
    return {"y": (x["x"] / np.array([2, 3, 5])).sum()}


def divided_by_a_quotient_of_integers(p, x):
    return {"y": (x["x"] / (np.array([2, 3, 7]) / (1 + x["x"] ** 2))).sum()}


def joined_thirds_fifths_and_sevenths(p, x):
    return {"y": np.concatenate([x["x"] / 3, x["x"] / 5, x["x"] ** 2 / 7]).sum()}


@given(graphs_with_constants())
@example(trace(joined_thirds_fifths_and_sevenths, {}, {"x": (1,)}))
@example(trace(divided_by_integers, {}, {"x": (3,)}))
@example(trace(divided_by_a_quotient_of_integers, {}, {"x": (3,)}))
def test_random_graphs_are_bounded(graph):
    try:
        assert_bounded(graph, {}, {})
    except (TooLargeError, ZeroDivisionError):
        reject()


@pytest.mark.parametrize("name", [n for n in COVERING if n not in ("broadcasting", "dense")])
def test_covering_graphs_are_bounded(name):
    assert_bounded(COVERING[name], {}, {})


@given(graph=graphs_with_constants(max_nodes=3), data=st.data())
def test_given_sizes_are_used(graph, data):
    shape = graph.input_shapes.get("x")
    assume(shape is not None)
    entries = data.draw(st.lists(NUMBERS, min_size=prod(shape), max_size=prod(shape)))
    size = measure(
        trace(lambda p, x: {"x": np.reshape(entries, shape) + 0 * x["z"]}, {}, {"z": ()})
    )
    try:
        assert_bounded(graph, {"x": np.reshape(entries, shape)}, dict(size.outputs))
    except (TooLargeError, ZeroDivisionError):
        reject()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_sum_has_the_norm_of_its_terms(count):
    graph = trace(lambda p, x: {"y": (x["x"] / 3).sum()}, {}, {"x": (count,)})
    assert measure(graph).outputs["y"] == Size(1, log2(count), as_size(Fraction(1, 3)).exponents)


def bounds(size: Size) -> tuple[int, float, int, float]:
    return size.degree, size.norm, size.denominator_degree, size.denominator_norm


def test_a_sum_of_quotients_has_the_product_of_the_denominators():
    graph = trace(lambda p, x: {"y": (x["x"] / x["d"]).sum()}, {}, {"x": (4,), "d": (4,)})
    assert bounds(measure(graph).outputs["y"]) == (4, 2.0, 4, 0.0)


def test_a_denominator_that_terms_share_is_paid_for_once():
    graph = trace(
        lambda p, x: {"y": sum((x["x"] / x["d"].sum()) ** k for k in (1, 1, 1, 2))},
        {},
        {"x": (4,), "d": (4,)},
    )
    assert bounds(measure(graph).outputs["y"])[::2] == (2, 2)


def test_a_denominator_cancels_that_of_the_divisor():
    graph = trace(
        lambda p, x: {"y": (x["x"] / x["d"].sum()) / (x["z"] / x["d"].sum()).sum()},
        {},
        {"x": (4,), "d": (4,), "z": (4,)},
    )
    assert bounds(measure(graph).outputs["y"])[::2] == (1, 1)


def test_layers_of_softmax_add_degrees():
    """Products of all denominators would have degree 4¹⁰."""

    def layers(p, x):
        h = x["x"]
        for _ in range(10):
            e = np.exp(h)
            h = h + e / e.sum(axis=-1, keepdims=True)
        return {"y": h}

    size = measure(trace(layers, {}, {"x": (3, 4)})).outputs["y"]
    assert (size.degree, size.denominator_degree) == (31, 30)


def test_scatter_counts_the_entries_that_meet():
    graph = trace(lambda p, x: {"y": scatter(x["x"], 0, (1, 1, 0, 1), 3)}, {}, {"x": (4,)})
    assert measure(graph).outputs["y"] == Size(1, log2(3))


def test_an_empty_scatter_has_a_size():
    builder = Builder()
    nothing = builder.add(Input("x", (0,)))
    graph = builder.finish({"y": builder.add(Scatter(0, (), 2), nothing)})
    assert measure(graph).outputs["y"] == FRESH


@pytest.mark.parametrize("value", [0, 1, -3, Fraction(-2, 7), Fraction(10**30, 3)])
def test_numbers_have_sizes(value):
    size = as_size(value)
    assert size.degree == size.denominator_degree == 0
    assert 2**size.norm == pytest.approx(max(1, abs(Fraction(value).numerator)))
    assert 2**size.denominator_norm == pytest.approx(Fraction(value).denominator)


def atoms(function: Activation) -> set[Activation]:
    graph = trace(lambda p, x: {"y": function(x["x"] * 2)}, {}, {"x": (3,)})
    arguments = measure(graph).arguments
    assert [list(met.values()) for met in arguments.values()] == [[(3, Size(1, 1.0))]]
    return set(arguments)


@pytest.mark.parametrize(
    ("function", "atom"),
    [(relu, step), (gelu, normal_cdf), (silu, sigmoid), (symbol("leaky_relu"), step), (tanh, tanh)],
)
def test_a_definition_meets_the_function_that_it_is_made_of(function, atom):
    assert atoms(function) == {atom}


def test_derivatives_of_an_unknown_function_share_their_arguments():
    phi = symbol("phi")
    second = phi.derivative_symbol().derivative_symbol()
    graph = trace(
        lambda p, x: {"y": phi(x["x"]) + second(x["x"]) + phi(3 * x["x"])}, {}, {"x": (2,)}
    )
    ((found, met),) = measure(graph).arguments.items()
    assert (found, sorted(met.values(), key=repr)) == (phi, [(2, FRESH), (2, Size(1, log2(3)))])


def test_gates_of_different_functions_are_one_symbol():
    graph = trace(lambda p, x: {"y": relu(x["x"]) + step(x["z"])}, {}, {"x": (2,), "z": (2,)})
    ((found, met),) = measure(graph).arguments.items()
    assert (found, len(met)) == (step, 2)


def test_divisors_are_listed_with_their_entries():
    graph = trace(lambda p, x: {"y": x["x"] / (x["x"] * x["x"] - 2)}, {}, {"x": (5,)})
    assert measure(graph).divisors == ((5, Size(2, log2(3))),)


def test_a_divisor_broadcast_from_constants_is_measured_by_its_entries():
    column = np.array([[2], [3]])
    wide = trace(lambda p, x: {"y": (x["x"] / column).sum(axis=0)}, {}, {"x": (2, 1000)})
    assert any(isinstance(node.primitive, Broadcast) for node in wide.nodes)
    assert bounds(measure(wide).outputs["y"]) == (1, log2(3) + 1, 0, log2(6))
