"""Bounds of networks hold every exactly computed value; unsound neighbours of them do not."""

from fractions import Fraction
from types import SimpleNamespace

import flint
import numpy as np
import pytest
from flint import arb
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.bounds import Box, Propagator, hull, interval, linear, relaxation
from numerics.evaluate import Evaluator
from numerics.systems.ball import Ball
from numerics.systems.objects import exact
from numerics.systems.rational import Rational
from numerics.train import initial_parameters
from theory.activation import leaky_relu
from theory.errors import ShapeError, ValueSystemError
from theory.graph import Graph
from theory.zoo import cnn, gated_mlp, mlp, rnn, vision_transformer

RNG = np.random.default_rng
PHIS = ["relu", leaky_relu("1/3"), leaky_relu("0.1"), "tanh", "sigmoid", "softplus", "silu", "gelu"]


def drawn(net, seed, width=1.0):
    """Weights of standard size, biases included, and a box of inputs around a random centre."""
    rng = RNG(seed)
    weights = {
        p: rng.normal(size=w.shape) if not w.any() else w
        for p, w in initial_parameters(net, seed).items()
    }
    centre = rng.normal(size=net.input_shape)
    half = width * rng.uniform(size=net.input_shape) * (rng.uniform(size=net.input_shape) < 0.8)
    return weights, Box(centre - half, centre + half)


def points(box, shape, seed, count=6):
    """Corners and inner points that lie in the box exactly."""
    rng = RNG(seed)
    ends = box.values(shape)[0]
    share = np.where(rng.uniform(size=(count, 1)) < 0.5, rng.integers(0, 2, (count, 1)), 0.5)
    share = share.reshape((count,) + (1,) * len(shape)) * np.ones(shape)
    share = np.where(rng.uniform(size=share.shape) < 0.3, rng.integers(0, 2, share.shape), share)
    inner = ends["low"] + share * (ends["high"] - ends["low"])
    return np.clip(inner, ends["low"], ends["high"])


def outside(net, weights, box, bounds, seed):
    """Entries of nodes, at exactly evaluated points of the box, that are outside their bounds."""
    graph = net.graph()
    every = Graph(graph.nodes, {str(k): k for k in range(len(graph.nodes))})
    is_rational = all(
        node.primitive.activation.name in ("relu", "leaky_relu")
        for node in graph.nodes
        if hasattr(node.primitive, "activation")
    )
    system = Rational() if is_rational else Ball(bits=200)
    run = Evaluator(every, system)
    found = []
    for x in points(box, net.input_shape, seed):
        values = run({**weights, "x": x[None]})
        for k, ends in enumerate(bounds):
            for where, value in np.ndenumerate(values[str(k)]):
                if is_rational:
                    v = exact(value)
                    ok = _fraction(ends["low"][where]) <= v <= _fraction(ends["high"][where])
                else:
                    with flint.ctx.workprec(200):
                        low, high = float(ends["low"][where]), float(ends["high"][where])
                        ok = not (value < arb(low) or value > arb(high))
                if not ok:
                    found.append((k, where))
    return found


def _fraction(x):
    return Fraction(x) if np.isfinite(x) else Fraction(10**400) * (1 if x > 0 else -1)


def bounds_of(net, weights, box, method="linear"):
    return Propagator(net.graph(), method)({**weights, "x": box.values(net.input_shape)})


@given(
    st.lists(st.integers(1, 4), min_size=3, max_size=4),
    st.sampled_from(PHIS),
    st.sampled_from([0.01, 1.0, 5.0]),
    st.integers(0, 2**20),
)
@settings(max_examples=60)
def test_bounds_hold_all_values_and_lines_are_never_looser(widths, phi, width, seed):
    net = mlp(widths, phi)
    weights, box = drawn(net, seed, width)
    linear_bounds = bounds_of(net, weights, box)
    intervals = bounds_of(net, weights, box, "interval")
    assert not outside(net, weights, box, linear_bounds, seed)
    assert not outside(net, weights, box, intervals, seed)
    for tight, wide in zip(linear_bounds, intervals, strict=True):
        assert (tight["low"] >= wide["low"]).all()
        assert (tight["high"] <= wide["high"]).all()


