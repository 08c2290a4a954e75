"""Evidence from theorems whose algebra SymPy checks."""

from __future__ import annotations

from proofs_check.evidence import Evidence, Level, holds, unknown
from theory.rank_gain import Theorem


def from_theorem(theorem: Theorem) -> Evidence:
    """Proved if SymPy confirms every identity and inequality of the proof; unknown if not."""
    scope = "; ".join(theorem.hypotheses)
    if gaps := theorem.gaps():
        return unknown(scope, f"the proof of {theorem.name} has gaps: {'; '.join(gaps)}")
    detail = f"{theorem.name}: {len(theorem.steps)} steps, {theorem.num_facts} facts by SymPy"
    return holds(Level.PROVED, scope, detail)
