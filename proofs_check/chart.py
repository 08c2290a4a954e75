"""Curves that a check leaves for the report: data first, drawn where somebody looks."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from math import isfinite
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

from proofs_check.errors import EvidenceError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# Readable on white and on black.
COLOURS = ("#3f7fd0", "#d9822b", "#2f9e6e", "#c0504d", "#8c6bb1", "#7f7f7f")
# A colour that no curve has stands for the page's own, which light and dark themes set.
_INK = "#010203"
_METADATA = ("Creator", "Date", "Format", "Type")


@dataclass(frozen=True, slots=True)
class Series:
    """Points (x, y), joined by a line or not.

    Args:
        label: what the legend says; ``""`` for none, and for the colour of the series before.
        x: abscissae.
        y: ordinates, as many.
        style: how they are drawn.
        y_error: half the heights of error bars, as many as points or none.

    Raises:
        EvidenceError: if there are not equally many, a number is not finite, or an error negative.
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: Literal["line", "points", "dashed"] = "line"
    y_error: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise EvidenceError(
                f"series {self.label!r}: {len(self.x)} x and {len(self.y)} y: a point has both"
            )
        odd = next((v for v in (*self.x, *self.y) if not isfinite(v)), None)
        if odd is not None:
            raise EvidenceError(f"series {self.label!r}: {odd}: a coordinate is finite")
        if self.y_error and len(self.y_error) != len(self.y):
            raise EvidenceError(
                f"series {self.label!r}: {len(self.y)} y and {len(self.y_error)} errors: "
                "all points have one or none has"
            )
        if not all(e >= 0 and isfinite(e) for e in self.y_error):
            raise EvidenceError(f"series {self.label!r}: y_error={self.y_error}: errors are ≥ 0")


@dataclass(frozen=True, slots=True)
class Chart:
    """Some series over the same axes.

    Args:
        title: one line.
        x_label: what is on the x axis, with its unit.
        y_label: what is on the y axis, with its unit.
        series: at least one.
        log_x: whether the x axis is logarithmic.
        log_y: whether the y axis is logarithmic.

    Raises:
        EvidenceError: if there are no series, or a logarithmic axis meets a number ≤ 0.

    >>> line = Series("", (0.0, 1.0), (1.0, 2.0))
    >>> Chart("growth", "t", "distance", (line,)).svg()[:4]
    '<svg'
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False

    def __post_init__(self) -> None:
        if not self.series:
            raise EvidenceError(f"chart {self.title!r}: series=(): there is nothing to draw")
        for name, is_log in (("x", self.log_x), ("y", self.log_y)):
            values = [v for series in self.series for v in getattr(series, name)]
            if is_log and min(values, default=1.0) <= 0:
                raise EvidenceError(
                    f"chart {self.title!r}: {name}={min(values)}: "
                    f"a logarithmic axis needs {name} > 0"
                )

    def draw(self, axes: Axes) -> None:
        """Draw on axes of matplotlib."""
        number = 0
        for k, series in enumerate(self.series):
            marks = {"line": "-", "dashed": "--", "points": "o"}[series.style]
            number += bool(k and series.label)
            colour = COLOURS[number % len(COLOURS)]
            drawn: Any = {"color": colour, "markersize": 3, "label": series.label or None}
            if series.y_error:
                axes.errorbar(
                    series.x, series.y, series.y_error, fmt=marks, capsize=2.5, zorder=3, **drawn
                )
            else:
                axes.plot(series.x, series.y, marks, **drawn)
        for name, axis, is_log in (("x", axes.xaxis, self.log_x), ("y", axes.yaxis, self.log_y)):
            if is_log:
                getattr(axes, f"set_{name}scale")("log")
                _tell_apart(axis, [v for series in self.series for v in getattr(series, name)])
        axes.set(title=fill(self.title, 56), xlabel=self.x_label, ylabel=self.y_label)
        if any(series.label for series in self.series):
            axes.legend(frameon=False)

    def svg(self) -> str:
        """An ``<svg>`` element whose lettering has the colour of the text around it."""
        import matplotlib as mpl
        from matplotlib.figure import Figure

        inks = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
        style: Any = dict.fromkeys(inks, _INK)
        # Text stays text, and names of clip paths do not depend on chance.
        style |= {"svg.fonttype": "none", "svg.hashsalt": self.title, "font.family": "sans-serif"}
        with mpl.rc_context(style):
            figure = Figure(figsize=(5.6, 3.4), layout="constrained")
            axes = figure.subplots()
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_facecolor("none")
            self.draw(axes)
            out = StringIO()
            figure.savefig(out, format="svg", transparent=True, metadata=dict.fromkeys(_METADATA))
        drawn = out.getvalue()
        return drawn[drawn.index("<svg") :].replace(_INK, "currentColor")

    def _repr_svg_(self) -> str:
        return self.svg()


def _tell_apart(axis: Axis, values: list[float]) -> None:
    """Ticks at 1, 2, 5, 10, … where powers of ten are too few."""
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

    if max(values) <= 100 * min(values):
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FormatStrFormatter("%g"))
    axis.set_minor_formatter(NullFormatter())
