"""``lop prove`` by two routes: they corroborate each other, and may not disagree."""

import json
from dataclasses import replace
from math import floor
from time import perf_counter

import pytest

from numerics import exact
from proofs_check import prove
from proofs_check.certificate import write_certificate
from proofs_check.cli import main
from proofs_check.errors import CertificateError, DisagreementError, OptionError
from proofs_check.evidence import Level, Verdict
from proofs_check.prove import answer
from proofs_check.question import make_question
from theory import modules
from theory.modules import Certified
from theory.zoo import from_name

NET = from_name("mlp:3-4-2:tanh")
CLONES = ["h1=0,1/2,3"]


def asked(network=NET, clones=CLONES, method="both", **options):
    return answer(make_question(network, clones, **options), method=method)


def test_both_routes_are_told():
    found = asked()
    assert found.evidence.level is Level.PROVED
    assert "derived by the calculus of cloning in" in found.evidence.detail
    assert f"error ≤ 2^-{floor(found.result.error_bits)}" in found.evidence.detail
    shown = found.as_json()
    assert (shown["level"], shown["error_bound"]) == ("proved", 0.0)
    assert shown["exact"]["verdict"] == "proved"
    assert shown["calculus"]["certified"]


def test_one_route_alone():
    checked, derived = asked(method="exact"), asked(method="calculus")
    assert (checked.evidence.level, checked.calculus) == (Level.PROVED_WITH_ERROR, None)
    assert (derived.evidence.level, derived.result) == (Level.PROVED, None)
    assert derived.as_json()["exact"] is None
    assert checked.evidence.scope == derived.evidence.scope


@pytest.mark.parametrize("method", ["exact", "calculus", "both"])
def test_what_is_false_is_certified_by_neither(method):
    verdict = asked(clones=["y=0,1"], method=method).evidence.verdict
    assert verdict is (Verdict.UNKNOWN if method == "calculus" else Verdict.REFUTED)


def test_what_the_calculus_does_not_see_is_still_proved():
    found = asked(clones=(), mirrors=["h1=0,-1"])
    assert found.evidence.level is Level.PROVED_WITH_ERROR
    assert not found.as_json()["calculus"]["certified"]
    assert "Blocks are lost" in found.as_json()["calculus"]["breach"]


def test_a_contradiction_is_a_defect(monkeypatch, capsys):
    """With a calculus that certifies everything, a false statement makes the routes disagree."""

    def certify(*args, **options):
        outcome = modules.certify(*args, **options)
        names = (outcome.architecture, outcome.manifold, outcome.tangent)
        return Certified(*names, outcome.batch, outcome.derivation)

    monkeypatch.setattr(prove, "certify", certify)
    with pytest.raises(DisagreementError, match="certifies what the exact check refutes"):
        asked(clones=["y=0,1"])
    assert main(["prove", "mlp:3-4-2:tanh", "--clone", "y=0,1"]) == 3
    assert capsys.readouterr().err.startswith("lop: a defect of the toolkit, please report it")


def test_a_certificate_says_nothing_where_a_divisor_vanishes_everywhere(monkeypatch):
    """The exact check is asked about points; a derivation holds wherever there are any."""

    def undefined(*args, **options):
        return replace(exact.prove_invariance(*args, **options), verdict="undefined")

    monkeypatch.setattr(prove, "prove_invariance", undefined)
    found = asked()
    assert found.calculus.is_certified
    assert found.evidence.verdict is Verdict.UNKNOWN


def test_large_networks_are_left_to_the_calculus(monkeypatch, tmp_path):
    monkeypatch.setattr(prove, "MAX_EXACT", NET.num_parameters - 1)
    found = asked()
    assert (found.result, found.evidence.level) == (None, Level.PROVED)
    assert asked(method="exact").result is not None
    assert asked(clones=(), freezes=["h1:0=0"]).result is not None
    with pytest.raises(CertificateError, match="--method exact"):
        write_certificate(found, tmp_path / "proof.json")
    unseen = asked(clones=["y=0,1"])
    assert unseen.evidence.verdict is Verdict.UNKNOWN
    assert "--method exact" in unseen.evidence.detail


def test_a_network_that_divides_is_certified_where_it_may():
    found = asked(from_name("decoder:3-2-1-2-1-2:gelu"), ["m1=0,1"], "calculus")
    assert found.evidence.scope.endswith("wherever no divisor is 0")


@pytest.mark.parametrize("name", ["resnet50", "vit_b16"])
def test_real_networks_are_answered_in_seconds(name, capsys):
    axis = "d0" if name == "resnet50" else "d"
    start = perf_counter()
    assert main(["prove", name, "--clone", f"{axis}=0,1/2,3", "--json", "-"]) == 0
    assert perf_counter() - start < 20  # one on an idle machine
    found = json.loads(capsys.readouterr().out)
    assert (found["level"], found["exact"]) == ("proved", None)


def test_a_derivation_is_shown_on_request(capsys):
    arguments = ["prove", "mlp:3-4-2:tanh", "--clone", "h1=0,1"]
    assert main([*arguments, "--derivation"]) == 0
    shown = capsys.readouterr().out
    assert "parameters: gradients (MC3)" in shown
    assert "grad:W1: equal inside 3 blocks of h1 (4)" in shown
    assert main([*arguments, "--derivation", "--json", "-"]) == 0
    steps = json.loads(capsys.readouterr().out)["calculus"]["derivation"]
    assert {step["phase"] for step in steps} == {"forward", "backward", "parameters"}
    assert main([*arguments, "--json", "-"]) == 0
    assert "derivation" not in json.loads(capsys.readouterr().out)["calculus"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--clone", "h1=0,1", "--method", "sympy"], "there are both, exact, calculus"),
        (["--freeze", "h1:0=0", "--method", "calculus"], "not of frozen units"),
        (["--freeze", "h1:0=0", "--derivation"], "it speaks of clones only"),
        (["--clone", "h1=0,1", "--method", "exact", "--derivation"], "was not asked"),
        (["--clone", "h1=0,1", "--method", "calculus", "--certificate", "c"], "an exact proof"),
    ],
)
def test_options_that_do_not_fit(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["prove", "mlp:3-4-2:tanh", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_an_unknown_method():
    with pytest.raises(OptionError, match="--method 'all'"):
        asked(method="all")
