"""Frozen units: the counts of E2a, and that the laws hold for the gradient."""

from fractions import Fraction

import numpy as np
import pytest

from numerics.exact import prove_invariance
from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.manifold import AffineManifold, frozen, trap
from theory.zoo import mlp

NET = mlp([3, 4, 4, 2])  # 46 parameters


def freeze(net, *units):
    for axis, unit, value in units:
        net = net.freeze(axis, unit, value)
    return net


@pytest.mark.parametrize(
    ("units", "dimension"),
    [
        ([("h1", 0, 0)], 38),
        ([("h1", 2, "1/3")], 38),
        ([("h2", 0, 0)], 39),
        ([("h1", 0, 0), ("h1", 1, 0)], 30),
        ([("h1", 0, 2), ("h1", 1, 5)], 30),
        ([("h1", 0, 0), ("h2", 3, 0)], 32),
        ([("h1", 0, 0), ("h2", 3, 1)], 32),
        ([("h2", k, 0) for k in range(4)], 2),
        ([("h2", k, k) for k in range(4)], 2),
    ],
)
def test_trap_dimensions(units, dimension):
    net = freeze(NET, *units)
    manifold = trap(net)
    assert manifold.dimension == dimension
    assert prove_invariance(net, manifold).verdict == "proved"


def test_the_trap_is_not_larger():
    """Dropping a law is still invariant, adding one is refuted: the trap is what is conserved."""
    net = NET.freeze("h1", 0)
    manifold = trap(net)
    extra = AffineManifold(
        "more", NET.parameter_shapes, (*manifold.rows, *frozen(NET.freeze("h1", 1)).rows)
    )
    assert prove_invariance(net, extra).verdict == "refuted"


def test_frozen_is_the_paper_s_manifold():
    manifold = frozen(NET.freeze("h2", 1), {("W2", 1): Fraction(5, 7)})
    assert manifold.codimension == 5
    rows = {row.label: row.value for row in manifold.constraints() if row.value}
    assert rows == {"W2 into h2[1]": Fraction(5, 7)}


@pytest.mark.parametrize(
    ("units", "codimension"),
    [
        ([("h1", 0, 0)], 3 + 4),
        ([("h1", 0, 2)], 3),  # one frozen source of a target without bias conserves nothing there
        ([("h1", 0, 2), ("h1", 1, 5)], 6 + 4),
        ([("h1", 0, 2), ("h1", 1, 0)], 6 + 4),
        ([("h1", 0, 2), ("h1", 1, 5), ("h1", 2, -1)], 9 + 8),
    ],
)
def test_targets_without_bias_keep_one_combination_fewer(units, codimension):
    net = freeze(mlp([3, 4, 4, 2], bias=False), *units)
    assert trap(net).codimension == codimension
    assert prove_invariance(net, trap(net)).verdict == "proved"


def test_a_constant_of_zero_is_a_special_case():
    """With c = 1 in place of c = 0 the law w - c b is another one."""
    at_zero, at_one = trap(NET.freeze("h1", 0, 0)), trap(NET.freeze("h1", 0, 1))
    assert prove_invariance(NET.freeze("h1", 0, 1), at_zero).verdict == "refuted"
    assert at_zero.dimension == at_one.dimension


def test_matrices_may_be_written_target_first():
    net = Architecture(
        lambda p, x: np.tanh(x @ p["W"].T + p["b"]) @ p["V"].T + x @ p["S"],
        sizes={"x": 2, "h": 3, "y": 1},
        parameters={"W": ("h", "x"), "b": ("h",), "V": ("y", "h"), "S": ("x", "y")},
    ).freeze("h", 1)
    assert {e for row in trap(net).rows for e in row.terms} == {
        ("W", 2),
        ("W", 3),
        ("b", 1),
        ("V", 1),
    }
    assert prove_invariance(net, trap(net)).verdict == "proved"


def forwards():
    def residual(p, x):
        h = np.tanh(x @ p["A"])
        return h + np.tanh(h @ p["B"])

    def recurrent(p, x):
        return np.tanh(np.tanh(x @ p["A"]) @ p["B"])

    def shared(p, x):
        h = np.tanh(x @ p["A"]) @ p["B"]
        return np.tanh(h) @ p["B"]

    def gated(p, x):
        return np.tanh(x @ p["A"]) * (x @ p["A"]) @ p["B"]

    return [
        (residual, "units are added without weights"),
        (recurrent, r"'B' over \('h', 'h'\): frozen units may not feed their own axis"),
        (shared, "a parameter is used twice|units are (multiplied|added)"),
        (gated, "units are multiplied|a parameter is used twice"),
    ]


@pytest.mark.parametrize(("forward", "message"), forwards())
def test_other_architectures_are_refused(forward, message):
    net = Architecture(
        forward, sizes={"x": 3, "h": 3}, parameters={"A": ("x", "h"), "B": ("h", "h")}
    )
    for kind in (frozen, trap):
        with pytest.raises(ManifoldError, match=message):
            kind(net.freeze("h", 0))


def test_something_must_be_frozen():
    with pytest.raises(ManifoldError, match="no unit is frozen"):
        trap(NET)


def test_a_convolution_is_refused():
    net = Architecture(
        lambda p, x: np.tanh(np.einsum("bi,ijk->bjk", x, p["K"])),
        sizes={"x": 2, "h": 3, "k": 2},
        parameters={"K": ("x", "h", "k")},
    )
    with pytest.raises(ManifoldError, match=r"parameter 'K' over \('x', 'h', 'k'\)"):
        frozen(net.freeze("h", 0))
