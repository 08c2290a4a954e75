"""Endless sequences of classification tasks: permuted pixels, class splits, Gaussian mixtures.

A task is keyed by a seed and its number, so a sequence can be entered anywhere. All are equally
hard: a network that learnt the first one worse than the last has not gained, and one that learns
the last worse than the first has lost plasticity.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from numerics.systems.system import Array
from numerics.tasks import Task, digits
from theory.errors import ShapeError

SPLIT_CLASSES = 5  # of ten digits
CENTRES, DIMENSION, SPREAD = 40, 16, 0.5  # of a mixture


@dataclass(frozen=True, slots=True)
class Sequence:
    """A sequence of tasks of one shape.

    Attributes:
        name: as in tables.
        inputs: of a sample.
        classes: of the targets, which are one-hot.
        most: samples that a task can have.
        draw: ``(generator, samples)`` to a task.
    """

    name: str
    inputs: int
    classes: int
    most: int
    draw: Callable[[np.random.Generator, int], Task]

    def task(self, seed: int, number: int, samples: int) -> Task:
        """One task of the sequence.

        Raises:
            ShapeError: if there are not so many samples.

        >>> SEQUENCES["mixtures"].task(0, 3, 10).x.shape
        (10, 16)
        """
        if not 1 <= samples <= self.most:
            raise ShapeError(f"samples={samples}: a task of {self.name} has 1 to {self.most}")
        return self.draw(np.random.default_rng((seed, number)), samples)


@cache
def _digits() -> Task:
    return digits()


def _permuted(rng: np.random.Generator, samples: int) -> Task:
    every = _digits()
    order = rng.permutation(every.x.shape[1])
    chosen = rng.permutation(len(every.x))[:samples]
    return Task("permuted", every.x[np.ix_(chosen, order)], every.y[chosen])


def _split(rng: np.random.Generator, samples: int) -> Task:
    every = _digits()
    classes = rng.permutation(every.y.shape[1])[:SPLIT_CLASSES]
    labels = every.y[:, classes]
    chosen = rng.permutation(np.flatnonzero(labels.any(axis=1)))[:samples]
    return Task("splits", every.x[chosen], labels[chosen])


def _mixture(rng: np.random.Generator, samples: int) -> Task:
    centres: Array = rng.normal(size=(CENTRES, DIMENSION))
    classes = rng.integers(0, SPLIT_CLASSES, size=CENTRES)
    drawn = rng.integers(0, CENTRES, size=samples)
    x = centres[drawn] + SPREAD * rng.normal(size=(samples, DIMENSION))
    return Task("mixtures", x, np.eye(SPLIT_CLASSES)[classes[drawn]])


SEQUENCES: Mapping[str, Sequence] = {
    "permuted": Sequence("permuted", 64, 10, 1797, _permuted),
    # the five rarest digits have 888 samples
    "splits": Sequence("splits", 64, SPLIT_CLASSES, 880, _split),
    "mixtures": Sequence("mixtures", DIMENSION, SPLIT_CLASSES, 100_000, _mixture),
}
