"""An ensemble of 1,000 networks 4-10-10-2 trained by SGD: against JAX, in one process.

Both train tanh networks in float64 on the same mini-batches: ours in two parts on two threads and
on one (`numerics.ensemble`; by default two threads for batches of 32 and 128, one for 8), JAX by a
scan over the steps, vmapped over the members and jitted. They must agree to 1e-8 after all steps
first. Wall time depends on what else the machine does; processor time adds the threads of each.

At batches of 8 a step is 46 calls of NumPy on arrays of at most 80,000 entries. On an idle core
1,000 products of an 8 x 10 and a 10 x 10 matrix take 0.15 to 0.25 ms, of which there are eight
stacks, a stack of tanh 0.2 ms, adding a bias 0.12 ms; Python itself takes 0.2 ms of a step, so a
leaner interpreter would gain a tenth at most. A second thread loses there, for it waits for the
interpreter after each call. JAX compiles the step into one loop and has no such calls.

Run: python -m benchmarks.ensembles
"""

import sys
import time
from collections.abc import Callable
from statistics import median

from benchmarks.measuring import Row, at_most, parser, report

WIDTHS, MEMBERS, RATE = [4, 10, 10, 2], 1000, 0.05
REQUIRED = 32  # the batch size to which the limit applies; for others the figures are shown
BATCHES = (8, REQUIRED, 128)
LIMIT = 1.0


def timed(function: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of one call; it is long enough to need no untimed one before."""
    wall, processor = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - wall, time.process_time() - processor


def measured(batch: int, steps: int, rounds: int) -> dict[str, float]:
    """Seconds of all steps, and the ratios of pairs of neighbouring runs."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from numerics.ensemble import train_ensemble
    from numerics.losses import MSE
    from numerics.tasks import Task
    from numerics.train import initial_parameters, minibatches
    from theory.optimizer import sgd
    from theory.zoo import mlp

    jax.config.update("jax_enable_x64", True)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(512, WIDTHS[0])), rng.normal(size=(512, WIDTHS[-1]))
    net, task, rule = (
        mlp(WIDTHS, "tanh"),
        Task("noise", x, y),
        sgd().with_hyperparameters(rate=RATE),
    )
    start = initial_parameters(net, 0, (MEMBERS,))
    chosen = np.array(list(minibatches(len(x), batch, steps, 0)))

    def loss(p, h, target):
        for k in range(1, len(WIDTHS)):
            z = h @ p[f"W{k}"] + p[f"b{k}"]
            h = z if k == len(WIDTHS) - 1 else jnp.tanh(z)
        return 0.5 * jnp.sum((h - target) ** 2) / batch

    def member(p, x, y, chosen):
        def step(p, indices):
            slopes = jax.grad(loss)(p, x[indices], y[indices])
            return jax.tree.map(lambda w, g: w - RATE * g, p, slopes), None

        return jax.lax.scan(step, p, chosen)[0]

    compiled = jax.jit(jax.vmap(member, in_axes=(0, None, None, None)))
    on_device = [jax.tree.map(jnp.asarray, a) for a in (start, x, y, chosen)]

    def theirs():
        return jax.block_until_ready(compiled(*on_device))

    def ours(threads: int = 2):
        return train_ensemble(
            net, rule, MSE, start, task, steps=steps, batch_size=batch, threads=threads
        )

    expected, found = theirs(), ours()
    if not all(np.abs(found[p] - expected[p]).max() < 1e-8 for p in found):
        raise RuntimeError("the two ensembles differ")
    functions = {"ours": ours, "one thread": lambda: ours(1), "jax": theirs}
    samples = [{name: timed(f) for name, f in functions.items()} for _ in range(rounds)]
    result: dict[str, float] = {}
    for name in functions:
        result[name] = median(sample[name][0] for sample in samples)
        result[f"{name}, processor"] = median(sample[name][1] for sample in samples)
        result[f"{name} / jax"] = median(sample[name][0] / sample["jax"][0] for sample in samples)
    return result


def rows(batches: tuple[int, ...], steps: int, rounds: int) -> list[Row]:
    made: list[Row] = []
    for batch in batches:
        found = measured(batch, steps, rounds)
        place = f"batches of {batch}, {steps} steps"
        made += [
            Row(f"two threads, {place}", f"{found['ours']:.2f} s"),
            Row(f"one thread, {place}", f"{found['one thread']:.2f} s"),
            Row(f"JAX, {place}", f"{found['jax']:.2f} s"),
        ]
        ratio = f"two threads / JAX, {place} (median of pairs)"
        if batch == REQUIRED:
            made.append(at_most(ratio, found["ours / jax"], LIMIT))
        else:
            made.append(Row(ratio, f"{found['ours / jax']:.2f}"))
        made += [
            Row(f"one thread / JAX, {place} (median of pairs)", f"{found['one thread / jax']:.2f}"),
            *(
                Row(f"processor time, {name}, {place}", f"{found[f'{key}, processor']:.2f} s")
                for name, key in (
                    ("two threads", "ours"),
                    ("one thread", "one thread"),
                    ("JAX", "jax"),
                )
            ),
        ]
    return made


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=1000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--quick", action="store_true", help="batches of 32 only")
    chosen = options.parse_args()
    batches = (REQUIRED,) if chosen.quick else BATCHES
    return report(rows(batches, chosen.steps, chosen.rounds), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
