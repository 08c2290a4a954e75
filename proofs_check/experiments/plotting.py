"""Curves over seeds as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING

from proofs_check.experiments.result import Curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = ("-", "--", "-.", ":")
LOGARITHMIC = ("distance", "1 - R²")  # panels whose names begin like this
MANY = 8  # curves, whose legend stands beside the plot


def figure(panels: Sequence[Sequence[Curve]]) -> Figure:
    """One plot a panel: the mean over seeds, and one standard deviation around it.

    On a logarithmic axis the band goes from the smallest to the largest seed. Series such as
    ``Adam, clone`` and ``Adam, base`` have one colour.
    """
    from matplotlib.figure import Figure

    columns = min(len(panels), 2)
    rows = ceil(len(panels) / columns)
    made = Figure(figsize=(5.6 * columns, 3.4 * rows), layout="constrained")
    for k, curves in enumerate(panels):
        axes = made.add_subplot(rows, columns, k + 1)
        is_logarithmic = curves[0].panel.startswith(LOGARITHMIC)
        names = [curve.series.rpartition(", ") for curve in curves]
        colours = list(dict.fromkeys(head or tail for head, _, tail in names))
        styles = list(dict.fromkeys(tail for head, _, tail in names if head))
        for curve, (head, _, tail) in zip(curves, names, strict=True):
            mean, deviation = curve.mean, curve.deviation
            colour = f"C{colours.index(head or tail) % 10}"
            style = STYLES[styles.index(tail) % len(STYLES)] if head else "-"
            band = (mean - deviation, mean + deviation)
            if is_logarithmic:
                band = (curve.values.min(axis=1), curve.values.max(axis=1))
            axes.plot(curve.x, mean, style, color=colour, label=curve.series, linewidth=1.3)
            axes.fill_between(curve.x, *band, color=colour, alpha=0.12, linewidth=0)
        if is_logarithmic:
            axes.set_yscale("log")
        axes.set_title(curves[0].panel)
        axes.set_xlabel(curves[0].xlabel)
        axes.grid(alpha=0.25)
        if k == 0 or [c.series for c in curves] != [c.series for c in panels[k - 1]]:
            if len(curves) > MANY:
                axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
            else:
                axes.legend(fontsize=7, frameon=False)
    return made
