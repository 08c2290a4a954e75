"""Runs that are interrupted, resumed, spread over processes; files that were changed."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from proofs_check.errors import ArraysError, OptionError
from proofs_check.experiments import Curve, find, load, run
from proofs_check.experiments.experiment import Experiment, Job
from proofs_check.experiments.running import checkpoint_path
from proofs_check.experiments.storage import read_arrays, write_arrays
from proofs_check.experiments.verdict import at_most


@dataclass(frozen=True)
class Walk:
    seeds: int = 3
    scale: float = 1.0
    widths: tuple[int, ...] = (2, 3)


@pytest.fixture(autouse=True)
def _unchanged_sources(monkeypatch):
    """Somebody may edit the sources while tests run."""
    monkeypatch.setattr("proofs_check.experiments.running.sources_digest", lambda _: "these")


class StoppedError(Exception):
    pass


def walking(stop_at=None, log=None):
    """A random walk of two jobs with four stages each, interrupted at a stage."""

    def advance(settings, seed, job, stage, state):
        if (job, stage) == stop_at:
            raise StoppedError
        if log is not None:
            log.append((job, stage))
        before = state.get("path", np.zeros((1, settings.seeds)))
        rng = np.random.default_rng((seed, len(job), stage))
        step = settings.scale * rng.normal(size=(1, settings.seeds))
        return {"path": np.concatenate([before, before[-1:] + step])}

    def curves(settings, states):
        return tuple(
            Curve("place", job, np.arange(5.0), state["path"], "steps")
            for job, state in states.items()
        )

    def findings(settings, values):
        return (at_most("it stays", "largest", np.abs(values["place", "a"]).max(axis=0), 0.0),)

    jobs = (Job("a", 4), Job("long", 4))
    return Experiment(
        "walk", "A walk", Walk(), Walk(seeds=9), lambda s: jobs, advance, curves, findings,
        {"seeds": "seeds"},
    )  # fmt: skip


def interrupted(folder, **changes):
    with pytest.raises(StoppedError):
        run(walking(("long", 2)), replace(Walk(), **changes), seed=4, out=folder)


def test_a_resumed_run_is_the_run(tmp_path):
    whole = run(walking(), seed=4)
    interrupted(tmp_path)
    log: list[tuple[str, int]] = []
    resumed = run(walking(log=log), seed=4, out=tmp_path, resume=True)
    assert log == [("long", 2), ("long", 3)]
    for one, other in zip(whole.curves, resumed.curves, strict=True):
        assert np.array_equal(one.values, other.values)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["walk.json", "walk.npz"]


def test_without_resume_a_run_starts_again(tmp_path):
    interrupted(tmp_path)
    log: list[tuple[str, int]] = []
    run(walking(log=log), seed=4, out=tmp_path)
    assert len(log) == 8


def test_progress_counts_stages(tmp_path):
    seen = []
    interrupted(tmp_path)
    run(
        walking(), seed=4, out=tmp_path, resume=True,
        on_progress=lambda done, total, job: seen.append((done, total)),
    )  # fmt: skip
    assert seen == [(6, 8), (7, 8), (8, 8)]


@pytest.mark.parametrize(
    ("changes", "seed", "message"),
    [({"scale": 2.0}, 4, "scale was 1.0, now 2.0"), ({}, 5, "seed was 4, now 5")],
)
def test_checkpoints_of_other_runs_are_refused(tmp_path, changes, seed, message):
    interrupted(tmp_path)
    with pytest.raises(ArraysError, match=f"checkpoint of another run: {message}"):
        run(walking(), replace(Walk(), **changes), seed=seed, out=tmp_path, resume=True)


def test_checkpoints_of_other_sources_are_refused(tmp_path, monkeypatch):
    interrupted(tmp_path)
    monkeypatch.setattr("proofs_check.experiments.running.sources_digest", lambda _: "other")
    with pytest.raises(ArraysError, match="the programs have changed since"):
        run(walking(), seed=4, out=tmp_path, resume=True)


def test_changed_checkpoints_are_refused(tmp_path):
    interrupted(tmp_path)
    path = checkpoint_path(tmp_path, walking(), Job("long", 4))
    with np.load(path) as loaded:
        arrays = dict(loaded)
    arrays["path"] = arrays["path"] + 1
    np.savez(path, **arrays)
    with pytest.raises(ArraysError, match="do not match their digest"):
        run(walking(), seed=4, out=tmp_path, resume=True)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ArraysError, match="cut off, damaged"):
        run(walking(), seed=4, out=tmp_path, resume=True)


def test_a_checkpoint_of_another_job_is_refused(tmp_path):
    interrupted(tmp_path)
    first, second = (checkpoint_path(tmp_path, walking(), Job(n, 4)) for n in ("a", "long"))
    second.write_bytes(first.read_bytes())
    with pytest.raises(ArraysError, match="a checkpoint of job 'a', not 'long'"):
        run(walking(), seed=4, out=tmp_path, resume=True)


def test_resume_needs_a_folder():
    with pytest.raises(OptionError, match="the folder of the checkpoints is needed"):
        run(walking(), resume=True)


def test_results_are_read_as_they_were_written(tmp_path):
    result = run(walking(), seed=4, out=tmp_path)
    for path in (tmp_path, tmp_path / "walk.json"):
        found = load(path)
        assert found.as_json() == result.as_json()
        for one, other in zip(found.curves, result.curves, strict=True):
            assert np.array_equal(one.values, other.values)
            assert np.array_equal(one.x, other.x)
    data = json.loads((tmp_path / "walk.json").read_text())
    assert data["settings"] == {"seeds": 3, "scale": 1.0, "widths": [2, 3]}
    again = run(walking(), walking().settings_from(data["settings"]), seed=data["seed"])
    assert np.array_equal(again.curves[1].values, result.curves[1].values)


def test_changed_results_are_refused(tmp_path):
    run(walking(), seed=4, out=tmp_path)
    arrays, description = read_arrays(tmp_path / "walk.npz")
    write_arrays(tmp_path / "walk.npz", {**arrays, "x0": arrays["x0"] + 1}, description)
    with pytest.raises(ArraysError, match=r"not the arrays that walk\.json describes"):
        load(tmp_path)
    (tmp_path / "walk.npz").unlink()
    with pytest.raises(ArraysError, match="needs its arrays"):
        load(tmp_path)
    (tmp_path / "walk.json").write_text("{}")
    with pytest.raises(ArraysError, match="no result of an experiment"):
        load(tmp_path)
    (tmp_path / "walk.json").unlink()
    with pytest.raises(ArraysError, match=r"expected one result \(.json\), there are none"):
        load(tmp_path)


def test_settings_are_checked():
    bits = find("bit-flipping")
    assert bits.settings(samples=64_000).samples == 64_000
    with pytest.raises(OptionError, match="--epochs: experiment bit-flipping has --seeds"):
        bits.settings(epochs=3)
    with pytest.raises(OptionError, match="samples=10: the curves need at least 8 periods"):
        bits.settings(samples=10)
    with pytest.raises(OptionError, match="'scale' is unknown or missing"):
        walking().settings_from({"seeds": 3, "widths": [2]})


def test_a_result_shows_itself(tmp_path):
    result = run(walking(), seed=4)
    assert "not reproduced" in result._repr_html_()
    assert "not reproduced" in repr(result)
    assert any("criterion  largest ≤ 0 for every seed" in line for line in result.lines())
    with pytest.raises(ArraysError, match="no such curve; there are place / a"):
        result.curve("place", "b")
    drawn = result.plot()
    assert [axes.get_title() for axes in drawn.axes] == ["place"]
    with pytest.raises(ArraysError, match="no such panel"):
        result.plot(("speed",))
