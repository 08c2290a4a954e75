"""A graph in a manifold's coordinates has the values that it has at the embedded point."""

from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.exact import tangency_graph
from numerics.systems.prime import PrimeField
from proofs_check.drawing.networks import draw_rationals
from proofs_check.strategies import architectures, partitions, points
from tests.test_theory.test_manifold.drawn import cloned
from theory import manifold as tensors
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.graph import Graph
from theory.manifold import ClonedManifold, Manifold, block_constant, equitable, frozen
from theory.manifold.coordinates import MIN_SIZE, in_coordinates
from theory.partition import make_partition
from theory.tracing import trace
from theory.zoo import mlp

FIELD = PrimeField((6291469, 8388593), seed=7)
SIZES = st.sampled_from([0, 5, 10**9])  # every product by parts, some, none


def assert_same_values(graph: Graph, manifold: Manifold, min_size: int) -> None:
    free = {n: FIELD.random(s, f"point:{n}") for n, s in manifold.free_shapes.items()}
    graph_there = in_coordinates(graph, manifold, min_size=min_size)
    assert not graph_there.parameter_shapes
    data = {
        n: FIELD.random(s, n) for n, s in graph.input_shapes.items() if n not in manifold.shapes
    }
    theta = Evaluator(trace(lambda _, f: manifold.embed(f), {}, manifold.free_shapes), FIELD, 1)(
        free
    )
    expected = Evaluator(graph, FIELD, 1)({**data, **theta})
    point = {f"point:{n}": a for n, a in free.items()}
    found = Evaluator(graph_there, FIELD, 1)({**data, **point})
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (FIELD.canonical(found[name]) == FIELD.canonical(value)).all(), name


@given(data=st.data(), min_size=SIZES)
def test_outputs_and_gradients_are_those_at_the_embedded_point(data, min_size):
    net = data.draw(architectures(max_depth=2, max_width=5))
    partition = data.draw(partitions(net))
    kind = data.draw(
        st.sampled_from(
            ["incoming_equitable", "outgoing_equitable", "equitable", "block_constant", "leaf"]
        )
    )
    if kind == "leaf":
        manifold = tensors.leaf(net, partition, data.draw(points(equitable(net, partition))))
    else:
        manifold = getattr(tensors, kind)(net, partition)
    assert_same_values(gradient(net.graph(2)), manifold, min_size)


@pytest.mark.parametrize("min_size", [0, 10**9])
def test_frozen_units_are_formed(min_size):
    net = mlp([2, 3, 2]).freeze("h1", 1, 0)
    assert_same_values(gradient(net.graph()), frozen(net), min_size)


def every_use(p, x):
    """Parameters contracted on any axis, kept on any axis, stacked, multiplied and as they are."""
    w, v = p["W"], p["V"]
    y = x @ w + np.einsum("bh,gh->bg", x @ w, v)
    y = y + np.einsum("bh,hg->bg", np.einsum("bi,ih->bh", x, w), v * v)
    y = y + np.einsum("bi,ih->bih", x, w)[:, 0] + np.einsum("ih,bi->hb", w, x).T
    return y + x @ (w @ v) + x @ np.einsum("ih,ih->ih", w, w) + np.einsum("hg,gh->h", v, v.T)


PATTERNS = st.sets(st.sampled_from(["CC", "CZ", "ZC", "ZZ"]))


@given(two=PATTERNS, same=PATTERNS, min_size=SIZES)
@pytest.mark.parametrize("blocks", [[[0, 1], [2, 3]], [[0, 3, 1]], [[1, 0], [3, 2]], []])
def test_parameters_may_be_used_in_any_way(blocks, two, same, min_size):
    net = Architecture(every_use, {"x": 3, "h": 4}, {"W": ("x", "h"), "V": ("h", "h")})
    axes = make_partition(net.sizes, {"h": blocks, "x": [[0, 2]]})
    manifold = ClonedManifold(
        "any",
        {"W": (axes["x"], axes["h"]), "V": (axes["h"], axes["h"])},
        {"W": frozenset(two), "V": frozenset(same)},
    )
    assert_same_values(gradient(net.graph(2)), manifold, min_size)


@given(manifold=cloned(), seed=st.integers(0, 10**6))
def test_a_parameter_is_the_sum_of_its_parts(manifold, seed):
    rng = np.random.default_rng(seed)
    free = draw_rationals(lambda low, high: int(rng.integers(low, high + 1)), manifold.free_shapes)
    for p, value in manifold.embed(free).items():
        parts = manifold.parts(p)
        if not parts:
            assert manifold.offset is not None or not np.any(value)
            continue
        total = 0
        for part in parts:
            spread = free[part.name]
            for k, axis in enumerate(part.axes):
                spread = axis.spread(spread, k)
            total = total + spread
        assert (total == value).all()


def test_no_value_of_a_proof_is_larger_than_the_coordinates():
    net = mlp([10, 256, 256, 3])
    pairs = [[k, k + 1] for k in range(0, 256, 2)]
    clones = make_partition(net.sizes, {"h1": pairs, "h2": pairs})
    manifold = equitable(net, clones)
    assert prod(manifold.shapes["W2"]) >= MIN_SIZE
    graph = in_coordinates(tangency_graph(net, block_constant(net, clones), 1), manifold)
    assert max(prod(node.shape) for node in graph.nodes) == 128 * 128
