r"""Transverse Lyapunov exponents of training on an invariant set.

A step of any optimizer, from the parameters and its state to the new ones, is a graph
(:func:`theory.optimizer.step_graph`); forward mode turns it into the step's derivative. On an
affine invariant set it maps normal directions to normal ones: for SGD it is
:math:`I - \eta (M_t + \lambda I)` with the mini-batch's normal Hessian M_t, for momentum the
companion form. The exponents of the product along the path decide attraction: below 0 a small
transverse error dies out, above 0 it grows (N4c).

Rounding would leave a repelling set, so the path is put back onto the set after every step: it is
the path that exact arithmetic follows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.losses import Loss
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from numerics.tasks import Task
from numerics.train import Weights, initial_state, minibatches, num_leading
from numerics.transverse.lyapunov import LyapunovExponents, Map, lyapunov_exponents, random_frame
from numerics.transverse.normal_space import NormalSpace, normal_space
from theory.architecture import Architecture
from theory.backprop import TANGENT, pushforward
from theory.errors import OptimizerError, ShapeError, ValueSystemError
from theory.manifold.base import Manifold
from theory.optimizer import Optimizer, sgd, step_graph
from theory.optimizer.base import Arrays, Gradient, Scalars
from theory.optimizer.step import NEXT, SCALAR

# Rounding of a projection; what is farther from the set than that was not meant to be on it.
ON_THE_SET = 1e-9


def runge_kutta() -> Optimizer:
    """The classical Runge-Kutta step of gradient flow, order 4: ``rate`` is the time it takes."""

    def slopes(theta: Arrays, gradient: Gradient, h: Scalars) -> Arrays:
        def moved(g: Arrays, part: Any) -> Arrays:
            return {p: w - part * h["rate"] * g[p] for p, w in theta.items()}

        half = np.array(0.5)
        first = gradient(theta)
        second = gradient(moved(first, half))
        third = gradient(moved(second, half))
        fourth = gradient(moved(third, np.array(1.0)))
        return {p: (first[p] + 2 * (second[p] + third[p]) + fourth[p]) / 6 for p in theta}

    return replace(sgd(), name="gradient flow, Runge-Kutta", slopes=slopes)


@dataclass(frozen=True)
class TransverseDynamics:
    """The linearised steps of an optimizer across an invariant set.

    Args:
        architecture: what is trained.
        optimizer: by which rule; without noise, and with a state of the parameters' shapes.
        loss: on which loss.
        task: the data.
        manifold: an affine set that every step keeps.
        batch_size: samples of a mini-batch, all by default.

    Raises:
        OptimizerError: if the state is of another kind.
    """

    architecture: Architecture
    optimizer: Optimizer
    loss: Loss
    task: Task
    manifold: Manifold
    batch_size: int | None = None

    def __post_init__(self) -> None:
        for p, shape in self.architecture.parameter_shapes.items():
            for slot in self.optimizer.slots(len(shape)):
                if slot.role == "noise" or slot.shape(shape) != shape:
                    raise OptimizerError(
                        f"{self.optimizer.name}: slot {slot.name!r} of {p!r} is {slot.role} of "
                        f"shape {slot.shape(shape)}: transverse dynamics needs a state of the "
                        "parameters' shapes without noise"
                    )

    @property
    def samples(self) -> int:
        """Of a mini-batch."""
        return len(self.task.x) if self.batch_size is None else self.batch_size

    @cached_property
    def space(self) -> NormalSpace:
        """The normal directions of the parameters."""
        return normal_space(self.manifold)

    @cached_property
    def slots(self) -> tuple[str, ...]:
        """Prefixes of the moving arrays: of the parameters, "", and of each slot of the state."""
        shape = next(iter(self.architecture.parameter_shapes.values()))
        return ("", *(f"{slot.name}:" for slot in self.optimizer.slots(len(shape))))

    @property
    def dimension(self) -> int:
        """Number of transverse directions, those of the state included."""
        return self.space.codimension * len(self.slots)

    @cached_property
    def _evaluator(self) -> Evaluator:
        step = step_graph(self.architecture, self.optimizer, self.samples, self.loss.adjoint)
        moving = [f"{slot}{p}" for slot in self.slots for p in self.architecture.parameters]
        return Evaluator(pushforward(step, moving), Float64(), lead=2)

    def maps(
        self, parameters: Mapping[str, Array], steps: int, seeds: Sequence[int]
    ) -> Iterator[Map]:
        """The derivatives of the steps along one path for each seed.

        They act on frames ``(seeds, dimension, k)`` in coordinates of the normal space, and must be
        called once each, in order: a call takes the step. Mini-batches are those of
        :func:`numerics.train.train` with the same seed.

        Args:
            parameters: the start, on the set, ``(*shape)`` or one for each seed.
            steps: number of steps.
            seeds: of the order of mini-batches.

        Raises:
            ShapeError: if there are not as many starts as seeds.
            ValueSystemError: if the start is not on the set, or training diverges.
        """
        point = self._start(parameters, len(seeds))
        orders = [minibatches(len(self.task.x), self.samples, steps, seed) for seed in seeds]
        level = self.space.flat({p: point[p] for p in self.space.shapes}, 2) @ self.space.basis
        for step, chosen in enumerate(zip(*orders, strict=True), start=1):
            rows = np.array(chosen)[:, None]
            given = {"x": self.task.x[rows], "target": self.task.y[rows]} | {
                f"{SCALAR}:{name}": float(value)
                for name, value in self.optimizer.scalars(step).items()
            }

            def linear(frame: Array, given: Mapping[str, Any] = given) -> Array:
                nonlocal point
                with np.errstate(over="ignore", invalid="ignore"):
                    found = self._evaluator({**point, **given, **self._directions(frame)})
                point = self._kept(found, level)
                return self._coordinates(found, frame)

            yield linear

    def _start(self, parameters: Mapping[str, Array], members: int) -> Weights:
        lead = num_leading(self.architecture, parameters)
        if lead > 1 or (lead and len(next(iter(parameters.values()))) != members):
            raise ShapeError(f"parameters have {lead} leading axes, expected one of {members}")
        theta = {p: np.asarray(parameters[p], dtype=float) for p in self.space.shapes}
        away = float(np.max(self.manifold.distance(theta)))
        if not away < ON_THE_SET * (1 + max(float(np.abs(w).max()) for w in theta.values())):
            raise ValueSystemError(f"the start is {away:.1e} off {self.manifold.name}")
        if lead:
            theta = {p: w[:, None] for p, w in theta.items()}
        else:
            theta = {p: np.broadcast_to(w, (members, 1, *w.shape)) for p, w in theta.items()}
        return theta | initial_state(self.optimizer, theta, 2)

    def _directions(self, frame: Array) -> Weights:
        c = self.space.codimension
        found = {}
        for k, slot in enumerate(self.slots):
            rows = frame[:, k * c : (k + 1) * c].swapaxes(-1, -2)
            for p, tensor in self.space.tensors(rows @ self.space.basis.T).items():
                found[f"{TANGENT}:{slot}{p}"] = tensor
        return found

    def _coordinates(self, found: Mapping[str, Array], frame: Array) -> Array:
        parts = []
        for slot in self.slots:
            moved = {p: found[f"{TANGENT}:{NEXT}:{slot}{p}"] for p in self.space.shapes}
            parts.append((self.space.flat(moved, 2) @ self.space.basis).swapaxes(-1, -2))
        return np.concatenate(
            [np.broadcast_to(a, (*a.shape[:2], frame.shape[2])) for a in parts], 1
        )

    def _kept(self, found: Mapping[str, Array], level: Array) -> Weights:
        """The new point with its normal coordinates put back; the state's are 0."""
        kept: Weights = {}
        for slot in self.slots:
            flat = self.space.flat({p: found[f"{NEXT}:{slot}{p}"] for p in self.space.shapes}, 2)
            if not np.isfinite(flat).all():
                raise ValueSystemError("training diverges: lower the rate")
            excess = flat @ self.space.basis - (0.0 if slot else level)
            flat = flat - excess @ self.space.basis.T
            kept |= {f"{slot}{p}": w for p, w in self.space.tensors(flat).items()}
        return kept


