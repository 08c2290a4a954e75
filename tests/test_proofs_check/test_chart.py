from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest

from proofs_check.chart import COLOURS, Chart, Series
from proofs_check.errors import EvidenceError


def chart(**changes: Any) -> Chart:
    line, dots = (
        Series("line", (1.0, 2.0), (1.0, 4.0)),
        Series("dots", (1.0, 3.0), (2.0, 8.0), "points"),
    )
    return Chart(
        **{"title": "a < b", "x_label": "t", "y_label": "d", "series": (line, dots)} | changes
    )


def test_an_svg_is_well_formed_and_takes_its_ink_from_the_page():
    drawn = chart().svg()
    texts = [e.text for e in ElementTree.fromstring(drawn).iter() if e.text]
    assert {"a < b", "t", "d", "line", "dots"} <= set(texts)
    assert "currentColor" in drawn
    assert "#000000" not in drawn


def test_a_drawing_does_not_depend_on_when_it_is_made():
    assert chart().svg() == chart().svg()


def test_error_bars_reach_the_drawing():
    bare, barred = (
        Chart("", "", "", (Series("", (1.0, 2.0), (3.0, 4.0), "points", y_error=errors),)).svg()
        for errors in ((), (0.5, 0.25))
    )
    assert "LineCollection" in barred
    assert "LineCollection" not in bare


def test_a_series_without_a_label_has_the_colour_of_the_one_before():
    def colours(label: str) -> int:
        lines = (Series("a", (1.0, 2.0), (1.0, 2.0)), Series(label, (1.0, 2.0), (2.0, 1.0)))
        drawn = Chart("", "", "", lines).svg()
        return sum(colour in drawn for colour in COLOURS)

    assert (colours("b"), colours("")) == (2, 1)


def test_logarithmic_axes_reach_the_drawing():
    assert chart(log_x=True, log_y=True).svg() != chart().svg()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Series("s", (1.0,), ()), "1 x and 0 y"),
        (lambda: Series("s", (float("nan"),), (1.0,)), "a coordinate is finite"),
        (lambda: Series("s", (1.0,), (1.0,), y_error=(1.0, 2.0)), "1 y and 2 errors"),
        (lambda: Series("s", (1.0,), (1.0,), y_error=(-1.0,)), "errors are ≥ 0"),
        (lambda: chart(series=()), "nothing to draw"),
        (lambda: chart(series=(Series("", (0.0,), (1.0,)),), log_x=True), "x=0.0"),
    ],
)
def test_what_cannot_be_drawn_is_refused(make, words):
    with pytest.raises(EvidenceError, match=words):
        make()
