"""Proofs whose algebra is checked: sentences, formulas, and the identities between them.

An inequality is certified by a witness: a polynomial with non-negative coefficients in quantities
that are known to be non-negative, equal to the expression after substitution. Whoever reads the
proof checks the sentences; SymPy checks the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import sympy


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
class Step:
    """A sentence, the formulas that it announces, and what SymPy checks of it.

    Args:
        sentence: in words, with formulas between dollars.
        facts: checked, and shown.
        formulas: shown only, in LaTeX.
    """

    sentence: str
    facts: tuple[Fact, ...] = ()
    formulas: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Theorem:
    """A statement with its proof.

    Attributes:
        name: a few words.
        statement: in full, formulas between dollars.
        hypotheses: under which it holds.
        steps: the proof.
    """

    name: str
    statement: str
    hypotheses: tuple[str, ...]
    steps: tuple[Step, ...]

    def gaps(self) -> tuple[str, ...]:
        """The facts that SymPy does not confirm, each after the number of its step."""
        return tuple(
            f"step {k}: {fact.latex}"
            for k, step in enumerate(self.steps, start=1)
            for fact in step.facts
            if not fact.holds
        )

    @property
    def num_facts(self) -> int:
        """How many identities and inequalities are checked."""
        return sum(len(step.facts) for step in self.steps)

    def __str__(self) -> str:
        return f"{self.name}: {self.statement}"

    def to_latex(self) -> str:
        """A fragment for a document with amsmath."""
        assumed = "\n".join(rf"\item {h}" for h in self.hypotheses)
        parts = [rf"\textbf{{Theorem ({self.name}).}} {self.statement}", "Hypotheses:"]
        parts.append("\\begin{itemize}\n" + assumed + "\n\\end{itemize}")
        for k, step in enumerate(self.steps, start=1):
            parts.append(rf"\textbf{{{k}.}} {step.sentence}")
            parts += [rf"\[{formula}\]" for formula in _formulas(step)]
        return "\n\n".join(parts) + "\n"

    def _repr_html_(self) -> str:
        assumed = "".join(f"<li>{escape(h)}</li>" for h in self.hypotheses)
        parts = [f"<p><b>{escape(self.name)}.</b> {escape(self.statement)}</p><ul>{assumed}</ul>"]
        for k, step in enumerate(self.steps, start=1):
            shown = "".join(f"<div>$${escape(formula)}$$</div>" for formula in _formulas(step))
            parts.append(f"<p><b>{k}.</b> {escape(step.sentence)}</p>{shown}")
        return "\n".join(parts)


def _formulas(step: Step) -> list[str]:
    return [*step.formulas, *(fact.latex for fact in step.facts)]
