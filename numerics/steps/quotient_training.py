"""A cloned network in training, followed by its base network with block rates (N11).

Both are trained in floating point on the same mini-batches. The quotient theorem says that the
clones' quotient *is* the base network's run. What is left is rounding. Where training drives clones
apart, rounding does so too, and the difference grows with the square of the distance to IE∩OE:
normal directions are invisible to first order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from numerics.losses import Loss
from numerics.systems.system import Array
from numerics.tasks import Task
from numerics.train import Weights, initial_state, num_leading, train
from theory.quotient import Quotient
from theory.quotient_laws import Factors, QuotientLaw, base_state, factor_state, with_factors


@dataclass(frozen=True)
class Followed:
    """How far the base network's run is from the quotient of the clones' run.

    Attributes:
        steps: after which the differences were taken, 0 first.
        differences: largest |Q(θ_t) - θ̃_t| of all entries, over the largest |θ̃_t|; the first axis
            is that of ``steps``, leading axes of the parameters follow.
        clones: parameters of the cloned network after the last step.
        base: parameters of the base network after the last step.
    """

    steps: tuple[int, ...]
    differences: Array
    clones: Weights
    base: Weights


def follow(
    quotient: Quotient,
    law: QuotientLaw,
    loss: Loss,
    parameters: Mapping[str, Array],
    task: Task,
    *,
    steps: int,
    batch_size: int | None = None,
    seed: int = 0,
    state: Mapping[str, Array] | None = None,
    factors: Factors | None = None,
    every: int = 1,
) -> Followed:
    """Train clones and base side by side; arrays may have ensemble axes in front.

    Args:
        quotient: of the network.
        law: the optimizer and what the base network's hyperparameters are.
        loss: on which loss.
        parameters: of the clones.
        task: the data.
        steps: number of steps.
        batch_size: samples of a mini-batch, all by default.
        seed: of the order of mini-batches.
        state: of the clones' optimizer, by default as training starts.
        factors: of the base network's hyperparameters, in place of the law's.
        every: how many steps lie between two differences.

    Raises:
        ManifoldError: if a parameter is missing or does not fit.
        ValueSystemError: if numbers are or become not finite.

    >>> from numerics.losses import MSE
    >>> from theory.optimizer import sgd
    >>> from theory.partition import make_partition
    >>> from theory.quotient import quotient
    >>> from theory.quotient_laws import law_of
    >>> from theory.zoo import mlp
    >>> wide = mlp([1, 2, 1], "tanh")
    >>> clones = quotient(wide, make_partition(wide.sizes, {"h1": [[0, 1]]}))
    >>> ones = {p: np.ones(shape) for p, shape in wide.parameter_shapes.items()}
    >>> task = Task("line", np.ones((1, 1)), np.zeros((1, 1)))
    >>> run = follow(clones, law_of(sgd()), MSE, ones, task, steps=10)
    >>> bool(run.differences.max() < 1e-15)
    True
    """
    chosen = law.factors(quotient) if factors is None else factors
    shapes = quotient.wide.parameter_shapes
    lead = num_leading(quotient.wide, parameters)
    start = initial_state(law.optimizer, parameters, lead) if state is None else state
    followers = with_factors(law.optimizer, tuple(law.exponents))
    names = (f"{slot.name}:{p}" for p in shapes for slot in law.optimizer.slots(len(shapes[p])))
    full = {name: np.asarray(start[name]) for name in names}
    runs = [
        train(
            network,
            optimizer,
            loss,
            theta,
            task,
            steps=steps,
            batch_size=batch_size,
            seed=seed,
            state=own,
            record=every,
        ).trajectory
        for network, optimizer, theta, own in (
            (quotient.wide, law.optimizer, parameters, full),
            (
                quotient.base,
                followers,
                quotient(parameters),
                base_state(quotient, law.optimizer, full) | factor_state(chosen),
            ),
        )
    ]
    differences = [
        _difference(quotient(clones), base, lead) for clones, base in zip(*runs, strict=True)
    ]
    taken = tuple(range(0, every * len(differences), every))
    return Followed(taken, np.array(differences), runs[0][-1], runs[1][-1])


def _difference(found: Weights, expected: Weights, lead: int) -> Array:
    """Largest difference over all entries, relative to the largest entry, for each lead index."""
    gaps: Array = np.zeros(())
    sizes: Array = np.zeros(())
    for p, w in expected.items():
        own = tuple(range(lead, w.ndim))
        gaps = np.maximum(gaps, np.abs(found[p] - w).max(axis=own))
        sizes = np.maximum(sizes, np.abs(w).max(axis=own))
    return np.asarray(gaps / sizes)
