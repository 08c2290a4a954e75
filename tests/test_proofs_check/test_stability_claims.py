"""Helpers of the claims about stability, against other ways to compute the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.inertia import ExactEigenvalues
from numerics.losses import MSE
from numerics.tasks import Task
from numerics.train import loss_and_gradient
from proofs_check.claims.n3b_inertia import exact_block, negative_count, parts
from proofs_check.cloned_points import CUBIC, draw_point
from proofs_check.networks import chooser
from proofs_check.theorems import from_outcome
from theory.manifold import equitable
from theory.stability.identity import Outcome


@st.composite
def points(draw, phi="phi"):
    return draw_point(lambda low, high: draw(st.integers(low, high)), phi)


@given(points())
def test_the_formula_is_the_inertia(point):
    for block in point.blocks():
        inner, coupling, rest = parts(block)
        assert not any(rest.entries())
        assert negative_count(inner, coupling) == exact_block(block).inertia().negative


def test_the_dense_normal_hessian_is_a_difference_of_gradients():
    point = draw_point(chooser(3), "relu")
    net, task = point.network, point.task
    data = Task("floats", task.x.astype(float), task.y.astype(float))
    theta = {p: w.astype(float) for p, w in point.parameters.items()}
    hessian, gram = point.normal_hessian()
    size = len(hessian)
    assert size == len(gram) > 0
    assert ExactEigenvalues(gram).inertia().positive == size  # N is a basis
    rng = np.random.default_rng(0)
    basis = list(equitable(net, point.partition).normal_basis())
    shapes = net.parameter_shapes
    weights = rng.normal(size=size)
    direction = {p: np.zeros(int(np.prod(s))) for p, s in shapes.items()}
    for c, vector in zip(weights, basis, strict=True):
        for (p, e), v in vector.items():
            direction[p][e] += c * float(v)
    h = 1e-6
    ends = [
        loss_and_gradient(
            net, MSE, {p: theta[p] + s * h * direction[p].reshape(shapes[p]) for p in theta}, data
        )[1]
        for s in (1, -1)
    ]
    numeric = sum(np.sum((ends[0][p] - ends[1][p]).ravel() * direction[p]) for p in shapes) / (
        2 * h
    )
    exact = weights @ hessian.astype(float) @ weights
    assert numeric == pytest.approx(exact, abs=1e-6)  # central differences err by h² and 1e-16 / h


def test_the_polynomial_of_phi_is_cubic_and_vanishes_at_0():
    assert len(CUBIC["phi"]) == 4
    assert CUBIC["phi"][0] == 0


@pytest.mark.parametrize("verdict", ["proved", "refuted", "unknown"])
def test_evidence_has_the_verdict_of_the_outcome(verdict):
    evidence = from_outcome(Outcome(verdict, "because"), "everywhere", "a = b")
    assert evidence.verdict.value == verdict
    assert "because" in evidence.detail
