"""Linearised steps across invariant sets: fixed points in closed form, paths against training."""

import numpy as np
import pytest

from numerics.losses import CROSS_ENTROPY, MSE
from numerics.tasks import Task
from numerics.train import initial_parameters, train
from numerics.transverse.dynamics import TransverseDynamics, runge_kutta, transverse_exponents
from numerics.transverse.escape import transverse_eigenvalues
from numerics.transverse.lyapunov import random_frame
from numerics.transverse.normal_space import normal_hessians, normal_space
from theory.errors import OptimizerError, ShapeError, ValueSystemError
from theory.manifold import block_constant, equitable
from theory.optimizer import adafactor, heavy_ball, heavy_ball_l2, noisy_sgd, sgd
from theory.partition import make_partition
from theory.widening import widen
from theory.zoo import mlp

RATE = 0.1


def at_rest():
    """A tanh network 2-2-2 with a pair of clones, all weights 0, and its data: λ = ±s."""
    net = mlp([2, 2, 2], "tanh", bias=False)
    clones = equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    x = np.array([[2.0, 0.0], [0.0, 1.0]])
    task = Task("t", x, np.array([[2.0, 0.0], [0.0, 1.5]]))  # s = 2 and 3/4
    theta = {p: np.zeros(s) for p, s in net.parameter_shapes.items()}
    return net, clones, task, theta


def random_case(seed=0):
    net = mlp([2, 4, 3, 2], "tanh")
    clones = make_partition(net.sizes, {"h1": [[0, 2], [1, 3]], "h2": [[0, 1, 2]]})
    rng = np.random.default_rng(seed)
    task = Task("t", rng.normal(size=(12, 2)), rng.normal(size=(12, 2)))
    start = equitable(net, clones).project(initial_parameters(net, seed))
    return net, clones, task, start


def found_exponents(rule, *, time=1.0, steps=20, discard=300):
    net, clones, task, theta = at_rest()
    dynamics = TransverseDynamics(net, rule.with_hyperparameters(rate=RATE), MSE, task, clones)
    found = transverse_exponents(
        dynamics, theta, steps=steps, discard=discard, count=dynamics.dimension, time=time
    )
    return found.values[0], transverse_eigenvalues(net, task, theta, clones)


def test_gradient_descent_at_rest():
    found, eigenvalues = found_exponents(sgd())
    expected = np.sort(np.log(np.abs(1 - RATE * eigenvalues)))[::-1]
    assert eigenvalues[0] < -0.1
    assert np.allclose(found, expected, atol=1e-12)


def test_flow_at_rest():
    found, eigenvalues = found_exponents(runge_kutta(), time=RATE)
    z = -RATE * eigenvalues
    growth = 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24
    assert np.allclose(found, np.sort(np.log(growth) / RATE)[::-1], atol=1e-11)
    assert np.allclose(found, np.sort(-eigenvalues)[::-1], atol=1e-4)


def test_heavy_ball_at_rest():
    found, eigenvalues = found_exponents(heavy_ball())
    companions = [[[1 - RATE * e, -RATE * 0.9], [e, 0.9]] for e in eigenvalues]
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(companions))).ravel())[::-1]
    # the top one; complex pairs stretch unevenly within a period
    assert found[0] == pytest.approx(expected[0], abs=1e-12)
    assert found.sum() == pytest.approx(expected.sum(), abs=1e-10)


