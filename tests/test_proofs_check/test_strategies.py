import numpy as np
import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from numerics.exact import prove_invariance
from proofs_check.networks import ACTIVATIONS, draw_partition
from proofs_check.strategies import architectures, assert_invariant, partitions, points
from theory.activation import activation
from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.manifold import ambient, equitable, incoming_equitable, leaf, outgoing_equitable
from theory.partition import make_partition
from theory.zoo import mlp

SEARCH = settings(
    max_examples=300,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def verdict(net, manifold, **kwargs):
    return prove_invariance(net, manifold, **kwargs).verdict


def test_a_false_claim_shrinks_to_one_hidden_layer_of_two_units():
    def fails(drawn):
        net, clones = drawn
        return verdict(net, incoming_equitable(net, clones)) == "refuted"

    with_partition = architectures(max_depth=2, max_width=3).flatmap(
        lambda net: partitions(net).map(lambda clones: (net, clones))
    )
    net, clones = find(with_partition, fails, settings=SEARCH)
    assert net.sizes == {"x": 1, "h1": 2, "y": 1}
    assert clones["h1"].blocks == ((0, 1),)
    assert net.name == f"1-2-1 ([{ACTIVATIONS[0]}])"


def test_a_claim_about_two_cloned_axes_shrinks_to_two_layers():
    def has_two_cloned_axes(net):
        clones = draw_partition(lambda low, high: low, net)
        return sum(blocks.num_mixed > 0 for blocks in clones.values()) == 2

    net = find(architectures(), has_two_cloned_axes, settings=SEARCH)
    assert net.sizes == {"x": 1, "h1": 2, "h2": 2, "y": 1}


@given(st.data())
def test_points_lie_on_their_manifold_exactly(data):
    net = data.draw(architectures(max_depth=2, max_width=3))
    clones = data.draw(partitions(net))
    for manifold in (equitable(net, clones), incoming_equitable(net, clones)):
        point = data.draw(points(manifold))
        assert manifold.squared_distance(point) == 0
        assert {p: a.shape for p, a in point.items()} == net.parameter_shapes


NET = mlp([2, 4, 1])
CLONES = make_partition(NET.sizes, {"h1": [[0, 1], [2, 3]]})


def test_what_holds_passes():
    on = equitable(NET, CLONES)
    assert_invariant(NET, on)
    assert_invariant(NET, incoming_equitable(NET, CLONES), tangent=ambient(NET))
    assert_invariant(NET, on, tangent=leaf(NET, CLONES, on.embed(zeros(on))), bits=100, seed=3)


def zeros(manifold):
    return {name: np.zeros(shape, dtype=int) for name, shape in manifold.free_shapes.items()}


@pytest.mark.parametrize("half", [incoming_equitable, outgoing_equitable])
def test_what_fails_is_an_assertion_error_with_the_summary(half):
    manifold = half(NET, CLONES)
    with pytest.raises(AssertionError) as caught:
        assert_invariant(NET, manifold, seed=5)
    assert str(caught.value) == prove_invariance(NET, manifold, seed=5).summary()
    assert str(caught.value).startswith(f"refuted: not everywhere the gradient on {manifold.name}")


def test_what_is_undefined_fails():
    phi = activation("phi")

    def forward(p, x):
        h = phi(x @ p["W"])
        return h / (h[:, :1] - h[:, 1:]) @ p["V"]

    net = Architecture(
        forward, sizes={"x": 1, "h": 2, "y": 1}, parameters={"W": ("x", "h"), "V": ("h", "y")}
    )
    clones = make_partition(net.sizes, {"h": [[0, 1]]})
    with pytest.raises(AssertionError, match=r"^undefined: a divisor vanishes on IE∩OE$"):
        assert_invariant(net, equitable(net, clones))


def test_another_network_is_refused():
    with pytest.raises(ManifoldError, match=r"have different parameters$"):
        assert_invariant(mlp([2, 5, 1]), equitable(NET, CLONES))
