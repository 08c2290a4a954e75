"""What a number system must offer so that a graph can be evaluated in it.

A value of a graph node of shape ``s`` is a NumPy array of shape ``(*lead, *s)``: the leading axes
run over trials, an ensemble of parameters, the components of a product of fields. Structural
primitives (reshape, transpose, take, …) are the same in every system and belong to
:mod:`numerics.evaluate`; a system supplies the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Protocol

from numpy.typing import NDArray

from theory.activation import Activation

Array = NDArray[Any]


class NumberSystem(Protocol):
    """Arithmetic on arrays of one kind of number.

    ``apply`` raises :class:`theory.errors.ValueSystemError` for a symbol that the system cannot
    evaluate, ``divide`` :class:`ZeroDivisionError` where an exact system meets a zero divisor.
    """

    @property
    def name(self) -> str:
        """How the system is called in reports, precision included."""

    def array(self, values: Any) -> Array:
        """Floats, integers, fractions, nested sequences or arrays of them in the system."""

    def constant(self, values: Sequence[Fraction], shape: tuple[int, ...], lead: int) -> Array:
        """Exact entries, row-major, as an array with ``lead`` broadcastable leading axes."""

    def add(self, a: Array, b: Array) -> Array:
        """a + b, elementwise with broadcasting, like the next four."""

    def subtract(self, a: Array, b: Array) -> Array:
        """a - b."""

    def multiply(self, a: Array, b: Array) -> Array:
        """a b."""

    def divide(self, a: Array, b: Array) -> Array:
        """a / b."""

    def negative(self, a: Array) -> Array:
        """-a."""

    def power(self, a: Array, exponent: int) -> Array:
        """aⁿ for an integer n ≥ 2."""

    def sum(self, a: Array, axes: tuple[int, ...]) -> Array:
        """Sum over the given (negative) axes, which disappear."""

    def matmul(self, a: Array, b: Array) -> Array:
        """Stacked matrix product over the last two axes, NumPy's rules."""

    def apply(self, activation: Activation, z: Array) -> Array:
        """A function symbol, elementwise."""
