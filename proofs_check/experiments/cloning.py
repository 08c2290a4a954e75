"""Cloning: a trained network is widened by clones, and both are trained on.

A base MLP learns the digits; every hidden unit is doubled, incoming weights divided by the number
of source clones, so that the function is kept. Then each optimizer trains the clones and the base
on the same mini-batches, the base once at equal rates and once at the rates of the quotient (N11),
with which its run *is* the clones' run. Clones of that kind have equal weights (BC), and rounding
treats them alike; "off BC" adds a random zero-sum part as large as the weights, which keeps the
function too and lets rounding err differently for each clone.

Noise of the gradient is N(0, s_t² I) for each tensor, σ_t = σ₀ λᵗ, in two conventions: as the paper
writes it, s_t = σ_t ‖g‖, the noise is σ_t √P times as long as the gradient; with s_t = σ_t ‖g‖/√P
it is σ_t times as long.
Dropout draws a mask for each hidden unit, sample and epoch; kept units are scaled by 1/(1 - p).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from numerics.cloning import clone
from numerics.losses import CROSS_ENTROPY
from numerics.metrics import cloning_r2, effective_rank, signals
from numerics.systems.system import Array
from numerics.tasks import Task, digits
from numerics.train import Weights, initial_parameters, initial_state, loss_and_gradient, train
from proofs_check.errors import OptionError
from proofs_check.experiments.experiment import (
    Experiment,
    Job,
    State,
    States,
    check_positive,
    member_seeds,
    under,
)
from proofs_check.experiments.noise import masked_mlp, proportional_noise, with_masks
from proofs_check.experiments.result import Curve
from proofs_check.experiments.verdict import Finding, at_least, at_most, compare
from theory.architecture import Architecture
from theory.manifold import equitable
from theory.optimizer import Optimizer, adam, heavy_ball, sgd
from theory.partition import AxisPartition, make_partition
from theory.quotient import quotient
from theory.quotient_laws import factor_state, law_of, with_factors
from theory.zoo import mlp

LOSS, FORWARD, BACKWARD, RANK, DISTANCE = (
    "loss",
    "1 - R² forward",
    "1 - R² backward",
    "effective rank",
    "distance to IE∩OE",
)
EXACT = ("SGD", "momentum", "Adam")
NOISE, SMALL_NOISE, DROPOUT = "noisy SGD, σ‖g‖", "noisy SGD, σ‖g‖/√P", "dropout"
JOBS = (*EXACT, NOISE, SMALL_NOISE, DROPOUT)
CLONE, BASE = "clone", "base"
LEAF, QUOTIENT = "clone off BC", "base at the quotient's rates"
KINDS = (CLONE, BASE, LEAF, QUOTIENT)  # the last two for EXACT alone
PROBE = 400  # samples on which units are watched
KEPT = 1e-6  # 1 - R² of clones that are kept, but for rounding
LEFT = 0.01  # 1 - R² that a curve shows
FLOOR = 1e-17  # so that a logarithm shows 0


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Args:
        seeds: networks, each with its own initial weights.
        epochs: of the base before it is widened, and again after that.
        width: of the base's two hidden layers.
        duplicates: clones a unit.
        batch: samples of a mini-batch.
        samples: of the digits that are used.
        rate: of SGD, noisy SGD and dropout; a tenth of it with momentum 0.9.
        adam_rate: of Adam, before and after widening.
        noise: σ₀.
        fade: λ.
        drop: chance p that dropout drops a unit.

    Raises:
        OptionError: if a number means nothing.
    """

    seeds: int = 5
    epochs: int = 20
    width: int = 32
    duplicates: int = 2
    batch: int = 32
    samples: int = 1797
    rate: float = 0.1
    adam_rate: float = 1e-3
    noise: float = 0.01
    fade: float = 0.999
    drop: float = 0.1

    def __post_init__(self) -> None:
        check_positive(self, "seeds", "epochs", "width", "batch")
        if not self.batch <= self.samples <= 1797:
            raise OptionError(f"samples={self.samples}: from batch={self.batch} to 1797 digits")
        if self.duplicates < 2:
            raise OptionError(f"duplicates={self.duplicates}: clones are at least 2 a unit")

    @property
    def steps(self) -> int:
        """Mini-batches of an epoch."""
        return self.samples // self.batch

    @property
    def task(self) -> Task:
        """The digits."""
        every = _digits()
        return Task(every.name, every.x[: self.samples], every.y[: self.samples])


@cache
def _digits() -> Task:
    return digits()


QUICK = Settings()
FULL = Settings(seeds=10, width=64)


