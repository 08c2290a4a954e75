"""Transverse spectra: blocks from one forward and backward pass against a dense Hessian.

A tanh network of which all hidden units are cloned in pairs, mean squared error, 64 samples. Ours
(`numerics.spectrum`) and `jax.hessian`, jitted, with `numpy.linalg.eigvalsh` of its restriction to
the normal space run in one process at 3,457 parameters; compilation is not counted, and all
eigenvalues must agree to 1e-9 first. Then the 1,072,650 parameters of 1024-640-640-10 in a fresh
process, with the most memory that it ever had; and a growing number of blocks of the same size, for
the processor time of one on one thread.

Run: python -m benchmarks.spectrum
"""

import json
import resource
import sys
import time
from statistics import median

from benchmarks.measuring import (
    Row,
    at_most,
    in_fresh_process,
    interleaved,
    parser,
    report,
    seconds_of,
)

DENSE, LARGE, SAMPLES = [10, 50, 50, 7], [1024, 640, 640, 10], 64
LADDER = (40, 80, 160, 320, 640)


def problem(widths, samples=SAMPLES):
    import numpy as np

    from numerics.tasks import Task
    from theory.manifold import block_constant
    from theory.partition import make_partition
    from theory.zoo import mlp

    net = mlp(widths, "tanh")
    pairs = {
        f"h{k}": [[u, u + 1] for u in range(0, n, 2)] for k, n in enumerate(widths[1:-1], start=1)
    }
    partition = make_partition(net.sizes, pairs)
    manifold = block_constant(net, partition)
    rng = np.random.default_rng(0)
    theta = manifold.embed(
        {name: rng.normal(size=s) / np.sqrt(s[0]) for name, s in manifold.free_shapes.items()}
    )
    task = Task(
        "normal", rng.normal(size=(samples, widths[0])), rng.normal(size=(samples, widths[-1]))
    )
    return net, partition, theta, task


def by_blocks(net, partition, theta, task):
    """All eigenvalues on the normal space, ascending."""
    import numpy as np

    from numerics.losses import MSE
    from numerics.spectrum import transverse_blocks

    blocks = transverse_blocks(net, partition, theta, task, MSE)
    return np.sort(np.concatenate([np.repeat(b.eigenvalues(), b.multiplicity) for b in blocks]))


def by_jax(net, partition, theta, task):
    """A function that does the same from the dense Hessian."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from theory.manifold import equitable

    jax.config.update("jax_enable_x64", True)
    shapes = net.parameter_shapes
    ends = np.cumsum([int(np.prod(s)) for s in shapes.values()])
    names = list(shapes)
    layers = len(shapes) // 2

    def loss(flat):
        parts = jnp.split(flat, ends[:-1])
        p = {q: a.reshape(shapes[q]) for q, a in zip(names, parts, strict=True)}
        h = task.x
        for k in range(1, layers + 1):
            h = h @ p[f"W{k}"] + p[f"b{k}"]
            h = jnp.tanh(h) if k < layers else h
        return 0.5 * jnp.mean(jnp.sum((h - task.y) ** 2, axis=1))

    hessian = jax.jit(jax.hessian(loss))
    flat = np.concatenate([theta[p].ravel() for p in names])
    starts = dict(zip(names, [0, *ends[:-1]], strict=True))
    rows = list(equitable(net, partition).normal_basis())
    normal = np.zeros((len(rows), len(flat)))
    for row, terms in zip(normal, rows, strict=True):
        for (p, e), c in terms.items():
            row[starts[p] + e] = float(c)
    normal = np.linalg.qr(normal.T)[0]

    def run():
        return np.linalg.eigvalsh(normal.T @ np.asarray(hessian(flat)) @ normal)

    return run


def rows(rounds):
    import numpy as np

    given = problem(DENSE)
    dense = by_jax(*given)
    expected, found = dense(), by_blocks(*given)
    worst = np.abs(found - expected).max() / np.abs(expected).max()
    if len(found) != len(expected) or worst > 1e-9:
        raise RuntimeError(f"the spectra differ by {worst:.2g} relative")
    seconds = interleaved({"blocks": lambda: by_blocks(*given), "dense": dense}, rounds)
    ratio = median(b / a for a, b in zip(seconds["blocks"], seconds["dense"], strict=True))
    count = given[0].num_parameters
    yield Row(f"largest difference of {len(found):,} eigenvalues, relative", f"{worst:.1e}")
    yield Row(f"blocks, {count:,} parameters", f"{1e3 * median(seconds['blocks']):.1f} ms")
    yield Row("jax.hessian and eigvalsh", f"{median(seconds['dense']):.2f} s")
    yield Row("jax.hessian and eigvalsh / blocks", f"{ratio:.0f}", "≥ 100", ratio >= 100)
    alone = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}
    own, memory = json.loads(in_fresh_process(["-m", "benchmarks.spectrum", "--large"], alone))
    yield at_most(f"{'-'.join(map(str, LARGE))}, {SAMPLES} samples, one thread", own, 20, " s")
    yield at_most("its memory at most", memory, 2, " GB")
    for blocks in LADDER:
        arguments = ["-m", "benchmarks.spectrum", "--blocks", str(blocks)]
        each = json.loads(in_fresh_process(arguments, alone))
        yield Row(f"{blocks} blocks of 75 rows, a block", f"{1e3 * each:.2f} ms")


def processor_seconds(blocks):
    """Of one block of so many, the least of three runs."""
    given = problem([64, 2 * blocks, 10])
    found = []
    for _ in range(4):  # the first one warms up
        start = time.process_time()
        by_blocks(*given)
        found.append((time.process_time() - start) / blocks)
    return min(found[1:])


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=4)
    options.add_argument("--large", action="store_true", help="print seconds and GB of the largest")
    options.add_argument("--blocks", type=int, help="print processor seconds of a block")
    chosen = options.parse_args()
    if chosen.blocks:
        print(json.dumps(processor_seconds(chosen.blocks)))
        return 0
    if chosen.large:
        given = problem(LARGE)
        seconds = seconds_of(lambda: by_blocks(*given))
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps([seconds, kilobytes / 2**20]))
        return 0
    return report(rows(chosen.rounds), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
