"""Arrays with a description in one file, written whole or not at all, and checked when read.

The description carries a digest of all arrays and of itself: a file that was cut off, damaged or
edited is refused, and so is one that belongs to other settings.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from numerics.systems.system import Array
from proofs_check.errors import ArraysError
from proofs_check.files import write_bytes

DESCRIPTION = "description"


def digest(arrays: Mapping[str, Array], description: Mapping[str, Any]) -> str:
    """SHA-256 over names, types, shapes, bytes and the description."""
    found = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.str} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def write_arrays(path: Path, arrays: Mapping[str, Array], description: Mapping[str, Any]) -> None:
    """Write arrays and their description as a compressed ``.npz``.

    Raises:
        OutputError: if the file cannot be written.
    """
    text = json.dumps({"content": description, "sha256": digest(arrays, description)})
    stream = io.BytesIO()
    packed = {**arrays, DESCRIPTION: np.frombuffer(text.encode(), dtype=np.uint8)}
    np.savez_compressed(stream, allow_pickle=False, **packed)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, stream.getvalue())


def read_arrays(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    """Arrays and description as :func:`write_arrays` wrote them.

    Raises:
        ArraysError: if there is no such file, it is no such file, or it was changed.
    """
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            arrays = {name: loaded[name] for name in loaded.files}
        packed = json.loads(arrays.pop(DESCRIPTION).tobytes().decode())
        description, expected = packed["content"], packed["sha256"]
    except OSError as error:
        raise ArraysError(f"{path}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ArraysError(f"{path}: cut off, damaged or no file of an experiment") from error
    if digest(arrays, description) != expected:
        raise ArraysError(f"{path}: its arrays do not match their digest: the file was changed")
    return arrays, description
