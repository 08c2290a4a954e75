"""How fast two solutions of a gradient flow part: the logarithmic norm of its Jacobian.

The Jacobian of f = -∇L is symmetric. If its eigenvalues are at most μ on a convex set that two
solutions do not leave, then |x(t) - y(t)| ≤ e^{μt} |x(0) - y(0)| in the Euclidean norm, with a
negative μ where they meet: f(x) - f(y) = ∫ J(y + s(x - y)) (x - y) ds, so the derivative of
|x - y| is at most μ |x - y| (G. Dahlquist, Stability and error bounds in the numerical integration
of ordinary differential equations, 1959). One number bounds the error of all parameters: a ball
does not wrap, whatever way the flow turns it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import flint
import numpy as np
from flint import arb, arb_mat

from numerics.evaluate import Evaluator
from numerics.systems.ball import Ball
from numerics.systems.objects import filled
from numerics.systems.system import Array
from theory.backprop import TANGENT, pushforward
from theory.graph import Graph

BITS = 64


class Separation:
    """The logarithmic norm of a gradient field over boxes of parameters.

    Args:
        field: outputs ``rate:p`` = -∂L/∂p.
        shapes: of the parameters.
        data: the other inputs of the field.
    """

    def __init__(
        self, field: Graph, shapes: Mapping[str, tuple[int, ...]], data: Mapping[str, Array]
    ) -> None:
        self._shapes = dict(shapes)
        known = {p: s for p, s in self._shapes.items() if p in field.parameter_shapes}
        self._evaluator = Evaluator(pushforward(field), Ball(bits=BITS), lead=1)
        size = sum(prod(s) for s in self._shapes.values())
        self._given = dict(data)
        start = 0
        for p, shape in self._shapes.items():
            directions = np.zeros((size, *shape), dtype=np.int64)
            columns = directions.reshape(size, -1)
            for k in range(columns.shape[1]):
                columns[start + k, k] = 1
            start += columns.shape[1]
            if p in known:
                self._given[f"{TANGENT}:{p}"] = Ball(bits=BITS).array(directions)

    def __call__(self, box: Mapping[str, Array]) -> Any:
        """A number that no eigenvalue of the Jacobian exceeds, at no point of the box.

        It is not finite where the field is not known to be defined.
        """
        found = self._evaluator({**self._given, **box})
        rows = [found[f"{TANGENT}:rate:{p}"] for p in self._shapes]
        size = max(len(a) for a in rows)
        flat = [np.broadcast_to(a, (size, *a.shape[1:])).reshape(size, -1) for a in rows]
        return largest_eigenvalue(np.concatenate(flat, axis=1))


def largest_eigenvalue(matrix: Array) -> Any:
    """An upper bound of the eigenvalues of every symmetric matrix in a square array of balls.

    Let M be the midpoints, E what the balls leave open, Q nearly orthogonal and B = Qᵀ M Q. With
    y = Q⁻¹x, xᵀMx = yᵀBy and |x|² = yᵀQᵀQy, which lies within ‖QᵀQ - I‖ of |y|²; B is bounded by
    Gershgorin's theorem, E by its row sums.

    >>> float(largest_eigenvalue(Ball().array([[0, 1], [1, 0]]))) < 1 + 1e-9
    True
    """
    size = len(matrix)
    middle = np.array([[float(x.mid()) for x in row] for row in matrix]).reshape(size, size)
    if not np.isfinite(middle).all():
        return arb("inf")
    symmetric = (middle + middle.T) / 2
    vectors = np.linalg.eigh(symmetric)[1]
    with flint.ctx.workprec(BITS):
        open_ = np.abs(matrix - filled([arb(x) for x in symmetric.ravel()], (size, size)))
        Q = arb_mat(size, size, [arb(x) for x in vectors.ravel()])
        M = arb_mat(size, size, [arb(x) for x in symmetric.ravel()])
        B = _entries(Q.transpose() * M * Q)
        S = np.abs(_entries(Q.transpose() * Q) - filled(_identity(size), (size, size)))
        rows = np.abs(B).sum(axis=1)
        discs = [rows[k] - abs(B[k, k]) + B[k, k] for k in range(size)]
        largest = _largest(discs)
        defect = _largest(S.sum(axis=1))
        if not defect < 1:
            return arb("inf")
        bound = _largest([largest / (1 - defect), largest / (1 + defect)])
        spread = _largest((open_ + open_.T).sum(axis=1)) / 2
        return (bound + spread).upper()


def _identity(size: int) -> list[Any]:
    return [arb(int(i == j)) for i in range(size) for j in range(size)]


def _entries(matrix: Any) -> Array:
    return filled(matrix.entries(), (matrix.nrows(), matrix.ncols()))


def _largest(values: Any) -> Any:
    """An upper bound of the largest."""
    found = arb("-inf")
    for x in values:
        if not x.is_finite():
            return arb("inf")
        found = max(found, x.upper())
    return found
