"""Random networks proved per second by the exact check, and where the time goes.

Each network is drawn with a partition and proved to keep every leaf of IE∩OE invariant, with error
at most 2^-60. The shares are of the same networks, measured function by function in a second pass.

Run: python -m benchmarks.campaign [--profile]
"""

import cProfile
import pstats
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.measuring import Row, parser, report, seconds_of


def prove(seed: int) -> None:
    from numerics.exact import prove_invariance
    from proofs_check.drawing.networks import chooser, draw_network, draw_partition
    from theory.manifold import block_constant, equitable

    choose = chooser(seed)
    network = draw_network(choose)
    clones = draw_partition(choose, network)
    tangent = block_constant(network, clones)
    result = prove_invariance(network, equitable(network, clones), tangent=tangent, seed=seed)
    if result.verdict != "proved":
        raise RuntimeError(f"seed {seed}: {result.summary()}")


def shares(stats: dict[Any, Any], names: dict[str, tuple[str, str]]) -> dict[str, float]:
    """Cumulative share of the time of each function, given by file and name."""
    whole = max(entry[3] for entry in stats.values())
    found = dict.fromkeys(names, 0.0)
    for (path, _, function), entry in stats.items():
        for label, (file, name) in names.items():
            if path.endswith(file) and function == name:
                found[label] += entry[3] / whole
    return found


PARTS = {
    "building the graph of residuals": ("numerics/exact.py", "tangency_graph"),
    "of that the order of products": ("theory/rewrite.py", "reassociate"),
    "evaluation in the fields": ("numerics/evaluate.py", "__call__"),
    "random residues": ("numerics/systems/prime.py", "random"),
    "degrees and norms": ("numerics/sizes.py", "measure"),
}


def profiled(run: Callable[[], object]) -> pstats.Stats:
    profile = cProfile.Profile()
    profile.runcall(run)
    return pstats.Stats(profile)


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--networks", type=int, default=200)
    options.add_argument("--profile", action="store_true", help="print the fifty dearest functions")
    chosen = options.parse_args()
    for seed in range(10):
        prove(seed)
    seconds = [seconds_of(lambda s=seed: prove(s)) for seed in range(chosen.networks)]
    stats = profiled(lambda: [prove(seed) for seed in range(chosen.networks)])
    if chosen.profile:
        stats.sort_stats("cumulative").print_stats(50)
        return 0
    rows = [
        Row("networks", str(chosen.networks)),
        Row("one network, median", f"{1e3 * median(seconds):.1f} ms"),
        Row("networks proved a second", f"{len(seconds) / sum(seconds):.0f}"),
    ]
    rows += [
        Row(f"share: {label}", f"{share:.0%}")
        for label, share in shares(stats.stats, PARTS).items()
    ]
    return report(rows, chosen.json)


if __name__ == "__main__":
    sys.exit(main())
