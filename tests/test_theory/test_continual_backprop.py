"""The rule of Continual Backprop, against its algorithm with loops, in floats and in fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory.optimizer import continual_backprop as cbp


@given(st.integers(0, 2**32), st.integers(0, 7))
def test_the_least_useful_mature_units_are_masked(seed, count):
    rng = np.random.default_rng(seed)
    utilities = rng.integers(0, 4, size=6)
    is_mature = rng.integers(0, 2, size=6).astype(bool)
    mask = cbp.least_useful(utilities, is_mature, np.array(count))
    mature = sorted((utilities[v], v) for v in range(6) if is_mature[v])
    assert sorted(np.flatnonzero(mask)) == sorted(v for _, v in mature[:count])
    numbers = np.array([Fraction(int(u), 3) for u in utilities], dtype=object)
    assert np.array_equal(cbp.least_useful(numbers, is_mature, np.array(count)), mask)


def test_members_of_an_ensemble_are_treated_alone():
    rng = np.random.default_rng(0)
    h, out = rng.normal(size=(3, 5, 4)), rng.normal(size=(3, 4, 2))
    before, fresh = rng.random((3, 4)), rng.normal(size=(3, 2, 4))
    incoming, count = rng.normal(size=(3, 2, 4)), np.array([0, 1, 2])
    u = cbp.utility(before, h, out, 0.9)
    mask = cbp.least_useful(u, np.ones((3, 4), dtype=bool), count)
    w, v = cbp.replace(incoming, out, fresh, mask)
    bias = cbp.corrected_bias(np.zeros((3, 2)), out, h.mean(axis=-2), mask)
    for k in range(3):
        for unit in range(4):
            size = abs(h[k, :, unit]).mean() * abs(out[k, unit]).sum()
            assert u[k, unit] == pytest.approx(0.9 * before[k, unit] + 0.1 * size)
        chosen = np.argsort(u[k])[: count[k]]
        assert sorted(chosen) == np.flatnonzero(mask[k]).tolist()
        for unit in range(4):
            is_new = unit in chosen
            assert np.array_equal(w[k, :, unit], (fresh if is_new else incoming)[k, :, unit])
            assert np.array_equal(v[k, unit], 0 * out[k, unit] if is_new else out[k, unit])
        lost = h[k].mean(axis=0)[chosen] @ out[k, chosen]
        assert bias[k] == pytest.approx(lost, abs=1e-15)


def test_units_are_due_one_at_a_time():
    waiting, replaced = Fraction(0), 0
    for _ in range(1000):
        count, waiting = cbp.due(waiting, 20, Fraction(1, 300))
        replaced += int(count)
        assert 0 <= waiting < 1
    assert replaced == 1000 * 20 // 300
