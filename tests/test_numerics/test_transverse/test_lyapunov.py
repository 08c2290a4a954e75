"""Lyapunov exponents of products against closed forms, and the coverage of their error bars."""

import numpy as np
import pytest
from scipy.special import digamma

from numerics.transverse.lyapunov import (
    LyapunovExponents,
    block_error,
    lyapunov_exponents,
    random_frame,
)
from theory.errors import ShapeError, ValueSystemError
from theory.stability_class import attraction


def exponents(matrices, k, **options):
    """Of matrices ``(steps, *lead, n, n)``."""
    rng = np.random.default_rng(99)
    frame = random_frame(rng, matrices.shape[1:-2], matrices.shape[-1], k)
    return lyapunov_exponents((a.__matmul__ for a in matrices), frame, **options)


def test_commuting_steps():
    rng = np.random.default_rng(0)
    eta, basis = 0.3, random_frame(rng, (), 3, 3)
    h = rng.normal([2.0, 0.5, -1.0], 0.5, size=(3000, 3))
    steps = (basis * (1 - eta * h)[:, None, :]) @ basis.T
    found = exponents(steps, 3, discard=300)
    expected = np.sort(np.log(np.abs(1 - eta * h[300:])).mean(axis=0))[::-1]
    # the frame has settled to rounding, but for the last steps of the average
    assert np.allclose(found.values, expected, atol=1e-3)
    low, high = found.interval(0.999)
    assert (low < expected).all()
    assert (expected < high).all()


def test_sum_of_all_exponents_is_the_determinant():
    rng = np.random.default_rng(1)
    steps = rng.normal(size=(200, 5, 4, 4))
    found = exponents(steps, 4)
    determinants = np.log(np.abs(np.linalg.det(steps))).mean(axis=0)
    assert np.allclose(found.values.sum(axis=-1), determinants, rtol=1e-10)


def test_rotations_do_not_stretch():
    angles = np.random.default_rng(2).uniform(0, 2 * np.pi, size=500)
    rotations = np.array([[[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in angles])
    found = exponents(0.9 * rotations, 2)
    assert np.allclose(found.values, np.log(0.9), atol=1e-14)
    assert found.errors.max() < 1e-14


@pytest.mark.parametrize("n", [2, 3, 5])
def test_gaussian_matrices(n):
    steps = np.random.default_rng(n).normal(size=(1500, 24, n, n))
    found = exponents(steps, n, discard=50).pooled()
    k = np.arange(n)
    expected = (np.log(2) + digamma((n - k) / 2)) / 2  # Newman 1986
    z = np.abs(found.values - expected) / found.errors
    assert z.max() < 4.5  # 99.99 % of Student's distribution with 23 degrees of freedom
    assert found.errors.max() < 0.01
    # ½ ln n, the rate of the mean square, is 1/n too large
    assert (np.log(n) / 2 - found.values[0]) / found.errors[0] > 10


def test_intervals_cover():
    steps = np.random.default_rng(5).normal(size=(400, 600, 2, 2))
    found = exponents(steps, 1, discard=20)
    low, high = found.interval(0.95)
    expected = (np.log(2) + digamma(1.0)) / 2
    covered = np.mean((low < expected) & (expected < high))
    assert covered > 0.93  # 0.95 less twice its own deviation, and more: the errors are cautious


def test_errors_of_correlated_entries():
    # x_t = ρ x_{t-1} + ξ has variance 1/(1-ρ²) and the mean's error 1/(1-ρ)/√T
    rho, steps, members = 0.9, 4096, 300
    noise = np.random.default_rng(6).normal(size=(steps, members))
    series = np.zeros_like(noise)
    series[0] = noise[0] / np.sqrt(1 - rho**2)
    for t in range(1, steps):
        series[t] = rho * series[t - 1] + noise[t]
    found, true = block_error(series), 1 / (1 - rho) / np.sqrt(steps)
    naive = series.std(axis=0, ddof=1) / np.sqrt(steps)
    assert np.median(naive) < 0.3 * true
    assert 0.9 * true < np.median(found) < 1.5 * true
    assert np.mean(np.abs(series.mean(axis=0)) < 2.13 * found) > 0.92


def test_a_singular_product_has_minus_infinity():
    found = exponents(np.tile(np.diag([0.5, 0.0]), (20, 1, 1)), 2, discard=1)
    assert found.values[0] == pytest.approx(np.log(0.5))
    assert found.values[1] == -np.inf
    low, high = found.interval()
    assert low[1] == high[1] == -np.inf
    assert attraction(low[1], high[1]) == "attracts"
    together = exponents(np.tile(np.diag([0.5, 0.0]), (20, 3, 1, 1)), 2, discard=1).pooled()
    assert together.interval()[1][1] == -np.inf


def test_time_is_the_unit():
    steps = np.tile(np.diag([1.1]), (20, 1, 1))
    assert exponents(steps, 1, time=0.1).values[0] == pytest.approx(np.log(1.1) / 0.1)


def test_errors_name_the_entry():
    with pytest.raises(ShapeError, match="k ≤ n"):
        lyapunov_exponents([], np.ones((1, 2)))
    with pytest.raises(ShapeError, match="k=3"):
        random_frame(np.random.default_rng(0), (), 2, 3)
    with pytest.raises(ValueSystemError, match="at least 16"):
        exponents(np.ones((20, 1, 1)), 1, discard=5)
    with pytest.raises(ValueSystemError, match="16"):
        block_error(np.ones(3))
    single = LyapunovExponents(np.array([1.0]), np.array([0.1]), 15, 100)
    with pytest.raises(ShapeError, match="members"):
        single.pooled()
    with pytest.raises(ValueSystemError, match="between 0 and 1"):
        single.interval(1.5)
