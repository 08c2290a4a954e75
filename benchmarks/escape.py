"""Leaving and falling back: predictions about cloned manifolds against training.

Escape times: random networks at rest on BC, moved by 1e-6, trained by gradient descent until they
are 1e-3 away. Critical decay: the same with a pull to the point of rest. The noisy pair
(`numerics.transverse.noisy_pair`): its top transverse exponent in nats a step, by step size and
batch size, with the standard error over independent paths, gradient descent's beside it; and the
distance from the manifold after real training. The survey draws single units at minima of random
data, clones them, and counts where gradient descent leaves and where SGD on single samples, with
labels spread around their means, has a negative exponent (its 99 % interval lies below 0).

Run: python -m benchmarks.escape [--quick]
"""

import sys
import time
from math import log

import numpy as np

from benchmarks.measuring import Row, parser, report
from numerics.losses import MSE
from numerics.tasks import Task
from numerics.transverse.dynamics import TransverseDynamics, transverse_exponents
from numerics.transverse.escape import transverse_eigenvalues
from numerics.transverse.noisy_pair import NoisyPair, noisy_pair
from numerics.transverse.resting_clones import resting_clones
from proofs_check.claim import Settings
from proofs_check.claims import n12_prediction, p9_escape
from theory.errors import ValueSystemError
from theory.manifold import equitable
from theory.optimizer import sgd
from theory.partition import make_partition

RATES, BATCHES = (0.05, 0.1, 0.2, 0.25), (1, 2, 3)
SURVEYED, SPREAD, RATE = ("tanh", "sigmoid", "silu", "gelu"), 1.0, 0.1


def predictions(settings: Settings) -> list[Row]:
    """Figures of the claims N12.prediction and N4b.prediction, all required to hold."""
    rows = []
    for name, check in (
        ("escape by λ_min", n12_prediction.rough_times),
        ("escape by all eigenvalues", n12_prediction.linear_times),
        ("critical decay", n12_prediction.bracket),
        ("one noisy step on digits", p9_escape.noise_leaves),
    ):
        start = time.perf_counter()
        found = check(settings)
        seconds = time.perf_counter() - start
        rows += [Row(f"{name}: {key}", f"{value:.6g}") for key, value in found.figures.items()]
        rows.append(Row(f"{name}: time of all", f"{seconds:.1f} s", "holds", found.holds))
    return rows


def exponents(pair: NoisyPair, steps: int, paths: int) -> list[Row]:
    """The grid of the noisy pair."""
    lowest = transverse_eigenvalues(pair.wide, pair.task, pair.rest, pair.manifold)[0]
    rows = []
    for rate in RATES:
        rows.append(Row(f"exponent, η = {rate}, gradient descent", f"{log(1 - rate * lowest):.5f}"))
        for batch in BATCHES:
            try:
                found = pair.exponents(
                    rate, batch, steps=steps, seeds=range(paths), discard=steps
                ).pooled()
                value = f"{found.values[0]:.5f} ± {found.errors[0]:.5f}"
            except ValueSystemError:
                value = "diverges"
            rows.append(Row(f"exponent, η = {rate}, batches of {batch}", value))
    return rows


def distances(pair: NoisyPair, orders: int) -> list[Row]:
    """Real training from 10^-3 beside the manifold, and from where gradient descent ends."""
    start = pair.beside(1e-3, 16, 0)
    left = pair.trained(start, 0.2, None, steps=1500)
    rows = [Row("distance, 1,500 steps of gradient descent from 1e-3", _range([left], pair))]
    for name, begin, steps in (
        ("from 1e-3", start, 1500),
        ("from gradient descent's end", left, 6000),
    ):
        ends = [pair.trained(begin, 0.2, 1, steps=steps, seed=k) for k in range(orders)]
        rows.append(
            Row(f"distance, {steps:,} steps of SGD {name}, {orders} orders", _range(ends, pair))
        )
    return rows


def _range(members: list[dict[str, np.ndarray]], pair: NoisyPair) -> str:
    found = np.concatenate([pair.distances(theta) for theta in members])
    return f"{found.min():.1e} … {found.max():.1e}"


def survey(phi: str, inputs: int, draws: int, most: int) -> Row:
    """Minima of one unit, cloned: how many gradient descent leaves, how many SGD attracts."""
    drawn = resting_clones(
        [inputs, 1, 1], {"h1": [[0, 1]]}, phi, members=draws, samples=8, errors=0.3, seed=7
    )
    along = drawn.tangent_eigenvalues()
    lowest = np.linalg.eigvalsh(drawn.normal_hessians())[:, 0]
    is_minimum = (along[:, 0] > 0.003) & (along[:, -1] < 4) & (lowest < -0.003)
    minima = drawn.chosen(np.flatnonzero(is_minimum)[:most])
    manifold = equitable(minima.wide, make_partition(minima.wide.sizes, {"h1": [[0, 1]]}))
    below = above = diverged = 0
    for k in range(len(minima)):
        labels = np.repeat(minima.target[k], 2, axis=0)
        labels[0::2] += SPREAD
        labels[1::2] -= SPREAD
        task = Task("spread", np.repeat(minima.x[k], 2, axis=0), labels)
        rule = sgd().with_hyperparameters(rate=RATE)
        dynamics = TransverseDynamics(minima.wide, rule, MSE, task, manifold, 1)
        try:
            found = transverse_exponents(
                dynamics,
                {p: w[k] for p, w in minima.rest.items()},
                steps=1000,
                discard=500,
                seeds=range(16),
            )
        except ValueSystemError:
            diverged += 1
            continue
        low, high = found.pooled().interval(0.99)
        below, above = below + (high[0] < 0), above + (low[0] > 0)
    name = (
        f"survey, {phi}, {inputs} input{'s'[: inputs - 1]}: exponents < 0, > 0, diverging, of all"
    )
    return Row(name, f"{below}, {above}, {diverged}, {len(minima)}")


def main() -> int:
    options = parser(__doc__ or "")
    options.add_argument("--quick", action="store_true", help="few networks, no survey")
    chosen = options.parse_args()
    pair = noisy_pair()
    rows = predictions(Settings(full=not chosen.quick))
    rows += exponents(pair, *((500, 16) if chosen.quick else (2000, 32)))
    rows += distances(pair, 2 if chosen.quick else 16)
    if not chosen.quick:
        rows += [survey(phi, inputs, 4000, 8) for inputs in (1, 2) for phi in SURVEYED]
    return report(rows, chosen.json)


if __name__ == "__main__":
    sys.exit(main())
