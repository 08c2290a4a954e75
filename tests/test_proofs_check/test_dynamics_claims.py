"""Helpers of the claims about dynamics, against other ways to compute the same."""

from fractions import Fraction

import numpy as np
import pytest
from scipy import optimize, special, stats

from numerics.losses import MSE
from numerics.tasks import Task
from numerics.train import loss_and_gradient
from proofs_check.claims.e2b_saturation import (
    drift,
    drift_bound,
    ideal_threshold,
    measured_threshold,
    zero_of,
)
from proofs_check.claims.n12_rounding import fitted, growth, leaf
from theory.manifold import block_constant
from theory.partition import make_partition


@pytest.mark.parametrize(
    ("name", "slope"),
    [
        ("SiLU", lambda z: special.expit(z) * (1 + z * special.expit(-z))),
        ("GELU", lambda z: special.ndtr(z) + z * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)),
    ],
)
def test_zeros_of_derivatives(name, slope):
    found = zero_of(name, Fraction(-2), Fraction(0))
    assert abs(float(found) - optimize.brentq(slope, -2, 0, xtol=1e-14)) < 1e-12
    assert found.rad() < 1e-19


def test_thresholds_are_where_rounding_changes():
    for bits in (11, 24, 53):
        last_below_one = 1 - np.ldexp(1.0, -bits)
        assert np.arctanh(last_below_one) < float(ideal_threshold(bits))
    assert measured_threshold("float16") < measured_threshold("float32") < 12


def test_the_drift_is_first_order_in_the_slope_of_tanh():
    # the outputs are 1/2 off on both sides: ∂L/∂b = (tanh'(20.5) - tanh'(21)) / 8
    expected = -(4 * np.exp(-41) - 4 * np.exp(-42)) / 8
    assert abs(float(drift()) / expected - 1) < 1e-6
    assert abs(drift()) < drift_bound() < 100 * abs(drift())


def test_the_leaf_is_at_rest_off_block_constant_weights():
    here = leaf()
    data = Task("in float64", here.data.x.astype(float), here.data.y.astype(float))
    theta = {p: w.astype(float) for p, w in here.at_rest.items()}
    slopes = loss_and_gradient(here.architecture, MSE, theta, data)[1]
    assert max(np.abs(g).max() for g in slopes.values()) < 1e-14
    blocks = make_partition(here.architecture.sizes, {"h1": [[0, 1, 2]], "h2": [[0, 1, 2]]})
    assert here.manifold.squared_distance(here.at_rest) == 0
    assert here.manifold.squared_distance(here.moved) == 0
    assert block_constant(here.architecture, blocks).squared_distance(here.at_rest) > 1
    assert growth() == pytest.approx(0.3796, abs=1e-4)


def test_fitted_lines():
    digits, steps = (8, 12, 20, 31), [100, 155, 280, 390]
    line, expected = fitted(digits, steps), stats.linregress(digits, steps)
    assert line.slope == pytest.approx(expected.slope)
    assert line.constant == pytest.approx(expected.intercept)
    assert line.slope_error == pytest.approx(expected.stderr)
