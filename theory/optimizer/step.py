"""One step of training as a graph: forward, adjoint, gradient, update."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from theory.architecture import Architecture
from theory.backprop import ADJOINT, GRADIENT, gradient
from theory.graph import Builder, Graph
from theory.optimizer.base import Arrays, Optimizer
from theory.primitives import Input, Parameter
from theory.rewrite import substitute
from theory.tracing import Traced, record

SCALAR = "scalar"  # prefix of the inputs that hold the scalars of a step
NEXT = "next"  # prefix of the outputs

Adjoint = Callable[[Any, Any], Any]  # (y, target) to ∂ℓ/∂y


def gradient_function(
    builder: Builder, architecture: Architecture, batch: int, adjoint: Adjoint | None = None
) -> Callable[[Mapping[str, Traced]], dict[str, Traced]]:
    """The loss gradient as a function of traced parameters, always on the same inputs ``x``.

    Args:
        builder: the graph under construction.
        architecture: what is trained.
        batch: number of samples.
        adjoint: of the loss, with a further input ``target``; by default the adjoints are
            arbitrary, an input ``adjoint:y`` for the first point and ``adjoint:y:k`` for the k-th.
    """
    forward = architecture.graph(batch)
    reverse = gradient(forward)
    shape = forward.nodes[forward.outputs["y"]].shape
    points = 0

    def slopes(theta: Mapping[str, Traced]) -> dict[str, Traced]:
        nonlocal points
        points += 1
        if adjoint is None:
            name = f"{ADJOINT}:y" if points == 1 else f"{ADJOINT}:y:{points}"
            signal = record(builder, Input(name, shape))
        else:
            y = substitute(builder, forward, theta)["y"]
            signal = adjoint(y, record(builder, Input("target", shape)))
        found = substitute(builder, reverse, {**theta, f"{ADJOINT}:y": signal})
        # a frozen unit may cut a parameter off from the outputs
        return {p: found.get(f"{GRADIENT}:{p}", 0 * w) for p, w in theta.items()}

    return slopes


def scalar_inputs(builder: Builder, optimizer: Optimizer) -> dict[str, Traced]:
    """The scalars of a step as inputs ``scalar:…``."""
    return {name: record(builder, Input(f"{SCALAR}:{name}", ())) for name in optimizer.scalars(1)}


def step_graph(
    architecture: Architecture, optimizer: Optimizer, batch: int, adjoint: Adjoint | None = None
) -> Graph:
    """θ and the state to ``next:…`` after one step, on inputs ``x``.

    >>> from theory.optimizer import heavy_ball
    >>> from theory.zoo import mlp
    >>> step = step_graph(mlp([2, 1], bias=False), heavy_ball(), batch=3)
    >>> sorted(step.outputs)
    ['next:W1', 'next:m:W1']
    """
    builder = Builder()
    shapes = architecture.parameter_shapes
    theta = {p: record(builder, Parameter(p, shape)) for p, shape in shapes.items()}
    state: Arrays = {
        name: record(builder, Input(name, shape))
        for name, shape in optimizer.state_shapes(shapes).items()
    }
    slopes = gradient_function(builder, architecture, batch, adjoint)
    moved, kept = optimizer.step(theta, state, slopes, scalar_inputs(builder, optimizer))
    return builder.finish({f"{NEXT}:{k}": v.number for k, v in (moved | kept).items()})
