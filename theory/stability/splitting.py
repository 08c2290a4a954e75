r"""Splitting a unit into copies λ_1, …, λ_m of its outgoing weights (Fukumizu & Amari 2000).

A unit with incoming weights w and outgoing weights a becomes m units with the same w and outgoing
weights λ_i a, Σ λ_i = 1: the function is kept, so the point lies on IE. Move the copies by

    w_i = w + ξ + η_i,   Σ λ_i η_i = 0          a_i = λ_i (a + α) + ζ_i,   Σ ζ_i = 0

In these coordinates the Hessian is exactly that of the base network in (ξ, α), and in (η, ζ)

    [ (diag λ' - λ'λ'ᵀ) ⊗ B   I ⊗ G ]        B = Σ d φ''(z) h hᵀ,   G = Σ φ'(z) h δᵀ
    [ I ⊗ Gᵀ                    0   ]        λ' = (λ_1, …, λ_{m-1}), signals of the base network

with no terms between the two. For m = 2 the first factor is λ(1 - λ): its sign is that of the
split, and it changes at λ = 0 and λ = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import sympy

from theory.architecture import Architecture
from theory.errors import PartitionError
from theory.exposition import Derived, Exposition
from theory.proof_step import Step
from theory.stability.explicit_loss import Direction, signals
from theory.stability.identity import Equation, compare
from theory.stability.split_network import Source, SplitNetwork

Form = Callable[[Direction, Direction], sympy.Expr]


@dataclass(frozen=True, eq=False)
class Splitting(Derived):
    """What SymPy's Hessian says at the split of one unit.

    Attributes:
        base: the network before the split.
        shares: λ_1, …, λ_m.
        curvature: the block B of the base network's unit.
        gain: the block G of the base network's unit.
        steps: the derivation, each with the check of its equations.
    """

    base: Architecture
    shares: tuple[sympy.Expr, ...]
    curvature: sympy.Matrix
    gain: sympy.Matrix
    steps: tuple[Step, ...]

    @property
    def shape_factor(self) -> sympy.Matrix:
        """The matrix diag λ' - λ'λ'ᵀ; λ(1 - λ) for two copies."""
        return _shape_factor(self.shares)

    def transverse(self, share: sympy.Expr) -> sympy.Matrix:
        """The block [[λ(1-λ) B, G], [Gᵀ, 0]] of a split into two, at one λ.

        Raises:
            PartitionError: if there are more than two copies.
        """
        if len(self.shares) != 2:
            raise PartitionError(f"{len(self.shares)} copies: a single λ describes two")
        top = self.curvature * (share * (1 - share))
        zero = sympy.zeros(self.gain.cols, self.gain.cols)
        return sympy.Matrix(sympy.BlockMatrix([[top, self.gain], [self.gain.T, zero]]))

    def exposition(self) -> Exposition:
        """The parts, ready to be shown."""
        shares = ", ".join(sympy.latex(share) for share in self.shares)
        statement = (
            rf"Splitting a unit into copies with shares ${shares}$ of its outgoing weights keeps "
            r"the function, and the Hessian becomes that of the base network beside a transverse "
            r"block."
        )
        hypotheses = (
            r"$\varphi$ twice differentiable at the pre-activations that occur",
            "an arbitrary loss, twice differentiable",
            r"$\sum_i \lambda_i = 1$; the $\lambda_i$ may be negative, 0 or above 1",
        )
        title = f"Splitting a unit of {self.base.name}: {self.verdict}"
        return Exposition(title, statement, hypotheses, self.steps)

    def __repr__(self) -> str:
        return f"splitting a unit of {self.base.name} into {len(self.shares)}: {self.outcome}"


