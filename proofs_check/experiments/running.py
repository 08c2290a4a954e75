"""Running an experiment: jobs in processes, a checkpoint after each stage, going on later."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from numerics.systems.system import Array
from proofs_check.errors import ArraysError, OptionError
from proofs_check.experiments.experiment import Experiment, Job, State, plain
from proofs_check.experiments.result import Result
from proofs_check.experiments.sources import sources_digest
from proofs_check.experiments.storage import read_arrays, write_arrays

OnProgress = Callable[[int, int, str], None]  # finished stages, all stages, the job


def run(
    experiment: Experiment,
    settings: Any = None,
    *,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = False,
    processes: int = 1,
    on_progress: OnProgress | None = None,
) -> Result:
    """Run an experiment; the numbers do not depend on ``processes`` nor on interruptions.

    Args:
        experiment: which one.
        settings: its quick settings by default.
        seed: from which all randomness is derived.
        out: folder for checkpoints and the result; none by default.
        resume: go on from the checkpoints in ``out``, if there are any.
        processes: how many jobs run at the same time.
        on_progress: called after each stage.

    Raises:
        ArraysError: if a checkpoint was changed or belongs to another run.
        OptionError: if ``resume`` is asked without ``out``.
        OutputError: if a file cannot be written.
    """
    if resume and out is None:
        raise OptionError("resume: the folder of the checkpoints is needed (out)")
    chosen = experiment.quick if settings is None else settings
    run_id = {
        "experiment": experiment.name,
        "settings": plain(chosen),
        "seed": seed,
        "sources": sources_digest(experiment.advance.__module__),
    }
    jobs = experiment.jobs(chosen)
    files = None if out is None else {j.name: checkpoint_path(out, experiment, j) for j in jobs}
    done: dict[str, tuple[int, State, float]] = {job.name: (0, {}, 0.0) for job in jobs}
    for job in jobs if files else ():
        if resume and files and files[job.name].exists():
            done[job.name] = read_checkpoint(files[job.name], run_id, job)
        elif files:
            files[job.name].unlink(missing_ok=True)
    total = sum(job.stages for job in jobs)
    if on_progress is not None:
        on_progress(sum(stage for stage, _, _ in done.values()), total, "")
    for job, stage, state, seconds in _stages(experiment, chosen, seed, jobs, done, processes):
        spent = done[job.name][2] + seconds
        done[job.name] = (stage, state, spent)
        if files:
            where = {**run_id, "job": job.name, "stage": stage, "seconds": spent}
            write_arrays(files[job.name], state, where)
        if on_progress is not None:
            on_progress(sum(stage for stage, _, _ in done.values()), total, job.name)
    result = _result(experiment, chosen, run_id, done)
    if files and out is not None:
        result.save(out)
        for file in files.values():
            file.unlink(missing_ok=True)
    return result


def _result(
    experiment: Experiment,
    settings: Any,
    run_id: Mapping[str, Any],
    done: Mapping[str, tuple[int, State, float]],
) -> Result:
    curves = experiment.curves(settings, {name: state for name, (_, state, _) in done.items()})
    values = {(curve.panel, curve.series): curve.values for curve in curves}
    return Result(
        experiment.name,
        experiment.title,
        run_id["settings"],
        run_id["seed"],
        sum(seconds for _, _, seconds in done.values()),
        {**versions(), "sources": run_id["sources"]},
        curves,
        experiment.findings(settings, values),
    )


def _stages(
    experiment: Experiment,
    settings: Any,
    seed: int,
    jobs: tuple[Job, ...],
    done: Mapping[str, tuple[int, State, float]],
    processes: int,
) -> Iterator[tuple[Job, int, State, float]]:
    """Stages as they finish: the job, how many of it are done, its state, seconds."""
    left = [job for job in jobs if done[job.name][0] < job.stages]
    if processes <= 1 or len(left) <= 1:
        for job in left:
            first, state, _ = done[job.name]
            for stage in range(first, job.stages):
                state, seconds = _timed(experiment, settings, seed, job.name, stage, state)
                yield job, stage + 1, state, seconds
        return
    # spawn: a forked process would inherit the threads' locks of BLAS.
    pool = ProcessPoolExecutor(min(processes, len(left)), mp_context=get_context("spawn"))
    running: dict[Future[tuple[State, float]], tuple[Job, int]] = {}
    waiting = [(job, *done[job.name][:2]) for job in reversed(left)]
    try:
        while running or waiting:
            # no more than can run, and a job that has begun goes on first
            while waiting and len(running) < processes:
                job, stage, state = waiting.pop()
                future = pool.submit(
                    _named, experiment.name, settings, seed, job.name, stage, state
                )
                running[future] = (job, stage)
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                job, stage = running.pop(future)
                state, seconds = future.result()
                if stage + 1 < job.stages:
                    waiting.append((job, stage + 1, state))
                yield job, stage + 1, state, seconds
    finally:
        pool.shutdown(cancel_futures=True)


def _named(
    name: str, settings: Any, seed: int, job: str, stage: int, state: State
) -> tuple[State, float]:
    from proofs_check.experiments.catalogue import find

    return _timed(find(name), settings, seed, job, stage, state)


def _timed(
    experiment: Experiment, settings: Any, seed: int, job: str, stage: int, state: State
) -> tuple[State, float]:
    """One stage, with one thread of BLAS: the processes share the machine."""
    start = perf_counter()
    with threadpool_limits(1):
        after = experiment.advance(settings, seed, job, stage, state)
    return after, perf_counter() - start


def checkpoint_path(out: str | Path, experiment: Experiment, job: Job) -> Path:
    """Where the state of a job is kept between stages."""
    slug = "".join(c if c.isalnum() else "-" for c in job.name)
    return Path(out) / f"{experiment.name}.{slug}.checkpoint.npz"


def read_checkpoint(
    path: Path, run_id: Mapping[str, Any], job: Job
) -> tuple[int, dict[str, Array], float]:
    """Stages done, state and seconds of a job.

    Raises:
        ArraysError: if the file was changed or belongs to another run.
    """
    state, found = read_arrays(path)
    for key, expected in run_id.items():
        if found.get(key) != expected:
            what = _difference(key, found.get(key), expected)
            raise ArraysError(f"{path}: a checkpoint of another run: {what}")
    if found.get("job") != job.name or not 0 < found.get("stage", 0) <= job.stages:
        raise ArraysError(f"{path}: a checkpoint of job {found.get('job')!r}, not {job.name!r}")
    return found["stage"], state, found["seconds"]


def _difference(key: str, found: Any, expected: Any) -> str:
    if key == "sources":
        return "the programs have changed since; run without --resume"
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in expected:
            if found.get(name) != expected[name]:
                return f"{name} was {found.get(name)}, now {expected[name]}"
    return f"{key} was {found}, now {expected}"


def versions() -> dict[str, str]:
    """What the numbers may depend on."""
    return {
        "lop-proofs": version("lop-proofs"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scikit-learn": version("scikit-learn"),
        "machine": f"{platform.system()} {platform.machine()}",
    }
