"""Losses by their value and their output adjoint ∂ℓ/∂y."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from numerics.systems.system import Array


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss over a batch: the last two axes of ``y`` are samples and outputs.

    Attributes:
        name: as on the command line.
        value: ``(y, target)`` to the mean loss, over the leading axes if there are any.
        adjoint: ``(y, target)`` to ∂(mean loss)/∂y, of the shape of ``y``.
    """

    name: str
    value: Callable[[Array, Array], Array]
    adjoint: Callable[[Array, Array], Array]


def _log_softmax(y: Array) -> Array:
    shifted = y - y.max(axis=-1, keepdims=True)
    result: Array = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


def cross_entropy_adjoint(shares: Array, target: Array) -> Array:
    """∂(mean cross-entropy)/∂y from softmax(y), in any numbers, for targets of any sum.

    Rounded distributions do not add up to 1; the adjoints of a sample do to 0.
    """
    result: Array = (target.sum(axis=-1, keepdims=True) * shares - target) / shares.shape[-2]
    return result


MSE = Loss(
    "mse",
    value=lambda y, target: 0.5 * np.square(y - target).sum(axis=-1).mean(axis=-1),
    adjoint=lambda y, target: (y - target) / y.shape[-2],
)
"""½ · mean over samples of the sum over outputs of squared errors."""

CROSS_ENTROPY = Loss(
    "cross-entropy",
    value=lambda y, target: -(target * _log_softmax(y)).sum(axis=-1).mean(axis=-1),
    adjoint=lambda y, target: cross_entropy_adjoint(np.exp(_log_softmax(y)), target),
)
"""Mean over samples of -Σ target · log softmax(y); a target is a distribution over the classes."""
