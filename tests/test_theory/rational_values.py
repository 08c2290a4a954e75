"""Exact values of SymPy expressions and of function symbols at rational points, for tests."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from theory.activation import Activation
from theory.symbolic.functions import FunctionSymbol, LossSymbol

# z·g(z): the only definitions among the symbols that the tests draw.
GATES = {"relu": "step", "silu": "sigmoid"}


def closed_form(activation: Activation, z: Any) -> Any:
    """The SymPy function that a known symbol stands for."""
    known = activation.law.closed_form
    if known is None:
        raise ValueError(f"{activation!r} has no closed form")
    return known(z)


class Functions:
    """A polynomial for every function symbol.

    φ', φ'', … of an unknown φ are derivatives of its polynomial. A known symbol may be any function
    as well: its chain is algebra in its own values, so both gradients must agree for each choice.
    """

    def __init__(self, coefficients: Sequence[int]) -> None:
        self.coefficients = list(coefficients)

    def __call__(self, activation: Activation, z: Fraction) -> Fraction:
        if activation.name in GATES:
            return z * self(Activation(GATES[activation.name]), z)
        shift = sum(map(ord, activation.name))  # another polynomial for each name
        terms = [c + shift * k % 5 for k, c in enumerate(self.coefficients)]
        match activation.law.parity if activation.is_known else activation.parity:
            case "odd":
                terms[::2] = [0] * len(terms[::2])
            case "even":
                terms[1::2] = [0] * len(terms[1::2])
        for _ in range(activation.order):
            terms = [k * c for k, c in enumerate(terms)][1:]
        return sum((c * z**k for k, c in enumerate(terms)), Fraction(0))


class Value:
    """The value of an expression, given its symbols, its functions and ∂ℓ/∂y."""

    def __init__(
        self, symbols: Mapping[Any, Fraction], functions: Functions, adjoint: Sequence[Fraction]
    ) -> None:
        self.known: dict[Any, Fraction] = dict(symbols)
        self.functions, self.adjoint = functions, adjoint

    def __call__(self, expression: Any) -> Fraction:
        if expression not in self.known:
            self.known[expression] = self._value(expression)
        return self.known[expression]

    def _value(self, expression: Any) -> Fraction:
        if expression.is_Rational:
            return Fraction(int(expression.p), int(expression.q))
        if isinstance(expression, LossSymbol):
            return self.adjoint[type(expression).orders.index(1)]
        if expression.is_Pow:
            return self(expression.base) ** int(expression.exp)
        parts = [self(a) for a in expression.args]
        if isinstance(expression, FunctionSymbol):
            return self.functions(type(expression).activation, parts[0])
        total = Fraction(0) if expression.is_Add else Fraction(1)
        for part in parts:
            total = total + part if expression.is_Add else total * part
        return total
