"""Gradients at many points at once, over one prime field, and the space that they span.

What ``adjoints`` may be: ``"all"`` output adjoints, as for an arbitrary differentiable loss; or
``"cross-entropy"``, those that sum to 0 over the last axis of the output, as softmax followed by
cross-entropy gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from math import prod
from typing import Literal

import numpy as np

from numerics.evaluate import Evaluator
from numerics.generic import num_samples
from numerics.identity import REDRAWS
from numerics.plasticity.echelon import RowSpace
from numerics.primes import random_primes
from numerics.systems.prime import PrimeField
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import ArchitectureError, ValueSystemError
from theory.graph import Builder, Graph
from theory.manifold.base import Manifold
from theory.primitives import Concatenate, Input, Shape
from theory.rewrite import substitute
from theory.tracing import Traced, record, trace

MARGIN = 8  # gradients beyond the number of parameters
COUPLED_BATCH = 4
"""Samples where they are coupled: of two, batch statistics leave x̂ and -x̂ alone."""
BLOCK = 512  # trials evaluated at once
MEMORY = 1 << 25  # entries that a value of one block may have

Adjoints = Literal["all", "cross-entropy"]
Points = Callable[[str], Array]


def generic_batch(architecture: Architecture) -> int:
    """How many samples a generic gradient has: 1, or 4 where samples are coupled."""
    return 1 if num_samples(architecture) == 1 else COUPLED_BATCH


def gradient_graph(architecture: Architecture, batch: int, adjoints: Adjoints = "all") -> Graph:
    """The gradients alone, as a graph of free inputs: parameters, data and free adjoint entries.

    A parameter that frozen units cut off has no output: its gradient is 0.

    Raises:
        ArchitectureError: if adjoints are restricted along an output axis that does not exist.
    """
    graph = gradient(architecture.graph(batch))
    builder = Builder()
    given: dict[str, Traced] = {}
    if adjoints == "cross-entropy":
        shape = graph.nodes[graph.outputs["y"]].shape
        if len(shape) < 2:
            raise ArchitectureError(
                f"{architecture.name}: outputs of shape {shape} have no axis of classes, which "
                "adjoints of cross-entropy need"
            )
        given["adjoint:y"] = _sum_free(builder, shape)
    values = substitute(builder, graph, given)
    found = {
        p: values[f"grad:{p}"].number for p in architecture.parameters if f"grad:{p}" in values
    }
    return builder.finish(found)


def _sum_free(builder: Builder, shape: tuple[int, ...]) -> Traced:
    """A generic array that sums to 0 over the last axis."""
    if shape[-1] == 1:
        first = record(builder, Input("adjoint:free", shape))
        return first - first
    first = record(builder, Input("adjoint:free", (*shape[:-1], shape[-1] - 1)))
    last = -first.sum(-1, keepdims=True)
    return first.record(Concatenate(len(shape) - 1), last)


def flatten(values: Mapping[str, Array], shapes: Mapping[str, Shape], lead: Shape) -> Array:
    """Arrays by parameter, 0 where missing, as rows ``(*lead, P)`` in the order of ``shapes``."""
    rows = np.zeros((*lead, sum(map(prod, shapes.values()))))
    start = 0
    for p, shape in shapes.items():
        stop = start + prod(shape)
        if p in values:
            own = values[p]
            rows[..., start:stop] = own.reshape(*own.shape[: len(lead)], stop - start)
        start = stop
    return rows


def unflatten(rows: Array, shapes: Mapping[str, Shape]) -> dict[str, Array]:
    """Rows ``(*lead, P)`` as arrays by parameter."""
    values: dict[str, Array] = {}
    start = 0
    for p, shape in shapes.items():
        stop = start + prod(shape)
        values[p] = rows[..., start:stop].reshape(*rows.shape[:-1], *shape)
        start = stop
    return values


@dataclass(frozen=True)
class RandomGradients:
    """Gradients for uniform data and adjoints at given points, as rows over all parameters.

    A row lists the parameters in the order of ``architecture.parameters``, each row-major.

    Args:
        architecture: the network.
        field: of one component; also chooses data, adjoints and functions.
        batch: samples in one gradient.
        adjoints: which output adjoints there are.
    """

    architecture: Architecture
    field: PrimeField
    batch: int
    adjoints: Adjoints = "all"

    @cached_property
    def block(self) -> int:
        """How many trials one call should have, for the sake of memory."""
        widest = max(prod(node.shape) for node in self._graph.nodes)
        return max(1, min(BLOCK, MEMORY // widest))

    def __call__(self, points: Points, trials: int, stream: str) -> Array:
        """Gradients ``(trials, P)`` at random points, drawn again if something is divided by 0.

        Args:
            points: from the name of a stream, points ``(trials, P)``, or one for all, ``(1, P)``.
            trials: how many gradients.
            stream: names the points, the data and the adjoints.

        Raises:
            ValueSystemError: if at all points that were tried something is divided by 0.
        """
        for attempt in range(REDRAWS):
            own = f"{stream}:{attempt}"
            try:
                return self._at(points(own), trials, own)
            except ZeroDivisionError:
                continue
        raise ValueSystemError(
            f"{self.architecture.name}: a divisor vanishes at every point that was tried"
        )

    def _at(self, points: Array, trials: int, stream: str) -> Array:
        shapes = self.architecture.parameter_shapes
        given = unflatten(points[None], shapes)
        for name, shape in self._graph.input_shapes.items():
            if name not in given:
                given[name] = self.field.random((trials, *shape), f"{stream}:{name}")
        found: Array = flatten(self._evaluator(given), shapes, (1, trials))[0]
        return found

    @cached_property
    def _graph(self) -> Graph:
        return gradient_graph(self.architecture, self.batch, self.adjoints)

    @cached_property
    def _evaluator(self) -> Evaluator:
        return Evaluator(self._graph, self.field, lead=2)


def uniform_points(
    manifold: Manifold, shapes: Mapping[str, Shape], field: PrimeField, count: int, stream: str
) -> Array:
    """Uniform points of a manifold over one prime field, as rows (count, P)."""
    embedding = trace(lambda _, free: manifold.embed(free), {}, manifold.free_shapes)
    free = {
        name: field.random((count, *s), f"{stream}:{name}")
        for name, s in manifold.free_shapes.items()
    }
    theta = Evaluator(embedding, field, lead=2)(free)
    points: Array = flatten(theta, shapes, (1, count))[0]
    return points


def gradient_rank(
    architecture: Architecture,
    manifold: Manifold,
    *,
    batch: int | None = None,
    adjoints: Adjoints = "all",
    seed: int = 0,
) -> int:
    """Dimension of the span of gradients at uniform points of a manifold, data and adjoints.

    Over one random prime field. It never exceeds the dimension of the span of all gradients there,
    over all functions that the symbols may stand for; one particular function may span less. It
    falls short of it with a small probability, so it is an observation.

    Args:
        architecture: the network.
        manifold: where the points lie; a single point counts curved laws too.
        batch: samples in one gradient, by default 1, or 4 where samples are coupled.
        adjoints: which output adjoints there are.
        seed: of prime, points and functions.

    Raises:
        ArchitectureError: if adjoints are restricted along an output axis that does not exist.
        ValueSystemError: if a divisor vanishes at every point that is tried.

    >>> from theory.manifold import ambient, trap
    >>> from theory.zoo import mlp
    >>> net = mlp([3, 4, 4, 2]).freeze("h1", 0)
    >>> gradient_rank(net, ambient(net)), trap(net).dimension
    (38, 38)
    """
    field = PrimeField(random_primes(1, seed), seed)
    gradients = RandomGradients(
        architecture, field, generic_batch(architecture) if batch is None else batch, adjoints
    )
    span = RowSpace(field, architecture.num_parameters)
    wanted = architecture.num_parameters + MARGIN
    for start in range(0, wanted, gradients.block):
        count = min(gradients.block, wanted - start)
        points = partial(uniform_points, manifold, architecture.parameter_shapes, field, count)
        span.extend(gradients(points, count, str(start)))
    return span.rank
