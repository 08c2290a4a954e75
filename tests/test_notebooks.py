"""Notebooks run, are stored with what running them gives, and use public names only."""

import ast
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TIMEOUT = 120  # seconds for one cell
PRIVATE = re.compile(r"_(?!_)|__.*(?<!__)$")
UNREPRODUCIBLE = re.compile(r"\b0x[0-9a-f]{6,}|(?<![\w.])/(?:home|root|tmp|usr|work|Users)/")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def stored(path):
    return code_cells(json.loads(path.read_text(encoding="utf-8")))


def kinds(cells):
    """For every cell what its outputs are, without their content.

    What is printed arrives in as many pieces as it takes time: these count as one.
    """
    described = [
        [(o["output_type"], o.get("name"), sorted(o.get("data", {}))) for o in cell["outputs"]]
        for cell in cells
    ]
    return [
        [
            kind
            for before, kind in pairwise([("", None, []), *found])
            if kind[0] != "stream" or kind != before
        ]
        for found in described
    ]


def private_names(source):
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                found = [part for alias in names for part in alias.name.split(".")]
            case ast.ImportFrom(module=module, names=names):
                found = [*(module or "").split("."), *(alias.name for alias in names)]
            case ast.Attribute(attr=attr):
                found = [attr]
            case _:
                continue
        yield from (name for name in found if PRIVATE.match(name))


def test_there_are_notebooks():
    assert NOTEBOOKS


@each_notebook
def test_outputs_are_stored_from_one_clean_run(path):
    cells = stored(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert any("image/png" in data for cell in kinds(cells) for _, _, data in cell)
    assert [o for cell in cells for o in cell["outputs"] if o["output_type"] == "error"] == []


@each_notebook
def test_outputs_name_no_machine_path_or_address(path):
    text = json.dumps([cell["outputs"] for cell in stored(path)])
    assert UNREPRODUCIBLE.findall(text) == []


@each_notebook
def test_public_names_only(path):
    source = "\n".join("".join(cell["source"]) for cell in stored(path))
    assert list(private_names(source)) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from theory.zoo import mlp\nmlp([1, 1]).__class__", []),
        ("import theory._zoo", ["_zoo"]),
        ("from theory.zoo import _mlp", ["_mlp"]),
        ("net._edges", ["_edges"]),
        ("net.__edges", ["__edges"]),
    ],
)
def test_private_names_are_found(source, expected):
    assert list(private_names(source)) == expected


# A warning of nbclient's own, raised while it reads the kernel's messages, would leave it waiting.
@pytest.mark.filterwarnings("default")
@pytest.mark.notebook
@each_notebook
def test_notebook_runs_and_gives_the_stored_kinds_of_outputs(path):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    for cell in code_cells(notebook):
        cell["outputs"] = []
    client = nbclient.NotebookClient(
        notebook,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    assert kinds(code_cells(notebook)) == kinds(stored(path))
