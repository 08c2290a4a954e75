r"""The architecture-free transverse block M = ∇²₁₁L - ∇²₁₂L of exchangeable clones.

Clones are exchangeable where every permutation of their parameters θ_1, …, θ_n leaves the loss as
it is. At θ_1 = … = θ_n the Hessian then commutes with the permutations, and on zero-sum
combinations of the clones it is one matrix M, n - 1 times. If a clone's gradient is g(θ_v, s) with
a signal s that is symmetric in all clones, M = ∂g/∂θ_v at fixed s: what they share stands still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import sympy

from theory.architecture import Architecture
from theory.errors import ArchitectureError
from theory.exposition import Exposition, Shown
from theory.outcome import Outcome, Verdict
from theory.proof_step import Step, checked
from theory.stability.adapted_basis import zero_sums
from theory.stability.explicit_loss import Direction, Entry, ExplicitLoss, explicit_loss
from theory.stability.identity import Equation, compare

Formula = Callable[[ExplicitLoss], sympy.Matrix]


@dataclass(frozen=True)
class ExchangeableLayer:
    """A small network with exchangeable clones, and what their transverse block should be.

    Args:
        name: of the layer.
        architecture: with an arbitrary loss of its outputs.
        clones: the parameter entries of every clone, in one order.
        formula: M from the layer's own derivatives.
        formulas: the same in LaTeX, an equation each.
        batch: number of samples.

    Raises:
        ArchitectureError: if there are fewer than two clones, if their entries do not correspond,
            or if two clones share one.
    """

    name: str
    architecture: Architecture
    clones: tuple[tuple[Entry, ...], ...]
    formula: Formula
    formulas: tuple[str, ...]
    batch: int = 1

    def __post_init__(self) -> None:
        if len(self.clones) < 2 or len({len(clone) for clone in self.clones}) != 1:
            raise ArchitectureError(
                f"{self.name}: clones of {[len(c) for c in self.clones]} entries: at least two "
                "clones with equally many"
            )
        entries = [entry for clone in self.clones for entry in clone]
        if twice := {entry for entry in entries if entries.count(entry) > 1}:
            raise ArchitectureError(f"{self.name}: clones share {min(twice)}: each has its own")


@dataclass(frozen=True)
class ExchangeableDerivation(Shown):
    """What SymPy's Hessian says about the transverse block of a layer.

    Attributes:
        layer: the instance.
        loss: its explicit loss.
    """

    layer: ExchangeableLayer
    loss: ExplicitLoss

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The derivation, each step with the check of its equations."""
        clones = len(self.layer.clones)
        return (
            Step(
                r"The loss does not change when the clones are permuted, so where they are equal "
                r"$\nabla^2_{vv}L = \nabla^2_{11}L$ and $\nabla^2_{uv}L = \nabla^2_{12}L$ for $u "
                r"\ne v$. For $\sum_v c_v = 0$, $\|c\| = 1$ and any $a, b$",
                (
                    r"(c \otimes a)^\top \nabla^2 L\, (c' \otimes b) = \langle c, c'\rangle\, "
                    r"a^\top (\nabla^2_{11} L - \nabla^2_{12} L)\, b",
                ),
                lambda: self._compared(self._between_clones()),
                f"{self.layer.name}, {clones} clones",
            ),
            Step(
                "Zero-sum directions couple to nothing else:",
                (r"(c \otimes a)^\top \nabla^2 L\, \tau = 0",),
                lambda: self._compared(self._decoupled()),
                f"{self.layer.name}, {clones} clones",
            ),
            Step(
                "In terms of the layer's own derivatives the difference is",
                self.layer.formulas,
                lambda: self.closed_form,
                f"{self.layer.name}, arbitrary loss",
            ),
        )

    @cached_property
    def substitution(self) -> dict[sympy.Symbol, sympy.Expr]:
        """All clones are the first one."""
        first = self.layer.clones[0]
        return {
            self.loss.symbol(e): self.loss.symbol(origin)
            for clone in self.layer.clones[1:]
            for e, origin in zip(clone, first, strict=True)
        }

    @property
    def outcome(self) -> Outcome:
        """All equations together."""
        return checked(self.steps)

    @property
    def verdict(self) -> Verdict:
        """Proved, refuted or unknown."""
        return self.outcome.verdict

    @cached_property
    def closed_form(self) -> Outcome:
        """The layer's formula against ∇²₁₁L - ∇²₁₂L alone."""
        return self._compared(self._formula())

    @property
    def matrix(self) -> sympy.Matrix:
        """M of the formula, where all clones are equal."""
        return self.layer.formula(self.loss).applyfunc(lambda e: e.xreplace(self.substitution))

    def _compared(self, equations: list[Equation]) -> Outcome:
        return compare(equations, self.substitution)

    def _difference(self, a: int, b: int) -> sympy.Expr:
        one, other = self.layer.clones[:2]
        return self.loss.curvature(one[a], one[b]) - self.loss.curvature(one[a], other[b])

    def _along(self, c: tuple[int, ...], a: int) -> Direction:
        clones = self.layer.clones
        terms = {clone[a]: value for clone, value in zip(clones, c, strict=True) if value}
        return Direction(terms, rf"c \otimes {self.loss.symbol(clones[0][a])}")

    def _between_clones(self) -> list[Equation]:
        vectors = zero_sums(len(self.layer.clones))
        places = range(len(self.layer.clones[0]))
        found = []
        for (i, c), (j, other) in product(enumerate(vectors), repeat=2):
            for a, b in product(places, repeat=2):
                if (i, a) <= (j, b):
                    u, v = self._along(c, a), self._along(other, b)
                    inner = sum(x * y for x, y in zip(c, other, strict=True))
                    right = inner * self._difference(a, b)
                    found.append(Equation(_product(u, v), self.loss.form(u, v), right))
        return found

    def _decoupled(self) -> list[Equation]:
        clones = self.layer.clones
        own = {e for clone in clones for e in clone}
        places = range(len(clones[0]))
        rest = [
            Direction({e: 1}, str(self.loss.symbol(e))) for e in self.loss.entries() if e not in own
        ]
        rest += [self._along((1,) * len(clones), a) for a in places]
        normal = [self._along(c, a) for c in zero_sums(len(clones)) for a in places]
        zero = sympy.Integer(0)
        return [
            Equation(_product(u, v), self.loss.form(u, v), zero) for u, v in product(normal, rest)
        ]

    def _formula(self) -> list[Equation]:
        matrix = self.layer.formula(self.loss)
        first = self.layer.clones[0]
        return [
            Equation(
                rf"M_{{{self.loss.symbol(first[a])}, {self.loss.symbol(first[b])}}}",
                self._difference(a, b),
                matrix[a, b],
            )
            for a in range(len(first))
            for b in range(a, len(first))
        ]

    def exposition(self) -> Exposition:
        """The parts, ready to be shown."""
        count = len(self.layer.clones)
        size = len(self.layer.clones[0])
        times = "once" if count == 2 else f"{count - 1} times"
        own = ", ".join(sympy.latex(self.loss.symbol(e)) for e in self.layer.clones[0])
        statement = (
            rf"The transverse block of {count} equal clones with parameters ${own}$ is $M = "
            rf"\nabla^2_{{11}}L - \nabla^2_{{12}}L$, of size {size}, {times}."
        )
        hypotheses = (
            "all clones equal",
            f"an arbitrary loss of all outputs, {self.layer.batch} at a time, twice differentiable",
        )
        title = f"Transverse block of {self.layer.name}: {self.verdict}"
        return Exposition(title, statement, hypotheses, self.steps)

    def __repr__(self) -> str:
        return f"transverse block of {self.layer.name}: {self.outcome}"