@pytest.mark.parametrize(
    "net",
    [
        cnn((3, 3), (1, 2, 2), 2, "relu", pool="max"),
        gated_mlp([2, 3, 2], "silu"),
        rnn(2, 2, 1, 3, "relu"),
        vision_transformer((2, 2), 1, 1, 1, 4, 2, 3, 2),
    ],
    ids=lambda net: net.name,
)
def test_other_architectures(net):
    for seed in range(3):
        weights, box = drawn(net, seed, 0.5)
        assert not outside(net, weights, box, bounds_of(net, weights, box), seed)


def test_lines_are_tighter():
    widths = []
    for seed in range(10):
        net = mlp([4, 8, 8, 2], "relu")
        weights, box = drawn(net, seed, 0.3)
        ends = [bounds_of(net, weights, box, m)[-1] for m in ("interval", "linear")]
        widths.append([(e["high"] - e["low"]).mean() for e in ends])
    interval_width, linear_width = np.mean(widths, axis=0)
    assert linear_width < 0.7 * interval_width


def test_parameters_in_boxes():
    net = mlp([2, 3, 2], "relu")
    for seed in range(5):
        weights, box = drawn(net, seed)
        radius = 2.0**-6
        given_ = {p: hull(w - radius, w + radius) for p, w in weights.items()}
        found = Propagator(net.graph())({**given_, "x": box.values(net.input_shape)})
        rng = RNG(seed)
        for _ in range(4):
            moved = {
                p: np.clip(w + radius * rng.choice([-1, 1], size=w.shape), g["low"], g["high"])
                for (p, w), g in zip(weights.items(), given_.values(), strict=True)
            }
            assert not outside(net, moved, box, found, seed)


# A bound that ignores a sign or a rounding is refuted by the very test above.


def is_refuted(net_phi="relu", trials=60, width=1.0):
    for seed in range(trials):
        net = mlp([3, 3, 3, 2], net_phi)
        weights, box = drawn(net, seed, width)
        if outside(net, weights, box, bounds_of(net, weights, box), seed):
            return True
    return False


def test_the_harness_does_not_refute_what_is_sound():
    assert not is_refuted(trials=20)


def test_without_outward_rounding_bounds_fail(monkeypatch):
    monkeypatch.setattr(interval, "UNIT", 0.0)
    monkeypatch.setattr(interval, "SUBNORMAL", 0.0)
    for name in ("down", "up"):
        monkeypatch.setattr(interval, name, lambda a: a)
    assert is_refuted(width=0.0)


def test_without_signs_of_weights_bounds_fail(monkeypatch):
    def ignoring(a, b):
        return hull(a["low"] @ b, a["high"] @ b)

    monkeypatch.setattr(interval, "_times_numbers", ignoring)
    assert is_refuted()


@pytest.mark.parametrize("wrong", ["upper", "lower", "swapped"])
def test_with_wrong_lines_bounds_fail(monkeypatch, wrong):
    true = relaxation.lines

    def lines(activation, z):
        found = true(activation, z)
        if found is None:
            return None
        changed = {
            "upper": {"upper": found.upper / 2},
            "lower": {"lower": found.lower + 0.01 * (found.upper > 0)},
            "swapped": {"upper_slope": found.lower_slope, "upper": found.lower},
        }[wrong]
        kept = {name: getattr(found, name) for name in found.__slots__}
        return SimpleNamespace(**{**kept, **changed})

    monkeypatch.setattr(linear, "lines", lines)
    assert is_refuted(width=2.0, trials=200)


def test_missing_and_misshapen_arrays_are_named():
    net = mlp([2, 2, 1], "relu")
    weights, box = drawn(net, 0)
    with pytest.raises(ShapeError, match="'x' is missing"):
        Propagator(net.graph())(weights)
    with pytest.raises(ShapeError, match="'W1' has shape"):
        Propagator(net.graph())({**weights, "W1": np.ones(2), "x": box.values((2,))})
    with pytest.raises(ValueSystemError, match="phi is an unknown function"):
        Propagator(mlp([2, 2, 1]).graph())({**weights, "x": box.values((2,))})
    with pytest.raises(ValueSystemError, match="low <= high"):
        Box(1.0, 0.0)
    with pytest.raises(ShapeError, match="for inputs"):
        Box(np.zeros(3), np.ones(3)).values((2,))
