"""Dense exact linear algebra by FLINT: the reference for what manifolds compute sparsely."""

from fractions import Fraction
from math import prod

import numpy as np
from flint import fmpq, fmpq_mat


def starts(shapes):
    """Where each parameter begins in the flat vector, and the length of that vector."""
    found, total = {}, 0
    for p, shape in shapes.items():
        found[p], total = total, total + prod(shape)
    return found, total


def dense(vectors, shapes):
    """Rows of sparse vectors as a matrix of FLINT rationals."""
    start, total = starts(shapes)
    rows = []
    for vector in vectors:
        row = [fmpq(0)] * total
        for (p, e), c in vector.items():
            row[start[p] + e] += fmpq(c.numerator, c.denominator)
        rows.append(row)
    return fmpq_mat(len(rows), total, [c for row in rows for c in row])


def column(theta, shapes):
    """A point as a column."""
    entries = [v for p in shapes for v in np.ravel(np.asarray(theta[p], dtype=object))]
    rationals = [fmpq(Fraction(v).numerator, Fraction(v).denominator) for v in entries]
    return fmpq_mat(len(rationals), 1, rationals)


def rank(vectors, shapes):
    """Rank of sparse vectors."""
    return dense(list(vectors), shapes).rank()


def residual(manifold, theta):
    """A θ - b as a list of rationals."""
    rows = list(manifold.constraints())
    image = dense([row.terms for row in rows], manifold.shapes) * column(theta, manifold.shapes)
    return [
        Fraction(int(image[k, 0].p), int(image[k, 0].q)) - row.value for k, row in enumerate(rows)
    ]


def squared_distance(manifold, theta):
    """(A θ - b)ᵀ (A Aᵀ)⁻¹ (A θ - b)."""
    rows = list(manifold.constraints())
    if not rows:
        return Fraction(0)
    a = dense([row.terms for row in rows], manifold.shapes)
    entries = [fmpq(v.numerator, v.denominator) for v in residual(manifold, theta)]
    r = fmpq_mat(len(entries), 1, entries)
    value = (r.transpose() * (a * a.transpose()).solve(r))[0, 0]
    return Fraction(int(value.p), int(value.q))
