"""SymPy's closed forms in ball arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flint
import sympy
from flint import arb, fmpq

from numerics.systems.enclosures import raised
from theory.errors import ValueSystemError


def enclosed(
    expression: Any, values: Mapping[sympy.Symbol, Any] | None = None, *, bits: int
) -> Any:
    """A ball that contains a real expression of rationals, π, e and elementary functions.

    Roots and inverse sines are taken on the part of their argument in which they are real: the
    expression is assumed to be real for all numbers in the balls.

    Args:
        expression: of SymPy.
        values: balls for its symbols.
        bits: working precision.

    Raises:
        ValueSystemError: if something in it has no enclosure here.

    >>> enclosed(sympy.sqrt(sympy.pi) / 2, bits=60).str(8, radius=False)
    '0.88622693'
    """
    with flint.ctx.workprec(bits):
        return _value(sympy.sympify(expression), values or {})


def _on_unit_interval(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A monotone function on the part of its argument in [-1, 1].

    The ends are exact numbers: a ball cut at 1 would be rounded to one that reaches beyond.
    """

    def enclosure(x: Any) -> Any:
        if abs(x) < 1:
            return f(x)
        low, high = (end.max(arb(-1)).min(arb(1)) for end in (x.lower(), x.upper()))
        return f(low).union(f(high))

    return enclosure


_FUNCTIONS: Mapping[Any, Callable[[Any], Any]] = {
    sympy.exp: lambda x: x.exp(),
    sympy.log: lambda x: x.log(),
    sympy.sin: lambda x: x.sin(),
    sympy.cos: lambda x: x.cos(),
    sympy.sinh: lambda x: x.sinh(),
    sympy.cosh: lambda x: x.cosh(),
    sympy.tanh: lambda x: x.tanh(),
    sympy.erf: lambda x: x.erf(),
    sympy.erfc: lambda x: x.erfc(),
    sympy.asin: _on_unit_interval(lambda x: x.asin()),
    sympy.acos: _on_unit_interval(lambda x: x.acos()),
    sympy.atan: lambda x: x.atan(),
}


def _value(node: Any, values: Mapping[sympy.Symbol, Any]) -> Any:
    if node in values:
        return values[node]
    if node.is_Rational:
        return arb(fmpq(int(node.p), int(node.q)))
    if node is sympy.pi:
        return arb.pi()
    if node is sympy.E:
        return arb.const_e()
    parts = [_value(part, values) for part in node.args]
    if node.is_Add:
        return sum(parts, arb(0))
    if node.is_Mul:
        product = arb(1)
        for part in parts:
            product *= part
        return product
    if node.is_Pow:
        return _power(parts, node.exp)
    function = _FUNCTIONS.get(node.func)
    if function is None or not parts:
        raise ValueSystemError(f"{node}: no enclosure is known for {node.func.__name__}")
    return function(parts[0])


def _power(parts: list[Any], exponent: Any) -> Any:
    base = parts[0]
    if exponent.is_Integer:
        return _integer_power(base, int(exponent))
    if exponent.is_Rational and exponent.q == 2:
        return _integer_power(base.nonnegative_part().sqrt(), int(exponent.p))
    return base ** parts[1]


def _integer_power(base: Any, exponent: int) -> Any:
    size = abs(exponent)
    power = raised(base, size) if size > 1 else base
    return power if exponent > 0 else 1 / power
