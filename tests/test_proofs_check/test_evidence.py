"""The algebra of evidence: conjunction takes the weakest, corroboration the strongest."""

import json
import math
import pickle
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from proofs_check.chart import Chart, Series
from proofs_check.errors import EvidenceError
from proofs_check.evidence import (
    Evidence,
    Level,
    Verdict,
    added_errors,
    conjoin,
    corroborate,
    error_bound,
    holds,
    refuted,
    unknown,
)

# Above 3 bits the errors of eight parts add up to less than 1: the sum never becomes vacuous.
BITS = st.floats(min_value=3.001, max_value=200)
WORDS = st.sampled_from(["a", "b", "c"])


@st.composite
def evidences(draw, may_refute=True):
    kind = draw(st.sampled_from(["unknown", *Level, *(["refuted"] if may_refute else [])]))
    scope, detail = draw(WORDS), draw(WORDS)
    if kind == "unknown":
        return unknown(scope, detail)
    if kind == "refuted":
        level = draw(st.sampled_from([Level.OBSERVED, Level.ENCLOSED, Level.PROVED]))
        return refuted(scope, detail, level=level, counterexample={"x": draw(WORDS)})
    with_error = kind is Level.PROVED_WITH_ERROR
    return holds(kind, scope, detail, error_bits=draw(BITS) if with_error else None)


def same(a: Evidence, b: Evidence) -> bool:
    """Equal up to wording, and up to the slack that sums of errors are allowed."""
    if (a.verdict, a.level, a.error_bits is None) != (b.verdict, b.level, b.error_bits is None):
        return False
    return a.error_bits is None or a.error_bits == pytest.approx(b.error_bits, abs=2.0**-25)


COMBINATIONS = pytest.mark.parametrize("combine", [conjoin, corroborate])


@COMBINATIONS
def test_charts_of_all_parts_are_kept(combine):
    curves = [Chart(name, "", "", (Series("", (1.0,), (2.0,)),)) for name in ("one", "two")]
    parts = [holds(Level.ENCLOSED, "", "", charts=(curve,)) for curve in curves]
    combined = combine([parts[0], holds(Level.PROVED, "", ""), parts[1]])
    assert sorted(c.title for c in combined.charts) == ["one", "two"]


@COMBINATIONS
@given(a=evidences(), b=evidences())
def test_commutative(combine, a, b):
    assert same(combine([a, b]), combine([b, a]))


@COMBINATIONS
@given(a=evidences(), b=evidences(), c=evidences())
def test_associative(combine, a, b, c):
    flat = combine([a, b, c])
    assert same(flat, combine([combine([a, b]), c]))
    assert same(flat, combine([a, combine([b, c])]))


@COMBINATIONS
@given(a=evidences())
def test_one_part_is_itself(combine, a):
    assert combine([a]) == a


@COMBINATIONS
def test_nothing_proves_nothing(combine):
    with pytest.raises(EvidenceError, match="nothing proves nothing"):
        combine([])


@given(a=evidences())
def test_corroboration_is_idempotent(a):
    assert same(corroborate([a, a]), a)


def standing(evidence):
    """Level and bits apart: a stronger level with a larger error is not stronger in both."""
    return evidence.strength[0], math.inf if evidence.error_bits is None else evidence.error_bits


@given(a=evidences(), b=evidences(), rest=st.lists(evidences(), max_size=3))
def test_conjunction_is_monotone_in_level_and_in_error(a, b, rest):
    (level_a, bits_a), (level_b, bits_b) = standing(a), standing(b)
    assume(level_a <= level_b and bits_a <= bits_b)
    (level_low, bits_low), (level_high, bits_high) = (
        standing(conjoin([part, *rest])) for part in (a, b)
    )
    assert level_low <= level_high
    if level_low >= Level.OBSERVED:
        assert bits_low <= bits_high + 2.0**-25


@given(
    a=evidences(may_refute=False),
    b=evidences(may_refute=False),
    rest=st.lists(evidences(may_refute=False), max_size=3),
)
def test_corroboration_is_monotone(a, b, rest):
    weak, strong = sorted([a, b], key=lambda e: e.strength)
    assert corroborate([weak, *rest]).strength <= corroborate([strong, *rest]).strength


@given(parts=st.lists(evidences(), min_size=1, max_size=4))
def test_conjunction_is_below_its_parts_and_corroboration_above(parts):
    both = conjoin(parts)
    assert all(both.strength <= part.strength for part in parts)
    if not any(part.verdict is Verdict.REFUTED for part in parts):
        assert all(corroborate(parts).strength >= part.strength for part in parts)


