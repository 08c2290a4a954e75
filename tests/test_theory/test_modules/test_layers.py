"""The calculus certifies the layers for any blocks, and none of their false neighbours."""

import numpy as np
import pytest

from tests.test_theory.test_layers.instances import FALSE, INSTANCES, PHI, partition
from theory.architecture import Architecture
from theory.manifold import block_constant, equitable, incoming_equitable, outgoing_equitable
from theory.modules import NotCertified, certify, flattened
from theory.partition import make_partition


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name", INSTANCES)
def test_a_layer_keeps_clones(name, seed):
    net, blocks = INSTANCES[name]
    clones = partition(net, blocks, seed)
    points, leaves = equitable(net, clones), block_constant(net, clones)
    for manifold, tangent in ((points, points), (points, leaves), (leaves, leaves)):
        result = certify(net, manifold, tangent=tangent)
        assert result.is_certified, result.summary()


@pytest.mark.parametrize("name", FALSE)
def test_a_false_neighbour_is_not_certified(name):
    net, blocks = FALSE[name]
    result = certify(net, partition(net, blocks, 0))
    assert isinstance(result, NotCertified)
    assert result.failing
    assert "lost" in str(result.breach)


@pytest.mark.parametrize("name", sorted(set(INSTANCES) - {"embedding, tied"}))
@pytest.mark.parametrize("half", [incoming_equitable, outgoing_equitable])
def test_half_of_the_conditions_do_not_suffice(name, half):
    net, blocks = INSTANCES[name]
    assert not certify(net, half(net, partition(net, blocks, 0))).is_certified


def test_a_maximum_over_clones_is_not_certified():
    net = Architecture(
        lambda p, x: np.max(PHI(x @ p["W"]), axis=1, keepdims=True),
        sizes={"x": 2, "h": 4},
        parameters={"W": ("x", "h")},
    )
    result = certify(net, make_partition(net.sizes, {"h": [[0, 1, 2, 3]]}))
    assert not result.is_certified


def _flat(shape, own):
    """Units of two axes, flattened, and a dense layer behind."""
    net = Architecture(
        lambda p, x: np.reshape(PHI(x @ p["W"]), (len(x), -1)) @ p["V"],
        sizes={"t": shape[0], "x": 2, "c": shape[1], "flat": shape[0] * shape[1], "y": 2},
        parameters={"W": ("x", "c"), "V": ("flat", "y")},
        inputs=("t", "x"),
    )
    return net, make_partition(net.sizes, {"c": [[0, 1], [2, 3]], "flat": own})


def test_behind_flatten_the_partition_follows_the_reshape():
    places, channels = make_partition({"t": 3}, {})["t"], ([0, 1], [2, 3])
    follows = flattened(places, make_partition({"c": 4}, {"c": channels})["c"]).blocks
    assert certify(*_flat((3, 4), follows)).is_certified
    assert not certify(*_flat((3, 4), [[0, 3], [4, 7]])).is_certified
    assert not certify(*_flat((3, 4), [[0, 1, 4, 5]])).is_certified


def test_concatenated_profiles_must_match():
    net = Architecture(
        lambda p, x: np.concatenate([PHI(x @ p["W"]), PHI(x @ p["U"])], axis=1) @ p["V"],
        sizes={"x": 2, "a": 2, "b": 2, "both": 4, "y": 1},
        parameters={"W": ("x", "a"), "U": ("x", "b"), "V": ("both", "y")},
    )
    own = {"a": [[0, 1]], "b": [[0, 1]]}
    fits = make_partition(net.sizes, {**own, "both": [[0, 1], [2, 3]]})
    crosses = make_partition(net.sizes, {**own, "both": [[0, 2], [1, 3]]})
    assert certify(net, fits).is_certified
    assert not certify(net, crosses).is_certified


def test_a_value_beside_itself_is_cloned():
    net = Architecture(
        lambda p, x: np.concatenate([h := PHI(x @ p["W"]), h], axis=1) @ p["V"],
        sizes={"x": 2, "a": 2, "both": 4, "y": 1},
        parameters={"W": ("x", "a"), "V": ("both", "y")},
    )
    both = make_partition(net.sizes, {"both": [[0, 2], [1, 3]]})
    assert certify(net, block_constant(net, both)).is_certified


def _tied(table):
    """A matrix whose entries are parameters by an index table (E5e)."""
    n = int(np.max(table)) + 1
    return Architecture(
        lambda p, x: (
            PHI(PHI(x @ p["A"]) @ np.reshape(np.take(p["w"], table.ravel()), table.shape)) @ p["B"]
        ),
        sizes={"x": 2, "h": table.shape[0], "k": table.shape[1], "w": n, "y": 2},
        parameters={"A": ("x", "h"), "w": ("w",), "B": ("k", "y")},
    )


def test_entries_tied_by_a_table():
    circulant = _tied(np.array([[0, 1, 2], [2, 0, 1], [1, 2, 0]]))
    clones = make_partition(circulant.sizes, {"h": [[0, 1, 2]], "k": [[0, 1, 2]]})
    assert certify(circulant, equitable(circulant, clones)).is_certified
    uneven = _tied(np.array([[0, 0], [1, 2]]))
    clones = make_partition(uneven.sizes, {"h": [[0, 1]], "k": [[0, 1]]})
    assert not certify(uneven, clones).is_certified
