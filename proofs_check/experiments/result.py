"""What a run found: curves over seeds, findings, and what is needed to run it again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from numerics.systems.system import Array
from proofs_check.errors import ArraysError
from proofs_check.experiments.storage import read_arrays, write_arrays
from proofs_check.experiments.verdict import Finding
from proofs_check.files import write_text
from theory.errors import LopError
from theory.html_table import NUM_SHOWN, html_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMAT = 1


@dataclass(frozen=True)
class Curve:
    """One quantity of one series over time, for every seed.

    Args:
        panel: the quantity, ``loss``.
        series: whose, ``Adam, clone``.
        x: where it was taken, ``(points,)``.
        values: ``(points, seeds)``.
        xlabel: what ``x`` counts.
    """

    panel: str
    series: str
    x: Array
    values: Array
    xlabel: str

    @property
    def mean(self) -> Array:
        """Mean over seeds, ``(points,)``."""
        return np.asarray(self.values.mean(axis=1))

    @property
    def deviation(self) -> Array:
        """Standard deviation over seeds, ``(points,)``; 0 for one seed."""
        ddof = min(1, self.values.shape[1] - 1)
        return np.asarray(self.values.std(axis=1, ddof=ddof))


@dataclass(frozen=True)
class Result:
    """A finished experiment.

    Args:
        name: of the experiment.
        title: of the experiment.
        settings: as plain data.
        seed: from which all randomness was derived.
        seconds: of work, summed over processes.
        provenance: versions of what it ran on and the digest of the sources.
        curves: one for each quantity and series.
        findings: one for each claim.
    """

    name: str
    title: str
    settings: Mapping[str, Any]
    seed: int
    seconds: float
    provenance: Mapping[str, str]
    curves: tuple[Curve, ...]
    findings: tuple[Finding, ...]

    def curve(self, panel: str, series: str) -> Curve:
        """One curve.

        Raises:
            ArraysError: if there is none of that name.
        """
        for curve in self.curves:
            if (curve.panel, curve.series) == (panel, series):
                return curve
        known = ", ".join(f"{c.panel} / {c.series}" for c in self.curves)
        raise ArraysError(f"{panel} / {series}: no such curve; there are {known}")

    @property
    def panels(self) -> tuple[str, ...]:
        """The quantities, in order."""
        return tuple(dict.fromkeys(curve.panel for curve in self.curves))

    def as_json(self) -> dict[str, Any]:
        """All but the values of the curves, whose last points are summed up."""
        return {
            "format": FORMAT,
            "experiment": self.name,
            "title": self.title,
            "settings": dict(self.settings),
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "provenance": dict(self.provenance),
            "findings": [finding.as_json() for finding in self.findings],
            "curves": [
                {
                    "panel": c.panel,
                    "series": c.series,
                    "xlabel": c.xlabel,
                    "points": len(c.x),
                    "last": {"mean": _finite(c.mean[-1]), "sd": _finite(c.deviation[-1])},
                }
                for c in self.curves
            ],
        }

    def save(self, folder: str | Path) -> Path:
        """Write ``NAME.npz`` and ``NAME.json`` into a folder; the path of the latter.

        Raises:
            OutputError: if a file cannot be written.
        """
        where = Path(folder)
        arrays: dict[str, Array] = {}
        for k, curve in enumerate(self.curves):
            arrays |= {f"x{k}": curve.x, f"values{k}": curve.values}
        file = where / f"{self.name}.npz"
        write_arrays(file, arrays, {"experiment": self.name, "curves": len(self.curves)})
        arrays_digest = hashlib.sha256(file.read_bytes()).hexdigest()
        data = {**self.as_json(), "arrays": {"file": file.name, "sha256": arrays_digest}}
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_text(where / f"{self.name}.json", text)
        return where / f"{self.name}.json"

    def plot(self, panels: tuple[str, ...] | None = None) -> Figure:
        """A figure with one plot for each quantity: mean over seeds and one deviation around it.

        Raises:
            ArraysError: if a panel is unknown.
        """
        from proofs_check.experiments.plotting import figure

        chosen = self.panels if panels is None else panels
        for panel in chosen:
            if panel not in self.panels:
                raise ArraysError(f"{panel!r}: no such panel; there are {', '.join(self.panels)}")
        return figure([[c for c in self.curves if c.panel == panel] for panel in chosen])

    def lines(self) -> list[str]:
        """What a person reads in a terminal."""
        seeds = self.settings["seeds"]
        lines = [f"{self.title}; {seeds} seeds from seed {self.seed}, {self.seconds:.0f} s of work"]
        for finding in self.findings:
            lines.append(f"{finding.verdict.value}: {finding.claim}")
            lines.append(f"    criterion  {finding.criterion}")
            shown = ", ".join(f"{k} {v:.4g}" for k, v in finding.figures.items())
            lines.append(f"    figures    {shown}")
        for panel in self.panels:
            lines.append(f"{panel}, first and last point, mean ± deviation over seeds")
            for c in self.curves:
                if c.panel == panel:
                    ends = " → ".join(
                        f"{c.mean[k]:.4g} ± {c.deviation[k]:.2g}" for k in (0, -1) if len(c.x)
                    )
                    lines.append(f"    {c.series:<34} {ends}")
        return lines

    def __repr__(self) -> str:
        found = ", ".join(f.verdict.value for f in self.findings)
        return f"Result of {self.name!r} with {self.settings['seeds']} seeds: {found}"

    def _repr_html_(self) -> str:
        rows = [
            (
                finding.claim,
                finding.verdict.value,
                ", ".join(f"{k} {v:.3g}" for k, v in finding.figures.items()),
                finding.criterion,
            )
            for finding in self.findings
        ]
        caption = f"{self.title}; {self.settings['seeds']} seeds, {self.seconds:.0f} s of work"
        header = ("claim", "verdict", "figures", "criterion")
        parts = [rows[k : k + NUM_SHOWN] for k in range(0, len(rows), NUM_SHOWN)] or [[]]
        tables = [
            html_table(caption if k == 0 else "", header, p, len(p)) for k, p in enumerate(parts)
        ]
        return "".join(tables)


def load(path: str | Path) -> Result:
    """A saved result: the ``.json`` file, or the folder that holds one.

    Raises:
        ArraysError: if there is none, or it or its arrays were changed or cut off.

    >>> load("nowhere")
    Traceback (most recent call last):
    proofs_check.errors.ArraysError: nowhere: no such file or folder
    """
    file = _json_file(Path(path))
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ArraysError(f"{file}: format {data['format']}, expected {FORMAT}")
        npz = file.with_name(data["arrays"]["file"])
        expected = data["arrays"]["sha256"]
        if not npz.exists():
            raise ArraysError(f"{npz}: missing; {file.name} needs its arrays")
        if hashlib.sha256(npz.read_bytes()).hexdigest() != expected:
            raise ArraysError(f"{npz}: not the arrays that {file.name} describes; run it again")
        arrays, _ = read_arrays(npz)
        curves = tuple(
            Curve(c["panel"], c["series"], arrays[f"x{k}"], arrays[f"values{k}"], c["xlabel"])
            for k, c in enumerate(data["curves"])
        )
        return Result(
            data["experiment"],
            data["title"],
            data["settings"],
            data["seed"],
            data["seconds"],
            data["provenance"],
            curves,
            tuple(Finding.from_json(f) for f in data["findings"]),
        )
    except LopError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise ArraysError(f"{file}: no result of an experiment ({type(error).__name__})") from None


def _json_file(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
        raise ArraysError(f"{path}: no such file or folder")
    found = sorted(path.glob("*.json"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "none"
        raise ArraysError(f"{path}: expected one result (.json), there are {names}")
    return found[0]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
