from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.losses import CROSS_ENTROPY, MSE, Loss
from numerics.tasks import Task
from numerics.train import Sgd, Weights, accuracy, initial_parameters, minibatches
from theory.architecture import Architecture
from theory.errors import ShapeError, ValueSystemError
from theory.manifold import equitable
from theory.partition import make_partition
from theory.zoo import decoder, mlp

NET = mlp([3, 5, 2], "tanh")
RNG = np.random.default_rng(0)
TASK = Task("random", RNG.normal(size=(12, 3)), np.eye(2)[RNG.integers(0, 2, 12)])


def explicit_step(w: Weights, task: Task, chosen: Any, loss: Loss, rate: float) -> Weights:
    """One step for h = tanh(x W1 + b1), y = h W2 + b2, by the chain rule."""
    x, target = task.x[chosen], task.y[chosen]
    h = np.tanh(x @ w["W1"] + w["b1"])
    y = h @ w["W2"] + w["b2"]
    if loss is MSE:
        d = (y - target) / len(x)
    else:
        e = np.exp(y)
        d = (e / e.sum(axis=1, keepdims=True) - target) / len(x)
    back = (d @ w["W2"].T) * (1 - h**2)
    slopes = {"W1": x.T @ back, "b1": back.sum(axis=0), "W2": h.T @ d, "b2": d.sum(axis=0)}
    return {p: w[p] - rate * g for p, g in slopes.items()}


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_steps_are_those_of_the_chain_rule(loss):
    start = initial_parameters(NET, seed=1)
    expected = start
    for chosen in minibatches(12, 5, steps=4, seed=7):
        expected = explicit_step(expected, TASK, chosen, loss, 0.3)
    found = Sgd(NET, loss, rate=0.3, batch_size=5).run(start, TASK, steps=4, seed=7)
    for p, w in found.items():
        assert w == pytest.approx(expected[p], rel=1e-12, abs=1e-14)
        assert not np.array_equal(w, start[p])


def test_an_ensemble_is_trained_as_its_members():
    sgd = Sgd(NET, CROSS_ENTROPY, rate=0.5, batch_size=4)
    start = initial_parameters(NET, seed=2, ensemble=(3,))
    together = sgd.run(start, TASK, steps=6, seed=1)
    for k in range(3):
        alone = sgd.run({p: w[k] for p, w in start.items()}, TASK, steps=6, seed=1)
        for p, w in alone.items():
            assert together[p][k] == pytest.approx(w, rel=1e-12, abs=1e-14)
    hits = accuracy(NET, together, TASK)
    assert hits.shape == (3,)
    assert hits.tolist() == [
        float(accuracy(NET, {p: w[k] for p, w in together.items()}, TASK)) for k in range(3)
    ]


def test_runs_are_reproducible_and_leave_the_start_alone():
    sgd = Sgd(NET, MSE, rate=0.1, batch_size=3)
    start = initial_parameters(NET, seed=0)
    before = {p: w.copy() for p, w in start.items()}
    runs = [sgd.run(start, TASK, steps=5, seed=seed) for seed in (4, 4, 5)]
    assert all(np.array_equal(start[p], before[p]) for p in start)
    assert all(np.array_equal(runs[0][p], runs[1][p]) for p in start)
    assert not np.array_equal(runs[0]["W1"], runs[2]["W1"])


def test_no_steps_change_nothing():
    start = initial_parameters(NET, seed=0)
    found = Sgd(NET, MSE, rate=0.1, batch_size=3).run(start, TASK, steps=0, seed=0)
    assert all(np.array_equal(found[p], start[p]) for p in start)
    assert all(found[p] is not start[p] for p in start)


def test_the_watcher_sees_every_step_before_the_update():
    seen: list[tuple[int, Any, Any]] = []

    def watch(step: int, weights: Weights, slopes: Weights) -> None:
        seen.append((step, weights["W2"].copy(), np.array(slopes["W2"])))

    found = Sgd(NET, MSE, rate=0.25, batch_size=6).run(
        initial_parameters(NET, seed=0), TASK, steps=3, seed=0, watch=watch
    )
    assert [step for step, _, _ in seen] == [0, 1, 2]
    later = [w for _, w, _ in seen[1:]] + [found["W2"]]
    for (_, weight, slope), after in zip(seen, later, strict=True):
        assert after == pytest.approx(weight - 0.25 * slope, rel=1e-14, abs=1e-16)


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_training_lowers_the_loss(loss):
    sgd = Sgd(NET, loss, rate=0.2, batch_size=12)
    losses: list[float] = []

    def value(w: Weights) -> float:
        h = np.tanh(TASK.x @ w["W1"] + w["b1"])
        return float(loss.value(h @ w["W2"] + w["b2"], TASK.y))

    sgd.run(
        initial_parameters(NET, seed=0),
        TASK,
        steps=30,
        seed=0,
        watch=lambda step, w, slopes: losses.append(value(w)),
    )
    assert losses == sorted(losses, reverse=True)


