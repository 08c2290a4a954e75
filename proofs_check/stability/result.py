"""What was found about the stability of a cloned network at one point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import inf, log, log1p
from typing import Any

import numpy as np

from numerics.spectrum import TransverseBlock
from numerics.spectrum.inertia import Eigenvalues, Level
from numerics.spectrum.thresholds import Interval, undecided_radius
from numerics.systems.system import Array
from proofs_check.stability.question import StabilityQuestion
from theory.html_table import html_table
from theory.stability_class import (
    Inertia,
    Method,
    StabilityClass,
    contraction_limit,
    possible_classes,
    step_inertia,
)

ROUNDING = 2.0**-53  # the transverse error from which float64 training starts
LEVELS = {
    "proved": "signs proved over the rationals",
    "enclosed": "signs enclosed by balls",
    "observed": "signs observed in float64",
}
HEADER = ("axis", "units", "times", "negative", "zero", "positive", "undecided", "class", "range")


@dataclass(frozen=True, eq=False)
class BlockVerdict:
    """What is known of one transverse block, with decay: of K = M + λI.

    Attributes:
        block: the block in float64, for directions.
        values: the eigenvalues of M, by certified counts.
        inertia: of K.
        decay: λ.
    """

    block: TransverseBlock
    values: Eigenvalues
    inertia: Inertia
    decay: Fraction

    @property
    def classes(self) -> tuple[StabilityClass, ...]:
        """The classes that the certified signs allow."""
        return possible_classes(self.inertia)

    @cached_property
    def eigenvalues(self) -> Array:
        """Of K, ascending, in float64."""
        found: Array = np.asarray(self.block.eigenvalues(), dtype=float) + float(self.decay)
        return found

    def row(self) -> tuple[str, ...]:
        """The block as a row under :data:`HEADER`, with the range of its eigenvalues in float64."""
        inertia, values = self.inertia, self.eigenvalues
        return (
            self.block.axis,
            ",".join(map(str, self.block.units)),
            str(self.block.multiplicity),
            str(inertia.negative),
            str(inertia.zero),
            str(inertia.positive),
            str(inertia.undecided),
            named(self.classes),
            f"{values[0]:.3g} … {values[-1]:.3g}" if len(values) else "-",
        )

    def as_json(self) -> dict[str, Any]:
        """The block as an entry of ``lop stability --json``."""
        return {
            "axis": self.block.axis,
            "units": list(self.block.units),
            "multiplicity": self.block.multiplicity,
            "eigenvalues": self.eigenvalues.tolist(),
            "negative": self.inertia.negative,
            "zero": self.inertia.zero,
            "positive": self.inertia.positive,
            "undecided": self.inertia.undecided,
            "level": self.values.level,
            "class": named(self.classes),
        }


@dataclass(frozen=True, eq=False)
class Escape:
    """The fastest transverse direction.

    Attributes:
        rate: -λ_min(K), certified like the counts.
        time: of the flow, until rounding in float64 has grown to the size of the weights.
        steps: of the discrete method, if one was given.
        shares: of the direction, by rows: what moves, and its share of the squared length.
        units: the clones that part.
        axis: their axis.
        incoming: share of the weights that change what the clones receive.
    """

    rate: Interval
    time: float
    steps: float | None
    shares: tuple[tuple[str, float], ...]
    units: tuple[int, ...]
    axis: str
    incoming: float


@dataclass(frozen=True, eq=False)
class Stability:
    """The transverse spectrum at a point, its classes and thresholds.

    Attributes:
        question: where.
        blocks: one verdict a block.
        num_mixed: directions between leaves, along which the function does not change.
        smallest: eigenvalue of M over all blocks, as an interval; ``None`` if undecided.
        largest: the same for the largest one.
        gradient: norm of the gradient of the loss with decay: 0 at a point of rest.
        moved: how far entries were moved onto BC, at most.
        kinks: pre-activations at which a function has no derivative.
        seconds: of work.
        reason: why the counts are only observed, or "".
    """

    question: StabilityQuestion
    blocks: tuple[BlockVerdict, ...]
    num_mixed: int
    smallest: Interval | None
    largest: Interval | None
    gradient: float
    moved: float
    kinks: int
    seconds: float
    reason: str = ""

    @property
    def level(self) -> Level:
        """By which right the signs are known."""
        return self.blocks[0].values.level if self.blocks else "proved"

    @property
    def inertia(self) -> Inertia:
        """Of K = M + λI on the normal space of IE∩OE, multiplicities counted."""
        return _total((v.inertia, v.block.multiplicity) for v in self.blocks)

    @property
    def classes(self) -> tuple[StabilityClass, ...]:
        """The classes under gradient flow that the certified signs allow."""
        return possible_classes(self.inertia)

    @property
    def critical_decay(self) -> Interval | None:
        """λ* = -min λ_min(M)."""
        return None if self.smallest is None else -self.smallest

    @property
    def method(self) -> Method:
        """The method whose steps are judged."""
        if self.question.rate is None:
            return "flow"
        return "heavy ball" if self.question.momentum else "gd"

    @property
    def limit(self) -> Fraction | None:
        """Below which positive eigenvalues of K contract in a step."""
        return contraction_limit(self.method, self.question.rate, self.question.momentum)

    @cached_property
    def steps(self) -> Inertia | None:
        """Directions that expand, are neutral, contract in a step, in place of the three signs."""
        limit = self.limit
        if limit is None:
            return None
        shift = limit - self.question.decay
        return _total(
            (step_inertia(v.inertia, v.values.inertia(shift)), v.block.multiplicity)
            for v in self.blocks
        )

    @cached_property
    def escape(self) -> Escape | None:
        """How a small transverse error grows under the flow; ``None`` if none certainly does."""
        if self.smallest is None:
            return None
        rate = -(self.smallest + self.question.decay)
        if rate.low <= 0:
            return None
        worst = min(self.blocks, key=lambda v: v.eigenvalues.min(initial=inf))
        values, vectors = worst.block.eigenvectors()
        squares = vectors[:, int(np.argmin(values))] ** 2
        order = np.argsort(-squares)
        labels = worst.block.labels
        return Escape(
            rate,
            -log(ROUNDING) / rate.midpoint,
            self._steps_to_escape(rate.midpoint),
            tuple((str(labels[k]), float(squares[k])) for k in order),
            worst.block.units,
            worst.block.axis,
            float(squares[: worst.block.component.num_incoming].sum()),
        )

    def _steps_to_escape(self, rate: float) -> float | None:
        eta, beta = self.question.rate, float(self.question.momentum)
        if eta is None:
            return None
        growth = float(eta) * rate
        if not beta:
            return -log(ROUNDING) / log1p(growth)
        half = (1 + beta + growth) / 2  # z² - (1 + β + η rate) z + β
        return float(-log(ROUNDING) / log(half + (half**2 - beta) ** 0.5))

    @cached_property
    def undecided_radius(self) -> Fraction | None:
        """What no eigenvalue of M with an undecided sign exceeds in modulus."""
        found = [undecided_radius(verdict.values) for verdict in self.blocks]
        known = [radius for radius in found if radius is not None]
        return max(known, default=Fraction(0)) if len(known) == len(found) else None

    def head(self) -> str:
        """The class in one line, with the right by which it is known."""
        classes = self.classes
        words = classes[0].words if len(classes) == 1 else f"{named(classes)}: signs are undecided"
        kinks = f", one-sided derivatives at {self.kinks} kinks" if self.kinks else ""
        return f"{words} ({LEVELS[self.level]}{kinks})"

    def duration(self) -> str:
        """How long rounding takes to free float64 training, in words."""
        escape = self.escape
        if escape is None:
            return "-"
        if escape.steps is not None:
            return f"{escape.steps:,.0f} steps"
        return f"{escape.time:.3g} units of flow time"

    def freed_by(self) -> list[str]:
        """What would free training from the manifold here, or hold it there, in sentences."""
        told: list[str] = []
        if self.escape is not None:
            told.append(
                "anything that moves single clones apart along the escape direction: noise on "
                "single gradients, dropout with a mask for each unit, Continual Backprop; rounding "
                f"too, where it differs between clones, after about {self.duration()}"
            )
            told.append("normalisation does not: it acts on perfect clones alike")
        elif self.steps is not None and self.steps.negative:
            told.append(
                f"the steps of {self.method}: gradient flow stays, and {self.steps.negative} "
                f"directions expand, for their eigenvalues are above {float(self.limit or 0):.6g}"
            )
        elif self.classes == (StabilityClass.ATTRACTING,):
            told.append(
                "nothing small, for transverse errors shrink; noise that stays, or a replacement "
                "of units by far ones (Continual Backprop), moves the clones apart"
            )
        else:
            told.append(
                "not known from the Hessian: no transverse direction certainly grows, and neutral "
                "ones are decided by higher orders"
            )
        decay = self.critical_decay
        if decay is not None and decay.low > 0:
            told.append(
                f"decay of all parameters above {decay.midpoint:.6g} would hold the clones "
                "together at these weights; it moves the weights too, and for 1-homogeneous units "
                "no decay suffices at its own point of rest"
            )
        return told

    def as_json(self) -> dict[str, Any]:
        """The answer as ``lop stability --json`` writes it."""
        escape, decay, steps = self.escape, self.critical_decay, self.steps
        return {
            "blocks": [verdict.as_json() for verdict in self.blocks],
            "class": named(self.classes),
            "level": self.level,
            "escape_rate": escape.rate.midpoint if escape else 0.0,
            "escape_time": escape.time if escape else None,
            "escape_direction": dict(escape.shares[:8]) if escape else None,
            "critical_weight_decay": None if decay is None else decay.midpoint,
            "critical_weight_decay_interval": (
                None if decay is None else [float(decay.low), float(decay.high)]
            ),
            "negative": self.inertia.negative,
            "zero": self.inertia.zero,
            "positive": self.inertia.positive,
            "undecided": self.inertia.undecided,
            "undecided_below": None if (r := self.undecided_radius) is None else float(r),
            "mixed": self.num_mixed,
            "weight_decay": float(self.question.decay),
            "steps": None
            if steps is None
            else {
                "method": self.method,
                "rate": float(self.question.rate or 0),
                "momentum": float(self.question.momentum),
                "limit": float(self.limit or 0),
                "expanding": steps.negative,
                "neutral": steps.zero,
                "contracting": steps.positive,
                "undecided": steps.undecided,
                "class": named(possible_classes(steps)),
            },
            "freed_by": self.freed_by(),
            "gradient_norm": self.gradient,
            "kinks": self.kinks,
            "architecture": self.question.architecture.name,
            "parameters": self.question.architecture.num_parameters,
            "point": self.question.where,
            "data": self.question.task.name,
            "loss": self.question.loss.name,
            "conditions": list(self.question.conditions),
            "seconds": round(self.seconds, 3),
        }

    def __repr__(self) -> str:
        return f"stability of {self.question.architecture.name}: {self.head()}"

    def _repr_html_(self) -> str:
        table = (verdict.row() for verdict in self.blocks)
        return html_table(self.head(), HEADER, table, len(self.blocks))


def named(classes: tuple[StabilityClass, ...]) -> str:
    """One class, or all that are possible, in words.

    >>> named((StabilityClass.ATTRACTING, StabilityClass.SADDLE))
    'attracting or saddle'
    """
    return " or ".join(c.value for c in classes)


def _total(parts: Iterable[tuple[Inertia, int]]) -> Inertia:
    found = Inertia(0, 0, 0)
    for inertia, multiplicity in parts:
        found = found + multiplicity * inertia
    return found
