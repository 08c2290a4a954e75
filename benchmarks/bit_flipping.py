"""Online learning by an ensemble of 30 networks 20-20-20-1: against PyTorch, in one process.

The loop of the bit-flipping experiment: one sample a step for every member, each with a stream of
its own, by SGD and by Continual Backprop, float64, one thread. Samples are counted over all
members. PyTorch (eager) runs it in three ways: all members at once with batched products and
autograd, which is what our learner does by hand; by vmap of a gradient; and one member after the
other as nn.Sequential with torch.optim.SGD. All must agree with ours to 1e-8 first. The last rows
are the whole experiment, with streams and metrics, in one and in two processes.

Run: python -m benchmarks.bit_flipping
"""

import sys
import time
from statistics import median

from benchmarks.measuring import Row, parser, report

MEMBERS, WIDTHS, RATE = 30, (20, 20, 20, 1), 0.03
REQUIRED = 100_000  # samples a second, summed over the ensemble
REPLACED, MATURITY, DECAY = 1e-4, 100, 0.99


def ours(x, y, with_replacement, rate=REPLACED):
    from numerics.continual.backprop import Replacement
    from numerics.continual.learner import OnlineLearner

    learner = OnlineLearner(WIDTHS, "relu", RATE, range(MEMBERS))
    if with_replacement:
        learner.replace_units(Replacement(rate, MATURITY, DECAY))
    start = time.perf_counter()
    learner.learn(x, y)
    return time.perf_counter() - start, learner.parameters


def batched(x, y, with_replacement, rate=REPLACED):
    """All members at once: torch.baddbmm and autograd; the rule of Continual Backprop in torch."""
    import torch

    weights = _start(torch, grad=True)
    layers = len(WIDTHS) - 1
    used = [torch.zeros(MEMBERS, n, dtype=torch.float64) for n in WIDTHS[1:-1]]
    ages = [torch.zeros(MEMBERS, n, dtype=torch.int64) for n in WIDTHS[1:-1]]
    waiting = [torch.zeros(MEMBERS, dtype=torch.float64) for _ in WIDTHS[1:-1]]
    inputs, targets = torch.from_numpy(x)[:, :, None, :], torch.from_numpy(y)[:, :, None, :]
    start = time.perf_counter()
    for t in range(len(inputs)):
        h, hidden = inputs[t], []
        for k in range(1, layers + 1):
            h = torch.baddbmm(weights[f"b{k}"], h, weights[f"W{k}"])
            if k < layers:
                h = torch.relu(h)
                hidden.append(h)
        loss = 0.5 * (h - targets[t]).square().sum()
        slopes = torch.autograd.grad(loss, list(weights.values()))
        with torch.no_grad():
            torch._foreach_add_(list(weights.values()), slopes, alpha=-RATE)
            for k in range(layers - 1) if with_replacement else ():
                reach = weights[f"W{k + 2}"].abs().sum(dim=2)
                used[k].mul_(DECAY).add_(hidden[k][:, 0].abs() * reach, alpha=1 - DECAY)
                ages[k] += 1
                is_mature = ages[k] > MATURITY
                waiting[k] += rate * is_mature.sum(dim=1)
                if waiting[k].max() >= 1:
                    _replace(torch, weights, k, used[k], ages[k], is_mature, waiting[k], t + 1)
    seconds = time.perf_counter() - start
    found = {p: w.detach().numpy() for p, w in weights.items()}
    return seconds, {p: w[:, 0] if p.startswith("b") else w for p, w in found.items()}


def _replace(torch, weights, k, used, ages, is_mature, waiting, step):
    for e in torch.nonzero(waiting >= 1)[:, 0].tolist():
        count = int(waiting[e])
        waiting[e] -= count
        ranked = torch.where(is_mature[e], used[e], torch.inf)
        chosen = torch.sort(ranked, stable=True).indices[:count]
        fresh = torch.from_numpy(_draw(k, e, step))
        weights[f"W{k + 1}"][e][:, chosen] = fresh[:, chosen]
        weights[f"b{k + 1}"][e][:, chosen] = 0
        weights[f"W{k + 2}"][e][chosen] = 0
        used[e, chosen], ages[e, chosen] = 0, 0


def vmapped(x, y):
    """torch.func: one member's gradient, vmapped over the ensemble."""
    import torch
    from torch.func import grad, vmap

    weights = {p: w[:, 0] if p.startswith("b") else w for p, w in _start(torch, grad=False).items()}
    layers = len(WIDTHS) - 1

    def loss(p, h, target):
        for k in range(1, layers + 1):
            h = h @ p[f"W{k}"] + p[f"b{k}"]
            h = torch.relu(h) if k < layers else h
        return 0.5 * (h - target).square().sum()

    slopes_of = vmap(grad(loss))
    inputs, targets = torch.from_numpy(x), torch.from_numpy(y)
    start = time.perf_counter()
    for t in range(len(inputs)):
        slopes = slopes_of(weights, inputs[t], targets[t])
        weights = {p: w - RATE * slopes[p] for p, w in weights.items()}
    return time.perf_counter() - start, {p: w.numpy() for p, w in weights.items()}


