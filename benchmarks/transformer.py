"""Exact proof for a deep transformer against one float64 gradient of the same network.

The statement: on IE∩OE of a decoder of six blocks (width 512, 8 heads, 2048 hidden units, 1000
tokens, 8 positions, LayerNorm, GELU, embedding and logits tied) every gradient of every loss lies
in BC; error at most 2^-60, derived from the graph. Cloned are the model dimension, the units of all
mlps and, within, either the units inside the heads or the heads themselves; in pairs, or in pairs
but for one block of three. One sample of 8 tokens for the proof and for the gradient, whose
evaluator was built before.

Run: python -m benchmarks.transformer
"""

import json
import sys
from collections.abc import Callable
from statistics import median

from benchmarks.measuring import Row, at_most, in_fresh_process, interleaved, run_in_processes

BITS, MAX_RATIO = 60, 40
CLONED = {
    "inside heads, pairs": (("d", "k", "v", "m"), False),
    "heads, pairs": (("d", "head", "m"), False),
    "inside heads, one block of three": (("d", "k", "v", "m"), True),
}


def measured(rounds: int) -> dict[str, float]:
    """Seconds of the proofs and of the gradient, in this process."""
    import numpy as np

    from numerics.evaluate import Evaluator
    from numerics.exact import prove_invariance
    from numerics.systems.float64 import Float64
    from theory.backprop import gradient
    from theory.manifold import block_constant, equitable
    from theory.partition import make_partition
    from theory.zoo import decoder

    net = decoder(1000, 8, 6, 512, 8, 2048)
    bits: list[float] = []

    def proof(axes: tuple[str, ...], is_uneven: bool) -> Callable[[], object]:
        first = 3 if is_uneven else 2
        blocks = {
            axis: [list(range(first)), *([k, k + 1] for k in range(first, n - 1, 2))]
            for axis, n in net.sizes.items()
            if axis.rstrip("0123456789") in axes
        }
        clones = make_partition(net.sizes, blocks)
        manifold, tangent = equitable(net, clones), block_constant(net, clones)

        def prove() -> None:
            result = prove_invariance(net, manifold, tangent=tangent, bits=BITS)
            if result.verdict != "proved":
                raise RuntimeError(result.summary())
            bits.append(result.error_bits)

        return prove

    graph = gradient(net.graph(1))
    evaluator = Evaluator(graph, Float64())
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=shape) / 20 for name, shape in graph.input_shapes.items()}
    functions: dict[str, Callable[[], object]] = {"gradient": lambda: evaluator(given)}
    functions |= {name: proof(*chosen) for name, chosen in CLONED.items()}
    seconds = interleaved(functions, rounds)
    found = {name: median(values) for name, values in seconds.items()}
    for name in CLONED:
        pairs = zip(seconds[name], seconds["gradient"], strict=True)
        found[f"{name} ratio"] = median(a / b for a, b in pairs)
    return found | {"bits": min(bits)}


def rows(processes: int, rounds: int) -> list[Row]:
    arguments = ["-m", "benchmarks.transformer", "--measure", "--rounds", str(rounds)]
    runs = [json.loads(in_fresh_process(arguments)) for _ in range(processes)]
    found = {name: median(run[name] for run in runs) for name in runs[0]}
    shown = [Row("one float64 gradient, 8 tokens", f"{1e3 * found['gradient']:.0f} ms")]
    for name in CLONED:
        shown.append(Row(f"exact proof, {name}", f"{found[name]:.2g} s"))
        shown.append(at_most(f"proof / gradient, {name}", found[f"{name} ratio"], MAX_RATIO))
    return [*shown, Row("error of the proofs", f"≤ 2^-{int(found['bits'])}")]


if __name__ == "__main__":
    sys.exit(run_in_processes(__doc__, measured, rows, processes=3, rounds=4))
