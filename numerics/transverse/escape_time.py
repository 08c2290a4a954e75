r"""When training leaves an invariant set: predicted from the Hessian, and seen, for many networks.

At a point of rest on the set, a transverse error with components c_i along the eigenvectors of the
normal Hessian becomes :math:`c_i (1 - \eta\lambda_i)^t` after t steps of gradient descent, as long
as it is small. It reaches a threshold about when the component that grows fastest does,

    t = ln(threshold / |c|) / ln(1 + η|λ_min|) .

Points of rest are made by the choice of targets: where the errors y - target lie in the kernel of
Jᵀ, the squared error has no gradient. With small errors they are minima on the set.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.losses import Loss
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from numerics.train import initial_state
from numerics.transverse.normal_space import NormalSpace
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import ValueSystemError
from theory.optimizer import Optimizer, step_graph
from theory.optimizer.step import NEXT, SCALAR


def escape_time(rate: float, distance: float, threshold: float) -> float:
    """ln(threshold / distance) / rate: when an error that grows like e^{rate t} is that large.

    Args:
        rate: of growth, |λ_min| for gradient flow, ln(1 + η|λ_min|) for steps of gradient descent.
        distance: at the start.
        threshold: at the end.

    Returns:
        Infinity if the rate is not positive, 0 if the threshold is reached at the start.

    Raises:
        ValueSystemError: if a distance is not positive.

    >>> round(escape_time(0.5, 1e-10, 1e-2), 6)
    36.841361
    """
    if distance <= 0 or threshold <= 0:
        raise ValueSystemError(f"distance={distance}, threshold={threshold}: both are positive")
    if distance >= threshold:
        return 0.0
    return log(threshold / distance) / rate if rate > 0 else float("inf")


def linear_escape_steps(
    hessians: Array, directions: Array, *, rate: float, threshold: float, most: float
) -> Array:
    """When gradient descent, linearised at a point of rest, is that far from the set.

    Solves Σ c_i² (1 - ηλ_i)^{2t} = threshold² for a real t by bisection.

    Args:
        hessians: on the normal space, ``(members, n, n)``.
        directions: the errors at the start in the same coordinates, ``(members, n)``.
        rate: η.
        threshold: a distance.
        most: the largest t that is looked at.

    Returns:
        Steps ``(members,)``, infinity where the threshold is not reached by then.
    """
    eigenvalues, vectors = np.linalg.eigh(hessians)
    squares = np.square(np.einsum("mnk,mn->mk", vectors, directions))
    logarithms = np.log(np.abs(1 - rate * eigenvalues))

    def outside(t: Array) -> Array:
        exponents = 2 * t[:, None] * logarithms
        with np.errstate(over="ignore"):
            found: Array = (squares * np.exp(exponents)).sum(axis=-1) >= threshold**2
        return found

    low, high = np.zeros(len(squares)), np.full(len(squares), float(most))
    reached = outside(high)
    for _ in range(60):
        middle = (low + high) / 2
        beyond = outside(middle)
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    return np.where(reached, high, np.inf)


def resting_targets(
    architecture: Architecture,
    parameters: Mapping[str, Array],
    x: Array,
    errors: Array,
    slopes: Mapping[str, Array] | None = None,
) -> Array:
    """Targets at which the mean squared error has a given gradient, 0 by default.

    Args:
        architecture: of which network, without clones: J has full column rank.
        parameters: ``(members, *shape)``.
        x: inputs ``(members, samples, *inputs)``.
        errors: y - target up to what the gradient settles, ``(members, samples, *outputs)``.
        slopes: the gradient, ``(members, *shape)``.

    Raises:
        ValueSystemError: if J does not have full column rank somewhere.
    """
    members, samples = x.shape[:2]
    outputs = errors.shape[2:]
    size = samples * int(np.prod(outputs))
    given = {p: np.asarray(w)[:, None] for p, w in parameters.items()} | {"x": x[:, None]}
    basis = np.eye(size).reshape(1, size, samples, *outputs)
    found = Evaluator(gradient(architecture.graph(samples)), Float64(), lead=2)(
        {**given, "adjoint:y": basis}
    )
    rows = [found[f"grad:{p}"] for p in architecture.parameters]
    rows = [np.broadcast_to(r, (members, size, *r.shape[2:])) for r in rows]
    jacobian = np.concatenate([r.reshape(members, size, -1) for r in rows], axis=-1)
    if np.linalg.matrix_rank(jacobian).min() < jacobian.shape[-1]:
        raise ValueSystemError("x: the Jacobian has no full column rank")
    wanted = np.zeros((members, jacobian.shape[-1]))
    if slopes is not None:
        parts = [slopes[p].reshape(members, -1) for p in architecture.parameters]
        wanted = samples * np.concatenate(parts, axis=-1)
    free = errors.reshape(members, size)
    excess = np.einsum("msk,ms->mk", jacobian, free) - wanted
    inverse = np.linalg.pinv(jacobian)
    free = free - np.einsum("mks,mk->ms", inverse, excess)
    outputs_now = found["y"][:, 0]
    return np.asarray(outputs_now - free.reshape(outputs_now.shape))


@dataclass(frozen=True, slots=True)
class Escapes:
    """What :func:`escape_steps` saw.

    Attributes:
        steps: when the distance first exceeds the threshold, ``(members,)``, interpolated between
            two steps in the logarithm of the distance; infinity where it does not.
        distances: after the last step.
    """

    steps: Array
    distances: Array


def escape_steps(
    architecture: Architecture,
    optimizer: Optimizer,
    loss: Loss,
    parameters: Mapping[str, Array],
    x: Array,
    target: Array,
    space: NormalSpace,
    *,
    threshold: float,
    most: int,
    state: Mapping[str, Array] | None = None,
) -> Escapes:
    """Full-batch training of an ensemble, each member on data of its own, until it leaves a set.

    Args:
        architecture: what is trained.
        optimizer: by which rule, without noise.
        loss: on which loss.
        parameters: ``(members, *shape)``.
        x: inputs ``(members, samples, *inputs)``.
        target: ``(members, samples, *outputs)``.
        space: the normal space of a linear set.
        threshold: a distance from it.
        most: number of steps.
        state: of the optimizer, by default as training starts.

    Raises:
        ValueSystemError: if training diverges.
    """
    system = Float64()
    samples = x.shape[x.ndim - len(architecture.inputs) - 1]
    evaluator = Evaluator(
        step_graph(architecture, optimizer, samples, loss.adjoint), system, lead=1
    )
    theta: dict[str, Any] = {p: system.array(parameters[p]) for p in space.shapes}
    theta |= initial_state(optimizer, theta, 1) if state is None else state
    given = {"x": x, "target": target}
    escaped = np.full(len(x), np.inf)
    before = after = _distances(space, theta)
    escaped[after > threshold] = 0
    for step in range(1, most + 1):
        scalars = {f"{SCALAR}:{k}": float(v) for k, v in optimizer.scalars(step).items()}
        with np.errstate(over="ignore", invalid="ignore"):
            found = evaluator({**theta, **given, **scalars})
            theta = {name.removeprefix(f"{NEXT}:"): value for name, value in found.items()}
            before, after = after, _distances(space, theta)
        if not np.isfinite(after).all():
            raise ValueSystemError(f"training diverges at step {step}: lower the rate")
        out = (after > threshold) & np.isinf(escaped)
        if out.any():
            part = np.log(threshold / before[out]) / np.log(after[out] / before[out])
            escaped[out] = step - 1 + part
            if np.isfinite(escaped).all():
                break
    return Escapes(escaped, after)


def _distances(space: NormalSpace, theta: Mapping[str, Array]) -> Array:
    found: Array = np.linalg.norm(space.flat(theta, 1) @ space.basis, axis=-1)
    return found