@pytest.mark.parametrize("rule", [sgd(), heavy_ball_l2()])
@pytest.mark.parametrize("batch", [4, None])
def test_the_product_is_the_derivative_of_training(rule, batch):
    net, clones, task, start = random_case()
    manifold = equitable(net, clones)
    rule = rule.with_hyperparameters(rate=0.05)
    dynamics = TransverseDynamics(net, rule, MSE, task, manifold, batch)
    frame = random_frame(np.random.default_rng(1), (1,), dynamics.dimension, 2)
    frame[:, dynamics.space.codimension :] = 0  # the state starts at 0
    end = frame
    for step in dynamics.maps(start, 30, (7,)):
        end = step(end)
    h = 1e-5
    moved = dynamics.space.tensors(
        frame[0, : dynamics.space.codimension].T @ dynamics.space.basis.T
    )
    options = {"steps": 30, "batch_size": batch, "seed": 7}
    after = [
        train(net, rule, MSE, {p: start[p] + s * moved[p] for p in start}, task, **options)
        for s in (h, -h)
    ]
    difference = {p: (after[0].parameters[p] - after[1].parameters[p]) / (2 * h) for p in start}
    coordinates = dynamics.space.flat(difference, 1) @ dynamics.space.basis
    assert np.allclose(coordinates.T, end[0, : dynamics.space.codimension], atol=1e-7)
    assert np.abs(coordinates.T - frame[0, : dynamics.space.codimension]).max() > 0.01


def test_each_seed_has_its_own_path():
    net, clones, task, start = random_case()
    manifold = block_constant(net, clones)
    start = manifold.project(start)
    dynamics = TransverseDynamics(net, sgd(), CROSS_ENTROPY, task_of_classes(task), manifold, 3)
    together = transverse_exponents(dynamics, start, steps=20, seeds=(3, 4))
    assert together.values.shape == (2, 1)
    assert together.values[0] != together.values[1]
    stacked = {p: np.stack([w, w]) for p, w in start.items()}
    again = transverse_exponents(dynamics, stacked, steps=20, seeds=(3, 4))
    assert (together.values == again.values).all()


def task_of_classes(task):
    return Task("classes", task.x, np.eye(2)[(task.y[:, 0] > 0).astype(int)])


def test_the_path_stays_where_rounding_would_leave():
    net, clones, task, _ = at_rest()
    rule = sgd().with_hyperparameters(rate=0.5)
    base = mlp([2, 1, 2], "tanh", bias=False)
    start = {p: 1e-3 * np.ones(s) for p, s in base.parameter_shapes.items()}
    start = widen(net, make_partition(net.sizes, {"h1": [[0, 1]]}), start)
    dynamics = TransverseDynamics(net, rule, MSE, task, clones)
    path = []

    def watched(maps):
        for step in maps:
            yield step
            path.append(1)

    frame = random_frame(np.random.default_rng(0), (1,), dynamics.dimension, 1)
    for step in watched(dynamics.maps(start, 50, (0,))):
        frame = step(frame)
    assert len(path) == 50
    assert np.linalg.norm(frame) > 10


def test_normal_hessians_of_members_with_their_own_data():
    rng = np.random.default_rng(3)
    net, clones, _, _ = random_case()
    manifold = equitable(net, clones)
    members = manifold.project(initial_parameters(net, 1, ensemble=(3,)))
    x, target = rng.normal(size=(3, 6, 2)), rng.normal(size=(3, 6, 2))
    found = normal_hessians(net, MSE, members, x, target, normal_space(manifold))
    for k in range(3):
        theta = {p: w[k] for p, w in members.items()}
        expected = transverse_eigenvalues(net, Task("t", x[k], target[k]), theta, manifold)
        assert np.allclose(np.linalg.eigvalsh(found[k]), expected, atol=1e-13)


def test_errors_name_the_entry():
    net, clones, task, theta = at_rest()
    for rule in (noisy_sgd(), adafactor()):
        with pytest.raises(OptimizerError, match="without noise"):
            TransverseDynamics(net, rule, MSE, task, clones)
    dynamics = TransverseDynamics(net, sgd(), MSE, task, clones)
    with pytest.raises(ShapeError, match="leading axes"):
        transverse_exponents(
            dynamics, {p: w[None] for p, w in theta.items()}, steps=20, seeds=(1, 2)
        )
    off = {**theta, "W1": np.arange(4.0).reshape(2, 2)}
    with pytest.raises(ValueSystemError, match="off IE"):
        transverse_exponents(dynamics, off, steps=20)
    wild = TransverseDynamics(net, sgd().with_hyperparameters(rate=100), MSE, task, clones)
    ones = {p: np.ones_like(w) for p, w in theta.items()}
    with pytest.raises(ValueSystemError, match="diverges"):
        transverse_exponents(wild, ones, steps=2000)
