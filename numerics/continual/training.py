"""Training that goes on through a sequence of tasks, for an ensemble with data of its own.

The step is the graph of :func:`numerics.train.train`, prepared once. Each member has its own data,
its own order of mini-batches and its own noise, keyed by its seed and the number of the task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from numerics.evaluate import Evaluator
from numerics.losses import Loss
from numerics.metrics.signals import Units, find_units
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from numerics.train import Weights, initial_state
from theory.architecture import Architecture
from theory.errors import ShapeError, ValueSystemError
from theory.graph import Graph
from theory.optimizer import Optimizer, step_graph
from theory.optimizer.step import NEXT, SCALAR


@dataclass(frozen=True, slots=True)
class Observed:
    """What a network does on data.

    Attributes:
        y: outputs ``(members, samples, classes)``.
        hidden: activations of each axis that was asked for, ``(members, samples, units)``.
    """

    y: Array
    hidden: Mapping[str, Array]


class ContinualTraining:
    """Weights and optimizer state that go on from task to task.

    Args:
        architecture: what is trained.
        optimizer: by which rule.
        loss: on which loss.
        parameters: where training starts, ``(members, *shape)``.
        batch_size: samples of a mini-batch.
        seeds: one a member.
        state: of the optimizer, by default that before the first step.
        steps: taken so far.

    Raises:
        ShapeError: if members and seeds are not equally many.
    """

    def __init__(
        self,
        architecture: Architecture,
        optimizer: Optimizer,
        loss: Loss,
        parameters: Mapping[str, Array],
        *,
        batch_size: int,
        seeds: Sequence[int],
        state: Mapping[str, Array] | None = None,
        steps: int = 0,
    ) -> None:
        members = {len(parameters[p]) for p in architecture.parameters}
        if members != {len(seeds)}:
            raise ShapeError(f"{len(seeds)} seeds for parameters of {sorted(members)} members")
        self.architecture, self.optimizer = architecture, optimizer
        self.batch_size, self.seeds, self.steps = batch_size, tuple(seeds), steps
        self.parameters: Weights = {p: np.array(parameters[p]) for p in architecture.parameters}
        first = initial_state(optimizer, self.parameters, 1)
        self.state: Weights = {**first, **(state or {})}
        self._numbers = {k: float(v) for k, v in optimizer.hyperparameters.items()}
        self._noise = [
            f"{slot.name}:{p}"
            for p, shape in architecture.parameter_shapes.items()
            for slot in optimizer.slots(len(shape))
            if slot.role == "noise"
        ]
        graph = step_graph(architecture, optimizer, batch_size, loss.adjoint)
        self._step = Evaluator(graph, Float64(), 1)
        self._observers: dict[
            tuple[int, tuple[str, ...], int | None], tuple[Evaluator, dict[str, Units]]
        ] = {}

    def learn(self, x: Array, y: Array, *, task: int, epochs: int) -> None:
        """Go through the data of one task.

        Args:
            x: ``(members, samples, *inputs)``.
            y: ``(members, samples, classes)``.
            task: its number, which keys the order and the noise.
            epochs: how often.

        Raises:
            ValueSystemError: if training diverges, or a mini-batch is larger than the data.
        """
        samples, size = x.shape[1], self.batch_size
        if samples < size:
            raise ValueSystemError(f"batch_size={size}: it needs 1 <= size <= {samples}")
        rngs = [np.random.default_rng((seed, task)) for seed in self.seeds]
        every = np.arange(len(rngs))[:, None]
        for _ in range(epochs):
            order = np.stack([rng.permutation(samples) for rng in rngs])
            for begin in range(0, samples - size + 1, size):
                chosen = order[:, begin : begin + size]
                for name in self._noise:
                    shape = self.state[name].shape[1:]
                    self.state[name] = np.stack([rng.normal(size=shape) for rng in rngs])
                self._advance(x[every, chosen], y[every, chosen])
        for p, w in self.parameters.items():
            if not np.isfinite(w).all():
                raise ValueSystemError(
                    f"{p} is not finite after {self.steps} steps: lower the rate"
                )

    def _advance(self, x: Array, y: Array) -> None:
        self.steps += 1
        # in floats: exact powers of β would have thousands of digits by now
        scalars = self.optimizer.schedule(self.steps, self._numbers)
        given = {f"{SCALAR}:{name}": float(value) for name, value in scalars.items()}
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = self._step({**self.parameters, **self.state, **given, "x": x, "target": y})
        self.parameters = {p: found[f"{NEXT}:{p}"] for p in self.parameters}
        self.state = {name: found[f"{NEXT}:{name}"] for name in self.state}

    def observe(self, x: Array, axes: Sequence[str] = (), place: int | None = None) -> Observed:
        """Outputs and activations on data.

        Args:
            x: ``(members, samples, *inputs)``.
            axes: whose activations.
            place: which of several function symbols along an axis
                (:func:`numerics.metrics.signals.find_units`); BatchNorm has a square root there.

        Raises:
            ArchitectureError: if it is not clear which function symbol is meant.
        """
        key = (x.shape[1], tuple(axes), place)
        if key not in self._observers:
            graph = self.architecture.graph(x.shape[1])
            units = {axis: find_units(self.architecture, graph, axis, place) for axis in axes}
            nodes = {axis: own.node for axis, own in units.items()}
            watched = Graph(graph.nodes, {**graph.outputs, **nodes})
            self._observers[key] = (Evaluator(watched, Float64(), 1), units)
        evaluator, units = self._observers[key]
        found = evaluator({**self.parameters, "x": x})
        return Observed(found["y"], {axis: own.rows(found[axis]) for axis, own in units.items()})
