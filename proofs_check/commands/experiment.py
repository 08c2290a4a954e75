"""``lop experiment``: the paper's experiments."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from proofs_check.commands.app import app
from proofs_check.commands.output import check_files, write_json
from proofs_check.commands.processors import processors
from proofs_check.errors import OptionError
from proofs_check.options import JsonFile, Seed

if TYPE_CHECKING:
    from proofs_check.experiments.running import OnProgress


@app.command(
    short_help="Repeat an experiment of the paper.",
    help="Repeat an experiment of the paper and say of each of its claims whether it is "
    "reproduced, not reproduced, or not testable at this scale, by a criterion fixed before the "
    "run.\n\n"
    "NAME is cloning, bit-flipping or continual. By default they take one to three minutes on two "
    "processors. With --out the state is kept after each stage, and --resume goes on after an "
    "interruption with the same numbers.\n\n"
    "Exit status: 0 if there is an answer, whatever it is, 2 for input that cannot be used.",
    epilog="\b\nExamples:\n  lop experiment cloning\n"
    "  lop experiment bit-flipping --full --out results\n"
    "  lop experiment bit-flipping --full --out results --resume\n"
    "  lop experiment bit-flipping --from results --json -",
)
def experiment(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    seeds: Annotated[int | None, typer.Option(help="Members of the ensemble.")] = None,
    samples: Annotated[
        int | None, typer.Option(help="Samples: of the stream, or of the data.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Epochs before and after cloning, or of each task.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="The scale of the paper; takes much longer.")
    ] = False,
    out: Annotated[
        str | None, typer.Option(metavar="DIR", help="Folder for checkpoints and results.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoints in --out.")
    ] = False,
    saved: Annotated[
        str | None, typer.Option("--from", metavar="DIR", help="Show what --out has saved.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Number of processes.  [default: one for each processor]"),
    ] = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
) -> None:
    """Run or show an experiment.

    Raises:
        LopError: if the name, an option or a file cannot be used.
    """
    from proofs_check.experiments import find, load, run

    check_files(json_file)
    chosen = find(name)
    if saved is not None:
        if full or resume or out is not None or (seeds, samples, epochs) != (None, None, None):
            raise OptionError("--from: it shows what is saved, so no options of a run beside it")
        result = load(Path(saved) / f"{name}.json")
    else:
        settings = chosen.settings(full, seeds=seeds, samples=samples, epochs=epochs)
        if resume and out is None:
            raise OptionError("--resume: it needs --out, the folder of the checkpoints")
        with _progress(name) as on_progress:
            result = run(
                chosen,
                settings,
                seed=seed,
                out=out,
                resume=resume,
                processes=jobs or processors(),
                on_progress=on_progress,
            )
    if json_file != "-":
        for line in result.lines():
            typer.echo(line)
    write_json(json_file, result.as_json())


@contextmanager
def _progress(name: str) -> Iterator[OnProgress]:
    """Report stages on standard error: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():

        def print_line(finished: int, total: int, job: str) -> None:
            typer.echo(f"[{finished}/{total}] {name} {job}".rstrip(), err=True)

        yield print_line
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        running = bar.add_task(name, total=None)

        def update(finished: int, total: int, job: str) -> None:
            described = f"{name}, {job}" if job else name
            bar.update(running, completed=finished, total=total, description=described)

        yield update
