r"""How gradient descent leaves an invariant set on which it should stay (N12).

At a point of rest on an affine invariant set the Hessian maps normal directions to normal ones
(N0). A step of GD multiplies a transverse error along an eigenvector with eigenvalue λ by
:math:`1 - \eta\lambda`; where λ < 0 it grows, and an error 10^-p reaches a threshold after a number
of steps that is linear in p, with

    ln 10 / ln(1 + η|λ|)    steps a digit.

Rounding is such an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import flint
import numpy as np
from flint import arb, arb_mat, fmpq

from numerics.evaluate import Evaluator
from numerics.flow.events import distance
from numerics.flow.field import DATA, TARGET, field
from numerics.losses import MSE, Loss
from numerics.systems.ball import Ball
from numerics.systems.objects import exact, filled
from numerics.systems.system import Array, NumberSystem
from numerics.tasks import Task
from numerics.transverse.normal_space import normal_hessians, normal_space
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import ValueSystemError
from theory.manifold.base import Manifold


def resting_task(
    architecture: Architecture, theta: Mapping[str, Any], x: Any, errors: Any, *, bits: int
) -> Task:
    """Targets at which the mean squared error has no gradient at a given point.

    The errors y - target lie in the kernel of Jᵀ: they are the given ones, projected orthogonally.

    Args:
        architecture: of any activation that balls know.
        theta: the point, exact numbers.
        x: inputs, exact numbers.
        errors: of the shape of the outputs, exact numbers.
        bits: of precision; the targets are rounded to it.

    Raises:
        ValueSystemError: if J does not have full column rank.

    >>> from theory.zoo import mlp
    >>> net = mlp([1, 1], bias=False)
    >>> task = resting_task(net, {"W1": [[0]]}, [[1], [1]], [[3], [1]], bits=53)
    >>> task.y.astype(float).tolist()
    [[-1.0], [1.0]]
    """
    ball = Ball(bits)
    inputs, wanted = (np.asarray(a, dtype=object) for a in (x, errors))
    size = wanted.size
    basis = np.eye(size, dtype=int).reshape(size, *wanted.shape)
    found = Evaluator(gradient(architecture.graph(len(inputs))), ball, lead=1)(
        {**theta, "x": inputs, "adjoint:y": basis}
    )
    slopes = [found[f"grad:{p}"].reshape(size, -1) for p in architecture.parameters]
    with flint.ctx.workprec(bits):
        jacobian = arb_mat(np.concatenate(slopes, axis=1).tolist())
        residual = arb_mat([[e] for e in ball.array(wanted).ravel()])
        transposed = jacobian.transpose()
        try:
            seen = (transposed * jacobian).solve(transposed * residual)
        except ZeroDivisionError:
            raise ValueSystemError("x: the Jacobian has no full column rank") from None
        kernel = filled((residual - jacobian * seen).entries(), wanted.shape)
        targets = found["y"][0] - kernel
    rounded = filled((exact(y.mid().fmpq()) for y in targets.ravel()), wanted.shape)
    return Task("at rest", inputs, rounded)


def transverse_eigenvalues(
    architecture: Architecture,
    data: Task,
    theta: Mapping[str, Any],
    manifold: Manifold,
    loss: Loss = MSE,
) -> Array:
    """Eigenvalues of the Hessian on the normal space of a manifold, ascending, in float64.

    >>> from theory.manifold import equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], "tanh", bias=False)  # y = w1 v1 + w2 v2 near 0
    >>> clones = equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    >>> one = Task("one", np.array([[1.0]]), np.array([[1.0]]))
    >>> transverse_eigenvalues(net, one, {"W1": [[0, 0]], "W2": [[0], [0]]}, clones).round(12)
    array([-1.,  1.])
    """
    point = {p: np.asarray(theta[p]).astype(float)[None] for p in architecture.parameters}
    x, target = data.x.astype(float), data.y.astype(float)
    bent = normal_hessians(architecture, loss, point, x, target, normal_space(manifold))
    return np.asarray(np.linalg.eigvalsh(bent[0]))


def escape_step(
    architecture: Architecture,
    data: Task,
    start: Mapping[str, Any],
    manifold: Manifold,
    *,
    rate: Fraction,
    threshold: Fraction,
    system: NumberSystem,
    most: int,
    loss: Loss = MSE,
) -> int | None:
    """The first step of GD after which the parameters are farther from the manifold than that.

    In balls it is the step of exact arithmetic, and every step before it is decided. In rounded
    numbers the distance is taken in float64, whose error no threshold should be near.

    Returns:
        ``None`` if that is not within ``most`` steps, or a ball does not decide.
    """
    evaluator = Evaluator(field(architecture, loss, len(data.x)), system)
    theta = {p: system.array(start[p]) for p in architecture.parameters}
    given = {DATA: system.array(data.x), TARGET: system.array(data.y)}
    eta = system.array([rate])
    for step in range(most + 1):
        side = _side(system, manifold, theta, threshold)
        if side != -1:
            return step if side == 1 else None
        rates = evaluator({**theta, **given})
        theta = {
            p: system.add(w, system.multiply(eta, rates[f"rate:{p}"]).reshape(w.shape))
            for p, w in theta.items()
        }
    return None


def _side(
    system: NumberSystem, manifold: Manifold, theta: Mapping[str, Array], threshold: Fraction
) -> int:
    """-1 below the threshold, 1 above, 0 undecided."""
    if not isinstance(system, Ball):
        away = manifold.distance({p: w.astype(float) for p, w in theta.items()})
        return 1 if away > threshold else -1
    level = arb(fmpq(threshold.numerator, threshold.denominator))
    enclosed = distance(manifold, theta, system.bits)
    return 1 if enclosed > level else -1 if enclosed < level else 0