def test_training_keeps_clones():
    """What the exact check proves, in floating point: rounding alone leaves the manifold."""
    clones = make_partition(NET.sizes, {"h1": [[0, 1, 4]]})
    manifold = equitable(NET, clones)
    start = manifold.project(initial_parameters(NET, seed=3))
    found = Sgd(NET, CROSS_ENTROPY, rate=0.5, batch_size=4).run(start, TASK, steps=40, seed=0)
    assert float(manifold.distance(found)) <= 1e-13
    assert max(abs(found[p] - start[p]).max() for p in start) > 0.1


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY], ids=lambda loss: loss.name)
def test_divergence_is_an_error(loss):
    net = mlp([3, 5, 2], "relu")
    sgd = Sgd(net, loss, rate=1e200, batch_size=4)
    with pytest.raises(ValueSystemError, match=r"is not finite after 40 steps: lower the rate$"):
        sgd.run(initial_parameters(net, seed=0), TASK, steps=40, seed=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_by_name(value):
    sgd = Sgd(NET, MSE, rate=0.1, batch_size=4)
    start = initial_parameters(NET, seed=0)
    start["b1"][3] = value
    with pytest.raises(ValueSystemError, match=rf"^b1: entry \(3,\) is {value}: numbers must be"):
        sgd.run(start, TASK, steps=1, seed=0)
    bad = TASK.x.copy()
    bad[2, 1] = value
    good = initial_parameters(NET, seed=0)
    with pytest.raises(ValueSystemError, match=rf"^x: entry \(2, 1\) is {value}: "):
        sgd.run(good, Task("bad", bad, TASK.y), steps=1, seed=0)
    with pytest.raises(ValueSystemError, match=rf"^y: entry \(2, 1\) is {value}: "):
        sgd.run(good, Task("bad", TASK.x, bad), steps=1, seed=0)


def test_weights_of_another_shape_are_refused():
    start = initial_parameters(NET, seed=0) | {"W1": np.zeros((3, 4))}
    with pytest.raises(ShapeError, match=r"^'W1' has shape \(3, 4\), expected \(3, 5\)"):
        Sgd(NET, MSE, rate=0.1, batch_size=4).run(start, TASK, steps=1, seed=0)


@given(st.integers(1, 20), st.data())
def test_every_epoch_visits_every_full_batch_once(samples, data):
    size = data.draw(st.integers(1, samples))
    epoch = samples // size
    found = list(minibatches(samples, size, steps=3 * epoch, seed=1))
    for k in range(3):
        visited = np.concatenate(found[k * epoch : (k + 1) * epoch])
        assert len(visited) == len(set(visited.tolist())) == epoch * size
        assert set(visited.tolist()) <= set(range(samples))
    again = list(minibatches(samples, size, steps=3 * epoch, seed=1))
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))


@pytest.mark.parametrize("size", [0, 13])
def test_a_batch_that_the_data_do_not_fill_is_refused(size):
    with pytest.raises(ValueSystemError, match=rf"^batch_size={size}: it needs 1 <= size <= 12$"):
        next(minibatches(12, size, steps=1, seed=0))


def test_initial_weights_have_the_variance_of_their_fan_in():
    net = Architecture(
        lambda p, x: np.tanh(np.einsum("bi,ijk->bjk", x, p["W"]) + p["b"]).sum(axis=2) @ p["V"].T,
        sizes={"x": 50, "h": 40, "k": 10, "y": 30},
        parameters={"W": ("x", "h", "k"), "b": ("k",), "V": ("y", "h")},
    )
    found = initial_parameters(net, seed=0, ensemble=(20,))
    assert {p: w.shape[1:] for p, w in found.items()} == net.parameter_shapes
    assert not found["b"].any()
    for p, fan_in in (("W", 50), ("V", 40)):
        n = found[p].size
        assert abs(found[p].var() * fan_in - 1) <= 5 * np.sqrt(2 / n)
        assert abs(found[p].mean()) <= 5 / np.sqrt(n * fan_in)
    again = initial_parameters(net, seed=0, ensemble=(20,))
    assert all(np.array_equal(found[p], again[p]) for p in found)
    assert not np.array_equal(found["W"], initial_parameters(net, seed=1, ensemble=(20,))["W"])


def test_accuracy_counts_the_largest_output():
    net = mlp([2, 2], bias=False)
    task = Task(
        "identity", np.array([[3.0, 1], [1, 3], [5, 4]]), np.array([[1, 0], [0, 1], [0, 1]])
    )
    assert float(accuracy(net, {"W1": np.eye(2)}, task)) == pytest.approx(2 / 3)


def test_tied_weights_start_by_their_first_use():
    """An embedding that is read again at the outputs: its fan-in is that of the first use."""
    net = decoder(11, 2, 1, 4, 1, 4)
    embedding = initial_parameters(net, 0, (2000,))["E"]
    assert embedding.shape == (2000, 11, 4)
    deviation = 1 / np.sqrt(11)
    error_of_mean_square = deviation**2 * np.sqrt(2 / embedding.size)
    assert abs(np.mean(embedding**2) - deviation**2) < 6 * error_of_mean_square
