"""Calculus and exact check: they agree, and a disagreement is found, shrunk and printed."""

from dataclasses import replace
from types import SimpleNamespace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check import agreement
from proofs_check.agreement import compare, draw_case, smallest_error
from proofs_check.claim import Settings
from proofs_check.claims import p6_composition
from proofs_check.claims.p6_layers import MODULES
from proofs_check.drawing.false_neighbours import independent_masks
from proofs_check.drawing.layered_networks import draw_around
from proofs_check.drawing.networks import chooser
from proofs_check.drawing.random_layers import layer_norm
from proofs_check.drawing.shrinking import recorded, replayed, smallest
from proofs_check.evidence import Verdict
from proofs_check.strategies import layered_networks
from theory import primitives as known
from theory.architecture import Architecture
from theory.partition import make_partition


@given(layered_networks(), st.sampled_from(["IE∩OE", "BC"]))
def test_what_is_certified_is_proved(network, tangent):
    found = compare(network, tangent)
    assert not found.is_error, str(found)


def always_certified(*args, **kwargs):
    return SimpleNamespace(is_certified=True)


def test_a_wrong_calculus_is_caught_with_the_smallest_case(monkeypatch):
    monkeypatch.setattr(agreement, "certify", always_certified)
    seed = next(s for s in range(50) if draw_case(chooser(s))[0].false_neighbour)
    found = smallest_error(seed)
    assert found is not None
    assert found.is_error
    assert len(found.network.layers) <= 2
    assert found.network.largest_block == 2
    assert "the calculus certifies; refuted" in str(found)
    monkeypatch.setattr(p6_composition, "smallest_error", lambda seed: found)
    evidence = p6_composition.agreement(Settings())
    assert evidence.verdict is Verdict.REFUTED
    assert evidence.detail == str(found)


def test_a_seed_without_an_error_has_no_smallest_one():
    assert smallest_error(0) is None


def test_vacuous_is_what_says_nothing():
    network = draw_around(chooser(0), layer_norm)
    assert not compare(network).is_vacuous
    alone = replace(network, partition=make_partition(network.architecture.sizes, {}))
    assert compare(alone).is_vacuous

    def deviations(p, x):
        z = x @ p["W"]
        return (z - z.mean(axis=1, keepdims=True)) @ p["V"]  # of clones alone, they are 0

    silent = Architecture(deviations, {"x": 2, "h": 3, "y": 1}, {"W": ("x", "h"), "V": ("h", "y")})
    one_block = make_partition(silent.sizes, {"h": [[0, 1, 2]]})
    found = compare(replace(network, architecture=silent, partition=one_block))
    assert found.exact.verdict == "proved"
    assert found.is_vacuous


@pytest.mark.slow
def test_the_campaign_reaches_everything_and_is_seldom_vacuous():
    evidence = p6_composition.agreement(Settings(seed=1))
    assert evidence.verdict is Verdict.PROVED
    assert evidence.error_bits is not None
    assert evidence.error_bits >= 60
    tally = {name: int(count) for name, count in evidence.figures.items()}
    trials = tally["trials"]
    assert trials == 120
    assert tally["vacuous"] < 0.15 * trials
    for feature in ("weight sharing", "skips"):
        assert tally[feature] >= 0.1 * trials
    for feature in ("blocks of three or more", "non-contiguous blocks", "unequal multiplicities"):
        assert tally[feature] >= 0.3 * trials
    met = {name.split()[-1] for name in tally if name.startswith("primitive: ")}
    assert met == {primitive.__name__ for primitive in get_args(known.Primitive)}


def test_a_record_replays():
    network, steps = recorded(draw_case, chooser(5))
    assert str(replayed(draw_case, steps)[0]) == str(network[0])


@given(st.lists(st.integers(0, 9), max_size=6), st.integers(1, 20))
def test_smallest_is_minimal_in_every_choice(steps, bound):
    def draw(choose):
        return [choose(0, 9) for _ in range(choose(0, 4))]

    def fails(case):
        return sum(case) >= bound

    if not fails(replayed(draw, steps)):
        return
    case = smallest(draw, steps, fails)
    assert fails(case)
    for k, value in enumerate(case):
        if value:
            assert not fails([*case[:k], value - 1, *case[k + 1 :]])


def test_a_false_variant_that_the_calculus_certifies_is_no_refutation(monkeypatch):
    network = draw_around(chooser(0), independent_masks)
    assert p6_composition.refuted_by_both(network, "IE∩OE", 0).verdict is Verdict.REFUTED
    monkeypatch.setattr(agreement, "certify", always_certified)
    found = p6_composition.refuted_by_both(network, "IE∩OE", 0)
    assert found.verdict is Verdict.UNKNOWN
    assert found.detail.startswith("the provers disagree")


def test_a_layer_the_calculus_cannot_certify_leaves_its_claim_unknown():
    module = replace(MODULES[0], layers=(independent_masks,))
    assert module.certified(Settings()).verdict is Verdict.UNKNOWN
    assert module.proved(Settings()).verdict is Verdict.REFUTED
    module = replace(MODULES[0], neighbour=MODULES[0].layers[0])
    assert module.refuted(Settings()).verdict is Verdict.PROVED
