"""Gaussian elimination of sparse integer rows, exact and without fractions.

The systems of this package are block-diagonal with small integer entries: a row meets a handful of
others, so the work grows with the number of terms and not with the size of the matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

Row = dict[int, int]  # column to non-zero entry


@dataclass(frozen=True, slots=True)
class Echelon:
    """The reduced form of some rows.

    Attributes:
        rows: by pivot column; a pivot column is 0 in all other rows.
        independent: which of the given rows are independent of the ones before.
        contradiction: the first given row that asks for 0 = 1, if any.
    """

    rows: dict[int, Row]
    independent: tuple[int, ...]
    contradiction: int | None


def row_echelon(rows: Sequence[Row], width: int) -> Echelon:
    """Reduce rows with ``width`` unknowns, columns 0..width-1; column ``width`` is the right side.

    The rows may depend on each other. A row of the result has entries without a common divisor.

    >>> row_echelon([{0: 1, 1: 1}, {0: 2, 1: 2}, {1: 2, 2: -1}], 2)
    Echelon(rows={0: {0: 2, 2: 1}, 1: {1: 2, 2: -1}}, independent=(0, 2), contradiction=None)
    """
    reduced: dict[int, Row] = {}
    users: dict[int, set[int]] = {}  # column to the pivots of the reduced rows that contain it
    independent: list[int] = []
    contradiction: int | None = None
    for number, given in enumerate(rows):
        row = {c: a for c, a in given.items() if a}
        for column in [c for c in row if c in reduced]:
            row = _eliminated(row, column, reduced[column])
        candidates = [(abs(a), c) for c, a in row.items() if c < width]
        if not candidates:
            if row and contradiction is None:
                contradiction = number
            continue
        independent.append(number)
        _, pivot = min(candidates)
        row = _primitive(row)
        for other in list(users.get(pivot, ())):
            before = reduced[other]
            after = reduced[other] = _primitive(_eliminated(before, pivot, row))
            for column in before.keys() - after.keys():
                users[column].discard(other)
            for column in after.keys() - before.keys():
                users.setdefault(column, set()).add(other)
        reduced[pivot] = row
        for column in row:
            users.setdefault(column, set()).add(pivot)
    return Echelon(reduced, tuple(independent), contradiction)


def _eliminated(row: Row, column: int, by: Row) -> Row:
    """A multiple of ``row`` plus a multiple of ``by`` in which ``column`` is 0."""
    a, b = row[column], by[column]
    common = gcd(a, b)
    scale, factor = b // common, a // common
    result = {c: scale * e for c, e in row.items()} if scale != 1 else dict(row)
    for c, e in by.items():
        value = result.get(c, 0) - factor * e
        if value:
            result[c] = value
        else:
            result.pop(c, None)
    return result


def _primitive(row: Row) -> Row:
    common = gcd(*row.values())
    return row if common == 1 else {c: e // common for c, e in row.items()}
