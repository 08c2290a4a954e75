"""What a claim must carry, and how claims are found."""

from dataclasses import replace

import pytest

from proofs_check.claim import Check, Claim, FalseVariant, Settings, select
from proofs_check.claims import THEORY_ORDER, load_claims
from proofs_check.errors import ClaimError
from proofs_check.evidence import Level, Verdict, holds, refuted
from proofs_check.runner import run_claims
from tests.test_proofs_check import fake_claims, repeated_claims, uncorrected_claims

FAKE = ("tests.test_proofs_check.fake_claims",)


def proved(_):
    return holds(Level.PROVED, "s", "d")


def false(_):
    return refuted("s", "d", counterexample={"x": 1})


CLAIM = Claim(
    id="P1",
    title="title",
    statement="statement",
    hypotheses=(),
    where="Section 1",
    expected=Verdict.PROVED,
    checks=(Check("check", proved),),
    false_variants=(FalseVariant("one", "why", false), FalseVariant("two", "why", false)),
)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "p1"}, "id='p1'"),
        ({"id": ""}, "id=''"),
        ({"id": "P1 "}, "id='P1 '"),
        ({"title": " "}, "title is empty"),
        ({"statement": ""}, "statement is empty"),
        ({"where": ""}, "where is empty"),
        ({"checks": ()}, "at least one check"),
        ({"checks": (Check("one", proved),)}, "named 'one'"),
        ({"false_variants": ()}, "0 false variants"),
        ({"false_variants": (FalseVariant("one", "why", false),)}, "1 false variants"),
        ({"expected": Verdict.REFUTED}, "corrected_by=None"),
        ({"corrected_by": "E5a"}, "corrected_by='E5a'"),
    ],
)
def test_incomplete_claims_are_refused(changes, message):
    with pytest.raises(ClaimError, match=message):
        replace(CLAIM, **changes)


def test_a_refuted_claim_needs_no_false_variants():
    claim = replace(CLAIM, expected=Verdict.REFUTED, corrected_by="E5a", false_variants=())
    assert claim.corrected_by == "E5a"


@pytest.mark.parametrize("name", ["P1", "E2a", "N10s", "E7.adamw.leaf", "E7.sign-sgd.BC"])
def test_ids(name):
    assert replace(CLAIM, id=name).id == name


class TestSettings:
    def test_sub_seeds_depend_on_every_name_and_the_seed(self):
        seeds = [
            Settings(seed).sub_seed(*names)
            for seed in (0, 1)
            for names in [("a",), ("b",), ("a", "b"), ("ab",), ("a", 1), ("a", "1"), ()]
        ]
        assert len(set(seeds)) == len(seeds)
        assert all(0 <= seed < 2**64 for seed in seeds)

    def test_sub_seeds_are_the_same_everywhere(self):
        """Fixed once: another value would change every report."""
        assert Settings(7).sub_seed("P1", "data") == 889825769274038617

    def test_full_changes_no_seed(self):
        assert Settings(3, full=True).sub_seed("a") == Settings(3).sub_seed("a")

    def test_negative_seed(self):
        with pytest.raises(ClaimError, match="seed=-1"):
            Settings(-1)


class TestRegistry:
    def test_ids_are_unique_and_in_the_order_of_the_theory(self):
        ids = [claim.id for claim in load_claims()]
        assert len(set(ids)) == len(ids)
        places = [THEORY_ORDER.index(name.partition(".")[0]) for name in ids]
        assert places == sorted(places)

    def test_modules_in_any_order(self):
        modules = ("tests.test_proofs_check.fake_claims", "proofs_check.claims.p1_tangency")
        ids = [claim.id for claim in load_claims(modules)]
        assert ids == ["P1", *(claim.id for claim in fake_claims.CLAIMS)]

    def test_a_repeated_id_is_refused(self):
        with pytest.raises(ClaimError, match=f"claim {repeated_claims.CLAIMS[0].id} already"):
            load_claims((*FAKE, repeated_claims.__name__))

    def test_a_correction_must_exist(self):
        with pytest.raises(ClaimError, match="corrected_by='N12': no such claim"):
            load_claims((uncorrected_claims.__name__,))


class TestSelect:
    def test_none_is_all(self):
        assert select(fake_claims.CLAIMS, ()) == fake_claims.CLAIMS

    def test_a_table_stands_for_its_cells(self):
        chosen = select(fake_claims.CLAIMS, ["E7"])
        assert [claim.id for claim in chosen] == ["E7.sgd.leaf", "E7.adam.leaf"]

    def test_order_and_repetition_of_ids_do_not_matter(self):
        assert select(fake_claims.CLAIMS, ["P3", "P2", "P3"]) == select(
            fake_claims.CLAIMS, ["P2", "P3"]
        )

    def test_unknown_id_names_the_known_ones(self):
        with pytest.raises(ClaimError, match=r"id 'Z9': no such claim; the claims are P2, P3"):
            select(fake_claims.CLAIMS, ["P2", "Z9"])

    def test_an_id_is_no_prefix(self):
        with pytest.raises(ClaimError, match="id 'E'"):
            select(fake_claims.CLAIMS, ["E"])


def test_tangency():
    (result,) = run_claims(load_claims(("proofs_check.claims.p1_tangency",)))
    assert result.problems == ()
    assert result.level == "proved"
