"""Clones stay clones through every layer, for every loss, and false neighbours are refuted."""

import numpy as np
import pytest

from numerics.exact import prove_invariance
from tests.test_theory.test_layers.instances import FALSE, INSTANCES, PHI, hidden, partition
from theory.architecture import Architecture
from theory.layers import layer_norm
from theory.manifold import block_constant, equitable, incoming_equitable, outgoing_equitable
from theory.partition import make_partition


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", INSTANCES)
def test_equitable_weights_stay_equitable(name, seed):
    net, blocks = INSTANCES[name]
    clones = partition(net, blocks, seed)
    result = prove_invariance(net, equitable(net, clones), seed=seed)
    assert result.verdict == "proved", result.summary()
    leaves = prove_invariance(
        net, equitable(net, clones), tangent=block_constant(net, clones), seed=seed
    )
    assert leaves.verdict == "proved", leaves.summary()


@pytest.mark.parametrize("name", FALSE)
def test_a_false_neighbour_is_refuted(name):
    net, blocks = FALSE[name]
    result = prove_invariance(net, equitable(net, partition(net, blocks, 0)))
    assert result.verdict == "refuted", result.summary()


@pytest.mark.parametrize("name", sorted(set(INSTANCES) - {"embedding, tied"}))
@pytest.mark.parametrize("half", [incoming_equitable, outgoing_equitable])
def test_half_of_the_conditions_do_not_suffice(name, half):
    net, blocks = INSTANCES[name]
    result = prove_invariance(net, half(net, partition(net, blocks, 0)))
    assert result.verdict == "refuted", result.summary()


def test_a_gain_must_be_equal_inside_blocks():
    """A gain of a clone's own breaks the symmetry, so the manifold holds gains equal."""
    net, blocks = INSTANCES["layer_norm"]
    assert equitable(net, partition(net, blocks, 0)).allowed["g"] == {"C"}


def test_without_epsilon_one_block_has_no_variance():
    net = hidden(lambda p, z: layer_norm(z, eps=0))
    clones = make_partition(net.sizes, {"h": [[0, 1, 2, 3]]})
    assert prove_invariance(net, equitable(net, clones)).verdict == "undefined"


def test_a_maximum_over_clones_depends_on_how_ties_are_broken():
    """Clones tie. A gate of 1/2 would share the gradient out; a gate that picks a winner cannot."""
    net = Architecture(
        lambda p, x: np.max(PHI(x @ p["W"]), axis=1, keepdims=True),
        sizes={"x": 2, "h": 2},
        parameters={"W": ("x", "h")},
    )
    result = prove_invariance(net, equitable(net, make_partition(net.sizes, {"h": [[0, 1]]})))
    assert result.verdict == "refuted"
    assert result.failing == ("normal:W:CZ",)
