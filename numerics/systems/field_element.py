"""Python arithmetic on the values of a number system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any

from numerics.systems.system import Array, NumberSystem
from theory.activation import Activation, apply
from theory.errors import ValueSystemError


@dataclass(frozen=True, eq=False)
class FieldElement:
    """An array with the system it belongs to: what the laws of function symbols act on.

    Combines with elements of the same system and with exact numbers, elementwise.

    Raises:
        ValueSystemError: if the other operand is anything else, such as a float.

    >>> from numerics.systems.prime import PrimeField
    >>> field = PrimeField((101,), seed=0)
    >>> z = FieldElement(field, field.array([3, 4]))
    >>> field.canonical((1 - z * z / 2).array).tolist()
    [[47, 94]]
    """

    system: NumberSystem
    array: Array

    def __add__(self, other: Any) -> FieldElement:
        return self._combine(self.system.add, self, other)

    def __radd__(self, other: Any) -> FieldElement:
        return self._combine(self.system.add, other, self)

    def __sub__(self, other: Any) -> FieldElement:
        return self._combine(self.system.subtract, self, other)

    def __rsub__(self, other: Any) -> FieldElement:
        return self._combine(self.system.subtract, other, self)

    def __mul__(self, other: Any) -> FieldElement:
        return self._combine(self.system.multiply, self, other)

    def __rmul__(self, other: Any) -> FieldElement:
        return self._combine(self.system.multiply, other, self)

    def __truediv__(self, other: Any) -> FieldElement:
        return self._combine(self.system.divide, self, other)

    def __rtruediv__(self, other: Any) -> FieldElement:
        return self._combine(self.system.divide, other, self)

    def __neg__(self) -> FieldElement:
        return FieldElement(self.system, self.system.negative(self.array))

    def _combine(self, operation: Callable[[Array, Array], Array], a: Any, b: Any) -> FieldElement:
        return FieldElement(self.system, operation(self._array(a), self._array(b)))

    def _array(self, operand: Any) -> Array:
        if isinstance(operand, FieldElement):
            return operand.array
        if isinstance(operand, Rational):
            return self.system.constant([Fraction(operand)], (), self.array.ndim)
        raise ValueSystemError(
            f"{operand!r:.60}: a field element combines with elements and exact numbers only"
        )


@apply.register(FieldElement)
def _apply_to_element(z: FieldElement, activation: Activation) -> FieldElement:
    return FieldElement(z.system, z.system.apply(activation, z.array))
