"""Evidence from theorems whose algebra SymPy checks."""

from __future__ import annotations

from proofs_check.evidence import Evidence, Level, holds, refuted, unknown
from theory.stability.identity import Outcome


def from_outcome(outcome: Outcome, scope: str, statement: str) -> Evidence:
    """Evidence from a family of equations; the arguments between them are for a reader.

    >>> from theory.stability.identity import Outcome
    >>> from_outcome(Outcome("proved", "9 equations hold"), "all sizes", "M ≅ M'").level_words
    'proved'
    """
    detail = f"{statement}: {outcome.detail}"
    match outcome.verdict:
        case "proved":
            return holds(Level.PROVED, scope, f"by SymPy, {detail}")
        case "refuted":
            return refuted(scope, detail, counterexample=outcome.counterexample)
        case _:
            return unknown(scope, detail)