def splitting(
    base: Architecture,
    axis: str = "h1",
    *,
    copies: int = 2,
    batch: int = 1,
    factor: sympy.Matrix | None = None,
) -> Splitting:
    """Split the first unit of an axis, and compare the Hessian with the block of the split.

    Args:
        base: a small network of units, before the split.
        axis: whose first unit is split; the length of the axis is all that changes.
        copies: m.
        batch: number of samples; the loss is an arbitrary function of all their outputs.
        factor: what stands for diag λ' - λ'λ'ᵀ in the compared block; another one is false.

    Raises:
        ArchitectureError: if the network does not consist of units, weights and biases.
        PartitionError: if there are fewer than two copies, or no hidden unit is split.

    >>> from theory.zoo import mlp
    >>> splitting(mlp([1, 1, 1])).verdict
    'proved'
    >>> half = sympy.Matrix([[sympy.Rational(1, 4)]])
    >>> splitting(mlp([1, 1, 1]), factor=half).verdict
    'refuted'
    """
    if copies < 2:
        raise PartitionError(f"copies={copies}: a split has at least two")
    names = ["lambda"] if copies == 2 else [f"lambda_{k + 1}" for k in range(copies - 1)]
    first = tuple(sympy.Symbol(name) for name in names)
    shares = (*first, 1 - sympy.Add(*first))
    of, probes = signals(base, batch)
    if axis not in of or of[axis].activation is None:
        raise PartitionError(f"axis {axis!r}: only hidden units are split")
    split = SplitNetwork(base, axis, shares, batch, of)
    matrix = _shape_factor(shares) if factor is None else factor
    sources, targets = split.sources, split.targets
    unit = of[axis]
    samples = range(batch)
    curvature = sympy.Matrix(
        len(sources),
        len(sources),
        lambda j, m: sympy.Add(
            *(
                unit.d[s, 0] * unit.derivative(2, s, 0) * sources[j][1][s] * sources[m][1][s]
                for s in samples
            )
        ),
    )
    gain = sympy.Matrix(
        len(sources),
        len(targets),
        lambda j, k: sympy.Add(
            *(unit.derivative(1, s, 0) * sources[j][1][s] * targets[k][1][s] for s in samples)
        ),
    )
    given = {**split.substitution, **probes}
    shown = [m.applyfunc(lambda entry: entry.xreplace(probes)) for m in (curvature, gain)]
    steps = _steps(split, matrix, curvature, gain, given)
    return Splitting(base, shares, shown[0], shown[1], steps)


def _shape_factor(shares: tuple[sympy.Expr, ...]) -> sympy.Matrix:
    first = sympy.Matrix(shares[:-1])
    return sympy.diag(*first) - first * first.T


