"""Curves as a figure. Matplotlib is imported here and nowhere else, for it is optional."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from proofs_check.experiments.result import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = ("-", "--", "-.", ":")
LOGARITHMIC = ("distance", "difference", "1 - R²")  # panels whose names begin like this


def figure(panels: Sequence[Sequence[Curve]]) -> Figure:
    """One plot a panel: the mean over seeds, and one standard deviation around it.

    Raises:
        ImportError: if matplotlib is not installed.
    """
    from matplotlib.figure import Figure

    columns = min(len(panels), 2)
    rows = ceil(len(panels) / columns)
    made = Figure(figsize=(5.6 * columns, 3.4 * rows), layout="constrained")
    for k, curves in enumerate(panels):
        axes = made.add_subplot(rows, columns, k + 1)
        for n, curve in enumerate(curves):
            mean, deviation = curve.mean, curve.deviation
            style = STYLES[(n // 10) % len(STYLES)]
            (line,) = axes.plot(curve.x, mean, style, label=curve.series, linewidth=1.3)
            axes.fill_between(
                curve.x, mean - deviation, mean + deviation, color=line.get_color(), alpha=0.15
            )
        if curves[0].panel.startswith(LOGARITHMIC):
            axes.set_yscale("log")
        axes.set_title(curves[0].panel)
        axes.set_xlabel(curves[0].xlabel)
        axes.grid(alpha=0.25)
        if k == 0 or [c.series for c in curves] != [c.series for c in panels[0]]:
            axes.legend(fontsize=7)
    return made
