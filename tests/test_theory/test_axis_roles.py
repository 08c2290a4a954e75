"""Source and target axes of parameters that are not used as a plain ``x @ W``."""

import numpy as np
import pytest

from numerics.exact import prove_invariance
from theory.activation import activation
from theory.architecture import Architecture
from theory.axis_roles import contracted_axes
from theory.errors import GraphError
from theory.layers import layer_norm, rms_norm
from theory.manifold import block_constant, equitable
from theory.partition import make_partition
from theory.tracing import trace


def roles(forward, shape=(3, 4)):
    return contracted_axes(trace(forward, {"W": shape}, {"x": (5, 3)}))["W"]


@pytest.mark.parametrize(
    "forward",
    [
        lambda p, x: x["x"] @ (2 * p["W"]),
        lambda p, x: x["x"] @ (p["W"] * p["W"]),
        lambda p, x: x["x"] @ np.tanh(p["W"]),
        lambda p, x: x["x"] @ (p["W"] - p["W"].mean(axis=0)),
        lambda p, x: (x["x"][:, :, None] * p["W"]).sum(axis=1),
        lambda p, x: (x["x"][:, :, None] * p["W"] / 7).mean(axis=1),
    ],
)
def test_functions_of_a_weight_have_its_sources_and_targets(forward):
    assert roles(lambda p, x: {"y": forward(p, x)}) == (True, False)


@pytest.mark.parametrize(
    "forward",
    [
        lambda w, x: np.tanh(x * w) + np.mean(x * w, axis=1, keepdims=True),
        lambda w, x: layer_norm(x * w + np.tanh(x * w) @ np.eye(3, dtype=int), eps=1),
        lambda w, x: rms_norm(layer_norm(x, w, eps=1), eps=1),
    ],
)
def test_a_gain_has_targets_whatever_is_summed_behind_it(forward):
    """The units are gain * x; a normalisation that follows sums units."""
    assert roles(lambda p, x: {"y": forward(p["W"], x["x"])}, (3,)) == (False,)


def test_weights_that_are_only_summed_have_sources():
    assert roles(lambda p, x: {"y": (x["x"] * p["W"]).sum(axis=1)}, (3,)) == (True,)


def test_split_axes_keep_their_role():
    forward = [
        lambda w, x: np.einsum("bi,iho->bho", x, w.reshape(3, 2, 2)),
        lambda w, x: x @ w.reshape(3, 2, 2).reshape(3, 4),
        lambda w, x: np.einsum("bi,io->bo", x, w.reshape(3, 1, 4).reshape(3, 4)),
    ]
    for one in forward:
        assert roles(lambda p, x, one=one: {"y": one(p["W"], x["x"])}) == (True, False)


def test_merged_axes_have_one_role():
    flat = roles(lambda p, x: {"y": np.tile(x["x"], (1, 4)) @ p["W"].reshape(12)})
    assert flat == (True, True)


@pytest.mark.parametrize(
    "forward",
    [
        lambda w, x: np.einsum("bi,hij->bhj", x[:, :2], w.reshape(3, 2, 2)),
        lambda w, x: np.einsum("bi,ij->bj", x[:, :2], w.reshape(2, 6)),
    ],
)
def test_an_axis_that_is_summed_in_part_is_refused(forward):
    with pytest.raises(GraphError, match=r"'W': axis . is reshaped and summed over in part"):
        roles(lambda p, x: {"y": forward(p["W"], x["x"])})


def test_an_embedding_that_is_added_has_targets_only():
    assert roles(lambda p, x: {"y": np.tanh(x["x"] + p["W"])}, (5, 3)) == (False, False)


@pytest.mark.parametrize(
    "forward",
    [
        lambda p, x: x["x"] @ p["W"].reshape(2, 6)[[0, 1, 1]],
        lambda p, x: x["x"] @ (p["W"] @ np.ones((4, 4), dtype=int)),
    ],
)
def test_a_weight_that_is_cut_up_or_mixed_is_refused(forward):
    with pytest.raises(GraphError, match="source and target are ambiguous"):
        roles(lambda p, x: {"y": forward(p, x)})


def squared():
    phi = activation("phi")
    return Architecture(
        lambda p, x: phi(phi(x @ p["W1"]) @ (p["W2"] * p["W2"])) @ p["W3"],
        sizes={"x": 2, "h": 2, "k": 2, "y": 1},
        parameters={"W1": ("x", "h"), "W2": ("h", "k"), "W3": ("k", "y")},
    )


def test_squared_weights_keep_bc_and_not_ie_oe():
    net = squared()
    clones = make_partition(net.sizes, {"h": [[0, 1]], "k": [[0, 1]]})
    flat, constant = equitable(net, clones), block_constant(net, clones)
    assert (flat.dimension, constant.dimension) == (5, 4)
    assert prove_invariance(net, flat, tangent=constant).verdict == "refuted"
    assert prove_invariance(net, constant).verdict == "proved"
