"""What a flow is, what it refuses, and its agreement with independent integrators."""

from fractions import Fraction

import flint
import numpy as np
import pytest
from flint import arb
from scipy.integrate import solve_ivp

from numerics.evaluate import Evaluator
from numerics.flow.events import Crossing, crossing, distance
from numerics.flow.field import field
from numerics.flow.solution import Flow, FlowFailure
from numerics.flow.solver import flow
from numerics.losses import CROSS_ENTROPY, MSE
from numerics.systems.ball import Ball
from numerics.systems.float64 import Float64
from numerics.tasks import Task
from theory.architecture import Architecture
from theory.errors import ShapeError, ValueSystemError
from theory.manifold import equitable
from theory.partition import make_partition
from theory.zoo import mlp

SMOOTH = ("tanh", "sigmoid", "softplus", "silu", "gelu", "exp")


def random_task(rng, samples, inputs, outputs):
    return Task("random", rng.normal(size=(samples, inputs)), rng.normal(size=(samples, outputs)))


def random_start(rng, net):
    return {p: rng.normal(size=s) / np.sqrt(s[0]) for p, s in net.parameter_shapes.items()}


def scalar_net(forward):
    return Architecture(forward, sizes={"x": 1, "y": 1}, parameters={"w": ("x", "y")})


ONE = Task("one", np.array([[1.0]]), np.array([[0.0]]))


