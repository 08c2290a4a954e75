"""Clones in floating point: planted ones recovered under noise, with honest slack and gap."""

import re
from math import inf, isclose, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.refinement import approximate_partition
from theory.errors import ManifoldError
from theory.manifold import equitable
from theory.partition import AxisPartition, make_partition
from theory.refinement import MANIFOLDS, coarsest_partition
from theory.zoo import mlp

NET = mlp([3, 7, 6, 2], "tanh")
PLANTED = make_partition(
    NET.sizes,
    {"h1": [[0, 3, 5], [1, 2]], "h2": [[1, 2, 3], [4, 5]]},
    signs={"h1": {3: -1}, "h2": {3: -1}},
    zero={"h1": [4, 6]},
)
SYMMETRIC = {"mirrored": ["h1", "h2"]}


def floats(manifold, seed):
    random = np.random.default_rng(seed)
    return manifold.embed({k: random.standard_normal(s) for k, s in manifold.free_shapes.items()})


def noisy(theta, size, seed=1):
    random = np.random.default_rng(seed)
    return {p: v + size * random.uniform(-1, 1, v.shape) for p, v in theta.items()}


@pytest.mark.parametrize("kind", MANIFOLDS)
@pytest.mark.parametrize("noise", [0, 1e-9])
def test_planted_clones_are_recovered(kind, noise):
    theta = noisy(floats(MANIFOLDS[kind](NET, PLANTED), 0), noise)
    found = approximate_partition(NET, theta, tolerance=1e-6, kind=kind, **SYMMETRIC)
    assert found.partition == PLANTED
    # a signature has at most 30 entries, each the sum of at most 7 entries of both units
    assert found.violation <= sqrt(30) * 2 * 7 * (noise + 1e-15)
    assert found.gap > 1e-2
    assert found.manifold.distance(theta) <= sqrt(NET.num_parameters) * (noise + 1e-15) * 2
    for tolerance in (found.violation * 1.01, found.gap / 4):
        again = approximate_partition(NET, theta, tolerance=tolerance, kind=kind, **SYMMETRIC)
        assert again.partition == PLANTED


small = st.integers(-1, 1)


@given(st.data(), st.sampled_from(sorted(MANIFOLDS)), st.booleans())
@settings(max_examples=40)
def test_small_integers_are_refined_as_exactly_as_in_exact_arithmetic(data, kind, is_signed):
    net = mlp([1, 4, 3, 1], "tanh")
    theta = {
        p: np.array(
            data.draw(st.lists(small, min_size=int(np.prod(s)), max_size=int(np.prod(s))))
        ).reshape(s)
        for p, s in net.parameter_shapes.items()
    }
    options = SYMMETRIC if is_signed else {}
    exact = coarsest_partition(net, theta, kind=kind, **options)
    found = approximate_partition(net, theta, tolerance=0.5, kind=kind, **options)
    assert found.partition == exact.partition
    assert found.violation == 0
    assert found.gap >= 1


def test_the_gap_and_the_violation_by_hand():
    net = mlp([1, 4, 1], "tanh", bias=False)
    theta = {
        "W1": np.array([[3.0, 3.0, -3.25, 0.125]]),
        "W2": np.array([[4.0], [4.0], [-4.0], [0]]),
    }
    found = approximate_partition(net, theta, tolerance=0.5, mirrored=["h1"])
    assert found.partition["h1"] == AxisPartition(4, ((0, 1, 2),), (1, 1, -1, 1), zero=(3,))
    assert (found.violation, found.gap) == (0.25, 5)
    plain = approximate_partition(net, theta, tolerance=0.5)
    assert plain.partition["h1"].blocks == ((0, 1), (2,), (3,))
    assert plain.violation == 0
    assert isclose(plain.gap, sqrt(2.875**2 + 16))


def test_a_tolerance_is_not_transitive_and_the_slack_says_so():
    net = mlp([1, 3, 1], bias=False)
    theta = {"W1": np.array([[0.0, 0.75, 1.5]]), "W2": np.ones((3, 1))}
    found = approximate_partition(net, theta, tolerance=1)
    assert found.partition["h1"].blocks == ((0, 1), (2,))
    assert (found.violation, found.gap) == (0.75, 1.5)  # between the leaders


def test_on_a_mirrored_axis_the_gap_is_up_to_sign():
    net = mlp([1, 2, 1], "tanh", bias=False)
    theta = {"W1": np.array([[3.0, -4.0]]), "W2": np.array([[2.0], [-2.0]])}
    found = approximate_partition(net, theta, tolerance=0.5, mirrored=["h1"])
    assert (found.partition["h1"].num_blocks, found.gap) == (2, 1)
    assert isclose(approximate_partition(net, theta, tolerance=0.5).gap, sqrt(7**2 + 4**2))


def test_one_block_has_no_gap():
    net = mlp([1, 2, 1], bias=False)
    theta = {p: np.ones(s) for p, s in net.parameter_shapes.items()}
    assert approximate_partition(net, theta, tolerance=0).gap == inf


def test_thousands_of_units():
    net = mlp([20, 3000, 3], "tanh")
    owners = np.random.default_rng(0).integers(0, 1500, 3000)
    blocks = [np.flatnonzero(owners == k).tolist() for k in np.unique(owners)]
    planted = make_partition(net.sizes, {"h1": blocks})
    theta = noisy(floats(equitable(net, planted), 0), 1e-10)
    found = approximate_partition(net, theta, tolerance=1e-7)
    assert found.partition == planted
    assert found.violation < 1e-8 < 1e-3 < found.gap


@pytest.mark.parametrize(
    ("change", "tolerance", "message"),
    [
        ({}, -1, "tolerance=-1: a tolerance is a finite number >= 0"),
        ({}, float("nan"), "tolerance=nan"),
        ({"W1": np.ones(3)}, 0, "parameters['W1']: an array of shape (1, 2) is expected"),
        ({"W1": np.array([[np.nan, 1]])}, 0, "parameters['W1']: an entry or the sum of all"),
    ],
)
def test_what_cannot_be_refined(change, tolerance, message):
    net = mlp([1, 2, 1], bias=False)
    theta = {"W1": np.ones((1, 2)), "W2": np.ones((2, 1))} | change
    with pytest.raises(ManifoldError, match=re.escape(message)):
        approximate_partition(net, theta, tolerance=tolerance)
