"""Evidence from theorems whose algebra SymPy checks."""

from __future__ import annotations

from dataclasses import replace

from proofs_check.evidence import Evidence, Level, holds, refuted, unknown
from theory.outcome import Outcome
from theory.theorem import Theorem


def from_outcome(outcome: Outcome, scope: str, statement: str) -> Evidence:
    """Evidence from a family of equations; the arguments between them are for a reader.

    >>> from theory.outcome import Outcome
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


def from_theorem(theorem: Theorem, scope: str = "", statement: str = "") -> Evidence:
    """Evidence from all checks of a proof, with the proof to be read.

    Args:
        theorem: its checks are run.
        scope: for what they hold; by default the hypotheses of the theorem.
        statement: what they show; by default the name of the theorem.
    """
    where, said = scope or "; ".join(theorem.hypotheses), statement or theorem.name
    if theorem.verdict == "unknown":
        found = "; ".join(theorem.gaps()) or theorem.outcome.detail
        return unknown(where, f"{said}: the proof has gaps: {found}")
    shown = tuple(step.shown for step in theorem.steps)
    return replace(from_outcome(theorem.outcome, where, said), derivation=shown)
