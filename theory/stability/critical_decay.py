r"""N4b: how much weight decay makes cloned units strictly stable, and why it may never suffice.

If φ is positively homogeneous of degree p, scaling a clone's incoming and outgoing weights is a
normal direction along which second derivatives are known from first ones alone. At a critical
point of the regularised loss the first ones are -λθ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy

from theory.activation import Activation, activation, leaky_relu, relu
from theory.architecture import Architecture
from theory.invariance.parametrisation import parametrise
from theory.manifold import block_constant
from theory.outcome import Outcome, conjoined
from theory.partition import make_partition
from theory.proof_step import Step
from theory.stability.explicit_loss import Direction, Entry, ExplicitLoss, explicit_loss
from theory.stability.identity import Equation, compare
from theory.stability.transverse import derive
from theory.theorem import Theorem
from theory.zoo import mlp

Elementwise = Callable[[Any], Any]

# Functions with φ'(z) z = p φ(z), and p.
HOMOGENEOUS: tuple[tuple[str, Elementwise, int], ...] = (
    ("leaky_relu", leaky_relu("1/10"), 1),
    ("relu", relu, 1),
    ("square", lambda z: z * z, 2),
    ("relu_squared", lambda z: relu(z) * relu(z), 2),
    ("cube", lambda z: z * z * z, 3),
)


def scaling_form(name: str, phi: Elementwise | Activation, degree: int) -> Outcome:
    """Second derivatives along scalings of two clones against first ones, at points of BC.

    With u and v the incoming and outgoing weights of both clones, one with the sign -1, and s the
    sum of w ∂ℓ/∂w over the outgoing weights of both: uᵀHu = p(p - 1)s, uᵀHv = ps, vᵀHv = 0; and
    that of incoming weights is ps.

    >>> scaling_form("square", lambda z: z * z, 2).verdict
    'proved'
    >>> scaling_form("phi", activation("phi"), 1).verdict
    'refuted'
    """
    return conjoined(_equations(network, axis, degree) for network, axis in _networks(name, phi))


def _networks(name: str, phi: Elementwise) -> list[tuple[Architecture, str]]:
    """One hidden layer with two outputs; the first of two, in front of an arbitrary function."""

    def shallow(p: dict[str, Any], x: Any) -> Any:
        return phi(x @ p["W1"] + p["b1"]) @ p["W2"]

    def deep(p: dict[str, Any], x: Any) -> Any:
        return activation("psi")(shallow(p, x)) @ p["W3"]

    axes = {"W1": ("x", "h1"), "b1": ("h1",), "W2": ("h1", "y")}
    deeper = {**axes, "W2": ("h1", "h2"), "W3": ("h2", "y")}
    sizes = {"x": 1, "h1": 2, "y": 2}
    return [
        (Architecture(shallow, sizes, axes, name=f"{name}:1-2-2"), "h1"),
        (Architecture(deep, {"x": 1, "h1": 2, "h2": 2, "y": 1}, deeper, name=name), "h1"),
    ]


def _equations(network: Architecture, axis: str, degree: int) -> Outcome:
    clones = make_partition(network.sizes, {axis: [[0, 1]]})
    loss = explicit_loss(network)
    incoming, outgoing = _scalings(loss, axis)
    theta = parametrise(block_constant(network, clones)).theta
    substitution = {
        symbol: value
        for p, symbols in loss.parameters.items()
        for symbol, value in zip(symbols.flat, theta[p].flat, strict=True)
    }
    total = _paired(loss, outgoing)
    equations = [
        Equation(r"u^\top H u", loss.form(incoming, incoming), degree * (degree - 1) * total),
        Equation(r"u^\top H v", loss.form(incoming, outgoing), degree * total),
        Equation(r"v^\top H v", loss.form(outgoing, outgoing), sympy.Integer(0)),
        Equation(r"\text{homogeneity}", _paired(loss, incoming), degree * total),
    ]
    return compare(equations, substitution)


def _scalings(loss: ExplicitLoss, axis: str) -> tuple[Direction, Direction]:
    """θ itself, on the incoming and outgoing weights of two units, one with the sign -1."""
    incoming: dict[Entry, sympy.Expr] = {}
    outgoing: dict[Entry, sympy.Expr] = {}
    for p, axes in loss.architecture.parameters.items():
        for e in range(loss.parameters[p].size):
            width = loss.architecture.sizes[axes[-1]]
            if axes[-1] == axis:
                incoming[p, e] = (1 - 2 * (e % width)) * loss.symbol((p, e))
            elif axes[0] == axis:
                outgoing[p, e] = (1 - 2 * (e // width)) * loss.symbol((p, e))
    return Direction(incoming, "u"), Direction(outgoing, "v")


def _paired(loss: ExplicitLoss, direction: Direction) -> sympy.Expr:
    """Σ θ ∂ℓ/∂θ over the entries of a direction."""
    return sympy.Add(*(loss.symbol(e) * loss.slope(e) for e in direction.terms))


def _all_degrees() -> Outcome:
    return conjoined(scaling_form(*case) for case in HOMOGENEOUS)


def _shifted() -> Outcome:
    network = mlp([1, 3, 2])
    return derive(network, make_partition(network.sizes, {"h1": [[0, 1]]}), decay=True).outcome


def _characteristic() -> Outcome:
    p, t = sympy.symbols("p t")
    block = sympy.Matrix([[p - 1, sympy.sqrt(p)], [sympy.sqrt(p), 0]])
    found = sympy.expand((t * sympy.eye(2) - block).det())
    return compare([Equation(r"\det(t - \cdot)", found, (t - p) * (t + 1))])


CRITICAL_DECAY = Theorem(
    "N4b",
    "critical weight decay",
    r"With the term $\tfrac12\lambda\|\theta\|^2$ a fixed point of $BC$ is strictly stable exactly "
    r"if $\lambda > \lambda^* = -\min_i \lambda_{\min}(M_i)$.",
    ("$\\theta \\in BC$, complete pairs, all weights and biases decayed",),
    (
        Step(
            r"The Hessian of $\tfrac12\lambda\|\theta\|^2$ is $\lambda I$ in every orthonormal "
            r"basis, so each block is shifted:",
            (
                r"\nabla^2\left(L + \tfrac12\lambda\|\theta\|^2\right)\big|_N = \bigoplus_i "
                r"(M_i + \lambda I)^{\oplus (n_i - 1)}",
            ),
            _shifted,
            "an MLP 1-3-2 with a block of two clones",
        ),
        Step(
            r"It is positive definite exactly if every $\lambda_{\min}(M_i) + \lambda > 0$. By N4 "
            r"$\lambda_{\min}(M_i) \le 0$ wherever clones have targets, so $\lambda^* \ge 0$.",
        ),
    ),
)

HOMOGENEOUS_DECAY = Theorem(
    "N4b.homogeneous",
    "regularised critical points of homogeneous units",
    r"Let $\varphi$ be positively homogeneous of degree $p$ and $\theta \in BC$ a critical point "
    r"of $L + \tfrac12\lambda\|\theta\|^2$ with $\lambda > 0$, at which a cloned unit has non-zero "
    r"outgoing weights. Then $M_i$ has Rayleigh quotients $-p\lambda$ and $+\lambda$: $\lambda^* "
    r"\ge p\lambda$. So strict stability never occurs there, and for $p > 1$ the point is a "
    r"saddle in spite of its own decay.",
    (
        r"$z\varphi'(z) = p\varphi(z)$: ReLU, leaky ReLU and linear units have $p = 1$, ReLU² 2",
        "$L$ twice differentiable at the point (no unit at a kink on the data)",
        "all weights of the unit, its bias included, are decayed at one rate",
    ),
    (
        Step(
            r"Let $u = (w_{in}, b) \otimes c$ and $v = w_{out} \otimes c$ with $\sum_v c_v = 0$, "
            r"$\|c\| = 1$: both are normal. With $s = \sum_{out} w\, \partial L/\partial w$ of one "
            r"clone, second derivatives follow from first ones by $z\varphi' = p\varphi$ and "
            r"$z^2\varphi'' = p(p-1)\varphi$:",
            (
                r"u^\top \nabla^2 L\, u = p(p-1)\, s, \qquad u^\top \nabla^2 L\, v = p\, s, \qquad "
                r"v^\top \nabla^2 L\, v = 0, \qquad \textstyle\sum_{in} w\, \partial L/\partial w "
                r"= p\, s",
            ),
            _all_degrees,
            r"leaky ReLU, ReLU, $z^2$, ReLU², $z^3$; one hidden layer of two, arbitrary loss; the "
            r"first of two hidden layers",
        ),
        Step(
            r"At the critical point $\partial L/\partial w = -\lambda w$, so",
            (
                r"s = -\lambda\|w_{out}\|^2, \qquad p\, s = -\lambda\|w_{in}\|^2, \qquad "
                r"\|w_{in}\|^2 = p\,\|w_{out}\|^2",
            ),
        ),
        Step(
            r"In the orthonormal basis $u/\|u\|$, $v/\|v\|$ the form is $-\lambda$ times a matrix "
            r"with eigenvalues $p$ and $-1$:",
            (
                r"-\lambda \begin{pmatrix} p - 1 & \sqrt p \\ \sqrt p & 0 \end{pmatrix}, \qquad "
                r"\det(t - \cdot) = (t - p)(t + 1)",
            ),
            _characteristic,
            "every $p$",
        ),
        Step(
            r"So $\lambda_{\min}(M_i) \le -p\lambda$, along $u + v$, and $\lambda_{\min}(M_i + "
            r"\lambda I) \le (1 - p)\lambda$: not positive for $p = 1$, negative for $p > 1$.",
        ),
    ),
)
