"""Criteria come out either way, and undecided where seeds disagree."""

import numpy as np
import pytest
from scipy import stats

from proofs_check.experiments.verdict import (
    Finding,
    Verdict,
    at_least,
    at_most,
    compare,
    decide,
    interval,
    provided,
)


def test_the_interval_is_that_of_the_t_test():
    values = np.random.default_rng(0).normal(1, 2, size=7)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert interval(values)[1:] == pytest.approx(tuple(expected))


@pytest.mark.parametrize(
    ("effects", "verdict"),
    [
        ([0.2, 0.21, 0.22], Verdict.REPRODUCED),
        ([-0.2, -0.21, -0.22], Verdict.NOT_REPRODUCED),
        ([0.01, 0.011, 0.012], Verdict.NOT_REPRODUCED),  # certain, and too small to count
        ([1.0, -1.0, 1.0], Verdict.NOT_TESTABLE),
        ([5.0], Verdict.NOT_TESTABLE),
        ([0.2, 0.2, np.nan], Verdict.NOT_TESTABLE),
    ],
)
def test_comparisons(effects, verdict):
    assert decide(np.array(effects), 0.05)[0] is verdict


def test_bounds_hold_for_every_seed():
    assert at_most("c", "w", np.array([0.0, 1.0]), 1.0).verdict is Verdict.REPRODUCED
    assert at_most("c", "w", np.array([0.0, 1.1]), 1.0).verdict is Verdict.NOT_REPRODUCED
    assert at_most("c", "w", np.array([0.0, np.nan]), 1.0).verdict is Verdict.NOT_REPRODUCED
    assert at_least("c", "w", np.array([1.0, 2.0]), 1.0).verdict is Verdict.REPRODUCED
    assert at_least("c", "w", np.array([0.9, 2.0]), 1.0).verdict is Verdict.NOT_REPRODUCED
    assert at_least("c", "w", np.array([2.0, np.nan]), 1.0).verdict is Verdict.NOT_REPRODUCED


def test_a_recovery_needs_a_loss():
    seen = compare("it falls", "w", np.array([1.0, 1.1, 1.2]), 0.1)
    unseen = compare("it falls", "w", np.array([0.0, 0.001, 0.002]), 0.1)
    recovery = compare("it recovers", "w", np.array([1.0, 1.1, 1.2]), 0.1)
    assert provided(recovery, seen).verdict is Verdict.REPRODUCED
    assert provided(recovery, unseen).verdict is Verdict.NOT_TESTABLE
    assert "testable only if" in provided(recovery, unseen).criterion


def test_findings_survive_json():
    finding = Finding("c", "k", Verdict.NOT_TESTABLE, {"mean": 1.5, "sd": float("nan")})
    again = Finding.from_json(finding.as_json())
    assert finding.as_json()["figures"] == {"mean": 1.5, "sd": None}
    assert again.as_json() == finding.as_json()
