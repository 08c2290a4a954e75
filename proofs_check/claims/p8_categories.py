"""P8: the three classes of the paper, as printed: two are empty for clones, and others exist."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from numerics.systems.rational import Rational
from numerics.tasks import Task
from proofs_check.claim import Check, Claim, Settings
from proofs_check.claims.n3b_inertia import exact_block
from proofs_check.drawing.cloned_points import CUBIC, ClonedPoint, draw_point
from proofs_check.drawing.networks import chooser
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted, unknown
from theory.partition import make_partition
from theory.stability.emptiness import EMPTINESS
from theory.stability_class import StabilityClass, classify
from theory.zoo import mlp

PRINTED = (StabilityClass.ATTRACTING, StabilityClass.REPELLING, StabilityClass.SADDLE)


def _column(*values: Fraction | int) -> Any:
    return np.array([[Fraction(v)] for v in values], dtype=object)


@dataclass(frozen=True)
class Example:
    """A network 1-2-1 of clones with φ = z + z²/2 - z³/3, w = 1/4, a = 1, on x = 1 and x = 2.

    Args:
        slopes: ∂L/∂y of the two samples, by the choice of targets.
        expected: the class at that point.
    """

    slopes: tuple[int, int]
    expected: StabilityClass

    def point(self) -> ClonedPoint:
        """The point, with its targets."""
        network = mlp([1, 2, 1], bias=False)
        x = _column(1, 2)
        z = x / 4
        y = 2 * (z + z**2 / 2 - z**3 / 3)
        task = Task("two samples", x, y - 2 * _column(*self.slopes))
        theta = {"W1": _column(Fraction(1, 4), Fraction(1, 4)).T, "W2": _column(1, 1)}
        partition = make_partition(network.sizes, {"h1": [[0, 1]]})
        return ClonedPoint(network, partition, theta, task, Rational(functions=CUBIC))


# φ'(1/4) = 19/16, φ'(1/2) = 5/4, φ''(1/4) = 1/2, φ''(1/2) = 0: G = 19/16 δ₁ + 5/2 δ₂, B = δ₁ / 2.
EXAMPLES = (
    Example((0, 0), StabilityClass.DEGENERATE),
    Example((40, -19), StabilityClass.SEMI_ATTRACTING),
    Example((-40, 19), StabilityClass.SEMI_REPELLING),
    Example((1, 1), StabilityClass.SADDLE),
)


def exhaustive(_: Settings) -> Evidence:
    """Is every point stable, unstable or a saddle?"""
    others: dict[str, str] = {}
    for example in EXAMPLES:
        point = example.point()
        (block,) = point.blocks()
        inertia = exact_block(block).inertia()
        found = classify(inertia)
        if found is not example.expected:
            return unknown(point.network.name, f"{inertia} in place of {example.expected.value}")
        if found not in PRINTED:
            targets = ", ".join(str(t) for t in point.task.y.ravel())
            others[f"targets {targets}"] = f"{found.value}: {inertia}"
    return refuted(
        "clones 1-2-1 with φ = z + z²/2 - z³/3, w = 1/4, a = 1, data x = 1, 2, squared error",
        f"not so: {len(others)} choices of targets give points of no class: "
        + "; ".join(others.values()),
        counterexample=_example(others),
    )


def _example(others: Mapping[str, str]) -> dict[str, Any]:
    return {"W1": ["1/4", "1/4"], "W2": ["1", "1"], "x": ["1", "2"], **others}


def occurring(settings: Settings) -> Evidence:
    """Is some cloned manifold strictly stable, or strictly unstable?"""
    outcome = EMPTINESS.outcome
    if outcome.verdict != "proved":
        return unknown("clones with targets", f"not derived: {outcome.detail}")
    count = 200 if settings.full else 30
    for trial in range(count):
        point = draw_point(chooser(settings.sub_seed("P8", trial)))
        for block in point.blocks():
            found = classify(exact_block(block).inertia())
            if found in (StabilityClass.ATTRACTING, StabilityClass.REPELLING):
                return holds(Level.PROVED, point.network.name, f"a block is {found.value}")
    return refuted(
        f"every cloned manifold whose clones have targets, without decay; {count} random rational "
        "networks",
        "never: zero-sum perturbations p of outgoing weights change no output, so pᵀHp = 0 "
        f"({outcome.detail}); exact inertia found no definite block",
        counterexample={"networks": count, "definite blocks": 0, "p^T H p": "0"},
    )


CLAIMS = (
    Claim(
        id="P8",
        title="stable, unstable and saddle manifolds",
        statement=(
            "A LoP manifold is stable, unstable or a saddle at a point as vᵀ∇²L v is positive, "
            "negative or of both signs for normal v: every point of a cloned manifold is in one of "
            "the three classes, and each class occurs."
        ),
        hypotheses=("no regularisation",),
        where="Definition 2.2",
        expected=Verdict.REFUTED,
        checks=(
            Check("points of no class", exhaustive, part="every point has a class"),
            Check("definite blocks", occurring, part="each class occurs"),
        ),
        corrected_by="N4",
    ),
)
