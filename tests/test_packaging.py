"""The packages resolve to this checkout, and the gate checks paths that exist."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("theory", "numerics", "proofs_check")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("package", PACKAGES)
def test_name_resolves_to_this_checkout(package, tmp_path):
    """Flat names can be shadowed by another distribution, which pytest's own path would hide."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    found = subprocess.run(
        [sys.executable, "-P", "-c", f"import {package}; print({package}.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert Path(found.stdout.strip()).resolve() == ROOT / package / "__init__.py"


def test_wheel_holds_exactly_the_three_packages():
    assert PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(PACKAGES)
    for package in PACKAGES:
        assert (ROOT / package / "py.typed").is_file()


def test_every_folder_of_modules_is_a_package():
    """Without ``__init__.py`` a folder escapes the import contracts."""
    folders = {file.parent for package in PACKAGES for file in (ROOT / package).rglob("*.py")}
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


@pytest.mark.parametrize(
    ("tool", "paths"),
    [
        ("pytest", PYPROJECT["tool"]["pytest"]["ini_options"]["testpaths"]),
        ("mypy", PYPROJECT["tool"]["mypy"]["files"]),
        ("import-linter", PYPROJECT["tool"]["importlinter"]["root_packages"]),
    ],
)
def test_tools_are_pointed_at_paths_that_exist(tool, paths):
    """A misspelt path would leave a folder unchecked without a word."""
    assert set(PACKAGES) <= set(paths), tool
    assert [path for path in paths if not (ROOT / path).is_dir()] == [], tool


def test_gate_is_executable_and_calls_targets_that_exist():
    gate = ROOT / ".ci" / "run"
    assert os.access(gate, os.X_OK)
    called = set(re.findall(r"^\s*make (\w+)", gate.read_text(encoding="utf-8"), re.MULTILINE))
    defined = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert {"lint", "types", "contracts", "test", "notebooks", "verify", "wheel"} <= called
    assert called <= defined


def test_command_points_at_a_module_of_ours():
    module, _, function = PYPROJECT["project"]["scripts"]["lop"].partition(":")
    file = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = {getattr(node, "name", None) for node in tree.body}
    assert function in names, f"{file.name} defines no {function}"


def test_contracts_name_modules_in_known_packages():
    """Modules in parentheses may be missing, so a misspelt package would pass unseen."""
    keys = ("layers", "source_modules", "forbidden_modules")
    contracts = PYPROJECT["tool"]["importlinter"]["contracts"]
    lines = [line for contract in contracts for key in keys for line in contract.get(key, ())]
    modules = [m.strip(" ()") for line in lines for m in re.split("[|:]", line)]
    assert [m for m in modules if m.split(".")[0] not in PACKAGES] == []
