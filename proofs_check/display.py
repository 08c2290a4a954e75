"""What a person reads: a table on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import typer

from proofs_check.certificate_words import certificate_lines
from proofs_check.claim import Claim, row_of
from proofs_check.evidence import Verdict
from proofs_check.prove import Answer
from proofs_check.result import ClaimResult, Outcome
from proofs_check.runner import OnProgress, Task
from theory.modules import NotCertified

MAX_WIDTH = 160  # of a line of a counterexample; --json has it in full

EXPECTED = "as expected"
COLOURS = {Verdict.PROVED: "green", Verdict.REFUTED: "red", Verdict.UNKNOWN: "yellow"}


def show_claims(claims: Sequence[Claim]) -> None:
    """List claims: id, expected verdict, title, place in the paper; one line a row of a table."""
    rows = []
    for row, group in groupby(claims, row_of):
        cells = list(group)
        if len(cells) == 1:
            claim = cells[0]
            rows.append((claim.id, claim.expected.value, claim.title, claim.where))
            continue
        verdicts = [claim.expected for claim in cells]
        rows.append((f"{row}.…", _counted(verdicts), _by_verdict(cells), cells[0].where))
    _table(("id", "expected", "claim", "where"), rows)


def _counted(verdicts: Sequence[Verdict]) -> str:
    """``3 proved, 2 refuted``."""
    counts = Counter(verdict.value for verdict in verdicts)
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _by_verdict(cells: Sequence[Claim]) -> str:
    """``proved: IEOE, BC; refuted: leaf``."""
    named: dict[str, list[str]] = {}
    for claim in cells:
        named.setdefault(claim.expected.value, []).append(claim.id.rpartition(".")[2])
    return "; ".join(f"{verdict}: {', '.join(names)}" for verdict, names in named.items())


def show_results(results: Sequence[ClaimResult]) -> None:
    """List verdicts, then what is not as expected, then the count.

    A row of a table is one line with its weakest level if all its cells are as expected.
    """
    rows = []
    for row, group in groupby(results, lambda result: row_of(result.claim)):
        cells = list(group)
        if len(cells) == 1 or not all(result.is_as_expected for result in cells):
            rows += [_result_row(result) for result in cells]
            continue
        weakest = min(cells, key=lambda result: result.evidence.strength)
        time = sum(result.seconds for result in cells)
        verdicts, named = [r.verdict for r in cells], _by_verdict([r.claim for r in cells])
        level = _level_words(weakest)
        rows.append((f"{row}.…", _counted(verdicts), level, EXPECTED, f"{time:.1f} s", named))
    _table(("id", "verdict", "level", "", "time", "claim"), rows)
    for result in results:
        for problem in result.problems:
            typer.secho(f"{result.claim.id}: {problem}", fg="red")
    good = sum(result.is_as_expected for result in results)
    typer.echo(f"{good} of {len(results)} claims as expected")


def _level_words(result: ClaimResult) -> str:
    return "-" if result.level in (None, "proved") else str(result.level)


def _result_row(result: ClaimResult) -> tuple[str, ...]:
    return (
        result.claim.id,
        result.verdict.value,
        _level_words(result),
        EXPECTED if result.is_as_expected else "NOT AS EXPECTED",
        f"{result.seconds:.1f} s",
        result.claim.title,
    )


def show_evidence(results: Sequence[ClaimResult]) -> None:
    """Print each claim in full: statement, hypotheses, every check with its figures."""
    for result in results:
        claim = result.claim
        typer.secho(f"{claim.id}  {claim.title}", bold=True)
        typer.echo(f"  {claim.statement}")
        for hypothesis in claim.hypotheses:
            typer.echo(f"  if   {hypothesis}")
        for outcome in result.checks:
            _show_outcome("check", outcome)
        for variant, outcome in zip(claim.false_variants, result.false_variants, strict=True):
            _show_outcome("false variant", outcome, variant.why_false)
        typer.echo("")


def _show_outcome(kind: str, outcome: Outcome, why_false: str = "") -> None:
    evidence = outcome.evidence
    words = outcome.error or evidence.words
    typer.secho(f"  {kind}: {outcome.name}: {words}", fg=COLOURS[evidence.verdict])
    detail, *more = evidence.detail.splitlines() or [""]
    for label, text in (("false as", why_false), ("scope", evidence.scope), ("found", detail)):
        if text:
            typer.echo(f"    {label:<9} {_cut(text)}")
    for line in more:
        typer.echo(f"    {'':<9} {_cut(line)}")
    for name, value in evidence.figures.items():
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        typer.echo(f"    {'':<9} {name}: {shown}")


def _cut(line: str) -> str:
    return f"{line[:MAX_WIDTH]} … (in full with --json)" if len(line) > MAX_WIDTH else line


def show_answer(answer: Answer) -> None:
    """Print what was proved or refuted, for which hypotheses, and how."""
    question, evidence = answer.question, answer.evidence
    name = question.manifold.name
    match evidence.verdict:
        case Verdict.PROVED:
            head = f"{evidence.level_words}: training stays on {name}"
        case Verdict.REFUTED:
            head = f"{evidence.words}: training can leave {name}"
        case Verdict.UNKNOWN:
            head = f"unknown whether training stays on {name}"
    typer.secho(head, fg=COLOURS[evidence.verdict], bold=True)
    parameters = question.architecture.num_parameters
    lines = (
        ("network", f"{question.architecture.name}, {parameters} parameters"),
        ("manifold", f"{name}, dimension {question.manifold.dimension}"),
        ("conditions", "; ".join(question.conditions)),
        ("scope", evidence.scope),
        ("evidence", evidence.detail),
        ("time", f"{answer.seconds:.2f} s"),
    )
    for label, text in lines:
        typer.echo(f"  {label:<11} {text}")
    if evidence.holds and isinstance(answer.calculus, NotCertified):
        typer.echo(f"  {'calculus':<11} does not decide: {_cut(str(answer.calculus.breach))}")
    if answer.counterexample is not None:
        typer.echo("  counterexample")
        for line in answer.counterexample.text.splitlines():
            typer.echo(f"    {_cut(line)}")


def show_replay(report: Mapping[str, Any], certificate: Mapping[str, Any]) -> None:
    """Print whether a certificate is accepted and, if so, what it proves."""
    if report["verdict"] != "accepted":
        typer.secho(f"rejected: {report['reason']}", fg="red", bold=True)
        return
    typer.secho(f"accepted with error ≤ 2^-{report['bits']}", fg="green", bold=True)
    for label, text in certificate_lines(certificate):
        typer.echo(f"  {label:<11} {_cut(text)}")


def show_derivation(answer: Answer) -> None:
    """Print what the calculus derives, layer by layer."""
    if answer.calculus is not None:
        typer.echo("derivation")
        for line in answer.calculus.derivation.lines():
            typer.echo(f"  {line}")


@contextmanager
def progress() -> Iterator[OnProgress]:
    """Report finished tasks on standard error: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():

        def print_line(finished: int, total: int, task: Task, outcome: Outcome) -> None:
            typer.echo(f"[{finished}/{total}] {_line(task, outcome)}", err=True)

        yield print_line
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        running = bar.add_task("checks", total=None)

        def update(finished: int, total: int, task: Task, _: Outcome) -> None:
            described = f"{task.claim_id} {task.name}"
            bar.update(running, completed=finished, total=total, description=described)

        yield update


def _line(task: Task, outcome: Outcome) -> str:
    found = f"raised {outcome.error}" if outcome.error else outcome.evidence.words
    return f"{task.claim_id} {task.name}: {found}, {outcome.seconds:.1f} s"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    draw: Callable[[Sequence[str], Sequence[Sequence[str]]], None]
    draw = _rich_table if sys.stdout.isatty() else _plain_table
    draw(header, rows)


def _rich_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {verdict.value: colour for verdict, colour in COLOURS.items()}
    table = Table(*header)
    for row in rows:
        table.add_row(*(Text(cell, style=colours.get(cell, "")) for cell in row))
    Console().print(table)


def _plain_table(_: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo("  ".join(cells).rstrip())
