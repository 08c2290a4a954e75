"""What a derivation concludes: a proof to be read, or what stands in its way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from theory.architecture import Architecture
from theory.exposition import Exposition, Shown
from theory.proof_step import Step


@dataclass(frozen=True, eq=False)
class Proof(Shown):
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

    def exposition(self) -> Exposition:
        """The parts, ready to be shown."""
        return Exposition("Statement", self.statement, self.hypotheses, self.steps)


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
