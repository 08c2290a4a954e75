r"""Frozen manifolds: the Hessian along the locked weights of a unit with φ'(z) = 0.

A unit is frozen by a region in which φ is constant (a dead ReLU: φ' = φ'' = 0) or at a stationary
point z* of φ (φ' = 0, φ'' ≠ 0: GELU, SiLU, cosine, a square). The values φ, φ', φ'' at the unit's z
are replaced in SymPy's second derivatives, everything else stays arbitrary.
"""

from __future__ import annotations

from itertools import combinations_with_replacement

import sympy

from theory.activation import Activation, activation
from theory.outcome import Outcome
from theory.proof_step import Step
from theory.stability.explicit_loss import (
    Direction,
    Entry,
    ExplicitLoss,
    derivative,
    explicit_loss,
)
from theory.stability.identity import Equation, compare
from theory.theorem import Theorem
from theory.zoo import mlp

VALUE, CURVATURE = sympy.Symbol("c"), sympy.Symbol("kappa")


def frozen_block(*, curvature: sympy.Expr = CURVATURE, constant_input: bool = False) -> Outcome:
    """Second derivatives along the locked directions of a frozen unit in a network 1-2-2-2.

    The unit is in the second hidden layer; normal directions are its incoming weights and bias,
    and w_k - c b_k for every target k.

    Args:
        curvature: κ = φ''(z) where φ'(z) = 0; 0 in a region where φ is constant.
        constant_input: whether the unit has zero incoming weights, so that z = b on all data.

    >>> frozen_block(curvature=sympy.Integer(0)).verdict
    'proved'
    """
    loss = explicit_loss(mlp([1, 2, 2, 2]))
    phi = activation("phi")
    incoming: list[Entry] = [("W2", 0), ("W2", 2), ("b2", 0)]
    held = {loss.symbol(e): sympy.Integer(0) for e in incoming[:2]} if constant_input else {}
    z, values = _unit(loss, phi, held)
    normal = [Direction({e: 1}, rf"e_{{{loss.symbol(e)}}}") for e in incoming]
    normal += [Direction({("W3", k): 1, ("b3", k): -VALUE}, f"f_{k + 1}") for k in range(2)]
    adjoint = _adjoint(loss)
    equations = []
    for u, v in combinations_with_replacement(normal, 2):
        inputs = [values[e] for d in (u, v) for e in d.terms if e in values]
        both = curvature * adjoint * sympy.Mul(*inputs) if len(inputs) == 2 else sympy.Integer(0)
        equations.append(Equation(rf"{u.name}^\top H\, {v.name}", loss.form(u, v), both))
    replaced = _frozen_values(phi, z, curvature)
    return compare([_substituted(e, held, replaced) for e in equations])


def coupling(*, constant_input: bool) -> Outcome:
    """Do locked incoming weights decouple from the parameters of the unit's sources?

    >>> coupling(constant_input=True).verdict, coupling(constant_input=False).verdict
    ('proved', 'refuted')
    """
    loss = explicit_loss(mlp([1, 2, 2, 2]))
    phi = activation("phi")
    incoming: list[Entry] = [("W2", 0), ("W2", 2), ("b2", 0)]
    held = {loss.symbol(e): sympy.Integer(0) for e in incoming[:2]} if constant_input else {}
    z, _ = _unit(loss, phi, held)
    sources = [("W1", 0), ("W1", 1), ("b1", 0), ("b1", 1)]
    equations = [
        Equation(
            rf"\partial^2 L/\partial {loss.symbol(e)}\partial {loss.symbol(f)}",
            loss.curvature(e, f),
            sympy.Integer(0),
        )
        for e in incoming
        for f in sources
    ]
    replaced = _frozen_values(phi, z, CURVATURE)
    return compare([_substituted(e, held, replaced) for e in equations])


def _unit(
    loss: ExplicitLoss, phi: Activation, held: dict[sympy.Symbol, sympy.Expr]
) -> tuple[sympy.Expr, dict[Entry, sympy.Expr]]:
    """z of the unit, and the value that each of its incoming weights multiplies."""
    first = [
        derivative(phi, 0, loss.x[0, 0] * loss.symbol(("W1", k)) + loss.symbol(("b1", k)))
        for k in range(2)
    ]
    values: dict[Entry, sympy.Expr] = {("W2", 0): first[0], ("W2", 2): first[1]}
    values["b2", 0] = sympy.Integer(1)
    z = sympy.Add(*(loss.symbol(e) * h for e, h in values.items()))
    return z.xreplace(held), values


