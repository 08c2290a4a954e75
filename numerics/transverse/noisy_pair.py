r"""A cloned pair that gradient descent leaves and SGD falls back to.

A network y = a SiLU(w x) with one hidden unit, cloned. The six samples are three inputs with two
labels each, y(x) - r ± s. The residuals r have no gradient at w = 1, a = 2, the minimum that
training of one unit finds; for two it is a saddle, since the residuals and φ'' give a negative
transverse eigenvalue.
The noise ±s of the labels cancels in the full batch: gradient descent does not see it. In
mini-batches it makes the transverse block random, and its exponent negative.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from numerics.losses import MSE
from numerics.systems.system import Array
from numerics.tasks import Task
from numerics.train import Weights, train
from numerics.transverse.dynamics import TransverseDynamics, transverse_exponents
from numerics.transverse.lyapunov import LyapunovExponents
from numerics.transverse.normal_space import NormalSpace, normal_hessians
from theory.architecture import Architecture
from theory.manifold import Manifold, equitable
from theory.optimizer import sgd
from theory.partition import make_partition
from theory.widening import widen
from theory.zoo import mlp

INPUTS = (-2.5, -1.5, 1.0)
WEIGHTS = (1.0, 2.0)  # w and a of the single unit
RESIDUAL, LABEL_NOISE = 0.2, 1.5


@dataclass(frozen=True)
class NoisyPair:
    """The pair, its data and its point of rest.

    Attributes:
        base: the network with one unit.
        wide: with two.
        manifold: IE∩OE of the pair.
        task: the data.
        rest: the clones of the minimum with one unit.
    """

    base: Architecture
    wide: Architecture
    manifold: Manifold
    task: Task
    rest: Weights

    @property
    def base_hessian(self) -> Array:
        """Of the loss of the single unit at its minimum, in (w, a)."""
        whole = NormalSpace(self.base.parameter_shapes, np.eye(2))
        point = {p: np.full((1, 1, 1), v) for p, v in zip(("W1", "W2"), WEIGHTS, strict=True)}
        task = self.task
        return np.asarray(normal_hessians(self.base, MSE, point, task.x, task.y, whole)[0])

    def exponents(
        self,
        rate: float,
        batch_size: int,
        *,
        steps: int,
        seeds: Sequence[int],
        discard: int = 300,
    ) -> LyapunovExponents:
        """The top transverse exponent of SGD from the point of rest, one path for each seed.

        Raises:
            ValueSystemError: if training diverges.
        """
        dynamics = TransverseDynamics(
            self.wide,
            sgd().with_hyperparameters(rate=rate),
            MSE,
            self.task,
            self.manifold,
            batch_size,
        )
        return transverse_exponents(dynamics, self.rest, steps=steps, discard=discard, seeds=seeds)

    def beside(self, distance: float, members: int, seed: int) -> Weights:
        """Starts that far from the set, in random normal directions at the point of rest."""
        rng = np.random.default_rng(seed)
        shapes = self.wide.parameter_shapes
        drawn = {p: rng.normal(size=(members, *s)) for p, s in shapes.items()}
        normal = self.manifold.normal_part(drawn)
        length = np.sqrt(sum(np.square(n).sum(axis=(-2, -1)) for n in normal.values()))
        scale = (distance / length)[:, None, None]
        return {p: self.rest[p] + scale * n for p, n in normal.items()}

    def trained(
        self, start: Weights, rate: float, batch_size: int | None, *, steps: int, seed: int = 0
    ) -> Weights:
        """All members after training by :func:`numerics.train.train`.

        Raises:
            ValueSystemError: if training diverges.
        """
        rule = sgd().with_hyperparameters(rate=rate)
        return train(
            *(self.wide, rule, MSE, start, self.task),
            steps=steps,
            batch_size=batch_size,
            seed=seed,
        ).parameters

    def distances(self, members: Weights) -> Array:
        """From the set."""
        found: Array = self.manifold.distance(members)
        return found


@lru_cache(maxsize=4)
def noisy_pair(label_noise: float = LABEL_NOISE) -> NoisyPair:
    """The pair with labels that are ±s off.

    >>> pair = noisy_pair()
    >>> bool(np.linalg.eigvalsh(pair.base_hessian)[0] > 0.05)
    True
    """
    base, wide = (mlp([1, n, 1], "silu", bias=False) for n in (1, 2))
    partition = make_partition(wide.sizes, {"h1": [[0, 1]]})
    x, (w, a) = np.array(INPUTS), WEIGHTS
    z = w * x
    gate = 1 / (1 + np.exp(-z))
    h, first = z * gate, gate * (1 + z * (1 - gate))
    second = gate * (1 - gate) * (2 + z * (1 - 2 * gate))
    # no gradient: orthogonal to ∂y/∂a = h and ∂y/∂w = a φ' x
    residual = np.cross(h, first * x)
    residual *= -RESIDUAL * np.sign(a * residual @ (second * x * x)) / np.abs(residual).max()
    labels = np.repeat(a * h - residual, 2) + label_noise * np.tile([1.0, -1.0], 3)
    task = Task("two labels each", np.repeat(x, 2)[:, None], labels[:, None])
    rest = widen(wide, partition, {"W1": np.array([[w]]), "W2": np.array([[a]])})
    return NoisyPair(base, wide, equitable(wide, partition), task, rest)
