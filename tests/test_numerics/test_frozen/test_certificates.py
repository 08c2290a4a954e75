"""Certificates are never contradicted: by sampling, by an attack, or by other parameters."""

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.bounds import Box, Data
from numerics.evaluate import Evaluator
from numerics.frozen import (
    FrozenCertificate,
    NotFrozen,
    ReluUnits,
    Unknown,
    frozen_certificate,
    held_radius,
    persistent_units,
)
from numerics.frozen.persistent import Held
from numerics.systems.objects import exact
from numerics.systems.rational import Rational
from numerics.train import initial_parameters
from theory.activation import activation, exp
from theory.architecture import Architecture
from theory.errors import ArchitectureError, LopError, ShapeError, ValueSystemError
from theory.graph import Graph
from theory.zoo import cnn, mlp, resnet, rnn

RNG = np.random.default_rng


def pre_activations(net, weights, x, axis):
    """Exact values of all units of an axis at float inputs, ``(samples, units)``."""
    graph = net.graph(len(x))
    ((node, _),) = ReluUnits(net).pre_activations(graph, axis)
    values = Evaluator(Graph(graph.nodes, {"z": node}), Rational())({**weights, "x": x})["z"]
    return np.vectorize(exact, otypes=[object])(values)


def drawn(seed, widths):
    """A ReLU network whose deeper biases make dead units common, and a box of inputs."""
    rng = RNG(seed)
    net = mlp(widths, "relu")
    weights = initial_parameters(net, seed)
    for p, w in weights.items():
        if p.startswith("b"):
            weights[p] = rng.normal(size=w.shape) - 0.7
    low = rng.normal(size=widths[0])
    return net, weights, Box(low, low + rng.uniform(0, 1.5, size=widths[0]))


def certified(*arguments):
    """The certificate of a unit that has one."""
    outcome = frozen_certificate(*arguments)
    assert isinstance(outcome, FrozenCertificate)
    return outcome


