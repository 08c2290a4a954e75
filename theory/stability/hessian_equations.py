"""The equations that say what the Hessian is in the adapted basis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import sympy

from theory.stability.adapted_basis import Adapted, Block, label
from theory.stability.explicit_loss import ExplicitLoss
from theory.stability.formula import BlockFormula, BlockSignals
from theory.stability.identity import Equation


@dataclass(frozen=True, eq=False)
class TransverseBlock:
    """The matrix M of one block of clones.

    Attributes:
        block: the clones.
        multiplicity: n - 1, how often M occurs in the normal Hessian.
        sources: the blocks of sources, the constant unit among them.
        targets: the blocks of targets.
        matrix: M, in the coordinates of the point and the data.
    """

    block: Block
    multiplicity: int
    sources: tuple[Block, ...]
    targets: tuple[Block, ...]
    matrix: sympy.Matrix

    def _repr_latex_(self) -> str:
        return f"$$M_{{{label(self.block)}}} = {sympy.latex(self.matrix)}$$"


@dataclass(frozen=True, eq=False)
class HessianEquations:
    """The equations between the Hessian's entries and the formula.

    Attributes:
        loss: whose Hessian is meant.
        basis: of parameter space.
        network: the signals.
        formula: what the entries should be.
        decay: λ, or ``None``.
    """

    loss: ExplicitLoss
    basis: tuple[Adapted, ...]
    network: BlockSignals
    formula: BlockFormula
    decay: sympy.Symbol | None

    @property
    def normal(self) -> list[Adapted]:
        """The basis of the normal space of IE∩OE."""
        return [v for v in self.basis if v.kind in ("in", "out")]

    def between_normal(self, *, same: bool) -> list[Equation]:
        """Entries of one copy of a block, or the zeros between different ones."""
        pairs = combinations_with_replacement(self.normal, 2)
        return [
            self._equation(u, v)
            for u, v in pairs
            if ((u.block, u.copy) == (v.block, v.copy)) == same
        ]

    def _equation(self, u: Adapted, v: Adapted) -> Equation:
        entry, scale = self.formula.entry(u, v, self.network)
        norms = sympy.sympify(u.direction.squared_norm * v.direction.squared_norm)
        name = rf"{u.direction.name}^\top \nabla^2 L\, {v.direction.name}"
        if u is v and self.decay is not None:
            entry, scale = entry * sympy.sqrt(scale) + self.decay, sympy.Integer(1)
        return Equation(name, self.loss.form(u.direction, v.direction), entry, norms * scale)

    def flat(self) -> list[Equation]:
        """Mixed directions against everything; with decay they have λ on the diagonal."""
        mixed = [v for v in self.basis if v.kind == "mixed"]
        return [self._zero(u, v) for u in mixed for v in self.basis]

    def decoupled(self) -> list[Equation]:
        """Normal against tangent directions of the leaf."""
        tangent = [v for v in self.basis if v.kind == "tangent"]
        return [self._zero(u, v) for u, v in product(self.normal, tangent)]

    def _zero(self, u: Adapted, v: Adapted) -> Equation:
        own = self.decay if u is v and self.decay is not None else sympy.Integer(0)
        name = rf"{u.direction.name}^\top \nabla^2 L\, {v.direction.name}"
        right = own * sympy.sympify(u.direction.squared_norm)
        return Equation(name, self.loss.form(u.direction, v.direction), right)

    def block(self, block: Block, given: Mapping[sympy.Symbol, sympy.Expr]) -> TransverseBlock:
        """The formula's matrix of one block."""
        own = [v for v in self.normal if v.block == block and v.copy == 1]
        own.sort(key=lambda v: v.kind)  # incoming before outgoing

        def entry(i: int, j: int) -> sympy.Expr:
            value, scale = self.formula.entry(own[i], own[j], self.network)
            shift = self.decay if i == j and self.decay is not None else 0
            return sympy.sqrt(scale) * value.xreplace(given) + shift

        matrix = sympy.Matrix(len(own), len(own), entry)
        ends = {kind: tuple(v.other for v in own if v.kind == kind) for kind in ("in", "out")}
        size = len(self.network.members[block])
        return TransverseBlock(block, size - 1, ends["in"], ends["out"], matrix)
