"""Critical points of a loss with weight decay, planted in exact numbers.

With the squared error the gradient is Jᵀδ, δ = (y - target) / samples, so the point θ is critical
for the decay λ if the targets are chosen with Jᵀδ = -λθ: linear equations for δ, solved over the
rationals. For p-homogeneous units they have a solution only if every unit is balanced, the squared
norm of its incoming weights being p times that of its outgoing ones.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from flint import arb, fmpq, fmpq_mat

from numerics.evaluate import Evaluator
from numerics.systems.ball import Ball
from numerics.systems.objects import exact
from numerics.systems.rational import Rational
from numerics.systems.system import Array
from numerics.tasks import Task
from proofs_check.drawing.cloned_points import ClonedPoint
from proofs_check.drawing.networks import Choose
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.partition import make_partition
from theory.zoo import mlp

SAMPLES = 8
DEGREES = {"relu": 1, "leaky_relu": 1, "phi": 2}
SQUARE = {"phi": (0, 0, 1)}


def draw_regularised_point(choose: Choose, phi: str, decay: Fraction) -> ClonedPoint | None:
    """A balanced MLP 2-4-2 at a critical point of ½ mean squared error + ½ λ|θ|², or ``None``.

    Units 0 and 1 are clones and fire on some sample; no unit is at a kink. For the square there are
    no other units: quadratic forms in two inputs have too few dimensions for more equations.

    Args:
        choose: the choices.
        phi: ``relu``, ``leaky_relu``, or ``phi`` for the square.
        decay: λ > 0.
    """
    units = [0, 0] if phi == "phi" else [0, 0, 1, 2]
    network = mlp([2, len(units), 2], phi, bias=False)
    drawn = [_pair(choose) for _ in range(3)]
    turned = [_turned(choose, w, DEGREES[phi]) for w in drawn]
    incoming, outgoing = (np.array([w[u] for u in units], dtype=object) for w in (drawn, turned))
    theta = {"W1": incoming.T, "W2": outgoing}
    x = np.array([_pair(choose) for _ in range(SAMPLES)], dtype=object)
    z = x @ theta["W1"]
    if (z == 0).any() or not (z[:, 0] > 0).any():
        return None
    system = Rational(functions=SQUARE)
    task = _critical_task(network, theta, x, decay, system)
    if task is None:
        return None
    partition = make_partition(network.sizes, {"h1": [[0, 1]]})
    return ClonedPoint(network, partition, theta, task, system)


def _pair(choose: Choose) -> list[Fraction]:
    return [Fraction(choose(-6, 6), 4) for _ in range(2)]


def _turned(choose: Choose, w: list[Fraction], degree: int) -> list[Fraction]:
    """A vector with |w|² / degree as its squared norm, for the degrees 1 and 2."""
    a, b = w if choose(0, 1) == 0 else w[::-1]
    if degree == 2:
        a, b = (a + b) / 2, (a - b) / 2
    return [a * (1 - 2 * choose(0, 1)), b * (1 - 2 * choose(0, 1))]


def _critical_task(
    network: Architecture, theta: dict[str, Any], x: Array, decay: Fraction, system: Rational
) -> Task | None:
    """Targets with Jᵀδ = -λθ, if there are any."""
    outputs = network.output_shape[0]
    count = len(x) * outputs
    basis = np.eye(count, dtype=int).reshape(count, len(x), outputs)
    given = {**{p: system.array(w) for p, w in theta.items()}, "x": system.array(x)}
    found = Evaluator(gradient(network.graph(len(x))), system, lead=1)(
        {**given, "adjoint:y": system.array(basis)}
    )
    slopes = np.concatenate([found[f"grad:{p}"].reshape(count, -1) for p in theta], axis=1)
    wanted = np.concatenate([given[p].ravel() for p in theta])
    strength = fmpq(decay.numerator, decay.denominator)
    table = [[*column, -strength * w] for column, w in zip(slopes.T.tolist(), wanted, strict=True)]
    delta = solution(fmpq_mat(table))
    if delta is None:
        return None
    y = found["y"].reshape(found["y"].shape[-2:])
    targets = y - len(x) * np.array(delta, dtype=object).reshape(y.shape)
    exact_targets = np.array([exact(v) for v in targets.ravel()], dtype=object)
    return Task("critical with decay", x, exact_targets.reshape(y.shape))


def solution(augmented: fmpq_mat) -> list[fmpq] | None:
    """One solution of the equations [A | b], free unknowns 0; ``None`` if there is none.

    >>> solution(fmpq_mat([[1, 2, 3], [2, 4, 6]])), solution(fmpq_mat([[1, 3], [1, 4]]))
    ([3, 0], None)
    """
    reduced, rank = augmented.rref()
    last = augmented.ncols() - 1
    found = [fmpq(0)] * last
    for i in range(rank):
        pivot = next(j for j in range(last + 1) if reduced[i, j] != 0)
        if pivot == last:
            return None
        found[pivot] = reduced[i, last]
    return found


def tanh_point(
    decay: Fraction, bits: int = 128, incoming: Fraction = Fraction(1, 2)
) -> tuple[Architecture, dict[str, Any], Task]:
    """Two live tanh clones 1-2-1 at a critical point with decay λ, enclosed in balls.

    On the one sample x = 1, with the incoming weight w > 0, the equations a δ φ'(w) = -λw and
    δ φ(w) = -λa give a² = w φ(w) / φ'(w) and δ = -λa / φ(w).
    """
    network = mlp([1, 2, 1], "tanh", bias=False)
    ball = Ball(bits)
    with ball.working():
        w = arb(fmpq(incoming.numerator, incoming.denominator))
        value = w.tanh()
        a = (w * value / (1 - value * value)).sqrt()
        strength = arb(fmpq(decay.numerator, decay.denominator))
        target = 2 * a * value + strength * a / value
    theta = {
        "W1": ball.array([[w, w]]),
        "W2": ball.array([[a], [a]]),
    }
    return network, theta, Task("critical with decay", ball.array([[1]]), ball.array([[target]]))
