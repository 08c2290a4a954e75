"""The bookkeeping of Continual Backprop, against the rule applied in every step."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.continual.backprop import Replacement, Turnover, keyed_draws
from theory.errors import OptimizerError
from theory.optimizer.continual_backprop import due, least_useful, replace, utility


def literal(settings, draw, steps, incoming, bias, outgoing):
    """The rule without bookkeeping: masks in every step, ages counted up."""
    members, units = bias.shape
    u, ages, waiting = np.zeros((members, units)), np.zeros((members, units)), np.zeros(members)
    for t, h in enumerate(steps, start=1):
        u = utility(u, h, outgoing, settings.decay)
        ages = ages + 1
        is_mature = ages > settings.maturity
        count, waiting = due(waiting, is_mature.sum(axis=-1), settings.rate)
        mask = least_useful(u, is_mature, count)
        fresh = np.stack([draw(e, t) for e in range(members)])
        incoming, outgoing = replace(incoming, outgoing, fresh, mask)
        bias, u, ages = bias * (1 - mask), u * (1 - mask), ages * (1 - mask)
    return incoming, bias, outgoing, u, ages


@given(
    seed=st.integers(0, 2**20),
    units=st.integers(1, 5),
    samples=st.integers(1, 3),
    targets=st.integers(1, 3),
    rate=st.sampled_from([0.0, 0.02, 0.1, 0.3, 0.9]),
    maturity=st.integers(0, 12),
    interrupted=st.integers(0, 30),
)
def test_bookkeeping_is_the_rule(seed, units, samples, targets, rate, maturity, interrupted):
    rng = np.random.default_rng(seed)
    members, sources = 3, 2
    settings = Replacement(rate, maturity, 0.9)
    draw = keyed_draws(range(members), 0, sources, units, 1.0)
    steps = rng.normal(size=(30, members, samples, units))
    w = rng.normal(size=(members, sources, units))
    b = rng.normal(size=(members, units))
    v = rng.normal(size=(members, units, targets))
    expected = literal(settings, draw, steps, w, b, v)
    turnover = Turnover(settings, members, units, draw)
    for t, h in enumerate(steps):
        if t == interrupted:
            turnover = Turnover(settings, members, units, draw, turnover.state)
        turnover.step(h, w, b, v)
    ages = turnover.steps - turnover.born
    for found, wanted in zip((w, b, v, turnover.utility, ages), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_units_are_replaced_at_the_given_rate():
    settings = Replacement(rate=0.01, maturity=10)
    rule = Turnover(settings, 1, 20, keyed_draws([0], 0, 2, 20, 1.0))
    w, b, v = np.ones((1, 2, 20)), np.ones((1, 20)), np.ones((1, 20, 1))
    for _ in range(1000):
        rule.step(np.ones((1, 1, 20)), w, b, v)
    # between all units mature in all steps and the ten steps that each replaced one is young
    most = 0.01 * 20 * 1000
    assert most * (1 - 0.01 * 10) - 3 <= rule.replaced[0] <= most


@pytest.mark.parametrize(
    "wrong", [{"rate": -0.1}, {"rate": 1}, {"decay": 1}, {"decay": -1}, {"maturity": -1}]
)
def test_settings_are_checked(wrong):
    with pytest.raises(OptimizerError, match=f"{next(iter(wrong))}={next(iter(wrong.values()))}"):
        Replacement(**wrong)
