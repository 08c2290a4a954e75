"""A batched float64 gradient: the evaluator against JAX's compiled gradient, in one process.

The network is a tanh MLP 64-256-256-10 with a batch of 256; both compute its outputs and the
gradient of every parameter for the same output adjoint, and must agree to 1e-10 first. Measured on
all cores and again on one core, each in a process of its own.

Run: python -m benchmarks.float_gradient
"""

import json
import os
import sys
from statistics import median

from benchmarks.measuring import Row, at_most, in_fresh_process, interleaved, parser, report

LIMIT = 1.3
WIDTHS, BATCH = [64, 256, 256, 10], 256
ONE_CORE = {
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
}


def measured(rounds: int) -> dict[str, float]:
    """Median milliseconds of both gradients and of what the evaluator's one consists of."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from numerics.evaluate import Evaluator
    from numerics.systems.float64 import Float64
    from theory.backprop import gradient
    from theory.zoo import mlp

    jax.config.update("jax_enable_x64", True)
    net = mlp(WIDTHS, "tanh")
    evaluator = Evaluator(gradient(net.graph(BATCH)), Float64())
    rng = np.random.default_rng(0)
    parameters = {
        p: rng.normal(size=shape) / np.sqrt(shape[0]) for p, shape in net.parameter_shapes.items()
    }
    x, adjoint = rng.normal(size=(BATCH, WIDTHS[0])), rng.normal(size=(BATCH, WIDTHS[-1]))
    given = {**parameters, "x": x, "adjoint:y": adjoint}

    def forward(p, h):
        last = len(WIDTHS) - 1
        for k in range(1, last + 1):
            z = h @ p[f"W{k}"] + p[f"b{k}"]
            h = z if k == last else jnp.tanh(z)
        return h

    @jax.jit
    def pulled(p, h, seed):
        y, vjp = jax.vjp(lambda q: forward(q, h), p)
        return y, vjp(seed)[0]

    on_device = [jax.tree.map(jnp.asarray, a) for a in (parameters, x, adjoint)]
    y, slopes = pulled(*on_device)
    found = evaluator(given)
    for name, expected in {"y": y, **{f"grad:{p}": a for p, a in slopes.items()}}.items():
        if not np.abs(found[name] - expected).max() < 1e-10:
            raise RuntimeError(f"{name}: the two gradients differ")

    w1, w2, w3 = (parameters[f"W{k}"] for k in (1, 2, 3))
    h, out, small = rng.normal(size=(3, BATCH, 256)), np.empty((256, 256)), np.empty((256, 10))

    def products():
        np.matmul(x, w1, out=out)
        np.matmul(h[0], w2, out=out)
        np.matmul(h[1], w3, out=small)
        np.matmul(adjoint, w3.T, out=out)
        np.matmul(h[1].T, adjoint, out=small)
        np.matmul(h[2], w2.T, out=out)
        np.matmul(h[0].T, h[2], out=out)
        np.matmul(x.T, h[2])

    def functions():
        np.tanh(h[0], out=out)
        np.tanh(h[1], out=out)

    seconds = interleaved(
        {
            "evaluator": lambda: evaluator(given),
            "jax": lambda: jax.block_until_ready(pulled(*on_device)),
            "products": products,
            "tanh": functions,
        },
        rounds,
        calls=10,
    )
    found = {name: 1e3 * median(values) for name, values in seconds.items()}
    pairs = zip(seconds["evaluator"], seconds["jax"], strict=True)
    ratio = median(a / b for a, b in pairs)
    return {**found, "ratio": ratio, "fastest": min(seconds["evaluator"]) / min(seconds["jax"])}


def rows(rounds: int) -> list[Row]:
    made: list[Row] = []
    for place, options in (("all cores", []), ("one core", ["--one-core"])):
        arguments = [
            "-m",
            "benchmarks.float_gradient",
            "--measure",
            "--rounds",
            str(rounds),
            *options,
        ]
        environment = ONE_CORE if options else None
        found = json.loads(in_fresh_process(arguments, environment))
        made += [
            Row(f"evaluator, {place}", f"{found['evaluator']:.2f} ms"),
            Row(f"JAX, {place}", f"{found['jax']:.2f} ms"),
            at_most(f"evaluator / JAX, {place} (median of pairs)", found["ratio"], LIMIT),
            Row(f"fastest evaluator / fastest JAX, {place}", f"{found['fastest']:.2f}"),
            Row(f"the eight matrix products alone, {place}", f"{found['products']:.2f} ms"),
            Row(f"the two tanh alone, {place}", f"{found['tanh']:.2f} ms"),
        ]
    return made


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=60)
    options.add_argument("--measure", action="store_true", help="print the medians of one process")
    options.add_argument("--one-core", action="store_true")
    chosen = options.parse_args()
    if chosen.measure:
        if chosen.one_core:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(json.dumps(measured(chosen.rounds)))
        return 0
    return report(rows(chosen.rounds), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
