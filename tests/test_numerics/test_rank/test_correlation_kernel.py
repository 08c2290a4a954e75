"""Correlation kernels: series against closed forms, and the largest r² - K² against a search."""

import numpy as np
import pytest
import sympy
from flint import arb
from scipy import optimize

from numerics.rank.correlation_kernel import ClosedKernel, SeriesKernel, strongest_decorrelation
from numerics.rank.hermite import hermite_series
from theory.errors import ValueSystemError

R = sympy.Symbol("r")
CLOSED = {
    "relu": (sympy.sqrt(1 - R**2) + R * (sympy.pi - sympy.acos(R)) - 1) / (sympy.pi - 1),
    "sign": 2 * sympy.asin(R) / sympy.pi,
    "erf": sympy.asin(2 * R / 3) / sympy.asin(sympy.Rational(2, 3)),
    "normal_cdf": 6 * sympy.asin(R / 2) / sympy.pi,
    "sin": sympy.sinh(R) / sympy.sinh(1),
}
POINTS = (-1.0, -0.75, -0.125, 0.0, 0.5, 0.9375, 1.0)


@pytest.mark.parametrize("name", CLOSED)
def test_series_against_closed_forms(name):
    series, closed = SeriesKernel(hermite_series(name)), ClosedKernel(CLOSED[name], R)
    for r in POINTS:
        assert series(arb(r)).overlaps(closed(arb(r)))
    assert series(arb(1)).contains(1)
    for r in (-0.5, 0.0, 0.25):
        if name != "sign":
            assert series.slope(arb(r)).overlaps(closed.slope(arb(r)))
            assert series(arb(r)).rad() < 1e-9


@pytest.mark.parametrize(
    "kernel", [SeriesKernel(hermite_series("gelu")), ClosedKernel(CLOSED["relu"], R)]
)
def test_intervals_hold_their_points(kernel):
    rng = np.random.default_rng(0)
    for low, high in np.sort(rng.uniform(-1, 1, (20, 2))):
        whole = arb((low + high) / 2, (high - low) / 2)
        for t in (0.0, 0.3, 1.0):
            point = arb(float(low + t * (high - low)))
            assert kernel(whole).overlaps(kernel(point))
            slope = kernel.slope(whole)
            assert not slope.is_finite() or slope.overlaps(kernel.slope(point))


@pytest.mark.parametrize("name", ["relu", "erf", "sin", "sign"])
@pytest.mark.parametrize("low", [0, -1])
def test_the_peak_against_a_search(name, low):
    kernel = ClosedKernel(CLOSED[name], R)
    f = sympy.lambdify(R, CLOSED[name], "numpy")

    def loss(r):
        return f(r) ** 2 - r * r

    best = max(
        -optimize.minimize_scalar(
            loss, bounds=bounds, method="bounded", options={"xatol": 1e-10}
        ).fun
        for bounds in ((0.01, 0.999999), (-0.999999, -0.01))[: 1 - low]
    )
    best = max(best, -loss(1.0), -loss(float(low)))
    found = strongest_decorrelation(kernel, low=low, tolerance=1e-9)
    assert float(found.value) == pytest.approx(best, abs=1e-8)
    assert found.value.rad() < 1e-9


def test_few_intervals_still_enclose():
    kernel = SeriesKernel(hermite_series("tanh"))
    rough, fine = (strongest_decorrelation(kernel, most=most).value for most in (3, 5000))
    assert rough.contains(fine)
    assert rough.rad() > 100 * fine.rad()


def test_nothing_to_gain():
    for expression in (R, -R):
        found = strongest_decorrelation(ClosedKernel(expression, R), low=-1, most=200)
        assert found.value.contains(0)
        assert found.value < 0.01


def test_unusable_intervals():
    with pytest.raises(ValueSystemError, match="low=0, high=0"):
        strongest_decorrelation(ClosedKernel(R, R), low=0, high=0)
