"""Signed sets are images of unsigned ones; zero units by their definition."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.drawing.networks import draw_network, draw_partition, draw_rationals
from tests.test_theory.test_manifold.linear_algebra import rank
from theory.activation import tanh
from theory.architecture import Architecture
from theory.dag import Dag
from theory.errors import GraphError, PartitionError
from theory.manifold import (
    block_constant,
    equitable,
    incoming_equitable,
    leaf,
    outgoing_equitable,
    zero,
)
from theory.manifold.coordinates import in_coordinates
from theory.partition import AxisPartition, make_partition
from theory.widening import widen
from theory.zoo import mlp

KINDS = (incoming_equitable, outgoing_equitable, equitable, block_constant)


@st.composite
def signed_networks(draw):
    """A network, a partition without signs, the same with signs, and the signs of all units."""

    def choose(low, high):
        return draw(st.integers(low, high))

    net = draw_network(choose)
    plain = draw_partition(choose, net)
    signs = {
        axis: {u: draw(st.sampled_from([1, -1])) for u in range(n)} for axis, n in net.sizes.items()
    }
    blocks = {axis: own.blocks for axis, own in plain.items()}
    return net, plain, make_partition(net.sizes, blocks, signs=signs), choose


def mirrored(net, partition, theta):
    """Every entry times the signs of the units that it joins."""
    images = {}
    for p, axes in net.parameters.items():
        value = theta[p]
        for k, axis in enumerate(axes):
            signs = np.array(partition[axis].signs, dtype=object)
            value = value * signs.reshape((-1,) + (1,) * (len(axes) - k - 1))
        images[p] = value
    return images


@pytest.mark.parametrize("kind", KINDS)
@given(signed_networks())
@settings(max_examples=25)
def test_signed_sets_are_mirror_images(kind, drawn):
    net, plain, signed, choose = drawn
    manifold, unsigned = kind(net, signed), kind(net, plain)
    assert manifold.free_shapes == unsigned.free_shapes
    free = draw_rationals(choose, manifold.free_shapes)
    image = mirrored(net, signed, manifold.embed(free))
    assert all((image[p] == value).all() for p, value in unsigned.embed(free).items())
    theta = draw_rationals(choose, manifold.shapes)
    distance = unsigned.squared_distance(mirrored(net, signed, theta))
    assert manifold.squared_distance(theta) == distance
    assert manifold.squared_distance(manifold.project(theta)) == 0


@given(signed_networks())
@settings(max_examples=15)
def test_both_descriptions_of_a_signed_set_agree(drawn):
    net, _, signed, choose = drawn
    manifold = equitable(net, signed)
    tangents, normals = [*manifold.tangent_basis()], [*manifold.normal_basis()]
    for normal, tangent in product(normals, tangents):
        assert not sum(c * tangent.get(entry, 0) for entry, c in normal.items())
    assert rank(tangents, manifold.shapes) == manifold.dimension
    assert rank(normals, manifold.shapes) == manifold.codimension
    theta = manifold.embed(draw_rationals(choose, manifold.free_shapes))
    for row in manifold.constraints():
        assert sum(c * theta[p].flat[e] for (p, e), c in row.terms.items()) == row.value


@given(signed_networks())
@settings(max_examples=15)
def test_signed_leaves_pass_through_their_point(drawn):
    net, _, signed, choose = drawn
    flat = equitable(net, signed)
    point = flat.embed(draw_rationals(choose, flat.free_shapes))
    through = leaf(net, signed, point)
    assert through.squared_distance(point) == 0
    moved = through.embed(draw_rationals(choose, through.free_shapes))
    assert flat.squared_distance(moved) == 0


UNITS = {"h1": [1, 3], "h2": [0]}


def test_zero_units_by_definition():
    net = mlp([3, 4, 3, 2], "tanh")
    manifold = zero(net, UNITS)
    theta = {p: np.ones(shape) for p, shape in net.parameter_shapes.items()}
    theta["W1"][:, [1, 3]] = theta["b1"][[1, 3]] = theta["W2"][[1, 3], :] = 0
    theta["W2"][:, 0] = theta["b2"][[0]] = theta["W3"][[0], :] = 0
    assert manifold.squared_distance(theta) == 0
    assert manifold.dimension == sum(int(value.sum()) for value in theta.values())
    for p, value in theta.items():
        for entry in np.ndindex(value.shape):
            if not value[entry]:
                off = {**theta, p: value.copy()}
                off[p][entry] = 2
                assert manifold.squared_distance(off) == 4
    everywhere = {p: np.ones(shape) for p, shape in net.parameter_shapes.items()}
    projected = manifold.project(everywhere)
    assert all((projected[p] == theta[p]).all() for p in theta)


def test_zero_units_in_the_equations():
    net = mlp([1, 2, 1], "tanh")
    rows = [row.terms for row in zero(net, {"h1": [1]}).constraints()]
    assert rows == [{("W1", 1): 1}, {("b1", 1): 1}, {("W2", 1): 1}]


@pytest.mark.parametrize("units", [[], [1], [0, 1, 2, 3]])
def test_zero_slices_along_any_axis_of_any_tensor(units):
    net = Architecture(
        lambda p, x: np.einsum("bx,xhk,hk->b", x, p["T"], p["G"])[:, None],
        sizes={"x": 2, "h": 4, "k": 3, "y": 1},
        parameters={"T": ("x", "h", "k"), "G": ("h", "k")},
    )
    manifold = zero(net, {"h": units})
    assert manifold.codimension == len(units) * (2 * 3 + 3)
    free = {k: np.ones(shape) for k, shape in manifold.free_shapes.items()}
    theta = manifold.embed(free)
    assert sum(np.sum(value) for value in theta.values()) == manifold.dimension
    for p, axis in (("T", 1), ("G", 0)):
        assert not np.take(theta[p], units, axis).any()


def test_weights_between_zero_units_are_leaf_labels():
    """BC has them 0, on IE∩OE they have any value."""
    net = mlp([3, 4, 3, 2], "tanh")
    partition = make_partition(net.sizes, {}, zero=UNITS)
    flat, constant = equitable(net, partition), block_constant(net, partition)
    assert constant.dimension == zero(net, UNITS).dimension
    assert flat.dimension - constant.dimension == 2
    point = {p: np.zeros(shape) for p, shape in net.parameter_shapes.items()}
    point["W2"][1, 0] = 7
    assert flat.squared_distance(point) == 0
    assert constant.squared_distance(point) == 49


def test_coordinates_may_be_symbols():
    net = mlp([1, 2, 1], "tanh", bias=False)
    clones = make_partition(net.sizes, {"h1": [[0, 1]]}, signs={"h1": {1: -1}})
    a, b = sympy.symbols("a b")
    theta = block_constant(net, clones).embed({"W1:CC": np.array([[a]]), "W2:CC": np.array([[b]])})
    assert theta["W1"].tolist() == [[a, -a]]
    assert theta["W2"].tolist() == [[b], [-b]]


@pytest.mark.parametrize("size", [6, 200])
def test_the_graph_does_not_grow_with_the_width(size):
    """Blocks of several sizes, signs and zero units cost a few nodes, whatever the width."""
    net = mlp([2, size, 2], "tanh")
    options: Any = {"signs": {"h1": {1: -1}}, "zero": {"h1": [3]}}
    partition = make_partition(net.sizes, {"h1": [[0, 1], [2, 4, 5]]}, **options)
    graph = in_coordinates(net.graph(), equitable(net, partition))
    assert len(graph.nodes) < 90


def test_a_widening_with_mirrored_clones_keeps_the_function():
    wide, base = mlp([2, 5, 2], "tanh"), mlp([2, 2, 2], "tanh")
    options: Any = {"signs": {"h1": {1: -1, 4: -1}}, "zero": {"h1": [2]}}
    partition = make_partition(wide.sizes, {"h1": [[0, 1], [3, 4]]}, **options)
    random = np.random.default_rng(0)
    weights = {p: random.standard_normal(shape) for p, shape in base.parameter_shapes.items()}
    theta = widen(wide, partition, weights)
    x = random.standard_normal((3, 2))
    values = [np.tanh(x @ w["W1"] + w["b1"]) @ w["W2"] + w["b2"] for w in (weights, theta)]
    assert theta["W1"][:, 1].tolist() == (-theta["W1"][:, 0]).tolist()
    assert np.allclose(values[0], values[1], rtol=1e-13, atol=1e-13)


def test_networks_of_single_units_have_no_signs():
    dag = Dag(
        num_units=4,
        inputs=(0,),
        outputs=(3,),
        edges=((0, 1), (0, 2), (1, 3), (2, 3)),
        activations=(None, tanh, tanh, None),
    )
    for signed in (
        AxisPartition(4, ((0,), (1, 2), (3,)), (1, 1, -1, 1)),
        AxisPartition(4, ((0,), (1,), (3,)), zero=(2,)),
    ):
        with pytest.raises(PartitionError, match="mirrored and zero units are described for"):
            dag.check_partition(signed)


def test_bc_needs_no_roles():
    """Which axis is a source matters for IE, and not where all entries of a pair are equal."""
    net = Architecture(
        lambda p, x: np.tanh(x @ p["W"]) @ p["W"].T @ p["W"],
        sizes={"x": 2, "h": 2},
        parameters={"W": ("x", "h")},
    )
    partition = make_partition(net.sizes, {"h": [[0, 1]]})
    assert block_constant(net, partition).dimension == 2
    with pytest.raises(GraphError):
        incoming_equitable(net, partition)
