"""Training, vectorised over ensembles of parameters.

A step of :func:`train`, from the inputs to the new parameters, is one graph
(:func:`theory.optimizer.step_graph`): the code that proofs are about, run in float64, to any number
of digits, or in balls. :class:`Sgd` is the short way for plain SGD.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.losses import Loss
from numerics.systems.float64 import Float64
from numerics.systems.system import Array, NumberSystem
from numerics.tasks import Task
from theory.architecture import Architecture
from theory.axis_roles import contracted_axes
from theory.backprop import gradient
from theory.errors import OptimizerError, ValueSystemError
from theory.optimizer import Optimizer, step_graph
from theory.optimizer.step import NEXT, SCALAR

Weights = dict[str, Array]


def initial_parameters(
    architecture: Architecture, seed: int, ensemble: tuple[int, ...] = ()
) -> Weights:
    """Independent normal weights with variance 1/fan-in; parameters without a source axis are 0.

    Arrays have shape ``(*ensemble, *shape)``.
    """
    rng = np.random.default_rng(seed)
    roles = contracted_axes(architecture.unfrozen().graph(), up_to_exchange=True)
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


@dataclass(frozen=True, slots=True)
class Run:
    """What :func:`train` returns.

    Attributes:
        parameters: after the last step.
        state: of the optimizer, after the last step.
        trajectory: the parameters before the first step and after every ``record``-th one.
    """

    parameters: Weights
    state: Weights
    trajectory: tuple[Weights, ...]


def initial_state(optimizer: Optimizer, parameters: Mapping[str, Any], lead: int = 0) -> Weights:
    """The state before the first step: zeros, ε·I for statistics, the parameters for an anchor.

    Args:
        optimizer: whose state.
        parameters: where training starts, with ``lead`` leading axes.
        lead: number of leading axes.

    >>> from theory.optimizer import heavy_ball
    >>> initial_state(heavy_ball(), {"w": np.ones(2)})
    {'m:w': array([0., 0.])}
    """
    state: Weights = {}
    for p, w in parameters.items():
        own = np.shape(w)[lead:]
        for slot in optimizer.slots(len(own)):
            shape = slot.shape(own)
            match slot.role:
                case "anchor":
                    state[f"{slot.name}:{p}"] = np.array(w)
                case "statistics":
                    damping = float(optimizer.hyperparameters["damping"])
                    state[f"{slot.name}:{p}"] = damping * np.eye(shape[0])
                case "noise":
                    state[f"{slot.name}:{p}"] = np.zeros(np.shape(w))
                case _:
                    state[f"{slot.name}:{p}"] = np.zeros(shape)
    return state


def num_leading(architecture: Architecture, parameters: Mapping[str, Any]) -> int:
    """How many ensemble axes stand in front of the parameters' own."""
    shapes = architecture.parameter_shapes
    return max(np.ndim(parameters[p]) - len(shape) for p, shape in shapes.items())


def train(
    architecture: Architecture,
    optimizer: Optimizer,
    loss: Loss,
    parameters: Mapping[str, Array],
    task: Task,
    *,
    steps: int,
    batch_size: int | None = None,
    seed: int = 0,
    state: Mapping[str, Array] | None = None,
    record: int | None = None,
    watch: Callable[[int, Weights], None] | None = None,
    system: NumberSystem | None = None,
) -> Run:
    """Train by any optimizer; arrays may have ensemble axes in front.

    Args:
        architecture: what is trained.
        optimizer: by which rule.
        loss: on which loss.
        parameters: where training starts; left unchanged.
        task: the data.
        steps: number of steps.
        batch_size: samples of a mini-batch, all by default.
        seed: of the order of mini-batches and of noise.
        state: of the optimizer before the first step, by default :func:`initial_state`.
        record: every how many steps the parameters are kept.
        watch: called as ``watch(step, parameters)`` after each step, which counts from 1; the
            arrays are live.
        system: in which numbers, float64 by default.

    Raises:
        OptimizerError: if arrays of the state are missing or unknown.
        ShapeError: if an array does not fit.
        ValueSystemError: if a mini-batch is empty or larger than the data, or, in float64, numbers
            are or become not finite.
    """
    numbers = Float64() if system is None else system
    weights = {p: numbers.array(parameters[p]) for p in architecture.parameters}
    shapes = architecture.parameter_shapes
    lead = num_leading(architecture, weights)
    slots = {f"{s.name}:{p}": s for p in shapes for s in optimizer.slots(len(shapes[p]))}
    given_state = initial_state(optimizer, weights, lead) if state is None else state
    if odd := sorted(set(given_state) ^ set(slots)):
        raise OptimizerError(f"state: {odd[0]!r}: {optimizer.name} has {sorted(slots) or 'none'}")
    kept = {name: numbers.array(given_state[name]) for name in slots}
    size = len(task.x) if batch_size is None else batch_size
    evaluator = Evaluator(step_graph(architecture, optimizer, size, loss.adjoint), numbers, lead)
    noise = [name for name, slot in slots.items() if slot.role == "noise"]
    rng = np.random.default_rng((seed, 1))
    x, target = numbers.array(task.x), numbers.array(task.y)
    order = minibatches(len(task.x), size, steps, seed)
    trajectory = [weights] if record else []
    for step, chosen in enumerate(order, start=1):
        for name in noise:
            kept[name] = numbers.array(rng.normal(size=kept[name].shape))
        scalars = {
            f"{SCALAR}:{name}": value if system else float(value)
            for name, value in optimizer.scalars(step).items()
        }
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = evaluator(
                {**weights, **kept, **scalars, "x": x[chosen], "target": target[chosen]}
            )
        weights = {p: found[f"{NEXT}:{p}"] for p in weights}
        kept = {name: found[f"{NEXT}:{name}"] for name in slots}
        if record and step % record == 0:
            trajectory.append(weights)
        if watch is not None:
            watch(step, weights)
    if system is None:
        for p, weight in weights.items():
            if not np.isfinite(weight).all():
                raise ValueSystemError(f"{p} is not finite after {steps} steps: lower the rate")
    return Run(weights, kept, tuple(trajectory))


def loss_and_gradient(
    architecture: Architecture, loss: Loss, parameters: Mapping[str, Array], task: Task
) -> tuple[Array, Weights]:
    """The loss on all data and its gradient; arrays may have one ensemble axis in front.

    Raises:
        ShapeError: if an array does not fit.
        ValueSystemError: if numbers are not finite.
    """
    weights = {p: _finite(p, parameters[p]) for p in architecture.parameters}
    lead = num_leading(architecture, weights)
    forward = architecture.graph(len(task.x))
    given = {**weights, "x": _finite("x", task.x)}
    target = _finite("y", task.y)
    y = Evaluator(forward, Float64(), lead)(given)["y"]
    slopes = Evaluator(gradient(forward), Float64(), lead)(
        {**given, "adjoint:y": loss.adjoint(y, target)}
    )
    return loss.value(y, target), {p: slopes[f"grad:{p}"] for p in weights}


def accuracy(architecture: Architecture, parameters: Mapping[str, Array], task: Task) -> Array:
    """Share of samples whose largest output is the target's."""
    graph = architecture.graph(len(task.x))
    lead = next(iter(parameters.values())).ndim - len(
        next(iter(architecture.parameter_shapes.values()))
    )
    y = Evaluator(graph, Float64(), lead)({**parameters, "x": task.x})["y"]
    hits: Array = (y.argmax(axis=-1) == task.y.argmax(axis=-1)).mean(axis=-1)
    return hits
