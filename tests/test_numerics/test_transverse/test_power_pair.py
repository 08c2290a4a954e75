"""Clones of degree p under label noise: signs, leading order, and what training keeps."""

import numpy as np
import pytest

from numerics.transverse.power_pair import DEGREES, leading_exponents, power_pair_exponents
from theory.errors import ValueSystemError


def found(degree, weight, rate, *, steps=400, noise=1.0, seeds=range(8)):
    return power_pair_exponents(
        degree, weight=weight, noise=noise, rate=rate, steps=steps, discard=200, seeds=seeds
    )


def test_without_noise_all_exponents_vanish():
    for degree in DEGREES:
        values = found(degree, 0.8, 0.05, noise=0.0, seeds=range(2)).values
        assert np.allclose(values, 0, atol=1e-12)


def test_signs():
    assert found(0.5, 1.0, 0.2).pooled().interval(0.999)[0][0] > 0
    assert found(2.0, 0.5, 0.1).pooled().interval(0.999)[1][0] < 0


def test_degree_two_has_two_equal_exponents_to_leading_order():
    rates = (0.02, 0.04)
    ratios = [
        found(2.0, 0.5, r, steps=1500).pooled().values[0] / leading_exponents(2.0, 0.5, 1.0, r)[0]
        for r in rates
    ]
    # a line through two rates meets 1 at 0
    assert 2 * ratios[0] - ratios[1] == pytest.approx(1, abs=0.05)
    top, bottom = leading_exponents(2.0, 0.5, 1.0, 0.02)
    assert top == bottom


def test_sum_of_the_exponents_is_negative_whatever_the_degree():
    # the mean of ln(1 - ηpK)(1 + ηK): for p = 1 that of ln(1 - η²K²)
    values = found(1.0, 1.0, 0.2).pooled().values
    assert values.sum() < -0.01


def test_an_unknown_degree_is_an_error():
    with pytest.raises(ValueSystemError, match="degrees are"):
        found(1.5, 1.0, 0.1)
