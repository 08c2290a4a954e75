"""The application that commands register with."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    name="lop",
    help="Proofs and checks for loss of plasticity in neural networks.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
