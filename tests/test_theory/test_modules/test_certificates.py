"""Certificates against the exact check: what is certified is proved, on random networks."""

import json
from random import Random

import numpy as np
import pytest

from numerics.exact import prove_invariance
from proofs_check.drawing.networks import chooser, draw_network, draw_partition, draw_rationals
from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.manifold import (
    block_constant,
    equitable,
    incoming_equitable,
    leaf,
    outgoing_equitable,
)
from theory.modules import Certified, NotCertified, certify
from theory.partition import make_partition
from theory.zoo import mlp

NUM_NETWORKS = 60


def _drawn(seed):
    choose = chooser(seed)
    net = draw_network(choose)
    return net, draw_partition(choose, net), choose


@pytest.mark.parametrize("seed", range(NUM_NETWORKS))
def test_certificates_agree_with_the_exact_check(seed):
    net, clones, choose = _drawn(seed)
    points = equitable(net, clones)
    leaves = block_constant(net, clones)
    own = leaf(net, clones, points.embed(draw_rationals(choose, points.free_shapes)))
    for manifold, tangent in ((points, points), (points, leaves), (leaves, leaves), (own, own)):
        assert certify(net, manifold, tangent=tangent).is_certified
        assert prove_invariance(net, manifold, tangent=tangent, seed=seed).verdict == "proved"


def test_floats_are_the_numbers_that_they_are():
    """All rounded sums of W2 are 3; those over sources differ by 3 · 2^-53."""
    net = mlp([1, 3, 3, 1], "tanh")
    clones = make_partition(net.sizes, {"h1": [[0, 1, 2]], "h2": [[0, 1, 2]]})
    point = {p: np.ones(shape) for p, shape in net.parameter_shapes.items()}
    point["W2"] = np.ones((3, 3))
    point["W2"][0] += np.array([-1, 2, -1]) * 2.0**-53
    assert not certify(net, leaf(net, clones, point)).is_certified
    assert prove_invariance(net, leaf(net, clones, point)).verdict == "refuted"
    point["W2"] = np.array([[0.5, 1.5, 1.0], [1.5, 1.0, 0.5], [1.0, 0.5, 1.5]])
    assert certify(net, leaf(net, clones, point)).is_certified


def test_parameters_that_frozen_units_cut_off():
    net = mlp([2, 2, 2, 1], "tanh").freeze("h2", 0).freeze("h2", 1)
    clones = make_partition(net.sizes, {"h1": [[0, 1]], "h2": [[0, 1]]})
    assert certify(net, clones).is_certified
    assert prove_invariance(net, equitable(net, clones)).verdict == "proved"


@pytest.mark.parametrize("seed", range(NUM_NETWORKS))
@pytest.mark.parametrize("half", [incoming_equitable, outgoing_equitable])
def test_half_of_the_conditions(seed, half):
    net, clones, _ = _drawn(seed)
    manifold = half(net, clones)
    if certify(net, manifold).is_certified:
        assert prove_invariance(net, manifold, seed=seed).verdict == "proved"


@pytest.mark.parametrize("seed", range(NUM_NETWORKS))
def test_any_choice_of_patterns(seed):
    """Manifolds that nobody would choose: patterns allowed and forbidden at random."""
    net, clones, _ = _drawn(seed)
    rng = Random(seed)
    some = equitable(net, clones)
    every = {
        p: sorted({"C", "Z"} if len(a) == 1 else {"CC", "CZ", "ZC", "ZZ"})
        for p, a in some.axes.items()
    }
    point, tangent = (
        type(some)(
            "some",
            some.axes,
            {p: frozenset(c for c in own if rng.random() < 0.6) for p, own in every.items()},
        )
        for _ in range(2)
    )
    for target in (point, tangent, some):
        if certify(net, point, tangent=target).is_certified:
            found = prove_invariance(net, point, tangent=target, seed=seed)
            assert found.verdict in ("proved", "undefined")


def test_a_leaf_through_a_point_off_the_manifold():
    """The offset's own patterns count: through a point that is not equitable there is no leaf."""
    net = mlp([2, 3, 2])
    clones = make_partition(net.sizes, {"h1": [[0, 1, 2]]})
    point = {
        p: np.arange(np.prod(s, dtype=int)).reshape(s) for p, s in net.parameter_shapes.items()
    }
    result = certify(net, leaf(net, clones, point))
    assert isinstance(result, NotCertified)
    assert prove_invariance(net, leaf(net, clones, point)).verdict == "refuted"


@pytest.mark.parametrize("signs", [{1: -1}, {}])
def test_mirrored_clones_are_not_mistaken_for_clones(signs):
    net = mlp([2, 3, 2], "phi")
    clones = make_partition(net.sizes, {"h1": [[0, 1, 2]]}, signs={"h1": signs})
    assert certify(net, clones).is_certified == (not signs)


def test_zero_units_are_not_mistaken_for_clones():
    net = mlp([2, 3, 2], "phi")
    clones = make_partition(net.sizes, {"h1": [[0, 1]]}, zero={"h1": [2]})
    assert not certify(net, clones).is_certified


def test_the_derivation_tells_every_step():
    net, clones, _ = _drawn(0)
    result = certify(net, clones)
    assert isinstance(result, Certified)
    assert json.loads(json.dumps(result.to_json()))["certified"] is True
    text = str(result)
    for part in ("MC1", "MC2", "MC3", *(f"grad:{p}" for p in net.parameters)):
        assert part in text
    assert text == str(certify(net, clones))
    assert "<table>" in result._repr_html_()


def test_a_failure_names_the_place():
    net = Architecture(
        lambda p, x: np.tanh(x[:, :2] @ p["W"]) * x[:, 2:] @ p["V"],
        sizes={"x": 4, "two": 2, "h": 2, "y": 1},
        parameters={"W": ("two", "h"), "V": ("h", "y")},
    )
    result = certify(net, make_partition(net.sizes, {"h": [[0, 1]]}))
    assert isinstance(result, NotCertified)
    assert set(result.failing) == {"W", "V"}
    assert "multiply" in str(result.breach)
    assert json.loads(json.dumps(result.to_json()))["failing"] == list(result.failing)


def test_a_manifold_of_another_network_is_refused():
    one, other = mlp([2, 3, 2]), mlp([2, 4, 2])
    with pytest.raises(ManifoldError, match="different parameters"):
        certify(one, equitable(other, make_partition(other.sizes, {})))
