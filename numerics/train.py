"""Mini-batch SGD in float64, vectorised over ensembles of parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from numerics.evaluate import Evaluator
from numerics.losses import Loss
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from numerics.tasks import Task
from theory.architecture import Architecture
from theory.axis_roles import contracted_axes
from theory.backprop import gradient
from theory.errors import ValueSystemError

Weights = dict[str, Array]


def initial_parameters(
    architecture: Architecture, seed: int, ensemble: tuple[int, ...] = ()
) -> Weights:
    """Independent normal weights with variance 1/fan-in; parameters without a source axis are 0.

    Arrays have shape ``(*ensemble, *shape)``.
    """
    rng = np.random.default_rng(seed)
    roles = contracted_axes(architecture.unfrozen().graph())
    weights: Weights = {}
    for p, shape in architecture.parameter_shapes.items():
        fan_in = np.prod([n for n, source in zip(shape, roles[p], strict=True) if source])
        draw = rng.normal(size=(*ensemble, *shape))
        weights[p] = draw / np.sqrt(fan_in) if any(roles[p]) else 0.0 * draw
    return weights


def minibatches(
    num_samples: int, batch_size: int, steps: int, seed: int
) -> Iterator[np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Indices of ``steps`` mini-batches, epoch after epoch in fresh random order.

    Raises:
        ValueSystemError: if a mini-batch is empty or larger than the data.
    """
    if not 1 <= batch_size <= num_samples:
        raise ValueSystemError(f"batch_size={batch_size}: it needs 1 <= size <= {num_samples}")
    rng = np.random.default_rng(seed)
    order = rng.permutation(num_samples)
    start = 0
    for _ in range(steps):
        if start + batch_size > num_samples:
            order, start = rng.permutation(num_samples), 0
        yield order[start : start + batch_size]
        start += batch_size


@dataclass(frozen=True)
class Sgd:
    """θ ← θ - η ∇L(θ; mini-batch).

    Args:
        architecture: what is trained.
        loss: on which loss.
        rate: η.
        batch_size: samples a step.
    """

    architecture: Architecture
    loss: Loss
    rate: float
    batch_size: int

    def run(
        self,
        parameters: Mapping[str, Array],
        task: Task,
        steps: int,
        seed: int,
        watch: Callable[[int, Weights, Weights], None] | None = None,
    ) -> Weights:
        """Parameters after ``steps`` steps; arrays may have one ensemble axis in front.

        Args:
            parameters: where training starts; left unchanged.
            task: the data.
            steps: number of mini-batches.
            seed: of their order.
            watch: called as ``watch(step, parameters, gradient)`` before each update; the arrays
                are live, so copy what you keep.

        Raises:
            ValueSystemError: if a parameter or the data are not finite, a mini-batch is larger
                than the data, or training diverges.
        """
        system = Float64()
        weights = {p: _finite(p, parameters[p]).copy() for p in self.architecture.parameters}
        x, target = _finite("x", task.x), _finite("y", task.y)
        lead = next(iter(weights.values())).ndim - len(
            next(iter(self.architecture.parameter_shapes.values()))
        )
        forward = self.architecture.graph(self.batch_size)
        outputs = Evaluator(forward, system, lead)
        backward = Evaluator(gradient(forward), system, lead)
        for step, chosen in enumerate(minibatches(len(x), self.batch_size, steps, seed)):
            given = {**weights, "x": x[chosen]}
            with np.errstate(over="ignore", invalid="ignore"):
                y = outputs(given)["y"]
                adjoint = self.loss.adjoint(y, target[chosen])
                values = backward({**given, "adjoint:y": adjoint})
            slopes = {p: values[f"grad:{p}"] for p in weights}
            if watch is not None:
                watch(step, weights, slopes)
            with np.errstate(over="ignore", invalid="ignore"):
                for p, slope in slopes.items():
                    weights[p] -= self.rate * slope
        for p, weight in weights.items():
            if not np.isfinite(weight).all():
                raise ValueSystemError(f"{p} is not finite after {steps} steps: lower the rate")
        return weights


def _finite(name: str, values: Array) -> Array:
    try:
        return Float64().array(values)
    except ValueSystemError as error:
        raise ValueSystemError(f"{name}: {error}") from None


def accuracy(architecture: Architecture, parameters: Mapping[str, Array], task: Task) -> Array:
    """Share of samples whose largest output is the target's."""
    graph = architecture.graph(len(task.x))
    lead = next(iter(parameters.values())).ndim - len(
        next(iter(architecture.parameter_shapes.values()))
    )
    y = Evaluator(graph, Float64(), lead)({**parameters, "x": task.x})["y"]
    hits: Array = (y.argmax(axis=-1) == task.y.argmax(axis=-1)).mean(axis=-1)
    return hits
