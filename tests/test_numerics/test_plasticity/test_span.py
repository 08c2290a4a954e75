import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.plasticity.span import gradient_rank
from proofs_check.strategies import architectures, partitions, points
from theory.manifold import ambient, block_constant, equitable, frozen, leaf, trap
from theory.partition import make_partition
from theory.zoo import mlp

FEWER = settings(max_examples=settings().max_examples // 10)

NET = mlp([3, 4, 4, 2])
PAIRS = [[0, 1], [2, 3]]
DOUBLED = make_partition(NET.sizes, {"h1": PAIRS, "h2": PAIRS})


def test_gradients_span_all_parameters_generically():
    assert gradient_rank(NET, ambient(NET)) == NET.num_parameters == 46


@pytest.mark.parametrize("seed", [0, 1])
def test_gradients_on_a_leaf_span_the_base_network(seed):
    """The doubled 3-2-2-2 moves as the network of 20 parameters that it computes."""
    on = equitable(NET, DOUBLED)
    assert gradient_rank(NET, on, seed=seed) == mlp([3, 2, 2, 2]).num_parameters == 20
    assert gradient_rank(NET, block_constant(NET, DOUBLED), seed=seed) == 20


@given(st.data())
@FEWER
def test_gradients_lie_in_the_tangent_space_of_a_leaf(data):
    net = data.draw(architectures(max_depth=2, max_width=3))
    clones = data.draw(partitions(net))
    point = data.draw(points(equitable(net, clones)))
    through = leaf(net, clones, point)
    rank = gradient_rank(net, through)
    assert rank <= through.dimension < net.num_parameters
    assert rank <= gradient_rank(net, ambient(net)) <= net.num_parameters


@pytest.mark.parametrize(("axis", "pinned", "conserved"), [("h1", 4, 8), ("h2", 5, 7)])
@pytest.mark.parametrize("value", [0, 2])
def test_a_frozen_unit_takes_its_weights_and_what_its_targets_conserve(
    axis, pinned, conserved, value
):
    net = NET.freeze(axis, 0, value)
    assert frozen(net).codimension == pinned
    assert trap(net).codimension == conserved
    assert gradient_rank(net, ambient(net)) == trap(net).dimension == 46 - conserved


def test_results_are_reproducible():
    net = mlp([1, 2, 1])
    assert gradient_rank(net, ambient(net), seed=5) == gradient_rank(net, ambient(net), seed=5) == 7
