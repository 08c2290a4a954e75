"""Statements, hypotheses and steps as LaTeX, HTML and plain text.

Sentences are text with formulas between dollar signs, so one source serves a notebook, a document
with amsmath and a terminal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape

from theory.outcome import Outcome, Verdict
from theory.proof_step import Step, checked


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
        lines += [f"  given {hypothesis}" for hypothesis in self.hypotheses]
        for k, step in enumerate(self.steps, start=1):
            remark = f" [{step.shown.remark}]" if step.shown.remark else ""
            lines.append(f"  {k}. {step.sentence}{remark}")
        return "\n".join(lines)

    def to_latex(self) -> str:
        """A fragment for a document with amsmath."""
        parts = [rf"\textbf{{{escaped(self.title)}.}} {escaped(self.statement)}"]
        if self.hypotheses:
            items = "\n".join(rf"\item {escaped(hypothesis)}" for hypothesis in self.hypotheses)
            parts.append("Given\n\\begin{itemize}\n" + items + "\n\\end{itemize}")
        for k, step in enumerate(self.steps, start=1):
            remark = rf" \emph{{[{escaped(step.shown.remark)}]}}" if step.shown.remark else ""
            parts.append(rf"\textbf{{{k}.}} {escaped(step.sentence)}{remark}")
            if step.formulas:
                rows = " \\\\\n".join(row(formula) for formula in step.formulas)
                parts.append(f"\\begin{{align*}}{rows}\\end{{align*}}")
        return "\n\n".join(parts) + "\n"

    def to_display(self) -> str:
        """One displayed formula, for a notebook."""
        rows = [rf"&\textbf{{{escaped(self.title)}}}", *_texts(self.statement)]
        for hypothesis in self.hypotheses:
            rows += _texts(f"given {hypothesis}")
        for k, step in enumerate(self.steps, start=1):
            rows += _texts(f"{k}. {step.sentence}")
            rows += [rf"&\qquad {_unaligned(formula)}" for formula in step.formulas]
        return "$$\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}$$"

    def to_html(self) -> str:
        """Paragraphs that wrap, with formulas for MathJax or KaTeX."""
        assumed = "".join(f"<li>{escape(h)}</li>" for h in self.hypotheses)
        parts = [f"<p><b>{escape(self.title)}.</b> {escape(self.statement)}</p>"]
        if assumed:
            parts.append(f"<p>Given</p><ul>{assumed}</ul>")
        for k, step in enumerate(self.steps, start=1):
            remark = f" <small>[{escape(step.shown.remark)}]</small>" if step.shown.remark else ""
            parts.append(f"<p><b>{k}.</b> {escape(step.sentence)}{remark}</p>")
            if step.formulas:
                body = r" \\ ".join(row(formula) for formula in step.formulas)
                shown = escape(rf"\begin{{aligned}}{body}\end{{aligned}}")
                parts.append(f"<div>$${shown}$$</div>")
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


class Derived(Shown):
    """What has steps, and holds if their checks do."""

    steps: tuple[Step, ...]

    @cached_property
    def outcome(self) -> Outcome:
        """What the machine checks of the steps found together."""
        return checked(self.steps)

    @property
    def verdict(self) -> Verdict:
        """Whether all machine checks hold; the arguments between them are for a reader."""
        return self.outcome.verdict


def row(formula: str) -> str:
    """A row of an alignment: at its ``&=``, or at its beginning.

    >>> row("a = b"), row("a &= b")
    ('&a = b', 'a &= b')
    """
    return formula if "&=" in formula or formula.startswith("&") else f"&{formula}"


def _unaligned(formula: str) -> str:
    return formula.removeprefix("&").replace("&=", "=")


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


_TEX = {"_": r"\_", "&": r"\&", "²": "$^2$", "≥": r"$\ge$", "≤": r"$\le$", "∩": r"$\cap$"}
_TEX |= {"∂": r"$\partial$", "ℓ": r"$\ell$", "θ": r"$\theta$", "φ": r"$\varphi$"}
_TEX |= {"α": r"$\alpha$", "γ": r"$\gamma$", "ε": r"$\varepsilon$", "κ": r"$\kappa$"}
_TEX |= {"λ": r"$\lambda$", "ρ": r"$\rho$", "σ": r"$\sigma$", "ψ": r"$\psi$"}


def escaped(text: str) -> str:
    r"""Text in which LaTeX reads no character as a command, outside of formulas.

    >>> escaped("h_1 of $h_1$, every φ")
    'h\\_1 of $h_1$, every $\\varphi$'
    """
    parts = text.split("$")
    parts[::2] = ["".join(_TEX.get(letter, letter) for letter in part) for part in parts[::2]]
    return "$".join(parts)
