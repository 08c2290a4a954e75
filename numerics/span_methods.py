"""Methods whose steps are combinations of gradients, run in float64 from a point of a leaf (E7).

Their coefficients depend on losses and inner products of everything met so far, so they are not
rules for one tensor; SciPy's are taken as they are.
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from scipy.optimize import minimize

from numerics.losses import MSE
from numerics.step_drift import network, task
from numerics.systems.system import Array
from numerics.train import Weights, initial_parameters, loss_and_gradient, train
from theory.errors import OptimizerError
from theory.manifold import block_constant, equitable
from theory.optimizer import sgd
from theory.zoo import mlp

METHODS = ("steepest descent", "CG", "L-BFGS", "averaged SGD")
ITERATIONS = 100


def distance_from_leaf(method: str, *, seed: int = 0) -> float:
    """The part of the whole step normal to the leaf, relative to the step.

    Args:
        method: one of ``METHODS``: steepest descent with a line search by halving; CG (Polak and
            Ribière) and L-BFGS of SciPy; the mean of all points of SGD.
        seed: of the start.

    Raises:
        OptimizerError: if there is no such method.

    >>> distance_from_leaf("CG") < 1e-9
    True
    """
    widths, clones = tuple(network()[0].sizes.values()), network()[1]
    net = mlp(widths, "tanh")
    start = equitable(net, clones).project(initial_parameters(net, seed))
    match method:
        case "averaged SGD":
            run = train(net, sgd(), MSE, start, task(), steps=ITERATIONS, batch_size=8, record=1)
            end = {p: np.mean([w[p] for w in run.trajectory], axis=0) for p in start}
        case "steepest descent":
            end = _steepest_descent(net, start)
        case "CG" | "L-BFGS":
            end = _by_scipy(net, start, "L-BFGS-B" if method == "L-BFGS" else method)
        case _:
            raise OptimizerError(f"method={method!r}: one of {', '.join(METHODS)}")
    step = {p: end[p] - start[p] for p in start}
    return _norm(block_constant(net, clones).normal_part(step)) / _norm(step)


def _steepest_descent(net: Any, start: Weights) -> Weights:
    """The step doubles after each success and is halved until the loss falls."""
    theta, rate = start, 1.0
    for _ in range(ITERATIONS):
        value, g = loss_and_gradient(net, MSE, theta, task())
        while True:
            tried = {p: w - rate * g[p] for p, w in theta.items()}
            if loss_and_gradient(net, MSE, tried, task())[0] < value or rate < 1e-12:
                break
            rate /= 2
        theta, rate = tried, 2 * rate
    return theta


def _by_scipy(net: Any, start: Weights, method: str) -> Weights:
    shapes = {p: w.shape for p, w in start.items()}
    bounds = np.cumsum([w.size for w in start.values()])[:-1]

    def unpacked(vector: Array) -> Weights:
        parts = np.split(vector, bounds)
        return {p: part.reshape(shapes[p]) for p, part in zip(shapes, parts, strict=True)}

    def objective(vector: Array) -> tuple[float, Array]:
        value, g = loss_and_gradient(net, MSE, unpacked(vector), task())
        return float(value), np.concatenate([g[p].ravel() for p in shapes])

    vector = np.concatenate([w.ravel() for w in start.values()])
    found = minimize(objective, vector, jac=True, method=method, options={"maxiter": ITERATIONS})
    return unpacked(found.x)


def _norm(arrays: Weights) -> float:
    return sqrt(sum(float(np.sum(a * a)) for a in arrays.values()))
