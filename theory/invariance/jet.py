"""Exact directional derivatives: dual numbers a + b ε with rational a and b.

An unknown function is read as a polynomial; a known one is evaluated where its value is rational,
such as tanh(0) = 0. The derivative comes from the forward pass alone, so what it says about a
gradient, ⟨adjoint, J n⟩ = ⟨gradient, n⟩, depends on no backward rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

from theory.activation import Activation
from theory.errors import ValueSystemError
from theory.graph import Graph
from theory.symbolic.forward import Array, forward_values, rule_value

Number = int | Fraction
Polynomials = Mapping[str, Sequence[Number]]  # ascending coefficients by the function's name


class NoRationalValueError(ValueSystemError):
    """A known function that is not rational, or not differentiable, at a rational point."""


@dataclass(frozen=True, slots=True)
class Jet:
    """value + slope·ε with ε² = 0.

    >>> Jet(3, 1) * Jet(3, 1), 1 / Jet(2, 1)
    (Jet(value=9, slope=6), Jet(value=Fraction(1, 2), slope=Fraction(-1, 4)))
    """

    value: Number
    slope: Number

    def __add__(self, other: Jet | Number) -> Jet:
        b = _jet(other)
        return Jet(self.value + b.value, self.slope + b.slope)

    def __sub__(self, other: Jet | Number) -> Jet:
        return self + -_jet(other)

    def __mul__(self, other: Jet | Number) -> Jet:
        b = _jet(other)
        return Jet(self.value * b.value, self.value * b.slope + self.slope * b.value)

    def __truediv__(self, other: Jet | Number) -> Jet:
        b = _jet(other)
        inverse = 1 / Fraction(b.value)
        return self * Jet(inverse, -b.slope * inverse * inverse)

    def __rtruediv__(self, other: Number) -> Jet:
        return _jet(other) / self

    def __rsub__(self, other: Number) -> Jet:
        return _jet(other) + -self

    def __neg__(self) -> Jet:
        return Jet(-self.value, -self.slope)

    def __pow__(self, exponent: int) -> Jet:
        slope = exponent * self.value ** (exponent - 1) * self.slope
        return Jet(self.value**exponent, slope)

    __radd__ = __add__
    __rmul__ = __mul__


def _jet(number: Jet | Number) -> Jet:
    return number if isinstance(number, Jet) else Jet(number, 0)


def directional_derivative(
    graph: Graph,
    functions: Polynomials,
    theta: Mapping[str, Array],
    x: Array,
    direction: Mapping[tuple[str, int], Number],
) -> Array:
    """J n: how the outputs y move when θ moves along a sparse direction n.

    Args:
        graph: the forward graph, with input ``x`` and output ``y``.
        functions: coefficients of every unknown function.
        theta: integers or Fractions, in arrays of objects.
        x: data in an array of objects.
        direction: by (parameter, flat index).

    Raises:
        NoRationalValueError: if a known function meets a point where it is not rational.
        ZeroDivisionError: if a divisor is 0.
        ValueSystemError: if an unknown function has no coefficients.

    >>> from theory.zoo import mlp
    >>> graph = mlp([1, 1, 1], bias=False).graph()
    >>> one, three = np.array([[1]], dtype=object), np.array([[3]], dtype=object)
    >>> theta, square = {"W1": three, "W2": three}, {"phi": [0, 0, 1]}
    >>> directional_derivative(graph, square, theta, one, {("W1", 0): 1})
    array([[18]], dtype=object)
    """
    moving = {p: array.copy() for p, array in theta.items()}
    for (p, entry), slope in direction.items():
        moving[p].flat[entry] = Jet(moving[p].flat[entry], slope)

    def apply(activation: Activation, z: Jet | Number) -> Jet | Number:
        return _applied(activation, z, functions)

    values = forward_values(graph, {**moving, "x": x}, apply)[graph.outputs["y"]]
    slopes = np.empty(values.shape, dtype=object)
    for index in np.ndindex(*values.shape):
        slopes[index] = _jet(values.item(index)).slope
    return slopes


def _applied(activation: Activation, z: Jet | Number, functions: Polynomials) -> Jet | Number:
    def apply(symbol: Activation, w: Jet | Number) -> Jet | Number:
        return _applied(symbol, w, functions)

    if activation.name == "gelu" and isinstance(z, Jet) and z.value == 0:
        return Jet(0, z.slope * Fraction(1, 2))  # zΦ(z): the irrational Φ'(0) meets a factor 0
    if activation.law.definition is not None:
        result: Jet | Number = rule_value(activation, "definition", z, apply)
        return result
    if not isinstance(z, Jet):
        return _value(activation, z, functions)
    value = _value(activation, z.value, functions)
    if z.slope == 0:
        return Jet(value, 0)
    slope = rule_value(activation, "derivative", z.value, apply, f=value)
    return Jet(value, slope * z.slope)


def _value(activation: Activation, z: Number, functions: Polynomials) -> Number:
    if activation.is_known:
        return _rational_value(activation, z)
    if activation.name not in functions:
        raise ValueSystemError(f"functions has no {activation.name!r}: give its coefficients")
    total: Number = 0
    for coefficient in reversed(_differentiated(functions[activation.name], activation.order)):
        total = total * z + coefficient
    return total


def _differentiated(coefficients: Sequence[Number], times: int) -> Sequence[Number]:
    for _ in range(times):
        coefficients = [k * c for k, c in enumerate(coefficients)][1:]
    return coefficients


_AT_ZERO = {"tanh": Fraction(0), "sigmoid": Fraction(1, 2), "exp": Fraction(1)}
_AT_ZERO["normal_cdf"] = Fraction(1, 2)


def _rational_value(activation: Activation, z: Number) -> Number:
    match activation.name:
        case "step" if z != 0:
            return int(z > 0)
        case "reciprocal" if z != 0:
            return 1 / Fraction(z)
        case "log" if z == 1:
            return 0
        case "sqrt" | "rsqrt" if z > 0:
            top, bottom = isqrt(z.numerator), isqrt(z.denominator)
            if (top * top, bottom * bottom) == (z.numerator, z.denominator):
                root = Fraction(top, bottom)
                return root if activation.name == "sqrt" else 1 / root
        case name if z == 0 and name in _AT_ZERO:
            return _AT_ZERO[name]
    raise NoRationalValueError(f"{activation!r}({z}) is not rational")


def to_text(value: Any) -> str:
    """A rational number as ``a/b``.

    >>> to_text(Fraction(-3, 2)), to_text(4)
    ('-3/2', '4')
    """
    return str(Fraction(value))
