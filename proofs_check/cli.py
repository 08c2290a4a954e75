"""The command ``lop``.

Exit status: 0 if all is as expected, 1 if a verdict differs or the target is not proved, 2 for
input that cannot be used, with one line that says why; 3 if two of our provers contradict each
other, which is a defect of the toolkit. What is heavy is imported inside the
commands: ``lop --help`` answers at once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Annotated, Any, TextIO

import typer

from proofs_check.errors import DisagreementError, OptionError
from proofs_check.options import Bits, Clone, Freeze, JsonFile, Mirror, Seed, Target, Zero
from theory.errors import LopError

# Typer names only a subclass of click's UsageError, whose home depends on Typer's version.
UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="lop",
    help="Proofs and checks for loss of plasticity in neural networks.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    >>> main(["verify", "Z9"])
    2
    """
    for stream in (sys.stdout, sys.stderr):
        _never_fails_to_encode(stream)
    try:
        given = None if arguments is None else list(arguments)
        status = app(given, prog_name="lop", standalone_mode=False)
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "lop"
        return _refuse(f"{error.format_message()} (see {command} --help)")
    except DisagreementError as error:
        _refuse(f"a defect of the toolkit, please report it with this command: {error}")
        return 3
    except LopError as error:
        return _refuse(str(error))
    except MemoryError:
        return _refuse("not enough memory for a network of this size")
    except OSError as error:  # a full disk behind standard output, for one
        return _refuse(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except (KeyboardInterrupt, typer.Abort):
        return 130
    return status if isinstance(status, int) else 0


def _refuse(message: str) -> int:
    typer.echo(f"lop: {' '.join(message.split())}", err=True)
    return 2


def _never_fails_to_encode(stream: TextIO) -> None:
    """Print ``?`` for ≤ and ∩ where the terminal's encoding has no such character."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"lop {version('lop-proofs')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_show_version, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        # A script that loses its arguments must not read "all as expected".
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


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

    _check_files(json_file)
    known = load_claims()
    if json_file != "-":
        show_claims(known)
    _write_json(json_file, [claim.as_json() for claim in known])


@app.command(
    short_help="List the ready-made networks.",
    help="List how the names of ready-made networks are written, an example, and their axes. "
    "Words in capitals are positive numbers, several joined by -; brackets may be left out.",
)
def networks() -> None:
    """List the forms of names."""
    from theory.zoo.names import EXAMPLES, FORMS

    for example, (form, axes) in zip(EXAMPLES, FORMS.values(), strict=True):
        typer.echo(f"{form}\n  such as {example}; axes {axes}")


@app.command(
    short_help="Re-derive claims and compare the verdicts.",
    help="Re-derive claims and compare every verdict with the expected one.\n\n"
    "An ID is one that lop claims lists; E5b stands for E5b.printed too. "
    "Without IDs all claims are checked; with IDs their evidence is shown too.\n\n"
    "Exit status: 0 if all is as expected, 1 if not, 2 for input that cannot be used.",
    epilog="\b\nExamples:\n  lop verify\n  lop verify P1 E5b --full\n"
    "  lop verify --jobs 4 --junit verdicts.xml --json -",
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

    _check_files(json_file, junit=junit)
    chosen = select(load_claims(), ids or ())
    with progress() as on_progress:
        results = run_claims(chosen, Settings(seed, full), jobs or _processors(), on_progress)
    if json_file != "-":
        if ids:
            show_evidence(results)
        show_results(results)
    _write_json(json_file, [result.as_json() for result in results])
    if junit is not None:
        write_text(junit, junit_xml(results))
    if not all(result.is_as_expected for result in results):
        raise typer.Exit(1)


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

    _check_files(json_file, certificate=certificate)
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
    _write_json(json_file, found.as_json(derivation=derivation))
    if found.evidence.verdict is not Verdict.PROVED:
        if certificate is not None:
            typer.echo("lop: no certificate, for nothing was proved", err=True)
        raise typer.Exit(1)
    if certificate is not None:
        write_certificate(found, certificate)


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

    _check_files(json_file)
    report = replayed(file)
    if json_file != "-":
        show_replay(report, read_certificate(file) if report["verdict"] == "accepted" else {})
    _write_json(json_file, report)
    if report["verdict"] != "accepted":
        raise typer.Exit(1)


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

    _check_files(json_file)
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
    _write_json(json_file, found.as_json())


def _check_files(json_file: str | None, **others: str | None) -> None:
    """Refuse a path before the work, not after."""
    from proofs_check.files import check_distinct, check_writable

    for path in (json_file, *others.values()):
        if path not in (None, "-"):
            check_writable(path)
    check_distinct({"--json": json_file} | {f"--{name}": path for name, path in others.items()})


def _write_json(path: str | None, value: Any) -> None:
    from proofs_check.files import write_text

    if path is None:
        return
    escaped = path == "-" and not _is_unicode(sys.stdout)  # a ? would change what it says
    text = json.dumps(value, indent=2, ensure_ascii=escaped, allow_nan=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_text(path, text)


def _is_unicode(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("_", "-").startswith("utf")


def _processors() -> int:
    """Processors this process may use; a container may grant fewer than the machine has."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
