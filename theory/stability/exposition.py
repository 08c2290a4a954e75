"""Statements, hypotheses and steps as LaTeX, HTML and plain text.

Sentences are text with formulas between dollar signs, so one source serves a notebook, a document
with amsmath and a terminal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

from theory.stability.identity import Outcome, identities

Check = Callable[[], Outcome]


@dataclass(frozen=True)
class Step:
    """One step of a derivation.

    Args:
        sentence: what is concluded, and from what.
        formulas: the equations, LaTeX without alignment.
        check: a machine check of the step; ``None`` for an argument by hand.
        scope: for what the machine checks it.
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
    def remark(self) -> str:
        """By which right the step stands."""
        if self.outcome is None:
            return "argument"
        scope = f", for {self.scope}" if self.scope else ""
        return f"{self.outcome.verdict} by SymPy{scope}: {self.outcome.detail}"


@dataclass(frozen=True)
class Exposition:
    """A statement with its hypotheses and steps, ready to be shown."""

    title: str
    statement: str
    hypotheses: tuple[str, ...]
    steps: tuple[Step, ...]

    def to_text(self) -> str:
        """For a terminal."""
        lines = [self.title, f"  {self.statement}"]
        lines += [f"  if {hypothesis}" for hypothesis in self.hypotheses]
        for k, step in enumerate(self.steps, start=1):
            lines.append(f"  {k}. {step.sentence} [{step.remark}]")
        return "\n".join(lines)

    def to_latex(self) -> str:
        """A fragment for a document with amsmath."""
        parts = [rf"\textbf{{{escaped(self.title)}.}} {self.statement}"]
        if self.hypotheses:
            items = "\n".join(rf"\item {hypothesis}" for hypothesis in self.hypotheses)
            parts.append("\\begin{itemize}\n" + items + "\n\\end{itemize}")
        for k, step in enumerate(self.steps, start=1):
            parts.append(rf"\textbf{{{k}.}} {step.sentence} \emph{{[{escaped(step.remark)}]}}")
            if step.formulas:
                rows = " \\\\\n".join(f"&{formula}" for formula in step.formulas)
                parts.append(f"\\begin{{align*}}{rows}\\end{{align*}}")
        return "\n\n".join(parts) + "\n"

    def to_display(self) -> str:
        """One displayed formula, for a notebook."""
        rows = [rf"&\textbf{{{escaped(self.title)}}}", *_texts(self.statement)]
        for hypothesis in self.hypotheses:
            rows += _texts(f"if {hypothesis}")
        for k, step in enumerate(self.steps, start=1):
            rows += _texts(f"{k}. {step.sentence}")
            rows += [rf"&\qquad {formula}" for formula in step.formulas]
        return "$$\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}$$"

    def to_html(self) -> str:
        """Paragraphs that wrap, with formulas for MathJax or KaTeX."""
        assumed = "".join(f"<li>{escape(h)}</li>" for h in self.hypotheses)
        parts = [f"<p><b>{escape(self.title)}.</b> {escape(self.statement)}</p>"]
        if assumed:
            parts.append(f"<p>Hypotheses:</p><ul>{assumed}</ul>")
        for k, step in enumerate(self.steps, start=1):
            remark = f"<small>[{escape(step.remark)}]</small>"
            parts.append(f"<p><b>{k}.</b> {escape(step.sentence)} {remark}</p>")
            if step.formulas:
                body = r" \\ ".join(f"&{formula}" for formula in step.formulas)
                parts.append(f"<div>$${escape(_aligned(body))}$$</div>")
        return "\n".join(parts)


class Shown(ABC):
    """What has an exposition is shown by it everywhere."""

    @abstractmethod
    def exposition(self) -> Exposition:
        """The parts, ready to be shown."""

    def __str__(self) -> str:
        return self.exposition().to_text()

    def to_latex(self) -> str:
        """A fragment for a document with amsmath."""
        return self.exposition().to_latex()

    def _repr_latex_(self) -> str:
        return self.exposition().to_display()

    def _repr_html_(self) -> str:
        return self.exposition().to_html()


def conjoined(outcomes: Iterable[Outcome]) -> Outcome:
    """All of them: a refutation wins, then what is unknown.

    >>> print(conjoined([Outcome("proved", "a", 2), Outcome("proved", "b", 3)]))
    proved: 5 equations hold as identities
    >>> conjoined([Outcome("proved", "a", 2), Outcome("refuted", "b", 3)]).verdict
    'refuted'
    """
    parts = list(outcomes)
    if not parts:
        return Outcome("unknown", "nothing was checked")
    for verdict in ("refuted", "unknown"):
        for part in parts:
            if part.verdict == verdict:
                return part
    count = sum(part.num_equations for part in parts)
    detail = parts[0].detail if len(parts) == 1 else identities(count)
    return Outcome("proved", detail, count)


def _aligned(body: str) -> str:
    return rf"\begin{{aligned}}{body}\end{{aligned}}"


def _texts(sentence: str, width: int = 110) -> Sequence[str]:
    """Rows of text: nothing wraps inside a displayed formula, so lines are broken at words."""
    rows, line, is_formula = [], "", False
    for word in sentence.split(" "):
        if line and not is_formula and len(line) + len(word) > width:
            rows.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        is_formula ^= word.count("$") % 2 == 1
    return [rf"&\text{{{row}}}" for row in (*rows, line)]


def escaped(text: str) -> str:
    r"""Characters that LaTeX reads as commands, outside of formulas.

    >>> escaped("h_1 of $h_1$")
    'h\\_1 of $h_1$'
    """
    parts = text.split("$")
    outside = [part.replace("_", r"\_").replace("&", r"\&") for part in parts[::2]]
    parts[::2] = outside
    return "$".join(parts)
