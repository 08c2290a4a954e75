"""A theorem as data: statement, hypotheses, steps, and what a machine has checked of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from theory.stability.exposition import Exposition, Shown, Step, conjoined
from theory.stability.identity import Outcome, Verdict


@dataclass(frozen=True)
class Theorem(Shown):
    """A statement with a proof to be read, whose algebra SymPy checks.

    Args:
        id: as in the theory.
        title: a few words.
        statement: text with LaTeX formulas.
        hypotheses: under which it holds.
        steps: of the proof; those with a check are compared by SymPy for the scope they name, the
            others are arguments.
        source: where it was stated first, or ``new``.
    """

    id: str
    title: str
    statement: str
    hypotheses: tuple[str, ...]
    steps: tuple[Step, ...]
    source: str = "new"

    @cached_property
    def outcome(self) -> Outcome:
        """What the machine checks found together."""
        return conjoined(step.outcome for step in self.steps if step.outcome is not None)

    @property
    def verdict(self) -> Verdict:
        """Whether all machine checks hold; the arguments between them are for a reader."""
        return self.outcome.verdict

    def exposition(self) -> Exposition:
        """The parts, ready to be shown."""
        title = f"{self.id}: {self.title} ({self.source})"
        return Exposition(title, self.statement, self.hypotheses, self.steps)

    def __repr__(self) -> str:
        return f"{self.id}: {self.title}; {len(self.steps)} steps"
