"""An ensemble of networks trained on several cores.

Members never meet, so a part of the ensemble trains on each core for all steps, without waiting for
the others. NumPy lets other threads run while it works on large arrays; on small ones, of some ten
microseconds a call, threads cost more than they gain: they wait for the interpreter after each.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from math import prod

import numpy as np

from numerics.losses import Loss
from numerics.systems.system import Array
from numerics.tasks import Task
from numerics.train import Weights, train
from theory.architecture import Architecture
from theory.errors import ShapeError
from theory.optimizer.base import Optimizer

MIN_ENTRIES = 1 << 16  # for a call of NumPy to take longer than to hand over the interpreter


def train_ensemble(
    architecture: Architecture,
    optimizer: Optimizer,
    loss: Loss,
    parameters: Mapping[str, Array],
    task: Task,
    *,
    steps: int,
    batch_size: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Weights:
    """Parameters of all members after training, each on the same mini-batches.

    For rules without noise these are the numbers of :func:`numerics.train.train`.

    Args:
        architecture: what is trained.
        optimizer: by which rule.
        loss: on which loss.
        parameters: where training starts, ``(members, *shape)``.
        task: the data.
        steps: number of steps.
        batch_size: samples of a mini-batch, all by default.
        seed: of the order of mini-batches.
        threads: number of parts that train at the same time; by default two if the largest array
            of each has at least ``MIN_ENTRIES`` entries, else one.

    Raises:
        ShapeError: if the first axes of the parameters differ, or there are no members.
        ValueSystemError: if a mini-batch is empty or larger than the data, or numbers are or become
            not finite.

    >>> from numerics.losses import MSE
    >>> from theory.optimizer import sgd
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 1], bias=False)
    >>> task = Task("zero", np.ones((2, 1)), np.zeros((2, 1)))
    >>> start = {"W1": np.ones((3, 1, 1))}
    >>> rule = sgd().with_hyperparameters(rate="0.1")
    >>> train_ensemble(net, rule, MSE, start, task, steps=1)["W1"].ravel()
    array([0.9, 0.9, 0.9])
    """
    members = {p: np.shape(parameters[p])[0] for p in architecture.parameters}
    count = next(iter(members.values()))
    if set(members.values()) != {count} or not count:
        raise ShapeError(f"the first axis is that of the members, equally many: {members}")
    if threads is None:
        largest = _largest(architecture, len(task.x) if batch_size is None else batch_size)
        threads = 2 if count * largest >= 2 * MIN_ENTRIES else 1
    bounds = [count * k // threads for k in range(threads + 1)]
    parts = [slice(a, b) for a, b in pairwise(bounds) if a < b]

    def trained(part: slice) -> Weights:
        start = {p: parameters[p][part] for p in members}
        return train(
            architecture,
            optimizer,
            loss,
            start,
            task,
            steps=steps,
            batch_size=batch_size,
            seed=seed,
        ).parameters

    with ThreadPoolExecutor(len(parts)) as pool:
        found = list(pool.map(trained, parts))
    return {p: np.concatenate([weights[p] for weights in found]) for p in members}


def _largest(architecture: Architecture, samples: int) -> int:
    """Entries of the largest value of one member."""
    return max(prod(node.shape) for node in architecture.graph(samples).nodes)
