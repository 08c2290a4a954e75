"""Chance levels by enumeration and by sampling with derived tolerances."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.metrics import (
    adjusted_cloning_r2,
    calibrated_cloning_r2,
    calibrated_stable_rank,
    chance_cloning_r2,
    chance_cosine,
    chance_stable_rank,
    clone_units,
    cloning_r2,
    cosine,
    misleading_ratio,
    stable_rank,
)
from theory.partition import AxisPartition

RNG = np.random.default_rng
BLOCKS = st.lists(st.integers(1, 3), min_size=1, max_size=4).map(
    lambda sizes: AxisPartition(
        sum(sizes),
        tuple(tuple(range(sum(sizes[:k]), sum(sizes[: k + 1]))) for k in range(len(sizes))),
    )
)


def away(sampled, expected):
    """How many standard errors the mean is away."""
    return abs(sampled.mean() - expected) / (sampled.std() / np.sqrt(sampled.size))


@given(BLOCKS, st.integers(1, 5), st.integers(0, 2**20))
def test_independent_units_reach_the_chance_level(blocks, num_samples, seed):
    # five standard errors: a false alarm in two million draws
    h = 3 + 2 * RNG(seed).normal(size=(4000, num_samples, blocks.size))
    level = chance_cloning_r2(num_samples, blocks)
    sampled = cloning_r2(h, blocks)
    if blocks.num_mixed == 0:
        np.testing.assert_allclose(sampled, 1)
        assert level == 1
        assert np.isnan(calibrated_cloning_r2(h, blocks)).all()
    elif level == 0:  # one block, one sample
        np.testing.assert_allclose(sampled, 0, atol=1e-12)
    else:
        assert away(sampled, level) < 5
        assert away(calibrated_cloning_r2(h, blocks), 0) < 5


def test_one_half_is_the_limit_and_not_the_expectation():
    pairs = AxisPartition(4, ((0, 1), (2, 3)))
    sampled = cloning_r2(RNG(0).normal(size=(20_000, 3, 4)), pairs)
    assert away(sampled, 0.5) > 10
    assert away(sampled, 0) > 10
    assert chance_cloning_r2(10**9, pairs) == pytest.approx(0.5)


@given(
    st.integers(0, 2**20), st.sampled_from([((0, 1), (2, 3)), ((0, 1, 2), (3,)), ((0, 1, 2, 3),)])
)
def test_the_mean_over_all_deals_is_zero(seed, lists):
    rng = RNG(seed)
    h = rng.normal(size=(3, 4)) * rng.uniform(0.1, 9, size=4) + rng.normal(size=4)
    blocks = AxisPartition(4, lists)
    deals = [adjusted_cloning_r2(h[:, list(order)], blocks) for order in permutations(range(4))]
    assert abs(np.mean(deals)) < 1e-12


@given(BLOCKS, st.integers(0, 2**20))
def test_clones_reach_one(blocks, seed):
    base = RNG(seed).normal(size=(6, blocks.num_blocks))
    h = base[:, list(blocks.block_of)]
    for metric in (cloning_r2, calibrated_cloning_r2, adjusted_cloning_r2):
        value = metric(h, blocks)
        assert np.isnan(value) or value == pytest.approx(1)


def test_means_of_units_mislead_all_but_the_adjusted():
    # independent units whose means differ by block: the mean of samples is no clone
    h = RNG(0).normal(size=(500, 200, 4))
    pairs = AxisPartition(4, ((0, 1), (2, 3)))
    shifted = h + 30 * np.array([1, 1, -1, -1])
    assert calibrated_cloning_r2(shifted, pairs).min() > 0.99
    crossed = h + 30 * np.array([1, -1, 1, -1])
    assert calibrated_cloning_r2(crossed, pairs).max() < -0.9
    assert away(adjusted_cloning_r2(h, pairs), 0) < 5


@pytest.mark.parametrize(("rho", "other"), [(0.5, 0.5), (4.36, 4.36), (2.0, -1.0)])
def test_cosine_of_independent_units(rho, other):
    num = 400_000
    h = RNG(1).normal(size=(num, 2)) + np.array([rho, other])
    # an average of independent products, whose errors are of order (1 + ρ²)/√num over 1 + ρ²
    assert cosine(h)[0, 1] == pytest.approx(chance_cosine(rho, other), abs=5 / np.sqrt(num))


@given(st.floats(0.01, 0.99))
def test_misleading_ratio_is_where_the_threshold_is_crossed(threshold):
    ratio = misleading_ratio(threshold)
    assert chance_cosine(ratio * (1 - 1e-6)) < threshold < chance_cosine(ratio * (1 + 1e-6))


@given(st.integers(0, 2**20), st.floats(1e-3, 1e3), st.floats(-3, 3), st.booleans())
def test_clones_up_to_sign_scale_and_shift(seed, scale, shift, flipped):
    rng = RNG(seed)
    h = rng.normal(size=(300, 2))
    sign = -1 if flipped else 1
    found = clone_units(np.stack([h[:, 0], sign * scale * h[:, 0] + shift, h[:, 1]], axis=1))
    np.testing.assert_array_equal(found, [sign, sign, 0])


def test_constant_units_are_no_clones():
    assert not clone_units(np.full((9, 3), 0.1)).any()
    assert not clone_units(np.stack([np.full(9, 0.1), np.arange(9.0)], axis=1)).any()


@pytest.mark.parametrize(("num_samples", "num_units"), [(3, 2), (6, 4), (9, 20)])
def test_stable_rank_of_independent_units(num_samples, num_units):
    h = RNG(0).normal(size=(40_000, num_samples, num_units))
    centred = h - h.mean(axis=-2, keepdims=True)
    square = (centred**2).sum(axis=(-1, -2))
    fourth = ((centred.swapaxes(-1, -2) @ centred) ** 2).sum(axis=(-1, -2))
    level = chance_stable_rank(num_samples, num_units)
    # E A - r E B = 0 for the ratio of expectations r, and not for another
    assert away(square**2 - level * fourth, 0) < 5
    assert away(square**2 - num_units * fourth, 0) > 10


def test_calibrated_stable_rank_is_that_of_the_population():
    scales = np.array([3.0, 2.0, 1.0, 1.0, 1.0, 1.0])
    true = (scales**2).sum() ** 2 / (scales**4).sum()
    h = 5 + scales * RNG(0).normal(size=(6, 2000, 6))
    many = calibrated_stable_rank(h)
    np.testing.assert_allclose(many, true, rtol=0.1)
    few = RNG(1).normal(size=(400, 15, 20))  # independent units: 20
    assert np.median(calibrated_stable_rank(few)) == pytest.approx(20, rel=0.1)
    assert np.median(stable_rank(few)) == pytest.approx(chance_stable_rank(15, 20), rel=0.1)
    assert chance_stable_rank(15, 20) < 9
    assert np.isnan(calibrated_stable_rank(np.ones((5, 2))))
    assert np.isnan(calibrated_stable_rank(np.ones((2, 2))))
