"""P9: what frees clones and what does not: noise, dropout, Continual Backprop; normalisation."""

from __future__ import annotations

from functools import lru_cache
from math import sqrt
from typing import Any

import numpy as np

from numerics.continual.backprop import Replacement
from numerics.continual.learner import OnlineLearner
from numerics.exact import prove_invariance
from numerics.losses import CROSS_ENTROPY, MSE
from numerics.systems.system import Array
from numerics.tasks import Task, digits
from numerics.train import Weights, initial_parameters, loss_and_gradient, train
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from proofs_check.findings import from_exact
from theory.architecture import Architecture
from theory.layers import batch_norm, layer_norm
from theory.manifold import Manifold, block_constant, equitable
from theory.optimizer import noisy_sgd, sgd
from theory.partition import make_partition
from theory.widening import widen
from theory.zoo import mlp
from theory.zoo.masked import masked_mlp

RELATIVE = 0.01  # of the noise, in one step
RATE, BATCH = 0.2, 32
UNITS = 8  # of each hidden layer of the base network, doubled
ROUNDING = 1e-10  # relative distances below are rounding, those above are not
FREE = 1e-3


def _norm(arrays: Weights) -> float:
    return sqrt(sum(float(np.sum(a * a)) for a in arrays.values()))


def _relative(manifold: Manifold, theta: Weights) -> float:
    return float(manifold.distance(theta)) / _norm(theta)


@lru_cache(maxsize=2)
def _cloned_digits(seed: int, before: int) -> tuple[Architecture, Manifold, Task, Weights]:
    """An MLP 64-8-8-10 trained on digits, every hidden unit doubled."""
    task = digits()
    base, wide = (mlp([64, n, n, 10], "tanh") for n in (UNITS, 2 * UNITS))
    blocks = [[2 * k, 2 * k + 1] for k in range(UNITS)]
    clones = make_partition(wide.sizes, {"h1": blocks, "h2": blocks})
    rule = sgd().with_hyperparameters(rate=RATE)
    trained = train(
        *(base, rule, CROSS_ENTROPY, initial_parameters(base, seed), task),
        steps=before,
        batch_size=BATCH,
        seed=seed,
    ).parameters
    return wide, equitable(wide, clones), task, widen(wide, clones, trained)


@lru_cache(maxsize=8)
def _one_noisy_step(
    seed: int, before: int, convention: str, shared: bool, after: int
) -> tuple[float, ...]:
    """Relative distances right after one noisy step, and in ten stages of SGD after it."""
    wide, manifold, task, start = _cloned_digits(seed, before)
    _, slopes = loss_and_gradient(wide, CROSS_ENTROPY, start, task)
    count = wide.num_parameters
    noise = RELATIVE * _norm(slopes) / (sqrt(count) if convention == "norm" else 1.0)
    rule = noisy_sgd().with_hyperparameters(rate=RATE, noise=noise)
    moved = train(wide, rule, CROSS_ENTROPY, start, task, steps=1, seed=seed).parameters
    if shared:  # the same noise for clones
        moved = manifold.project(moved)
    run = train(
        *(wide, sgd().with_hyperparameters(rate=RATE), CROSS_ENTROPY, moved, task),
        steps=after,
        batch_size=BATCH,
        seed=seed + 1,
        record=after // 10,
    )
    return tuple(_relative(manifold, theta) for theta in run.trajectory)


def _noise(settings: Settings, shared: bool = False) -> dict[str, tuple[float, ...]]:
    seed = settings.sub_seed("P9") % 2**31
    after = 3000 if settings.full else 300
    return {
        f"{convention}, {before} steps before": _one_noisy_step(
            seed, before, convention, shared, after
        )
        for before in ((0, 100, 1000) if settings.full else (100,))
        for convention in ("norm", "entry")
    }


def _noise_scope(settings: Settings) -> str:
    steps = "3,000" if settings.full else "300"
    return (
        f"tanh MLP 64-{2 * UNITS}-{2 * UNITS}-10 of clones on digits, η = {RATE}, one step with "
        f"noise of relative size {RELATIVE}, {steps} steps of SGD after it"
    )


def _noise_figures(found: dict[str, tuple[float, ...]]) -> dict[str, float]:
    return {
        f"{case}: relative distance {when}": value
        for case, path in found.items()
        for when, value in (("after the noise", path[0]), ("in the end", path[-1]))
    }


