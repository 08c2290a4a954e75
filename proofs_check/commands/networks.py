"""``lop networks``: names of ready-made networks."""

from __future__ import annotations

import typer

from proofs_check.commands.app import app


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
