"""The exact check on frozen units, traps, leaves, single points and scalar parameters."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.exact import prove_invariance
from proofs_check.strategies import architectures, partitions, points
from theory.activation import activation
from theory.architecture import Architecture
from theory.manifold import (
    AffineManifold,
    Constraint,
    ambient,
    equitable,
    frozen,
    incoming_equitable,
    leaf,
    trap,
)
from theory.partition import make_partition
from theory.zoo import mlp

FEWER = settings(max_examples=settings().max_examples // 3)

PHI = activation("phi")
NET = mlp([3, 4, 4, 2])
PAIRS = [[0, 1], [2, 3]]
CLONES = make_partition(NET.sizes, {"h1": PAIRS, "h2": PAIRS})


def verdict(*args: Any, **kwargs: Any) -> str:
    return prove_invariance(*args, **kwargs).verdict


@given(data=st.data())
@FEWER
def test_frozen_units_are_trapped(data):
    widths = data.draw(st.lists(st.integers(1, 3), min_size=3, max_size=4))
    net = mlp(widths, bias=data.draw(st.booleans()))
    hidden = [f"h{k}" for k in range(1, len(widths) - 1)]
    for _ in range(data.draw(st.integers(1, 2))):
        axis = data.draw(st.sampled_from(hidden))
        unit = data.draw(st.integers(0, net.sizes[axis] - 1))
        net = net.freeze(axis, unit, data.draw(st.integers(-1, 2)))
    values = {("W1", 0): data.draw(st.fractions(-2, 2, max_denominator=3))}
    assert verdict(net, frozen(net, values)) == "proved"
    assert verdict(net, trap(net, values)) == "proved"
    assert verdict(net.unfrozen(), frozen(net, values)) == "refuted"


def test_parameters_that_a_frozen_network_does_not_use():
    net = mlp([2, 1, 2]).freeze("h1", 0, 3)
    assert "W1" not in net.graph().parameter_shapes
    assert verdict(net, ambient(net)) == verdict(net, frozen(net)) == "proved"
    # b2 moves as W2 does, three times slower
    kept = {("W2", 0): Fraction(1), ("b2", 0): Fraction(-2)}
    wrong = AffineManifold("w", net.parameter_shapes, (Constraint(kept, Fraction(0), "w"),))
    assert verdict(net, wrong) == "refuted"


def test_a_network_without_trained_parameters():
    net = Architecture(
        lambda p, x: np.tanh(x @ p["W"]), {"x": 1, "y": 1}, {"W": ("x", "y")}
    ).freeze("y", 0)
    assert verdict(net, ambient(net)) == verdict(net, frozen(net)) == "proved"


@pytest.mark.parametrize("value", [Fraction(1, 3), Fraction(2)])
def test_a_single_point(value):
    net = mlp([1, 1, 1], bias=False)
    rows = (Constraint({(p, 0): Fraction(1)}, value, p) for p in net.parameters)
    point = AffineManifold("point", net.parameter_shapes, tuple(rows))
    found = prove_invariance(net, point, tangent=ambient(net))
    assert (found.verdict, found.dimension) == ("proved", 0)
    assert verdict(net, point) == "refuted"


@given(data=st.data())
@FEWER
def test_leaves_through_integer_points(data):
    net = data.draw(architectures(max_depth=2, max_width=4))
    clones = data.draw(partitions(net))
    scale = data.draw(st.sampled_from([1, 10**6, 10**25, Fraction(1, 7)]))
    point = {p: a * scale for p, a in data.draw(points(equitable(net, clones))).items()}
    found = prove_invariance(net, leaf(net, clones, point))
    assert (found.verdict, found.manifold) == ("proved", "leaf")
    assert found.error_bits >= 60


def test_a_leaf_through_floats_is_exact():
    rng = np.random.default_rng(0)
    on = equitable(NET, CLONES)
    point = on.embed({k: rng.integers(-9, 9, s) / 8 for k, s in on.free_shapes.items()})
    assert verdict(NET, leaf(NET, CLONES, point)) == "proved"
    assert verdict(NET, leaf(NET, CLONES, point | {"b1": point["b1"] + [0.125, 0, 0, 0]})) == (
        "refuted"
    )


def test_parameters_without_axes():
    def forward(p: dict[str, Any], x: Any) -> Any:
        return p["s"] * PHI(x @ p["W"]) @ p["V"] + p["t"]

    net = Architecture(
        forward,
        sizes={"x": 1, "h": 2, "y": 1},
        parameters={"W": ("x", "h"), "V": ("h", "y"), "s": (), "t": ()},
    )
    clones = make_partition(net.sizes, {"h": [[0, 1]]})
    assert verdict(net, equitable(net, clones)) == "proved"
    assert verdict(net, incoming_equitable(net, clones)) == "refuted"
