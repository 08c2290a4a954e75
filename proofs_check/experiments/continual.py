"""A continual sequence of tasks: does a network go on learning as well as it began?

An MLP learns task after task without starting again: digits with permuted pixels, splits of their
classes, and Gaussian mixtures. After each task its accuracy on that task is taken, and how many of
its units are dead or duplicates; all tasks of a sequence are equally hard. It is trained by Adam,
plain, with BatchNorm, with LayerNorm, with L2, and with shrink and perturb. Where BatchNorm is
observed, its statistics are those of all samples of the task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from numerics.continual.task_sequences import SEQUENCES
from numerics.continual.training import ContinualTraining
from numerics.losses import CROSS_ENTROPY
from numerics.metrics import dead_units, duplicate_units, effective_rank
from numerics.systems.system import Array
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
from proofs_check.experiments.normalised import (
    Norm,
    he_weights,
    normalised_mlp,
    shrink_and_perturb,
)
from proofs_check.experiments.result import Curve
from proofs_check.experiments.verdict import Finding, compare, provided
from theory.optimizer import Optimizer, adam, adam_l2

PLAIN, BATCH, LAYER, L2, SHRINK = "plain", "BatchNorm", "LayerNorm", "L2", "shrink and perturb"
VARIANTS = (PLAIN, BATCH, LAYER, L2, SHRINK)
ACCURACY, RANK, DEAD, DUPLICATE = "accuracy", "effective rank", "dead units", "duplicate units"
PANELS = (ACCURACY, RANK, DEAD, DUPLICATE)
TASKS_A_STAGE = 5
PROBE = 400  # samples on which units are watched


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Args:
        seeds: members of the ensemble, each with its own tasks.
        tasks: of a sequence.
        epochs: of each task.
        samples: of each task.
        batch: samples of a mini-batch.
        hidden: widths of the hidden layers.
        rate: of Adam.
        decay: λ of L2, added to the gradient.
        shrink: of shrink and perturb.
        perturb: of shrink and perturb.

    Raises:
        OptionError: if a number means nothing.
    """

    seeds: int = 5
    tasks: int = 40
    epochs: int = 4
    samples: int = 850
    batch: int = 32
    hidden: tuple[int, ...] = (32, 32)
    rate: float = 0.003
    decay: float = 1e-3
    shrink: float = 1e-3
    perturb: float = 3e-3

    def __post_init__(self) -> None:
        check_positive(self, "seeds", "epochs", "batch")
        if self.tasks < 4:
            raise OptionError(f"tasks={self.tasks}: the curves need at least 4")
        most = min(sequence.most for sequence in SEQUENCES.values())
        if not self.batch <= self.samples <= most:
            raise OptionError(f"samples={self.samples}: from batch={self.batch} to {most}")


QUICK = Settings()
FULL = Settings(seeds=10, tasks=200, hidden=(64, 64))


