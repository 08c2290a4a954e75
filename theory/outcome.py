"""What a machine found out about a family of equations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["proved", "refuted", "unknown"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a family of equations.

    Attributes:
        verdict: proved, refuted, or unknown.
        detail: in one sentence.
        num_equations: how many were compared.
        counterexample: names to numbers, for a refutation.
    """

    verdict: Verdict
    detail: str
    num_equations: int = 0
    counterexample: Mapping[str, str] | None = None

    def __str__(self) -> str:
        return f"{self.verdict}: {self.detail}"


def conjoined(outcomes: Iterable[Outcome]) -> Outcome:
    """All of them: a refutation wins, then what is unknown.

    >>> print(conjoined([Outcome("proved", "a", 2), Outcome("proved", "b", 3)]))
    proved: 5 equations hold as identities
    >>> conjoined([Outcome("proved", "a", 2), Outcome("refuted", "b", 3)]).verdict
    'refuted'
    """
    parts = list(outcomes)
    if not parts:
        return Outcome("unknown", "nothing was checked")
    for verdict in ("refuted", "unknown"):
        for part in parts:
            if part.verdict == verdict:
                return part
    count = sum(part.num_equations for part in parts)
    detail = parts[0].detail if len(parts) == 1 else identities(count)
    return Outcome("proved", detail, count)


def identities(count: int) -> str:
    """The finding about so many equations.

    >>> identities(1), identities(2)
    ('1 equation holds as an identity', '2 equations hold as identities')
    """
    return (
        "1 equation holds as an identity" if count == 1 else f"{count} equations hold as identities"
    )
