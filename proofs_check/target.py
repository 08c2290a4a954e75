"""TARGET: where the command line finds an architecture.

A target is ``file.py:name``, ``module:name`` or the name of a ready-made network,
``mlp:3-4-4-2:tanh`` or ``resnet50``. What follows the colon tells them apart: the name of an
object in a module is an identifier, the sizes of a ready-made network are not.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from proofs_check.errors import TargetError
from theory.architecture import Architecture
from theory.errors import LopError
from theory.zoo import from_name
from theory.zoo.names import KINDS

T = TypeVar("T")

FORMS = "file.py:name, module:name, or a ready-made network such as mlp:3-4-4-2:tanh"
MAX_UNITS = 10**7  # of an axis: a partition is a list of its units
MAX_PARAMETERS = 10**9  # many times what a proof can hold in memory


def resolve(target: str) -> Architecture:
    """The architecture that a target names, or that the function it names returns.

    What the target prints while it is loaded goes to standard error.

    Raises:
        TargetError: if there is no such file, module or name, if loading it fails, if it is
            neither an architecture nor a function without arguments that returns one, if it has
            more than 10⁷ units along an axis or more than 10⁹ parameters, or if its forward
            function computes something else when it is called again.
        ArchitectureError: if it is no known ready-made network.

    >>> resolve("mlp:3-4-4-2").num_parameters
    46
    >>> resolve("mlp")
    Traceback (most recent call last):
    proofs_check.errors.TargetError: TARGET 'mlp': expected file.py:name, module:name, or a
        ready-made network such as mlp:3-4-4-2:tanh
    """
    architecture = _found(target)
    _check_size(target, architecture)
    with redirect_stdout(sys.stderr):
        if architecture.graph() != architecture.graph():
            raise TargetError(
                f"TARGET {target!r}: forward computes something else when it is called again; "
                "random masks must be inputs"
            )
    return architecture


def _check_size(target: str, architecture: Architecture) -> None:
    axis = max(architecture.sizes, key=architecture.sizes.__getitem__)
    units, parameters = architecture.sizes[axis], architecture.num_parameters
    if units > MAX_UNITS or parameters > MAX_PARAMETERS:
        raise TargetError(
            f"TARGET {target!r:.80}: {parameters:,} parameters and {units:,} units along axis "
            f"{axis!r}: at most {MAX_PARAMETERS:,} parameters and {MAX_UNITS:,} units along an axis"
        )


def _found(target: str) -> Architecture:
    place, colon, name = target.rpartition(":")
    if place.endswith(".py") or target.endswith(".py"):
        with redirect_stdout(sys.stderr):
            return _file_object(target, place, name)
    if target in KINDS and not KINDS[target].fields:
        return from_name(target)
    if not colon or not place or not name:
        raise TargetError(f"TARGET {target!r}: expected {FORMS}")
    if name.isidentifier() and all(part.isidentifier() for part in place.split(".")):
        with redirect_stdout(sys.stderr):
            return _module_object(target, place, name)
    return from_name(target)


def _file_object(target: str, place: str, name: str) -> Architecture:
    if not place.endswith(".py") or not name:
        raise TargetError(f"TARGET {target!r}: which object of the file? expected file.py:name")
    file = Path(place)
    if not file.is_file():
        raise TargetError(f"TARGET {target!r}: there is no file {place}")
    with _importing_from(file.parent):
        module = _guarded(place, lambda: _load(file))
        return _architecture(target, place, module, name)


def _module_object(target: str, place: str, name: str) -> Architecture:
    with _importing_from(Path.cwd()):
        try:
            found = importlib.util.find_spec(place)
        except ModuleNotFoundError:
            found = None
        except Exception as error:
            raise TargetError(f"TARGET {target!r}: {_in_words(error)}") from None
        if found is None:
            raise TargetError(f"TARGET {target!r}: there is no module {place}; expected {FORMS}")
        module = _guarded(place, lambda: importlib.import_module(place))
        return _architecture(target, place, module, name)


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """The folder's modules can be imported, as they can by a script in it."""
    entry = str(folder.resolve())
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)


def _load(file: Path) -> ModuleType:
    name = f"lop_target_{file.stem}"
    loader = SourceFileLoader(name, str(file))
    spec = importlib.util.spec_from_file_location(name, file, loader=loader)
    if spec is None:
        raise TargetError(f"{file}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _guarded(place: str, work: Callable[[], T]) -> T:
    """Run foreign code; whatever it raises, and ``sys.exit`` too, becomes one line."""
    try:
        return work()
    except KeyboardInterrupt:
        raise
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise TargetError(f"{place}{line}: syntax error: {error.msg}") from None
    except LopError as error:
        raise TargetError(f"{place}: {error}") from None
    except BaseException as error:
        raise TargetError(f"{place}: {_in_words(error)}") from None


def _in_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _architecture(target: str, place: str, module: ModuleType, name: str) -> Architecture:
    missing = object()
    found = getattr(module, name, missing)
    if found is missing:
        others = [k for k, v in vars(module).items() if isinstance(v, Architecture)]
        hint = f"; its architectures are {', '.join(others)}" if others else ""
        raise TargetError(f"TARGET {target!r}: {place} has no {name!r}{hint}")
    if isinstance(found, Architecture):
        return found
    if isinstance(found, type) or not callable(found):
        kind = "class" if isinstance(found, type) else type(found).__name__
        raise TargetError(
            f"TARGET {target!r}: {name} is a {kind}, expected an Architecture or a function "
            "without arguments that returns one"
        )
    made = _guarded(f"{place}:{name}()", found)
    if not isinstance(made, Architecture):
        raise TargetError(
            f"TARGET {target!r}: {name}() returns a {type(made).__name__}, expected an Architecture"
        )
    return made
