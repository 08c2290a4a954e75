"""The adjoint of a network's output, ∂L/∂y, in any number system."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np

from numerics.losses import CROSS_ENTROPY, Loss, cross_entropy_adjoint
from numerics.systems.objects import ObjectSystem
from numerics.systems.system import Array, NumberSystem


def output_adjoint(loss: Loss, y: Array, target: Array, system: NumberSystem) -> Array:
    """∂L/∂y at given outputs, in the system's numbers.

    >>> from numerics.losses import MSE
    >>> from numerics.systems.rational import Rational
    >>> q = Rational()
    >>> output_adjoint(MSE, q.array([[1], [2]]), q.array([[0], [0]]), q).ravel().tolist()
    [1/2, 1]
    """
    with working(system):
        if loss is CROSS_ENTROPY and isinstance(system, ObjectSystem):
            powers = np.exp(y)  # floats alone need the shift of the loss
            shares = powers / powers.sum(axis=-1, keepdims=True)
            return np.asarray(cross_entropy_adjoint(shares, target))
        return np.asarray(loss.adjoint(y, target))


def working(system: NumberSystem) -> Any:
    """A context in which operators on the system's numbers are the system's."""
    return system.working() if isinstance(system, ObjectSystem) else nullcontext()
