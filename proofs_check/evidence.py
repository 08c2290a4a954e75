"""Evidence: what a check found, and how much that proves.

From weak to strong a statement is refuted, unknown, or it holds: observed, enclosed, proved with
error ≤ 2^-k, proved. All parts of a conjunction are needed, so :func:`conjoin` takes the weakest
and adds the errors; independent supports of one statement each suffice, so :func:`corroborate`
takes the strongest. A refutation wins in both. What was merely observed has the verdict
``unknown``: the level says "observed", and never a stronger word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum, IntEnum
from math import exp2, floor, fsum, inf, isfinite, log2
from typing import Any

from proofs_check.chart import Chart
from proofs_check.errors import EvidenceError
from theory.proof_step import ShownStep

Figures = Mapping[str, float | int | str]

# A sum of errors is taken in floating point: its bits are lowered by more than the rounding.
_ROUNDING = 2.0**-30


class Verdict(Enum):
    """What is known about a statement."""

    PROVED = "proved"
    REFUTED = "refuted"
    UNKNOWN = "unknown"


class Level(IntEnum):
    """By which right a statement is held; the order is that of strength.

    >>> Level.OBSERVED < Level.ENCLOSED < Level.PROVED_WITH_ERROR < Level.PROVED
    True
    """

    OBSERVED = 0
    ENCLOSED = 1
    PROVED_WITH_ERROR = 2
    PROVED = 3

    def words(self, error_bits: float | None = None) -> str:
        """The level as reports print it.

        >>> Level.PROVED_WITH_ERROR.words(61.7)
        'proved with error ≤ 2^-61'
        """
        name = self.name.lower().replace("_", " ")
        return name if error_bits is None else f"{name} ≤ 2^-{floor(error_bits)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one check found.

    Args:
        verdict: ``proved`` from level "enclosed" on; what is only observed is ``unknown``.
        level: how the finding is known; ``None`` if nothing was found.
        scope: for which networks, data and numbers.
        detail: what was done, in one sentence.
        error_bits: k where the chance of a wrong finding is at most 2^-k; ``None`` for no chance.
        counterexample: JSON-able, what refutes the statement.
        figures: finite numbers and words for the report.
        derivation: the steps of a proof that people read.
        charts: curves for the report.

    Raises:
        EvidenceError: if verdict, level and error do not fit, or something is not JSON.

    >>> Evidence(verdict=Verdict.PROVED, level=Level.OBSERVED, scope="", detail="")
    Traceback (most recent call last):
    proofs_check.errors.EvidenceError: verdict=proved: an observed level leaves it unknown
    """

    verdict: Verdict
    level: Level | None
    scope: str
    detail: str
    error_bits: float | None = None
    counterexample: Mapping[str, Any] | None = None
    figures: Figures = field(default_factory=dict)
    derivation: tuple[ShownStep, ...] = ()
    charts: tuple[Chart, ...] = ()

    def __post_init__(self) -> None:
        if self.verdict is not Verdict.UNKNOWN and self.level is None:
            raise EvidenceError(f"verdict={self.verdict.value}: a finding has a level")
        if self.verdict is Verdict.PROVED and self.level == Level.OBSERVED:
            raise EvidenceError("verdict=proved: an observed level leaves it unknown")
        if self.verdict is Verdict.UNKNOWN and self.level not in (None, Level.OBSERVED):
            raise EvidenceError(f"verdict=unknown: the level {self.level!r} decides more than that")
        self._check_error()
        if self.counterexample is not None and self.verdict is not Verdict.REFUTED:
            raise EvidenceError(f"verdict={self.verdict.value}: a counterexample refutes")
        for name, value in self.figures.items():
            if not isinstance(value, float | int | str):
                kind = type(value).__name__
                raise EvidenceError(
                    f"figures[{name!r}] is a {kind}: a figure is a float, int or str"
                )
        for entry in ("counterexample", "figures"):
            try:
                json.dumps(getattr(self, entry), allow_nan=False)
            except (TypeError, ValueError) as error:
                raise EvidenceError(f"{entry} is not JSON: {error}") from None

    def _check_error(self) -> None:
        bits = self.error_bits
        if bits is not None and not (isfinite(bits) and bits > 0):
            raise EvidenceError(f"error_bits={bits}: a bound 2^-bits needs finite bits > 0")
        if bits is None and self.level is Level.PROVED_WITH_ERROR:
            raise EvidenceError("error_bits=None: a level with an error needs its bound")
        if bits is not None and self.level in (None, Level.PROVED):
            raise EvidenceError(f"error_bits={bits}: the level {self.level!r} has no error")

    @property
    def holds(self) -> bool:
        """Whether the statement has support, be it only observed."""
        return self.verdict is not Verdict.REFUTED and self.level is not None

    @property
    def level_words(self) -> str | None:
        """The level as reports print it; ``None`` if nothing was found."""
        if self.level is None:
            return None
        with_error = self.level is Level.PROVED_WITH_ERROR
        return self.level.words(self.error_bits if with_error else None)

    @property
    def words(self) -> str:
        """Verdict and level in a few words.

        >>> refuted("", "", level=Level.OBSERVED).words
        'refuted (observed)'
        """
        if self.verdict is Verdict.REFUTED and self.level is not Level.PROVED:
            return f"refuted ({self.level_words})"
        return self.verdict.value if self.level is Level.PROVED else self.level_words or "unknown"

    @property
    def error_bound(self) -> float | None:
        """The chance of a wrong finding: 0 for a proof, ``None`` where no bound is known."""
        if self.level is Level.OBSERVED:
            return None
        if self.error_bits is not None:
            return error_bound(self.error_bits)
        return 0.0 if self.level is Level.PROVED else None

    @property
    def strength(self) -> tuple[int, float]:
        """Order of evidence: refuted, unknown, then the levels with fewer errors first."""
        if self.verdict is Verdict.REFUTED:
            return (-2, -float(self.level or 0))
        if self.level is None:
            return (-1, 0.0)
        return (self.level, inf if self.error_bits is None else self.error_bits)

    def as_json(self) -> dict[str, Any]:
        """The evidence as an entry of a report."""
        return {
            "verdict": self.verdict.value,
            "level": self.level_words,
            "error_bound": self.error_bound,
            "scope": self.scope,
            "detail": self.detail,
            "counterexample": None if self.counterexample is None else dict(self.counterexample),
            "figures": dict(self.figures),
            "derivation": [asdict(step) for step in self.derivation],
            "charts": [asdict(chart) for chart in self.charts],
        }


