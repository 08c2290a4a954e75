"""Hermite series against other quadratures, and the bounds that their proofs rest on."""

from fractions import Fraction
from math import factorial

import flint
import mpmath
import numpy as np
import pytest
from flint import acb, arb
from scipy import integrate, special

from numerics.rank.analytic import TABLE, Growth, Kinked, Smooth, analytic
from numerics.rank.gaussian import smooth_moments
from numerics.rank.hermite import hermite_series
from theory.activation import activation, leaky_relu
from theory.errors import ValueSystemError

SMOOTH = {name: function for name, function in TABLE.items() if isinstance(function, Smooth)}
FLOATS = {
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "softplus": lambda u: np.logaddexp(0, u),
    "silu": lambda u: u * special.expit(u),
    "gelu": lambda u: u * special.ndtr(u),
    "normal_cdf": special.ndtr,
    "erf": special.erf,
    "sin": np.sin,
    "relu": lambda u: np.maximum(u, 0),
    "elu": lambda u: np.where(u > 0, u, np.expm1(np.minimum(u, 0))),
    "step": lambda u: np.where(u > 0, 1.0, 0.0),
    "sign": np.sign,
}
AFFINE = [(Fraction(1), Fraction(0)), (Fraction(3, 2), Fraction(1, 3)), (Fraction(1, 4), -1)]


def quadrature(f, a, b, k):
    """∫ f(az + b) he_k(z) ϕ(z) dz in float64, split at the kink."""
    kink = float(-b / a)

    def integrand(z):
        he = special.eval_hermitenorm(k, z) / np.sqrt(factorial(k))
        return f(float(a) * z + float(b)) * he * np.exp(-z * z / 2) / np.sqrt(2 * np.pi)

    parts = [(-12, kink), (kink, 12)]
    return sum(integrate.quad(integrand, *part, limit=200, epsabs=1e-13)[0] for part in parts)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(("a", "b"), AFFINE)
def test_moments_against_adaptive_quadrature(name, a, b):
    found = hermite_series(name, scale=a, shift=b, degree=6, digits=20)
    f = FLOATS[name]
    for k, ball in enumerate(found.coefficients):
        assert float(ball) == pytest.approx(quadrature(f, a, b, k), abs=1e-10)
    assert float(found.second_moment) == pytest.approx(
        quadrature(lambda u: f(u) ** 2, a, b, 0), abs=1e-10
    )


def test_steep_functions_get_steps_as_short_as_they_need():
    found = hermite_series("erf", scale=100, degree=1, digits=8)
    expected = 100 * 2 / np.sqrt(np.pi * (1 + 2 * 100**2))
    assert float(found.coefficients[1]) == pytest.approx(expected, rel=1e-12)
    assert found.coefficients[1].rel_accuracy_bits() > 27


def test_tanh_to_thirty_digits_against_another_library():
    found = hermite_series("tanh", degree=40, digits=30)
    with mpmath.workdps(45):
        for k in (7, 39):
            expected = 2 * mpmath.quad(
                lambda z, k=k: (
                    mpmath.tanh(z) * mpmath.hermite(k, z / mpmath.sqrt(2)) * mpmath.npdf(z)
                ),
                [0, 2, 4, 7, 11, 20],
            )
            expected /= mpmath.sqrt(mpmath.mpf(2) ** k * mpmath.factorial(k))
            ball = found.coefficients[k]
            middle = mpmath.mpf(ball.mid().str(45, radius=False))
            assert abs(middle - expected) < abs(expected) * mpmath.mpf(10) ** -30
            assert ball.rel_accuracy_bits() > 100


@pytest.mark.parametrize("name", FLOATS)
def test_slope_moments_against_differences(name):
    function = TABLE[name]
    found = hermite_series(name, scale="3/2", shift="1/4", degree=1, digits=15)
    if isinstance(function, Kinked) and function.slope_growth is None:
        assert found.slope_moment is None
        assert not found.decorrelation.is_finite()
        return
    f, step = FLOATS[name], 1e-5
    expected = quadrature(
        lambda u: ((f(u + step) - f(u - step)) / (2 * step)) ** 2, Fraction(3, 2), Fraction(1, 4), 0
    )
    assert found.slope_moment is not None
    assert float(found.slope_moment) == pytest.approx(2.25 * expected, rel=1e-4)


