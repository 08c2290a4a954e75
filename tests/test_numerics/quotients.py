"""Explicit rational functions N/D over the integers, as entries of object arrays.

The reference for :mod:`numerics.sizes`: in lowest terms, where every value of a function
symbol is a new variable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from math import log2, prod
from typing import Any

import flint
import numpy as np

from tests.test_theory.interpreter import filled, interpret
from theory.activation import Activation
from theory.graph import Graph

MAX_TERMS = 3000
VARIABLES = flint.fmpz_mpoly_ctx.get(tuple(f"v{k}" for k in range(200)), "lex")
GENERATORS = VARIABLES.gens()
ONE = VARIABLES.constant(1)


class TooLargeError(Exception):
    """A polynomial with too many terms for a quick test."""


@dataclass(frozen=True)
class Quotient:
    """N/D with integer polynomials in lowest terms."""

    numerator: Any
    denominator: Any

    def __post_init__(self) -> None:
        terms = (*self.numerator.coeffs(), *self.denominator.coeffs())
        if len(terms) > MAX_TERMS:
            raise TooLargeError
        common = self.numerator.gcd(self.denominator)
        if common != 1:
            object.__setattr__(self, "numerator", self.numerator / common)
            object.__setattr__(self, "denominator", self.denominator / common)

    def __add__(self, other: Any) -> "Quotient":
        b = quotient(other)
        return Quotient(
            self.numerator * b.denominator + b.numerator * self.denominator,
            self.denominator * b.denominator,
        )

    def __mul__(self, other: Any) -> "Quotient":
        b = quotient(other)
        return Quotient(self.numerator * b.numerator, self.denominator * b.denominator)

    def __neg__(self) -> "Quotient":
        return Quotient(-self.numerator, self.denominator)

    def __sub__(self, other: Any) -> "Quotient":
        return self + -quotient(other)

    def __truediv__(self, other: Any) -> "Quotient":
        b = quotient(other)
        if b.numerator == 0:
            raise ZeroDivisionError
        return Quotient(self.numerator * b.denominator, self.denominator * b.numerator)

    def __pow__(self, exponent: int) -> "Quotient":
        return prod([self] * (exponent - 1), start=self)

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> "Quotient":
        return quotient(other) - self

    def over(self, denominator: Any) -> Any:
        """The numerator over a multiple of the denominator.

        Raises:
            DomainError: if it is none.
        """
        return self.numerator * (denominator / self.denominator)


def size_of(polynomial: Any) -> tuple[int, float]:
    """Degree and log2 of the l1 norm; zeros for 0."""
    norm = sum(abs(int(c)) for c in polynomial.coeffs())
    return (int(polynomial.total_degree()), log2(norm)) if norm else (0, 0.0)


def quotient(value: Any) -> Quotient:
    """A number as a quotient."""
    if isinstance(value, Quotient):
        return value
    exact = Fraction(value)
    return Quotient(VARIABLES.constant(exact.numerator), VARIABLES.constant(exact.denominator))


@dataclass
class Variables:
    """New variables, and function symbols that take them as values."""

    numbers: Any = field(default_factory=count)

    def new(self) -> Quotient:
        number = next(self.numbers)
        if number >= len(GENERATORS):
            raise TooLargeError
        return Quotient(GENERATORS[number], VARIABLES.constant(1))

    def function(self, activation: Activation, z: Any) -> Quotient:
        half = Fraction(1, 2)
        match activation.name:
            case "relu" | "gelu" | "silu":
                return z * (self.new() + half)
            case "leaky_relu":
                gate = self.new() + half
                return z * (gate + (1 - gate) * activation.slope)
            case "step" | "sigmoid" | "normal_cdf":
                return self.new() + half
            case "softplus":
                return z * half + self.new()
            case _:
                return self.new()


def rational_functions(graph: Graph, given: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a graph; what is not given is made of new variables.

    Raises:
        ZeroDivisionError: if something is divided by zero identically.
        TooLargeError: if that takes too long.
    """
    variables = Variables()
    arrays = {
        name: filled(shape, [variables.new() for _ in range(prod(shape))])
        for name, shape in graph.input_shapes.items()
    }
    exact = {name: np.vectorize(quotient, otypes=[object])(a) for name, a in given.items()}
    return interpret(graph, arrays | exact, variables.function, quotient)
