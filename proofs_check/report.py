"""The verdicts as one page: self-contained, for screens wide and narrow, light and dark, and paper.

Formulas are MathML and curves SVG, so nothing is fetched and no script is needed to read it; the
few lines of script only filter claims and open them for printing.
"""

from __future__ import annotations

import json
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from proofs_check.claim import Settings
from proofs_check.evidence import Level, Verdict
from proofs_check.mathematics import aligned, with_formulas
from proofs_check.result import ClaimResult

PACKAGES = ("lop-proofs", "numpy", "scipy", "sympy", "mpmath", "python-flint")

# What a verdict is called by its level, from strong to weak: the legend of the overview.
STANDINGS = ("proved", "proved-with-error", "enclosed", "observed", "refuted", "unknown")

LINE = 88  # characters of a counterexample that stay on a line


@dataclass(frozen=True, slots=True)
class Provenance:
    """When, with what and how long the claims were run.

    Attributes:
        written: date and time, as the page shows them.
        seconds: by the clock on the wall.
        versions: of the packages that the verdicts rest on.
    """

    written: str
    seconds: float
    versions: Mapping[str, str]


def provenance(written: str, seconds: float) -> Provenance:
    """The provenance of a run in this process.

    >>> "sympy" in provenance("2026-01-01", 1.0).versions
    True
    """
    versions = {"Python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    return Provenance(written, seconds, versions)


def html_report(results: Sequence[ClaimResult], settings: Settings, provenance: Provenance) -> str:
    """The page of a run.

    >>> page = html_report((), Settings(), provenance("2026-01-01", 1.0))
    >>> page.startswith("<!doctype html>"), "0 claims" in page
    (True, True)
    """
    environment = Environment(
        loader=PackageLoader("proofs_check"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "formulas": lambda text: Markup(with_formulas(text)),
        "aligned": lambda lines: Markup(aligned(tuple(lines))),
        "drawn": lambda chart: Markup(chart.svg()),
        "figure": _figure,
        "words": _words,
        "pretty": _pretty,
    }
    groups = [
        (theorem, list(members))
        for theorem, members in groupby(results, key=lambda r: r.claim.theorem)
    ]
    tally = Counter(map(standing, results))
    return environment.get_template("report.html").render(
        results=results,
        groups=groups,
        counts={name: tally[name] for name in STANDINGS},
        standing=standing,
        settings=settings,
        provenance=provenance,
        num_expected=sum(r.is_as_expected for r in results),
        num_variants=sum(len(r.false_variants) for r in results),
    )


def standing(result: ClaimResult) -> str:
    """Which of :data:`STANDINGS` a claim has."""
    if result.verdict is Verdict.REFUTED:
        return "refuted"
    if result.is_broken or result.evidence.level is None:
        return "unknown"
    level: Level = result.evidence.level
    return level.name.lower().replace("_", "-")


def _words(result: ClaimResult) -> str:
    return "unknown" if result.is_broken else result.evidence.words


def _pretty(value: Any, margin: str = "") -> str:
    """JSON with what fits on a line on one, and lists without lists in any case."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, Mapping | list | tuple) or len(margin) + len(short) <= LINE:
        return short
    inner = margin + "  "
    if isinstance(value, Mapping):
        names = (json.dumps(name, ensure_ascii=False) for name in value)
        lines = [f"{n}: {_pretty(v, inner)}" for n, v in zip(names, value.values(), strict=True)]
        first, last = "{}"
    elif any(isinstance(v, Mapping | list | tuple) for v in value):
        lines = [_pretty(v, inner) for v in value]
        first, last = "[]"
    else:
        return short
    return f"{first}\n" + ",\n".join(inner + line for line in lines) + f"\n{margin}{last}"


def _figure(value: float | int | str) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
