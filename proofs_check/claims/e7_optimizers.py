"""E7: which optimizer keeps which set of parameters, one claim for each row of the table."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import sqrt
from typing import Any

import numpy as np

from numerics.losses import MSE
from numerics.step_drift import float_drift
from numerics.step_invariance import Kind, prove_kept
from numerics.systems.multiprecision import MultiPrecision
from numerics.systems.system import NumberSystem
from numerics.tasks import Task
from numerics.train import train
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted
from proofs_check.findings import campaign, from_identity
from proofs_check.networks import Choose, draw_network, draw_partition
from proofs_check.optimizer_table import BITS, ROWS, SETS, Row, kept_cell, left_cell, nothing_kept
from theory.manifold import block_constant, equitable
from theory.optimizer import entrywise_rates, muon, noisy_gradients
from theory.partition import make_partition
from theory.zoo import mlp

# Half of the digits of a double: rounding stays far below, a wrong statement far above.
HALF_DIGITS = sqrt(np.finfo(np.float64).eps)
STEPS = 1000
DEAR = {"shampoo": 100, "shampoo.free": 20}  # steps by default where one takes many products
AMPLIFIES = frozenset({"muon", "muon.equitable"})  # rounding, in float64
DIGITS, MUON_STEPS = 60, 300


def kept_exactly(row: Row, settings: Settings) -> Evidence:
    """All cells of a row that are kept, errors added to 2^-60."""
    bits = BITS + 2.01  # of at most four cells
    seed = settings.sub_seed("E7", row.id)
    return conjoin([kept_cell(row, kind, seed, bits) for kind in row.kept])


def in_random_networks(row: Row, settings: Settings) -> Evidence:
    """Random networks and partitions, one of the kept sets of clones each."""
    kinds = [kind for kind in row.kept if kind != "frozen"]

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        kind = kinds[choose(0, len(kinds) - 1)]
        network = draw_network(choose)
        blocks = draw_partition(choose, network)
        kept = prove_kept(
            network, row.optimizer, blocks, kind, start=row.start, bits=bits, seed=seed
        )
        return from_identity(kept.found, network.name, f"{row.title} keeps {SETS[kind]}")

    count = 60 if settings.full else 2
    return campaign(settings, f"E7.{row.id}", count, "networks with random partitions", test)


def left(row: Row, kind: Kind, settings: Settings) -> Evidence:
    """One cell of a row that is left."""
    return left_cell(row, kind, settings.sub_seed("E7", row.id, kind))


def none_kept(row: Row, settings: Settings) -> Evidence:
    """A row that keeps nothing."""
    return nothing_kept(row, settings.sub_seed("E7", row.id))


def in_float64(row: Row, settings: Settings) -> Evidence:
    """Mini-batch steps in float64 from points of the four sets."""
    steps = STEPS if settings.full else DEAR.get(row.id, STEPS)
    seed = settings.sub_seed("E7", row.id, "float64") % 2**32
    drift = float_drift(row.optimizer, row.start, steps=steps, seed=seed)
    figures = {
        f"{row.title}: {SETS[kind]}, float64, {steps} steps": value
        for kind, value in drift.items()
        if row.mark(kind) != "-"
    }
    scope = f"{row.title}: {steps} mini-batch steps in float64"
    amplified = [] if row.id in AMPLIFIES else [k for k in row.kept if drift[k] > HALF_DIGITS]
    if amplified:
        names = ", ".join(SETS[kind] for kind in amplified)
        return refuted(scope, f"it leaves {names}", level=Level.OBSERVED, figures=figures)
    if row.id in AMPLIFIES:
        return holds(
            Level.OBSERVED, scope, "rounding is amplified: see the figures", figures=figures
        )
    return holds(Level.OBSERVED, scope, "what is kept is kept up to rounding", figures=figures)


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


def _false_variants(row: Row) -> tuple[FalseVariant, ...]:
    variants = [
        FalseVariant(f"keeps {SETS[kind]}", WHY_LEFT[kind], partial(left, row, kind))
        for kind in row.left
    ]
    if len(variants) < 2:
        for change, why in (
            (entrywise_rates, "clones with different rates part"),
            (noisy_gradients, "clones with different gradients part"),
        ):
            own = change(row.optimizer)
            exact = None if row.exact is None else change(row.exact)
            changed = replace(row, optimizer=own, exact=exact, title=own.name)
            variants.append(
                FalseVariant(
                    f"{change.__name__.replace('_', ' ')} keep BC",
                    why,
                    partial(left, changed, "constant"),
                )
            )
    return tuple(variants)


WHY_LEFT = {
    "leaf": "increments of clones differ by more than a block-constant",
    "equitable": "increments depend on the entry, and their sums over blocks differ",
    "constant": "clones of equal weights are moved differently",
    "frozen": "a parameter without gradient moves",
}
STARTS = {
    "tied": "the state starts at 0, or block-constant",
    "equitable": "what is linear in past gradients starts in IE∩OE",
    "free": "the state starts anywhere",
}


def _claim(row: Row) -> Claim:
    sets = ", ".join(SETS[kind] for kind in row.kept or row.left)
    others = ", ".join(SETS[kind] for kind in row.left)
    verb = "keeps" if row.kept else "keeps one of"
    formula = f"Every step of {row.title} {verb} {sets}"
    common: dict[str, Any] = {
        "id": f"E7.{row.id}",
        "title": f"{row.title}: {verb} {sets}",
        "hypotheses": (
            STARTS[row.start],
            "one rule and one set of hyperparameters for all clones; any data, loss and schedule",
        ),
        "where": "classifies what the remark on optimizers asserts",
    }
    if not row.kept:
        return Claim(
            **common,
            statement=f"{formula}.",
            expected=Verdict.REFUTED,
            checks=(Check("one step in numbers", partial(none_kept, row)),),
            corrected_by=f"E7.{MENDED.get(row.id, row.id.partition('.')[0])}",
        )
    checks = [Check("one generic step over prime fields", partial(kept_exactly, row))]
    if row.exact is None:  # a function of matrices is as general as the sizes it is written for
        checks.append(Check("random networks over prime fields", partial(in_random_networks, row)))
    if row.is_run:
        checks.append(Check("mini-batch steps in float64", partial(in_float64, row)))
    if row.id == "muon":
        checks.append(Check("float64 against 60 digits", muon_in_digits))
    return Claim(
        **common,
        statement=f"{formula}{f', and some steps leave {others}' if others else ''}.",
        expected=Verdict.PROVED,
        checks=tuple(checks),
        false_variants=_false_variants(row),
    )


MENDED = {"noisy-sgd": "sgd", "lion.equitable": "lion"}

CLAIMS = tuple(_claim(row) for row in ROWS)
