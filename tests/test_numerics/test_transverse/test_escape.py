"""Escape of GD: points of rest, transverse eigenvalues, steps against closed forms."""

from fractions import Fraction
from math import ceil, log
from typing import Any

import numpy as np
import pytest

from numerics.losses import MSE
from numerics.systems.ball import Ball
from numerics.systems.float64 import Float64
from numerics.systems.multiprecision import MultiPrecision
from numerics.tasks import Task
from numerics.train import loss_and_gradient
from numerics.transverse.escape import escape_step, resting_task, transverse_eigenvalues
from theory.errors import ValueSystemError
from theory.manifold import equitable
from theory.partition import make_partition
from theory.zoo import mlp

ONE = Task("one", np.array([[1.0]]), np.array([[1.0]]))


def pair():
    """y = w1 v1 + w2 v2, whose clones at 0 escape: on w = v a step multiplies w1 - w2 by 1 + η."""
    net = mlp([1, 2, 1], "tanh", bias=False)
    return net, equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))


def apart(epsilon):
    return {"W1": [[epsilon, -epsilon]], "W2": [[epsilon], [-epsilon]]}


def test_at_rest_there_is_no_gradient():
    rng = np.random.default_rng(0)
    net = mlp([2, 2, 1], "tanh")
    theta = {p: rng.integers(-4, 5, size=s) / 4 for p, s in net.parameter_shapes.items()}
    x, errors = rng.integers(-4, 5, size=(12, 2)) / 2, rng.integers(-2, 3, size=(12, 1))
    task = resting_task(net, theta, x, errors, bits=120)
    task = Task("in float64", task.x.astype(float), task.y.astype(float))
    loss, slopes = loss_and_gradient(net, MSE, theta, task)
    assert max(np.abs(g).max() for g in slopes.values()) < 1e-14
    assert loss > 0.01


def test_a_point_with_dependent_gradients_has_no_resting_task():
    net = mlp([1, 2, 1], "tanh", bias=False)
    with pytest.raises(ValueSystemError, match="no full column rank"):
        resting_task(net, apart(0), [[1], [2], [3], [4], [5]], [[1]] * 5, bits=80)


def test_transverse_eigenvalues_against_finite_differences():
    rng = np.random.default_rng(1)
    net = mlp([2, 3, 2], "tanh")
    manifold = equitable(net, make_partition(net.sizes, {"h1": [[0, 1, 2]]}))
    theta = manifold.project({p: rng.normal(size=s) for p, s in net.parameter_shapes.items()})
    task = Task("t", rng.normal(size=(4, 2)), rng.normal(size=(4, 2)))
    found = transverse_eigenvalues(net, task, theta, manifold)
    # the quadratic form along random normal directions lies between the extreme eigenvalues
    for _ in range(20):
        drawn = {p: rng.normal(size=s) for p, s in net.parameter_shapes.items()}
        normal = manifold.normal_part({p: theta[p] + drawn[p] for p in drawn})
        length = np.sqrt(sum(np.sum(n * n) for n in normal.values()))
        h = 1e-3
        ahead, here, behind = (
            loss_and_gradient(
                net, MSE, {p: theta[p] + s * n / length for p, n in normal.items()}, task
            )[0]
            for s in (h, 0.0, -h)
        )
        curvature = (ahead - 2 * here + behind) / h**2
        assert found[0] - 1e-4 < curvature < found[-1] + 1e-4  # h² and rounding / h²
    assert len(found) == manifold.codimension


@pytest.mark.parametrize("digits", [6, 12, 24])
def test_steps_of_a_linear_escape(digits):
    net, manifold = pair()
    eta, threshold = Fraction(1, 4), Fraction(1, 10**4)
    small = Fraction(1, 10**digits)
    found = escape_step(
        net, ONE, apart(small), manifold, rate=eta, threshold=threshold, system=Ball(600), most=400
    )
    # the distance is 2ε (1 + η)^n, up to its cube
    assert found == ceil(log(float(threshold) / 2 / float(small)) / log(1.25))


def test_rounded_numbers_agree_where_the_error_is_large():
    net, manifold = pair()
    given: Any = {"rate": Fraction(1, 4), "threshold": Fraction(1, 100), "most": 200}
    start = apart(Fraction(1, 10**6))
    found = [
        escape_step(net, ONE, start, manifold, system=s, **given)
        for s in (Ball(300), MultiPrecision(20), Float64())
    ]
    assert found == [39, 39, 39]


def test_no_escape():
    net, manifold = pair()
    given: Any = {"rate": Fraction(1, 4), "threshold": Fraction(1, 100), "most": 200}
    assert escape_step(net, ONE, apart(0), manifold, system=Float64(), **given) is None
    # balls that are too wide decide nothing
    assert (
        escape_step(net, ONE, apart(Fraction(1, 10**6)), manifold, system=Ball(8), **given) is None
    )
