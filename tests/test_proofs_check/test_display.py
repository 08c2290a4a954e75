"""Cells of a table are listed by rows, unless one of them is not as expected."""

from dataclasses import replace

from proofs_check.claim import Settings, row_of
from proofs_check.display import show_claims, show_results
from proofs_check.evidence import Verdict
from proofs_check.runner import run_claims
from tests.test_proofs_check import fake_claims

CELLS = tuple(
    replace(fake_claims.CLAIMS[0], id=name) for name in ("E7.sgd.leaf", "E7.sgd.BC", "E7.adam.BC")
)


def test_rows():
    assert [row_of(claim) for claim in CELLS] == ["E7.sgd", "E7.sgd", "E7.adam"]
    assert row_of(fake_claims.CLAIMS[0]) == fake_claims.CLAIMS[0].id


def test_claims_are_listed_by_rows(capsys):
    show_claims(CELLS)
    first, second = capsys.readouterr().out.splitlines()
    assert first.split()[:5] == ["E7.sgd.…", "2", "proved", "proved:", "leaf,"]
    assert second.split()[:2] == ["E7.adam.BC", "proved"]


def test_a_cell_that_is_not_as_expected_is_not_hidden(capsys):
    results = run_claims(CELLS, Settings())
    show_results(results)
    assert capsys.readouterr().out.split()[:3] == ["E7.sgd.…", "2", "proved"]
    wrong = replace(results[0], claim=replace(CELLS[0], expected=Verdict.UNKNOWN))
    show_results((wrong, *results[1:]))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["E7.sgd.leaf", "E7.sgd.BC"]
    assert "NOT AS EXPECTED" in lines[0]
    assert "NOT AS EXPECTED" not in lines[1]
