"""``lop replay``: a certificate checked again."""

from __future__ import annotations

from typing import Annotated

import typer

from proofs_check.commands.app import app
from proofs_check.commands.output import check_files, write_json
from proofs_check.options import JsonFile


@app.command(
    short_help="Re-check a certificate.",
    help="Re-check a certificate that lop prove --certificate wrote, in a fresh Python without "
    "any library, by other means than the proof's.\n\n"
    "Exit status: 0 if it checks, 1 if it is rejected, 2 if the file is unusable.",
    epilog="\b\nExamples:\n  lop prove mlp:3-4-4-2 --clone h1=0,1 --certificate proof.json\n"
    "  lop replay proof.json",
)
def replay(
    file: Annotated[str, typer.Argument(metavar="FILE", show_default=False)],
    json_file: JsonFile = None,
) -> None:
    """Re-check a certificate.

    Raises:
        CertificateError: if the file is no certificate.
        OutputError: if the report cannot be written.
        typer.Exit: with status 1 if the certificate is rejected.
    """
    from proofs_check.certificate import read_certificate
    from proofs_check.certificate import replay as replayed
    from proofs_check.display import show_replay

    check_files(json_file)
    report = replayed(file)
    if json_file != "-":
        show_replay(report, read_certificate(file) if report["verdict"] == "accepted" else {})
    write_json(json_file, report)
    if report["verdict"] != "accepted":
        raise typer.Exit(1)
