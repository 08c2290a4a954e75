"""A claim: a statement with the checks that support it and the false variants that must fail.

A check that cannot fail proves nothing. So each claim carries variants of itself that are known to
be false (a dropped hypothesis, a wrong constant), to be refuted by the same means; a claim that is
itself refuted needs none, its counterexample shows that the check can fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from numerics.keys import keyed_words
from proofs_check.errors import ClaimError
from proofs_check.evidence import Evidence, Verdict

_ID = re.compile(r"[A-Z]\d+[a-z]?(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, slots=True)
class Settings:
    """What every check is given.

    Args:
        seed: from which all randomness is derived, by :meth:`sub_seed`.
        full: whether to take the time for larger networks and more trials.

    Raises:
        ClaimError: if the seed is negative.
    """

    seed: int = 0
    full: bool = False

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ClaimError(f"seed={self.seed}: a seed is an integer >= 0")

    def sub_seed(self, *names: str | int) -> int:
        """A seed in 0..2⁶⁴-1 for one purpose: other names or another seed, independent values.

        >>> Settings().sub_seed("P1", "data") == Settings().sub_seed("P1", "data")
        True
        >>> Settings().sub_seed("P1", "data") == Settings().sub_seed("P1", "steps")
        False
        """
        return keyed_words(1, "settings", self.seed, *names)[0]


Run = Callable[[Settings], Evidence]


@dataclass(frozen=True, slots=True)
class Check:
    """One support of a claim.

    Args:
        name: unique in the claim.
        run: does the work.
        part: which part of the statement it supports. Checks of one part corroborate each other;
            all parts are needed.
    """

    name: str
    run: Run
    part: str = ""


@dataclass(frozen=True, slots=True)
class FalseVariant:
    """A statement near the claim that is false, and must come back refuted.

    Args:
        name: unique in the claim.
        why_false: the reason, in one sentence.
        run: does the work, by the means of the claim's own checks where that is possible.
    """

    name: str
    why_false: str
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A statement of the theory.

    Args:
        id: as in the theory, ``P1`` or ``E7.adamw.leaf``.
        title: a few words.
        statement: in full, LaTeX-friendly.
        hypotheses: under which it holds, one each.
        where: the place in arXiv 2510.00304, or what it corrects or adds.
        expected: the verdict; ``unknown`` where observation is all that is aimed at.
        checks: its supports, at least one.
        false_variants: at least two, unless the claim is expected to be refuted.
        corrected_by: for a claim expected to be refuted, the id of the claim that mends it.
        about_numbers: whether the statement is about particular numbers, which an enclosure
            proves. A statement about all networks is not proved by enclosing some.

    Raises:
        ClaimError: if the id is malformed, names repeat, or checks, variants or the correction
            are missing.
    """

    id: str
    title: str
    statement: str
    hypotheses: tuple[str, ...]
    where: str
    expected: Verdict
    checks: tuple[Check, ...]
    false_variants: tuple[FalseVariant, ...] = ()
    corrected_by: str | None = None
    about_numbers: bool = False

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise ClaimError(f"id={self.id!r}: an id is written P1, E2a or E7.adamw.leaf")
        for entry in ("title", "statement", "where"):
            if not getattr(self, entry).strip():
                raise ClaimError(f"{self.id}: {entry} is empty")
        if not self.checks:
            raise ClaimError(f"{self.id}: checks=(): a claim has at least one check")
        names = [*(c.name for c in self.checks), *(v.name for v in self.false_variants)]
        for name in names:
            if names.count(name) > 1:
                raise ClaimError(f"{self.id}: two checks or false variants are named {name!r}")
        refuted = self.expected is Verdict.REFUTED
        if not refuted and len(self.false_variants) < 2:
            raise ClaimError(
                f"{self.id}: {len(self.false_variants)} false variants: a claim that is not "
                "expected to be refuted has at least two"
            )
        if refuted != (self.corrected_by is not None):
            raise ClaimError(
                f"{self.id}: expected={self.expected.value}, corrected_by={self.corrected_by!r}: "
                "a claim names its correction exactly if it is expected to be refuted"
            )

    @property
    def theorem(self) -> str:
        """The theorem it belongs to, ``P6`` of ``P6.bias``."""
        return self.id.partition(".")[0]

    def as_json(self) -> dict[str, Any]:
        """The claim as an entry of the list that ``lop claims --json`` writes."""
        return {
            "id": self.id,
            "title": self.title,
            "statement": self.statement,
            "hypotheses": list(self.hypotheses),
            "where": self.where,
            "expected": self.expected.value,
            "corrected_by": self.corrected_by,
            "checks": [check.name for check in self.checks],
            "false_variants": [
                {"name": variant.name, "why_false": variant.why_false}
                for variant in self.false_variants
            ],
        }


def select(claims: Iterable[Claim], ids: Iterable[str]) -> tuple[Claim, ...]:
    """The claims with the given ids, in their own order; ``E7`` selects ``E7.adamw.leaf`` too.

    No ids select all claims.

    Raises:
        ClaimError: if an id names no claim.
    """
    known = tuple(claims)
    wanted = tuple(ids)
    for name in wanted:
        if not any(_named(claim, name) for claim in known):
            ids_known = ", ".join(dict.fromkeys(row_of(claim) for claim in known))
            raise ClaimError(f"id {name!r}: no such claim; the claims are {ids_known}")
    return tuple(c for c in known if not wanted or any(_named(c, name) for name in wanted))


def row_of(claim: Claim) -> str:
    """The id without the cell, ``E7.adamw`` of ``E7.adamw.leaf``; ``P6.bias`` is no cell."""
    row, _, _ = claim.id.rpartition(".")
    return row if "." in row else claim.id


def _named(claim: Claim, name: str) -> bool:
    return claim.id == name or claim.id.startswith(f"{name}.")
