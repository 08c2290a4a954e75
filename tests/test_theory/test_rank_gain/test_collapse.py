"""Near collapse: series and ranks against direct computation at many digits."""

from typing import Any

import mpmath
import pytest
import sympy

from theory.activation import leaky_relu
from theory.errors import ValueSystemError
from theory.rank_gain import (
    collapse_series,
    equicorrelated_ranks,
    exact_hermite,
    shannon_factor,
)
from theory.rank_gain.collapse import EPSILON
from theory.rank_gain.hermite import R
from theory.rank_gain.scaling import FAMILIES, A, family_defects


@pytest.mark.parametrize("activation", ["relu", leaky_relu("1/10"), "gelu", "erf", "sign", "sin"])
@pytest.mark.parametrize("centred", [True, False])
def test_series_at_small_epsilon(activation, centred):
    hermite: Any = exact_hermite(activation)
    series = collapse_series(hermite, centred=centred)
    joint = hermite.smoothing.covariance(R, hermite.scale, hermite.shift)
    mean = hermite.moment(0) ** 2 if centred else 0
    kernel = (joint - mean) / (hermite.second_moment - mean)
    for exponent in (6, 10):
        epsilon = sympy.Rational(1, 10**exponent)
        gap = sympy.N(kernel.subs(R, 1 - epsilon) - series.subs(EPSILON, epsilon), 60)
        assert abs(gap) < epsilon**2


def test_relu():
    kink = 2 * sympy.sqrt(2) / (3 * (sympy.pi - 1))
    expected = 1 - sympy.pi / (sympy.pi - 1) * EPSILON + kink * EPSILON ** sympy.Rational(3, 2)
    assert sympy.simplify(collapse_series(exact_hermite("relu")) - expected) == 0
    assert float(kink) == pytest.approx(0.44024, abs=5e-6)


def test_a_kernel_that_is_not_elementary():
    with pytest.raises(ValueSystemError, match="not elementary"):
        collapse_series(exact_hermite("elu"))


@pytest.mark.parametrize(
    ("size", "correlation"), [(2, sympy.Rational(1, 2)), (5, sympy.Rational(9, 10))]
)
def test_equicorrelated_ranks(size, correlation):
    matrix = mpmath.matrix(size, size)
    for i in range(size):
        for j in range(size):
            matrix[i, j] = 1 if i == j else float(correlation)
    shares = [x / size for x in mpmath.eigsy(matrix, eigvals_only=True)]
    second, shannon = equicorrelated_ranks(size, correlation)
    assert float(second) == pytest.approx(float(1 / sum(x * x for x in shares)))
    entropy = -sum(x * mpmath.log(x) for x in shares)
    assert float(shannon) == pytest.approx(float(mpmath.exp(entropy)))


def test_the_logarithmic_correction():
    """The relative error is of order ε ln(1/ε), that of 1 + α alone of order 1/ln(1/ε)."""
    alpha = sympy.Rational(1, 2)
    for exponent in (4, 8, 16):
        epsilon = sympy.Rational(1, 10**exponent)
        before, after = (
            equicorrelated_ranks(5, 1 - factor * epsilon)[1] - 1 for factor in (1, 1 + alpha)
        )
        found = after.n(60) / before.n(60)
        assert abs(found / shannon_factor(alpha, 5, epsilon).n(60) - 1) < 3 * exponent * epsilon
        assert abs(found / (1 + alpha) - 1) > 0.4 / (2.31 * exponent + 3)


@pytest.mark.parametrize("name", FAMILIES)
def test_families_and_their_false_neighbours(name):
    hermite = exact_hermite(name, scale=A)
    assert family_defects(hermite, FAMILIES[name], 5) == ()
    assert "s does not grow" in family_defects(hermite, 1 / FAMILIES[name], 3)
    assert family_defects(hermite, FAMILIES[name] ** 2, 5)


def test_alpha_grows_with_the_scale_in_the_families():
    for name in FAMILIES:
        values = []
        for scale in (sympy.Rational(1, 2), 1, 2, 5):
            alpha = exact_hermite(name, scale=scale).decorrelation()
            assert alpha is not None
            values.append(float(alpha))
        assert values == sorted(values)
        assert values[0] >= 0
