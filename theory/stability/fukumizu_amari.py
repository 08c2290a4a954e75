r"""The splitting criterion, for any number of copies, targets and layers.

K. Fukumizu, S. Amari, Local minima and plateaus in hierarchical structures of multilayer
perceptrons, Neural Networks 13 (2000) 317-327, treat two copies, one hidden layer and one output.
"""

from __future__ import annotations

import sympy

from theory.outcome import Outcome, conjoined
from theory.proof_step import Step
from theory.stability.identity import Equation, compare
from theory.stability.splitting import splitting
from theory.theorem import Theorem
from theory.zoo import mlp


def share_congruence(copies: int) -> Outcome:
    """Eᵀ diag(λ) E = (diag λ' - λ'λ'ᵀ) ⊕ 1 and det E = ±1, for E = [e_i - λ_i 1 | 1].

    So the inertia of diag λ' - λ'λ'ᵀ is that of λ without one positive entry.

    >>> share_congruence(4).verdict
    'proved'
    """
    first = sympy.symbols(f"lambda_1:{copies}")
    shares = [*first, 1 - sympy.Add(*first)]
    ones = sympy.ones(copies, 1)
    columns = [sympy.eye(copies)[:, i] - shares[i] * ones for i in range(copies - 1)]
    basis = sympy.Matrix.hstack(*columns, ones)
    found = basis.T * sympy.diag(*shares) * basis
    vector = sympy.Matrix(first)
    expected = sympy.diag(sympy.diag(*first) - vector * vector.T, 1)
    equations = [
        Equation(rf"\text{{entry {k + 1}}}", a, b)
        for k, (a, b) in enumerate(zip(found, expected, strict=True))
    ]
    equations.append(Equation(r"\det(E)^2", basis.det() ** 2, sympy.Integer(1)))
    return compare(equations)


def _shares() -> Outcome:
    return conjoined(share_congruence(copies) for copies in (2, 3, 4))


def _splits() -> Outcome:
    return conjoined(
        (
            splitting(mlp([2, 1, 2])).outcome,
            splitting(mlp([1, 1, 2]), copies=3).outcome,
            splitting(mlp([1, 1, 2, 1]), "h2").outcome,
            splitting(mlp([1, 1, 1]), batch=2).outcome,
        )
    )


def _rayleigh() -> Outcome:
    """η = (1 - λ, -λ) in the copies' weights: λ(1 - λ) over its squared length."""
    share = sympy.Symbol("lambda")
    length = share**2 + (1 - share) ** 2
    value = share * (1 - share) / length
    half = sympy.Rational(1, 2)
    above = Equation(r"\tfrac12 - \rho(\lambda)", half - value, (2 * share - 1) ** 2 / (2 * length))
    below = Equation(r"\tfrac12 + \rho(\lambda)", half + value, 1 / (2 * length))
    return compare([above, below])


SPLITTING = Theorem(
    "N4.splitting",
    "splitting a unit",
    r"Split a unit with signals $d, z, h, \delta$ into $m$ copies with shares $\lambda_i$, $\sum_i "
    r"\lambda_i = 1$, $q$ of them negative and $p$ positive. With $B = \sum d\,\varphi''(z) h "
    r"h^\top$, $G = \sum \varphi'(z) h \delta^\top$ and $Z$ a basis of $\ker G^\top$ the Hessian "
    r"has $n_- = n_-(\text{base}) + (m-1)\operatorname{rank} G + (p-1)\, n_-(Z^\top B Z) + q\, "
    r"n_+(Z^\top B Z)$.",
    (
        r"$\varphi$ twice differentiable at $z$; any loss, data, depth",
        r"for the criterion: the base network is at a critical point, one target, $a \ne 0$",
    ),
    (
        Step(
            r"In the coordinates $w_i = w + \xi + \eta_i$, $a_i = \lambda_i(a + \alpha) + \zeta_i$ "
            r"the Hessian is that of the base network beside",
            (
                r"\begin{pmatrix} (\operatorname{diag}\lambda' - \lambda'\lambda'^\top) \otimes B "
                r"& I \otimes G \\ I \otimes G^\top & 0 \end{pmatrix}, \qquad \lambda' = "
                r"(\lambda_1, \dots, \lambda_{m-1})",
            ),
            _splits,
            "MLPs 2-1-2, 1-1-2 into three, 1-1-2-1 in the second layer, 1-1-1 on two samples",
        ),
        Step(
            r"The first factor has $p - 1$ positive and $q$ negative eigenvalues: with $E = [e_i - "
            r"\lambda_i 1 \,|\, 1]$, which is invertible,",
            (
                r"E^\top \operatorname{diag}(\lambda)\, E = (\operatorname{diag}\lambda' - "
                r"\lambda'\lambda'^\top) \oplus 1",
            ),
            _shares,
            "two, three and four copies",
        ),
        Step(
            r"Diagonalise the first factor and apply N3b to each of its eigenvalues; that gives "
            r"$n_-$. For $m = 2$ the factor is $\lambda(1 - \lambda)$.",
        ),
        Step(
            r"At a critical point of the base $G\,a = 0$. With one target and $a \ne 0$ that is "
            r"$G = 0$, and the sign of $\lambda(1-\lambda) B$ decides (Fukumizu & Amari 2000): a "
            r"base minimum with positive definite Hessian becomes, for $B \succ 0$, a plateau of "
            r"minima for $0 < \lambda < 1$ and saddles outside $[0, 1]$; for $B \prec 0$ the "
            r"reverse; for indefinite $B$ saddles on both sides.",
        ),
        Step(
            r"With several targets $G\,a = 0$ leaves a rank up to (targets $- 1$): wherever "
            r"$G \ne 0$ every split, whatever its shares, is a saddle.",
        ),
        Step(
            r"The curvature per unit length of $\eta = (1-\lambda, -\lambda)$ is $\rho(\lambda) "
            r"B$, $-\tfrac12 < \rho \le \tfrac12$, greatest for equal copies, which have N3's $M$:",
            (
                r"\rho(\lambda) = \frac{\lambda(1-\lambda)}{\lambda^2 + (1-\lambda)^2}, \qquad "
                r"\tfrac12 - \rho(\lambda) = \frac{(2\lambda - 1)^2}{2(\lambda^2 + "
                r"(1-\lambda)^2)} \ge 0, \qquad \tfrac12 + \rho(\lambda) = "
                r"\frac{1}{2(\lambda^2 + (1-\lambda)^2)} > 0",
            ),
            _rayleigh,
            r"every $\lambda$",
        ),
        Step(
            r"Where it lies: all splits are on $IE$ and compute one function, along the flat "
            r"outgoing directions of N4. With targets that are no clones only $\lambda_i = "
            r"\tfrac1m$ is on $IE\cap OE$, hence on a leaf; other splits are on no invariant leaf, "
            r"and stay only where the base is critical.",
        ),
    ),
    "Fukumizu & Amari 2000 for one output and two copies; the rest new",
)
