"""Output files, written whole or not at all; files of arrays."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from proofs_check.errors import ArraysError, OutputError


def check_writable(path: str | Path) -> None:
    """See now that :func:`write_text` will be able to write, before hours of work.

    Raises:
        OutputError: if the folder is missing or closed to us, or the path is empty or a folder.
    """
    if not str(path):
        raise OutputError("'': expected the name of a file")
    file = Path(os.path.realpath(path))
    if file.is_dir():
        raise OutputError(f"{str(path)!r}: a folder, expected the name of a file")
    if not file.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {file.parent}")
    closed = not os.access(file.parent, os.W_OK | os.X_OK)
    if closed or (file.exists() and not os.access(file, os.W_OK)):
        raise OutputError(f"{path}: no permission to write there")


def check_distinct(paths: Mapping[str, str | None]) -> None:
    """See that no output overwrites another.

    Args:
        paths: the file of every option that has one.

    Raises:
        OutputError: if two options name the same file.

    >>> check_distinct({"--json": "a.json", "--certificate": "./a.json"})
    Traceback (most recent call last):
    proofs_check.errors.OutputError: --certificate ./a.json: --json writes to that file too
    """
    owner: dict[str, str] = {}
    for option, path in paths.items():
        if path is None or path == "-":
            continue
        file = os.path.realpath(path)
        if file in owner:
            raise OutputError(f"{option} {path}: {owner[file]} writes to that file too")
        owner[file] = option


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` as UTF-8, as :func:`write_bytes` does.

    Raises:
        OutputError: if the file cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file: a reader sees the old one or the new one, never a part, also after a crash.

    A link keeps pointing where it does; a pipe or a device is written directly.

    Raises:
        OutputError: if the file cannot be written.
    """
    check_writable(path)
    file = Path(os.path.realpath(path))
    try:
        if file.exists() and not file.is_file():
            file.write_bytes(content)
        else:
            _replace(file, content)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror or error}") from None


def read_arrays(path: str | Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of an ``.npz`` file, as ``numpy.savez`` writes it, by name.

    Raises:
        ArraysError: if there is no such file, it is no such archive, or an array holds anything
            but numbers.
    """
    try:
        with Path(path).open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise ArraysError(f"{path}: one array, expected a file of numpy.savez")
            arrays = {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise ArraysError(f"{path}: {error.strerror or error}") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise ArraysError(f"{path}: expected numbers in a file of numpy.savez") from None
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise ArraysError(f"{path}: {name!r} holds {array.dtype}, expected real numbers")
    return arrays


def read_array(path: str | Path, name: str) -> np.ndarray[Any, Any]:
    """One array of an ``.npz`` file.

    Raises:
        ArraysError: if the file cannot be read or has no such array.
    """
    arrays = read_arrays(path)
    if name not in arrays:
        raise ArraysError(
            f"{path}: the array {name!r} is missing; there are {', '.join(arrays) or 'none'}"
        )
    return arrays[name]


def _replace(file: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp closes the file to others; a new file has what the umask leaves.
        temporary.chmod(file.stat().st_mode & 0o777 if file.exists() else 0o666 & ~_umask())
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
