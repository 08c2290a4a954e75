"""What an experiment is: settings, jobs made of stages, curves, and what decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from numerics.systems.system import Array
from proofs_check.errors import OptionError
from proofs_check.experiments.result import Curve
from proofs_check.experiments.verdict import Finding

State = Mapping[str, Array]
States = Mapping[str, State]  # by job


@dataclass(frozen=True)
class Job:
    """A row of stages that have to follow each other; jobs do not wait for each other.

    Args:
        name: unique in an experiment.
        stages: how many there are.
    """

    name: str
    stages: int


@dataclass(frozen=True)
class Experiment:
    """An experiment of the paper.

    Args:
        name: on the command line.
        title: in one sentence.
        quick: the settings by default, a frozen dataclass with ``seeds``.
        full: those of ``--full``.
        jobs: from the settings.
        advance: ``(settings, seed, job, stage, state)`` to the state after the stage; a pure
            function, and state is empty before stage 0.
        curves: from the settings and the final states of all jobs.
        findings: from the settings and the curves; what decides does not depend on them.
        options: command line options, ``{"samples": "samples"}``, and the settings they set.
    """

    name: str
    title: str
    quick: Any
    full: Any
    jobs: Callable[[Any], tuple[Job, ...]]
    advance: Callable[[Any, int, str, int, State], State]
    curves: Callable[[Any, States], tuple[Curve, ...]]
    findings: Callable[[Any, Mapping[tuple[str, str], Array]], tuple[Finding, ...]]
    options: Mapping[str, str]

    def settings(self, full: bool = False, **changes: int | None) -> Any:
        """The quick or full settings, with changes; ``None`` changes nothing.

        Raises:
            OptionError: if the experiment has no such option, or its value means nothing.
        """
        chosen = self.full if full else self.quick
        given = {name: value for name, value in changes.items() if value is not None}
        for name in given:
            if name not in self.options:
                known = ", ".join(f"--{option}" for option in self.options)
                raise OptionError(f"--{name}: experiment {self.name} has {known}")
        return replace(chosen, **{self.options[name]: value for name, value in given.items()})

    def settings_from(self, data: Mapping[str, Any]) -> Any:
        """Settings from plain data, as :func:`plain` writes them.

        Raises:
            OptionError: if a setting is unknown or missing.
        """
        known = {f.name for f in fields(self.quick)}
        if odd := sorted(known ^ set(data)):
            raise OptionError(f"settings of {self.name}: {odd[0]!r} is unknown or missing")
        found = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return type(self.quick)(**found)


def under(prefix: str, state: State) -> dict[str, Array]:
    """The arrays of a state whose names begin with ``prefix/``, by the rest of their names.

    >>> list(under("theta", {"theta/W1": np.ones(1), "curve/loss": np.ones(1)}))
    ['W1']
    """
    start = f"{prefix}/"
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}


def plain(settings: Any) -> dict[str, Any]:
    """Settings as JSON has them."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}


def check_positive(settings: Any, *names: str) -> None:
    """See that settings are at least 1.

    Raises:
        OptionError: naming the first one that is not.
    """
    for name in names:
        if getattr(settings, name) < 1:
            raise OptionError(f"{name}={getattr(settings, name)}: at least 1 is needed")


def member_seeds(seed: int, count: int) -> list[int]:
    """One seed for each member, the first ones the same however many there are.

    >>> member_seeds(0, 2) == member_seeds(0, 5)[:2]
    True
    """
    return [int(np.random.SeedSequence((seed, k)).generate_state(1)[0]) for k in range(count)]
