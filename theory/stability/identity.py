"""Families of equations between expressions: proved as identities, or refuted by numbers.

Both sides are brought to the canonical form of :mod:`theory.invariance.canonical`, a polynomial in
free symbols and in the values of φ, φ', φ'', ℓ', …; equal forms prove the equation for all of them.
Quotients are first read as values of an arbitrary odd function in place of 1/v, which is cheap and
proves more; what fails there is decided in the field of fractions. Different forms prove nothing by
themselves where a named function has further identities, so a point is sought at which the numbers
differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

import sympy
from sympy.core.evalf import PrecisionExhausted

from theory.activation import reciprocal
from theory.errors import ValueSystemError
from theory.invariance.canonical import UndefinedOnManifoldError, ValueNumbering
from theory.outcome import Outcome, identities
from theory.stability.rational_point import RationalPoint
from theory.symbolic.functions import applied

NUM_POINTS = 6  # seeds that are tried for a counterexample
DIGITS = 30


@dataclass(frozen=True, slots=True)
class Equation:
    """left = √scale · right.

    Args:
        name: what the equation is about, LaTeX.
        left: an expression.
        right: an expression.
        scale: a non-negative rational number; the root keeps orthonormal bases exact.
    """

    name: str
    left: sympy.Expr
    right: sympy.Expr
    scale: sympy.Rational = field(default=sympy.Integer(1))


def compare(
    equations: Sequence[Equation], substitution: Mapping[Any, sympy.Expr] | None = None
) -> Outcome:
    """Are the equations identities in all symbols and functions that are left open?

    Args:
        equations: at least one, or the answer is ``unknown``.
        substitution: symbols to expressions, made everywhere first.

    >>> a, b = sympy.symbols("a b")
    >>> compare([Equation("(a + b)^2", (a + b) ** 2, a**2 + 2 * a * b + b**2)]).verdict
    'proved'
    >>> print(compare([Equation("(a + b)^2", (a + b) ** 2, a**2 + b**2)]))
    refuted: $(a + b)^2$: 16 on the left, 8 on the right
    """
    if not equations:
        return Outcome("unknown", "no equation was compared")
    given = substitution or {}
    try:
        broken = _broken(_broken(equations, given, _Reciprocals()), given, None)
    except UndefinedOnManifoldError as error:
        return Outcome("unknown", str(error), len(equations))
    if not broken:
        return Outcome("proved", identities(len(equations)), len(equations))
    for equation in broken[:NUM_POINTS]:
        if (found := _differing(equation, given)) is not None:
            return Outcome("refuted", found.pop("where"), len(equations), found)
    return Outcome(
        "unknown",
        f"${broken[0].name}$: the canonical forms differ, but no point was found where numbers do",
        len(equations),
    )


class _Reciprocals:
    """Rewrites every 1/v as the value of a function symbol, each shared part once."""

    def __init__(self) -> None:
        self.divisors: set[sympy.Expr] = set()
        self._memo: dict[sympy.Expr, sympy.Expr] = {}

    def __call__(self, expression: sympy.Expr) -> sympy.Expr:
        known = self._memo.get(expression)
        if known is None:
            known = self._memo[expression] = self._rewritten(expression)
        return known

    def _rewritten(self, expression: sympy.Expr) -> sympy.Expr:
        if not expression.args:
            return expression
        if expression.is_Pow and expression.exp.is_negative:
            divisor = self(expression.base)
            self.divisors.add(divisor)
            return applied(reciprocal, divisor) ** -expression.exp
        parts = [self(part) for part in expression.args]
        if all(new is old for new, old in zip(parts, expression.args, strict=True)):
            return expression
        return expression.func(*parts)


def _broken(
    equations: Sequence[Equation],
    substitution: Mapping[Any, sympy.Expr],
    reciprocals: _Reciprocals | None,
) -> list[Equation]:
    """The equations whose canonical forms differ, quotients rewritten or not.

    Raises:
        UndefinedOnManifoldError: if a divisor is identically 0.
    """
    if not equations:
        return []

    def rewrite(side: sympy.Expr) -> sympy.Expr:
        return side if reciprocals is None else reciprocals(side)

    pairs = [(rewrite(e.left), rewrite(e.right)) for e in equations]
    divisors = reciprocals.divisors if reciprocals else set()
    given = {symbol: rewrite(value) for symbol, value in substitution.items()}
    sides = [side for pair in pairs for side in pair]
    canonical = ValueNumbering([*sides, *divisors], given)
    if not all(canonical(divisor) for divisor in divisors):
        raise UndefinedOnManifoldError("a divisor is identically 0 on the manifold")
    return [
        e
        for e, (left, right) in zip(equations, pairs, strict=True)
        if not _holds(canonical(left), canonical(right), e.scale, canonical)
    ]


def _holds(left: Any, right: Any, scale: sympy.Rational, canonical: ValueNumbering) -> bool:
    root = _rational_root(scale)
    if root is None:  # polynomials with rational coefficients: both sides must vanish
        return not left and not right
    return not (left - canonical(root) * right)


def _rational_root(scale: sympy.Rational) -> sympy.Rational | None:
    root = sympy.Rational(isqrt(scale.p), isqrt(scale.q))
    return root if root * root == scale else None


def _differing(equation: Equation, substitution: Mapping[Any, sympy.Expr]) -> dict[str, str] | None:
    """A point at which the two sides are different numbers."""
    for seed in range(NUM_POINTS):
        point = RationalPoint({}, substitution, seed)
        try:
            left = point(equation.left)
            right = sympy.sqrt(equation.scale) * point(equation.right)
        except (ValueSystemError, ZeroDivisionError):
            continue
        if _differ(left, right):
            shown = point.shown((equation.left, equation.right))
            where = f"${equation.name}$: {_number(left)} on the left, {_number(right)} on the right"
            return {"where": where, "left": str(left), "right": str(right), **shown}
    return None


def _differ(left: sympy.Expr, right: sympy.Expr) -> bool:
    difference = left - right
    if difference.is_Rational:
        return bool(difference != 0)
    try:  # strict: that many correct digits, which a difference that is 0 never gets
        value = sympy.N(difference, DIGITS, strict=True)
    except PrecisionExhausted:
        return False
    return bool(value.is_Float and value != 0)


def _number(value: sympy.Expr) -> str:
    return str(value) if value.is_Rational else str(sympy.N(value, 8))
