"""The sets of cloned units against their definitions, entry by entry."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.strategies import architectures, partitions, points
from tests.test_theory.test_manifold.linear_algebra import rank
from theory.architecture import Architecture
from theory.errors import GraphError, ManifoldError, PartitionError
from theory.manifold import (
    ClonedManifold,
    block_constant,
    equitable,
    incoming_equitable,
    intersect,
    leaf,
    outgoing_equitable,
)
from theory.partition import AxisPartition, make_partition
from theory.zoo import mlp


def block_pairs(net, partition):
    """The pairs of blocks of each matrix and bias; a bias comes from one constant source."""
    for p, axes in net.parameters.items():
        sources = partition[axes[0]].blocks if len(axes) == 2 else ((0,),)
        for one in sources:
            for other in partition[axes[-1]].blocks:
                yield p, one, other


def sums(net, partition, theta, axis):
    """For each block the sums over sources (axis 0) or targets (axis 1)."""
    for p, one, other in block_pairs(net, partition):
        matrix = theta[p] if theta[p].ndim == 2 else theta[p][None]
        yield matrix[np.ix_(one, other)].sum(axis=axis).tolist()


@st.composite
def networks(draw):
    net = draw(architectures(max_depth=3, max_width=5))
    return net, draw(partitions(net))


@given(networks(), st.data())
def test_incoming_equitable_by_definition(drawn, data):
    net, partition = drawn
    manifold = incoming_equitable(net, partition)
    for total in sums(net, partition, data.draw(points(manifold)), axis=0):
        assert len(set(total)) == 1
    targets = sum(len(other) - 1 for _, _, other in block_pairs(net, partition))
    assert manifold.codimension == targets


@given(networks(), st.data())
def test_outgoing_equitable_by_definition(drawn, data):
    net, partition = drawn
    manifold = outgoing_equitable(net, partition)
    for total in sums(net, partition, data.draw(points(manifold)), axis=1):
        assert len(set(total)) == 1
    sources = sum(len(one) - 1 for _, one, _ in block_pairs(net, partition))
    assert manifold.codimension == sources


@given(networks())
def test_equitable_is_the_intersection_of_its_halves(drawn):
    net, partition = drawn
    both = equitable(net, partition)
    halves = intersect(incoming_equitable(net, partition), outgoing_equitable(net, partition))
    assert halves.dimension == both.dimension
    normals = [*halves.normal_basis(), *both.normal_basis()]
    assert rank(normals, both.shapes) == both.codimension


@given(networks())
def test_leaves_have_one_dimension_for_each_pair_of_blocks(drawn):
    net, partition = drawn
    pairs = list(block_pairs(net, partition))
    constant = block_constant(net, partition)
    assert constant.dimension == len(pairs)
    labels = sum((len(one) - 1) * (len(other) - 1) for _, one, other in pairs)  # E5c
    assert equitable(net, partition).dimension - constant.dimension == labels


@given(networks(), st.data())
def test_a_leaf_holds_its_point_and_is_parallel_to_block_constant(drawn, data):
    net, partition = drawn
    point = data.draw(points(equitable(net, partition)))
    own = leaf(net, partition, point)
    assert own.squared_distance(point) == 0
    assert list(own.normal_basis()) == list(block_constant(net, partition).normal_basis())
    moved = own.embed({n: np.ones(s, dtype=int) for n, s in own.free_shapes.items()})
    for p, one, other in block_pairs(net, partition):
        step = np.asarray(moved[p] - point[p]).reshape(-1, moved[p].shape[-1])
        assert len({step[u, v] for u in one for v in other}) == 1


@given(networks(), st.randoms(use_true_random=False))
def test_membership_does_not_depend_on_the_names_of_units(drawn, rng):
    """Blocks listed in another order are the same blocks."""
    net, partition = drawn
    mixed = {}
    for axis, own in partition.items():
        blocks = [tuple(rng.sample(block, len(block))) for block in own.blocks]
        mixed[axis] = AxisPartition(own.size, tuple(rng.sample(blocks, len(blocks))))
    one, other = equitable(net, partition), equitable(net, mixed)
    normals = [*one.normal_basis(), *other.normal_basis()]
    assert rank(normals, one.shapes) == one.codimension == other.codimension


def test_a_tied_weight_may_be_source_and_target():
    def forward(p, x):
        h = np.tanh(x @ p["W"])
        return (np.tanh(h @ p["U"]) @ p["U"].T) @ p["V"]

    net = Architecture(
        forward,
        sizes={"x": 2, "h": 4, "g": 4, "y": 2},
        parameters={"W": ("x", "h"), "U": ("h", "g"), "V": ("h", "y")},
    )
    partition = make_partition(net.sizes, {"h": [[0, 1], [2, 3]], "g": [[0, 1, 2]]})
    assert equitable(net, partition).dimension == 4 + (4 + 4) + 4
    assert block_constant(net, partition).dimension == 4 + 4 + 4
    with pytest.raises(GraphError, match="parameter 'U' is used with axes in different roles"):
        incoming_equitable(net, partition)


def test_a_parameter_without_coordinates_is_zero():
    halves = AxisPartition(2, ((0, 1),))
    manifold = ClonedManifold(
        "zero", {"b": (halves,), "c": (halves,)}, {"b": frozenset(), "c": frozenset({"C"})}
    )
    found = manifold.embed({"c:C": np.array([[5], [7]])})
    assert found["b"].tolist() == [[0, 0], [0, 0]]
    assert found["c"].tolist() == [[5, 5], [7, 7]]
    assert manifold.codimension == 3


def test_the_same_blocks_are_needed_on_all_axes():
    net = mlp([2, 4, 1])
    good = make_partition(net.sizes, {"h1": [[0, 1]]})
    with pytest.raises(PartitionError, match="axis 'h1' has 4 units, its partition is missing"):
        equitable(net, {a: p for a, p in good.items() if a != "h1"})
    with pytest.raises(PartitionError, match="axis 'h1' has 4 units, its partition has 3"):
        equitable(net, {**good, "h1": AxisPartition(3, ((0, 1, 2),))})


def test_a_point_that_does_not_fit_has_no_leaf():
    net = mlp([2, 2, 1], bias=False)
    partition = make_partition(net.sizes, {"h1": [[0, 1]]})
    with pytest.raises(ManifoldError, match=r"offset: 'W2' has shape \(1, 2\), expected \(2, 1\)"):
        leaf(net, partition, {"W1": np.zeros((2, 2)), "W2": np.zeros((1, 2))})
    with pytest.raises(ManifoldError, match="offset: 'W2' is missing"):
        leaf(net, partition, {"W1": np.zeros((2, 2))})
    with pytest.raises(ManifoldError, match="without leading axes"):
        leaf(net, partition, {"W1": np.zeros((5, 2, 2)), "W2": np.zeros((5, 2, 1))})


@pytest.mark.parametrize(
    ("allowed", "message"),
    [
        ({"b": frozenset({"CC"})}, "pattern 'CC' does not name the 1 axes"),
        ({"b": frozenset({"X"})}, "pattern 'X' does not name"),
        ({"c": frozenset({"C"})}, "name different parameters: 'b'"),
    ],
)
def test_patterns_fit_their_parameters(allowed, message):
    with pytest.raises(ManifoldError, match=message):
        ClonedManifold("odd", {"b": (AxisPartition(2, ((0, 1),)),)}, allowed)


def test_manifolds_of_a_small_mlp_by_hand():
    net = mlp([1, 2, 1])
    partition = make_partition(net.sizes, {"h1": [[0, 1]]})
    point = equitable(net, partition).embed(
        {
            "W1:CC": np.array([[3]]),
            "b1:C": np.array([5]),
            "W2:CC": np.array([[7]]),
            "b2:C": np.array([1]),
        }
    )
    assert {p: v.tolist() for p, v in point.items()} == {
        "W1": [[3, 3]],
        "b1": [5, 5],
        "W2": [[7], [7]],
        "b2": [1],
    }
    assert incoming_equitable(net, partition).codimension == 2
    assert outgoing_equitable(net, partition).codimension == 1