def transverse_exponents(
    dynamics: TransverseDynamics,
    parameters: Mapping[str, Array],
    *,
    steps: int,
    count: int = 1,
    discard: int = 0,
    seeds: Sequence[int] = (0,),
    time: float = 1.0,
) -> LyapunovExponents:
    """The largest transverse exponents along the paths of training, ``(seeds, count)``.

    Args:
        dynamics: of which training.
        parameters: the start, on the set.
        steps: number of steps averaged over.
        count: number of exponents.
        discard: number of steps before, in which frame and path settle.
        seeds: of the order of mini-batches, one path each.
        time: of a step; the rate, for exponents per time of gradient flow.

    Raises:
        ShapeError: if there are not as many starts as seeds, or ``count`` is too large.
        ValueSystemError: if the start is not on the set, training diverges, or there are fewer
            than 16 steps.

    >>> from numerics.losses import MSE
    >>> from theory.manifold import equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], "tanh", bias=False)
    >>> clones = equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    >>> task = Task("one", np.array([[1.0]]), np.array([[1.0]]))
    >>> rule = sgd().with_hyperparameters(rate="0.1")
    >>> at_rest = {"W1": np.zeros((1, 2)), "W2": np.zeros((2, 1))}  # λ = -1
    >>> gd = TransverseDynamics(net, rule, MSE, task, clones)
    >>> found = transverse_exponents(gd, at_rest, steps=20, discard=100, time=0.1)
    >>> found.values, bool(np.isclose(found.values, np.log(1.1) / 0.1).all())
    (array([[0.9531018]]), True)
    """
    frame = random_frame(
        np.random.default_rng((0, *seeds)), (len(seeds),), dynamics.dimension, count
    )
    maps = dynamics.maps(parameters, discard + steps, seeds)
    return lyapunov_exponents(maps, frame, discard=discard, time=time)
