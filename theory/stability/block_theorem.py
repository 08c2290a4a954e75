r"""N3 as a theorem: the transverse block from the symmetry of clones, in two steps.

First for any exchangeable clones, M = ∇²₁₁L - ∇²₁₂L; then for dense units, whose own term is
Σ_k (ŵ_k + β_k) φ(z + ĥ·α) with the adjoints δ̂_k.
"""

from __future__ import annotations

from dataclasses import replace

import sympy

from theory.activation import activation
from theory.outcome import Outcome, conjoined
from theory.partition import make_partition
from theory.proof_step import Step
from theory.stability.emptiness import skip_network
from theory.stability.exchange import derive_exchangeable, own_term
from theory.stability.exchangeable_layers import (
    attention_heads,
    batch_norm_units,
    convolution_channels,
    glu_units,
    normalised_units,
)
from theory.stability.explicit_loss import derivative
from theory.stability.identity import Equation, compare
from theory.stability.transverse import derive
from theory.theorem import Theorem
from theory.zoo import mlp


def commuting_hessian() -> Outcome:
    """A Hessian of equal blocks A on the diagonal and C beside it acts as A - C on zero sums.

    >>> commuting_hessian().verdict
    'proved'
    """
    equations = []
    for clones in (2, 3):
        own, cross = (_symmetric(letter) for letter in "AC")
        hessian = sympy.kronecker_product(sympy.eye(clones), own - cross)
        hessian += sympy.kronecker_product(sympy.ones(clones, clones), cross)
        a = sympy.Matrix(sympy.symbols("a_1 a_2"))
        first = sympy.symbols(f"c_1:{clones}")
        c = sympy.Matrix([*first, -sympy.Add(*first)])
        found = hessian * sympy.kronecker_product(c, a)
        expected = sympy.kronecker_product(c, (own - cross) * a)
        pairs = zip(found, expected, strict=True)
        equations += [
            Equation(rf"\text{{row {k + 1} of {clones} clones}}", x, y)
            for k, (x, y) in enumerate(pairs)
        ]
    return compare(equations)


def _symmetric(letter: str) -> sympy.Matrix:
    p, q, r = sympy.symbols(f"{letter}_11 {letter}_12 {letter}_22")
    return sympy.Matrix([[p, q], [q, r]])


def own_term_of_a_unit() -> Outcome:
    """∇² of Σ_k δ̂_k (ŵ_k + β_k) φ(z + ĥ·α) at 0, with d = Σ_k ŵ_k δ̂_k.

    >>> own_term_of_a_unit().verdict
    'proved'
    """
    phi, z = activation("phi"), sympy.Symbol("z")
    alpha, hats = sympy.symbols("alpha_1:3"), sympy.symbols("h_1:3")
    beta, weights, adjoints = (sympy.symbols(f"{name}_1:3") for name in ("beta", "w", "delta"))
    argument = z + sympy.Add(*(h * a for h, a in zip(hats, alpha, strict=True)))
    outgoing = sympy.Add(*(d * (w + b) for d, w, b in zip(adjoints, weights, beta, strict=True)))
    term = outgoing * derivative(phi, 0, argument)
    at_zero = dict.fromkeys((*alpha, *beta), sympy.Integer(0))
    d = sympy.Add(*(w * delta for w, delta in zip(weights, adjoints, strict=True)))
    pairs = [(i, j) for i in range(2) for j in range(2)]
    bent, slope = derivative(phi, 2, z), derivative(phi, 1, z)
    equations = [
        *(
            Equation(
                rf"B_{{{i + 1}{j + 1}}}",
                term.diff(alpha[i], alpha[j]),
                d * bent * hats[i] * hats[j],
            )
            for i, j in pairs
        ),
        *(
            Equation(
                rf"G_{{{i + 1}{j + 1}}}",
                term.diff(alpha[i], beta[j]),
                slope * hats[i] * adjoints[j],
            )
            for i, j in pairs
        ),
        *(
            Equation(r"\text{outgoing}", term.diff(beta[i], beta[j]), sympy.Integer(0))
            for i, j in pairs
        ),
    ]
    return compare(equations, at_zero)


def _dense_networks() -> Outcome:
    deep, skip, wide = mlp([1, 3, 2, 1]), skip_network(), mlp([1, 3, 2])
    pairs = {"h1": [[0, 1, 2]], "h2": [[0, 1]]}
    return conjoined(
        (
            derive(deep, make_partition(deep.sizes, pairs)).outcome,
            derive(skip, make_partition(skip.sizes, {**pairs, "h1": [[0, 1]]})).outcome,
            derive(wide, make_partition(wide.sizes, {"h1": [[0, 1]]}), batch=2).outcome,
        )
    )


def _additive_layers() -> Outcome:
    layers = (convolution_channels(), attention_heads(), glu_units(), batch_norm_units())
    return conjoined(
        derive_exchangeable(replace(layer, formula=own_term(layer.clones[0]))).outcome
        for layer in layers
    )


def _normalised_layers() -> Outcome:
    return conjoined(
        derive_exchangeable(layer).outcome
        for layer in (normalised_units("rms"), normalised_units("layer"))
    )


