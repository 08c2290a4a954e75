from dataclasses import replace
from math import inf, log2

import pytest

from numerics.exact import prove_invariance
from numerics.identity import ErrorBound, Identity, vanishes
from proofs_check import findings
from proofs_check.claim import Settings
from proofs_check.drawing.networks import draw_network, draw_partition
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted, unknown
from proofs_check.findings import (
    campaign,
    derived,
    from_exact,
    from_identity,
    from_refutation,
    refuted_twice,
)
from theory.invariance import refute
from theory.manifold import ambient, equitable, incoming_equitable
from theory.partition import make_partition
from theory.tracing import trace
from theory.zoo import mlp

NET = mlp([1, 2, 1])
CLONES = make_partition(NET.sizes, {"h1": [[0, 1]]})
ON, HALF = equitable(NET, CLONES), incoming_equitable(NET, CLONES)


def test_an_exact_proof_has_its_error():
    found = prove_invariance(NET, ON)
    evidence = from_exact(found, "one network")
    assert (evidence.verdict, evidence.level) == (Verdict.PROVED, Level.PROVED_WITH_ERROR)
    assert evidence.error_bits == found.error_bits >= 60
    assert (evidence.scope, evidence.detail) == ("one network", found.summary())


def test_an_exact_refutation_names_primes_and_parts():
    found = prove_invariance(NET, HALF)
    evidence = from_exact(found, "one network")
    assert (evidence.verdict, evidence.level) == (Verdict.REFUTED, Level.OBSERVED)
    assert evidence.counterexample == {
        "primes": list(found.primes),
        "not zero": list(found.failing),
    }


@pytest.mark.parametrize("verdict", ["undefined", "unknown"])
def test_what_was_not_decided_is_unknown(verdict):
    found = replace(prove_invariance(NET, ON), verdict=verdict)
    evidence = from_exact(found, "one network")
    assert (evidence.verdict, evidence.level, evidence.detail) == (
        Verdict.UNKNOWN,
        None,
        found.summary(),
    )


def identity(function):
    return vanishes(trace(lambda p, x: {"d": function(x["x"])}, {}, {"x": ()}), bits=60, seed=0)


def test_identities_are_evidence():
    true = from_identity(identity(lambda x: x * x - x**2), "all x", "x x = x²")
    assert (true.level, true.detail) == (Level.PROVED_WITH_ERROR, "x x = x²")
    false = from_identity(identity(lambda x: x * x - x), "all x", "x x = x")
    assert false.verdict is Verdict.REFUTED
    assert false.detail == "not so: x x = x; it fails for d"
    nowhere = from_identity(identity(lambda x: 1 / (x - x * 2 + x)), "all x", "1/0 = 0")
    assert (nowhere.verdict, nowhere.level) == (Verdict.UNKNOWN, None)
    assert nowhere.detail == "a divisor vanishes everywhere: 1/0 = 0"


def test_nothing_left_to_chance_is_proved():
    sure = Identity("holds", (), ErrorBound(inf, 1, 0, 0, 0), (101,))
    evidence = from_identity(sure, "constants", "0 = 0")
    assert (evidence.level, evidence.error_bits) == (Level.PROVED, None)


def test_a_derivation_and_a_refutation_by_numbers():
    proof = derived(NET, ON)
    assert (proof.level, proof.scope) == (Level.PROVED, NET.name)
    assert proof.detail.startswith("derived in SymPy: ")
    against = derived(NET, HALF)
    assert against.verdict is Verdict.REFUTED
    assert against.counterexample is not None


def test_a_counterexample_that_does_not_replay_is_unknown():
    found = refute(NET, HALF)
    assert found is not None
    assert from_refutation(found, "here").verdict is Verdict.REFUTED
    evidence = from_refutation(replace(found, value=found.value + 1), "here")
    assert evidence.verdict is Verdict.UNKNOWN
    assert evidence.detail.startswith("the counterexample does not replay: ")


def test_two_ways_agree():
    both = refuted_twice(NET, HALF)
    assert (both.verdict, both.level) == (Verdict.REFUTED, Level.PROVED)
    assert "primes" not in (both.counterexample or {})  # rational numbers, not residues
    assert refuted_twice(NET, ON).level is Level.PROVED_WITH_ERROR
    assert refuted_twice(NET, HALF, tangent=ambient(NET)).verdict is Verdict.PROVED


def test_a_disagreement_is_unknown(monkeypatch):
    monkeypatch.setattr(findings, "refute", lambda *_: None)
    evidence = refuted_twice(NET, HALF)
    assert (evidence.verdict, evidence.level) == (Verdict.UNKNOWN, None)
    assert evidence.detail == (
        "the fields say refuted, the rational search found no counterexample"
    )
    found = refute(NET, HALF)
    monkeypatch.setattr(findings, "refute", lambda *_: found)
    evidence = refuted_twice(NET, ON)
    assert evidence.detail == "the fields say proved, the rational search found a counterexample"


def test_a_campaign_adds_the_errors():
    asked = []

    def test(choose, bits, seed):
        asked.append((bits, seed))
        net = draw_network(choose, max_depth=1, max_width=3)
        manifold = equitable(net, draw_partition(choose, net))
        return from_exact(prove_invariance(net, manifold, bits=bits, seed=seed), net.name)

    evidence = campaign(Settings(), "C", 8, "networks", test)
    assert (evidence.scope, evidence.figures) == ("8 random networks", {"networks": 8})
    assert evidence.level is Level.PROVED_WITH_ERROR
    assert evidence.error_bits is not None
    assert evidence.error_bits >= 60
    assert all(bits >= 60 + log2(8) for bits, _ in asked)
    assert len({seed for _, seed in asked}) == 8


def test_a_campaign_at_the_asked_error_keeps_sixty_bits():
    """Each trial just reaches what it was asked for: together still 2^-60."""

    def test(choose, bits, seed):
        return holds(Level.PROVED_WITH_ERROR, "", "", error_bits=bits)

    for count in (1, 3, 1000):
        bits = campaign(Settings(), "C", count, "trials", test).error_bits
        assert bits is not None
        assert 60 <= bits < 60.1


@pytest.mark.parametrize("last", [refuted("here", "x = 3"), unknown("here", "who knows")])
def test_a_campaign_stops_at_the_first_failure(last: Evidence):
    runs = []

    def test(choose, bits, seed):
        runs.append(seed)
        return last if len(runs) == 3 else holds(Level.PROVED, "", "")

    assert campaign(Settings(seed=4), "C", 10, "trials", test) is last
    assert runs == [Settings(seed=4).sub_seed("C", trial) for trial in range(3)]
