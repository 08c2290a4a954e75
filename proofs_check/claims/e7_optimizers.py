"""E7: which optimizer keeps which set of parameters, one claim for each cell of the table.

A cell that is left is a claim that is expected to be refuted, by numbers, and names the cell that
holds instead: the next smaller set of clones, or the same set for SGD.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import sqrt
from typing import Any

import numpy as np

from numerics.losses import MSE
from numerics.steps.drift import float_drift
from numerics.steps.invariance import KINDS, Kind, prove_kept
from numerics.steps.span_methods import METHODS, distance_from_leaf
from numerics.systems.multiprecision import MultiPrecision
from numerics.systems.system import NumberSystem
from numerics.tasks import Task
from numerics.train import train
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose, draw_network, draw_partition
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted
from proofs_check.findings import campaign, from_identity
from proofs_check.optimizer_table import CELLS, ROWS, SETS, Row, kept_cell, left_cell
from theory.manifold import block_constant, equitable
from theory.optimizer import Optimizer, entrywise_rates, muon, noisy_gradients, own_pulls
from theory.partition import make_partition
from theory.zoo import mlp

# Half of the digits of a double: rounding stays far below, a wrong statement far above.
HALF_DIGITS = sqrt(np.finfo(np.float64).eps)
CLONES: frozenset[Kind] = frozenset({"leaf", "equitable", "constant"})
# Newton and Schulz's polynomial has a degree that the fields can bear, and amplifies rounding
AMPLIFIES = frozenset({"muon", "muon.equitable"})
DIGITS, MUON_STEPS = 60, 300


def kept_exactly(row: Row, kind: Kind, settings: Settings) -> Evidence:
    """One cell that is kept."""
    return kept_cell(row, kind, settings.sub_seed("E7", row.id))


def left(row: Row, kind: Kind, settings: Settings) -> Evidence:
    """One cell that is left."""
    return left_cell(row, kind, settings.sub_seed("E7", row.id, kind))


def in_random_networks(row: Row, kind: Kind, settings: Settings) -> Evidence:
    """Random networks and partitions for one of the sets of clones."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network = draw_network(choose)
        blocks = draw_partition(choose, network)
        kept = prove_kept(
            network, row.optimizer, blocks, kind, start=row.start, bits=bits, seed=seed
        )
        return from_identity(kept.found, network.name, f"{row.title} keeps {SETS[kind]}")

    count = 20 if settings.full else 1
    name = f"E7.{row.id}.{CELLS[kind]}"
    return campaign(settings, name, count, "networks with random partitions", test)


def in_float64(row: Row, settings: Settings) -> Evidence:
    """Mini-batch steps in float64 from points of all sets of a row."""
    seed = settings.sub_seed("E7", row.id, "float64") % 2**32
    steps = 1000
    drift = float_drift(row.optimizer, row.start, steps=steps, seed=seed, is_masked=row.is_masked)
    figures = {
        f"{row.title}: {SETS[kind]}, float64, {steps} steps": value
        for kind, value in drift.items()
        if row.mark(kind) != "-"
    }
    scope = f"{row.title}: {steps} mini-batch steps in float64"
    amplified = CLONES if row.id in AMPLIFIES else frozenset()
    odd = [kind for kind in row.kept if kind not in amplified and drift[kind] > HALF_DIGITS]
    if odd:
        names = ", ".join(SETS[kind] for kind in odd)
        return refuted(scope, f"it leaves {names}", level=Level.OBSERVED, figures=figures)
    detail = "what is kept is kept up to rounding"
    if any(drift[kind] > HALF_DIGITS for kind in amplified.intersection(row.kept)):
        detail = "rounding is amplified off M_F and M_0: see the figures"
    return holds(Level.OBSERVED, scope, detail, figures=figures)


def muon_in_digits(_: Settings) -> Evidence:
    """The distance from the leaf in float64 and at 60 digits, from one start on the same data."""
    coarse, fine = _muon_distance(None), _muon_distance(MultiPrecision(DIGITS))
    figures = {
        f"Muon: distance from the leaf after {MUON_STEPS} steps, float64": coarse,
        f"Muon: distance from the leaf after {MUON_STEPS} steps, {DIGITS} digits": fine,
    }
    # A real departure would not depend on the digits; rounding is multiplied by the same factor.
    if fine > HALF_DIGITS * coarse or coarse < HALF_DIGITS:
        return refuted("Muon", "the distance does not scale with the rounding", figures=figures)
    return holds(
        Level.OBSERVED,
        f"MLP 1-2-3-1 tanh, 4 samples, {MUON_STEPS} steps of Muon",
        "orthogonalisation amplifies rounding in vanishing singular directions, and nothing else",
        figures=figures,
    )


def _muon_distance(system: NumberSystem | None) -> float:
    net = mlp([1, 2, 3, 1], "tanh", bias=False)
    clones = make_partition(net.sizes, {"h1": [[0, 1]], "h2": [[0, 1, 2]]})
    flat, constant = equitable(net, clones), block_constant(net, clones)
    rng = np.random.default_rng(0)
    free = {k: rng.integers(-4, 5, size=shape) / 2 for k, shape in flat.free_shapes.items()}
    start = flat.embed(free)
    x = np.linspace(-1, 1, 4).reshape(4, 1)
    run = train(
        net, muon(), MSE, start, Task("sine", x, np.sin(3 * x)), steps=MUON_STEPS, system=system
    )
    numbers: dict[str, Any] = {p: w - start[p] for p, w in run.parameters.items()}
    normal = constant.normal_part(numbers)
    return max(abs(float(v)) for part in normal.values() for v in part.flat)


