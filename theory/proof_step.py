"""A step of a proof that people read, and what a machine checks of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from theory.outcome import Outcome, conjoined

Check = Callable[[], Outcome]


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step as it is shown: text, formulas, and by which right it stands."""

    sentence: str
    formulas: tuple[str, ...] = ()
    remark: str = ""


@dataclass(frozen=True)
class Step:
    """One step of a derivation.

    Args:
        sentence: what is concluded, and from what; formulas between dollars.
        formulas: that it announces, in LaTeX, with ``&=`` where they are aligned.
        check: a machine check of the step; ``None`` for an argument by hand.
        scope: for what the machine checks it.

    >>> step = Step("Clones agree.", ("z_1 &= z_2",), lambda: Outcome("proved", "by hand", 1))
    >>> step.shown.remark
    'proved by SymPy: by hand'
    """

    sentence: str
    formulas: tuple[str, ...] = ()
    check: Check | None = None
    scope: str = ""

    @cached_property
    def outcome(self) -> Outcome | None:
        """What the machine found; ``None`` for an argument by hand."""
        return None if self.check is None else self.check()

    @property
    def shown(self) -> ShownStep:
        """The step after its check."""
        return ShownStep(self.sentence, self.formulas, self._remark())

    def _remark(self) -> str:
        if self.outcome is None:
            return ""
        scope = f", for {self.scope}" if self.scope else ""
        return f"{self.outcome.verdict} by SymPy{scope}: {self.outcome.detail}"


def checked(steps: Iterable[Step]) -> Outcome:
    """What the checks of all steps found together.

    >>> checked([Step("trivially")]).verdict
    'unknown'
    """
    return conjoined(step.outcome for step in steps if step.outcome is not None)
