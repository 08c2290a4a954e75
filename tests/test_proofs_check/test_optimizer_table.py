from dataclasses import replace
from functools import partial

import pytest

from numerics.step_invariance import KINDS
from proofs_check.claim import Settings
from proofs_check.claims.e7_optimizers import CLAIMS, in_float64, none_kept
from proofs_check.claims.p7_optimizers import KEPT, UPDATES, broken_law
from proofs_check.evidence import Verdict
from proofs_check.optimizer_table import MARKS, ROWS, kept_cell, left_cell, markdown
from theory import optimizer as rules

BY_ID = {row.id: row for row in ROWS}


def test_every_row_is_a_claim_and_a_line_of_the_table():
    assert [claim.id for claim in CLAIMS] == [f"E7.{row.id}" for row in ROWS]
    assert len(BY_ID) == len(ROWS)
    lines = markdown().splitlines()
    for row in ROWS:
        cells = " | ".join(MARKS[mark] for mark in row.marks)
        assert f"| {row.title} | {cells} |" in lines
        assert len(row.marks) == len(KINDS)
        assert set(row.marks) <= set(MARKS)


@pytest.mark.parametrize("name", ["sgd-l2", "lamb", "sgd-l1", "asam", "lion.equitable"])
def test_cells_are_as_marked(name):
    row = BY_ID[name]
    assert all(kept_cell(row, kind, 0).verdict is Verdict.PROVED for kind in row.kept)
    assert all(left_cell(row, kind, 0).verdict is Verdict.REFUTED for kind in row.left)


def test_a_wrong_mark_is_seen():
    wrong = replace(BY_ID["sgd-l1"], marks="xkkx")
    assert kept_cell(wrong, "equitable", 0).verdict is Verdict.REFUTED
    enclosed = replace(BY_ID["sgd-l1"], marks="xekx")
    assert left_cell(enclosed, "equitable", 0).verdict is Verdict.UNKNOWN
    too_bad = replace(BY_ID["noisy-sgd"], optimizer=rules.sgd_l2())
    assert none_kept(too_bad, Settings()).verdict is Verdict.PROVED


def test_rounding_that_is_not_rounding_is_seen():
    wrong = replace(BY_ID["noisy-sgd"], marks="kxxx", id="sgd")
    assert in_float64(wrong, Settings()).verdict is Verdict.REFUTED


def test_classes_keep_what_they_should_and_no_more():
    for (_, update), kinds in zip(UPDATES, KEPT, strict=True):
        law = partial(broken_law, update)
        assert tuple(k for k in KINDS if k != "frozen" and law(k) is None) == kinds