def inside(box, seed, count=8):
    rng = RNG(seed)
    share = rng.uniform(size=(count, np.size(box.low)))
    share[: count // 2] = np.round(share[: count // 2])
    return np.clip(box.low + share * (box.high - box.low), box.low, box.high)


def contradiction(outcome, net, weights, box, unit, seed):
    """What contradicts an outcome, if anything does."""
    rng = RNG(seed)
    axis, index = unit
    samples = inside(box, seed)
    match outcome:
        case FrozenCertificate(bound=bound, radius=radius):
            if bound > 0:
                return "the bound is positive"
            tried = [weights]
            for size in {"domain": [], "radius": [radius], "persistent": [1, 1e3]}[outcome.grade]:
                for _ in range(4):
                    moved = {
                        p: rounded_inwards(w, size * rng.choice([-1, 1], size=w.shape))
                        for p, w in weights.items()
                    }
                    for name, held in (unit, *outcome.together_with):  # their own stay
                        for p in (f"W{name[1:]}", f"b{name[1:]}"):
                            moved[p][..., held] = weights[p][..., held]
                    tried.append(moved)
            for theta in tried:
                z = pre_activations(net, theta, samples, axis)[:, index].max()
                if z > 0 or (theta is weights and z > Fraction(bound)):
                    return f"z = {float(z)} at grade {outcome.grade}"
        case NotFrozen(counterexample=x, exact=value, pre_activation=low):
            if not ((box.low <= x) & (x <= box.high)).all():
                return "the counterexample is outside"
            z = pre_activations(net, weights, x[None], axis)[0, index]
            if not z > 0 or z != value or z < Fraction(low):
                return f"z = {float(z)} at the counterexample"
        case Unknown(bound=bound, largest=largest):
            if bound <= 0 or largest > bound + 1e-9:
                return "an unknown that is known"
    return None


def rounded_inwards(w, step):
    """w + step, rounded towards w."""
    return np.nextafter(w + step, w)


@given(
    st.lists(st.integers(1, 4), min_size=3, max_size=4),
    st.integers(0, 2**20),
    st.data(),
)
@settings(max_examples=25)
def test_no_outcome_is_contradicted(widths, seed, data):
    net, weights, box = drawn(seed, widths)
    axis = data.draw(st.sampled_from(ReluUnits(net).axes))
    unit = (axis, data.draw(st.integers(0, net.sizes[axis] - 1)))
    outcome = frozen_certificate(net, weights, unit, box, boxes=16)
    assert contradiction(outcome, net, weights, box, unit, seed) is None
    assert axis in str(outcome)
    assert "<" in outcome._repr_html_()


def test_all_outcomes_occur_and_few_are_unknown():
    found: Counter[str] = Counter()
    for seed in range(30):
        net, weights, box = drawn(seed, [2, 4, 4, 1])
        outcome = frozen_certificate(net, weights, ("h2", 0), box, boxes=32)
        found[getattr(outcome, "grade", type(outcome).__name__)] += 1
    assert min(found[kind] for kind in ("radius", "persistent", "NotFrozen")) >= 3
    assert found["Unknown"] <= 3


@given(st.integers(0, 2**20))
@settings(max_examples=6)
def test_data_are_decided_exactly(seed):
    net, weights, box = drawn(seed, [2, 3, 3, 1])
    x = inside(box, seed)
    for axis in ("h1", "h2"):
        z = pre_activations(net, weights, x, axis)
        for index in range(3):
            outcome = frozen_certificate(net, weights, (axis, index), Data(x), bisections=1)
            if z[:, index].max() > 0:
                assert isinstance(outcome, NotFrozen)
                assert z[outcome.sample, index] == outcome.exact
                assert z[outcome.sample, index] > 0
            else:
                assert isinstance(outcome, FrozenCertificate)
                assert z[:, index].max() <= Fraction(outcome.bound) <= 0


def test_zero_pre_activations_are_decided_exactly():
    net = mlp([1, 2, 1], "relu")
    weights = {"W1": np.array([[0.1, 0.1]]), "W2": np.ones((2, 1)), "b2": np.zeros(1)}
    x = np.array([[3.0]])
    product = Fraction(0.1) * 3
    rounded = float(product)  # not the product, but one side of it is above and one below
    below = rounded if Fraction(rounded) < product else np.nextafter(rounded, -1)
    weights["b1"] = -np.array([below, np.nextafter(below, 1)])
    outcomes = [frozen_certificate(net, weights, ("h1", v), Data(x)) for v in (0, 1)]
    assert isinstance(outcomes[0], NotFrozen)
    assert outcomes[0].exact == product - Fraction(below) > 0
    assert isinstance(outcomes[1], FrozenCertificate)
    half = {
        "W1": np.full((1, 2), 0.5),
        "b1": np.full(2, -1.5),
        "W2": np.ones((2, 1)),
        "b2": np.ones(1),
    }
    certificate = certified(net, half, ("h1", 0), Data(x))
    assert (certificate.grade, certificate.bound) == ("domain", 0)  # z = 0, and φ'(0) = 0


@pytest.mark.parametrize(
    ("phi", "column", "bias", "expected"),
    [
        ("tanh", [1, -2], -3.001, True),  # b + Σ|w| < 0
        ("tanh", [1, -2], -2.9, False),
        ("sigmoid", [1, -2], -1.001, True),  # b + Σ max(w, 0) < 0
        ("sigmoid", [1, -2], -0.9, False),
        ("relu", [-1, -2], 0.0, True),  # the cone
        ("relu", [-1, -2], 0.1, False),
        ("relu", [-1, 1e-9], -100.0, False),
        ("softplus", [-1, -2], 0.0, True),
        ("gelu", [-1, -2], -0.51, True),  # b + 0.16997… Σ|w| ≤ 0
        ("gelu", [-1, -2], -0.5099, False),
        ("silu", [-1, -2], -0.8354, True),  # b + 0.278464… Σ|w| ≤ 0
        ("silu", [-1, -2], -0.8353, False),
        ("gelu", [1, -2], -100.0, False),
    ],
)
def test_certificates_of_the_theory(phi, column, bias, expected):
    net = two_layers(phi)
    weights = initial_parameters(net, 0)
    weights |= {"V": np.array(column, float)[:, None], "c": np.array([bias])}
    found = persistent_units(net, weights, Box(-1.0, 1.0))
    assert (("k", 0) in found) is expected


def test_elu_is_bounded_below_by_minus_one():
    for bias, expected in ((-3.001, True), (-2.999, False)):
        net = two_layers("elu")
        weights = initial_parameters(net, 0)
        weights |= {"V": np.array([[-1.0], [-2.0]]), "c": np.array([bias])}
        assert (("k", 0) in persistent_units(net, weights, Box(-1.0, 1.0))) is expected


def two_layers(phi):
    """Two sources with activation φ, one ReLU unit k, an output."""

    def forward(p, x):
        z = x @ p["W"] + p["b"]
        elu = np.maximum(z, 0) + exp(np.minimum(z, 0)) - 1
        h = elu if phi == "elu" else activation(phi)(z)
        return np.maximum(h @ p["V"] + p["c"], 0) @ p["U"]

    return Architecture(
        forward,
        sizes={"x": 2, "h": 2, "k": 1, "y": 1},
        parameters={"W": ("x", "h"), "b": ("h",), "V": ("h", "k"), "c": ("k",), "U": ("k", "y")},
    )


@given(st.integers(0, 2**20))
@settings(max_examples=10)
def test_a_first_layer_is_decided_by_a_corner(seed):
    rng = RNG(seed)
    net = mlp([3, 5, 1], "relu")
    weights = initial_parameters(net, seed)
    weights["b1"] = rng.normal(size=5) - 1
    low, high = -rng.uniform(size=3), rng.uniform(size=3)
    corner = np.where(weights["W1"] > 0, high[:, None], low[:, None])
    largest = [
        sum(
            Fraction(w) * Fraction(c)
            for w, c in zip(weights["W1"][:, v], corner[:, v], strict=True)
        )
        + Fraction(weights["b1"][v])
        for v in range(5)
    ]
    found = persistent_units(net, weights, Box(low, high))
    assert {v for _, v in found} == {v for v in range(5) if largest[v] <= 0}
    for (_, v), bound in found.items():
        assert largest[v] <= Fraction(bound) < largest[v] + Fraction(1, 10**12)


def test_frozen_sources_hold_their_targets():
    # h1[0] is dead on the domain, so h2[0], which sees it alone with a positive weight, is too
    net = mlp([1, 2, 1, 1], "relu")
    weights = initial_parameters(net, 0)
    weights["W1"], weights["b1"] = np.array([[-1.0, 1.0]]), np.array([0.0, 0.0])
    weights["W2"], weights["b2"] = np.array([[5.0], [-1.0]]), np.array([0.0])
    found = persistent_units(net, weights, Box(0.0, 1.0))
    assert set(found) == {("h1", 0), ("h2", 0)}
    weights["W1"] = np.array([[1.0, 1.0]])
    assert not persistent_units(net, weights, Box(0.0, 1.0))


@given(st.floats(0.1, 2), st.floats(0.1, 2), st.floats(0.1, 3))
@settings(max_examples=5)
def test_the_radius_of_a_chain_is_known(w, v, margin):
    # z = b + v relu(w x): alive as soon as w exceeds -b/v
    net = mlp([1, 1, 1, 1], "relu", bias=True)
    weights = {"W1": np.array([[w]]), "b1": np.zeros(1), "W2": np.array([[v]])}
    weights |= {"b2": np.array([-v * w - margin]), "W3": np.ones((1, 1)), "b3": np.zeros(1)}
    largest = margin / v / 2  # W1 and b1 both move by r: h ≤ w + 2r
    found = held_radius(net, weights, ("h2", 0), Box(0.0, 1.0))
    assert 0.97 * largest <= found <= largest * (1 + 1e-9)
    certificate = certified(net, weights, ("h2", 0), Box(0.0, 1.0))
    assert certificate.grade == "radius"
    assert certificate.steps(found / 10) in (9, 10)
    with pytest.raises(ValueSystemError, match="positive"):
        certificate.steps(0)


def test_other_architectures():
    image = cnn((3, 3), (1, 3), 2, "relu")
    weights = initial_parameters(image, 0)
    weights["K1"][..., 0] = -abs(weights["K1"][..., 0])
    assert ("c1", 0) in persistent_units(image, weights, Box(0.0, 1.0))
    assert ("c1", 0) not in persistent_units(image, weights, Box(-1.0, 1.0))
    recurrent = rnn(2, 3, 1, 4, "relu")
    weights = initial_parameters(recurrent, 0)
    weights["w"][:, 1], weights["u"][:, 1] = -1.0, -1.0
    assert ("h", 1) in persistent_units(recurrent, weights, Box(0.0, 1.0))
    weights["u"][2, 1] = 0.01  # at the second step it may be alive
    assert ("h", 1) not in persistent_units(recurrent, weights, Box(0.0, 1.0))


def test_a_parameter_with_another_way_to_the_loss_is_not_held():
    # the unit is dead, but its incoming weights are used twice
    def forward(p, x):
        return np.maximum(x @ p["W"] - 9, 0) @ p["V"] + (x @ p["W"]).sum(axis=1, keepdims=True)

    net = Architecture(
        forward, sizes={"x": 2, "h": 2, "y": 1}, parameters={"W": ("x", "h"), "V": ("h", "y")}
    )
    weights = initial_parameters(net, 0)
    assert not persistent_units(net, weights, Box(-1.0, 1.0))
    assert certified(net, weights, ("h", 0), Box(-1.0, 1.0)).grade == "domain"


# Certificates that promise too much are contradicted by the same means.


def is_contradicted(trials=40):
    for seed in range(trials):
        net, weights, box = drawn(seed, [2, 4, 4, 1])
        outcome = frozen_certificate(net, weights, ("h2", 0), box, boxes=4)
        if contradiction(outcome, net, weights, box, ("h2", 0), seed) is not None:
            return True
    return False


def test_what_is_dead_now_is_not_dead_for_ever(monkeypatch):
    true = Held._bounds
    monkeypatch.setattr(Held, "_bounds", lambda self, w, fixed, radius: true(self, w, fixed, 0.0))
    assert is_contradicted()


def test_sources_without_their_upper_end_are_not_bounded(monkeypatch):
    true = Held.bound
    monkeypatch.setattr(
        Held, "bound", lambda self, values, axis, index: min(true(self, values, axis, index), -1.0)
    )
    assert is_contradicted()


@pytest.mark.parametrize("factor", [1, 1.05])
def test_a_radius_five_percent_larger_is_contradicted(factor):
    net = mlp([1, 1, 1, 1], "relu")
    weights = {p: np.ones(shape) for p, shape in net.parameter_shapes.items()}
    weights["b2"] = np.array([-3.0])
    radius = factor * held_radius(net, weights, ("h2", 0), Box(0.0, 1.0), bisections=12)
    moved = {**weights, "W1": weights["W1"] + radius, "b1": weights["b1"] + radius}
    z = pre_activations(net, moved, np.array([[1.0]]), "h2")
    assert (z[0, 0] > 0) == (factor > 1)


def test_what_has_no_certificate_is_refused():
    with pytest.raises(ArchitectureError, match="no ReLU units"):
        frozen_certificate(mlp([2, 2, 1], "tanh"), {}, ("h1", 0), Box(0.0, 1.0))
    with pytest.raises(ArchitectureError, match=r"not in 0\.\.1"):
        frozen_certificate(mlp([2, 2, 1], "relu"), {}, ("h1", 2), Box(0.0, 1.0))
    coupled = resnet((4, 4), 1, 2, (1,), 2)
    with pytest.raises(ArchitectureError, match="other samples"):
        persistent_units(coupled, initial_parameters(coupled, 0), Box(0.0, 1.0))
    net = mlp([2, 2, 1], "relu")
    weights = initial_parameters(net, 0)
    for wrong, words in (
        ({"W1": np.ones((3, 2))}, "shape"),
        ({"W1": np.full((2, 2), np.nan)}, "not finite"),
    ):
        with pytest.raises(LopError, match=words):
            frozen_certificate(net, weights | wrong, ("h1", 0), Box(0.0, 1.0))
    with pytest.raises(ShapeError, match="'b2'"):
        persistent_units(net, {p: w for p, w in weights.items() if p != "b2"}, Box(0.0, 1.0))
    with pytest.raises(ShapeError, match="for inputs"):
        persistent_units(net, weights, Box(np.zeros(3), np.ones(3)))


def test_a_unit_alive_by_less_than_rounding_is_shown_in_rational_numbers():
    net = mlp([1, 1, 1], "relu")
    weights = {"W1": np.array([[3.0]]), "b1": np.array([-0.3]), "W2": np.ones((1, 1))}
    outcome = frozen_certificate(
        net, weights | {"b2": np.zeros(1)}, ("h1", 0), Data(np.array([[0.1]]))
    )
    assert isinstance(outcome, NotFrozen)
    assert outcome.exact == 3 * Fraction(0.1) - Fraction(0.3)
    assert f"z = {outcome.exact} > 0" in str(outcome)