@pytest.mark.parametrize("phi", SMOOTH)
@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_agrees_with_dop853_on_two_hidden_layers(phi, loss):
    rng = np.random.default_rng(0)
    net = mlp([2, 3, 2, 2], phi)
    data = random_task(rng, 4, 2, 2)
    data = Task("soft", data.x, np.abs(data.y) / np.abs(data.y).sum(axis=1, keepdims=True))
    start = random_start(rng, net)
    found = flow(net, loss, data, start, 0.5, digits=12)
    assert isinstance(found, Flow)
    evaluator = Evaluator(field(net, loss, 4), Float64())
    sizes = np.cumsum([a.size for a in start.values()])[:-1]

    def slope(_, theta):
        parts = np.split(theta, sizes)
        given = {p: a.reshape(start[p].shape) for p, a in zip(start, parts, strict=True)}
        rates = evaluator({**given, "x": data.x, "target": data.y})
        return np.concatenate([rates[f"rate:{p}"].ravel() for p in start])

    flat = np.concatenate([a.ravel() for a in start.values()])
    expected = solve_ivp(slope, (0, 0.5), flat, method="DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    got = np.concatenate([[float(x) for x in found(0.5)[p].ravel()] for p in start])
    assert np.abs(got - expected).max() < 1e-10


@pytest.mark.parametrize("phi", SMOOTH)
def test_more_digits_fall_into_the_balls_of_fewer(phi):
    rng = np.random.default_rng(1)
    net = mlp([2, 2, 1], phi)
    data, start = random_task(rng, 3, 2, 1), random_start(rng, net)
    coarse, fine = (flow(net, MSE, data, start, 1, digits=n) for n in (8, 45))
    assert isinstance(coarse, Flow)
    assert isinstance(fine, Flow)
    for t in (0, 0.3, Fraction(2, 3), 1):
        for p in start:
            pairs = zip(coarse(t)[p].ravel(), fine(t)[p].ravel(), strict=True)
            assert all(a.contains(b) for a, b in pairs)


def test_fifty_digits_that_mpmath_and_heyoka_find_too():
    # mpmath.odefun at 50 digits (26 s) and heyoka 7.13 with 176 bits agree on these digits
    rng = np.random.default_rng(0)
    start = {"W1": rng.normal(size=(2, 2)), "W2": rng.normal(size=(2, 1))}
    data = random_task(rng, 3, 2, 1)
    found = flow(mlp([2, 2, 1], "tanh", bias=False), MSE, data, start, 1)
    assert isinstance(found, Flow)
    with flint.ctx.workprec(300):
        for (p, where), text in {
            ("W1", (0, 0)): "0.15822845192104294980254219460648437928765310659130",
            ("W2", (1, 0)): "0.40712530939433749458467357384795994017502725801203319",
        }.items():
            assert abs(found(1)[p][where] - arb(text)) < 1e-15


def test_agrees_with_heyoka_in_multiple_precision():
    hy = pytest.importorskip("heyoka")
    rng = np.random.default_rng(2)
    w, x, y, precision = rng.normal(size=3), rng.normal(size=4), rng.normal(size=4), 200
    real = lambda a: hy.real(float(a), precision)  # noqa: E731
    a, b, c = hy.make_vars("a", "b", "c")
    slopes = [0, 0, 0]
    for xs, ys in zip(x, y, strict=True):
        h = hy.tanh(a * real(xs) + b)
        residual = (c * h - real(ys)) / real(4)
        inner = residual * c * (real(1) - h * h)
        slopes = [
            slopes[0] - inner * real(xs),
            slopes[1] - inner,
            slopes[2] - residual * h,
        ]
    ta = hy.taylor_adaptive(
        list(zip((a, b, c), slopes, strict=True)),
        [real(v) for v in w],
        fp_type=hy.real,
        prec=precision,
    )
    ta.propagate_until(real(2))
    net = Architecture(
        lambda p, x: np.tanh(x @ p["a"] + p["b"]) @ p["c"],
        sizes={"x": 1, "h": 1, "y": 1},
        parameters={"a": ("x", "h"), "b": ("h",), "c": ("h", "y")},
    )
    start = {"a": w[:1].reshape(1, 1), "b": w[1:2], "c": w[2:].reshape(1, 1)}
    found = flow(net, MSE, Task("d", x[:, None], y[:, None]), start, 2, digits=50)
    assert isinstance(found, Flow)
    with flint.ctx.workprec(300):
        for p, state in zip("abc", ta.state, strict=True):
            assert found(2)[p].ravel()[0].contains(arb(str(state)).mid())


def test_the_dense_output_solves_the_equation():
    rng = np.random.default_rng(3)
    net = mlp([2, 2, 2], "tanh")
    data, start = random_task(rng, 3, 2, 2), random_start(rng, net)
    found = flow(net, MSE, data, start, 1, digits=40)
    assert isinstance(found, Flow)
    ball = Ball(bits=400)
    given = {"x": ball.array(data.x), "target": ball.array(data.y)}
    t, h = Fraction(1, 3), Fraction(1, 2**40)
    rates = Evaluator(field(net, MSE, 3), ball)({**found(t), **given})
    before, after = found(t - h), found(t + h)
    for p in start:
        quotient = ball.multiply(ball.subtract(after[p], before[p]), ball.array(2.0**39))
        assert max(abs(x).upper() for x in (quotient - rates[f"rate:{p}"]).ravel()) < 1e-20


def test_precision_is_restored_and_runs_repeat():
    before = flint.ctx.prec
    first, second = (flow(mlp([1, 1], "tanh"), MSE, ONE, {"W1": [[1]], "b1": [1]}, 1) for _ in "ab")
    assert flint.ctx.prec == before
    assert isinstance(first, Flow)
    assert isinstance(second, Flow)
    assert str(first(1)) == str(second(1))


@pytest.mark.parametrize("phi", ["relu", "leaky_relu", "phi"])
def test_a_kinked_or_unknown_symbol_is_a_failure(phi):
    net = mlp([1, 2, 1], phi, bias=False)
    found = flow(net, MSE, ONE, {"W1": [[1, 1]], "W2": [[1], [1]]}, 1)
    assert isinstance(found, FlowFailure)
    assert found.reason == "not smooth"


def test_a_start_where_the_field_is_undefined_is_a_failure():
    net = scalar_net(lambda p, x: np.log(x @ p["w"]))
    found = flow(net, MSE, ONE, {"w": [[-1]]}, 1)
    assert isinstance(found, FlowFailure)
    assert found.reason == "undefined"


def test_a_solution_that_ceases_to_exist_is_a_failure_before_it_does():
    net = scalar_net(lambda p, x: (x @ p["w"]) ** 3)
    # w' = 3 w² is infinite at 1/3
    found = flow(net, lambda y, target: 0 * y - 1, ONE, {"w": [[1]]}, 1, digits=5)
    assert isinstance(found, FlowFailure)
    assert found.reason == "step underflow"
    assert Fraction(33, 100) < found.time < Fraction(1, 3)


def test_numbers_too_large_for_the_digits_are_a_failure():
    net = mlp([1, 1, 1], "tanh", bias=False)
    found = flow(net, MSE, ONE, {"W1": [[1]], "W2": [[10**200]]}, 1, digits=10)
    assert isinstance(found, FlowFailure)
    assert found.reason == "step underflow"


def test_a_unit_that_float64_freezes_still_moves():
    # tanh' = 1 - tanh² is 4 e^-41 at z = 20.5 and 4 e^-42 at 21: exactly 0 in float64
    net = mlp([1, 1, 1], "tanh")
    data = Task("d", np.array([[0.5], [1.0]]), np.array([[0.0], [1.0]]))
    start = {"W1": [[1]], "b1": [20], "W2": [[0.5]], "b2": [0]}
    assert 1 - np.tanh(20.5) ** 2 == 0
    found = flow(net, MSE, data, start, 1, digits=30)
    assert isinstance(found, Flow)
    # at rest but for this unit, W2 (W2 - y) / 2 is the adjoint: 1/8 and -1/8
    expected = -(4 * np.exp(-41) - 4 * np.exp(-42)) / 8
    moved = float(Ball(bits=200).subtract(found(1)["b1"], Ball(bits=200).array([20]))[0])
    assert abs(moved / expected - 1) < 1e-6


def test_steps_are_limited():
    found = flow(mlp([1, 1], bias=False), MSE, ONE, {"W1": [[1]]}, 100, max_steps=2)
    assert isinstance(found, FlowFailure)
    assert found.reason == "too many steps"


def test_growth_is_paid_with_digits():
    # w' = 2 w from 1/3, which no ball holds exactly: e^40 takes 18 digits more
    net = scalar_net(lambda p, x: (x @ p["w"]) ** 2)
    third = {"w": [[Fraction(1, 3)]]}
    found = flow(net, lambda y, target: 0 * y - 1, ONE, third, 20, digits=20)
    assert isinstance(found, Flow)
    with flint.ctx.workprec(300):
        ball, expected = found(20)["w"][0, 0], arb(40).exp() / 3
    assert ball.contains(expected)
    assert ball.rad() < 1e-20


def test_a_start_within_a_ball_stays_within_the_moved_ball():
    net = mlp([1, 1], bias=False)  # w' = -w
    found = flow(net, MSE, ONE, {"W1": [[arb(1, 0.0001)]]}, 2, digits=3)
    assert isinstance(found, Flow)
    with flint.ctx.workprec(100):
        ball = found(2)["W1"][0, 0]
        assert ball.contains(arb(1, 0.0001).upper() * arb(-2).exp())
        assert ball.rad() < 2e-5  # contracted by e^-2


def test_wrong_input_is_named():
    net = mlp([1, 1], bias=False)
    with pytest.raises(ShapeError, match="'W1' is missing"):
        flow(net, MSE, ONE, {}, 1)
    with pytest.raises(ShapeError, match=r"start\['W1'\] has shape \(1,\)"):
        flow(net, MSE, ONE, {"W1": [1]}, 1)
    with pytest.raises(ValueSystemError, match="both are positive"):
        flow(net, MSE, ONE, {"W1": [[1]]}, 0)
    with pytest.raises(ValueSystemError, match="its adjoint is"):
        flow(net, lambda y, target: y[0], ONE, {"W1": [[1]]}, 1)
    found = flow(net, MSE, ONE, {"W1": [[1]]}, 1)
    assert isinstance(found, Flow)
    with pytest.raises(ValueSystemError, match="known for 0 <= t <= 1"):
        found(2)


def cloned_pair():
    net = mlp([1, 2, 1], "tanh", bias=False)
    manifold = equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    data = Task("d", np.array([[1.0], [0.5]]), np.array([[1.0], [-1.0]]))
    return net, manifold, data


def test_a_cloned_start_stays_and_a_neighbour_leaves():
    net, manifold, data = cloned_pair()
    third = Fraction(1, 3)
    on = flow(net, MSE, data, {"W1": [[third, third]], "W2": [[third], [third]]}, 2, digits=30)
    off = flow(net, MSE, data, {"W1": [[third, 0.25]], "W2": [[third], [third]]}, 2, digits=30)
    assert isinstance(on, Flow)
    assert isinstance(off, Flow)
    kept, left = (distance(manifold, f(2), f.bits) for f in (on, off))
    assert kept.contains(0)
    assert kept < 1e-29
    assert left > 0.01


def test_a_crossing_is_enclosed():
    net = Architecture(
        lambda p, x: x @ p["W1"] @ p["W2"],
        sizes={"x": 1, "h1": 2, "y": 1},
        parameters={"W1": ("x", "h1"), "W2": ("h1", "y")},
    )
    manifold = equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    # W2 = 0 and no error: the difference of W1's entries stays
    data = Task("d", np.array([[1.0]]), np.array([[0.0]]))
    still = flow(net, MSE, data, {"W1": [[1, -1]], "W2": [[0], [0]]}, 1)
    assert isinstance(still, Flow)
    assert crossing(still, manifold, 1) is None
    # W1 = (a, -a), W2 = (a, -a): a' = a (1 - 2a²) grows from 1/10, its distance is 2a
    data = Task("d", np.array([[1.0]]), np.array([[1.0]]))
    start = {"W1": [["0.1", "-0.1"]], "W2": [["0.1"], ["-0.1"]]}
    moving = flow(net, MSE, data, start, 5, digits=20)
    assert isinstance(moving, Flow)
    found = crossing(moving, manifold, 1, tolerance=1e-9)
    assert isinstance(found, Crossing)
    # a² = 1 / (2 + 98 e^{-2t}) is 1/4 at t = ln(49) / 2
    expected = np.log(49) / 2
    assert found.upwards
    assert found.before - 1e-9 < expected < found.after + 1e-9
    assert found.after - found.before <= Fraction(1, 10**9) * Fraction(1.0000001)