def _steps(
    split: SplitNetwork,
    factor: sympy.Matrix,
    curvature: sympy.Matrix,
    gain: sympy.Matrix,
    given: Mapping[sympy.Symbol, sympy.Expr],
) -> tuple[Step, ...]:
    renamed = split.renamed
    curvature, gain = (m.applyfunc(lambda e: e.xreplace(renamed)) for m in (curvature, gain))
    apart = range(split.copies - 1)
    etas = [
        (split.eta(place, i), j, i) for j, (place, _) in enumerate(split.sources) for i in apart
    ]
    zetas = [
        (split.zeta(place, i), k, i) for k, (place, _) in enumerate(split.targets) for i in apart
    ]
    base = [split.of_base(entry) for entry in split.base_loss.entries()]
    form = split.loss.form
    block = [
        *(
            _equation(form, u, v, factor[i, k] * curvature[j, m])
            for (u, j, i), (v, m, k) in combinations_with_replacement(etas, 2)
        ),
        *(
            _equation(form, u, v, gain[j, m] if i == k else sympy.Integer(0))
            for (u, j, i), (v, m, k) in product(etas, zetas)
        ),
        *(
            _equation(form, u, v, sympy.Integer(0))
            for (u, _, _), (v, _, _) in combinations_with_replacement(zetas, 2)
        ),
    ]
    between = [
        _equation(form, u, v, sympy.Integer(0)) for (u, _, _), v in product((*etas, *zetas), base)
    ]
    own = [
        _equation(
            form,
            split.of_base(e),
            split.of_base(f),
            split.base_loss.curvature(e, f).xreplace(renamed),
        )
        for e, f in combinations_with_replacement(list(split.base_loss.entries()), 2)
    ]
    critical = [_critical(split, j, place, gain) for j, (place, _) in enumerate(split.sources)]
    first = (
        r"\lambda(1-\lambda)"
        if split.copies == 2
        else (r"(\operatorname{diag}\lambda' - \lambda'\lambda'^\top) \otimes")
    )
    slopes = _slopes(split)
    return (
        Step(
            r"The copies have the incoming weights $w_i = w + \xi + \eta_i$ with $\sum \lambda_i "
            r"\eta_i = 0$, and the outgoing weights $a_i = \lambda_i(a + \alpha) + \zeta_i$ with "
            r"$\sum \zeta_i = 0$. Their gradients are the base's, so critical points stay "
            r"critical; elsewhere unequal copies drift apart, as $\lambda_i$ differs:",
            (
                r"\partial L/\partial w_i = \lambda_i\, \partial L_{\text{base}}/\partial w, "
                r"\qquad \partial L/\partial a_i = \partial L_{\text{base}}/\partial a",
            ),
            lambda: compare(slopes, given),
        ),
        Step(
            r"Along $(\xi, \alpha)$ and all other parameters the Hessian is the base network's:",
            (r"\nabla^2_{\beta} L_{\text{split}} = \nabla^2 L_{\text{base}}",),
            lambda: compare(own, given),
        ),
        Step(
            r"Between these directions and $(\eta, \zeta)$ it vanishes:",
            (r"\beta^\top \nabla^2 L\, \eta = \beta^\top \nabla^2 L\, \zeta = 0",),
            lambda: compare(between, given),
        ),
        Step(
            r"Along $(\eta, \zeta)$ it is, with the signals of the base network's unit,",
            (
                rf"\begin{{pmatrix}} {first} B & G \\ G^\top & 0 \end{{pmatrix}}, \quad "
                r"B_{jl} = \textstyle\sum d\,\varphi''(z) h_j h_l, \quad "
                r"G_{jk} = \sum \varphi'(z) h_j \delta_k",
            ),
            lambda: compare(block, given),
        ),
        Step(
            r"At a critical point of the base network its incoming gradient vanishes, which is "
            r"$G\,a$: with one target and $a \ne 0$ that is $G = 0$.",
            (r"\partial L / \partial w_j = \textstyle\sum_k G_{jk} a_k",),
            lambda: compare(critical, given),
        ),
    )


def _equation(form: Form, u: Direction, v: Direction, right: sympy.Expr) -> Equation:
    return Equation(rf"{u.name}^\top H {v.name}", form(u, v), right)


def _critical(split: SplitNetwork, j: int, place: Source, gain: sympy.Matrix) -> Equation:
    """∂L/∂w_j = Σ_k G_jk a_k in the base network."""
    entry = split.base_entry(place)
    weights = [split.base_loss.symbol(target) for target, _ in split.targets]
    paired = sympy.Add(*(g * w for g, w in zip(gain.row(j), weights, strict=True)))
    left, right = (side.xreplace(split.renamed) for side in (split.base_loss.slope(entry), paired))
    return Equation(rf"\partial L/\partial {split.base_loss.symbol(entry)}", left, right)


def _slopes(split: SplitNetwork) -> list[Equation]:
    """The copies' gradients: λ_i times the base's for incoming weights, the base's for others."""
    equations = []
    for place, _ in split.sources:
        own = split.base_loss.slope(split.base_entry(place)).xreplace(split.renamed)
        equations += [
            Equation(
                rf"\partial L/\partial w_{{{i + 1}}}",
                split.loss.slope(split.incoming(place, i)),
                s * own,
            )
            for i, s in enumerate(split.shares)
        ]
    for (p, k), _ in split.targets:
        own = split.base_loss.slope((p, k)).xreplace(split.renamed)
        width = split.loss.parameters[p].shape[1]
        equations += [
            Equation(
                rf"\partial L/\partial a_{{{i + 1}}}", split.loss.slope((p, i * width + k)), own
            )
            for i in range(split.copies)
        ]
    return equations