def error_bound(bits: float) -> float:
    """2^-bits, never rounded to 0: the smallest positive float stands for what is below it.

    >>> error_bound(3.0), error_bound(5000.0) > 0
    (0.125, True)
    """
    return max(exp2(-bits), 5e-324)


def holds(
    level: Level,
    scope: str,
    detail: str,
    *,
    error_bits: float | None = None,
    figures: Figures | None = None,
    derivation: tuple[ShownStep, ...] = (),
    charts: tuple[Chart, ...] = (),
) -> Evidence:
    """The statement holds; by observation alone its verdict stays ``unknown``.

    Raises:
        EvidenceError: if level and error do not fit.

    >>> holds(Level.PROVED_WITH_ERROR, "every input", "identity test", error_bits=61.7).level_words
    'proved with error ≤ 2^-61'
    """
    return Evidence(
        verdict=Verdict.UNKNOWN if level is Level.OBSERVED else Verdict.PROVED,
        level=level,
        scope=scope,
        detail=detail,
        error_bits=error_bits,
        figures=figures or {},
        derivation=derivation,
        charts=charts,
    )


def refuted(
    scope: str,
    detail: str,
    *,
    counterexample: Mapping[str, Any] | None = None,
    level: Level = Level.PROVED,
    figures: Figures | None = None,
) -> Evidence:
    """The statement is false; ``level`` says how the counterexample was computed.

    Raises:
        EvidenceError: if the level has an error, or the counterexample is not JSON.
    """
    return Evidence(
        verdict=Verdict.REFUTED,
        level=level,
        scope=scope,
        detail=detail,
        counterexample=counterexample,
        figures=figures or {},
    )


