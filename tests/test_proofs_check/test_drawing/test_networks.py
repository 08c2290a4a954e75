from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.systems.float64 import Float64
from proofs_check.drawing.networks import (
    ACTIVATIONS,
    chooser,
    draw_network,
    draw_partition,
    draw_rationals,
)
from proofs_check.strategies import architectures, partitions
from theory.activation import relu, tanh
from theory.manifold import equitable
from theory.primitives import Apply

SEEDS = range(600)
DRAWN = [draw_network(chooser(seed)) for seed in SEEDS]


def test_every_kind_of_network_is_drawn():
    seen: Counter[object] = Counter()
    for net in DRAWN:
        depth = sum(axis.startswith("h") for axis in net.sizes)
        symbols = {
            n.primitive.activation for n in net.graph().nodes if isinstance(n.primitive, Apply)
        }
        seen.update(symbols)
        seen[f"depth {depth}"] += 1
        seen["bias" if "b1" in net.parameters else "no bias"] += 1
        seen["gated" if "G" in net.parameters else "not gated"] += 1
        seen.update({f"skip from {p[2:]}" for p in net.parameters if p.startswith("S_")})
        seen.update({f"{axis} has {n}" for axis, n in net.sizes.items()})
    shares = {kind: seen[kind] / len(DRAWN) for kind in seen}
    assert all(shares[symbol] > 0.1 for symbol in ACTIVATIONS)
    assert all(0.25 < shares[f"depth {depth}"] < 0.42 for depth in (1, 2, 3))
    assert all(0.4 < shares[kind] < 0.6 for kind in ("bias", "no bias"))
    assert 0.15 < shares["gated"] < 0.35
    assert all(shares[f"skip from {axis}"] > 0.03 for axis in ("x", "h1", "h2"))
    assert "skip from h3" not in shares
    widths = {f"h1 has {n}" for n in range(2, 6)} | {f"h2 has {n}" for n in range(1, 6)}
    assert widths <= set(shares)
    assert "h1 has 1" not in shares


def test_networks_compute_what_their_names_say():
    """One drawn network, written out: gate, skips and two activations."""
    net = draw_network(iter_choices(2, 1, 2, 3, 2, 4, 1, 0, 3, 3, 3))
    assert net.name == "1-2-2-1 (tanh, relu, gated, skip from x, skip from h1)".replace(
        "tanh, relu", repr([tanh, relu])
    )
    rng = np.random.default_rng(0)
    w = {p: rng.normal(size=s) for p, s in net.parameter_shapes.items()}
    x = rng.normal(size=(3, 1))
    h1 = np.tanh(x @ w["W1"] + w["b1"]) * (x @ w["G"])
    h2 = np.maximum(h1 @ w["W2"] + w["b2"], 0)
    y = h2 @ w["W3"] + w["b3"] + x @ w["S_x"] + h1 @ w["S_h1"]
    assert Evaluator(net.graph(3), Float64())({**w, "x": x})["y"] == pytest.approx(y, rel=1e-12)


def iter_choices(*values):
    remaining = iter(values)

    def choose(low, high):
        value = next(remaining)
        assert low <= value <= high
        return value

    return choose


def test_seeds_determine_everything():
    for seed in range(20):
        one, other = (chooser(seed) for _ in range(2))
        first, second = draw_network(one), draw_network(other)
        assert first.name == second.name
        assert first.graph() == second.graph()
        assert draw_partition(one, first) == draw_partition(other, second)
    assert len({net.name for net in DRAWN}) > 500


@given(st.data(), st.integers(1, 2), st.integers(2, 4))
def test_limits_are_kept(data, depth, width):
    net = data.draw(architectures(max_depth=depth, max_width=width))
    hidden = {axis: n for axis, n in net.sizes.items() if axis.startswith("h")}
    assert 1 <= len(hidden) <= depth
    assert max(hidden.values()) <= width


@given(st.data())
def test_partitions_have_clones_wherever_there_are_two_units(data):
    net = data.draw(architectures())
    drawn = data.draw(partitions(net))
    assert set(drawn) == set(net.sizes)
    for axis, blocks in drawn.items():
        assert sorted(unit for block in blocks.blocks for unit in block) == [*range(blocks.size)]
        assert bool(blocks.num_mixed) == (axis.startswith("h") and net.sizes[axis] > 1)


def test_every_partition_of_a_small_axis_is_drawn():
    """All 14 partitions of four units that have clones, and all pairs as the sure ones."""
    net = draw_network(iter_choices(1, 1, 4, 0, 1, 0, 0, 0))
    assert net.sizes["h1"] == 4
    found = {draw_partition(chooser(seed), net)["h1"].blocks for seed in range(600)}
    assert len(found) == 14


@given(st.integers(0, 2**32))
def test_rationals_are_small_integers_of_the_given_shapes(seed):
    shapes = {"a": (2, 3), "b": (), "c": (0, 2)}
    drawn = draw_rationals(chooser(seed), shapes)
    assert {name: a.shape for name, a in drawn.items()} == shapes
    assert all(type(v) is int and -3 <= v <= 3 for a in drawn.values() for v in a.ravel())


def test_drawn_points_are_exact():
    net = DRAWN[0]
    manifold = equitable(net, draw_partition(chooser(0), net))
    point = manifold.embed(draw_rationals(chooser(1), manifold.free_shapes))
    assert manifold.squared_distance(point) == 0
