"""What simple rules would miss: zeros, means that are subtracted, groups with unlike blocks.

For each there is a neighbour that is false, and must not be certified.
"""

import re
from fractions import Fraction

import numpy as np
import pytest

from numerics.exact import prove_invariance
from theory import layers
from theory.activation import activation, gelu, silu, tanh
from theory.architecture import Architecture
from theory.manifold import block_constant, equitable
from theory.modules import NotCertified, certify
from theory.partition import make_partition
from theory.zoo import mlp

PHI, EPS = activation("phi"), Fraction(1, 100)
SCALE = np.array([1, 1, 2, 3])


def _net(behind, own, **sizes):
    """φ(behind(x W)) V with four hidden units; further parameters are vectors over their axis."""
    extra = {name: (name,) for name in sizes}
    net = Architecture(
        lambda p, x: PHI(behind(p, x @ p["W"])) @ p["V"],
        sizes={"x": 2, "h": 4, "z": 4, "y": 1, **sizes},
        parameters={"W": ("x", "h"), "V": ("z", "y"), **extra},
    )
    return net, make_partition(net.sizes, own)


def _dropped(p, z):
    return np.take(z * SCALE, [0, 1, 0, 1], axis=1)


def _dropped_behind_functions(p, z):
    unlike = np.concatenate([PHI(z[:, :3]), tanh(z[:, 3:])], axis=1)
    return np.take(unlike, [0, 1, 0, 1], axis=1)


def _batch_norm(p, z):
    return layers.batch_norm(z + p["b"], eps=EPS)


def _layer_norm_of_shifted(p, z):
    shift = np.mean(z[:, :3], axis=1, keepdims=True)
    return layers.layer_norm(z - shift, eps=EPS)


def _own_mean(p, z):
    return z * silu(z - np.mean(z[:, :3], axis=1, keepdims=True))


def _gated_by_nothing(p, z):
    nothing = z - np.mean(z[:, :1], axis=1, keepdims=True)
    return nothing * gelu(nothing)


HALVES, ONE, CROSSED = [[0, 1], [2, 3]], [[0, 1, 2, 3]], [[0, 2], [1, 3]]
BOTH = {"h": HALVES, "z": HALVES}
KNOWN = {
    "unequal constants on units that are dropped": _net(_dropped, BOTH),
    "unequal functions of units that are dropped": _net(_dropped_behind_functions, BOTH),
    "a free bias before BatchNorm": _net(_batch_norm, {**BOTH, "b": CROSSED}, b=4),
    "a shift before LayerNorm": _net(_layer_norm_of_shifted, BOTH),
    "deviations of one block, behind a gate": _net(_gated_by_nothing, {"h": ONE, "z": ONE}),
}
FALSE = {
    "unequal constants on units that are kept": _net(
        lambda p, z: np.take(z * SCALE, [2, 3, 2, 3], axis=1), BOTH
    ),
    "unequal functions of units that are kept": _net(
        lambda p, z: np.concatenate([PHI(z[:, :3]), tanh(z[:, 3:])], axis=1), BOTH
    ),
    "a free bias and running statistics": _net(
        lambda p, z: layers.batch_norm(z + p["b"], eps=EPS, mean=p["m"], variance=p["v"]),
        {**BOTH, "b": CROSSED, "m": HALVES, "v": HALVES},
        b=4,
        m=4,
        v=4,
    ),
    "a free bias before LayerNorm": _net(
        lambda p, z: layers.layer_norm(z + p["b"], eps=EPS), {**BOTH, "b": CROSSED}, b=4
    ),
    "a shift before RMSNorm": _net(
        lambda p, z: layers.rms_norm(z - np.mean(z[:, :3], axis=1, keepdims=True), eps=EPS), BOTH
    ),
    "deviations of one block": _net(_own_mean, {"h": ONE, "z": ONE}),
    "deviations from the mean of a part": _net(
        lambda p, z: z - np.mean(z[:, :3], axis=1, keepdims=True), BOTH
    ),
    "deviations of two blocks, times a gate": _net(_gated_by_nothing, BOTH),
}


def _grouped(own):
    """A convolution in two groups, of three channels each."""
    net = Architecture(
        lambda p, x: (
            PHI(layers.conv2d(PHI(layers.conv2d(x, p["K"])), p["L"], groups=2))[:, 0, 0] @ p["V"]
        ),
        sizes={"i": 1, "x": 1, "k": 1, "c": 4, "inner": 2, "o": 6, "y": 1},
        parameters={"K": ("k", "k", "x", "c"), "L": ("k", "k", "inner", "o"), "V": ("o", "y")},
        inputs=("i", "i", "x"),
    )
    return net, make_partition(net.sizes, {"c": HALVES, "inner": [[0, 1]], "o": own})


KNOWN |= {
    "groups with unlike blocks": _grouped([[0, 1], [3, 4, 5]]),
    "one group with blocks": _grouped([[4, 5]]),
}
FALSE |= {"blocks across groups": _grouped([[0, 3], [1, 2]])}


@pytest.mark.parametrize("target", [equitable, block_constant])
@pytest.mark.parametrize("name", KNOWN)
def test_what_is_proved_is_certified(name, target):
    net, clones = KNOWN[name]
    points, tangent = equitable(net, clones), target(net, clones)
    assert prove_invariance(net, points, tangent=tangent).verdict == "proved"
    result = certify(net, points, tangent=tangent)
    assert result.is_certified, result.summary()


@pytest.mark.parametrize("name", FALSE)
def test_what_is_refuted_is_not_certified(name):
    net, clones = FALSE[name]
    assert prove_invariance(net, equitable(net, clones)).verdict == "refuted"
    assert not certify(net, clones).is_certified


def test_the_derivation_says_why():
    net, clones = KNOWN["a shift before LayerNorm"]
    told = str(certify(net, clones))
    assert "what is constant where the mean goes is its own mean" in told
    assert "deviations from a mean add up to 0" in told
    net, clones = KNOWN["unequal constants on units that are dropped"]
    assert "a product is 0 where a factor has only zeros" in str(certify(net, clones))


def test_the_derivation_has_the_nodes_that_a_breach_names():
    net, clones = FALSE[min(FALSE)]
    found = certify(net, clones)
    assert isinstance(found, NotCertified)
    told = str(found.derivation)
    assert re.search(rf"\[(\d+, )*{found.breach.node}(, \d+)*\] ", told)
    lost = [line for line in told.splitlines() if ": anything; " in line and "grad:" not in line]
    assert lost
    assert not any("equal terms" in line or "copies are equal" in line for line in lost)
    net = mlp([2, 2, 1])
    assert "between layers" not in str(
        certify(net, make_partition(net.sizes, {"h1": [[0, 1]]})).derivation
    )