def span_methods(decay: float, _: Settings) -> Evidence:
    """Line searches, conjugate gradients, L-BFGS and averaged weights, in float64."""
    figures = {
        f"{method}: distance from the leaf, of the step": distance_from_leaf(method, decay=decay)
        for method in METHODS
    }
    scope = "MLP 4-7-6-2 tanh, 64 samples, 50 iterations in float64"
    if odd := [name for name, value in figures.items() if value > HALF_DIGITS]:
        return refuted(
            scope, f"it leaves the leaf: {odd[0]}", level=Level.OBSERVED, figures=figures
        )
    return holds(Level.OBSERVED, scope, "the leaf is kept up to rounding", figures=figures)


Change = Callable[[Optimizer], Optimizer]
NOISE: tuple[Change, str] = (noisy_gradients, "entries whose gradients are equal, or 0, get others")
OF_CLONES: tuple[tuple[Change, str], ...] = (
    (entrywise_rates, "clones with different rates part"),
    NOISE,
)
OF_IDLE: tuple[tuple[Change, str], ...] = (
    (own_pulls, "what the gradient leaves alone is moved by something else"),
    NOISE,
)


def changed(row: Row, kind: Kind, change: Change, settings: Settings) -> Evidence:
    """The cell for a changed optimizer, which the fields refute."""
    own = change(row.optimizer)
    exact = None if row.exact is None else change(row.exact)
    return kept_exactly(replace(row, optimizer=own, exact=exact, title=own.name), kind, settings)


def _false_variants(row: Row, kind: Kind) -> tuple[FalseVariant, ...]:
    variants = [
        FalseVariant(change.__name__.replace("_", " "), why, partial(changed, row, kind, change))
        for change, why in (OF_CLONES if kind in CLONES else OF_IDLE)
    ]
    if (row.id, kind) == ("span", "leaf"):
        why = "the gradient of ½ λ ‖θ‖² is not tangent"
        variants.append(FalseVariant("L2 in the loss", why, partial(span_methods, 0.01)))
    return tuple(variants)


STARTS = {
    "tied": "the state starts at 0, or block-constant",
    "equitable": "what is linear in past gradients starts in IE∩OE",
    "free": "the state starts anywhere",
}


FROZEN = (
    "the unit is frozen wherever a gradient is taken, so for SAM and ASAM at the perturbed "
    "weights too, where a unit that is dead at the weights may be alive"
)


def _checks(row: Row, kind: Kind) -> tuple[Check, ...]:
    checks = [Check("one generic step over prime fields", partial(kept_exactly, row, kind))]
    is_own = row.exact is None or row.id in AMPLIFIES
    if row.exact is not None and is_own:
        own = partial(kept_exactly, replace(row, exact=None), kind)
        checks.append(Check("five steps of Newton and Schulz over prime fields", own))
    # a function of matrices is as general as the sizes it is written for; masks are in no network
    if kind in CLONES and is_own and not row.is_masked:
        networks = partial(in_random_networks, row, kind)
        checks.append(Check("random networks over prime fields", networks))
    if row.is_run and kind == row.kept[0]:  # one run for all cells of the row
        checks.append(Check("mini-batch steps in float64", partial(in_float64, row)))
    if (row.id, kind) == ("muon", "leaf"):
        checks.append(Check("float64 against 60 digits", muon_in_digits))
    if (row.id, kind) == ("span", "leaf"):
        checks.append(Check("runs of span methods in float64", partial(span_methods, 0.0)))
    return tuple(checks)


def _mended_by(row: Row, kind: Kind) -> str:
    """The cell of the row, or of SGD, that holds instead."""
    found = next((k for k in row.kept if k in CLONES and kind in CLONES), None)
    return f"E7.{row.id}.{CELLS[found]}" if found else f"E7.sgd.{CELLS[kind]}"


def _claim(row: Row, kind: Kind) -> Claim:
    common: dict[str, Any] = {
        "id": f"E7.{row.id}.{CELLS[kind]}",
        "title": f"{row.title} keeps {SETS[kind]}",
        "statement": f"Every step of {row.title} keeps {SETS[kind]}.",
        "hypotheses": (
            STARTS[row.start],
            "one rule and one set of hyperparameters for all clones; any data, loss and schedule",
            *(("φ(0) = 0",) if kind == "zero" else ()),
            *((FROZEN,) if kind == "frozen" else ()),
        ),
        "where": "classifies what the remark on optimizers asserts",
    }
    if kind in row.left:
        return Claim(
            **common,
            expected=Verdict.REFUTED,
            checks=(Check("one step in numbers", partial(left, row, kind)),),
            corrected_by=_mended_by(row, kind),
        )
    return Claim(
        **common,
        expected=Verdict.PROVED,
        checks=_checks(row, kind),
        false_variants=_false_variants(row, kind),
    )


CLAIMS = tuple(_claim(row, kind) for row in ROWS for kind in KINDS if row.mark(kind) != "-")
