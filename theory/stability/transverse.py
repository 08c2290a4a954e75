"""The transverse blocks of cloned units, derived from SymPy's Hessian of the explicit loss.

At a point of BC with symbolic coordinates, every second derivative of an arbitrary loss is
contracted with the adapted basis and compared with the formula of N3: the entries between normal
directions, the zeros between different blocks and copies, the zeros of mixed directions, and the
zeros between tangent and normal space. φ, ℓ and the data stay open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import sympy

from theory.architecture import Architecture
from theory.errors import PartitionError
from theory.exposition import Derived, Exposition, escaped
from theory.invariance.parametrisation import parametrise
from theory.manifold import Manifold, block_constant
from theory.outcome import Outcome
from theory.partition import Partition
from theory.proof_step import Step
from theory.stability.adapted_basis import CONSTANT_UNIT, Block, adapted_basis, label
from theory.stability.explicit_loss import Signals, explicit_loss, signals
from theory.stability.formula import THEOREM, BlockFormula, BlockSignals
from theory.stability.hessian_equations import HessianEquations, TransverseBlock
from theory.stability.identity import Equation, compare

DECAY = sympy.Symbol("lambda")


@dataclass(frozen=True, eq=False)
class TransverseDerivation(Derived):
    """What SymPy's Hessian says about the formula of the transverse blocks at a kind of point.

    Attributes:
        architecture: the network.
        point: name of the manifold of the points.
        blocks: the matrices of the formula.
        hypotheses: for which functions, losses and data.
        steps: the derivation, each with the check of its equations.
    """

    architecture: Architecture
    point: str
    blocks: tuple[TransverseBlock, ...]
    hypotheses: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def statement(self) -> str:
        """What was compared."""
        listed = ", ".join(
            rf"$M_{{{label(b.block)}}}$ of size {b.matrix.rows}, {b.multiplicity} time"
            f"{'s' if b.multiplicity > 1 else ''}"
            for b in self.blocks
        )
        return (
            f"At every point of {self.point} the Hessian of the loss on the normal space of "
            f"$IE\\cap OE$ is block-diagonal: {listed}."
        )

    def exposition(self) -> Exposition:
        """The parts, ready to be shown."""
        title = f"Transverse blocks of {self.architecture.name}: {self.verdict}"
        return Exposition(title, self.statement, self.hypotheses, self.steps)

    def __repr__(self) -> str:
        return f"transverse blocks of {self.architecture.name} at {self.point}: {self.outcome}"


def derive(
    architecture: Architecture,
    partition: Partition,
    *,
    batch: int = 1,
    point: Manifold | None = None,
    formula: BlockFormula = THEOREM,
    decay: bool = False,
) -> TransverseDerivation:
    """Compare the formula of the transverse blocks with SymPy's Hessian, entry by entry.

    Args:
        architecture: a small network of units; its Hessian is written out.
        partition: plain blocks; inputs and outputs are singletons.
        batch: number of samples; the loss is an arbitrary function of all their outputs.
        point: where θ lies, by default BC.
        formula: by default that of the theorem.
        decay: whether the loss has the term ½ λ ‖θ‖²; the blocks are then M + λI.

    Raises:
        ArchitectureError: if the network does not consist of units, weights and biases.
        PartitionError: if there are signs or zero units, inputs or outputs have clones, or
            nothing has.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 3, 1])
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1, 2]]})
    >>> found = derive(net, clones)
    >>> found.verdict, found.blocks[0].matrix.shape, found.blocks[0].multiplicity
    ('proved', (3, 3), 2)
    """
    basis = adapted_basis(architecture, partition)
    of, probes = signals(architecture, batch)
    members = {
        (axis, k): block
        for axis, units in partition.items()
        for k, block in enumerate(units.blocks)
    }
    cloned = [block for block, units in members.items() if len(units) > 1]
    ends = {architecture.inputs[-1], *(a for a, s in of.items() if s.activation is None)}
    if not cloned or ends & {axis for axis, _ in cloned}:
        raise PartitionError(
            f"blocks of clones {cloned}: there is at least one, and inputs and outputs have none"
        )
    loss = explicit_loss(architecture, batch, DECAY if decay else None)
    network = BlockSignals(of, members)
    manifold = block_constant(architecture, partition) if point is None else point
    theta = parametrise(manifold).theta
    substitution = {
        symbol: value
        for p, symbols in loss.parameters.items()
        for symbol, value in zip(symbols.flat, theta[p].flat, strict=True)
    }
    given = {**substitution, **probes}
    hessian = HessianEquations(loss, basis, network, formula, DECAY if decay else None)
    blocks = tuple(hessian.block(block, given) for block in cloned)
    steps = _steps(hessian, blocks, given)
    return TransverseDerivation(
        architecture, manifold.name, blocks, _hypotheses(architecture, of, batch, decay), steps
    )


def _hypotheses(
    architecture: Architecture, of: Mapping[str, Signals], batch: int, decay: bool
) -> tuple[str, ...]:
    symbols = dict.fromkeys(s.activation.latex() for s in of.values() if s.activation is not None)
    functions = ", ".join(f"${symbol}$" for symbol in symbols)
    samples = f"{batch} sample{'s' if batch > 1 else ''}"
    found = (
        f"{functions} twice differentiable at the pre-activations that occur",
        f"an arbitrary loss of all outputs on {samples}, twice differentiable",
        "complete pairs of blocks: every weight between two blocks exists",
        f"sizes as in {escaped(architecture.name)}",
    )
    return (*found, r"weight decay $\tfrac12\lambda\|\theta\|^2$ on all of $\theta$")[: 4 + decay]


def _steps(
    equations: HessianEquations,
    blocks: Sequence[TransverseBlock],
    given: Mapping[sympy.Symbol, sympy.Expr],
) -> tuple[Step, ...]:
    def check(family: list[Equation]) -> Outcome:
        return compare(family, given)

    shift = r" + \lambda I" if equations.decay is not None else ""
    mixed = equations.flat()
    value = r"\lambda\, (c \otimes c')" if shift else "0"
    steps = [
        Step(
            r"For a block $S_i$ of clones and a zero-sum vector $c$ of unit length on it, let "
            r"$e_j$ move the weights from $S_j$ and $f_k$ those to $S_k$:",
            (
                r"e_j = \tfrac{1}{\sqrt{n_j}}\, 1_{S_j}\otimes c, \qquad "
                r"f_k = c \otimes \tfrac{1}{\sqrt{n_k}}\, 1_{S_k}, \qquad \textstyle\sum_v c_v = 0",
            ),
        ),
        Step(
            r"These are an orthonormal basis of the normal space, $n_i - 1$ copies for each block. "
            r"Inside a copy the second derivatives of the explicit loss are, with $h$, $d$ and "
            r"$\delta$ of any clone,",
            tuple(_block_formulas(blocks, equations, shift)),
            lambda: check(equations.between_normal(same=True)),
            "these sizes, every smooth $\\varphi$ and $\\ell$",
        ),
    ]
    others = equations.between_normal(same=False)
    if others:
        steps.append(
            Step(
                "Between different copies and different blocks they vanish:",
                (r"e_j(c)^\top \nabla^2 L\, e_l(c') = e_j(c)^\top \nabla^2 L\, f_k(c') = 0",),
                lambda: check(others),
            )
        )
    if mixed:
        steps.append(
            Step(
                "Directions that are zero-sum on both sides move between leaves and are flat:",
                (rf"\nabla^2 L\, (c \otimes c') = {value}",),
                lambda: check(mixed),
            )
        )
    steps.append(
        Step(
            r"Tangent directions $1_{S_j}\otimes 1_{S_k}$ of the leaf and normal ones decouple:",
            (r"\tau^\top \nabla^2 L\, e_j = \tau^\top \nabla^2 L\, f_k = 0",),
            lambda: check(equations.decoupled()),
        )
    )
    return tuple(steps)


def _block_formulas(
    blocks: Sequence[TransverseBlock], equations: HessianEquations, shift: str
) -> Iterator[str]:
    for found in blocks:
        own = label(found.block)
        symbol = equations.network.of[found.block[0]].activation
        phi = symbol.latex() if symbol is not None else r"\varphi"
        yield (
            rf"M_{{{own}}} = \begin{{pmatrix}} B & G \\ G^\top & 0 \end{{pmatrix}}{shift}, \quad "
            rf"\text{{{found.multiplicity}}} \times"
        )
        hats = [_hat(source, equations.network) for source in found.sources]
        yield rf"\hat h = ({', '.join(hats)})"
        yield (rf"B_{{jl}} = \textstyle\sum d_{{{own}}}\, {phi}''(z_{{{own}}})\, \hat h_j \hat h_l")
        adjoints = [_hat(target, equations.network, r"\delta") for target in found.targets]
        yield (
            rf"G_{{jk}} = \textstyle\sum {phi}'(z_{{{own}}})\, \hat h_j \hat\delta_k, \quad "
            rf"\hat\delta = ({', '.join(adjoints)})"
        )


def _hat(block: Block, network: BlockSignals, letter: str = "h") -> str:
    if block == CONSTANT_UNIT:
        return "1"
    axis, number = block
    if letter == "h" and network.of[axis].activation is None:  # an input
        return rf"\mathrm{{{axis}}}_{{{number + 1}}}"
    size = network.size(block)
    root = "" if size == 1 else rf"\sqrt{{{size}}}\,"
    return rf"{root}{letter}_{{{label(block)}}}"
