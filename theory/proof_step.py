"""A step of a proof that people read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """A sentence and the formulas that it announces, in LaTeX, with ``&`` where they are aligned.

    >>> Step("Clones receive the same sum.", ("z_1 &= z_2",)).formulas
    ('z_1 &= z_2',)
    """

    sentence: str
    formulas: tuple[str, ...] = ()
