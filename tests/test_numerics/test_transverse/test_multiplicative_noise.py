"""Scalar laws of stochastic attraction, against exact sums and quadrature."""

import numpy as np
import pytest
from scipy.integrate import quad

from numerics.transverse.multiplicative_noise import (
    linear_exponent,
    linear_paths,
    quartic_well_density,
    quartic_well_mean_square,
    quartic_well_paths,
    step_exponent,
)
from theory.errors import ShapeError, ValueSystemError


def test_noise_attracts_against_curvature():
    assert linear_exponent(-1.0, 1.0) > 0
    assert linear_exponent(-1.0, 2.0) < 0


@pytest.mark.parametrize(("h", "zeta"), [(-0.5, 1.5), (1.0, 0.0), (0.2, 0.7)])
def test_paths_of_the_linear_equation(h, zeta):
    found = linear_paths(h, zeta, time=4.0, steps=4000, paths=600, seed=1)
    error = zeta / np.sqrt(4.0 * 600)  # (1/t) ζ W(t)
    assert abs(found.mean() - linear_exponent(h, zeta)) < 4 * error + 2e-2


def test_small_steps_are_the_linear_equation():
    eta, h0, s = 1e-3, -0.5, 40.0
    found = step_exponent(eta, [h0 - s, h0 + s], [0.5, 0.5]) / eta
    assert found == pytest.approx(linear_exponent(h0, np.sqrt(eta) * s), rel=5e-3)


def test_large_steps_can_repel():
    # |1 - ηh| far beyond 2/η: noise of that size repels
    assert step_exponent(1.0, [-9.0, 9.0], [0.5, 0.5]) > 0
    assert step_exponent(1.0, [0.5, 1.5], [0.5, 0.5]) == pytest.approx(np.log(0.5))


@pytest.mark.parametrize(("mu", "zeta"), [(1.0, 1.0), (2.0, 0.5), (1.0, 1.3)])
def test_density_of_the_quartic_well(mu, zeta):
    def weighted(theta, power):
        return theta**power * quartic_well_density(np.array(theta), mu, zeta)

    # the density has a power at 0: a change of variable, θ = s⁸
    mass, square = (
        quad(lambda s, k=k: 8 * s**7 * weighted(s**8, k), 0, 2, limit=200)[0] for k in (0, 2)
    )
    assert mass == pytest.approx(1, rel=1e-6)
    assert square == pytest.approx(quartic_well_mean_square(mu, zeta), rel=1e-6)


def test_paths_of_the_quartic_well():
    stays = quartic_well_paths(1.0, 0.8, start=0.1, time=60, steps=3000, paths=400, seed=2)
    squares = np.exp(2 * stays)
    error = squares.std() / np.sqrt(400)
    assert abs(squares.mean() - quartic_well_mean_square(1.0, 0.8)) < 4 * error + 0.01
    falls = quartic_well_paths(1.0, 2.0, start=1.0, time=60, steps=3000, paths=400, seed=3)
    assert abs(falls.mean() + 60) < 4 * 2 * np.sqrt(60 / 400) + 5  # the drift, less a start of O(1)


def test_without_noise_it_is_the_ordinary_equation():
    found = quartic_well_paths(1.0, 0.0, start=0.1, time=2.0, steps=7, paths=1)
    exact = 1 / np.sqrt(1 + (1 / 0.01 - 1) * np.exp(-4.0))
    assert np.exp(found[0]) == pytest.approx(exact, rel=1e-12)


def test_errors_name_the_entry():
    with pytest.raises(ShapeError, match="weights"):
        step_exponent(0.1, [1.0], [0.5, 0.5])
    with pytest.raises(ValueSystemError, match="add up to 1"):
        step_exponent(0.1, [1.0], [0.5])
    with pytest.raises(ValueSystemError, match="positive"):
        quartic_well_paths(1.0, 1.0, start=0.0, time=1, steps=1, paths=1)
    with pytest.raises(ValueSystemError, match="positive"):
        quartic_well_mean_square(0.0, 1.0)
    with pytest.raises(ValueSystemError, match="all mass"):
        quartic_well_density(np.ones(1), 1.0, 1.5)