def _product(u: Direction, v: Direction) -> str:
    return rf"({u.name})^\top H\, ({v.name})"


def derive_exchangeable(layer: ExchangeableLayer) -> ExchangeableDerivation:
    """Compare M = ∇²₁₁L - ∇²₁₂L of SymPy's Hessian with the formula of a layer.

    >>> from theory.stability.exchangeable_layers import glu_units
    >>> derive_exchangeable(glu_units()).verdict
    'proved'
    """
    return ExchangeableDerivation(layer, explicit_loss(layer.architecture, layer.batch))


def own_term(clone: tuple[Entry, ...]) -> Formula:
    """The formula M = Σ δ ∇²f of clones whose terms f(θ_v) add up in the outputs.

    Args:
        clone: the entries of one clone.
    """

    def matrix(loss: ExplicitLoss) -> sympy.Matrix:
        first = [loss.symbol(e) for e in clone]
        outputs = list(loss.y.flat)

        def entry(a: int, b: int) -> sympy.Expr:
            one, other = first[min(a, b)], first[max(a, b)]
            bent = (y.diff(one).diff(other) for y in outputs)
            return sympy.Add(*(loss.value.fdiff(k + 1) * c for k, c in enumerate(bent)))

        return sympy.Matrix(len(first), len(first), entry)

    return matrix