def noise_leaves(settings: Settings, *, shared: bool = False) -> Evidence:
    """Far beyond rounding, in both conventions, and SGD does not bring it back."""
    found = _noise(settings, shared)
    figures, scope = _noise_figures(found), _noise_scope(settings)
    least = min(min(path) for path in found.values())
    kept = min(path[-1] / path[0] if path[0] else 0.0 for path in found.values())
    detail = (
        f"the relative distance from IE∩OE is never below {least:.1e}; in the end it is at least "
        f"{kept:.2f} times that after the noise"
    )
    if least < ROUNDING:
        return refuted(scope, detail, level=Level.OBSERVED, figures=figures)
    if kept < 0.1:
        return unknown(scope, detail, figures=figures)
    steps = np.linspace(0, 3000 if settings.full else 300, 11).tolist()
    paths = tuple(Series(case, tuple(steps), path) for case, path in found.items())
    title, x_label = "After one noisy step SGD does not return", "steps after the noise"
    chart = Chart(title, x_label, "relative distance from IE∩OE", paths, log_y=True)
    return holds(Level.OBSERVED, scope, detail, figures=figures, charts=(chart,))


def same_noise_for_clones(settings: Settings) -> Evidence:
    """One noise a block."""
    return noise_leaves(settings, shared=True)


def noise_is_seen_at_once(settings: Settings) -> Evidence:
    """Clones a tenth of their own size apart after 300 steps."""
    found = _noise(settings)
    figures, scope = _noise_figures(found), _noise_scope(settings)
    most = max(path[1] if settings.full else path[-1] for path in found.values())
    detail = f"the relative distance after 300 steps is at most {most:.1e}"
    if most < 0.1:
        return refuted(scope, detail, level=Level.OBSERVED, figures=figures)
    return holds(Level.OBSERVED, scope, detail, figures=figures)


def conventions_differ(settings: Settings) -> Evidence:
    """By the factor √P, right after the noise."""
    found = _noise(settings)
    paths = list(found.values())
    wide = _cloned_digits(settings.sub_seed("P9") % 2**31, 100)[0]
    ratio = paths[1][0] / paths[0][0] / sqrt(wide.num_parameters)
    detail = f"distances differ by {ratio:.4f} √P, P = {wide.num_parameters}"
    scope = "N(0, σ²‖g‖² I) against noise of norm σ‖g‖, σ = 0.01"
    if abs(ratio - 1) > 0.1:
        return refuted(scope, detail, level=Level.OBSERVED)
    return holds(Level.OBSERVED, scope, detail, figures={"ratio / √P": ratio})


BLOCKS: dict[str, list[list[int]]] = {"h1": [[0, 1], [2, 3]], "h2": [[0, 1, 2], [3, 4]]}


def _normalised(kind: str) -> Architecture:
    """An MLP 3-4-5-2 with normalised pre-activations, gains and biases of their own."""

    def normal(z: Any, gain: Any, bias: Any) -> Any:
        if kind == "layer norm":
            return layer_norm(z, gain, bias, eps=1e-5)
        return batch_norm(z, gain, bias, eps=1e-5)

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = x
        for k in (1, 2):
            h = np.tanh(normal(h @ p[f"W{k}"], p[f"g{k}"], p[f"b{k}"]))
        return h @ p["W3"] + p["b3"]

    axes = ["x", "h1", "h2", "y"]
    parameters: dict[str, tuple[str, ...]] = {f"W{k}": (axes[k - 1], axes[k]) for k in (1, 2, 3)}
    parameters |= {f"{name}{k}": (axes[k],) for k in (1, 2) for name in "gb"} | {"b3": ("y",)}
    sizes = dict(zip(axes, (3, 4, 5, 2), strict=True))
    return Architecture(forward, sizes, parameters, name=f"MLP 3-4-5-2 with {kind}")


def _task(settings: Settings, name: str, samples: int, inputs: int) -> Task:
    rng = np.random.default_rng(settings.sub_seed("P9", name) % 2**31)
    x = rng.normal(size=(samples, inputs))
    return Task("teacher", x, np.tanh(x @ rng.normal(size=(inputs, 6))) @ rng.normal(size=(6, 2)))


def normalisation_exactly(settings: Settings) -> Evidence:
    """Block-constant parameters stay so, whatever the data and the loss."""
    found = []
    for kind in ("layer norm", "batch norm"):
        net = _normalised(kind)
        manifold = block_constant(net, make_partition(net.sizes, BLOCKS))
        result = prove_invariance(net, manifold, bits=62, seed=settings.seed)
        found.append(from_exact(result, net.name))
    return conjoin(found)


