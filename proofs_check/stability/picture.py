"""A picture of a transverse spectrum, drawn with matplotlib."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from proofs_check.errors import OptionError
from proofs_check.files import write_bytes
from proofs_check.stability.result import Stability

FORMATS = ("png", "svg", "pdf")
COLOURS = {"negative": "#b2182b", "zero": "#777777", "positive": "#2166ac"}
MAX_NAMED = 24  # blocks whose names fit below the picture


def check_picture(path: str) -> None:
    """See before the work that a picture of that name can be drawn.

    Raises:
        OptionError: if the suffix is none of png, svg, pdf.

    >>> check_picture("spectrum.gif")
    Traceback (most recent call last):
    proofs_check.errors.OptionError: --picture 'spectrum.gif': the name ends in .png, .svg or .pdf
    """
    if Path(path).suffix[1:].lower() not in FORMATS:
        raise OptionError(f"--picture {path!r}: the name ends in .png, .svg or .pdf")


def draw_spectrum(found: Stability, path: str) -> None:
    """Write a picture of all transverse eigenvalues, one column a block: whole or not at all.

    Raises:
        OutputError: if the file cannot be written.
    """
    drawn = BytesIO()
    spectrum_figure(found).savefig(drawn, format=Path(path).suffix[1:].lower())
    write_bytes(path, drawn.getvalue())


def spectrum_figure(found: Stability) -> Any:
    """The picture as a matplotlib figure that no window shows."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(min(12.0, 4.0 + 0.35 * len(found.blocks)), 4.5), layout="constrained")
    axes = figure.subplots()
    largest = 0.0
    for column, verdict in enumerate(found.blocks):
        values = verdict.eigenvalues
        largest = max(largest, float(np.abs(values).max(initial=0.0)))
        small = 1e-9 * float(np.abs(values).max(initial=0.0))  # drawn as zero, whatever it is
        kinds = {
            "negative": values < -small,
            "zero": np.abs(values) <= small,
            "positive": values > small,
        }
        for kind, chosen in kinds.items():
            label = kind if column == 0 else None
            axes.plot(
                np.full(int(chosen.sum()), column),
                values[chosen],
                "_",
                color=COLOURS[kind],
                markersize=12,
                label=label,
            )
    axes.axhline(0.0, color="black", linewidth=0.6)
    axes.set_yscale("symlog", linthresh=max(1e-4 * largest, 1e-12))
    largest = max(largest, 1e-12, float(found.limit or 0))
    axes.set_ylim(-3 * largest, 3 * largest)
    if found.limit is not None:
        axes.axhline(
            float(found.limit), color="#e08214", linewidth=0.8, label=f"limit of {found.method}"
        )
    shown = range(0, len(found.blocks), -(-len(found.blocks) // MAX_NAMED) or 1)
    names = [
        f"{found.blocks[k].block.axis}[{','.join(map(str, found.blocks[k].block.units))}]"
        for k in shown
    ]
    axes.set_xticks(list(shown), names, rotation=90)
    decay = " + λ" if found.question.decay else ""
    axes.set_ylabel(f"transverse eigenvalues{decay}")
    axes.set_title(f"{found.question.architecture.name}\n{found.head()}", fontsize="small")
    axes.legend(fontsize="small")
    return figure
