"""Expressions at a rational point: where two of them differ, by numbers.

Unknown functions are read as polynomials with integer coefficients, an arbitrary loss as a
quadratic polynomial of all outputs, and symbols as small integers, all drawn from a seed. Known
functions keep their closed form, so a value may be an irrational number of SymPy's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import sympy

from theory.activation import Activation
from theory.errors import ValueSystemError
from theory.symbolic.functions import FunctionSymbol, LossSymbol

DEGREE = 3  # of an unknown function's polynomial: φ'' is not constant

LOSS = "sum of k y_k + (y_1^2 + ... + (y_1 + y_2 + ...)^2) / 2, a single output has y_2 = t"


@dataclass(frozen=True)
class RationalPoint:
    """Numbers for symbols, polynomials for unknown functions and for the loss.

    Args:
        symbols: numbers by symbol; what is missing is drawn from the seed when it is met.
        substitution: symbols that stand for expressions in other symbols.
        seed: of everything that is drawn.

    >>> from theory.activation import activation
    >>> from theory.symbolic.functions import applied
    >>> w, x = sympy.symbols("w x")
    >>> point = RationalPoint({w: sympy.Integer(2), x: sympy.Integer(3)})
    >>> point(applied(activation("phi"), w * x).diff(w)) == 3 * point.polynomial("phi", 1, 6)
    True
    """

    symbols: Mapping[Any, sympy.Expr]
    substitution: Mapping[Any, sympy.Expr] = field(default_factory=dict)
    seed: int = 0
    _memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __call__(self, expression: sympy.Expr) -> sympy.Expr:
        """The value, an exact number.

        Raises:
            ValueSystemError: if the expression has a part without a value.
            ZeroDivisionError: if a divisor is 0.
        """
        known = self._memo.get(expression)
        if known is None:
            known = self._memo[expression] = self._value(expression)
        return known

    def _value(self, expression: sympy.Expr) -> sympy.Expr:
        if expression.is_Symbol:
            if expression in self.substitution:
                return self(self.substitution[expression])
            given = self.symbols.get(expression)
            return self._drawn(expression.name) if given is None else given
        if expression.is_Number:
            return expression
        if expression.is_Add:
            return sympy.Add(*map(self, expression.args))
        if expression.is_Mul:
            return sympy.Mul(*map(self, expression.args))
        if expression.is_Pow and expression.exp.is_Number:
            base = self(expression.base)
            if base == 0 and expression.exp.is_negative:
                raise ZeroDivisionError(f"{expression.base} is 0")
            return base**expression.exp
        if isinstance(expression, FunctionSymbol):
            return self._applied(type(expression).activation, self(expression.args[0]))
        if isinstance(expression, LossSymbol):
            return _loss(type(expression).orders, tuple(map(self, expression.args)))
        raise ValueSystemError(f"{expression}: no number, symbol, sum, product, power or function")

    def _applied(self, activation: Activation, z: sympy.Expr) -> sympy.Expr:
        closed_form = activation.law.closed_form
        if closed_form is None:
            return self.polynomial(activation.name, activation.order, z)
        return sympy.sympify(closed_form(z))

    def polynomial(self, name: str, order: int, z: Any) -> sympy.Expr:
        """A derivative of the polynomial that an unknown function stands for, at z."""
        variable = sympy.Symbol("z")
        return sympy.diff(self.whole(name), variable, order).subs(variable, z)

    def whole(self, name: str) -> sympy.Expr:
        """The polynomial in ``z`` that an unknown function stands for."""
        variable = sympy.Symbol("z")
        coefficients = (self._drawn(f"{name} {k}") for k in range(DEGREE + 1))
        return sympy.Add(*(c * variable**k for k, c in enumerate(coefficients)))

    def _drawn(self, name: str) -> sympy.Expr:
        return sympy.Integer(Random(f"{self.seed} {name}").choice((-2, -1, 1, 2)))

    def shown(self, expressions: Sequence[sympy.Expr]) -> dict[str, str]:
        """What the symbols and functions in some expressions are, for a report."""
        found: set[sympy.Symbol] = set()
        pending = list(expressions)
        while pending:
            for symbol in pending.pop().free_symbols - found:
                found.add(symbol)
                if symbol in self.substitution:
                    pending.append(self.substitution[symbol])
        free = sorted(found - set(self.substitution), key=lambda s: s.name)
        functions = {f for e in expressions for f in e.atoms(FunctionSymbol)}
        unknown = sorted({type(f).activation.name for f in functions if _is_open(f)})
        polynomials = {f"{name}(z)": str(self.whole(name)) for name in unknown}
        return {**polynomials, "loss": LOSS, **{s.name: str(self(s)) for s in free}}


def _is_open(function: FunctionSymbol) -> bool:
    return not type(function).activation.is_known


@cache
def _loss(orders: tuple[int, ...], outputs: tuple[sympy.Expr, ...]) -> sympy.Expr:
    """A partial derivative of :data:`LOSS`, which couples all outputs."""
    names = sympy.symbols(f"y1:{len(outputs) + 1}")
    # LOSS, with t as the last y where there is one output
    linear = sympy.Add(*(k * y for k, y in enumerate(names, start=1)))
    square = sympy.Add(*(y * y for y in names)) + sympy.Add(*names) ** 2
    partial = linear + square / 2
    for y, order in zip(names, orders, strict=True):
        partial = sympy.diff(partial, y, order)
    return sympy.sympify(partial.subs(dict(zip(names, outputs, strict=True)), simultaneous=True))