@pytest.mark.parametrize("name", SMOOTH)
def test_growth_bounds_on_the_strip(name):
    """|φ(x + iy)| ≤ A + B|x| and the same of φ' at many points, complex formulas of their own."""
    function = SMOOTH[name]
    d = float(function.strip)
    formulas = {"softplus": lambda u: (1 + u.exp()).log()}
    value = formulas.get(name, function.value)
    for x in np.linspace(-9, 9, 73):
        for y in np.linspace(-d, d, 9):
            u = acb(float(x), float(y))
            for f, growth in ((value, function.growth), (function.slope, function.slope_growth)):
                bound = float(growth.constant) + float(growth.linear) * abs(x)
                assert abs(f(u)).lower() <= bound, (x, y)


def test_a_strip_beyond_the_poles_breaks_the_enclosure():
    tanh = SMOOTH["tanh"]
    good, wrong = (
        smooth_moments(tanh.value, tanh.growth, strip, Fraction(2), Fraction(0), degree=1, bits=60)
        for strip in (tanh.strip, Fraction(4))
    )
    assert not good[1].overlaps(wrong[1])


def test_integrals_of_squares_of_hermite_polynomials_off_the_axis():
    """∫ |he_k(x + iy)|² ϕ(x) dx = L_k(-y²), by Gauss and Hermite's quadrature."""
    nodes, weights = special.roots_hermitenorm(40)
    for k in (0, 1, 3, 8):
        for y in (0.3, 1.7):
            he = np.polynomial.hermite_e.hermeval(nodes + 1j * y, [0] * k + [1])
            found = (abs(he) ** 2 @ weights) / np.sqrt(2 * np.pi) / factorial(k)
            assert found == pytest.approx(special.eval_laguerre(k, -y * y))


def test_hermite_functions_below_their_bound():
    x = np.linspace(0, 30, 400)
    for k in (0, 1, 5, 40, 90):
        he = special.eval_hermitenorm(k, x) / np.sqrt(float(factorial(k)))
        density = np.exp(-x * x / 2) / np.sqrt(2 * np.pi)
        assert np.all(abs(he) * density <= 2 ** (k / 2 - 1) * np.exp(-x * x / 3) * (1 + 1e-9))


@pytest.mark.parametrize("name", [*FLOATS, "leaky_relu"])
def test_precisions_agree_and_weights_add_up(name):
    low = hermite_series(name, degree=12, digits=12)
    high = hermite_series(name, degree=20, digits=40)
    for a, b in zip(low.coefficients, high.coefficients, strict=False):
        assert a.overlaps(b)
    assert high.rest <= low.rest + arb(1e-10)
    assert abs(sum(high.weights, arb(0)) + high.rest - 1) < 1e-9
    if high.slope_moment is not None:  # Parseval for φ'
        partial = sum((k * w for k, w in enumerate(high.weights)), arb(0))
        assert partial <= high.decorrelation + 1 + arb(1e-10)


def test_symmetries_are_exact():
    assert all(a == 0 for a in hermite_series("tanh", degree=6).coefficients[::2])
    gelu = hermite_series("gelu", degree=7).coefficients
    assert gelu[1] == arb(0.5)
    assert gelu[3] == gelu[5] == gelu[7] == 0
    shifted = hermite_series("gelu", degree=3, shift="1/7").coefficients
    assert abs(shifted[3]) > 1e-3


def test_symbols_and_slopes():
    by_symbol = hermite_series(activation("relu"), degree=3)
    assert all(
        a.overlaps(b)
        for a, b in zip(
            by_symbol.coefficients, hermite_series("relu", degree=3).coefficients, strict=True
        )
    )
    half = hermite_series(leaky_relu(Fraction(1, 2)), degree=2)
    assert half.coefficients[1] == arb(0.75)
    assert hermite_series(leaky_relu(-1), degree=1).coefficients[1] == 0
    assert "leaky_relu[1/2]" in repr(half)
    assert "<table>" in half._repr_html_()


def test_the_global_precision_is_left_alone():
    before = flint.ctx.prec
    hermite_series("silu", degree=2).decorrelation.str(3)
    assert flint.ctx.prec == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"activation": "phi"}, "activation 'phi': no bounds are known; there are tanh"),
        ({"activation": "tanh", "scale": 0}, "scale=0: a scale is positive"),
        ({"activation": "tanh", "degree": 0}, "degree=0, digits=30"),
        ({"activation": activation("exp")}, "'exp': no bounds"),
    ],
)
def test_unusable_arguments(arguments, message):
    with pytest.raises(ValueSystemError, match=message):
        hermite_series(**arguments)


def test_growth_along_a_line():
    assert Growth(Fraction(1), Fraction(2)).along(Fraction(3), Fraction(-1)) == Growth(
        Fraction(3), Fraction(6)
    )
    assert isinstance(analytic(leaky_relu()), Kinked)
