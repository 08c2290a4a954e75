"""Proofs whose algebra is checked: sentences, formulas, and the identities between them.

An inequality is certified by a witness: a polynomial with non-negative coefficients in quantities
that are known to be non-negative, equal to the expression after substitution. Whoever reads the
proof checks the sentences; SymPy checks the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy

from theory.outcome import Outcome, identities
from theory.proof_step import Step


@dataclass(frozen=True, slots=True)
class Equal:
    """left = right, as rational functions or with symbolic exponents.

    >>> x = sympy.Symbol("x")
    >>> Equal((x + 1) ** 2, x**2 + 2 * x + 1).holds, Equal(x, x + 1).holds
    (True, False)
    """

    left: Any
    right: Any

    @property
    def holds(self) -> bool:
        """Whether the difference cancels."""
        difference = sympy.powsimp(sympy.expand(self.left - self.right))
        return bool(sympy.cancel(difference) == 0)

    @property
    def latex(self) -> str:
        """Both sides."""
        return f"{sympy.latex(self.left)} = {sympy.latex(self.right)}"


@dataclass(frozen=True, slots=True)
class NonNegative:
    """An expression that is ≥ 0 since it is a polynomial with coefficients ≥ 0 in the generators.

    Args:
        expression: what is to be ≥ 0.
        witness: the polynomial.
        generators: what its symbols stand for, each known to be ≥ 0.

    >>> x, y = sympy.symbols("x y")
    >>> NonNegative(x - x**2, x * y, {x: x, y: 1 - x}).holds
    True
    >>> NonNegative(x**2 - x, -x * y, {x: x, y: 1 - x}).holds
    False
    """

    expression: Any
    witness: Any
    generators: Mapping[sympy.Symbol, Any]

    @property
    def holds(self) -> bool:
        """Whether the coefficients are ≥ 0 and the substitution gives the expression."""
        names = tuple(self.generators)
        if not sympy.sympify(self.witness).is_polynomial(*names):
            return False
        coefficients = sympy.Poly(self.witness, *names).coeffs()
        if not all(c.is_number and c >= 0 for c in coefficients):
            return False
        value = sympy.sympify(self.witness).subs(self.generators, simultaneous=True)
        return Equal(self.expression, value).holds

    @property
    def latex(self) -> str:
        """The expression and its witness."""
        value = sympy.sympify(self.witness).subs(self.generators, simultaneous=True)
        return rf"{sympy.latex(self.expression)} = {sympy.latex(value)} \ge 0"


Fact = Equal | NonNegative


@dataclass(frozen=True, slots=True)
class Facts:
    """The check of a step: every fact holds. What SymPy does not confirm is unknown."""

    facts: tuple[Fact, ...]

    def __call__(self) -> Outcome:
        """Proved, or unknown with the facts in doubt."""
        count = len(self.facts)
        if doubts := [f"${fact.latex}$" for fact in self.facts if not fact.holds]:
            return Outcome("unknown", f"not confirmed: {', '.join(doubts)}", count)
        return Outcome("proved", identities(count), count)


def step(sentence: str, facts: tuple[Fact, ...] = (), formulas: tuple[str, ...] = ()) -> Step:
    """A step of a proof.

    Args:
        sentence: in words, with formulas between dollars.
        facts: checked, and shown.
        formulas: shown only, in LaTeX.
    """
    shown = (*formulas, *(fact.latex for fact in facts))
    return Step(sentence, shown, Facts(facts) if facts else None)
