"""The README's table of claims is generated; its examples run."""

from __future__ import annotations

import doctest
import sys
from pathlib import Path

from proofs_check.claims import load_claims

README = Path(__file__).parents[1] / "README.md"
START = "<!-- claims: written by tests/test_readme.py --write -->\n"
END = "<!-- end of claims -->"


def table() -> str:
    """The claims as a Markdown table."""
    lines = ["| id | claim | expected |", "|---|---|---|"]
    for claim in load_claims():
        mended = f", mended by {claim.corrected_by}" if claim.corrected_by else ""
        lines.append(f"| {claim.id} | {claim.title} | {claim.expected.value}{mended} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """The README with the table of today's claims."""
    head, rest = text.split(START)
    return head + START + table() + END + rest.split(END)[1]


def test_the_table_of_claims_is_up_to_date() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_table(text) == text, "run: python tests/test_readme.py --write"


def test_examples_run() -> None:
    failures, tests = doctest.testfile(str(README), module_relative=False)
    assert tests > 0
    assert failures == 0


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
