"""Evidence from theorems: its verdict is that of the checks, and the proof comes with it."""

import json
import pickle

import pytest

from proofs_check.evidence import Verdict
from proofs_check.theorems import from_theorem
from theory.exposition import row
from theory.outcome import Outcome
from theory.proof_step import Step
from theory.theorem import Theorem

ARGUMENT = Step("Clones receive the same sum.", ("z_1 &= z_2",))


def theorem(*verdicts):
    def checked(verdict):
        outcome = Outcome(verdict, f"it is {verdict}", 2)
        return Step(f"step with {verdict}", ("a = b",), lambda: outcome)

    steps = [checked(verdict) for verdict in verdicts]
    return Theorem("N0", "a name", "$a = b$", ("a is real", "b too"), (ARGUMENT, *steps))


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("proved", "proved"), Verdict.PROVED),
        (("proved", "unknown"), Verdict.UNKNOWN),
        (("unknown", "refuted", "proved"), Verdict.REFUTED),
        ((), Verdict.UNKNOWN),
    ],
)
def test_the_worst_check_decides(verdicts, expected):
    assert from_theorem(theorem(*verdicts)).verdict is expected


def test_the_proof_comes_with_the_evidence():
    found = from_theorem(theorem("proved"))
    assert found.scope == "a is real; b too"
    argument, step = found.derivation
    assert (argument.sentence, argument.remark) == (ARGUMENT.sentence, "")
    assert step.remark == "proved by SymPy: it is proved"
    assert pickle.loads(pickle.dumps(found)) == found  # its checks were lambdas
    assert json.loads(json.dumps(found.as_json()))["derivation"][1]["formulas"] == ["a = b"]


def test_a_gap_is_named_by_its_step():
    found = from_theorem(theorem("proved", "unknown"), scope="everywhere", statement="a = b")
    assert found.scope == "everywhere"
    assert found.detail == "a = b: the proof has gaps: step 3: it is unknown"


def test_rows_have_one_alignment():
    matrix = r"M = \begin{pmatrix} a & b \end{pmatrix}"
    assert row(matrix) == f"&{matrix}"
    assert row("&= 2") == "&= 2"
