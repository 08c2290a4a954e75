"""``lop discover``: what training cannot use."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from proofs_check.commands.app import app
from proofs_check.commands.output import check_files, write_json
from proofs_check.options import Bits, Clone, Freeze, JsonFile, Mirror, Seed, Target, Zero


@app.command(
    short_help="Find the directions that training cannot use.",
    help="Find the smallest space that holds every gradient that training can meet, whatever the "
    "data and the loss; its dimension is the plasticity dimension. What is missing is conserved by "
    "SGD and momentum, and listed by kind.\n\n"
    "That is for generic weights. With --parameters the numerical rank around real weights stands "
    "beside it, with its spectrum: an observation, in half a minute for 2,000 parameters.\n\n"
    "Seconds for 3,000 parameters, minutes for 15,000; more than 50,000 are refused.\n\n"
    "TARGET is as in lop prove. Exit status: 0 if there is an answer, 2 for input that cannot be "
    "used.",
    epilog="\b\nExamples:\n  lop discover mlp:3-4-4-2\n"
    "  lop discover mlp:3-4-4-2 --clone h1=0,1/2,3 --clone h2=0,1/2,3\n"
    "  lop discover mlp:3-4-4-10:relu --freeze h1:0=0 --adjoints cross-entropy\n"
    "  lop discover net.py:network --parameters trained.npz --data inputs.npz --json answer.json",
)
def discover(
    target: Target,
    clone: Clone = None,
    freeze: Freeze = None,
    mirror: Mirror = None,
    zero: Zero = None,
    adjoints: Annotated[
        str, typer.Option(help="Derivatives by the outputs: all, or those of cross-entropy.")
    ] = "all",
    batch: Annotated[
        int | None,
        typer.Option(min=1, help="Samples of a loss.  [default: 1; 4 if samples are coupled]"),
    ] = None,
    parameters: Annotated[
        str | None,
        typer.Option(metavar="FILE.npz", help="Real weights by name, as numpy.savez writes them."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.npz", help="Real inputs: the array x.  [default: standard normal]"
        ),
    ] = None,
    bits: Bits = 60,
    seed: Seed = 0,
    json_file: JsonFile = None,
) -> None:
    """Find the plasticity dimension of a network and what training conserves.

    Raises:
        LopError: if the target, an option or a file cannot be used.
    """
    from proofs_check.discover import Ticker
    from proofs_check.discover import discover as discovered
    from proofs_check.files import read_array, read_arrays
    from proofs_check.target import resolve

    check_files(json_file)
    with redirect_stdout(sys.stderr):  # the target's own prints
        found = discovered(
            resolve(target),
            clone or (),
            freeze or (),
            mirror or (),
            zero or (),
            adjoints=adjoints,
            batch=batch,
            bits=bits,
            seed=seed,
            on_progress=Ticker(lambda line: typer.echo(line, err=True)),
            parameters=None if parameters is None else read_arrays(parameters),
            data=None if data is None else read_array(data, "x"),
        )
    if json_file != "-":
        for line in found.lines():
            typer.echo(line)
    write_json(json_file, found.as_json())
