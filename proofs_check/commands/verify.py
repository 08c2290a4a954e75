"""``lop verify``: claims re-derived."""

from __future__ import annotations

from datetime import UTC, datetime
from time import perf_counter
from typing import Annotated

import typer

from proofs_check.commands.app import app
from proofs_check.commands.output import check_files, write_json
from proofs_check.commands.processors import processors
from proofs_check.options import JsonFile, Seed


@app.command(
    short_help="Re-derive claims and compare the verdicts.",
    help="Re-derive claims and compare every verdict with the expected one.\n\n"
    "An ID is one that lop claims lists; E5b stands for E5b.printed too. "
    "Without IDs all claims are checked; with IDs their evidence is shown too.\n\n"
    "Exit status: 0 if all is as expected, 1 if not, 2 for input that cannot be used.",
    epilog="\b\nExamples:\n  lop verify\n  lop verify P1 E5b --full\n"
    "  lop verify --html report.html\n  lop verify --jobs 4 --junit verdicts.xml --json -",
)
def verify(
    ids: Annotated[list[str] | None, typer.Argument(metavar="ID", show_default=False)] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Larger networks and more trials; takes longer.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Number of processes.  [default: one for each processor]"),
    ] = None,
    seed: Seed = 0,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write one page to read and to print.")
    ] = None,
    junit: Annotated[str | None, typer.Option(metavar="FILE", help="Write a JUnit report.")] = None,
    json_file: JsonFile = None,
) -> None:
    """Run claims.

    Raises:
        ClaimError: if an id names no claim.
        OutputError: if a file cannot be written.
        typer.Exit: with status 1 if a claim is not as expected.
    """
    from proofs_check.claim import Settings, select
    from proofs_check.claims import load_claims
    from proofs_check.display import progress, show_evidence, show_results
    from proofs_check.files import write_text
    from proofs_check.junit import junit_xml
    from proofs_check.runner import run_claims

    check_files(json_file, html=html, junit=junit)
    chosen, settings = select(load_claims(), ids or ()), Settings(seed, full)
    start = perf_counter()
    with progress() as on_progress:
        results = run_claims(chosen, settings, jobs or processors(), on_progress)
    seconds = perf_counter() - start
    if json_file != "-":
        if ids:
            show_evidence(results)
        show_results(results)
    write_json(json_file, [result.as_json() for result in results])
    if html is not None:
        from proofs_check.report import html_report, provenance

        write_text(html, html_report(results, settings, provenance(_now(), seconds)))
    if junit is not None:
        write_text(junit, junit_xml(results))
    if not all(result.is_as_expected for result in results):
        raise typer.Exit(1)


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
