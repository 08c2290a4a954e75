"""How long the packages take to import, and the command line to answer.

Every import is the first one of a fresh process, interpreter start excluded. The commands are
measured from outside, interpreter start included.

Run: python -m benchmarks.imports [--quick]
"""

import os
import subprocess
import sys
import time
from statistics import median

from benchmarks.measuring import REPOSITORY, Row, at_most, median_of_processes, parser, report

MODULES = (
    "theory.zoo",
    "theory.invariance",
    "numerics.exact",
    "proofs_check.strategies",
    "proofs_check.cli",
)
MAX_IMPORT, MAX_HELP, MAX_VERIFY, MAX_MEMORY = 1.5, 0.3, 90, 1000
HEAVY = ("numpy", "scipy.special", "sympy", "flint", "hypothesis", "typer")
TIMER = "import time; start = time.perf_counter(); import {}; print([time.perf_counter() - start])"
COMMAND = ("-c", "import sys; from proofs_check.cli import main; sys.exit(main())")


def import_time(modules: tuple[str, ...], repeat: int) -> float:
    return median_of_processes(["-c", TIMER.format(", ".join(modules))], repeat)[0]


def command(*arguments: str) -> tuple[float, float, int]:
    """Seconds, peak megabytes of the largest process, and exit status of ``lop``."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *COMMAND, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return time.perf_counter() - start, usage.ru_maxrss / 1000, process.returncode


def rows(repeat: int, is_quick: bool) -> list[Row]:
    command("--help")  # writes the bytecode
    total = import_time(MODULES, repeat)
    made = [at_most("import of all three packages", total, MAX_IMPORT, " s")]
    made += [
        Row(f"of that {name} alone", f"{import_time((name,), repeat):.2f} s") for name in HEAVY
    ]
    helped = median(command("--help")[0] for _ in range(repeat))
    made.append(at_most("lop --help", helped, MAX_HELP, " s"))
    if not is_quick:
        seconds, memory, status = command("verify")
        made += [
            at_most("lop verify", seconds, MAX_VERIFY, " s"),
            at_most("lop verify, peak memory of its largest process", memory, MAX_MEMORY, " MB"),
            Row("lop verify, exit status", str(status), "0", status == 0),
        ]
    return made


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--repeat", type=int, default=7)
    options.add_argument("--quick", action="store_true", help="without lop verify")
    chosen = options.parse_args()
    return report(rows(chosen.repeat, chosen.quick), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
