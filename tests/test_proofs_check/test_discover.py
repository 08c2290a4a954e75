"""``lop discover``: its answer, its JSON, and how it ends."""

import json
from typing import Any

import pytest

from proofs_check.claim import Settings
from proofs_check.claims.n6_plasticity import CLAIMS
from proofs_check.cli import main
from proofs_check.discover import Ticker, discover
from proofs_check.errors import OptionError
from proofs_check.evidence import Verdict
from proofs_check.prove import answer
from proofs_check.question import make_question
from theory.zoo import mlp

NET = mlp([3, 4, 4, 2])


def test_json_says_what_is_conserved(tmp_path, capsys):
    file = tmp_path / "answer.json"
    status = main(["discover", "mlp:3-4-4-2", "--freeze", "h1:0=2", "--json", str(file)])
    answer = json.loads(file.read_text())
    assert status == 0
    assert (answer["parameters"], answer["plasticity_dimension"]) == (46, 38)
    assert 0 < answer["error_bound"] <= 2**-60
    assert sum(group["dimension"] for group in answer["conserved"]) == 46 - 38
    trap = answer["conserved"][-1]
    assert trap["kind"] == "trap"
    assert trap["functional"][1] == {"W2[0, 1]": "1", "b2[1]": "-2"}
    assert "trap          W2[0, :] - 2 b2" in capsys.readouterr().out


def test_clones_and_a_generic_network():
    pairs = ["h1=0,1/2,3", "h2=0,1/2,3"]
    assert discover(NET, pairs).as_json()["plasticity_dimension"] == 20
    lines = discover(NET).lines()
    assert lines[0].startswith("plasticity dimension 46 of 46 parameters, proved")
    assert lines[-1] == "nothing linear is conserved: training can use every parameter"
    known = discover(mlp([2, 2, 1], "relu")).lines()
    assert known[-1] == "by the algebra of relu alone nothing linear is conserved"


def test_a_network_that_would_take_weeks_is_refused(capsys):
    assert main(["discover", "mlp:3-100000-10"]) == 2
    assert "mlp:3-100000-10:phi: 1,400,010 parameters" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("phi", "options"),
    [
        ("tanh", {"mirrors": ["h1=0,-1/2,3"]}),
        ("relu", {"zeros": ["h1:3"]}),
        ("tanh", {"mirrors": ["h1=0,-1"], "zeros": ["h1:3"]}),
    ],
)
def test_mirrored_and_zero_units_never_leave_their_space(phi, options):
    """V annihilates what `lop prove` keeps, and at a generic point on the manifold nothing else."""
    net = mlp([3, 4, 2], phi)
    question = make_question(net, **options)
    found = discover(net, **options)
    assert answer(question).evidence.holds
    assert found.as_json()["plasticity_dimension"] == question.tangent.dimension
    assert found.as_json()["points"] == question.points.name
    assert len(found.conditions) == len(options)


def test_the_command_line_takes_mirrored_and_zero_units(capsys):
    arguments = ["discover", "mlp:2-3-1:tanh", "--mirror", "h1=0,-1", "--zero", "h1:2"]
    assert main(arguments) == 0
    assert "condition    mirrored clones h1=0,-1" in capsys.readouterr().out
    assert main(["discover", "mlp:2-3-1:tanh", "--mirror", "h1=0,-1", "--zero", "h1:1"]) == 2
    assert "a clone already" in capsys.readouterr().err


def test_the_same_seed_gives_the_same_answer():
    first, second = (discover(NET, ["h1=0,1"], adjoints="cross-entropy").as_json() for _ in "ab")
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


@pytest.mark.parametrize(
    "options",
    [
        {"adjoints": "mse"},
        {"bits": -1},
        {"batch": 0},
        {"clones": ["h1=0,1", "h1=2,3"]},
        {"freezes": ["h1:0=0", "h1:0=1"]},
        {"freezes": ["h1:0=x"]},
    ],
)
def test_unusable_options(options):
    with pytest.raises(OptionError):
        discover(NET, **options)


@pytest.mark.parametrize(
    "arguments", [[], ["mlp:3-4-2", "--clone", "q=0,1"], ["mlp:3-4-2", "--bits", "-1"]]
)
def test_bad_input_costs_one_line(arguments, capsys):
    status = main(["discover", *arguments])
    assert status == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_progress_is_rare(monkeypatch):
    now = iter([1.0, 4.0, 4.0, 5.0, 9.0, 9.0])
    monkeypatch.setattr("proofs_check.discover.perf_counter", lambda: next(now))
    told: list[Any] = []
    ticker = Ticker(told.append, last=0.0)
    for dimension in (1, 2, 3, 4):
        ticker(dimension, 9)
    assert told == ["at least 2 of 9 dimensions", "at least 4 of 9 dimensions"]


CLAIM = CLAIMS[0]


@pytest.mark.parametrize("check", CLAIM.checks, ids=lambda check: check.name)
def test_checks_of_the_claim_hold(check):
    assert check.run(Settings(seed=1)).holds


@pytest.mark.parametrize("variant", CLAIM.false_variants, ids=lambda variant: variant.name)
def test_false_variants_are_refuted(variant):
    assert variant.run(Settings(seed=1)).verdict is Verdict.REFUTED