def _jobs(settings: Settings) -> tuple[Job, ...]:
    return tuple(Job(name, 5 if name in EXACT else 3) for name in JOBS)


def _advance(settings: Settings, seed: int, job: str, stage: int, state: State) -> State:
    if stage == 0:
        return {f"theta/{p}": w for p, w in _trained_base(settings, seed).items()}
    return {**state, **_arm(settings, seed, job, KINDS[stage - 1], under("theta", state))}


def _base(settings: Settings) -> Architecture:
    return mlp([64, settings.width, settings.width, 10], "relu")


def _trained_base(settings: Settings, seed: int) -> Weights:
    net = _base(settings)
    single = [initial_parameters(net, s) for s in member_seeds(seed, settings.seeds)]
    start = {p: np.stack([one[p] for one in single]) for p in net.parameters}
    steps = settings.epochs * settings.steps
    rule = _optimizer(settings, "Adam")
    return train(
        net,
        rule,
        CROSS_ENTROPY,
        start,
        settings.task,
        steps=steps,
        batch_size=settings.batch,
        seed=seed,
    ).parameters


def _optimizer(settings: Settings, job: str) -> Optimizer:
    match job:
        case "momentum":
            return heavy_ball().with_hyperparameters(rate=settings.rate / 10)
        case "Adam":
            return adam().with_hyperparameters(rate=settings.adam_rate)
        case _ if job in (NOISE, SMALL_NOISE):
            return proportional_noise(job == NOISE).with_hyperparameters(
                rate=settings.rate, noise=settings.noise, fade=settings.fade
            )
        case _:
            return sgd().with_hyperparameters(rate=settings.rate)


def clone_blocks(settings: Settings) -> dict[str, AxisPartition]:
    """The blocks of clones in both hidden layers: unit k and every ``width``-th after it."""
    size = settings.width * settings.duplicates
    pairs = [list(range(k, size, settings.width)) for k in range(settings.width)]
    return make_partition({"h1": size, "h2": size}, {"h1": pairs, "h2": pairs})


def _arm(settings: Settings, seed: int, job: str, kind: str, theta: Weights) -> dict[str, Array]:
    """The curves of clones or base under one optimizer, from the trained base on."""
    net, rule = _base(settings), _optimizer(settings, job)
    start, given = theta, None
    blocks = clone_blocks(settings)
    if kind in (CLONE, LEAF):
        wide = clone(net, theta, blocks, leaf=seed if kind == LEAF else None, seed=seed)
        net, start = wide.architecture, wide.parameters
    if kind == QUOTIENT:
        law = law_of(rule)
        above = replace(net, sizes={**net.sizes, **{a: b.size for a, b in blocks.items()}})
        found = quotient(above, make_partition(above.sizes, {}) | blocks)
        rule = with_factors(rule, tuple(law.exponents))
        given = {**initial_state(rule, start, 1), **factor_state(law.factors(found))}
    if job == DROPOUT:
        path = _with_dropout(settings, seed, net, rule, start)
    else:
        steps = settings.epochs * settings.steps
        path = train(
            net,
            rule,
            CROSS_ENTROPY,
            start,
            settings.task,
            steps=steps,
            batch_size=settings.batch,
            seed=seed + 1,
            state=given,
            record=settings.steps,
        ).trajectory
    points = [_watched(settings, net, weights, kind in (CLONE, LEAF)) for weights in path]
    series = f"{job}, {kind}"
    return {f"{panel}/{series}": np.stack([p[panel] for p in points]) for panel in points[0]}


def _with_dropout(
    settings: Settings, seed: int, net: Architecture, rule: Optimizer, start: Weights
) -> tuple[Weights, ...]:
    """One epoch after the other, each sample with a fresh mask: SGD has no state to carry on."""
    masked, task, path = masked_mlp(net), settings.task, [start]
    hidden = masked.input_shape[0] - 64
    for epoch in range(settings.epochs):
        x = with_masks(task.x, hidden, settings.drop, (seed, epoch, hidden))
        run = train(
            masked,
            rule,
            CROSS_ENTROPY,
            path[-1],
            Task(task.name, x, task.y),
            steps=settings.steps,
            batch_size=settings.batch,
            seed=seed + 1 + epoch,
        )
        path.append(run.parameters)
    return tuple(path)


