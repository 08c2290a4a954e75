"""Random layers: Gram matrices, intervals and effective ranks."""

import numpy as np
import pytest
from flint import arb

from numerics.rank.correlation_kernel import SeriesKernel
from numerics.rank.hermite import hermite_series
from numerics.rank.random_layer import effective_ranks, layer_grams, mean_with_interval
from theory.activation import gelu, tanh
from theory.errors import ShapeError

C = np.array([[1.0, 0.6], [0.6, 1.0]])


def expected(name, **along):
    found = hermite_series(name, degree=30, digits=12, **along)
    kernel, mean = SeriesKernel(found), float(found.coefficients[0]) ** 2
    return [[mean + float(found.variance * kernel(arb(float(x)))) for x in row] for row in C]


def test_means_lie_where_the_kernel_says():
    grams = layer_grams(gelu, C, 20, 4000, seed=1, scale=1.5, shift=-0.25)
    found = mean_with_interval(grams)
    assert found.contains(expected("gelu", scale="3/2", shift="-1/4"))
    assert not found.contains(expected("gelu"))
    quarter = mean_with_interval(grams[:1000])
    assert np.allclose(quarter.radius / found.radius, 2, rtol=0.15)


def test_intervals_have_their_coverage():
    """At 90 % between 80 and 98 of 100 intervals hold the mean: 4 standard deviations or more."""
    samples = np.random.default_rng(0).normal(size=(100, 8))
    hits = sum(mean_with_interval(row, confidence=0.9).contains(0.0) for row in samples)
    assert 78 <= hits <= 100
    assert hits < 100


def test_trials_in_parts_and_reproducible(monkeypatch):
    whole = layer_grams(tanh, C, 3, 50, seed=5)
    monkeypatch.setattr("numerics.rank.random_layer._UNITS", 12)
    assert np.allclose(whole, layer_grams(tanh, C, 3, 50, seed=5))


def test_singular_correlations():
    grams = layer_grams(tanh, np.ones((3, 3)), 5, 2, seed=0)
    assert np.allclose(grams, grams[:, :1, :1])


def test_effective_ranks():
    rng = np.random.default_rng(2)
    m = rng.normal(size=(4, 5, 5))
    grams = m @ m.swapaxes(1, 2)
    second, shannon = effective_ranks(grams)
    for gram, a, b in zip(grams, second, shannon, strict=True):
        share = np.linalg.svd(gram, compute_uv=False) / np.trace(gram)
        assert a == pytest.approx(1 / np.sum(share**2))
        assert b == pytest.approx(np.exp(-np.sum(share * np.log(share))))
    assert np.all(second <= shannon)
    one = effective_ranks(np.ones((4, 4)))
    assert one[0] == pytest.approx(1)
    assert one[1] == pytest.approx(1)


def test_unusable_arguments():
    with pytest.raises(ShapeError, match="a square matrix"):
        layer_grams(tanh, np.ones((2, 3)), 1, 1, seed=0)
    with pytest.raises(ShapeError, match="width=0"):
        layer_grams(tanh, C, 0, 1, seed=0)
    with pytest.raises(ShapeError, match="an interval needs two"):
        mean_with_interval(np.ones((1, 2)))
