"""IEEE double precision, for speed: an observation, never a proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import pi, sqrt
from typing import Any

import numpy as np
from scipy import special

from numerics.systems.system import Array
from numerics.systems.workspace import Memory
from theory.activation import Activation
from theory.errors import ValueSystemError

FloatFunction = Callable[[Array], Array]


def _relu(z: Array, out: Array | None = None) -> Array:
    return np.maximum(z, 0.0, out=out)


def _step(z: Array, out: Array | None = None) -> Array:
    return np.heaviside(z, 0.0, out=out)


FUNCTIONS: Mapping[str, FloatFunction] = {
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "softplus": lambda z: np.logaddexp(0.0, z),
    "silu": lambda z: z * special.expit(z),
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "rsqrt": lambda z: 1.0 / np.sqrt(z),
    "reciprocal": np.reciprocal,
    "step": _step,
    "relu": _relu,
    "normal_cdf": special.ndtr,
    "normal_pdf": lambda z: np.exp(-0.5 * z * z) / sqrt(2 * pi),
    "gelu": lambda z: z * special.ndtr(z),
}

WIDE = 128
"""Columns from which NumPy's own sum over rows is faster than a product with ones."""

TAKING_OUT = frozenset(
    {"tanh", "sigmoid", "exp", "log", "sqrt", "reciprocal", "step", "relu", "normal_cdf"}
)
"""Names of the functions above that write into ``out``."""


@dataclass(frozen=True)
class Float64:
    """NumPy's double precision.

    Args:
        functions: what the unknown symbols are, by their printed name: ``{"phi": np.sin,
            "phi'": np.cos}``.

    >>> Float64().apply(Activation("tanh"), np.zeros(2))
    array([0., 0.])
    """

    functions: Mapping[str, FloatFunction] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``float64``."""
        return "float64"

    def workspace(self) -> Float64Workspace:
        """The same arithmetic with large results in memory that is used again."""
        return Float64Workspace(self.functions)

    def array(self, values: Any) -> Array:
        """Numbers as doubles.

        Raises:
            ValueSystemError: if an entry is NaN or infinite.
        """
        a = np.asarray(values, dtype=np.float64)
        if not np.isfinite(a).all():
            where = tuple(int(k) for k in np.argwhere(~np.isfinite(a))[0])
            raise ValueSystemError(f"entry {where} is {a[where]}: numbers must be finite")
        return a

    def constant(self, values: Sequence[Fraction], shape: tuple[int, ...], lead: int) -> Array:
        """The nearest doubles."""
        return np.array([float(v) for v in values]).reshape((1,) * lead + shape)

    def add(self, a: Array, b: Array) -> Array:
        """a + b."""
        return a + b

    def subtract(self, a: Array, b: Array) -> Array:
        """a - b."""
        return a - b

    def multiply(self, a: Array, b: Array) -> Array:
        """a b."""
        return a * b

    def divide(self, a: Array, b: Array) -> Array:
        """a / b."""
        return a / b

    def negative(self, a: Array) -> Array:
        """-a."""
        return -a

    def power(self, a: Array, exponent: int) -> Array:
        """aⁿ."""
        return a**exponent

    def sum(self, a: Array, axes: tuple[int, ...]) -> Array:
        """Sum over axes; of many small matrices the rows are summed by BLAS."""
        if axes == (-2,) and a.ndim > 2 and a.shape[-1] < WIDE:
            return np.asarray(np.matmul(np.ones((1, a.shape[-2])), a)[..., 0, :])
        return np.asarray(np.sum(a, axis=axes))

    def matmul(self, a: Array, b: Array) -> Array:
        """Stacked matrix product by BLAS."""
        return a @ b

    def apply(self, activation: Activation, z: Array) -> Array:
        """A known function, or what ``functions`` says of an unknown one.

        Raises:
            ValueSystemError: for an unknown symbol without a function.
        """
        if activation.slope is not None:
            return np.where(z > 0, z, float(activation.slope) * z)
        function = FUNCTIONS.get(activation.name) or self.functions.get(repr(activation))
        if function is None:
            raise ValueSystemError(
                f"{activation!r} is an unknown function: name it, e.g. "
                f"Float64(functions={{{repr(activation)!r}: np.sin}})"
            )
        return function(z)


@dataclass(frozen=True)
class Float64Workspace(Float64):
    """Double precision with large results in memory that was released before."""

    _memory: Memory = field(default_factory=Memory, repr=False, compare=False)

    def release(self, a: Array) -> None:
        """Allow the memory of a result to be used again."""
        self._memory.release(a)

    def finish(self) -> None:
        """Give away the results that were not released."""
        self._memory.finish()

    def add(self, a: Array, b: Array) -> Array:
        """a + b."""
        return self._memory.elementwise(np.add, a, b)

    def subtract(self, a: Array, b: Array) -> Array:
        """a - b."""
        return self._memory.elementwise(np.subtract, a, b)

    def multiply(self, a: Array, b: Array) -> Array:
        """a b."""
        return self._memory.elementwise(np.multiply, a, b)

    def divide(self, a: Array, b: Array) -> Array:
        """a / b."""
        return self._memory.elementwise(np.divide, a, b)

    def negative(self, a: Array) -> Array:
        """-a."""
        return self._memory.elementwise(np.negative, a)

    def power(self, a: Array, exponent: int) -> Array:
        """aⁿ."""
        if exponent == 2:
            return self.multiply(a, a)
        return self._memory.elementwise(np.power, a, np.array(float(exponent)))

    def matmul(self, a: Array, b: Array) -> Array:
        """Stacked matrix product by BLAS."""
        return self._memory.matmul(a, b)

    def apply(self, activation: Activation, z: Array) -> Array:
        """A known function; one from outside gets memory of its own, which it may keep."""
        if activation.slope is None and activation.name in TAKING_OUT:
            return self._memory.elementwise(FUNCTIONS[activation.name], z)
        is_known = activation.slope is not None or activation.name in FUNCTIONS
        return super().apply(activation, z if is_known else z.copy())