def unknown(scope: str, detail: str, *, figures: Figures | None = None) -> Evidence:
    """Nothing was found for or against the statement."""
    return Evidence(
        verdict=Verdict.UNKNOWN, level=None, scope=scope, detail=detail, figures=figures or {}
    )


def conjoin(evidences: Iterable[Evidence]) -> Evidence:
    """Evidence for "all of them": the weakest part, with the errors of all parts added.

    Raises:
        EvidenceError: if there is no part.

    >>> a = holds(Level.PROVED_WITH_ERROR, "", "a", error_bits=10)
    >>> b = holds(Level.PROVED, "", "b")
    >>> conjoin([a, b]).level_words, conjoin([a, a]).level_words
    ('proved with error ≤ 2^-10', 'proved with error ≤ 2^-8')
    """
    parts = _at_least_one(evidences)
    weakest = min(parts, key=lambda e: e.strength)
    if not weakest.holds or len(parts) == 1:
        return weakest
    bits = [e.error_bits for e in parts if e.error_bits is not None]
    scope, detail = _joined(parts)
    figures = {name: value for e in parts for name, value in e.figures.items()}
    charts = tuple(chart for e in parts for chart in e.charts)
    if not bits:
        return replace(weakest, scope=scope, detail=detail, figures=figures, charts=charts)
    total = added_errors(bits)
    if total <= 0:
        return unknown(scope, f"the errors add up to 1 or more: {detail}", figures=figures)
    return replace(
        weakest, error_bits=total, scope=scope, detail=detail, figures=figures, charts=charts
    )


def corroborate(evidences: Iterable[Evidence]) -> Evidence:
    """Evidence for one statement from independent supports: the strongest of them.

    Raises:
        EvidenceError: if there is no support.

    >>> seen, proved = holds(Level.OBSERVED, "", "seen"), holds(Level.PROVED, "", "derived")
    >>> corroborate([seen, proved]).level_words
    'proved'
    >>> corroborate([proved, refuted("", "x = 2")]).detail
    'x = 2; although it holds by: derived'
    """
    supports = _at_least_one(evidences)
    against = min(supports, key=lambda e: e.strength)
    supporting = [e for e in supports if e.holds]
    if against.verdict is Verdict.REFUTED:
        if not supporting:
            return against
        others = "; ".join(dict.fromkeys(e.detail for e in supporting))
        return replace(against, detail=f"{against.detail}; although it holds by: {others}")
    strongest = max(supports, key=lambda e: e.strength)
    if len(supporting) < 2:
        return strongest
    # The strongest support comes first: the level is its own.
    scope, detail = _joined([strongest, *(e for e in supporting if e is not strongest)])
    figures = {name: value for e in supporting for name, value in e.figures.items()}
    charts = tuple(chart for e in supporting for chart in e.charts)
    return replace(strongest, scope=scope, detail=detail, figures=figures, charts=charts)


def added_errors(bits: Iterable[float]) -> float:
    """k in 2^-k ≥ Σ 2^-bits, at most 2^-30 below the exact value.

    >>> round(added_errors([60.0, 60.0]), 6), added_errors([60.0])
    (59.0, 60.0)
    """
    entries = list(bits)
    lowest = min(entries)
    if len(entries) == 1:
        return lowest
    return lowest - log2(fsum(2.0 ** (lowest - b) for b in entries)) - _ROUNDING


def _at_least_one(evidences: Iterable[Evidence]) -> list[Evidence]:
    parts = list(evidences)
    if not parts:
        raise EvidenceError("evidences=[]: nothing proves nothing")
    return parts


def _joined(evidences: Iterable[Evidence]) -> tuple[str, str]:
    parts = list(evidences)
    scopes = dict.fromkeys(e.scope for e in parts if e.scope)
    details = dict.fromkeys(e.detail for e in parts if e.detail)
    return "; ".join(scopes), "; ".join(details)