def _jobs(settings: Settings) -> tuple[Job, ...]:
    stages = -(-settings.tasks // TASKS_A_STAGE)
    return tuple(Job(f"{name}, {variant}", stages) for name in SEQUENCES for variant in VARIANTS)


def _advance(settings: Settings, seed: int, job: str, stage: int, state: State) -> State:
    name, variant = job.split(", ")
    sequence, seeds = SEQUENCES[name], member_seeds(seed, settings.seeds)
    norm: Norm = {BATCH: "batch", LAYER: "layer"}.get(variant, "none")  # type: ignore[assignment]
    net = normalised_mlp([sequence.inputs, *settings.hidden, sequence.classes], norm)
    kept = under("theta", state)
    training = ContinualTraining(
        net,
        _optimizer(settings, variant),
        CROSS_ENTROPY,
        kept or he_weights(net, seeds),
        batch_size=settings.batch,
        seeds=seeds,
        state=under("state", state),
        steps=int(state["steps"]) if state else 0,
    )
    curves = {panel: [state[f"curve/{panel}"]] if state else [] for panel in PANELS}
    begin = stage * TASKS_A_STAGE
    for number in range(begin, min(begin + TASKS_A_STAGE, settings.tasks)):
        tasks = [sequence.task(s, number, settings.samples) for s in seeds]
        x, y = np.stack([t.x for t in tasks]), np.stack([t.y for t in tasks])
        training.learn(x, y, task=number, epochs=settings.epochs)
        for panel, values in _watched(training, variant, x, y).items():
            curves[panel].append(values[None])
    return {
        **{f"theta/{p}": w for p, w in training.parameters.items()},
        **{f"state/{k}": a for k, a in training.state.items()},
        **{f"curve/{panel}": np.concatenate(parts) for panel, parts in curves.items()},
        "steps": np.array(training.steps),
    }


def _optimizer(settings: Settings, variant: str) -> Optimizer:
    match variant:
        case "L2":
            return adam_l2().with_hyperparameters(rate=settings.rate, decay=settings.decay)
        case "shrink and perturb":
            return shrink_and_perturb(adam()).with_hyperparameters(
                rate=settings.rate, shrink=settings.shrink, perturb=settings.perturb
            )
        case _:
            return adam().with_hyperparameters(rate=settings.rate)


def _watched(training: ContinualTraining, variant: str, x: Array, y: Array) -> dict[str, Array]:
    axes = [a for a in training.architecture.sizes if a.startswith("h")]
    # BatchNorm's square root is the first function along an axis, ReLU the second
    seen = training.observe(x, axes, place=1 if variant == BATCH else None)
    layers = [h[:, :PROBE] for h in seen.hidden.values()]
    return {
        ACCURACY: (seen.y.argmax(axis=-1) == y.argmax(axis=-1)).mean(axis=-1),
        RANK: np.mean([effective_rank(h) for h in layers], axis=0),
        DEAD: np.mean([dead_units(h).mean(axis=-1) for h in layers], axis=0),
        DUPLICATE: np.mean([duplicate_units(h).mean(axis=-1) for h in layers], axis=0),
    }


def _curves(settings: Settings, states: States) -> tuple[Curve, ...]:
    x = np.arange(1, settings.tasks + 1, dtype=float)
    return tuple(
        Curve(
            f"{name}: {panel}", variant, x, states[f"{name}, {variant}"][f"curve/{panel}"], "tasks"
        )
        for name in SEQUENCES
        for panel in PANELS
        for variant in VARIANTS
    )


def _findings(settings: Settings, values: Mapping[tuple[str, str], Array]) -> tuple[Finding, ...]:
    quarter = settings.tasks // 4
    found: list[Finding] = []
    for name in SEQUENCES:

        def early(panel: str, variant: str = PLAIN, name: str = name) -> Array:
            return np.asarray(values[f"{name}: {panel}", variant][:quarter].mean(axis=0))

        def late(panel: str, variant: str = PLAIN, name: str = name) -> Array:
            return np.asarray(values[f"{name}: {panel}", variant][-quarter:].mean(axis=0))

        falls = compare(
            f"{name}: accuracy falls from task to task",
            "first quarter of the tasks minus last quarter",
            early(ACCURACY) - late(ACCURACY),
            0.01,
        )
        rise = (late(DEAD) + late(DUPLICATE)) - (early(DEAD) + early(DUPLICATE))
        rises = compare(
            f"{name}: dead and duplicate units become more",
            "share of units, last quarter of the tasks minus first quarter",
            rise,
            0.02,
        )
        found += [
            falls,
            rises,
            compare(
                f"{name}: the effective rank falls",
                "1 - last quarter of the tasks / first quarter",
                1 - late(RANK) / early(RANK),
                0.05,
            ),
        ]
        for variant in (BATCH, LAYER):
            own = (late(DEAD, variant) + late(DUPLICATE, variant)) - (
                early(DEAD, variant) + early(DUPLICATE, variant)
            )
            slower = compare(
                f"{name}: {variant} slows the rise of dead and duplicate units",
                "rise of the plain network minus that with it",
                rise - own,
                0.02,
            )
            found.append(provided(slower, rises))
        for variant in VARIANTS[1:]:
            lost = early(ACCURACY, variant) - late(ACCURACY, variant)
            slower = compare(
                f"{name}: {variant} slows the loss of accuracy",
                "loss of the plain network minus that with it",
                early(ACCURACY) - late(ACCURACY) - lost,
                0.005,
            )
            found.append(provided(slower, falls))
    return tuple(found)


CONTINUAL = Experiment(
    "continual",
    "A continual sequence of tasks on digits and Gaussian mixtures",
    QUICK,
    FULL,
    _jobs,
    _advance,
    _curves,
    _findings,
    {"seeds": "seeds", "epochs": "epochs", "samples": "samples"},
)
