"""Running claims, in this process or in several.

A task is a pair of names (claim, check): a worker process loads the claims itself and finds the
check by its key, so nothing but names and evidence crosses between processes, and the number of
processes cannot change a result.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from time import perf_counter

from proofs_check.claim import Claim, Run, Settings
from proofs_check.claims import MODULES, load_claims
from proofs_check.errors import ClaimError
from proofs_check.evidence import Evidence, unknown
from proofs_check.result import ClaimResult, Outcome


@dataclass(frozen=True, slots=True)
class Task:
    """The key of one check or false variant."""

    claim_id: str
    name: str


OnProgress = Callable[[int, int, Task, Outcome], None]  # finished, total, what finished, and how


def run_claims(
    claims: Iterable[Claim],
    settings: Settings | None = None,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
    modules: tuple[str, ...] = MODULES,
) -> tuple[ClaimResult, ...]:
    """Run every check and false variant; results in the order of the claims.

    A check that raises counts as unknown, and the exception is a problem of its claim.

    Args:
        claims: what is run.
        settings: given to every check.
        jobs: number of processes; the results do not depend on it.
        on_progress: called after each task.
        modules: from which worker processes load the claims.

    Raises:
        ClaimError: if ``jobs`` is below 1.

    >>> run_claims((), jobs=0)
    Traceback (most recent call last):
    proofs_check.errors.ClaimError: jobs=0: at least one process is needed
    """
    if jobs < 1:
        raise ClaimError(f"jobs={jobs}: at least one process is needed")
    chosen = tuple(claims)
    settings = settings or Settings()
    tasks = [Task(claim.id, check.name) for claim in chosen for check in _runs(claim)]
    outcomes: dict[Task, Outcome] = {}
    jobs = min(jobs, len(tasks))
    finished = (
        _run_here(chosen, settings) if jobs <= 1 else _run_apart(tasks, settings, jobs, modules)
    )
    for task, outcome in finished:
        outcomes[task] = outcome
        if on_progress is not None:
            on_progress(len(outcomes), len(tasks), task, outcome)
    return tuple(
        ClaimResult(
            claim,
            tuple(outcomes[Task(claim.id, check.name)] for check in claim.checks),
            tuple(outcomes[Task(claim.id, variant.name)] for variant in claim.false_variants),
        )
        for claim in chosen
    )


@dataclass(frozen=True, slots=True)
class _Named:
    name: str
    run: Run


def _runs(claim: Claim) -> Iterator[_Named]:
    yield from (_Named(check.name, check.run) for check in claim.checks)
    yield from (_Named(variant.name, variant.run) for variant in claim.false_variants)


def _run_here(claims: Sequence[Claim], settings: Settings) -> Iterator[tuple[Task, Outcome]]:
    for claim in claims:
        for entry in _runs(claim):
            yield Task(claim.id, entry.name), _run(entry, settings)


def _run_apart(
    tasks: Sequence[Task], settings: Settings, jobs: int, modules: tuple[str, ...]
) -> Iterator[tuple[Task, Outcome]]:
    # spawn: a forked process would inherit the threads' locks of BLAS and of the test runner.
    pool = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"))
    try:
        futures = {pool.submit(_run_task, task, settings, modules): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future], _result(future, futures[future])
    finally:
        pool.shutdown(cancel_futures=True)


def _result(future: Future[Outcome], task: Task) -> Outcome:
    """The outcome, also if the worker died or could not load the claims."""
    try:
        return future.result()
    except Exception as error:
        return _raised(task.name, _in_words(error), 0.0)


def _run_task(task: Task, settings: Settings, modules: tuple[str, ...]) -> Outcome:
    for claim in load_claims(modules):
        if claim.id == task.claim_id:
            for entry in _runs(claim):
                if entry.name == task.name:
                    return _run(entry, settings)
    raise ClaimError(f"{task.claim_id}: the modules {modules} hold no check {task.name!r}")


def _run(entry: _Named, settings: Settings) -> Outcome:
    start = perf_counter()
    try:
        evidence = entry.run(settings)
        if not isinstance(evidence, Evidence):
            raise ClaimError(f"returned a {type(evidence).__name__}, expected Evidence")
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{_in_words(error)} (in {frame.name}, line {frame.lineno})"
        return _raised(entry.name, text, perf_counter() - start)
    return Outcome(entry.name, evidence, perf_counter() - start)


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _raised(name: str, text: str, seconds: float) -> Outcome:
    return Outcome(name, unknown("", f"raised {text}"), seconds, text)
