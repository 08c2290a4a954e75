"""Symbolic proof of P5: value numbering against sympy.diff, subs and simplify, in one run.

The statement: on IE∩OE of a 3-4-4-1 network with two blocks of two in each hidden layer, the
gradient of every loss lies in BC, for an arbitrary activation. Both routes start from the traced
network and end with all residuals 0. Each runs in a fresh process, so neither profits from SymPy's
caches; the direct one is killed at the limit, and the ratio is then a lower bound.

Run: python -m benchmarks.symbolic_proof [--limit SECONDS] [--repeat N]
"""

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median

from benchmarks.measuring import REPOSITORY, Row, parser, report
from tests.test_theory.direct_route import directly_tangent
from theory.architecture import Architecture
from theory.invariance import check_invariance
from theory.manifold import Manifold, block_constant, equitable
from theory.partition import make_partition
from theory.zoo import mlp

Statement = tuple[Architecture, Manifold, Manifold]
REQUIRED = 20


def statement() -> Statement:
    network = mlp([3, 4, 4, 1])
    two = [[0, 1], [2, 3]]
    clones = make_partition(network.sizes, {"h1": two, "h2": two})
    return network, equitable(network, clones), block_constant(network, clones)


def value_numbering() -> float:
    network, manifold, tangent = statement()
    return timed(lambda: check_invariance(network, manifold, tangent=tangent).verdict == "proved")


def direct() -> float:
    network, manifold, tangent = statement()
    return timed(lambda: directly_tangent(network, manifold, tangent))


def timed(proves: Callable[[], bool]) -> float:
    start = time.perf_counter()
    if not proves():
        raise RuntimeError("a true statement was not proved")
    return time.perf_counter() - start


ROUTES = {"value-numbering": value_numbering, "direct": direct}


def measured(route: str, limit: float | None = None) -> float | None:
    """Seconds of one route in a process of its own, ``None`` if it was killed."""
    command = [sys.executable, "-m", "benchmarks.symbolic_proof", "--route", route]
    try:
        done = subprocess.run(
            command, cwd=REPOSITORY, capture_output=True, check=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return None
    return float(done.stdout)


def rows(limit: float, repeat: int) -> list[Row]:
    fast = median(measured("value-numbering") or 0.0 for _ in range(repeat))
    slow = measured("direct", limit)
    ratio = (slow or limit) / fast
    more = "" if slow else "> "
    end = "" if slow else ", killed"
    return [
        Row("value numbering, all derivation steps", f"{fast:.2f} s"),
        Row(f"diff, subs, simplify{end}", f"{more}{slow or limit:.1f} s"),
        Row("ratio", f"{more}{ratio:.0f}", f"≥ {REQUIRED}", ratio >= REQUIRED),
    ]


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--limit", type=float, default=300.0, help="seconds for the direct route")
    options.add_argument("--repeat", type=int, default=5, help="runs of the fast route")
    options.add_argument("--route", choices=ROUTES, help="run one route and print its seconds")
    chosen = options.parse_args()
    if chosen.route:
        print(ROUTES[chosen.route]())
        return 0
    return report(rows(chosen.limit, chosen.repeat), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
