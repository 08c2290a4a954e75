"""``lop stability``: whether training falls back to a manifold of clones, or leaves it."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from proofs_check.commands.app import app
from proofs_check.commands.output import check_files, write_json
from proofs_check.options import Clone, JsonFile, Seed, Target


@app.command(
    short_help="Classify a cloned network's manifold at a point.",
    help="Classify the manifold of clones at a block-constant point, by the signs of the "
    "transverse eigenvalues of the Hessian: attracting, repelling, saddle, semi-attracting, "
    "semi-repelling or degenerate. Beside it the rate and the direction of escape, the weight "
    "decay that would hold the clones together, and what would free them.\n\n"
    "Signs are proved exactly where functions and loss are piecewise rational (ReLU with mse), "
    "enclosed by balls elsewhere, and merely observed in float64 where that would take minutes; "
    "--samples makes such a question smaller.\n\n"
    "TARGET is as in lop prove. An .npz holds x and y, or the parameters by name. mse is half the "
    "mean over samples of the sum over outputs of squared errors. Exit status: 0 if there is an "
    "answer, 2 for input that cannot be used.",
    epilog="\b\nExamples:\n  lop stability mlp:3-4-4-2:tanh --clone h1=0,1/2,3 --clone h2=0,1\n"
    "  lop stability mlp:64-16-10:relu --clone h1=0,1/2,3 --data digits --samples 100\n"
    "  lop stability mlp:3-4-2:relu --clone h1=0,1 --rate 0.1 --momentum 0.9 --weight-decay 0.01\n"
    "  lop stability net.py:network --clone h=0,1 --parameters trained.npz --data data.npz "
    "--picture spectrum.svg",
)
def stability(
    target: Target,
    clone: Clone = None,
    data: Annotated[
        str, typer.Option(metavar="random|digits|FILE.npz", help="Inputs x and targets y.")
    ] = "random",
    samples: Annotated[
        int | None,
        typer.Option(metavar="N", help="The first N samples alone.  [default: all; 32 if random]"),
    ] = None,
    parameters: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.npz",
            help="Block-constant weights by name.  [default: random ones, widened]",
        ),
    ] = None,
    loss: Annotated[str, typer.Option(help="mse or cross-entropy.")] = "mse",
    weight_decay: Annotated[
        str, typer.Option(metavar="λ", help="L2 decay of all parameters.")
    ] = "0",
    rate: Annotated[
        str | None, typer.Option(metavar="η", help="Judge steps of this size too.")
    ] = None,
    momentum: Annotated[
        str | None, typer.Option(metavar="β", help="Momentum of these steps (heavy ball).")
    ] = None,
    picture: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Draw the spectrum: FILE.png, .svg or .pdf."),
    ] = None,
    seed: Seed = 0,
    json_file: JsonFile = None,
) -> None:
    """Classify a point of a manifold of clones.

    Raises:
        LopError: if the target, an option or a file cannot be used.
    """
    from proofs_check.stability.classification import stability as classified
    from proofs_check.stability.question import make_stability_question
    from proofs_check.stability.words import lines
    from proofs_check.target import resolve

    check_files(json_file, picture=picture)
    if picture is not None:
        from proofs_check.stability.picture import check_picture

        check_picture(picture)
    with redirect_stdout(sys.stderr):  # the target's own prints
        question = make_stability_question(
            resolve(target),
            clone or (),
            data=data,
            samples=samples,
            parameters=parameters,
            loss=loss,
            decay=weight_decay,
            rate=rate,
            momentum=momentum,
            seed=seed,
        )
        found = classified(question, _Ticker())
    if picture is not None:
        from proofs_check.stability.picture import draw_spectrum

        draw_spectrum(found, picture)
    if json_file != "-":
        for line in lines(found):
            typer.echo(line)
    write_json(json_file, found.as_json())


class _Ticker:
    """Lines of progress on standard error, one in three seconds at most."""

    def __init__(self) -> None:
        from time import perf_counter

        self._clock = perf_counter
        self._last = perf_counter()

    def __call__(self, line: str) -> None:
        if self._clock() - self._last >= 3.0:
            self._last = self._clock()
            typer.echo(line, err=True)