def _adjoint(loss: ExplicitLoss) -> sympy.Expr:
    """d = Σ_k w_k ∂ℓ/∂y_k."""
    slopes = (loss.value.fdiff(k + 1) * loss.symbol(("W3", k)) for k in range(2))
    return sympy.Add(*slopes)


def _frozen_values(
    phi: Activation, z: sympy.Expr, curvature: sympy.Expr
) -> dict[sympy.Expr, sympy.Expr]:
    values = (VALUE, sympy.Integer(0), curvature)
    return {derivative(phi, order, z): value for order, value in enumerate(values)}


def _substituted(
    equation: Equation,
    held: dict[sympy.Symbol, sympy.Expr],
    replaced: dict[sympy.Expr, sympy.Expr],
) -> Equation:
    sides = (side.xreplace(held).xreplace(replaced) for side in (equation.left, equation.right))
    return Equation(equation.name, *sides)


def _dead() -> Outcome:
    return frozen_block(curvature=sympy.Integer(0))


def _stationary() -> Outcome:
    return frozen_block(constant_input=True)


def _decoupled() -> Outcome:
    return coupling(constant_input=True)


FROZEN_UNITS = Theorem(
    "P2.normal",
    "normal Hessian of a frozen unit",
    r"Let $\varphi'(z_v) = 0$ on the data and $c = \varphi(z_v)$. On the normal space, spanned by "
    r"the incoming weights of $v$ and by $w_{vk} - c\,b_k$ for its targets $k$, the Hessian is "
    r"$B \oplus 0$ with $B_{jl} = \sum d_v \varphi''(z_v) h_j h_l$. In a region where $\varphi$ is "
    r"constant it is 0, and the loss does not change at all near the point: such a manifold is "
    r"degenerate, neither attracting nor repelling. At a stationary point $z^*$ of $\varphi$ it is "
    r"$\varphi''(z^*) \sum d_v h h^\top$, linear in the adjoint.",
    (
        r"$\varphi$ twice differentiable at $z_v$, one value $c$ for all data",
        "the targets of $v$ have biases trained at the same rate, or $c = 0$",
    ),
    (
        Step(
            r"Second derivatives by incoming weights have two parts, $d_v \varphi''(z_v) h_j h_l$ "
            r"and one with the factor $\varphi'(z_v)^2 = 0$; those by an incoming weight and "
            r"$w_{vk}$ have the factor $\varphi'(z_v) = 0$; along $w_{vk} - c\,b_k$ outputs do "
            r"not move. In a region where $\varphi$ is constant $\varphi'' = 0$ too:",
            (r"\nabla^2 L|_N = 0",),
            _dead,
            "an MLP 1-2-2-2, a unit of the second hidden layer",
        ),
        Step(
            r"At a stationary point the unit is frozen on all data only if $z_v$ is the same for "
            r"all of them: $w_{in} = 0$, $b = z^*$. Then $\{w_{in}(v) = 0, b_v = z^*\}$ is a LoP "
            r"manifold for all data, with",
            (r"B = \varphi''(z^*) \textstyle\sum d_v h h^\top, \qquad G = 0",),
            _stationary,
            "an MLP 1-2-2-2, a unit of the second hidden layer",
        ),
        Step(
            "Locked weights decouple from the tangent directions, those of the sources too:",
            (r"n^\top \nabla^2 L\, \tau = 0",),
            _decoupled,
            "the parameters of the unit's sources",
        ),
        Step(
            r"With $w_{in} \ne 0$ and $\varphi''(z_v) \ne 0$ they do couple, by $\sum d_v "
            r"\varphi''(z_v) h_j\, \partial z_v/\partial\tau$: training the sources moves $z_v$ "
            r"off the stationary point, so $\{\theta_{in} = \text{const}\}$ is then no LoP "
            r"manifold.",
        ),
    ),
)
