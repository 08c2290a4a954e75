"""Files that commands write."""

from __future__ import annotations

import json
import sys
from typing import Any, TextIO


def check_files(json_file: str | None, **others: str | None) -> None:
    """Refuse a path before the work, not after.

    Raises:
        OutputError: if a file cannot be written, or two options name the same one.
    """
    from proofs_check.files import check_distinct, check_writable

    for path in (json_file, *others.values()):
        if path not in (None, "-"):
            check_writable(path)
    check_distinct({"--json": json_file} | {f"--{name}": path for name, path in others.items()})


def write_json(path: str | None, value: Any) -> None:
    """Write a result where ``--json`` says, or nowhere.

    Raises:
        OutputError: if the file cannot be written.
    """
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
