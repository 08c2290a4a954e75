"""Escape times of ensembles: closed forms, points of rest, training of each member alone."""

import numpy as np
import pytest

from numerics.losses import MSE
from numerics.tasks import Task
from numerics.train import initial_parameters, loss_and_gradient, train
from numerics.transverse.escape_time import (
    escape_steps,
    escape_time,
    linear_escape_steps,
    resting_targets,
)
from numerics.transverse.normal_space import normal_space
from numerics.transverse.resting_clones import resting_clones
from theory.errors import ShapeError, ValueSystemError
from theory.manifold import equitable
from theory.optimizer import heavy_ball, sgd
from theory.partition import make_partition
from theory.zoo import mlp

BLOCKS = {"h1": [[0, 1], [2, 3, 4]]}


def clones(members=4, **options):
    options = {"samples": 12, "errors": 1.5, "seed": 3} | options
    return resting_clones([2, 2, 2], BLOCKS, "tanh", members=members, **options)


def test_growth_to_a_threshold():
    assert escape_time(2.0, 1e-6, 1e-2) == pytest.approx(np.log(1e4) / 2)
    assert escape_time(0.0, 1e-6, 1e-2) == np.inf
    assert escape_time(1.0, 1.0, 1e-2) == 0
    with pytest.raises(ValueSystemError, match="both are positive"):
        escape_time(1.0, 0.0, 1.0)


def test_linear_steps_of_one_mode():
    hessians, directions = np.array([[[-0.5]], [[0.5]]]), np.array([[1e-6], [1e-6]])
    found = linear_escape_steps(hessians, directions, rate=0.2, threshold=1e-3, most=1e4)
    assert found[0] == pytest.approx(np.log(1e3) / np.log(1.1), rel=1e-12)
    assert found[1] == np.inf


def test_linear_steps_of_two_modes_by_stepping():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(3, 4, 4))
    hessians = half + half.swapaxes(1, 2)
    directions = 1e-5 * rng.normal(size=(3, 4))
    found = linear_escape_steps(hessians, directions, rate=0.05, threshold=1e-2, most=1e4)
    for k in range(3):
        v, step = directions[k], 0
        while np.linalg.norm(v) < 1e-2:
            v, step = v - 0.05 * hessians[k] @ v, step + 1
        assert step - 1 < found[k] <= step


def test_rest_has_no_gradient_for_base_and_clones():
    found = clones()
    for k in range(len(found)):
        task = Task("rest", found.x[k], found.target[k])
        for net, theta in ((found.base, found.parameters), (found.wide, found.rest)):
            loss, slopes = loss_and_gradient(net, MSE, {p: w[k] for p, w in theta.items()}, task)
            assert max(np.abs(g).max() for g in slopes.values()) < 1e-13
            assert loss > 0.05


def test_targets_with_a_given_gradient():
    rng = np.random.default_rng(1)
    net = mlp([2, 2, 1], "tanh")
    theta = initial_parameters(net, 0, ensemble=(3,))
    wanted = {p: rng.normal(size=w.shape) for p, w in theta.items()}
    x = rng.normal(size=(3, 12, 2))
    target = resting_targets(net, theta, x, rng.normal(size=(3, 12, 1)), wanted)
    for k in range(3):
        _, slopes = loss_and_gradient(
            net, MSE, {p: w[k] for p, w in theta.items()}, Task("t", x[k], target[k])
        )
        assert all(np.allclose(slopes[p], wanted[p][k], atol=1e-10) for p in slopes)


def test_dependent_gradients_have_no_targets():
    net = mlp([1, 2, 1], "tanh", bias=False)
    zeros = {p: np.zeros((1, *s)) for p, s in net.parameter_shapes.items()}
    with pytest.raises(ValueSystemError, match="full column rank"):
        resting_targets(net, zeros, np.ones((1, 5, 1)), np.ones((1, 5, 1)))


def test_the_normal_hessian_is_linear_in_the_errors():
    found = clones()
    factors = np.array([2.0, -1.0, 0.0, 0.5])
    scaled = found.scaled(factors).normal_hessians()
    assert np.allclose(scaled, factors[:, None, None] * found.normal_hessians(), atol=1e-12)


def test_chosen_members():
    found = clones()
    some = found.chosen(np.array([True, False, True, False]))
    assert len(some) == 2
    assert np.allclose(some.normal_hessians(), found.normal_hessians()[[0, 2]], atol=1e-13)
    assert np.allclose(some.tangent_eigenvalues(), found.tangent_eigenvalues()[[0, 2]], atol=1e-12)


@pytest.mark.parametrize("rule", [sgd(), heavy_ball()])
def test_members_escape_as_they_do_alone(rule):
    found = clones()
    rule = rule.with_hyperparameters(rate=0.05)
    start, directions = found.perturbed(1e-4, 5)
    assert np.allclose(np.linalg.norm(directions, axis=1), 1e-4)
    seen = escape_steps(
        found.wide, rule, MSE, start, found.x, found.target, found.space, threshold=1e-3, most=3000
    )
    manifold = equitable(found.wide, make_partition(found.wide.sizes, BLOCKS))
    for k in range(len(found)):
        assert np.isfinite(seen.steps[k])
        run = train(
            *(found.wide, rule, MSE, {p: w[k] for p, w in start.items()}),
            Task("alone", found.x[k], found.target[k]),
            steps=int(np.ceil(seen.steps[k])),
            record=1,
        )
        distances = [float(manifold.distance(theta)) for theta in run.trajectory]
        assert distances[-2] <= 1e-3 < distances[-1]


def test_nobody_escapes_below_the_first_step():
    found = clones()
    start, _ = found.perturbed(1e-2, 5)
    seen = escape_steps(
        found.wide, sgd(), MSE, start, found.x, found.target, found.space, threshold=1e-3, most=1
    )
    assert (seen.steps == 0).all()
    seen = escape_steps(
        found.wide, sgd(), MSE, start, found.x, found.target, found.space, threshold=1e3, most=1
    )
    assert np.isinf(seen.steps).all()


def test_divergence_is_an_error():
    found = clones()
    start, _ = found.perturbed(1e-2, 5)
    rule = sgd().with_hyperparameters(rate=100)
    with pytest.raises(ValueSystemError, match="lower the rate"):
        escape_steps(
            found.wide,
            rule,
            MSE,
            start,
            found.x,
            found.target,
            found.space,
            threshold=1e300,
            most=2000,
        )


def test_blocks_are_the_base_network_s_units():
    with pytest.raises(ShapeError, match="3 units"):
        resting_clones([2, 3, 2], BLOCKS, "tanh", members=1, samples=12, errors=1.0, seed=0)


def test_the_normal_space_of_a_point_is_everything():
    net = mlp([1, 2, 1], bias=False)
    flat = equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    space = normal_space(flat)
    rng = np.random.default_rng(0)
    theta = {p: rng.normal(size=(5, *s)) for p, s in net.parameter_shapes.items()}
    assert np.allclose(
        np.linalg.norm(space.flat(theta, 1) @ space.basis, axis=1), flat.distance(theta)
    )
    again = space.tensors(space.flat(theta, 1))
    assert all((again[p] == theta[p]).all() for p in theta)
