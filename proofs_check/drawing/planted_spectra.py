"""Symmetric rational matrices whose eigenvalues, or signs of them, are known beforehand.

Similarity by a rational orthogonal matrix, a product of reflections I - 2vvᵀ/vᵀv, keeps the
eigenvalues, which are drawn with repetitions, exact zeros and tiny ones among large ones. A
unimodular congruence keeps the signs alone (Sylvester) and may be badly conditioned.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from flint import fmpq, fmpq_mat

from numerics.systems.system import Array
from proofs_check.drawing.networks import Choose
from theory.stability_class import Inertia

REFLECTIONS = 3
STEPS = 40  # of a unimodular congruence: row operations with factors ±1, ±2


@dataclass(frozen=True, slots=True)
class Planted:
    """A matrix and the signs of its eigenvalues.

    Attributes:
        matrix: of exact rational numbers, ``(n, n)``.
        inertia: known from the construction.
    """

    matrix: Array
    inertia: Inertia


def draw_planted(choose: Choose, max_size: int = 20) -> Planted:
    """A matrix of size 2 to ``max_size``.

    >>> draw_planted(lambda low, high: low).inertia
    Inertia(negative=0, zero=2, positive=0, undecided=0)
    """
    n = choose(2, max_size)
    distinct = [_eigenvalue(choose) for _ in range(choose(1, n))]
    values = [distinct[choose(0, len(distinct) - 1)] for _ in range(n)]
    diagonal = fmpq_mat(n, n)
    for k, v in enumerate(values):
        diagonal[k, k] = fmpq(v.numerator, v.denominator)
    matrix = _rotated(choose, diagonal) if choose(0, 1) == 0 else _sheared(choose, diagonal)
    signs = [(v > 0) - (v < 0) for v in values]
    entries = np.array(matrix.tolist(), dtype=object)
    return Planted(entries, Inertia(*(signs.count(s) for s in (-1, 0, 1))))


def _eigenvalue(choose: Choose) -> Fraction:
    kind = choose(0, 3)
    if kind == 0:
        return Fraction(0)
    size = Fraction(choose(1, 9), choose(1, 9)) / (10 ** choose(12, 30) if kind == 3 else 1)
    return size if choose(0, 1) == 0 else -size


def _rotated(choose: Choose, matrix: Any) -> Any:
    n = matrix.nrows()
    for _ in range(REFLECTIONS):
        v = fmpq_mat(n, 1, [choose(-2, 2) for _ in range(n)])
        square = (v.transpose() * v)[0, 0]
        if square != 0:
            across = matrix * v
            inner = (v.transpose() * across)[0, 0]
            outer = across * v.transpose()
            matrix = (
                matrix
                - (outer + outer.transpose()) * (2 / square)
                + v * v.transpose() * (4 * inner / square**2)
            )
    return matrix


def _sheared(choose: Choose, matrix: Any) -> Any:
    n = matrix.nrows()
    shear = fmpq_mat(np.eye(n, dtype=int).tolist())
    for _ in range(STEPS):
        i, j, factor = choose(0, n - 1), choose(0, n - 1), choose(-2, 2)
        if i != j:
            for k in range(n):
                shear[i, k] = shear[i, k] + factor * shear[j, k]
    return shear.transpose() * matrix * shear


def rounded_inertia(matrix: Array, *, strict: bool) -> Inertia:
    """What NumPy's eigenvalues of the rounded matrix say: by their signs, or by a tolerance.

    The tolerance is that of ``numpy.linalg.matrix_rank``, n · eps · the largest modulus.
    """
    values = np.linalg.eigvalsh(matrix.astype(float))
    tolerance = 0.0 if strict else np.abs(values).max() * len(values) * np.finfo(float).eps
    negative, positive = (int(np.sum(s * values > tolerance)) for s in (-1, 1))
    return Inertia(negative, len(values) - negative - positive, positive)
