r"""N3b: the inertia of a matrix with a zero block, by a congruence.

After orthogonal changes of both bases G = [D 0; 0 0] with D invertible, and M is a matrix of blocks
whose congruence is computed with non-commuting letters: it holds for blocks of any size.
"""

from __future__ import annotations

from fractions import Fraction

import sympy

from theory.outcome import Outcome, Verdict
from theory.proof_step import Step
from theory.theorem import Theorem


def eliminate(share: Fraction = Fraction(1, 2)) -> Outcome:
    """The congruence that leaves a hyperbolic part and ZᵀBZ, in letters that do not commute.

    Args:
        share: of B₁₁ that either side takes; ½ is right.

    >>> eliminate().verdict, eliminate(Fraction(1)).verdict
    ('proved', 'refuted')
    """
    b11, b12, b21, b22, d, dt = sympy.symbols("B_11 B_12 B_21 B_22 D D^T", commutative=False)
    one, zero, part = sympy.Integer(1), sympy.Integer(0), sympy.sympify(share)
    matrix = sympy.Matrix([[b11, b12, d], [b21, b22, zero], [dt, zero, zero]])
    right = sympy.Matrix(
        [[one, zero, zero], [zero, one, zero], [-part * d**-1 * b11, -(d**-1) * b12, d**-1]]
    )
    left = sympy.Matrix(  # the transpose, with B₁₁ᵀ = B₁₁ and B₁₂ᵀ = B₂₁
        [[one, zero, -part * b11 * dt**-1], [zero, one, -b21 * dt**-1], [zero, zero, dt**-1]]
    )
    found = (left * matrix * right).applyfunc(sympy.expand)
    expected = sympy.Matrix([[zero, zero, one], [zero, b22, zero], [one, zero, zero]])
    difference = found - expected
    if difference.is_zero_matrix:
        return Outcome("proved", "9 block equations hold for blocks of any size", 9)
    place = next(k for k, entry in enumerate(difference) if entry != 0)
    numbers = dict.fromkeys((b11, b12, b21, b22, d, dt), sympy.Integer(1))
    values = (found[place].subs(numbers), expected[place].subs(numbers))
    verdict: Verdict = "refuted" if values[0] != values[1] else "unknown"
    detail = f"block {divmod(place, 3)}: {found[place]} is {values[0]} at ones, not {values[1]}"
    return Outcome(verdict, detail, 9, {"all blocks": "1", "found": str(values[0])})


INERTIA = Theorem(
    "N3b",
    "exact inertia of a transverse block",
    r"Let $M = \begin{pmatrix} B & G \\ G^\top & 0 \end{pmatrix}$, $r = \operatorname{rank} G$ and "
    r"$Z$ a basis of $\ker G^\top$. Then $n_\pm(M) = r + n_\pm(Z^\top B Z)$, and "
    r"$n_0(M) = (\text{targets} - r) + n_0(Z^\top B Z)$.",
    ("$B$ symmetric, $G$ arbitrary, real",),
    (
        Step(
            r"By the singular value decomposition there are orthogonal bases of sources and "
            r"targets in which $G$ is an invertible $D$ of size $r$ and zeros; the last sources "
            r"span $\ker G^\top$, so $B_{22} = Z^\top B Z$:",
            (
                r"M \cong \begin{pmatrix} B_{11} & B_{12} & D & 0 \\ B_{21} & B_{22} & 0 & 0 \\ "
                r"D^\top & 0 & 0 & 0 \\ 0 & 0 & 0 & 0 \end{pmatrix}",
            ),
        ),
        Step(
            r"Put $y = D^{-1}\left(y' - \tfrac12 B_{11} x_1 - B_{12} x_2\right)$ for the first "
            r"targets. This is an invertible change of variables, and",
            (
                r"x_1^\top B_{11} x_1 + 2 x_1^\top B_{12} x_2 + x_2^\top B_{22} x_2 "
                r"+ 2 x_1^\top D y = 2 x_1^\top y' + x_2^\top B_{22} x_2",
            ),
            eliminate,
            "blocks of any size, as non-commuting letters",
        ),
        Step(
            r"The form $2 x_1^\top y'$ has $r$ positive and $r$ negative squares, and by "
            r"Sylvester's law the inertia is that of the sum:",
            (r"n_\pm(M) = r + n_\pm(Z^\top B Z), \qquad n_+ + n_- + n_0 = \dim M",),
        ),
        Step(
            r"So $M \succeq 0$ exactly if $G = 0$ and $B \succeq 0$: wherever some $G_i \ne 0$ the "
            r"manifold is a saddle.",
        ),
    ),
)