EXCHANGE = Theorem(
    "N3.exchange",
    "transverse block of exchangeable clones",
    r"If the loss is invariant under permutations of $\theta_1, \dots, \theta_n$ and these are "
    r"equal, the Hessian on zero-sum combinations is $M = \nabla^2_{11}L - \nabla^2_{12}L$, $n - "
    r"1$ times, and couples to nothing else. If clones add up, $y = \sum_v f(\theta_v) + \dots$, "
    r"then $M = \sum \langle\delta, \nabla^2 f\rangle$; if they also share statistics $s = \sum_v "
    r"g(\theta_v)$, then $M = \sum \langle\delta, \nabla^2_\theta f(\theta, s)\rangle + \langle "
    r"\partial L/\partial s, \nabla^2 g\rangle$: what the clones share stands still.",
    ("$L$ twice differentiable, any loss, data and network around the clones",),
    (
        Step(
            r"The Hessian commutes with permutations: it has one block $A = \nabla^2_{11}L$ on the "
            r"diagonal, one block $C = \nabla^2_{12}L$ beside it ($C$ is symmetric, as 1 and 2 may "
            r"be exchanged), and equal columns towards all other parameters, which zero sums "
            r"cancel. So for $\sum_v c_v = 0$",
            (r"(I \otimes (A - C) + 1 1^\top \otimes C)(c \otimes a) = c \otimes (A - C)\,a",),
            commuting_hessian,
            "two and three clones of two parameters",
        ),
        Step(
            r"With $y = \sum_v f(\theta_v) + \dots$ the gradient is $\langle\delta, \nabla f("
            r"\theta_v)\rangle$. A clone's own change bends $f$ and moves $\delta$, another "
            r"clone's moves $\delta$ alone, and alike; the difference is",
            (r"M = \textstyle\sum \langle\delta, \nabla^2 f(\theta)\rangle",),
            _additive_layers,
            "channels of a convolution, attention heads, gated units, BatchNorm units",
        ),
        Step(
            r"With shared statistics the gradient is $\langle \partial L/\partial s, \nabla g("
            r"\theta_v)\rangle + \langle\delta, \nabla_\theta f(\theta_v, s)\rangle$; $s$, "
            r"$\delta$ and $\partial L/\partial s$ are symmetric in the clones and cancel again:",
            (
                r"M = \textstyle\sum \langle\delta, \nabla^2_\theta f(\theta, s)\rangle + "
                r"\langle\partial L/\partial s, \nabla^2 g(\theta)\rangle",
            ),
            _normalised_layers,
            "units behind RMSNorm and LayerNorm",
        ),
    ),
)

BLOCKS = Theorem(
    "N3",
    "transverse blocks of cloned units",
    r"At a point of $BC$ the Hessian on the normal space of $IE \cap OE$ is block-diagonal: for "
    r"each block $S_i$, $n_i - 1$ times, $M_i = \begin{pmatrix} B & G \\ G^\top & 0 \end{pmatrix}$ "
    r"with $B = \sum d\,\varphi''(z)\, \hat h \hat h^\top$, $G = \sum \varphi'(z)\, \hat h "
    r"\hat\delta^\top$, $\hat h_j = \sqrt{n_j}\, h_j$ (1 for the bias), $\hat\delta_k = \sqrt{n_k}"
    r"\, \delta_k$. Mixed directions are null.",
    (
        "complete pairs of blocks; inputs and outputs without clones",
        r"$\varphi$ twice differentiable at the pre-activations that occur, any loss and data",
    ),
    (
        Step(
            r"The directions $e_j, f_k$ of the clones $v$ of $S_i$ move $w_{uv}$ by $\alpha_j^v/"
            r"\sqrt{n_j}$ for all $u \in S_j$, and $w_{vt}$ by $\beta_k^v/\sqrt{n_k}$ for all $t "
            r"\in S_k$. Summed over a block, this moves $z_v$ by $\hat h \cdot \alpha^v$, and the "
            r"loss sees the clone through $\hat\delta$. The pairs $(\alpha^v, \beta^v)$ are "
            r"exchangeable and add up.",
        ),
        Step(
            r"By N3.exchange $M_i$ is the Hessian of one clone's own term at 0, with $d = \sum_k "
            r"\hat w_k \hat\delta_k$:",
            (
                r"\nabla^2_{\alpha\beta} \textstyle\sum_k \hat\delta_k (\hat w_k + \beta_k)\, "
                r"\varphi(z + \hat h \cdot \alpha) = \begin{pmatrix} d\,\varphi'' \hat h "
                r"\hat h^\top & \varphi' \hat h \hat\delta^\top \\ \cdot & 0 \end{pmatrix}",
            ),
            own_term_of_a_unit,
            r"two sources, two targets, arbitrary $\varphi$",
        ),
        Step(
            r"Directions of two blocks are zero-sum under permutations of different sets of "
            r"clones, so they do not couple. Mixed directions are zero-sum under two sets at once, "
            r"so they couple neither to normal nor to tangent ones; and along all of them together "
            r"every sum over a block, hence the function, stays as it is: they are null.",
        ),
        Step(
            "SymPy's Hessian of the explicit loss has these entries and no others:",
            (),
            _dense_networks,
            r"MLP 1-3-2-1 with blocks of 3 and 2, a network with skips, MLP 1-3-2 on two samples",
        ),
    ),
)
