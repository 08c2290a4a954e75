"""Timing side by side, fresh processes, and the table in which results are shown."""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Row:
    """One measured quantity, and whether it is as required."""

    quantity: str
    value: str
    required: str = ""
    met: bool | None = None


def at_most(quantity: str, value: float, limit: float, unit: str = "") -> Row:
    return Row(quantity, f"{value:.3g}{unit}", f"≤ {limit:g}{unit}", value <= limit)


def interleaved(
    functions: Mapping[str, Callable[[], object]],
    rounds: int,
    calls: int = 1,
    pause: float = 0.05,
) -> dict[str, list[float]]:
    """Seconds a call of every function in every round: A B A B, so that drift meets all alike.

    Thread pools spin for a while after their work. Each sample waits until those of the function
    before are asleep, makes an untimed call that wakes its own, and times so many calls in a row.
    Of the rounds only the half is kept in which the system interrupted this process least for
    others.
    """
    found: list[tuple[int, dict[str, float]]] = []
    for _ in range(rounds):
        seconds: dict[str, float] = {}
        interruptions = 0
        for name, function in functions.items():
            time.sleep(pause)
            function()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
            seconds[name] = seconds_of(function, calls)
            interruptions += resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw - before
        found.append((interruptions, seconds))
    found.sort(key=lambda one: one[0])
    kept = [seconds for _, seconds in found[: (rounds + 1) // 2]]
    return {name: [seconds[name] for seconds in kept] for name in functions}


def seconds_of(function: Callable[[], object], calls: int = 1) -> float:
    """Seconds a call, of so many in a row whose results are dropped."""
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def in_fresh_process(arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
    """Standard output of this Python with the given arguments."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        check=True,
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
        text=True,
    )
    return done.stdout


def median_of_processes(arguments: Sequence[str], repeat: int) -> list[float]:
    """Medians of the numbers that so many fresh processes print as one JSON list."""
    runs = [json.loads(in_fresh_process(arguments)) for _ in range(repeat)]
    return [median(values) for values in zip(*runs, strict=True)]


def report(rows: Iterable[Row], as_json: bool) -> int:
    """Print the rows; the status is 1 if one is not as required."""
    rows = list(rows)
    if as_json:
        print(json.dumps([asdict(row) for row in rows]))
    else:
        width = max(len(row.quantity) for row in rows)
        for row in rows:
            verdict = {None: "", True: "", False: "  NOT MET"}[row.met]
            required = f"   (required: {row.required})" if row.required else ""
            print(f"{row.quantity:{width}}  {row.value:>10}{required}{verdict}")
    return int(any(row.met is False for row in rows))


def parser(description: str) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description.splitlines()[0])
    made.add_argument("--json", action="store_true", help="print the rows as JSON")
    return made


def run_in_processes(
    description: str,
    measured: Callable[[int], object],
    rows: Callable[[int, int], list[Row]],
    processes: int,
    rounds: int,
) -> int:
    """The status of a script that measures in fresh processes, which it starts with --measure."""
    options = parser(description)
    options.add_argument("--processes", type=int, default=processes)
    options.add_argument("--rounds", type=int, default=rounds)
    options.add_argument("--measure", action="store_true", help="print the figures of one process")
    chosen = options.parse_args()
    if chosen.measure:
        print(json.dumps(measured(chosen.rounds)))
        return 0
    return report(rows(chosen.processes, chosen.rounds), chosen.json)


def machine() -> str:
    """What the figures were measured on, in one paragraph."""
    from importlib.metadata import version

    import numpy as np

    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "jax", "sympy"))
    return (
        f"{cores} cores ({_processor()}), {platform.system()}, Python {platform.python_version()}, "
        f"{versions}, python-flint {version('python-flint')}, {blas['name']} {blas['version']}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
