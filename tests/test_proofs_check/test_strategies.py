import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from numerics.exact import prove_invariance
from proofs_check.drawing.networks import ACTIVATIONS, draw_partition
from proofs_check.strategies import (
    architectures,
    assert_invariant,
    assert_no_structural_trap,
    layered_networks,
    partitions,
    points,
)
from theory.activation import activation, relu
from theory.architecture import Architecture
from theory.errors import ArchitectureError, ManifoldError
from theory.layers import attention, batch_norm
from theory.manifold import ambient, equitable, incoming_equitable, leaf, outgoing_equitable
from theory.partition import make_partition
from theory.zoo import mlp

SEARCH = settings(
    max_examples=300,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=set(Phase) - {Phase.explain},  # explaining takes longer than finding
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


def heads(p, x):
    q, k, v = (np.einsum("btd,dhk->bthk", x, p["W" + n]) for n in "QKV")
    a = attention(q, k + p["bK"], v, scale=1)
    return np.einsum("bthk,hky->bty", a, p["O"])


HEADS = Architecture(
    heads,
    sizes={"t": 2, "x": 2, "head": 1, "k": 2, "y": 1},
    parameters={
        **{f"W{n}": ("x", "head", "k") for n in "QKV"},
        "bK": ("head", "k"),
        "O": ("head", "k", "y"),
    },
    inputs=("t", "x"),
    name="heads",
)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_key_bias_is_a_trap_from_birth(seed):
    with pytest.raises(AssertionError) as caught:
        assert_no_structural_trap(HEADS, seed=seed)
    lines = str(caught.value).splitlines()
    assert lines[0] == "heads: training cannot use 2 of 16 dimensions, whatever data and loss:"
    assert lines[1].split() == ["2", "never", "learns", "bK", "(all", "2", "entries)"]
    assert lines[2] == "if that is meant: allow=['bK']"


@pytest.mark.parametrize("allow", [["bK"], ["never learns"], ["O", "bK"]])
def test_what_is_allowed_passes(allow):
    assert_no_structural_trap(HEADS, allow=allow)


@pytest.mark.parametrize("allow", [["O"], ["shift"], ["unexplained"]])
def test_allowing_something_else_does_not_help(allow):
    with pytest.raises(AssertionError, match="never learns"):
        assert_no_structural_trap(HEADS, allow=allow)


def test_a_name_that_is_nothing_is_refused():
    with pytest.raises(ArchitectureError, match=r"^allow: 'bk' is neither a parameter of heads"):
        assert_no_structural_trap(HEADS, allow=["bk"])


def test_two_traps_are_told_and_one_of_them_may_be_allowed():
    def forward(p, x):
        return relu(batch_norm(x @ p["W"] + p["b"], eps=1)) @ p["V"] + p["c"] - p["c"].sum() / 2

    net = Architecture(
        forward,
        sizes={"x": 2, "h": 2, "y": 2},
        parameters={"W": ("x", "h"), "b": ("h",), "V": ("h", "y"), "c": ("y",)},
    )
    with pytest.raises(AssertionError, match=r"(?s)cannot use 3 of 12.*b \(.*c\[1\] \+ c\[0\]"):
        assert_no_structural_trap(net)
    with pytest.raises(AssertionError, match=r"cannot use 1 of 12"):
        assert_no_structural_trap(net, allow=["b"])
    assert_no_structural_trap(net, allow=["b", "shift"])


def test_the_loss_can_be_the_trap():
    assert_no_structural_trap(mlp([2, 3, 2]))
    with pytest.raises(AssertionError, match=r"cannot use 4 of 17"):
        assert_no_structural_trap(mlp([2, 3, 2]), adjoints="cross-entropy")


@given(st.data())
def test_only_the_axes_asked_for_have_clones(data):
    blocks = data.draw(partitions(HEADS, axes=["k", "x"]))
    assert blocks["k"].num_mixed == 1
    assert {axis for axis in blocks if blocks[axis].num_mixed} == {"k", "x"}


def test_an_axis_that_is_none_is_refused():
    with pytest.raises(ArchitectureError, match=r"^axes: unknown axis 'z'"):
        draw_partition(lambda low, high: low, HEADS, ["z"])


@given(layered_networks(max_layers=1))
def test_legal_layers_keep_clones(network):
    if network.false_neighbour is None and "redrawn" not in network.architecture.name:
        assert_invariant(network.architecture, equitable(network.architecture, network.partition))
