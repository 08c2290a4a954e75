"""Random layered networks: what is drawn, and that what is planted is false."""

import pytest
from hypothesis import Phase, find, given, settings

from numerics.exact import prove_invariance
from proofs_check.agreement import histogram, manifolds
from proofs_check.drawing import false_neighbours, layered_networks, random_layers
from proofs_check.drawing.layered_draft import product_blocks, repeated, unmatched
from proofs_check.drawing.layered_networks import draw_around, draw_layered
from proofs_check.drawing.networks import chooser
from proofs_check.strategies import layered_networks as layered
from theory.modules import certify

SETTINGS = settings(
    max_examples=300,
    deadline=None,
    database=None,
    derandomize=True,
    phases=set(Phase) - {Phase.explain},
)


def drawn(count):
    return [draw_layered(chooser(seed)) for seed in range(count)]


def test_the_same_seed_draws_the_same_network():
    first, second = (draw_layered(chooser(7)) for _ in range(2))
    assert str(first) == str(second)
    assert first.architecture.graph(2) == second.architecture.graph(2)


def test_everything_is_drawn():
    networks = drawn(800)
    met = set().union(*(network.features for network in networks))
    layers = {
        "dense residual GLU LayerNorm RMSNorm GroupNorm PReLU softmax concatenation experts skip",
        "conv2d flatten embedding attention GRU padding stride dilation",
    }
    assert set(" ".join(layers).split()) <= met
    planted = {network.false_neighbour for network in networks} - {None}
    everywhere = {**false_neighbours.ANYWHERE, **false_neighbours.OF_PLACES}
    assert planted == {*everywhere, *false_neighbours.OF_IMAGES}


def test_a_third_is_false_and_blocks_are_of_every_kind():
    networks = drawn(400)
    planted = sum(network.false_neighbour is not None for network in networks)
    assert 0.25 < planted / 400 < 0.42
    assert sum(not network.cloned_axes for network in networks) < 0.05 * 400
    assert sum(network.largest_block >= 3 for network in networks) > 200


@given(layered())
def test_partitions_fit_and_every_parameter_is_used(network):
    sizes = network.architecture.sizes
    assert {axis: blocks.size for axis, blocks in network.partition.items()} == dict(sizes)
    graph = network.architecture.graph(2)
    assert set(graph.parameter_shapes) == set(network.architecture.parameters)


def test_a_false_neighbour_shrinks_to_a_pair():
    def is_refuted(network):
        flat, _ = manifolds(network, "IE∩OE")
        return prove_invariance(network.architecture, flat).verdict == "refuted"

    network = find(layered(max_layers=1), is_refuted, settings=SETTINGS)
    assert network.false_neighbour == "independent masks"
    assert len(network.layers) == 1
    assert network.largest_block == 2


def places_of(name):
    if name in false_neighbours.ANYWHERE:
        return 0
    return 1 if name in false_neighbours.OF_PLACES else 2


ALL = {
    **false_neighbours.ANYWHERE,
    **false_neighbours.OF_PLACES,
    **false_neighbours.OF_IMAGES,
}


@pytest.mark.parametrize("name", ALL)
def test_each_false_neighbour_is_refuted_and_never_certified_where_refuted(name):
    verdicts = []
    for seed in range(4):
        network = draw_around(chooser(seed), ALL[name], places_of(name))
        flat, _ = manifolds(network, "IE∩OE")
        exact = prove_invariance(network.architecture, flat, seed=seed)
        verdicts.append(exact.verdict)
        assert certify(network.architecture, flat).is_certified <= (exact.verdict == "proved")
    assert "refuted" in verdicts


@pytest.mark.parametrize("layer", layered_networks.ANYWHERE, ids=lambda layer: layer.__name__)
def test_each_layer_keeps_clones_on_vectors_and_on_images(layer):
    for seed, places in ((0, 0), (1, 2)):
        network = draw_around(chooser(seed), layer, places)
        flat, constant = manifolds(network, "BC")
        exact = prove_invariance(network.architecture, flat, tangent=constant, seed=seed)
        assert exact.verdict == "proved"


def test_block_arithmetic():
    pair = [[0, 2], [1]]
    assert repeated(pair, 3, 2) == [[0, 2], [1], [3, 5], [4]]
    flat = product_blocks([[0, 1]], pair)
    assert sorted(map(sorted, flat)) == [[0, 2, 3, 5], [1, 4]]
    for blocks, size in ((pair, 3), ([[0, 1]], 2), ([[0, 2], [1, 3]], 4)):
        other = unmatched(blocks, size)
        assert sorted(unit for block in other for unit in block) == list(range(size))
        assert sorted(map(sorted, other)) != sorted(map(sorted, blocks))


def test_the_histogram_counts_networks_and_not_occurrences():
    from proofs_check.agreement import compare

    network = draw_around(chooser(0), random_layers.used_twice)
    tally = histogram([compare(network), compare(network)])
    assert tally["trials"] == tally["weight sharing"] == tally["layer: a matrix used twice"] == 2
