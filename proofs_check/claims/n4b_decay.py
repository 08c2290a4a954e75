"""N4b: how much weight decay holds clones together, and why it may never suffice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from numerics.evaluate import Evaluator
from numerics.flow.field import DATA, TARGET, field
from numerics.losses import MSE
from numerics.spectrum import TransverseBlock, transverse_blocks
from numerics.spectrum.inertia import EnclosedEigenvalues, ExactEigenvalues
from numerics.spectrum.thresholds import Interval, critical_decay
from numerics.systems.ball import Ball
from numerics.systems.objects import ObjectSystem
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.claims.n3b_inertia import exact_block
from proofs_check.drawing.cloned_points import ClonedPoint, draw_point
from proofs_check.drawing.networks import chooser
from proofs_check.drawing.regularised_points import DEGREES, draw_regularised_point, tanh_point
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted, unknown
from proofs_check.theorems import from_outcome, from_theorem
from theory.outcome import conjoined
from theory.partition import make_partition
from theory.stability.critical_decay import (
    CRITICAL_DECAY,
    HOMOGENEOUS,
    HOMOGENEOUS_DECAY,
    scaling_form,
)
from theory.stability_class import Inertia

DECAY = Fraction(1, 10)
BITS = 128

_NAMES = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "phi": "z²"}

Blocks = tuple[TransverseBlock, ...]


def derivation(_: Settings) -> Evidence:
    """The Hessian of the decay term shifts every block."""
    return from_theorem(CRITICAL_DECAY, "every φ, loss and block size", "the blocks are M_i + λI")


def _points(settings: Settings) -> Iterator[ClonedPoint]:
    for trial in range(200 if settings.full else 24):
        choose = chooser(settings.sub_seed("N4b", trial))
        yield draw_point(choose, "relu" if trial % 3 == 0 else "phi")


def with_decay(point: ClonedPoint, decay: Fraction) -> Inertia:
    """The exact inertia of the dense normal Hessian of the loss with decay λ, NᵀHN + λNᵀN."""
    hessian, gram = point.normal_hessian()
    strength = point.system.number(decay)
    return ExactEigenvalues(hessian + strength * gram).inertia()


def of_blocks(blocks: Blocks) -> Interval | None:
    """λ* by the blocks."""
    return critical_decay([exact_block(block) for block in blocks])


def of_incoming(blocks: Blocks) -> Interval | None:
    """-min λ_min(B_i), without G."""
    family = [
        ExactEigenvalues(b.form[:n, :n], [Fraction(1, int(g)) for g in b.gram[:n]])
        for b in blocks
        for n in (b.component.num_incoming,)
    ]
    return critical_decay(family)


def _bracketed(settings: Settings, rule: Callable[[Blocks], Interval | None]) -> Evidence:
    """Is the dense normal Hessian positive definite just above λ*, and not just below?"""
    widest, count = 0.0, 0
    for point in _points(settings):
        found = rule(point.blocks())
        if found is None:
            return unknown(point.network.name, "λ* was not bracketed")
        above, below = with_decay(point, found.high), with_decay(point, found.low)
        margin = max(Fraction(1, 2**30), found.high - found.low)
        if found.low == found.high:  # 0 exactly: no decay is not enough, and any decay is
            above = with_decay(point, found.high + margin)
        if above.positive != above.size or below.positive == below.size:
            return refuted(
                point.network.name,
                f"not so: λ* = {found.midpoint:.6g}; just above it the dense normal Hessian with "
                f"decay has {above}, just below {below}",
                counterexample={"low": str(found.low), "high": str(found.high)},
            )
        widest = max(widest, float(found.high - found.low))
        count += 1
    return holds(
        Level.PROVED,
        f"{count} random rational networks, every third with ReLU",
        "with decay just above λ* the dense normal Hessian is positive definite, just below it is "
        "not, by exact characteristic polynomials",
        figures={"networks": count, "widest interval of λ*": widest},
    )


def brackets(settings: Settings) -> Evidence:
    """λ* from the blocks."""
    return _bracketed(settings, of_blocks)


def inner_alone(settings: Settings) -> Evidence:
    """λ* from B alone."""
    return _bracketed(settings, of_incoming)


def only_incoming(settings: Settings) -> Evidence:
    """Decay of the incoming weights and biases alone, a million times λ*."""
    for point in _points(settings):
        blocks = point.blocks()
        found = of_blocks(blocks)
        if found is None or found.high <= 0:
            continue
        strength = point.system.number(1_000_000 * found.high)
        for block in blocks:
            form = block.form.copy()
            for k in range(block.component.num_incoming):
                form[k, k] = form[k, k] + strength * point.system.number(int(block.gram[k]))
            inertia = ExactEigenvalues(form).inertia()
            if inertia.positive < inertia.size:
                return refuted(
                    f"{point.network.name}, clones {block.units} of {block.axis}",
                    f"with decay of the incoming weights alone, a million times λ*: {inertia}",
                    counterexample={"λ*": str(found.high), "inertia": str(inertia)},
                )
    return unknown("random rational networks", "every block was positive definite")


def homogeneous_derivation(settings: Settings) -> Evidence:
    """Second derivatives along scalings of clones, from first ones."""
    if settings.full:
        return from_theorem(
            HOMOGENEOUS_DECAY,
            "leaky ReLU, ReLU, z², ReLU², z³, every loss",
            "the form along scalings of clones is -λ times a matrix with the eigenvalues p and -1",
        )
    cases = [case for case in HOMOGENEOUS if case[0] in ("relu", "square")]
    return from_outcome(
        conjoined(scaling_form(*case) for case in cases),
        "ReLU and z², every loss",
        "second derivatives along scalings of clones follow from first ones, for p = 1 and 2",
    )


def _planted(settings: Settings, factor: int) -> Evidence:
    """Does M have an eigenvalue ≤ -factor · p λ at every planted critical point?"""
    wanted = 20 if settings.full else 4
    counts = dict.fromkeys(DEGREES, 0)
    trial = 0
    while min(counts.values()) < wanted:
        choose = chooser(settings.sub_seed("N4b.homogeneous", trial))
        trial += 1
        if trial > 100 * wanted:
            return unknown("planted critical points", f"only {counts} were found")
        phi = tuple(DEGREES)[trial % len(DEGREES)]
        point = draw_regularised_point(choose, phi, DECAY)
        if point is None:
            continue
        if (rest := slope(point)) != 0:
            return unknown(point.network.name, f"the planted point has the gradient {rest}")
        (block,) = point.blocks()
        bound = factor * DEGREES[phi]
        inertia = exact_block(block).inertia(-bound * DECAY)
        if not inertia.negative + inertia.zero:
            theta = {p: [[str(v) for v in row] for row in w] for p, w in point.parameters.items()}
            return refuted(
                point.network.name,
                f"at a critical point with decay λ = {DECAY} every eigenvalue of M is above "
                f"-{bound} λ: λ* < {bound} λ",
                counterexample={
                    "θ": theta,
                    "x": [[str(v) for v in row] for row in point.task.x],
                    "y": [[str(v) for v in row] for row in point.task.y],
                },
            )
        counts[phi] += 1
    return holds(
        Level.PROVED,
        f"{sum(counts.values())} critical points with decay of networks 2-4-2 with ReLU or leaky "
        "ReLU, and 2-2-2 with z², planted in rational numbers",
        "M has an eigenvalue ≤ -p λ, by exact characteristic polynomials",
        figures={f"points with {_NAMES[phi]}": count for phi, count in counts.items()},
    )


def slope(point: ClonedPoint) -> Any:
    """The largest entry of the gradient of the loss with decay, exact."""
    graph = field(point.network, MSE, len(point.task.x))
    system = point.system
    given = {p: system.array(w) for p, w in point.parameters.items()}
    rates = Evaluator(graph, system)(
        {**given, DATA: system.array(point.task.x), TARGET: system.array(point.task.y)}
    )
    strength = system.number(DECAY)
    return max(
        abs(v) for p in given for v in (strength * given[p] - rates[f"rate:{p}"]).ravel().tolist()
    )


def planted_points(settings: Settings) -> Evidence:
    """λ* ≥ pλ at planted critical points."""
    return _planted(settings, 1)


def twice(settings: Settings) -> Evidence:
    """λ* ≥ 2pλ at planted critical points."""
    return _planted(settings, 2)


def tanh_is_held(_: Settings) -> Evidence:
    """A tanh network in place of a 1-homogeneous one."""
    network, theta, task = tanh_point(DECAY, BITS)
    ball: ObjectSystem = Ball(BITS)
    graph = field(network, MSE, 1)
    rates = Evaluator(graph, ball)({**theta, DATA: task.x, TARGET: task.y})
    with ball.working():
        slopes = [ball.number(DECAY) * theta[p] - rates[f"rate:{p}"] for p in theta]
        if not all(v.contains(0) for s in slopes for v in s.ravel()):
            return unknown(network.name, "the planted point is not critical")
    clones = make_partition(network.sizes, {"h1": [[0, 1]]})
    (block,) = transverse_blocks(network, clones, theta, task, MSE, system=ball)
    values = EnclosedEigenvalues(block.matrix, BITS)
    inertia, found = values.inertia(-DECAY), critical_decay([values])
    if found is None or inertia.positive < inertia.size:
        return holds(Level.ENCLOSED, network.name, f"not strictly stable: {inertia}")
    return refuted(
        f"{network.name}, live clones, one sample",
        f"at a critical point with decay λ = {DECAY} the transverse Hessian with decay is positive "
        f"definite: λ* = {found.midpoint:.12g} < λ",
        counterexample={"w": "1/2", "x": "1", "λ": str(DECAY), "λ*": found.midpoint},
        level=Level.ENCLOSED,
    )


CLAIMS = (
    Claim(
        id="N4b",
        title="critical weight decay",
        statement=(
            "At fixed θ in BC, L2 decay of strength λ on all parameters turns M_i into M_i + λI: "
            "the manifold is strictly stable there iff λ > λ* = -min λ_min(M_i)."
        ),
        hypotheses=("φ twice differentiable where it is evaluated", "a point of BC"),
        where="new",
        expected=Verdict.PROVED,
        checks=(
            Check("the shifted blocks, by SymPy", derivation),
            Check("dense Hessians on both sides of λ*", brackets),
        ),
        false_variants=(
            FalseVariant(
                "decay of incoming weights alone",
                "outgoing directions keep the eigenvalue 0 or a saddle",
                only_incoming,
            ),
            FalseVariant("λ* = -min λ_min(B_i)", "G adds negative eigenvalues", inner_alone),
        ),
    ),
    Claim(
        id="N4b.homogeneous",
        title="decay never holds homogeneous clones at its own points of rest",
        statement=(
            "Let φ be positively homogeneous of degree p (ReLU: 1). At every critical point in BC "
            "of the loss with decay λ > 0 with a live cloned unit, M has an eigenvalue ≤ -pλ: "
            "λ* ≥ pλ, so the manifold is never strictly stable there, and for p > 1 a saddle."
        ),
        hypotheses=(
            "no unit at a kink on the data",
            "the unit's outgoing weights are not 0",
            "all parameters of the unit are decayed, its bias included",
        ),
        where="new",
        expected=Verdict.PROVED,
        checks=(
            Check("scalings of clones, by SymPy", homogeneous_derivation),
            Check("critical points planted in rational numbers", planted_points),
        ),
        false_variants=(
            FalseVariant(
                "for tanh too", "tanh bends towards 0, and decay holds its clones", tanh_is_held
            ),
            FalseVariant("λ* ≥ 2pλ", "the Rayleigh quotient is -pλ", twice),
        ),
    ),
)
