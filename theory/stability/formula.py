"""The transverse block theorem (N3) as a formula, and its false neighbours.

For clones v in a block S_i of n_i units at a point of BC, in an orthonormal basis,

    M_i = [ B  G ]     B[j,l] = Σ d_v φ''(z_v) ĥ_j ĥ_l     ĥ_j = √n_j h_j,  1 for the bias
          [ Gᵀ 0 ]     G[j,k] = Σ φ'(z_v) ĥ_j δ̂_k          δ̂_k = √n_k δ_k
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from theory.stability.adapted_basis import CONSTANT_UNIT, Adapted, Block
from theory.stability.explicit_loss import Signals


@dataclass(frozen=True, slots=True)
class BlockFormula:
    """The theorem's formula; other values of the fields are false.

    Args:
        source_exponent: ĥ_j² = n_j^source_exponent h_j².
        target_exponent: δ̂_k² = n_k^target_exponent δ_k².
        curvature_sign: of B.
        has_bias: whether the bias has a row.
    """

    source_exponent: int = 1
    target_exponent: int = 1
    curvature_sign: int = 1
    has_bias: bool = True

    def entry(
        self, one: Adapted, other: Adapted, network: BlockSignals
    ) -> tuple[sympy.Expr, sympy.Rational]:
        """An entry (e, r) that stands for √r e, between two normal directions."""
        nothing = (sympy.Integer(0), sympy.Integer(1))
        if (one.block, one.copy) != (other.block, other.copy) or one.kind == other.kind == "out":
            return nothing
        inward, outward = (one, other) if one.kind == "in" else (other, one)
        if not self.has_bias and CONSTANT_UNIT in (one.other, other.other):
            return nothing
        clones = network.of[inward.block[0]]
        unit = network.members[inward.block][0]
        samples = range(len(clones.z))
        scale = sympy.Integer(network.size(inward.other)) ** self.source_exponent
        if outward.kind == "in":
            scale *= sympy.Integer(network.size(outward.other)) ** self.source_exponent
            terms = (
                clones.d[s, unit]
                * clones.derivative(2, s, unit)
                * network.value(inward.other, s)
                * network.value(outward.other, s)
                for s in samples
            )
            return sympy.Integer(self.curvature_sign) * sympy.Add(*terms), scale
        scale *= sympy.Integer(network.size(outward.other)) ** self.target_exponent
        terms = (
            clones.derivative(1, s, unit)
            * network.value(inward.other, s)
            * network.adjoint(outward.other, s)
            for s in samples
        )
        return sympy.Add(*terms), scale


THEOREM = BlockFormula()
WITHOUT_ROOTS = BlockFormula(source_exponent=0, target_exponent=0)
WITHOUT_BIAS = BlockFormula(has_bias=False)
OTHER_SIGN = BlockFormula(curvature_sign=-1)


@dataclass(frozen=True, eq=False, slots=True)
class BlockSignals:
    """Signals by blocks: those of the first unit stand for all of them.

    Attributes:
        of: signals by axis.
        members: the units of every block.
    """

    of: dict[str, Signals]
    members: dict[Block, tuple[int, ...]]

    def size(self, block: Block) -> int:
        """The number of units, 1 for the constant unit."""
        return 1 if block == CONSTANT_UNIT else len(self.members[block])

    def value(self, block: Block, sample: int) -> sympy.Expr:
        """The output h of a block's units."""
        if block == CONSTANT_UNIT:
            return sympy.Integer(1)
        return self.of[block[0]].h[sample, self.members[block][0]]

    def adjoint(self, block: Block, sample: int) -> sympy.Expr:
        """The adjoint δ of a block's units."""
        return self.of[block[0]].delta[sample, self.members[block][0]]