def sequential(x, y):
    """One member after the other, as a tutorial writes it."""
    import torch

    initial = _start(torch, grad=False)
    inputs, targets = torch.from_numpy(x.copy()), torch.from_numpy(y.copy())
    found = {p: [] for p in initial}
    seconds = 0.0
    for e in range(MEMBERS):
        parts = []
        for k in range(1, len(WIDTHS)):
            linear = torch.nn.Linear(WIDTHS[k - 1], WIDTHS[k], dtype=torch.float64)
            with torch.no_grad():
                linear.weight.copy_(initial[f"W{k}"][e].T)
                linear.bias.copy_(initial[f"b{k}"][e, 0])
            parts += [linear, torch.nn.ReLU()]
        net = torch.nn.Sequential(*parts[:-1])
        optimizer = torch.optim.SGD(net.parameters(), lr=RATE)
        start = time.perf_counter()
        for t in range(len(inputs)):
            optimizer.zero_grad()
            loss = 0.5 * (net(inputs[t, e]) - targets[t, e]).square().sum()
            loss.backward()
            optimizer.step()
        seconds += time.perf_counter() - start
        for k, linear in enumerate(parts[::2], start=1):
            found[f"W{k}"].append(linear.weight.detach().numpy().T)
            found[f"b{k}"].append(linear.bias.detach().numpy())
    return seconds, found


def _draw(layer, member, step):
    from numerics.continual.backprop import keyed_draws

    gain = 2**0.5 if layer < len(WIDTHS) - 2 else 1.0
    return keyed_draws(range(MEMBERS), layer, WIDTHS[layer], WIDTHS[layer + 1], gain)(member, step)


def _start(torch, grad):
    import numpy as np

    weights = {}
    for k in range(1, len(WIDTHS)):
        drawn = np.stack([_draw(k - 1, e, 0) for e in range(MEMBERS)])
        weights[f"W{k}"] = torch.from_numpy(drawn).requires_grad_(grad)
        bias = torch.zeros(MEMBERS, 1, WIDTHS[k], dtype=torch.float64)
        weights[f"b{k}"] = bias.requires_grad_(grad)
    return weights


def agree(found, expected):
    import numpy as np

    worst = max(np.abs(np.asarray(found[p]) - np.asarray(expected[p])).max() for p in expected)
    if not worst < 1e-8:
        raise RuntimeError(f"the loops differ by {worst}")


def whole(processes, periods):
    """Samples that both learners of the experiment see, a second, streams and metrics included."""
    from proofs_check.experiments import find, run

    bits = find("bit-flipping")
    settings = bits.settings(samples=2_000 * periods)
    start = time.perf_counter()
    run(bits, settings, processes=processes)
    seconds = time.perf_counter() - start
    return 1.5 * settings.samples * settings.seeds / seconds  # two learners in the second half


def rows(steps, rounds, periods):
    import torch
    from threadpoolctl import threadpool_limits

    from numerics.continual.bit_flipping import BitFlipping

    torch.set_num_threads(1)
    stream = BitFlipping(20, 15, steps, 100, range(MEMBERS))
    x, y = stream.samples(0)
    few = slice(0, 400)
    loops = {
        "ours, SGD": lambda a, b: ours(a, b, False),
        "ours, Continual Backprop": lambda a, b: ours(a, b, True),
        "PyTorch batched, SGD": lambda a, b: batched(a, b, False),
        "PyTorch batched, Continual Backprop": lambda a, b: batched(a, b, True),
        "PyTorch vmapped, SGD": vmapped,
    }
    with threadpool_limits(1, "blas"):
        expected = ours(x[few], y[few], False)[1]
        for loop in (lambda a, b: batched(a, b, False), vmapped, sequential):
            agree(loop(x[few], y[few])[1], expected)
        often = 1e-3
        agree(batched(x[few], y[few], True, often)[1], ours(x[few], y[few], True, often)[1])
        speeds = {name: [] for name in loops}
        for _ in range(rounds):
            for name, loop in loops.items():
                speeds[name].append(steps * MEMBERS / loop(x, y)[0])
        tenth = slice(0, steps // 10)
        speeds["PyTorch one after the other, SGD"] = [
            len(x[tenth]) * MEMBERS / sequential(x[tenth], y[tenth])[0]
        ]
    found = []
    for name, values in speeds.items():
        speed = median(values)
        is_ours = name.startswith("ours")
        row = (f"≥ {REQUIRED:,} samples/s", speed >= REQUIRED) if is_ours else ("", None)
        found.append(Row(name, f"{speed:,.0f} samples/s", *row))
    for rule in ("SGD", "Continual Backprop"):
        pairs = zip(speeds[f"ours, {rule}"], speeds[f"PyTorch batched, {rule}"], strict=True)
        ratio = median(a / b for a, b in pairs)
        found.append(Row(f"ours / PyTorch batched, {rule} (median of pairs)", f"{ratio:.1f}"))
    for processes in (1, 2):
        speed = whole(processes, periods)
        name = f"whole experiment, {processes} process" + ("es" if processes > 1 else "")
        required = (
            (f"≥ {REQUIRED:,} samples/s", speed >= REQUIRED) if processes == 2 else ("", None)
        )
        found.append(Row(name, f"{speed:,.0f} samples/s", *required))
    return found


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=2000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--periods", type=int, default=60)
    chosen = options.parse_args()
    return report(rows(chosen.steps, chosen.rounds, chosen.periods), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
