"""Which inputs a statement is about: a box, or samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.bounds.interval import hull
from numerics.systems.system import Array
from theory.errors import ShapeError, ValueSystemError


@dataclass(frozen=True, eq=False)
class Box:
    """All inputs with ``low ≤ x ≤ high``, entry by entry; a number counts for all entries.

    Raises:
        ValueSystemError: if an end is not finite, or low > high.

    >>> Box(0.0, 1.0).values((2,))["high"]
    array([[1., 1.]])
    """

    low: Array | float
    high: Array | float

    def __post_init__(self) -> None:
        ends = np.broadcast_arrays(self.low, self.high)
        if not np.isfinite(ends).all():
            raise ValueSystemError("a box has finite ends")
        if not (ends[0] <= ends[1]).all():
            raise ValueSystemError("a box needs low <= high in every entry")

    num_samples = 1

    def values(self, shape: tuple[int, ...]) -> Array:
        """The box as intervals ``(1, *shape)``.

        Raises:
            ShapeError: if it does not fit inputs of that shape.
        """
        try:
            ends = [np.broadcast_to(np.asarray(e, float), shape) for e in (self.low, self.high)]
        except ValueError:
            shapes = f"{np.shape(self.low)} and {np.shape(self.high)}"
            raise ShapeError(f"a box with ends of shape {shapes} for inputs {shape}") from None
        return hull(*ends)[None]

    def __str__(self) -> str:
        low, high = np.min(self.low), np.max(self.high)
        return f"all inputs in a box within [{low:g}, {high:g}]"


@dataclass(frozen=True, eq=False)
class Data:
    """The samples ``x (samples, *inputs)``, and no others.

    Raises:
        ValueSystemError: if an entry is not finite.
        ShapeError: if there is no sample.
    """

    x: Array

    def __post_init__(self) -> None:
        if np.ndim(self.x) < 1 or not len(self.x):
            raise ShapeError(f"x has shape {np.shape(self.x)}: at least one sample is expected")
        if not np.isfinite(np.asarray(self.x, float)).all():
            raise ValueSystemError("x: an entry is not finite")

    @property
    def num_samples(self) -> int:
        """The number of samples."""
        return len(self.x)

    def values(self, shape: tuple[int, ...]) -> Array:
        """The samples as intervals of width 0.

        Raises:
            ShapeError: if they do not fit inputs of that shape.
        """
        if np.shape(self.x)[1:] != shape:
            raise ShapeError(f"x has shape {np.shape(self.x)}, inputs have {shape}")
        x = np.asarray(self.x, float)
        return hull(x, x)

    def __str__(self) -> str:
        return f"these {self.num_samples} samples"


Domain = Box | Data
