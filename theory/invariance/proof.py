"""What a derivation concludes: a proof to be read, or what stands in its way."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import Literal

from theory.architecture import Architecture
from theory.proof_step import Step


@dataclass(frozen=True, eq=False)
class Proof:
    """A derivation: the gradient lies in the tangent space on the whole manifold.

    Attributes:
        architecture: the network.
        manifold: name of the manifold on which θ lies.
        tangent: name of the manifold in whose tangent space the gradient lies.
        hypotheses: for which functions, losses and data.
        steps: the derivation.
        num_laws: how many normal vectors were checked.
    """

    architecture: Architecture
    manifold: str
    tangent: str
    hypotheses: tuple[str, ...]
    steps: tuple[Step, ...]
    num_laws: int
    verdict: Literal["proved"] = field(default="proved", init=False)

    @property
    def statement(self) -> str:
        """What is proved, in one sentence."""
        space = "it" if self.tangent == self.manifold else self.tangent
        return (
            f"{self.architecture.name}: at every point of {self.manifold} the gradient is tangent "
            f"to {space}."
        )

    def __repr__(self) -> str:
        return str(self)

    def __str__(self) -> str:
        assumed = [f"  for {hypothesis}" for hypothesis in self.hypotheses]
        laws = f"  {self.num_laws} normal directions, each orthogonal to the gradient"
        return "\n".join([self.statement, *assumed, laws])

    def to_latex(self) -> str:
        """A fragment for a document with amsmath."""
        assumed = "\n".join(rf"\item {_text(h)}" for h in self.hypotheses)
        parts = [rf"\textbf{{Statement.}} {_text(self.statement)}", "For"]
        parts.append("\\begin{itemize}\n" + assumed + "\n\\end{itemize}")
        for k, step in enumerate(self.steps, start=1):
            parts.append(rf"\textbf{{{k}.}} {_text(step.sentence)}")
            if step.formulas:
                parts.append(rf"\begin{{align*}}{_rows(step)}\end{{align*}}")
        return "\n\n".join(parts) + "\n"

    def _repr_latex_(self) -> str:
        rows = []
        for step in (Step(self.statement), *self.steps):
            rows.append(rf"&\text{{{_text(step.sentence)}}}")
            rows += [rf"&\qquad {formula.replace('&', '')}" for formula in step.formulas]
        body = " \\\\\n".join(rows)
        return f"$$\\begin{{aligned}}\n{body}\n\\end{{aligned}}$$"

    def _repr_html_(self) -> str:
        assumed = "".join(f"<li>{escape(h)}</li>" for h in self.hypotheses)
        parts = [f"<p><b>Statement.</b> {escape(self.statement)}</p><p>For</p><ul>{assumed}</ul>"]
        for k, step in enumerate(self.steps, start=1):
            parts.append(f"<p><b>{k}.</b> {escape(step.sentence)}</p>")
            if step.formulas:
                body = escape(rf"\begin{{aligned}}{_rows(step)}\end{{aligned}}")
                parts.append(f"<div>$${body}$$</div>")
        return "\n".join(parts)


@dataclass(frozen=True, eq=False)
class Unknown:
    """Neither a proof nor a counterexample was found.

    Attributes:
        architecture: the network.
        manifold: name of the manifold on which θ lies.
        tangent: name of the manifold in whose tangent space the gradient should lie.
        reason: what stands in the way.
    """

    architecture: Architecture
    manifold: str
    tangent: str
    reason: str
    verdict: Literal["unknown"] = field(default="unknown", init=False)

    def __str__(self) -> str:
        return f"{self.architecture.name} on {self.manifold}: unknown: {self.reason}"


def _rows(step: Step) -> str:
    return " \\\\\n".join(step.formulas)


_TEX = {"θ": r"$\theta$", "φ": r"$\varphi$", "ℓ": r"$\ell$", "∩": r"$\cap$", "∂": r"$\partial$"}
_TEX |= {"_": r"\_", "σ": r"$\sigma$", "ψ": r"$\psi$"}


def _text(sentence: str) -> str:
    return "".join(_TEX.get(character, character) for character in sentence)