def _normalised_run(settings: Settings, kind: str, spread: float) -> float:
    """The distance from BC after 300 steps from a start whose clones differ by that in one gain."""
    net = _normalised(kind)
    manifold = block_constant(net, make_partition(net.sizes, BLOCKS))
    drawn = initial_parameters(net, settings.seed)
    drawn |= {p: 1 + drawn[p] for p in ("g1", "g2")}
    start: Weights = manifold.project(drawn)
    start["g1"][0] += spread
    task = _task(settings, "normalised", 64, 3)
    rule = sgd().with_hyperparameters(rate=0.05)
    run = train(net, rule, MSE, start, task, steps=300, batch_size=16, seed=settings.seed)
    return _relative(manifold, run.parameters)


def _tied(settings: Settings, spread: float) -> Evidence:
    figures = {k: _normalised_run(settings, k, spread) for k in ("layer norm", "batch norm")}
    scope = "MLPs 3-4-5-2 with normalisation, 300 steps of SGD"
    detail = f"relative distances from BC: {figures['layer norm']:.1e}, {figures['batch norm']:.1e}"
    if max(figures.values()) > ROUNDING:
        return refuted(scope, detail, level=Level.OBSERVED, figures=figures)
    return holds(Level.OBSERVED, scope, detail, figures=figures)


def normalisation_in_training(settings: Settings) -> Evidence:
    """Perfect clones under LayerNorm and BatchNorm."""
    return _tied(settings, 0.0)


def imperfect_clones(settings: Settings) -> Evidence:
    """One gain differs by 10^-3."""
    return _tied(settings, 1e-3)


def free_gains(settings: Settings) -> Evidence:
    """Blocks of weights, and gains that are blocks of one."""
    net = _normalised("layer norm")
    gains = {"g1": ("u1",), "b1": ("u1",), "g2": ("u2",), "b2": ("u2",)}
    loose = Architecture(
        net.forward,
        {**net.sizes, "u1": 4, "u2": 5},
        {**net.parameters, **gains},
        name=f"{net.name}, gains free",
    )
    manifold = block_constant(loose, make_partition(loose.sizes, BLOCKS))
    result = prove_invariance(loose, manifold, bits=62, seed=settings.seed)
    return from_exact(result, loose.name)


def _dropout(settings: Settings, *, shared: bool) -> Evidence:
    """Whether SGD with dropout takes clones apart."""
    plain, net = mlp([3, 6, 6, 2], "tanh"), masked_mlp([3, 6, 6, 2], "tanh")
    blocks = {"h1": [[0, 1, 2], [3, 4, 5]], "h2": [[0, 1], [2, 3], [4, 5]]}
    manifold = equitable(plain, make_partition(plain.sizes, blocks))
    data = _task(settings, "dropout", 1024, 3)
    rng = np.random.default_rng(settings.sub_seed("P9", "masks") % 2**31)
    masks: Array = (rng.random((1024, 12)) < 0.8) / 0.8
    if shared:
        for axis, first in (("h1", 0), ("h2", 6)):
            for block in blocks[axis]:
                masks[:, [first + u for u in block]] = masks[:, [first + block[0]]]
    task = Task("masked", np.concatenate([data.x, masks], axis=1), data.y)
    start = manifold.project(initial_parameters(plain, settings.seed))
    rule = sgd().with_hyperparameters(rate=0.05)
    run = train(net, rule, MSE, start, task, steps=300, batch_size=16, seed=settings.seed)
    away = _relative(manifold, run.parameters)
    scope = f"MLP 3-6-6-2, {'one mask a block' if shared else 'independent masks'}, keep 0.8"
    detail = f"after 300 steps the relative distance from IE∩OE is {away:.1e}"
    figures = {f"relative distance, {'shared' if shared else 'independent'} masks": away}
    if away > FREE:
        return holds(Level.OBSERVED, scope, detail, figures=figures)
    if away < ROUNDING:
        return refuted(scope, detail, level=Level.OBSERVED, figures=figures)
    return unknown(scope, detail, figures=figures)


def independent_masks(settings: Settings) -> Evidence:
    """A mask for each unit and sample."""
    return _dropout(settings, shared=False)


def shared_masks(settings: Settings) -> Evidence:
    """Clones are dropped together."""
    return _dropout(settings, shared=True)


