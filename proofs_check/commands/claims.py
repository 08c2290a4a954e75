"""``lop claims``: what is claimed."""

from __future__ import annotations

from proofs_check.commands.app import app
from proofs_check.commands.output import check_files, write_json
from proofs_check.options import JsonFile


@app.command(
    short_help="List the claims and their expected verdicts.",
    help="List what is claimed, where in the paper, and the expected verdict.",
    epilog="\b\nExamples:\n  lop claims\n  lop claims --json claims.json",
)
def claims(json_file: JsonFile = None) -> None:
    """List the claims.

    Raises:
        OutputError: if the file cannot be written.
    """
    from proofs_check.claims import load_claims
    from proofs_check.display import show_claims

    check_files(json_file)
    known = load_claims()
    if json_file != "-":
        show_claims(known)
    write_json(json_file, [claim.as_json() for claim in known])
