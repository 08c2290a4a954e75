"""What running a claim gave: its verdict, and everything that it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proofs_check.claim import Claim
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, corroborate


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check or false variant gave.

    Args:
        name: of the check or variant.
        evidence: what it found; unknown if it raised.
        seconds: how long it took.
        error: the exception in words, ``None`` if it returned.
    """

    name: str
    evidence: Evidence
    seconds: float
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """A claim with the outcomes of its checks and of its false variants, in their order."""

    claim: Claim
    checks: tuple[Outcome, ...]
    false_variants: tuple[Outcome, ...]

    @property
    def evidence(self) -> Evidence:
        """All parts together, each held by its strongest check."""
        parts: dict[str, list[Evidence]] = {}
        for check, outcome in zip(self.claim.checks, self.checks, strict=True):
            parts.setdefault(check.part, []).append(outcome.evidence)
        return conjoin(corroborate(supports) for supports in parts.values())

    @property
    def is_broken(self) -> bool:
        """Whether a false variant was not refuted: the checks accept what is false."""
        return any(o.evidence.verdict is not Verdict.REFUTED for o in self.false_variants)

    @property
    def verdict(self) -> Verdict:
        """Proved, refuted or unknown; unknown if the claim is broken."""
        evidence = self.evidence
        if self.is_broken:
            return Verdict.UNKNOWN
        if evidence.level is Level.ENCLOSED and evidence.holds and not self.claim.about_numbers:
            return Verdict.UNKNOWN
        return evidence.verdict

    @property
    def problems(self) -> tuple[str, ...]:
        """What is not as it should be, one sentence each; empty if all is as expected."""
        found = [f"{o.name} raised {o.error}" for o in self.checks if o.error is not None]
        for o in self.false_variants:
            if o.evidence.verdict is not Verdict.REFUTED:
                why = f"raised {o.error}" if o.error else f"is {o.evidence.verdict.value}"
                found.append(f"false variant {o.name} {why}, expected refuted")
        expected = self.claim.expected
        if self.verdict is not expected:
            found.append(f"the verdict is {self.verdict.value}, expected {expected.value}")
        elif expected is Verdict.UNKNOWN and not self.evidence.holds:
            found.append("nothing was observed in favour of the claim")
        elif expected is Verdict.REFUTED and not any(
            o.evidence.counterexample is not None for o in self.checks
        ):
            found.append("refuted without a counterexample")
        return tuple(found)

    @property
    def is_as_expected(self) -> bool:
        """Whether there are no problems."""
        return not self.problems

    @property
    def level(self) -> str | None:
        """The level in words; ``None`` if nothing was found, or the claim is broken."""
        return None if self.is_broken else self.evidence.level_words

    @property
    def seconds(self) -> float:
        """Time of all checks and variants, one after the other."""
        return sum(o.seconds for o in (*self.checks, *self.false_variants))

    def as_json(self) -> dict[str, Any]:
        """The result as an entry of the report that ``lop verify --json`` writes."""
        claim = self.claim
        return {
            "id": claim.id,
            "title": claim.title,
            "statement": claim.statement,
            "hypotheses": list(claim.hypotheses),
            "where": claim.where,
            "expected": claim.expected.value,
            "corrected_by": claim.corrected_by,
            "verdict": self.verdict.value,
            "level": self.level,
            "error_bound": None if self.is_broken else self.evidence.error_bound,
            "problems": list(self.problems),
            "evidence": [
                {"name": o.name, "part": check.part, **_outcome(o)}
                for check, o in zip(claim.checks, self.checks, strict=True)
            ],
            "false_variants": [
                {"name": o.name, "why_false": variant.why_false, **_outcome(o)}
                for variant, o in zip(claim.false_variants, self.false_variants, strict=True)
            ],
            "seconds": round(self.seconds, 3),
        }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        **outcome.evidence.as_json(),
        "error": outcome.error,
        "seconds": round(outcome.seconds, 3),
    }
