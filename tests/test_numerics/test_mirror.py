"""Which signed sets and zero units training keeps, by the exact check."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.clones import prove_equal_units
from numerics.exact import prove_invariance
from numerics.parity import prove_parity
from proofs_check.claims.n9_mirror import draw_mirrored
from proofs_check.claims.n10_zero import draw_zero_units
from theory.activation import activation, leaky_relu
from theory.architecture import Architecture
from theory.layers import attention, batch_norm, layer_norm, rms_norm
from theory.manifold import block_constant, equitable, leaf, zero
from theory.partition import make_partition
from theory.refinement import odd_axes
from theory.zoo import mlp

ODD = activation("phi", parity="odd")
EVEN = activation("phi", parity="even")


def verdicts(net, partition):
    """On IE∩OE: the gradient lies in BC; IE∩OE is kept; and BC is."""
    flat, constant = equitable(net, partition), block_constant(net, partition)
    return {
        prove_invariance(net, flat, tangent=constant).verdict,
        prove_invariance(net, flat).verdict,
        prove_invariance(net, constant).verdict,
    }


@st.composite
def choosers(draw):
    return lambda low, high: draw(st.integers(low, high))


@given(choosers())
@settings(max_examples=25)
def test_mirrored_clones_are_kept_where_the_symbols_are_odd(choose):
    net, partition = draw_mirrored(choose)
    assert any(partition[axis].is_signed for axis in odd_axes(net))
    assert verdicts(net, partition) == {"proved"}
    for side in ("forward", "backward"):
        assert prove_equal_units(net, partition, equitable(net, partition), side).verdict == "holds"


@given(choosers())
@settings(max_examples=25)
def test_zero_units_are_kept_where_the_symbols_vanish(choose):
    net, units = draw_zero_units(choose)
    assert prove_invariance(net, zero(net, units)).verdict == "proved"
    assert verdicts(net, make_partition(net.sizes, {}, zero=units)) == {"proved"}


# symbol: mirrored clones are kept, zero units are kept
SYMBOLS: dict[str, Any] = {
    "tanh": ("tanh", True, True),
    "odd": (ODD, True, True),
    "gelu": ("gelu", False, True),
    "relu": ("relu", False, True),
    "silu": ("silu", False, True),
    "leaky relu": (leaky_relu(), False, True),
    "sigmoid": ("sigmoid", False, False),  # ½ + odd
    "softplus": ("softplus", False, False),
    "unknown": ("phi", False, False),
    "even": (EVEN, False, False),
}


@pytest.mark.parametrize("name", SYMBOLS)
def test_symbols(name):
    phi, is_odd, vanishes = SYMBOLS[name]
    net = mlp([2, 4, 3, 2], phi)
    blocks = {"h1": [[0, 1, 3]], "h2": [[0, 2]]}
    plain = make_partition(net.sizes, blocks)
    signed = make_partition(net.sizes, blocks, signs={"h1": {1: -1}, "h2": {2: -1}})
    nothing = make_partition(net.sizes, {"h2": [[0, 2]]}, zero={"h1": [1], "h2": [1]})
    assert verdicts(net, plain) == {"proved"}
    assert verdicts(net, signed) == {"proved" if is_odd else "refuted"}
    assert verdicts(net, nothing) == {"proved" if vanishes else "refuted"}
    forward = prove_equal_units(net, signed, equitable(net, signed), "forward")
    assert forward.verdict == ("holds" if is_odd else "fails")


def test_clones_mirrored_clones_and_zero_units_together():
    net = mlp([2, 5, 5, 2], ODD)
    options: Any = {"signs": {"h1": {1: -1}}, "zero": {"h1": [4], "h2": [0, 3]}}
    partition = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[1, 4]]}, **options)
    assert verdicts(net, partition) == {"proved"}
    flat = equitable(net, partition)
    random = np.random.default_rng(0)
    point = flat.embed({k: random.integers(-9, 9, s) for k, s in flat.free_shapes.items()})
    assert prove_invariance(net, leaf(net, partition, point)).verdict == "proved"


@pytest.mark.parametrize("axis", ["x", "y"])
def test_inputs_and_outputs_are_neither_mirrored_nor_zero(axis):
    net = mlp([2, 2, 2], "tanh")
    signed = make_partition(net.sizes, {axis: [[0, 1]]}, signs={axis: {1: -1}})
    assert verdicts(net, signed) == {"refuted"}
    assert prove_invariance(net, zero(net, {axis: [0]})).verdict == "refuted"


def test_the_signs_of_the_weights_are_those_of_the_units():
    net = mlp([2, 3, 2], "tanh")
    blocks = {"h1": [[0, 1, 2]]}
    one = make_partition(net.sizes, blocks, signs={"h1": {1: -1}})
    other = make_partition(net.sizes, blocks, signs={"h1": {2: -1}})
    found = prove_invariance(net, equitable(net, one), tangent=equitable(net, other))
    assert found.verdict == "refuted"


def test_parity_of_a_widening_with_mirrored_clones_and_zero_units():
    for phi, verdict in ((ODD, "holds"), ("phi", "fails")):
        base, wide = mlp([2, 2, 2, 1], phi), mlp([2, 4, 3, 1], phi)
        options: Any = {"signs": {"h1": {2: -1}}, "zero": {"h2": [1]}}
        partition = make_partition(wide.sizes, {"h1": [[0, 2, 3]]}, **options)
        assert prove_parity(base, wide, partition).verdict == verdict


def normed(norm, *gains):
    """A residual stream d with one hidden layer m, normalised before each product."""
    sizes = {"x": 2, "d": 3, "m": 2, "y": 2}
    weights = {"E": ("x", "d"), "W": ("d", "m"), "V": ("m", "d"), "U": ("d", "y")}

    def forward(p, x):
        h = x @ p["E"]
        h = h + ODD(norm(h, p) @ p["W"]) @ p["V"]
        return norm(h, p) @ p["U"]

    return Architecture(forward, sizes, weights | dict.fromkeys(gains, ("d",)))


def heads():
    sizes = {"t": 2, "d": 2, "head": 2, "k": 2, "y": 1}
    inner = ("d", "head", "k")

    def forward(p, x):
        q, k, v = (np.einsum("btd,dhk->bthk", layer_norm(x, eps=1), p[n]) for n in "QKV")
        return np.einsum("bthk,hky->by", attention(q, k, v), p["O"])

    weights = {"Q": inner, "K": inner, "V": inner, "O": ("head", "k", "y")}
    return Architecture(forward, sizes, weights, inputs=("t", "d"))


def batch_normed():
    return Architecture(
        lambda p, x: ODD(batch_norm(x @ p["W"], p["g"], p["b"], eps=1)) @ p["V"],
        sizes={"x": 2, "h": 2, "y": 1},
        parameters={"W": ("x", "h"), "g": ("h",), "b": ("h",), "V": ("h", "y")},
    )


# network, axis: mirrored clones are kept, zero units are kept
LAYERS = {
    "residual stream": (normed(lambda h, p: h), "d", True, True),
    "RMSNorm": (normed(lambda h, p: rms_norm(h, eps=1)), "d", True, True),
    # x_u g_u of two mirrored entries is not mirrored: a gain would have to be equal
    "RMSNorm with gain": (normed(lambda h, p: rms_norm(h, p["g"], eps=1), "g"), "d", False, True),
    "BatchNorm with gain": (batch_normed(), "h", False, True),
    # the mean is neither mirrored nor 0
    "LayerNorm": (normed(lambda h, p: layer_norm(h, eps=1)), "d", False, False),
    # q k has a sign twice, softmax sees none; v and the output weights have it once each
    "heads": (heads(), "head", True, True),
    "inside heads": (heads(), "k", True, True),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name):
    net, axis, keeps_mirrored, keeps_zero = LAYERS[name]
    plain = make_partition(net.sizes, {axis: [[0, 1]]})
    signed = make_partition(net.sizes, {axis: [[0, 1]]}, signs={axis: {1: -1}})
    nothing = make_partition(net.sizes, {}, zero={axis: [0]})
    found = [
        prove_invariance(net, equitable(net, p), tangent=block_constant(net, p)).verdict
        for p in (plain, signed, nothing)
    ]
    expected = [True, keeps_mirrored, keeps_zero]
    assert found == ["proved" if kept else "refuted" for kept in expected]
