"""Verdicts of claims, problems that are never hidden, and independence of processes."""

import json
from xml.etree import ElementTree

import pytest

from proofs_check.claim import Check, Settings
from proofs_check.errors import ClaimError
from proofs_check.evidence import Verdict
from proofs_check.junit import junit_xml
from proofs_check.runner import run_claims
from tests.test_proofs_check.fake_claims import CLAIMS, claim, false, nothing, proved

MODULES = ("tests.test_proofs_check.fake_claims",)


def timeless(result):
    """A result as JSON, without the seconds."""

    def strip(value):
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k != "seconds"}
        return [strip(v) for v in value] if isinstance(value, list) else value

    return strip(result.as_json())


@pytest.fixture(scope="module")
def results():
    return {result.claim.id: result for result in run_claims(CLAIMS)}


@pytest.mark.parametrize(
    ("name", "verdict", "level"),
    [
        ("P2", Verdict.PROVED, "proved with error ≤ 2^-60"),
        ("P3", Verdict.REFUTED, "proved"),
        ("P4", Verdict.UNKNOWN, None),
        ("P5", Verdict.PROVED, "proved with error ≤ 2^-60"),
        ("P6", Verdict.UNKNOWN, None),
        ("P7", Verdict.UNKNOWN, "observed"),
        ("E7.sgd.leaf", Verdict.UNKNOWN, "observed"),
        ("E7.adam.leaf", Verdict.REFUTED, "proved"),
        ("P8", Verdict.PROVED, "enclosed"),
        ("P9", Verdict.UNKNOWN, "enclosed"),
        ("P10", Verdict.UNKNOWN, None),
        ("P11", Verdict.UNKNOWN, None),
    ],
)
def test_verdicts(results, name, verdict, level):
    assert (results[name].verdict, results[name].level) == (verdict, level)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("P4", "false variant accepted is proved, expected refuted"),
        ("P5", "bug raised ValueError: two lines (in failing, line"),
        ("P6", "false variant raising raised ValueError: two lines"),
        ("E7.sgd.leaf", "the verdict is unknown, expected proved"),
        ("E7.adam.leaf", "the verdict is refuted, expected proved"),
        ("P9", "the verdict is unknown, expected proved"),
        ("P10", "nothing was observed in favour of the claim"),
        ("P11", "no evidence raised ClaimError: returned a NoneType, expected Evidence"),
    ],
)
def test_problems_are_named(results, name, problem):
    assert not results[name].is_as_expected
    assert any(found.startswith(problem) for found in results[name].problems)


@pytest.mark.parametrize("name", ["P2", "P3", "P7", "P8"])
def test_what_is_as_expected_has_no_problems(results, name):
    assert results[name].problems == ()


def test_refutation_without_counterexample():
    bare = claim("P3", Check("nothing", nothing), Check("false", _bare), expected=Verdict.REFUTED)
    (result,) = run_claims([bare])
    assert result.problems == ("refuted without a counterexample",)


def _bare(settings):
    found = false(settings)
    return type(found)(
        verdict=found.verdict, level=found.level, scope=found.scope, detail=found.detail
    )


@pytest.mark.parametrize("settings", [Settings(), Settings(seed=5, full=True)])
def test_results_do_not_depend_on_the_number_of_processes(settings):
    one = run_claims(CLAIMS, settings, jobs=1, modules=MODULES)
    two = run_claims(CLAIMS, settings, jobs=2, modules=MODULES)
    assert [timeless(r) for r in one] == [timeless(r) for r in two]


def test_settings_reach_the_checks(results):
    (other,) = run_claims(CLAIMS[:1], Settings(seed=1, full=True))
    before, after = (
        [o.evidence.figures for o in result.checks] for result in (results["P2"], other)
    )
    assert before[0]["seed"] != after[0]["seed"]
    assert (before[1]["full"], after[1]["full"]) == ("False", "True")


def test_a_claim_that_workers_cannot_find_is_a_problem():
    strange = claim("P2", Check("elsewhere", proved))
    (result,) = run_claims([strange], jobs=2, modules=MODULES)
    assert "hold no check 'elsewhere'" in result.problems[0]


def test_progress():
    seen = []
    run_claims(CLAIMS[:2], on_progress=lambda *event: seen.append(event))
    assert [(done, total) for done, total, _, _ in seen] == [(k, 5) for k in range(1, 6)]
    assert [(task.claim_id, outcome.name) for _, _, task, outcome in seen][-1] == (
        "P3",
        "counterexample",
    )


def test_no_claims():
    assert run_claims([], jobs=3) == ()


@pytest.mark.parametrize("jobs", [0, -1])
def test_jobs_below_one(jobs):
    with pytest.raises(ClaimError, match=f"jobs={jobs}"):
        run_claims(CLAIMS, jobs=jobs)


def test_json_holds_what_the_design_asks_for(results):
    entry = json.loads(json.dumps(results["P2"].as_json(), allow_nan=False))
    assert {
        "id",
        "statement",
        "where",
        "expected",
        "verdict",
        "level",
        "error_bound",
        "evidence",
        "false_variants",
        "seconds",
        "hypotheses",
    } <= set(entry)
    assert entry["error_bound"] == 2.0**-60
    assert [e["name"] for e in entry["evidence"]] == ["proof", "experiment"]
    assert [v["verdict"] for v in entry["false_variants"]] == ["refuted", "refuted"]


def test_junit(results):
    suite = ElementTree.fromstring(junit_xml(list(results.values())).encode())[0]
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors")}
    assert counts == {"tests": 12, "failures": 5, "errors": 3}
    cases = {case.attrib["name"].split()[0]: [e.tag for e in case] for case in suite}
    assert cases["P2"] == ["system-out"]
    assert cases["P4"] == ["failure"]
    assert cases["P5"] == ["error"]
