"""The smallest case: a sequence of choices is shortened and lowered while a predicate holds.

What was drawn is the sequence of integers that were chosen. A shorter one stands for the same
choices followed by the smallest ones, so any sequence draws something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from proofs_check.drawing.networks import Choose

T = TypeVar("T")
Draw = Callable[[Choose], T]


def recorded(draw: Draw[T], choose: Choose) -> tuple[T, tuple[int, ...]]:
    """What is drawn, and the choices as distances from the lowest.

    >>> recorded(lambda choose: choose(2, 5) + choose(0, 3), lambda low, high: high)
    (8, (3, 3))
    """
    steps: list[int] = []

    def note(low: int, high: int) -> int:
        value = choose(low, high)
        steps.append(value - low)
        return value

    return draw(note), tuple(steps)


def replayed(draw: Draw[T], steps: Sequence[int]) -> T:
    """What is drawn by given choices, too large ones lowered, missing ones lowest.

    >>> replayed(lambda choose: (choose(2, 5), choose(0, 3)), (9,))
    (5, 0)
    """
    left = iter(steps)
    return draw(lambda low, high: min(low + next(left, 0), high))


def smallest(draw: Draw[T], steps: Sequence[int], fails: Callable[[T], bool]) -> T:
    """A case that fails, none of whose choices can be left out or lowered.

    Args:
        draw: draws a case by choices.
        steps: choices of a case that fails.
        fails: whether a case fails.

    >>> two = lambda choose: (choose(0, 9), choose(0, 9))
    >>> smallest(two, (7, 8), lambda pair: sum(pair) > 5)
    (6, 0)
    """
    best = tuple(steps)
    improves = True
    while improves:
        improves = False
        for candidate in _smaller(best):
            if fails(replayed(draw, candidate)):
                best, improves = candidate, True
                break
    return replayed(draw, best)


def _smaller(steps: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    n = len(steps)
    width = n
    while width:
        for start in range(n - width, -1, -width):
            yield steps[:start] + steps[start + width :]
        width //= 2
    for k, step in enumerate(steps):
        yield from (
            (*steps[:k], lower, *steps[k + 1 :])
            for lower in sorted({0, step // 2, step - 1})
            if 0 <= lower < step
        )
