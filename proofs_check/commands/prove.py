"""``lop prove``: does training stay on a manifold?"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from proofs_check.commands.app import app
from proofs_check.commands.output import check_files, write_json
from proofs_check.errors import OptionError
from proofs_check.options import Bits, Clone, Freeze, JsonFile, Mirror, Seed, Target, Zero


@app.command(
    short_help="Prove or refute that training stays on a manifold.",
    help="Prove, for all data, labels and losses, that training never leaves a manifold; or give "
    "numbers with which it does.\n\n"
    "TARGET is file.py:name, module:name, or a ready-made network such as mlp:3-4-4-2:tanh with "
    "axes x, h1, h2, y: lop networks lists them. The object is an Architecture, or a function "
    "without arguments that returns one.\n\n"
    "Two routes answer: an exact check in random prime fields, and a calculus that derives for "
    "clones, layer by layer, what is equal. With --method both, the default, the exact check is "
    "left out above 20 million parameters, where the calculus takes seconds.\n\n"
    "Exit status: 0 if proved, 1 if not, 2 for input that cannot be used, 3 if the routes "
    "contradict each other.",
    epilog="\b\nExamples:\n  lop prove mlp:3-4-4-2 --clone h1=0,1/2,3 --clone h2=0,1/2,3\n"
    "  lop prove mlp:3-4-4-2:tanh --freeze h1:0=0 --bits 100\n"
    "  lop prove net.py:network --clone h=0,1 --json answer.json\n"
    "  lop prove resnet50 --clone d0=0,1/2,3 --derivation",
)
def prove(
    target: Target,
    clone: Clone = None,
    freeze: Freeze = None,
    mirror: Mirror = None,
    zero: Zero = None,
    bits: Bits = 60,
    seed: Seed = 0,
    method: Annotated[str, typer.Option(help="The route: both, exact or calculus.")] = "both",
    derivation: Annotated[
        bool, typer.Option("--derivation", help="Show what the calculus derives, layer by layer.")
    ] = False,
    certificate: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Write an exact proof as a certificate for lop replay."),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Prove or refute invariance of one manifold of one network.

    Raises:
        LopError: if the target, an option or a file cannot be used.
        typer.Exit: with status 1 if the verdict is not "proved".
    """
    from proofs_check.certificate import write_certificate
    from proofs_check.display import show_answer, show_derivation
    from proofs_check.evidence import Verdict
    from proofs_check.prove import answer
    from proofs_check.question import make_question
    from proofs_check.target import resolve

    check_files(json_file, certificate=certificate)
    if method == "calculus" and certificate is not None:
        raise OptionError("--certificate: it holds an exact proof, so --method exact or both")
    with redirect_stdout(sys.stderr):  # the target's own prints
        question = make_question(
            resolve(target), clone or (), freeze or (), mirror or (), zero or ()
        )
        found = answer(question, method=method, bits=bits, seed=seed)
    if derivation and found.calculus is None:
        raise OptionError("--derivation: the calculus was not asked; it speaks of clones only")
    if json_file != "-":
        show_answer(found)
        if derivation:
            show_derivation(found)
    write_json(json_file, found.as_json(derivation=derivation))
    if found.evidence.verdict is not Verdict.PROVED:
        if certificate is not None:
            typer.echo("lop: no certificate, for nothing was proved", err=True)
        raise typer.Exit(1)
    if certificate is not None:
        write_certificate(found, certificate)
