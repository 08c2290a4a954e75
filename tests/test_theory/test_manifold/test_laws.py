"""What every manifold obeys, whatever it is made of; all of it exact."""

from fractions import Fraction
from itertools import product
from math import prod, sqrt
from random import Random

import numpy as np
import pytest
from flint import nmod_mat
from hypothesis import given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.systems.rational import Rational
from proofs_check.drawing.networks import draw_rationals
from proofs_check.strategies import points
from tests.test_theory.test_manifold.drawn import manifolds, with_points
from tests.test_theory.test_manifold.linear_algebra import (
    dense,
    rank,
    residual,
    squared_distance,
    starts,
)
from theory.errors import ManifoldError
from theory.tracing import trace

PRIME = 2**31 - 1


def free_units(manifold):
    """The coordinates 0 and the unit coordinates."""
    names = [(n, k) for n, shape in manifold.free_shapes.items() for k in range(prod(shape))]
    for chosen in [None, *names]:
        free = {n: np.zeros(prod(s), dtype=object) for n, s in manifold.free_shapes.items()}
        if chosen is not None:
            free[chosen[0]][chosen[1]] = 1
        yield {n: free[n].reshape(s) for n, s in manifold.free_shapes.items()}


@given(st.data())
def test_embedded_points_satisfy_the_constraints(data):
    manifold = data.draw(manifolds)
    point = data.draw(points(manifold))
    assert {p: np.shape(v) for p, v in point.items()} == dict(manifold.shapes)
    assert not any(residual(manifold, point))


@given(manifolds)
def test_constraints_are_independent_and_complete(manifold):
    normals = list(manifold.normal_basis())
    total = sum(prod(shape) for shape in manifold.shapes.values())
    assert len(normals) == rank(normals, manifold.shapes) == manifold.codimension
    assert manifold.dimension + manifold.codimension == total


@given(manifolds)
def test_tangent_and_normal_basis_span_orthogonal_complements(manifold):
    tangents, normals = list(manifold.tangent_basis()), list(manifold.normal_basis())
    assert len(tangents) == rank(tangents, manifold.shapes) == manifold.dimension
    if tangents and normals:
        grams = dense(tangents, manifold.shapes) * dense(normals, manifold.shapes).transpose()
        assert not any(grams.entries())


@given(manifolds)
def test_uniform_coordinates_reach_the_whole_manifold(manifold):
    """The coordinate map has full rank, also modulo a prime that divides no denominator."""
    origin, *images = (manifold.embed(free) for free in free_units(manifold))
    start, total = starts(manifold.shapes)
    rows = [
        [int(a - b) for p in start for a, b in zip(v[p].ravel(), origin[p].ravel(), strict=True)]
        for v in images
    ]
    entries = [entry for row in rows for entry in row]
    assert nmod_mat(len(rows), total, entries, PRIME).rank() == manifold.dimension


@given(with_points())
def test_projection_is_orthogonal_and_idempotent(drawn):
    manifold, (theta, _) = drawn
    nearest = manifold.project(theta)
    assert not any(residual(manifold, nearest))
    again = manifold.normal_part(nearest)
    assert not any(v for p in again for v in again[p].ravel())
    normal = manifold.normal_part(theta)
    for tangent in manifold.tangent_basis():
        assert sum(c * normal[p].ravel()[e] for (p, e), c in tangent.items()) == 0


@given(with_points(count=1))
def test_distance_is_that_of_dense_least_squares(drawn):
    manifold, (theta,) = drawn
    exact = squared_distance(manifold, theta)
    assert manifold.squared_distance(theta) == exact
    floats = {p: v.astype(float) for p, v in theta.items()}
    # Entries are at most 3, and projections do not lengthen: each of the fewer than 200 entries
    # is off by at most a few hundred roundings of numbers below 100.
    assert manifold.distance(floats) == pytest.approx(sqrt(exact), abs=1e-9)


