"""Canonical forms by value numbering.

An expression is walked bottom-up. Sums and products become polynomials; an application φ(z) becomes
a fresh indeterminate that belongs to the pair (φ, canonical z), so two applications share one
exactly if their arguments are equal. What is left is a polynomial (a reduced fraction of two where
there is division), and it is the zero one exactly if the expression vanishes for *all* functions φ
of the declared parity: distinct arguments can take independent values, and so can φ, φ', φ'', ….
For a named function the zero form is still a proof, but a non-zero one may hide an identity of that
function which is not used here, such as step² = step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from sympy import QQ
from sympy.polys.fields import FracField
from sympy.polys.rings import PolyRing

from theory.activation import Activation
from theory.errors import LopError
from theory.symbolic.forward import rule_value
from theory.symbolic.functions import FunctionSymbol, LossSymbol, applied, loss_name

Element = Any  # of a polynomial ring over the rationals, or of its field of fractions


class UndefinedOnManifoldError(LopError):
    """A divisor that vanishes identically."""


class ValueNumbering:
    """Canonical forms of a family of expressions after a substitution.

    Args:
        expressions: everything that will be asked for; it bounds the number of indeterminates.
        substitution: symbols to expressions in other symbols.

    >>> from theory.activation import activation
    >>> a, b, c = sympy.symbols("a b c")
    >>> phi = activation("phi", parity="odd")
    >>> zero = applied(phi, a - b) + applied(phi, c)
    >>> canonical = ValueNumbering([zero], {c: b - a})
    >>> canonical(zero) == 0, canonical(zero.diff(a)) == 0
    (True, False)
    """

    def __init__(
        self, expressions: Iterable[sympy.Expr], substitution: Mapping[Any, sympy.Expr]
    ) -> None:
        survey = _Survey(substitution)
        for expression in expressions:
            survey.visit(expression)
        symbols = sorted(survey.symbols, key=lambda s: s.name)
        slots = [sympy.Dummy(f"value {k}") for k in range(survey.num_applications)]
        ring = PolyRing([*symbols, *slots], QQ, sympy.polys.orderings.lex)
        self._ring = FracField(ring.symbols, QQ, ring.order) if survey.divides else ring
        self.divides = survey.divides
        self._substitution = substitution
        self._of_symbol = dict(zip(symbols, self._ring.gens, strict=False))
        self._slots = list(self._ring.gens[len(symbols) :])
        self._of_application: dict[Any, Element] = {}
        self._memo: dict[sympy.Expr, Element] = {}
        self._names: list[Any] = [*symbols, *slots]
        self._num_symbols = len(symbols)
        self.arguments: dict[Element, sympy.Symbol] = {}  # the z_k of each φ(z_k), in order

    def __call__(self, expression: sympy.Expr) -> Element:
        """The canonical form: equal forms are equal and hash alike.

        Raises:
            UndefinedOnManifoldError: if a divisor vanishes identically.
            LopError: if the expression is not made of rational numbers, symbols, sums, products,
                integer powers and function symbols.
        """
        known = self._memo.get(expression)
        if known is None:
            known = self._memo[expression] = self._form(expression)
        return known

    def _form(self, expression: sympy.Expr) -> Element:
        if expression.is_Symbol:
            if expression in self._substitution:
                return self(self._substitution[expression])
            return self._of_symbol[expression]
        if expression.is_Rational:
            return self._ring.ground_new(QQ(expression.p, expression.q))
        if expression.is_Add:
            total = self._ring.zero
            for term in expression.args:
                total = total + self(term)
            return total
        if expression.is_Mul:
            total = self._ring.one
            for factor in expression.args:
                total = total * self(factor)
            return total
        if expression.is_Pow and expression.exp.is_Integer:
            return self._power(self(expression.base), int(expression.exp))
        if isinstance(expression, FunctionSymbol):
            return self._application(type(expression).activation, expression.args[0])
        if isinstance(expression, LossSymbol):
            orders = type(expression).orders
            return self._value((orders, *map(self, expression.args)), loss_name(orders))
        raise UndefinedOnManifoldError(f"{expression}: not an expression of exact arithmetic")

    def _power(self, base: Element, exponent: int) -> Element:
        if exponent < 0 and not base:
            raise UndefinedOnManifoldError("a divisor is identically 0 on the manifold")
        return base**exponent

    def _application(self, activation: Activation, z: sympy.Expr) -> Element:
        """f(z), by f(-z) = ±f(z) up to the centre for z with a negative leading coefficient."""
        argument = self(z)
        parity = activation.value_parity
        if parity is None:
            return self._named(activation, argument)
        flips = self._leading(argument) < 0
        is_open = parity == "even" or activation.law.jumps_at_zero
        if not flips and (argument or is_open):
            return self._named(activation, argument)
        here, there = self._centre(activation, z), self._centre(activation, -z)
        if not argument:
            return here
        value = self._named(activation, -argument) - there
        return here + value if parity == "even" else here - value

    def _centre(self, activation: Activation, z: sympy.Expr) -> Element:
        if activation.law.centre is None:
            return self._ring.zero
        return self(sympy.sympify(rule_value(activation, "centre", z, applied)))

    def _leading(self, element: Element) -> Any:
        return (element.numer if self.divides else element).LC

    def _named(self, activation: Activation, argument: Element) -> Element:
        place = self.arguments.setdefault(
            argument, sympy.Symbol(f"z_{{{len(self.arguments) + 1}}}")
        )
        return self._value((activation, argument), rf"{activation.latex()}({place.name})")

    def _value(self, key: Any, name: str) -> Element:
        if key not in self._of_application:
            used = len(self._of_application)
            self._of_application[key] = self._slots[used]
            self._names[self._num_symbols + used] = sympy.Symbol(name)
        return self._of_application[key]

    def latex(self, element: Element) -> str:
        """The form as LaTeX, with φ(z_k) for the values; :attr:`arguments` says what z_k is."""
        text: str = sympy.latex(element.as_expr(*self._names))
        return text


class _Survey:
    """What a family of expressions contains, each shared part visited once."""

    def __init__(self, substitution: Mapping[Any, sympy.Expr]) -> None:
        self.symbols: set[Any] = set()
        self.num_applications = 0
        self.divides = False
        self._substitution = substitution
        self._seen: set[sympy.Expr] = set()

    def visit(self, expression: sympy.Expr) -> None:
        if expression in self._seen:
            return
        self._seen.add(expression)
        if expression.is_Symbol:
            if expression in self._substitution:
                self.visit(self._substitution[expression])
            else:
                self.symbols.add(expression)
            return
        self.num_applications += isinstance(expression, FunctionSymbol | LossSymbol)
        self.divides |= bool(expression.is_Pow and expression.exp.is_negative)
        for part in expression.args:
            self.visit(part)
