"""The sources that an experiment's numbers come from, by a digest.

A checkpoint may be continued by the programs that wrote it and no others. What counts is the module
of the experiment and all of ours that it imports, directly or through others, wherever the import
stands.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("theory", "numerics", "proofs_check")


def sources(module: str) -> dict[str, Path]:
    """The files of a module and of all of ours that it needs, by the modules' names.

    >>> sorted(sources("theory.errors"))
    ['theory', 'theory.errors']
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found or name.partition(".")[0] not in PACKAGES:
            continue
        file = _file(name)
        if file is not None:
            found[name] = file
            waiting += [*_imports(file), *_parents(name)]
    return found


def sources_digest(module: str) -> str:
    """SHA-256 over names and contents of :func:`sources`."""
    found = hashlib.sha256()
    for name, file in sorted(sources(module).items()):
        found.update(f"{name}\n".encode())
        found.update(file.read_bytes())
    return found.hexdigest()


@cache
def _file(name: str) -> Path | None:
    """The source of a module; ``None`` for what is no module but a name in one."""
    try:
        spec = find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin is not None else None


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            # each may be a module or a name in one
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name
