"""Whether a claim about experiments is reproduced, by a criterion that was fixed before the run.

A comparison is over seeds: one number a seed, positive where the claim points. It is decided by the
mean with its 95 % interval (Student's t) and by the least effect that would count:

    reproduced      the interval lies above 0 and the mean is at least the least effect
    not reproduced  the interval lies below the least effect
    not testable    otherwise: these seeds leave both open
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from math import sqrt
from typing import Any

import numpy as np

from numerics.systems.system import Array

CONFIDENCE = 0.95


class Verdict(Enum):
    """What an experiment says about a claim."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    NOT_TESTABLE = "not testable at this scale"


@dataclass(frozen=True)
class Finding:
    """A claim of the paper, what decides about it, and how it was decided.

    Args:
        claim: in one sentence.
        criterion: what decides, in words.
        verdict: how it came out.
        figures: the numbers that decided.
    """

    claim: str
    criterion: str
    verdict: Verdict
    figures: Mapping[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain data; a figure that is no finite number is ``null``."""
        return {
            "claim": self.claim,
            "criterion": self.criterion,
            "verdict": self.verdict.value,
            "figures": {k: float(v) if np.isfinite(v) else None for k, v in self.figures.items()},
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Finding:
        """The inverse of :meth:`as_json`."""
        figures = {k: float("nan") if v is None else v for k, v in data["figures"].items()}
        return Finding(data["claim"], data["criterion"], Verdict(data["verdict"]), figures)


def interval(values: Array) -> tuple[float, float, float]:
    """Mean and the ends of its 95 % interval; infinite for one seed.

    >>> mean, low, high = interval(np.array([1.0, 2.0, 3.0]))
    >>> mean, round(low, 3), round(high, 3)
    (2.0, -0.484, 4.484)
    """
    from scipy.special import stdtrit

    values = np.asarray(values, float)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return mean, -np.inf, np.inf
    reach = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * float(values.std(ddof=1)) / sqrt(n)
    return mean, mean - reach, mean + reach


def decide(effects: Array, least: float) -> tuple[Verdict, dict[str, float]]:
    """The verdict on effects, one number a seed, that the claim says are positive.

    >>> decide(np.array([1.0, 1.1, 0.9]), 0.5)[0].value
    'reproduced'
    >>> decide(np.array([0.1, 0.0, -0.1]), 0.5)[0].value
    'not reproduced'
    >>> decide(np.array([3.0, -2.0]), 0.5)[0].value
    'not testable at this scale'
    """
    mean, low, high = interval(effects)
    if low > 0 and mean >= least:
        verdict = Verdict.REPRODUCED
    elif high < least:
        verdict = Verdict.NOT_REPRODUCED
    else:
        verdict = Verdict.NOT_TESTABLE
    deviation = float(np.std(effects, ddof=1)) if len(effects) > 1 else float("nan")
    return verdict, {"mean": mean, "sd": deviation, "low": low, "high": high, "least": least}


def compare(claim: str, what: str, effects: Array, least: float) -> Finding:
    """A finding by :func:`decide`.

    Args:
        claim: in one sentence.
        what: what the effect of a seed is.
        effects: one a seed.
        least: the least effect that counts.
    """
    verdict, figures = decide(effects, least)
    criterion = f"{what}: mean over seeds ≥ {least:g}, 95 % interval above 0"
    return Finding(claim, criterion, verdict, figures)


def at_most(claim: str, what: str, values: Array, limit: float) -> Finding:
    """A finding that demands a bound of every seed.

    >>> at_most("claim", "error", np.array([0.1, 0.3]), 0.2).verdict.value
    'not reproduced'
    """
    largest = float(np.max(values))
    verdict = Verdict.REPRODUCED if largest <= limit else Verdict.NOT_REPRODUCED
    figures = {"largest": largest, "mean": float(np.mean(values)), "limit": limit}
    return Finding(claim, f"{what} ≤ {limit:g} for every seed", verdict, figures)


def at_least(claim: str, what: str, values: Array, limit: float) -> Finding:
    """A finding that demands a least effect of every seed.

    >>> at_least("claim", "gap", np.array([0.1, 0.3]), 0.2).verdict.value
    'not reproduced'
    """
    smallest = float(np.min(values))
    verdict = Verdict.REPRODUCED if smallest >= limit else Verdict.NOT_REPRODUCED
    figures = {"smallest": smallest, "mean": float(np.mean(values)), "limit": limit}
    return Finding(claim, f"{what} ≥ {limit:g} for every seed", verdict, figures)


def provided(finding: Finding, premise: Finding) -> Finding:
    """A finding about a recovery, not testable unless what is recovered from was seen."""
    criterion = f"{finding.criterion}; testable only if reproduced: {premise.claim}"
    if premise.verdict is Verdict.REPRODUCED:
        return replace(finding, criterion=criterion)
    return replace(finding, criterion=criterion, verdict=Verdict.NOT_TESTABLE)
