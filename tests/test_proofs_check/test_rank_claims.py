"""The claims about rank dynamics: their checks hold, and fail where they should."""

from fractions import Fraction
from functools import partial

import pytest
import sympy
from flint import arb

from proofs_check.claim import Settings
from proofs_check.claims.e11_strength import rounds_to
from proofs_check.claims.p10_rank_gain import (
    Case,
    draw,
    examined,
    forms,
    linear_with,
    stays_iff,
    two,
)
from proofs_check.claims.p11_collapse import compared
from proofs_check.claims.p11_decorrelation import centred, grows
from proofs_check.drawing.networks import chooser
from proofs_check.evidence import Level, Verdict
from proofs_check.theorems import from_theorem
from theory.rank_gain import rank_gain, rank_gain_theorem
from theory.rank_gain.proof import Equal, step
from theory.theorem import Theorem

HALF = Fraction(1, 2)
X = sympy.Symbol("x")


def test_drawn_cases_are_varied_and_fit_the_exact_rank_gain():
    cases = [draw(chooser(seed)) for seed in range(200)]
    assert all(case.ratio == rank_gain(case.matrix, case.weights) for case in cases)
    entries = {x for case in cases for x in case.entries}
    assert {0, 1, -1} <= entries
    assert any(x < 0 for x in entries)
    assert any(case.ratio == 1 and set(case.entries) - {0, 1} for case in cases)


def test_examination_stops_at_a_counterexample():
    found = examined(Settings(), "the ratio is 1", lambda case: case.ratio == 1)
    assert found.verdict is Verdict.REFUTED
    assert found.counterexample is not None
    replayed = Case(
        [[Fraction(x) for x in row] for row in found.counterexample["C"]],
        [Fraction(w) for w in found.counterexample["weights"]],
    )
    assert replayed.ratio > 1


def test_statements_at_chosen_points():
    assert stays_iff(two(-1, 0, 1))
    assert stays_iff(two(-1, HALF, HALF))
    assert forms(two(-HALF, HALF, 0, HALF))
    assert linear_with(Fraction(1), two(Fraction(999, 1000), HALF, HALF))
    assert not linear_with(Fraction(101, 100), two(Fraction(999, 1000), HALF, HALF))


def test_a_theorem_with_a_gap_is_unknown():
    assert from_theorem(rank_gain_theorem()).level is Level.PROVED
    wrong = Theorem("N0", "wrong", "x = x + 1", ("x is real",), (step("so", (Equal(X, X + 1),)),))
    found = from_theorem(wrong)
    assert found.verdict is Verdict.UNKNOWN
    assert "step 1" in found.detail


def test_rounding_of_enclosures():
    assert rounds_to(arb(0.123, 1e-6), "0.123") is True
    assert rounds_to(arb(0.1239, 1e-6), "0.123") is False
    assert rounds_to(arb(0.1235, 1e-6), "0.123") is None


def test_comparison_of_enclosures():
    verdicts = [
        compared("", "x", arb(value, 1e-6), arb(1), arb(1e-3)).verdict
        for value in (1.0, 1.1, 1.001)
    ]
    assert verdicts == [Verdict.PROVED, Verdict.REFUTED, Verdict.UNKNOWN]


@pytest.mark.parametrize(
    ("points", "verdict"),
    [
        ([("1", "0"), ("2", "0")], Verdict.PROVED),
        ([("2", "0"), ("1", "0")], Verdict.REFUTED),
        ([("1", "0"), ("1", "0")], Verdict.UNKNOWN),
    ],
)
def test_growth(points, verdict):
    assert partial(grows, "tanh", centred, "α", points)(Settings()).verdict is verdict


def test_relu_is_never_told_to_grow_with_its_scale():
    found = grows("relu", centred, "α", [("1", "0"), ("2", "0")], Settings())
    assert found.verdict is Verdict.UNKNOWN
