r"""N10: the transverse block of a unit without weights, [[0, G], [Gᵀ, 0]].

With φ(0) = 0 a unit whose weights are all 0 stays without weights. Its adjoint d = Σ w δ is 0, so B
vanishes for every φ'', and only the product of an incoming and an outgoing change is seen.
"""

from __future__ import annotations

from itertools import combinations_with_replacement
from typing import Any

import sympy

from theory.activation import activation
from theory.architecture import Architecture
from theory.outcome import Outcome
from theory.proof_step import Step
from theory.stability.explicit_loss import (
    Entry,
    ExplicitLoss,
    derivative,
    explicit_loss,
    signals,
)
from theory.stability.identity import Equation, compare
from theory.theorem import Theorem
from theory.zoo import mlp


def zero_unit(*, vanishes_at_zero: bool = True) -> Outcome:
    """All second derivatives that involve the weights of one zero unit, for one hidden layer.

    Args:
        vanishes_at_zero: whether φ(z) = z ψ(z) with an arbitrary ψ, or φ is arbitrary.

    >>> zero_unit().verdict, zero_unit(vanishes_at_zero=False).verdict
    ('proved', 'refuted')
    """

    def forward(p: dict[str, Any], x: Any) -> Any:
        z = x @ p["W1"] + p["b1"]
        h = z * activation("psi")(z) if vanishes_at_zero else activation("phi")(z)
        return h @ p["W2"] + p["b2"]

    axes = {"W1": ("x", "h1"), "b1": ("h1",), "W2": ("h1", "y"), "b2": ("y",)}
    network = Architecture(forward, {"x": 2, "h1": 2, "y": 2}, axes, name="zero unit in 2-2-2")
    loss = explicit_loss(network)
    zero = sympy.Integer(0)
    if vanishes_at_zero:  # φ = zψ has φ'(0) = ψ(0)
        slope = derivative(activation("psi"), 0, zero)
    else:
        slope = derivative(activation("phi"), 1, zero)
    sources: dict[Entry, sympy.Expr] = {("b1", 0): sympy.Integer(1)}
    sources |= {("W1", 2 * j): loss.x[0, j] for j in range(2)}
    targets: dict[Entry, sympy.Expr] = {("W2", k): loss.value.fdiff(k + 1) for k in range(2)}
    return _compared(loss, [(sources, targets, slope)])


def consecutive_zero_units() -> Outcome:
    """Zero units in two layers, with the weight between them, for odd φ and an arbitrary loss.

    >>> consecutive_zero_units().verdict
    'proved'
    """
    phi = activation("phi", parity="odd")
    network = mlp([1, 2, 2, 1], phi)
    loss = explicit_loss(network)
    of, probes = signals(network)
    zero = sympy.Integer(0)
    slope = derivative(phi, 1, zero)
    # Edges between units without weights, ("W2", 0), are in neither dictionary: flat.
    first_in: dict[Entry, sympy.Expr] = {("W1", 0): loss.x[0, 0], ("b1", 0): sympy.Integer(1)}
    first_out: dict[Entry, sympy.Expr] = {("W2", 1): of["h2"].delta[0, 1]}
    second_in: dict[Entry, sympy.Expr] = {("W2", 2): of["h1"].h[0, 1], ("b2", 0): sympy.Integer(1)}
    second_out: dict[Entry, sympy.Expr] = {("W3", 0): of["y"].delta[0, 0]}
    pairs = [(first_in, first_out, slope), (second_in, second_out, slope)]
    return _compared(loss, pairs, [("W2", 0)], probes)


Pair = tuple[dict[Entry, sympy.Expr], dict[Entry, sympy.Expr], sympy.Expr]


def _compared(
    loss: ExplicitLoss,
    pairs: list[Pair],
    flat: list[Entry] | None = None,
    probes: dict[sympy.Symbol, sympy.Expr] | None = None,
) -> Outcome:
    """The Hessian's entries between zero weights, and between them and all others."""
    zero = [e for sources, targets, _ in pairs for e in (*sources, *targets)] + (flat or [])
    products = {
        frozenset((j, k)): slope * h * delta
        for sources, targets, slope in pairs
        for j, h in sources.items()
        for k, delta in targets.items()
    }
    others = [e for e in loss.entries() if e not in zero]
    couples = [*combinations_with_replacement(zero, 2), *((e, f) for e in zero for f in others)]
    nothing = sympy.Integer(0)
    equations = [
        Equation(
            _second(loss, e, f), loss.curvature(e, f), products.get(frozenset((e, f)), nothing)
        )
        for e, f in couples
    ]
    held = {loss.symbol(e): nothing for e in zero}
    return compare(equations, {**held, **(probes or {})})


def _second(loss: ExplicitLoss, e: Entry, f: Entry) -> str:
    return rf"\partial^2 L / \partial {loss.symbol(e)} \partial {loss.symbol(f)}"


ZERO_UNITS = Theorem(
    "N10",
    "transverse block of a zero unit",
    r"Let $\varphi(0) = 0$ and all weights of a unit be 0. On the normal space of $\{w_{in} = 0, b "
    r"= 0, w_{out} = 0\}$ the Hessian is $\begin{pmatrix} 0 & G \\ G^\top & 0 \end{pmatrix}$ with "
    r"$G_{jk} = \varphi'(0) \sum h_j \delta_k$. It has eigenvalues $\pm\sigma(G)$ and $0$: a "
    r"saddle wherever $G \ne 0$; with decay it is strictly stable exactly if $\lambda > "
    r"\sigma_{\max}(G)$.",
    (
        r"$\varphi(0) = 0$ and $\varphi$ twice differentiable at 0; $\varphi''(0)$ may be anything",
        "any loss, data and network around the unit",
    ),
    (
        Step(
            r"The unit's value is $\varphi(0) = 0$ and its adjoint $d = \sum_k w_k \delta_k = 0$.",
        ),
        Step(
            r"So second derivatives by incoming weights, $\sum d\,\varphi''(0) h_j h_l$, vanish, "
            r"and so do those by outgoing ones, $\varphi(0)^2 \cdot (\dots)$, and those by a "
            r"weight of the unit and one elsewhere. What remains is one product:",
            (
                r"\frac{\partial^2 L}{\partial w_j\, \partial w_k} = \varphi'(0)\, "
                r"\textstyle\sum h_j \delta_k",
            ),
            zero_unit,
            r"a network 2-2-2 with $\varphi(z) = z\psi(z)$, $\psi$ arbitrary",
        ),
        Step(
            "Several zero units do not couple, in one layer or in consecutive ones; a weight "
            "between two zero units is flat.",
            (),
            consecutive_zero_units,
            r"an MLP 1-2-2-1 with odd $\varphi$, one zero unit in each hidden layer",
        ),
        Step(
            r"The eigenvalues of $\begin{pmatrix} 0 & G \\ G^\top & 0 \end{pmatrix}$ are $\pm$ the "
            r"singular values of $G$, and 0 otherwise; decay adds $\lambda$ to each.",
        ),
    ),
)