def _continual_backprop(settings: Settings, rate: float) -> Evidence:
    """Whether Continual Backprop takes clones apart; each member draws units of its own."""
    net = mlp([3, 8, 2], "tanh")
    blocks = [[2 * k, 2 * k + 1] for k in range(4)]
    manifold = equitable(net, make_partition(net.sizes, {"h1": blocks}))
    members, steps = 8, 1000
    drawn = initial_parameters(net, settings.seed, ensemble=(members,))
    start = manifold.project(drawn)
    state = {
        f"W{k - 1}": np.concatenate([start[f"W{k}"], start[f"b{k}"][:, None]], axis=1)
        for k in (1, 2)
    }
    seeds = [settings.sub_seed("P9", "units", k) % 2**31 for k in range(members)]
    learner = OnlineLearner([3, 8, 2], "tanh", 0.02, seeds, state)
    learner.replace_units(Replacement(rate=rate, maturity=50))
    data = _task(settings, "stream", steps, 3)
    spread = (steps, members, 3), (steps, members, 2)
    learner.learn(
        np.broadcast_to(data.x[:, None], spread[0]), np.broadcast_to(data.y[:, None], spread[1])
    )
    end = learner.parameters
    away = [_relative(manifold, {p: w[k] for p, w in end.items()}) for k in range(members)]
    scope = f"{members} MLPs 3-8-2 of clones, {steps} steps, replacement rate {rate:g}"
    detail = f"relative distances from IE∩OE between {min(away):.1e} and {max(away):.1e}"
    figures = {f"smallest, rate {rate:g}": min(away), f"largest, rate {rate:g}": max(away)}
    if min(away) > FREE:
        return holds(Level.OBSERVED, scope, detail, figures=figures)
    if max(away) < ROUNDING:
        return refuted(scope, detail, level=Level.OBSERVED, figures=figures)
    return unknown(scope, detail, figures=figures)


def units_are_replaced(settings: Settings) -> Evidence:
    """One mature unit in a thousand, a step."""
    return _continual_backprop(settings, 1e-3)


def no_unit_is_replaced(settings: Settings) -> Evidence:
    """Utilities are measured, nothing is replaced."""
    return _continual_backprop(settings, 0.0)


CLAIMS = (
    Claim(
        id="P9.noise",
        title="one noisy step leaves, and is not undone",
        statement=(
            "In an MLP of clones trained on digits, one step with gradient noise of relative size "
            "0.01 leaves IE∩OE, as a ratio of norms and per entry, $N(0, \\sigma^2\\|g\\|^2 I)$; "
            "the two differ by the factor $\\sqrt P$. SGD does not return; it parts the clones, "
            "but not at once: in thousands of steps where training has far to go, less where it "
            "has converged."
        ),
        hypotheses=("the network, data and numbers of steps of the checks",),
        where="the paper's escape by noise; the time it takes is new",
        expected=Verdict.UNKNOWN,
        checks=(
            Check("training on digits", noise_leaves, "leaves"),
            Check("the two conventions", conventions_differ, "conventions"),
        ),
        false_variants=(
            FalseVariant(
                "the same noise for clones", "the step stays in IE∩OE", same_noise_for_clones
            ),
            FalseVariant(
                "clones are a tenth of their size apart after 300 steps",
                "the transverse rate is small",
                noise_is_seen_at_once,
            ),
        ),
    ),
    Claim(
        id="P9.normalisation",
        title="normalisation does not free perfect clones",
        statement=(
            "With LayerNorm or BatchNorm, gains and biases included, BC is invariant for all data "
            "and losses, and training in float64 stays on it."
        ),
        hypotheses=("gains and biases of clones are equal at the start", "MLP 3-4-5-2, tanh"),
        where="the paper's remark that normalisation alone is no remedy",
        expected=Verdict.PROVED,
        checks=(
            Check("over prime fields", normalisation_exactly),
            Check("300 steps of SGD", normalisation_in_training),
        ),
        false_variants=(
            FalseVariant("one gain differs by 10^-3", "it is not on BC", imperfect_clones),
            FalseVariant("gains and biases arbitrary", "clones are rescaled apart", free_gains),
        ),
    ),
    Claim(
        id="P9.remedies",
        title="dropout and Continual Backprop free clones",
        statement=(
            "From a start on IE∩OE, SGD with independent dropout masks, and Continual Backprop, "
            "take clones apart; with one mask a block, or replacement rate 0, they stay together."
        ),
        hypotheses=("the networks, data and numbers of steps of the checks",),
        where="the paper's remedies",
        expected=Verdict.UNKNOWN,
        checks=(
            Check("independent masks", independent_masks, "dropout"),
            Check("units are replaced", units_are_replaced, "Continual Backprop"),
        ),
        false_variants=(
            FalseVariant("clones share a mask", "their gradients stay equal", shared_masks),
            FalseVariant("replacement rate 0", "it is SGD", no_unit_is_replaced),
        ),
    ),
)
