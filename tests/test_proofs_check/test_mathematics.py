from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proofs_check.claims import load_claims
from proofs_check.mathematics import aligned, formula, with_formulas

MATH = "{http://www.w3.org/1998/Math/MathML}"


def test_formulas_between_dollars_become_mathml():
    page = ElementTree.fromstring(f"<p>{with_formulas(r'let $x_1 < 2$ & so on')}</p>")
    assert page.find(f"{MATH}math//{MATH}msub") is not None
    assert "".join(page.itertext()).endswith(" & so on")


def test_several_lines_are_rows_of_one_table():
    table = ElementTree.fromstring(aligned((r"a &= b", r"&= \frac{c}{d}")))
    rows = list(table.iter(f"{MATH}mtr"))
    assert [len(list(row)) for row in rows] == [2, 2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("φ'_v(z_v)", "φ'<sub>v</sub>(z<sub>v</sub>)"),
        ("δ\u0302_k = √n_k δ_k", "δ\u0302<sub>k</sub> = √n<sub>k</sub> δ<sub>k</sub>"),
        ("error ≤ 2^-60", "error ≤ 2<sup>−60</sup>"),
        ("max_pool and x.data_set", "max_pool and x.data_set"),
        ("costs $5", "costs $5"),
    ],
)
def test_plain_text_keeps_its_words_and_gains_its_indices(text, shown):
    assert with_formulas(text) == shown


@given(st.text())
def test_no_text_breaks_the_page(text):
    printable = "".join(c for c in text if c.isprintable())
    ElementTree.fromstring(f"<p>{with_formulas(printable)}</p>")


def test_primes_are_of_full_size_and_bars_stand_close():
    shown = ElementTree.fromstring(formula(r"|K'(0)|"))
    assert shown.find(f".//{MATH}msup") is None
    signs = [e for e in shown.iter(f"{MATH}mo") if e.text in ("|", "\N{PRIME}")]
    assert [e.get("lspace") for e in signs] == ["0", "0", "0"]


def test_what_cannot_be_converted_is_shown_as_it_is():
    assert formula(r"\left( x") == r"<code>\left( x</code>"


def test_every_statement_of_a_claim_is_well_formed():
    for claim in load_claims():
        for text in (claim.statement, claim.title, claim.where, *claim.hypotheses):
            shown = with_formulas(text)
            ElementTree.fromstring(f"<p>{shown}</p>")
            assert "<code>" not in shown, text
