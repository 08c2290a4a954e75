"""Helpers of the claims about stability, against other ways to compute the same."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from flint import fmpq, fmpq_mat
from hypothesis import given
from hypothesis import strategies as st

from numerics.losses import MSE
from numerics.spectrum.inertia import ExactEigenvalues
from numerics.tasks import Task
from numerics.train import loss_and_gradient
from proofs_check.claims.n3b_inertia import exact_block, negative_count, parts
from proofs_check.claims.n4b_decay import DECAY, slope, with_decay
from proofs_check.claims.n4c_discrete import BETA, ETA, KAPPA, RULES, growth, step_matrix
from proofs_check.claims.p8_categories import EXAMPLES
from proofs_check.drawing.cloned_points import CUBIC, draw_point
from proofs_check.drawing.networks import chooser
from proofs_check.drawing.regularised_points import (
    DEGREES,
    draw_regularised_point,
    solution,
    tanh_point,
)
from proofs_check.theorems import from_outcome
from theory.manifold import equitable
from theory.outcome import Outcome


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


@pytest.mark.parametrize("phi", ["relu", "leaky_relu", "phi"])
def test_planted_points_are_critical_and_their_units_balanced(phi):
    found = [draw_regularised_point(chooser(seed), phi, DECAY) for seed in range(40)]
    planted = [point for point in found if point is not None]
    assert len(planted) > 3
    for point in planted[:3]:
        assert slope(point) == 0
        into = (point.parameters["W1"] ** 2).sum(axis=0)
        out = (point.parameters["W2"] ** 2).sum(axis=1)
        assert (into == DEGREES[phi] * out).all()


def test_the_examples_are_where_the_formulas_of_b_and_g_put_them():
    """B = δ₁ / 2 and G = 19/16 δ₁ + 5/2 δ₂ in the network 1-2-1 with a = 1."""
    for example in EXAMPLES:
        (block,) = example.point().blocks()
        inner, coupling, rest = parts(block)
        one, two = (Fraction(d) for d in example.slopes)
        assert Fraction(str(inner[0, 0])) == one / 2
        assert Fraction(str(coupling[0, 0])) == Fraction(19, 16) * one + Fraction(5, 2) * two
        assert rest[0, 0] == 0


def test_an_unbalanced_unit_has_no_critical_point():
    """The equations Jᵀδ = -λθ contradict Euler's identity there."""
    assert solution(fmpq_mat([[1, 1], [2, 3]])) is None
    assert solution(fmpq_mat([[2, 0, 1], [0, 0, 0]])) == [fmpq(1, 2), 0]


def test_decay_shifts_the_dense_normal_hessian():
    point = draw_point(chooser(5))
    size = with_decay(point, Fraction(0)).size
    assert with_decay(point, Fraction(10**9)).positive == size
    assert with_decay(point, Fraction(-(10**9))).negative == size


@pytest.mark.parametrize("incoming", [Fraction(1, 2), Fraction(2)])
def test_the_tanh_point_is_at_rest(incoming):
    network, theta, task = tanh_point(DECAY, 128, incoming)
    floats = {p: np.array([[float(v) for v in row] for row in w]) for p, w in theta.items()}
    data = Task("floats", np.array([[1.0]]), np.array([[float(task.y[0, 0])]]))
    slopes = loss_and_gradient(network, MSE, floats, data)[1]
    for p, w in floats.items():
        assert np.allclose(slopes[p] + float(DECAY) * w, 0, atol=1e-15)


def test_step_matrices_are_those_of_the_update_rules():
    """Iterating the optimizer's rule on numbers gives the powers of the matrix."""
    eta, beta, kappa = 0.3, 0.7, 2.0
    for method, rule in RULES.items():
        numbers = {ETA: eta, BETA: beta, KAPPA: kappa}
        matrix = np.array(step_matrix(method).subs(numbers), dtype=float)
        state = np.array([1.0, 0.5])[: len(matrix)]
        moved, kept = rule.rule(1.0, kappa * 1.0, {"m": 0.5}, {"rate": eta, "momentum": beta})
        expected = [moved, *([kept["m"]] if method != "gd" else [])]
        assert np.allclose(matrix @ state, expected)


def test_errors_grow_by_the_largest_root():
    found = growth(Fraction(1, 2), Fraction(101, 100), Fraction(1))
    assert found.is_real
    assert found.error < 1e-8
    assert found.mean > 1


@pytest.mark.parametrize("verdict", ["proved", "refuted", "unknown"])
def test_evidence_has_the_verdict_of_the_outcome(verdict):
    evidence = from_outcome(Outcome(verdict, "because"), "everywhere", "a = b")
    assert evidence.verdict.value == verdict
    assert "because" in evidence.detail
