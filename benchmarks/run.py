"""All benchmarks, one after the other; their figures are written to benchmarks/README.md.

Run: python -m benchmarks.run [--quick] [NAME ...]
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime

from benchmarks.measuring import REPOSITORY, Row, machine

# options of a full run and of a quick one, which leaves out what takes minutes
SCRIPTS: dict[str, tuple[list[str], list[str] | None]] = {
    "float_gradient": ([], []),
    "exact_proof": ([], []),
    "transformer": ([], ["--processes", "1", "--rounds", "1"]),
    "calculus": ([], ["--processes", "1"]),
    "plasticity": ([], ["--quick"]),
    "replay": ([], ["--repeat", "1"]),
    "symbolic_proof": (["--limit", "300"], None),
    "imports": ([], ["--quick"]),
    "campaign": ([], []),
    "ensembles": ([], ["--quick"]),
    "flow": ([], None),
    "hermite": ([], ["--processes", "1", "--rounds", "1"]),
    "escape": ([], ["--quick"]),
    "bit_flipping": ([], ["--rounds", "1"]),
    "spectrum": ([], ["--rounds", "1"]),
    "inertia": ([], ["--count", "200"]),
}
README = REPOSITORY / "benchmarks" / "README.md"
HEAD = """# Benchmarks

Written by `python -m benchmarks.run`; no figure is typed. Functions that are compared run in one
process, A B A B, and their medians are shown; a ratio is the median over pairs of neighbouring
samples where there are pairs. Of the rounds only the half counts in which other processes
interrupted least: on a busy machine the threads of one matrix product wait for each other.
`python -m benchmarks.run hermite` measures one table anew, `python -m
benchmarks.hermite` prints it.

"""


def rows_of(script: str, options: list[str]) -> list[Row]:
    """What a script prints. Its status only says whether all is as required."""
    command = [sys.executable, "-m", f"benchmarks.{script}", "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True)
    if not done.stdout:
        raise RuntimeError(f"{script} failed with status {done.returncode}")
    return [Row(**row) for row in json.loads(done.stdout)]


def title_of(script: str) -> str:
    """The line above its table."""
    return "## " + description(script).partition("\n")[0].rstrip(".")


def description(script: str) -> str:
    """What is measured, in the script's own words."""
    module = importlib.import_module(f"benchmarks.{script}")
    return (module.__doc__ or "").partition("\nRun:")[0].strip()


def section(script: str, options: list[str]) -> tuple[str, bool]:
    """A table with its date and place, and whether all is as required."""
    load = os.getloadavg()[0]
    rows = rows_of(script, options)
    explanation = description(script).partition("\n\n")[2]
    place = f"Measured on {datetime.now(UTC):%Y-%m-%d} on {machine()}; load {load:.1f} before."
    lines = [title_of(script), "", *([explanation, ""] if explanation else []), place, ""]
    lines += ["| quantity | measured | required | met |", "| --- | ---: | ---: | --- |"]
    verdicts = {None: "", True: "yes", False: "**no**"}
    lines += [
        f"| {row.quantity} | {row.value} | {row.required} | {verdicts[row.met]} |" for row in rows
    ]
    return "\n".join(lines) + "\n", all(row.met is not False for row in rows)


def stored() -> dict[str, str]:
    """The sections of the file by their first line."""
    parts = README.read_text(encoding="utf-8").split("\n## ")[1:]
    return {f"## {part.partition(chr(10))[0]}": f"## {part.rstrip()}\n" for part in parts}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="without what takes minutes; print, and write nothing"
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(SCRIPTS)}")
    chosen = parser.parse_args()
    if odd := sorted(set(chosen.names) - set(SCRIPTS)):
        parser.error(f"{odd[0]}: no such benchmark; they are {', '.join(SCRIPTS)}")
    sections, all_met = stored(), True
    for script in chosen.names or SCRIPTS:
        options = SCRIPTS[script][1 if chosen.quick else 0]
        if options is None:
            continue
        print(f"{script} ...", file=sys.stderr, flush=True)
        text, is_met = section(script, options)
        all_met &= is_met
        if chosen.quick:
            print(text)
            continue
        sections[title_of(script)] = text
        titles = [title_of(name) for name in SCRIPTS]
        kept = [sections[title] for title in titles if title in sections]
        README.write_text(HEAD + "\n".join(kept), encoding="utf-8")
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
