"""The README's tables are generated; its examples run."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

from proofs_check import optimizer_table
from proofs_check.claims import load_claims

README = Path(__file__).parents[1] / "README.md"
FAMILIES = {
    "P6": ("one claim a layer", "modular cloning, layer by layer"),
    "E7": ("one claim a cell", "what each optimizer keeps, in the table below"),
}


def claims() -> str:
    """The claims as a Markdown table; a family of them is one row."""
    lines = ["| id | claim | expected |", "|---|---|---|"]
    met: set[str] = set()
    for claim in load_claims():
        head, dot, _ = claim.id.partition(".")
        if dot and head in FAMILIES:
            if head not in met:
                count = sum(other.id.startswith(f"{head}.") for other in load_claims())
                lines.append(f"| {head}.… | {FAMILIES[head][1]} | {count}: {FAMILIES[head][0]} |")
            met.add(head)
            continue
        mended = f", mended by {claim.corrected_by}" if claim.corrected_by else ""
        lines.append(f"| {claim.id} | {claim.title} | {claim.expected.value}{mended} |")
    return "\n".join(lines) + "\n"


TABLES = {"claims": claims, "optimizers": optimizer_table.markdown}


def with_tables(text: str) -> str:
    """The README with today's tables."""
    for name, table in TABLES.items():
        start = f"<!-- {name}: written by tests/test_readme.py --write -->\n"
        end = f"<!-- end of {name} -->"
        head, rest = text.split(start)
        text = head + start + table() + end + rest.split(end)[1]
    return text


def test_the_tables_are_up_to_date() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run: python tests/test_readme.py --write"


def test_examples_run() -> None:
    failures, tests = doctest.testfile(str(README), module_relative=False)
    assert tests > 0
    assert failures == 0


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    README.write_text(with_tables(README.read_text(encoding="utf-8")), encoding="utf-8")