@given(with_points(count=4))
def test_leading_axes_are_kept(drawn):
    manifold, thetas = drawn
    stacked = {
        p: np.stack([t[p] for t in thetas]).reshape(2, 2, *s) for p, s in manifold.shapes.items()
    }
    together = manifold.normal_part(stacked)
    for place, theta in zip(np.ndindex(2, 2), thetas, strict=True):
        alone = manifold.normal_part(theta)
        assert all((together[p][place] == alone[p]).all() for p in alone)
    assert manifold.squared_distance(stacked).shape == (2, 2)


@given(st.data())
def test_coordinates_may_have_leading_axes(data):
    manifold = data.draw(manifolds)
    rng = Random(data.draw(st.integers(0, 10**6)))
    frees = [draw_rationals(rng.randint, manifold.free_shapes) for _ in range(3)]
    stacked = {n: np.stack([f[n] for f in frees]) for n in manifold.free_shapes}
    together = manifold.embed(stacked)
    for k, free in enumerate(frees):
        alone = manifold.embed(free)
        for p in alone:
            own = together[p][k] if together[p].ndim > alone[p].ndim else together[p]
            assert (own == alone[p]).all()


@given(st.data())
def test_coordinates_may_be_traced(data):
    manifold = data.draw(manifolds.filter(lambda m: m.dimension > 0))
    rng = Random(data.draw(st.integers(0, 10**6)))
    free = draw_rationals(rng.randint, manifold.free_shapes)
    graph = trace(lambda p, x: manifold.embed(p), manifold.free_shapes, {})
    system = Rational()
    values = Evaluator(graph, system)({n: system.array(v) for n, v in free.items()})
    direct = manifold.embed(free)
    for p, value in values.items():
        found = [Fraction(int(v.p), int(v.q)) for v in value.ravel()]
        assert found == direct[p].ravel().tolist()


@given(manifolds)
def test_normal_tests_span_the_normal_space(manifold):
    vectors = []
    for test in manifold.normal_tests():
        shapes = {f.name: f.free_shape for fs in test.factors.values() for f in fs}
        for place in product(*(range(prod(shape)) for shape in shapes.values())):
            units = {}
            for (name, shape), k in zip(shapes.items(), place, strict=True):
                unit = np.zeros(prod(shape), dtype=object)
                unit[k] = 1
                units[name] = unit.reshape(shape)
            vectors.append(_member(test, units, manifold.shapes))
    normals = list(manifold.normal_basis())
    together = rank([*vectors, *normals], manifold.shapes)
    assert rank(vectors, manifold.shapes) == together == manifold.codimension


def _member(test, units, shapes):
    """The normal vector Σ_p ⊗ factors(p) of given free entries, sparse."""
    vector: dict[tuple[str, int], Fraction] = {}
    for p, factors in test.factors.items():
        tensor = np.ones(shapes[p], dtype=object)
        for factor in factors:
            part = factor.embed(units[factor.name])
            shape = [n if k in factor.axes else 1 for k, n in enumerate(shapes[p])]
            tensor = tensor * part.reshape(shape)
        vector |= {
            (p, e): Fraction(v) for e, v in enumerate(np.asarray(tensor, dtype=object).ravel()) if v
        }
    return vector


@given(st.data())
def test_arrays_that_do_not_fit_are_refused(data):
    manifold = data.draw(manifolds)
    theta = {p: np.zeros(shape) for p, shape in manifold.shapes.items()}
    p = data.draw(st.sampled_from(sorted(q for q in theta if theta[q].ndim)))
    with pytest.raises(ManifoldError, match=f"{p!r} has shape"):
        manifold.normal_part({**theta, p: np.zeros((*manifold.shapes[p], 97))})
    with pytest.raises(ManifoldError, match=f"{p!r} is missing"):
        manifold.normal_part({q: v for q, v in theta.items() if q != p})
    if manifold.free_shapes:
        with pytest.raises(ManifoldError, match="is missing, an array of shape"):
            manifold.embed({})
