"""Bit flipping: an online learner loses plasticity under SGD, and Continual Backprop restores it.

The stream (:mod:`numerics.continual.bit_flipping`) is learnt by SGD, one sample a step. Halfway the
learner is copied: one copy goes on with SGD, the other with Continual Backprop, on the same
samples. So what the second half shows is due to the rule and not to the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from numerics.continual.backprop import Replacement
from numerics.continual.bit_flipping import BitFlipping
from numerics.continual.learner import OnlineLearner
from numerics.metrics import dead_units, effective_rank
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
from proofs_check.experiments.result import Curve
from proofs_check.experiments.verdict import Finding, compare, provided

SGD, SWITCHED = "SGD throughout", "Continual Backprop from half time"
LOSS, RANK, DEAD = "loss", "effective rank", "dead units"
PERIODS_A_STAGE = 10
PROBE = 300  # samples on which units are watched: the last ones before a flip


@dataclass(frozen=True)
class Settings:
    """Settings of the experiment.

    Args:
        seeds: members of the ensemble.
        samples: of each stream, one a step.
        bits: of an input.
        slow: of them slow.
        period: steps between two flips.
        target_units: threshold units of the target.
        hidden: widths of the learner's hidden layers.
        rate: η.
        replacement: ρ, share of the mature units replaced in a step.
        maturity: steps before a fresh unit can be replaced.
        decay: of the running mean of utilities.
        groups: parts of the ensemble that run at the same time.

    Raises:
        OptionError: if the samples are fewer than eight periods, or a number is not positive.
    """

    seeds: int = 30
    samples: int = 480_000
    bits: int = 20
    slow: int = 15
    period: int = 2_000
    target_units: int = 100
    hidden: tuple[int, ...] = (20, 20)
    rate: float = 0.03
    replacement: float = 1e-4
    maturity: int = 100
    decay: float = 0.99
    groups: int = 2

    def __post_init__(self) -> None:
        check_positive(self, "seeds", "period", "groups")
        if self.samples < 8 * self.period:
            raise OptionError(
                f"samples={self.samples}: the curves need at least 8 periods of {self.period}"
            )

    @property
    def periods(self) -> int:
        """Between flips, an even number of them."""
        return self.samples // self.period // 2 * 2

    def members(self, job: str) -> tuple[int, int]:
        """First and last member, exclusive, of a job."""
        k = int(job.split()[1]) - 1
        parts = min(self.groups, self.seeds)
        return self.seeds * k // parts, self.seeds * (k + 1) // parts


QUICK = Settings()
FULL = Settings(samples=5_000_000, period=10_000)


def _jobs(settings: Settings) -> tuple[Job, ...]:
    stages = -(-settings.periods // PERIODS_A_STAGE)
    return tuple(Job(f"group {k + 1}", stages) for k in range(min(settings.groups, settings.seeds)))


def _advance(settings: Settings, seed: int, job: str, stage: int, state: State) -> State:
    first, last = settings.members(job)
    seeds = tuple(member_seeds(seed, settings.seeds)[first:last])
    stream = BitFlipping(
        settings.bits, settings.slow, settings.period, settings.target_units, seeds
    )
    learners = {
        arm: _learner(settings, seeds, arm, under(arm, state))
        for arm in (SGD, SWITCHED)
        if f"{arm}/W0" in state or (arm == SGD and stage == 0)
    }
    curves: dict[str, list[Array]] = {
        name: [values] for name, values in state.items() if name.startswith("curve/")
    }
    begin = stage * PERIODS_A_STAGE
    for period in range(begin, min(begin + PERIODS_A_STAGE, settings.periods)):
        if period == settings.periods // 2:
            copy = learners[SGD].state
            learners[SWITCHED] = _learner(settings, seeds, SWITCHED, copy)
        x, y = stream.samples(period)
        probe = x[-PROBE:].transpose(1, 0, 2)
        for arm, learner in learners.items():
            loss = learner.learn(x, y).mean(axis=0)
            layers = learner.hidden(probe)
            rank = np.mean([effective_rank(h) for h in layers], axis=0)
            dead = np.mean([dead_units(h).mean(axis=-1) for h in layers], axis=0)
            for panel, values in ((LOSS, loss), (RANK, rank), (DEAD, dead)):
                curves.setdefault(f"curve/{panel}/{arm}", []).append(values[None])
    return {
        **{
            f"{arm}/{name}": a
            for arm, learner in learners.items()
            for name, a in learner.state.items()
        },
        **{name: np.concatenate(parts) for name, parts in curves.items()},
    }


def _learner(
    settings: Settings, seeds: tuple[int, ...], arm: str, state: Mapping[str, Array]
) -> OnlineLearner:
    widths = (settings.bits, *settings.hidden, 1)
    learner = OnlineLearner(widths, "relu", settings.rate, seeds, state or None)
    if arm == SWITCHED:
        learner.replace_units(Replacement(settings.replacement, settings.maturity, settings.decay))
    return learner


def _curves(settings: Settings, states: States) -> tuple[Curve, ...]:
    found = []
    x = np.arange(1, settings.periods + 1) * float(settings.period)
    for panel in (LOSS, RANK, DEAD):
        for arm, own in ((SGD, x), (SWITCHED, x[settings.periods // 2 :])):
            parts = [states[job.name][f"curve/{panel}/{arm}"] for job in _jobs(settings)]
            found.append(Curve(panel, arm, own, np.concatenate(parts, axis=1), "samples"))
    return tuple(found)


def _findings(settings: Settings, values: Mapping[tuple[str, str], Array]) -> tuple[Finding, ...]:
    quarter = max(1, settings.periods // 8)  # of one half
    half = settings.periods // 2

    def early(panel: str) -> Array:
        return np.asarray(values[panel, SGD][:quarter].mean(axis=0))

    def late(panel: str) -> Array:
        return np.asarray(values[panel, SGD][half - quarter : half].mean(axis=0))

    def end(panel: str, arm: str) -> Array:
        return np.asarray(values[panel, arm][-quarter:].mean(axis=0))

    loss = compare(
        "the loss rises under SGD: plasticity is lost",
        "last quarter of the first half against its first quarter, relative",
        late(LOSS) / early(LOSS) - 1,
        0.05,
    )
    rank = compare(
        "the effective rank falls under SGD",
        "1 - last quarter of the first half / its first quarter",
        1 - late(RANK) / early(RANK),
        0.05,
    )
    recovered_rank = compare(
        "the effective rank recovers under Continual Backprop",
        "last quarter, relative to SGD on the same samples, minus 1; smaller of this and the same "
        "relative to the last quarter before the switch",
        np.minimum(end(RANK, SWITCHED) / end(RANK, SGD), end(RANK, SWITCHED) / late(RANK)) - 1,
        0.05,
    )
    recovered_loss = compare(
        "the loss recovers under Continual Backprop",
        "1 - loss of the last quarter / that of SGD on the same samples; smaller of this and the "
        "same relative to the last quarter before the switch",
        1 - np.maximum(end(LOSS, SWITCHED) / end(LOSS, SGD), end(LOSS, SWITCHED) / late(LOSS)),
        0.05,
    )
    return (loss, rank, provided(recovered_rank, rank), provided(recovered_loss, loss))


BIT_FLIPPING = Experiment(
    "bit-flipping",
    "Bit flipping, SGD and then Continual Backprop",
    QUICK,
    FULL,
    _jobs,
    _advance,
    _curves,
    _findings,
    {"seeds": "seeds", "samples": "samples"},
)
