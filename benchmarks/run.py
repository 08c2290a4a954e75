"""All benchmarks, one after the other; their figures are written to benchmarks/README.md.

Run: python -m benchmarks.run [--quick]
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
`python -m benchmarks.float_gradient` and so on run one table alone.

"""


def rows_of(script: str, options: list[str]) -> list[Row]:
    """What a script prints. Its status only says whether all is as required."""
    command = [sys.executable, "-m", f"benchmarks.{script}", "--json", *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True)
    if not done.stdout:
        raise RuntimeError(f"{script} failed with status {done.returncode}")
    return [Row(**row) for row in json.loads(done.stdout)]


def section(script: str, rows: list[Row]) -> str:
    """What is measured, in the script's own words, and a table."""
    text = (importlib.import_module(f"benchmarks.{script}").__doc__ or "").partition("\nRun:")[0]
    title, _, explanation = text.strip().partition("\n\n")
    lines = [f"## {title.rstrip('.')}", "", explanation, ""] if explanation else [f"## {title}", ""]
    lines += ["| quantity | measured | required | met |", "| --- | ---: | ---: | --- |"]
    verdicts = {None: "", True: "yes", False: "**no**"}
    lines += [
        f"| {row.quantity} | {row.value} | {row.required} | {verdicts[row.met]} |" for row in rows
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="without what takes minutes; print, and write nothing"
    )
    is_quick = parser.parse_args().quick
    load = os.getloadavg()[0]
    sections, all_met = [], True
    for script, (full, quick) in SCRIPTS.items():
        options = quick if is_quick else full
        if options is None:
            continue
        print(f"{script} ...", file=sys.stderr, flush=True)
        rows = rows_of(script, options)
        all_met &= all(row.met is not False for row in rows)
        sections.append(section(script, rows))
    place = f"Measured on {datetime.now(UTC):%Y-%m-%d} on {machine()}; load {load:.1f} before.\n\n"
    text = HEAD + place + "\n".join(sections)
    if is_quick:
        print(text)
    else:
        README.write_text(text, encoding="utf-8")
    return 0 if all_met else 1


if __name__ == "__main__":
    sys.exit(main())
