"""A theorem as data: statement, hypotheses, steps, and what a machine has checked of them."""

from __future__ import annotations

from dataclasses import dataclass

from theory.exposition import Derived, Exposition
from theory.proof_step import Step


@dataclass(frozen=True)
class Theorem(Derived):
    """A statement with a proof to be read, whose algebra SymPy checks.

    Args:
        id: as in the theory.
        name: a few words.
        statement: text with LaTeX formulas.
        hypotheses: under which it holds.
        steps: of the proof; those with a check are compared by SymPy for the scope they name, the
            others are arguments.
        source: where it was stated first, or ``new``.
    """

    id: str
    name: str
    statement: str
    hypotheses: tuple[str, ...]
    steps: tuple[Step, ...]
    source: str = "new"

    @property
    def num_facts(self) -> int:
        """How many equations and inequalities the machine has compared."""
        return sum(step.outcome.num_equations for step in self.steps if step.outcome is not None)

    def gaps(self) -> tuple[str, ...]:
        """The checks that are not confirmed, each after the number of its step."""
        return tuple(
            f"step {k}: {step.outcome.detail}"
            for k, step in enumerate(self.steps, start=1)
            if step.outcome is not None and step.outcome.verdict != "proved"
        )

    def exposition(self) -> Exposition:
        """The parts, ready to be shown."""
        title = f"{self.id}: {self.name} ({self.source})"
        return Exposition(title, self.statement, self.hypotheses, self.steps)

    def __repr__(self) -> str:
        return f"{self.id}: {self.name}; {len(self.steps)} steps"
