"""The digest follows imports, also those inside functions."""

import sys

import pytest

from proofs_check.experiments import EXPERIMENTS
from proofs_check.experiments.sources import sources, sources_digest


def test_imports_are_followed():
    found = sources("proofs_check.experiments.cloning")
    # directly, through others, inside a function, a package and its members
    for name in ("numerics.cloning", "theory.primitives", "theory.optimizer.sgd", "numerics"):
        assert name in found
    assert not any(name.startswith("proofs_check.claims") for name in found)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_all_modules_that_are_loaded_are_sources_or_unneeded(name):
    experiment = EXPERIMENTS[name]
    found = sources(experiment.advance.__module__)
    used = {f.__module__ for f in (experiment.advance, experiment.curves, experiment.findings)}
    assert used <= set(found)
    for module, file in found.items():
        assert file.suffix == ".py"
        if module in sys.modules:
            assert sys.modules[module].__file__ == str(file)


def test_an_edit_changes_the_digest(tmp_path, monkeypatch):
    package = tmp_path / "theory_like"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("X = 1\n")
    (package / "other.py").write_text("Y = 1\n")
    (package / "top.py").write_text("def f():\n    from theory_like.base import X\n    return X\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("proofs_check.experiments.sources.PACKAGES", ("theory_like",))
    before = sources_digest("theory_like.top")
    (package / "other.py").write_text("Y = 2\n")
    assert sources_digest("theory_like.top") == before
    (package / "base.py").write_text("X = 2\n")
    assert sources_digest("theory_like.top") != before