@COMBINATIONS
@given(parts=st.lists(evidences(), min_size=1, max_size=4))
def test_a_refutation_wins(combine, parts):
    found = combine(parts)
    has_refutation = any(part.verdict is Verdict.REFUTED for part in parts)
    assert (found.verdict is Verdict.REFUTED) == has_refutation
    assert (found.counterexample is not None) == has_refutation


@given(parts=st.lists(evidences(), min_size=1, max_size=4))
def test_proved_needs_an_enclosure_at_least(parts):
    for found in (conjoin(parts), corroborate(parts)):
        if found.verdict is Verdict.PROVED:
            assert found.level is not None
            assert found.level >= Level.ENCLOSED
        if found.level is Level.OBSERVED:
            assert found.verdict is not Verdict.PROVED


@given(bits=st.lists(st.integers(min_value=1, max_value=300), min_size=2, max_size=6))
def test_added_errors_bound_the_exact_sum(bits):
    """2^-found is above the exact sum, by less than the margin of 2^-30 in the exponent allows."""
    exact = float(sum(Fraction(1, 2**b) for b in bits))
    found = added_errors(bits)
    assert exact * 2.0**found < 1.0 < exact * 2.0 ** (found + 2.0**-29)


def test_errors_that_add_up_to_one_prove_nothing():
    half = holds(Level.PROVED_WITH_ERROR, "s", "d", error_bits=1.0)
    assert conjoin([half, half]).level is None


def test_disagreement_is_named():
    found = corroborate([holds(Level.PROVED, "", "derived"), refuted("", "x = 2")])
    assert found.verdict is Verdict.REFUTED
    assert found.detail == "x = 2; although it holds by: derived"


def test_observed_has_no_error_bound_even_beside_a_proof():
    proof = holds(Level.PROVED_WITH_ERROR, "", "", error_bits=60)
    assert conjoin([holds(Level.OBSERVED, "", ""), proof]).error_bound is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"verdict": Verdict.PROVED, "level": Level.OBSERVED}, "leaves it unknown"),
        ({"verdict": Verdict.PROVED, "level": None}, "a finding has a level"),
        ({"verdict": Verdict.UNKNOWN, "level": Level.PROVED}, "decides more"),
        ({"error_bits": None}, "needs its bound"),
        ({"verdict": Verdict.PROVED, "level": Level.PROVED, "error_bits": 3.0}, "no error"),
        ({"verdict": Verdict.UNKNOWN, "level": None, "error_bits": 3.0}, "no error"),
        ({"error_bits": 0.0}, "finite bits > 0"),
        ({"error_bits": -1.0}, "finite bits > 0"),
        ({"error_bits": float("nan")}, "finite bits > 0"),
        ({"error_bits": float("inf")}, "finite bits > 0"),
        ({"counterexample": {"x": 1}}, "a counterexample refutes"),
        ({"figures": {"x": float("nan")}}, "not JSON"),
        ({"figures": {"x": [1]}}, r"figures\['x'\] is a list"),
    ],
)
def test_dishonest_evidence_is_refused(fields, message):
    honest = holds(Level.PROVED_WITH_ERROR, "s", "d", error_bits=60.0)
    with pytest.raises(EvidenceError, match=message):
        replace(honest, **fields)


@pytest.mark.parametrize("counterexample", [{"x": {1, 2}}, {"x": float("inf")}, {"x": Fraction(1)}])
def test_a_counterexample_must_be_json(counterexample):
    with pytest.raises(EvidenceError, match="counterexample is not JSON"):
        refuted("s", "d", counterexample=counterexample)


@given(evidence=evidences())
def test_json_and_pickle(evidence):
    """Evidence is written to reports and crosses between processes."""
    assert pickle.loads(pickle.dumps(evidence)) == evidence
    assert json.loads(json.dumps(evidence.as_json(), allow_nan=False)) == evidence.as_json()


def test_words():
    assert [level.words() for level in Level] == [
        "observed",
        "enclosed",
        "proved with error",
        "proved",
    ]
    assert holds(Level.PROVED_WITH_ERROR, "", "", error_bits=60.9).level_words == (
        "proved with error ≤ 2^-60"
    )


def test_a_tiny_error_is_not_printed_as_none():
    assert error_bound(1e6) > 0
