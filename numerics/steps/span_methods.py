"""Methods whose steps are combinations of gradients, run in float64 from a point of a leaf (E7).

Their coefficients depend on losses and inner products of everything met so far, so they are not
rules for one tensor; SciPy's are taken as they are.
"""

from __future__ import annotations

from functools import cache
from math import sqrt

import numpy as np
from scipy.optimize import minimize

from numerics.evaluate import Evaluator
from numerics.losses import MSE
from numerics.steps.drift import network, task
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from numerics.train import Weights, initial_parameters, train
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import OptimizerError
from theory.manifold import block_constant, equitable
from theory.optimizer import sgd_l2
from theory.zoo import mlp

METHODS = ("steepest descent", "CG", "L-BFGS", "averaged SGD")
ITERATIONS = 50


def distance_from_leaf(method: str, *, decay: float = 0.0, seed: int = 0) -> float:
    """The part of the whole step normal to the leaf, relative to the step.

    The loss is mean squared error and ½ λ ‖θ‖², whose gradient is not tangent.

    Args:
        method: one of ``METHODS``: steepest descent with a line search by halving; CG (Polak and
            Ribière) and L-BFGS of SciPy; the mean of all points of SGD.
        decay: λ.
        seed: of the start.

    Raises:
        OptimizerError: if there is no such method.

    >>> distance_from_leaf("CG") < 1e-9
    True
    """
    (net, _, _), clones = _prepared(), network()[1]
    start = equitable(net, clones).project(initial_parameters(net, seed))
    match method:
        case "averaged SGD":
            rule = sgd_l2().with_hyperparameters(decay=decay)
            run = train(net, rule, MSE, start, task(), steps=ITERATIONS, batch_size=8, record=1)
            end = {p: np.mean([w[p] for w in run.trajectory], axis=0) for p in start}
        case "steepest descent":
            end = _steepest_descent(start, decay)
        case "CG" | "L-BFGS":
            end = _by_scipy(start, decay, "L-BFGS-B" if method == "L-BFGS" else method)
        case _:
            raise OptimizerError(f"method={method!r}: one of {', '.join(METHODS)}")
    step = {p: end[p] - start[p] for p in start}
    return _norm(block_constant(net, clones).normal_part(step)) / _norm(step)


@cache
def _prepared() -> tuple[Architecture, Evaluator, Evaluator]:
    """The network of :mod:`numerics.steps.drift` with tanh, its outputs and its gradient."""
    net = mlp(tuple(network()[0].sizes.values()), "tanh")
    forward = net.graph(len(task().x))
    return net, Evaluator(forward, Float64()), Evaluator(gradient(forward), Float64())


def _objective(theta: Weights, decay: float) -> tuple[float, Weights]:
    _, outputs, backward = _prepared()
    given, target = {**theta, "x": task().x}, task().y
    y = outputs(given)["y"]
    g = backward({**given, "adjoint:y": MSE.adjoint(y, target)})
    total = float(MSE.value(y, target)) + decay / 2 * _norm(theta) ** 2
    return total, {p: g[f"grad:{p}"] + decay * w for p, w in theta.items()}


def _steepest_descent(start: Weights, decay: float) -> Weights:
    """The step doubles after each success and is halved until the loss falls."""
    theta, rate = start, 1.0
    for _ in range(ITERATIONS):
        value, g = _objective(theta, decay)
        while True:
            tried = {p: w - rate * g[p] for p, w in theta.items()}
            if _objective(tried, decay)[0] < value or rate < 1e-12:
                break
            rate /= 2
        theta, rate = tried, 2 * rate
    return theta


def _by_scipy(start: Weights, decay: float, method: str) -> Weights:
    shapes = {p: w.shape for p, w in start.items()}
    bounds = np.cumsum([w.size for w in start.values()])[:-1]

    def unpacked(vector: Array) -> Weights:
        parts = np.split(vector, bounds)
        return {p: part.reshape(shapes[p]) for p, part in zip(shapes, parts, strict=True)}

    def objective(vector: Array) -> tuple[float, Array]:
        value, g = _objective(unpacked(vector), decay)
        return value, np.concatenate([g[p].ravel() for p in shapes])

    vector = np.concatenate([w.ravel() for w in start.values()])
    found = minimize(objective, vector, jac=True, method=method, options={"maxiter": ITERATIONS})
    return unpacked(found.x)


def _norm(arrays: Weights) -> float:
    return sqrt(sum(float(np.sum(a * a)) for a in arrays.values()))
