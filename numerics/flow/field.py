"""The vector field of gradient flow as a graph: -∇L(θ) on given data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from numerics.losses import CROSS_ENTROPY, Loss
from theory.architecture import Architecture
from theory.backprop import ADJOINT, GRADIENT, gradient
from theory.errors import ValueSystemError
from theory.graph import Builder, Graph
from theory.primitives import Input
from theory.rewrite import substitute
from theory.tracing import record

DATA, TARGET = "x", "target"  # inputs of the field
Adjoint = Callable[[Any, Any], Any]


def _cross_entropy(y: Any, target: Any) -> Any:
    """∂ℓ/∂y of the mean cross-entropy, without the shift that only floats need."""
    powers = np.exp(y)
    return (powers / powers.sum(axis=-1, keepdims=True) - target) / y.shape[-2]


def field(architecture: Architecture, loss: Loss | Adjoint, samples: int) -> Graph:
    """The graph of ``rate:p`` = -∂L/∂p for every parameter p, from inputs ``x`` and ``target``.

    Args:
        architecture: of ``forward(p, x)``.
        loss: a loss, or its adjoint alone: ``(y, target)`` to ∂L/∂y as NumPy code.
        samples: length of the batch.

    Raises:
        TraceError: if the adjoint does what a traced array cannot follow.
        ValueSystemError: if it has not the shape of the outputs.

    >>> from numerics.losses import MSE
    >>> from theory.zoo import mlp
    >>> field(mlp([2, 2, 1], "tanh", bias=False), MSE, 3).outputs.keys()
    dict_keys(['rate:W1', 'rate:W2'])
    """
    forward = architecture.graph(samples)
    builder = Builder()
    y = substitute(builder, forward, {})["y"]
    adjoint_of: Adjoint = loss.adjoint if isinstance(loss, Loss) else loss
    if loss is CROSS_ENTROPY:
        adjoint_of = _cross_entropy
    adjoint = adjoint_of(y, record(builder, Input(TARGET, y.shape)))
    if getattr(adjoint, "shape", None) != y.shape:
        raise ValueSystemError(f"loss: its adjoint is {adjoint!r:.60}, an array {y.shape} needed")
    slopes = substitute(builder, gradient(forward), {f"{ADJOINT}:y": y.lift(adjoint)})
    rates = {f"rate:{p}": -slopes[f"{GRADIENT}:{p}"] for p in architecture.parameters}
    return builder.finish({name: value.number for name, value in rates.items()})
