"""Closed forms of Gaussian expectations: proved ones have no defect, planted errors do."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy
from scipy import special

from theory.activation import leaky_relu as leaky_symbol
from theory.activation import relu
from theory.errors import ValueSystemError
from theory.rank_gain import exact_hermite
from theory.rank_gain.hermite import R, smoothing_defects
from theory.rank_gain.smoothing import TABLE, density, hermite, leaky_relu, polynomial

X = sympy.Symbol("x")
FORMS = {
    **TABLE,
    "leaky_relu": leaky_relu(sympy.Rational(1, 100)),
    "cubic": polynomial(X**3 - 2 * X**2 + 1, X),
    "constant": polynomial(sympy.Integer(3), X),
}
NODES, WEIGHTS = special.roots_hermitenorm(120)


@pytest.mark.parametrize("name", FORMS)
def test_no_defects(name):
    assert smoothing_defects(FORMS[name], 3) == ()


@pytest.mark.parametrize(
    ("planted", "defect"),
    [
        ({"smoothed": lambda mu, v: sympy.exp(mu + v)}, "the heat equation"),
        ({"smoothed": lambda mu, v: 2 * sympy.exp(mu + v / 2)}, "the initial value for μ > 0"),
        ({"value": lambda x: sympy.Piecewise((sympy.exp(x), x > 0), (0, True))}, "value for μ < 0"),
        ({"moment": lambda k, a, b: a ** (k + 1) * sympy.exp(b + a**2 / 2)}, "moment of degree 0"),
    ],
)
def test_planted_errors(planted, defect):
    assert any(defect in found for found in smoothing_defects(replace(TABLE["exp"], **planted), 2))


def test_hermite_polynomials():
    for k in range(7):
        values = special.eval_hermitenorm(k, np.array([-1.5, 0.25, 2.0]))
        found = [float(hermite(k, x)) for x in (sympy.Rational(-3, 2), sympy.Rational(1, 4), 2)]
        assert found == pytest.approx(list(values))
    assert sympy.simplify(density(X, 3) - sympy.diff(density(X), X, 3)) == 0


@pytest.mark.parametrize("name", ["erf", "normal_cdf", "gelu", "sin", "exp"])
def test_high_degrees_against_gauss_hermite_quadrature(name):
    a, b = sympy.Rational(1, 2), sympy.Rational(1, 3)
    f = sympy.lambdify(X, TABLE[name].value(X), ["scipy", "numpy"])
    values = f(NODES / 2 + 1 / 3) * WEIGHTS / np.sqrt(2 * np.pi)
    for k in (0, 1, 2, 9, 14):
        expected = values @ special.eval_hermitenorm(k, NODES)
        scale = float(sympy.factorial(k)) ** 0.5
        found = float(TABLE[name].moment(k, a, b))
        assert found / scale == pytest.approx(expected / scale, abs=1e-11)


@pytest.mark.parametrize("name", [n for n in FORMS if n not in ("elu", "constant")])
def test_kernels_have_the_weights_as_taylor_coefficients(name):
    form, one, zero = FORMS[name], sympy.Integer(1), sympy.Integer(0)
    joint = form.covariance(R, one, zero)
    assert joint is not None
    for k in range(6):
        derivative = sympy.diff(joint, R, k).subs(R, 0)
        assert sympy.simplify(derivative - form.moment(k, one, zero) ** 2) == 0
    assert sympy.simplify(joint.subs(R, 1) - form.square(one, zero)) == 0


@pytest.mark.parametrize("name", FORMS)
def test_second_moments_against_the_heat_equation(name):
    """E φ² and a² E φ'² by quadrature that is split at the kink."""
    form: Any = FORMS[name]
    b = sympy.Rational(0) if form.square(1, sympy.Rational(1, 3)) is None else sympy.Rational(1, 3)
    a = sympy.Rational(3, 4)
    f = sympy.lambdify(X, form.value(X), ["scipy", "numpy"])
    grid = np.linspace(-12, 12, 480_001)
    middle = (grid[1:] + grid[:-1]) / 2
    mass = np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi) * (grid[1] - grid[0])
    u = float(a) * middle + float(b)
    values = f(u) * np.ones_like(u)
    assert float(form.square(a, b)) == pytest.approx(values**2 @ mass, abs=grid[1] - grid[0])
    slope = form.slope_square(a, b)
    if slope != sympy.oo:
        slopes = np.gradient(values, middle)
        assert float(slope) == pytest.approx(slopes**2 @ mass, rel=1e-4)


def test_exact_hermite_of_relu():
    found: Any = exact_hermite(relu)
    assert found.coefficient(1) == sympy.Rational(1, 2)
    assert found.coefficient(3) == 0
    assert sympy.simplify(found.weight(2) - 1 / (2 * (sympy.pi - 1))) == 0
    total = sum(found.weight(k) for k in (1, 2, 4, 6, 8))
    assert 0.99 < float(total) < 1
    assert sympy.simplify(found.kernel(1) - 1) == 0
    assert found.kernel(0) == 0
    assert "$K(r)" in found._repr_latex_()
    assert "<table>" in found._repr_html_()


def test_scale_does_not_matter_to_homogeneous_activations():
    a = sympy.Symbol("a", positive=True)
    for slope in (0, sympy.Rational(1, 10)):
        found: Any = exact_hermite(leaky_symbol(slope), scale=a)
        assert not found.decorrelation().has(a)
        assert not found.kernel().has(a)


def test_polynomials():
    found: Any = exact_hermite(sympy.Poly(X**3, X))
    assert [found.weight(k) for k in (1, 2, 3, 4)] == [
        sympy.Rational(3, 5),
        0,
        sympy.Rational(2, 5),
        0,
    ]
    assert sympy.expand(found.kernel() - (3 * R + 2 * R**3) / 5) == 0


def test_what_is_not_elementary():
    shifted = exact_hermite("gelu", shift=1)
    assert shifted.variance is None
    assert shifted.weight(1) is None
    assert shifted.kernel() is None
    assert shifted.decorrelation() is None
    assert r"\sum" in shifted._repr_latex_()
    assert exact_hermite("sign").decorrelation() == sympy.oo


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("tanh", {}, "'tanh': no closed form; there are relu"),
        ("relu", {"scale": 0}, "the scale positive"),
        ("relu", {"scale": 0.5}, "exact numbers"),
        ("relu", {"scale": sympy.Symbol("a")}, "the scale positive"),
    ],
)
def test_unusable_arguments(name, arguments, message):
    with pytest.raises(ValueSystemError, match=message):
        exact_hermite(name, **arguments)


def test_degrees():
    with pytest.raises(ValueSystemError, match="k=-1"):
        exact_hermite("relu").moment(-1)
    with pytest.raises(ValueSystemError, match="k=0"):
        exact_hermite("relu").weight(0)
