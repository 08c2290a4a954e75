"""Tables for notebooks: what an object's ``_repr_html_`` shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from itertools import islice

NUM_SHOWN = 24  # rows of a long table


def html_table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[object]], num_rows: int
) -> str:
    """A captioned table of the first rows, and how many are left out.

    Args:
        caption: plain text above the table.
        header: one word a column, or nothing.
        rows: entries are shown as ``str``; no more are taken than shown.
        num_rows: how many there are.

    >>> html_table("axes", ["axis", "n"], [("h", 3)], 1)
    '<p>axes</p><table><tr><th>axis</th><th>n</th></tr><tr><td>h</td><td>3</td></tr></table>'
    """
    lines = [_row("th", header)] if header else []
    lines += [_row("td", row) for row in islice(rows, NUM_SHOWN)]
    more = f"<p>… and {num_rows - NUM_SHOWN:,} more</p>" if num_rows > NUM_SHOWN else ""
    table = f"<table>{''.join(lines)}</table>" if lines else ""
    return f"<p>{escape(caption)}</p>{table}{more}"


def _row(tag: str, entries: Sequence[object]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(str(e))}</{tag}>" for e in entries) + "</tr>"
