"""The command ``lop``.

Exit status: 0 if all is as expected, 1 if a verdict differs or the target is not proved, 2 for
input that cannot be used, with one line that says why; 3 if two of our provers contradict each
other, which is a defect of the toolkit. What is heavy is imported inside the
commands: ``lop --help`` answers at once.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, TextIO

import typer

from proofs_check.commands.app import app
from proofs_check.errors import DisagreementError
from theory.errors import LopError

# Typer names only a subclass of click's UsageError, whose home depends on Typer's version.
UsageError: Any = typer.BadParameter.__base__

# In the order in which help lists them.
COMMANDS = (
    *("claims", "networks", "verify", "prove", "replay"),
    *("discover", "stability", "experiment"),
)
for _command in COMMANDS:
    import_module(f"proofs_check.commands.{_command}")


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
