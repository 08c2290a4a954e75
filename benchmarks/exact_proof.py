"""Exact proof of P5 at full size against one float64 gradient of the same network.

The statement: on IE∩OE of a 784-2048-2048-10 MLP with an arbitrary activation, all hidden units
cloned in pairs, every gradient of every loss lies in BC; error at most 2^-60. Its cost is compared
with one float64 gradient at batch 8 whose evaluator was built before. A cold proof is the first one
of a fresh process, with imports done and architecture, manifold and tangent made. The operating
system hands out its memory page by page, which can take longer than the arithmetic.

Run: python -m benchmarks.exact_proof
"""

import json
import resource
import sys
from statistics import median

from benchmarks.measuring import (
    Row,
    at_most,
    in_fresh_process,
    interleaved,
    run_in_processes,
    seconds_of,
)

WIDTHS, BATCH, BITS = [784, 2048, 2048, 10], 8, 60
MAX_RATIO, MAX_SECONDS = 12, 2


def measured(rounds: int) -> dict[str, float]:
    """Seconds and megabytes of the proof and of the gradient, in this process."""
    import numpy as np

    from numerics.evaluate import Evaluator
    from numerics.exact import prove_invariance
    from numerics.systems.float64 import Float64
    from theory.backprop import gradient
    from theory.manifold import block_constant, equitable
    from theory.partition import make_partition
    from theory.zoo import mlp

    net = mlp(WIDTHS)
    pairs = [[k, k + 1] for k in range(0, WIDTHS[1], 2)]
    clones = make_partition(net.sizes, {"h1": pairs, "h2": pairs})
    manifold, tangent = equitable(net, clones), block_constant(net, clones)
    error_bits: list[float] = []

    def prove() -> None:
        result = prove_invariance(net, manifold, tangent=tangent, bits=BITS)
        if result.verdict != "proved":
            raise RuntimeError(result.summary())
        error_bits.append(result.error_bits)

    imported = _peak()
    cold = seconds_of(prove)
    peak = _peak()
    graph = gradient(net.graph(BATCH))
    evaluator = Evaluator(graph, Float64({"phi": np.tanh, "phi'": lambda z: 1 - np.tanh(z) ** 2}))
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=shape) / 40 for name, shape in graph.input_shapes.items()}
    seconds = interleaved({"warm": prove, "gradient": lambda: evaluator(given)}, rounds)
    ratios = [a / b for a, b in zip(seconds["warm"], seconds["gradient"], strict=True)]
    return {
        "cold": cold,
        "warm": median(seconds["warm"]),
        "gradient": median(seconds["gradient"]),
        "warm ratio": median(ratios),
        "cold ratio": cold / median(seconds["gradient"]),
        "peak": peak,
        "imported": imported,
        "parameters": 8e-6 * net.num_parameters,
        "bits": min(error_bits),
    }


def _peak() -> float:
    """Megabytes of resident memory at the highest; Linux counts in kilobytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def rows(processes: int, rounds: int) -> list[Row]:
    arguments = ["-m", "benchmarks.exact_proof", "--measure", "--rounds", str(rounds)]
    runs = [json.loads(in_fresh_process(arguments)) for _ in range(processes)]
    found = {name: median(run[name] for run in runs) for name in runs[0]}
    worst = max(run["cold"] for run in runs)
    return [
        Row("one float64 gradient, batch 8", f"{1e3 * found['gradient']:.0f} ms"),
        at_most("exact proof, warm", found["warm"], MAX_SECONDS, " s"),
        at_most(f"exact proof, cold (median of {processes})", found["cold"], MAX_SECONDS, " s"),
        at_most(f"exact proof, cold (slowest of {processes})", worst, MAX_SECONDS, " s"),
        at_most("warm proof / gradient (median of pairs)", found["warm ratio"], MAX_RATIO),
        at_most("cold proof / gradient", found["cold ratio"], MAX_RATIO),
        Row("error of the proof", f"≤ 2^-{int(found['bits'])}"),
        Row("peak memory of a cold proof", f"{found['peak']:.0f} MB"),
        Row("of that after imports", f"{found['imported']:.0f} MB"),
        Row("the parameters in float64", f"{found['parameters']:.0f} MB"),
    ]


if __name__ == "__main__":
    sys.exit(run_in_processes(__doc__, measured, rows, processes=7, rounds=8))