def _watched(
    settings: Settings, net: Architecture, weights: Weights, is_clone: bool
) -> dict[str, Array]:
    task = settings.task
    probe = Task(task.name, task.x[:PROBE], task.y[:PROBE])
    units = [signals(net, weights, probe, CROSS_ENTROPY, axis) for axis in ("h1", "h2")]
    found = {
        LOSS: loss_and_gradient(net, CROSS_ENTROPY, weights, task)[0],
        RANK: np.mean([effective_rank(s.h) for s in units], axis=0),
    }
    if is_clone:
        blocks = clone_blocks(settings)
        pairs = list(zip(units, (blocks["h1"], blocks["h2"]), strict=True))
        found[FORWARD] = np.max([1 - cloning_r2(s.h, b) for s, b in pairs], axis=0)
        found[BACKWARD] = np.max([1 - cloning_r2(s.delta, b) for s, b in pairs], axis=0)
        found[DISTANCE] = _distance(net, weights, blocks)
    return found


def _distance(net: Architecture, weights: Weights, blocks: dict[str, AxisPartition]) -> Array:
    """Norm of the part normal to IE∩OE over the norm of the parameters."""
    manifold = equitable(net, make_partition(net.sizes, {}) | blocks)
    normal = manifold.normal_part(weights)

    def length(arrays: Mapping[str, Array]) -> Array:
        squares = [np.square(a).reshape(len(a), -1).sum(axis=1) for a in arrays.values()]
        return np.asarray(np.sqrt(np.sum(squares, axis=0)))

    return length(normal) / length(weights)


def _curves(settings: Settings, states: States) -> tuple[Curve, ...]:
    x = np.arange(settings.epochs + 1, dtype=float)
    found = []
    for panel in (LOSS, FORWARD, BACKWARD, RANK, DISTANCE):
        for state in (states[job.name] for job in _jobs(settings)):
            for name, values in state.items():
                if name.startswith(f"{panel}/"):
                    series = name.removeprefix(f"{panel}/")
                    shown = values if panel in (LOSS, RANK) else np.maximum(values, FLOOR)
                    found.append(Curve(panel, series, x, shown, "epochs after widening"))
    return tuple(found)


def _findings(settings: Settings, values: Mapping[tuple[str, str], Array]) -> tuple[Finding, ...]:
    def of(panel: str, job: str, kind: str = CLONE) -> Array:
        return values[panel, f"{job}, {kind}"]

    def worst(job: str, kind: str = CLONE) -> Array:
        return np.maximum(of(FORWARD, job, kind), of(BACKWARD, job, kind))

    found = []
    for job in EXACT:
        what = (
            "1 - R² of any hidden layer, forward and backward, on BC and off it, after every epoch"
        )
        largest = np.maximum(worst(job), worst(job, LEAF)).max(axis=0)
        found.append(at_most(f"clones stay clones under {job}", what, largest, KEPT))
    for job in (NOISE, SMALL_NOISE, DROPOUT):
        what = "distance to IE∩OE after the last epoch, relative to the parameters"
        claim = f"clones leave IE∩OE under {job}"
        found.append(at_least(claim, what, of(DISTANCE, job)[-1], KEPT))
        what = "1 - R² after the last epoch, the larger of forward and backward"
        claim = f"R² of the clones falls visibly under {job}"
        found.append(compare(claim, what, worst(job)[-1], LEFT))
    for job in (NOISE, DROPOUT):
        # Noise may raise the rank of any network: only what it does to clones beyond that counts.
        what = f"effective rank in the end relative to {EXACT[0]}, clones' over base's, minus 1"
        raised = [of(RANK, job, k)[-1] / of(RANK, EXACT[0], k)[-1] for k in (CLONE, BASE)]
        claim = f"the effective rank of clones rises more than the base's under {job}"
        found.append(compare(claim, what, raised[0] / raised[1] - 1, 0.02))
    for job in EXACT:
        clones, own = of(LOSS, job), of(LOSS, job, QUOTIENT)
        gap = (np.abs(clones - own) / own).max(axis=0)
        claim = f"the base at the quotient's rates follows the clones under {job}"
        found.append(at_most(claim, "relative difference of losses, every epoch", gap, 1e-6))
        gap = (np.abs(clones - of(LOSS, job, BASE)) / clones).max(axis=0)
        claim = f"the base at equal rates does not follow the clones under {job}"
        what = "largest relative difference of losses"
        found.append(at_least(claim, what, gap, 0.01))
    return tuple(found)


CLONING = Experiment(
    "cloning",
    "Cloning: a trained network widened by clones, and trained on",
    QUICK,
    FULL,
    _jobs,
    _advance,
    _curves,
    _findings,
    {"seeds": "seeds", "epochs": "epochs", "samples": "samples"},
)
