"""P7: what the paper says of optimizers, and E7 for an arbitrary update of one entry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import sympy

from numerics.steps.invariance import Kind, prove_kept
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose, draw_network, draw_partition
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted
from proofs_check.findings import campaign, derived, from_identity
from proofs_check.optimizer_table import BITS, ROWS, SETS, kept_cell, left_cell
from theory.architecture import Architecture
from theory.manifold import Manifold, block_constant, equitable
from theory.partition import AxisPartition, make_partition
from theory.zoo import mlp

NAMED = ("sgd", "heavy-ball", "nesterov", "adam")
U = sympy.Function("U")
DECAY = sympy.Symbol("lambda")
Update = Callable[[Any, Any, Any], Any]

UPDATES: tuple[tuple[str, Update], ...] = (
    ("θ + U(s, g)", lambda w, s, g: w + U(s, g)),
    ("(1 - λ)θ + U(s, g)", lambda w, s, g: (1 - DECAY) * w + U(s, g)),
    ("U(θ, s, g)", lambda w, s, g: U(w, s, g)),
)


def named_optimizers(settings: Settings) -> Evidence:
    """SGD, momentum and Adam: every leaf, errors added."""
    seed = settings.sub_seed("P7")
    rows = [row for row in ROWS if row.id in NAMED]
    return conjoin([kept_cell(row, "leaf", seed, BITS + 2.01) for row in rows])


def random_networks(settings: Settings) -> Evidence:
    """The same in random networks, one of the optimizers each."""
    rows = [row for row in ROWS if row.id in NAMED]

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        row = rows[choose(0, len(rows) - 1)]
        network = draw_network(choose)
        blocks = draw_partition(choose, network)
        kept = prove_kept(network, row.optimizer, blocks, "leaf", bits=bits, seed=seed)
        return from_identity(kept.found, network.name, f"{row.title} keeps every leaf")

    count = 300 if settings.full else 20
    return campaign(settings, "P7", count, "networks with random partitions", test)


def cell(row_id: str, kind: Kind, settings: Settings) -> Evidence:
    """One cell of the table that is left."""
    row = next(row for row in ROWS if row.id == row_id)
    return left_cell(row, kind, settings.sub_seed("P7", row_id))


def _clones() -> tuple[Architecture, dict[str, AxisPartition]]:
    """Blocks of two and of three: entrywise functions keep IE∩OE between blocks of two."""
    network = mlp([1, 2, 3, 1], bias=False)
    return network, make_partition(network.sizes, {"h1": [[0, 1]], "h2": [[0, 1, 2]]})


def _symbols(manifold: Manifold, letter: str) -> dict[str, Any]:
    """The generic point of a manifold in SymPy."""
    free: dict[str, Any] = {}
    for k, (name, shape) in enumerate(manifold.free_shapes.items()):
        free[name] = np.empty(shape, dtype=object)
        for index in np.ndindex(*shape):
            free[name][index] = sympy.Symbol(f"{letter}_{k}_{'_'.join(map(str, index))}")
    return manifold.embed(free)


def broken_law(update: Update, kind: Kind) -> str | None:
    """A law of the set that one step breaks, for U an arbitrary function; ``None`` if it keeps all.

    The gradient is any point of BC, which is where :func:`derived` shows it to lie.
    """
    network, partition = _clones()
    constant, flat = block_constant(network, partition), equitable(network, partition)
    theta = _symbols(constant if kind == "constant" else flat, "w")
    state, slopes = _symbols(constant, "s"), _symbols(constant, "g")
    target = flat if kind == "equitable" else constant
    for law in target.constraints():
        value: Any = 0
        for (p, e), c in law.terms.items():
            w = theta[p].flat[e]
            moved = update(w, state[p].flat[e], slopes[p].flat[e])
            value += c * (moved - w if kind == "leaf" else moved)
        if sympy.expand(value) != 0:
            return f"{law.label}: {sympy.expand(value)} = 0"
    return None


def symbolic(name: str, update: Update, kinds: tuple[Kind, ...], _: Settings) -> Evidence:
    """The gradient derived to lie in BC, then the laws of the sets term by term."""
    network, partition = _clones()
    scope = f"{network.name}, {name}, U an arbitrary function"
    for kind in kinds:
        if law := broken_law(update, kind):
            return refuted(scope, f"{SETS[kind]} needs {law}", counterexample={"law": law})
    tangent = derived(network, equitable(network, partition), block_constant(network, partition))
    kept = ", ".join(SETS[kind] for kind in kinds)
    return conjoin([tangent, holds(Level.PROVED, scope, f"keeps {kept}: all laws cancel in SymPy")])


KEPT: tuple[tuple[Kind, ...], ...] = (
    ("leaf", "equitable", "constant"),
    ("equitable", "constant"),
    ("constant",),
)

CLAIMS = (
    Claim(
        id="P7",
        title="SGD, momentum and Adam keep every leaf",
        statement=(
            "SGD, heavy ball, Nesterov and Adam keep every leaf of IE∩OE, if their state starts "
            "block-constant; weight decay may leave it."
        ),
        hypotheses=(
            "pairs of blocks complete",
            "one rule for all clones; any data, loss, schedule and hyperparameters",
        ),
        where="the remark on optimizers",
        expected=Verdict.PROVED,
        checks=(
            Check("one generic step over prime fields", named_optimizers),
            Check("random networks over prime fields", random_networks),
        ),
        false_variants=(
            FalseVariant(
                "momentum that starts untied",
                "clones are moved by different momenta",
                partial(cell, "heavy-ball.free", "leaf"),
            ),
            FalseVariant(
                "Adam whose state starts untied",
                "clones are moved by different moments",
                partial(cell, "adam.free", "leaf"),
            ),
            FalseVariant(
                "AdamW", "decay shrinks what differs between clones", partial(cell, "adamw", "leaf")
            ),
            FalseVariant(
                "SGD with L2",
                "decay shrinks what differs between clones",
                partial(cell, "sgd-l2", "leaf"),
            ),
        ),
    ),
    Claim(
        id="E7",
        title="what an entrywise update keeps",
        statement=(
            "An update of one entry, the same for all clones, with block-constant state: θ + U(s, "
            "g) keeps every leaf, (1 - λ)θ + U(s, g) keeps IE∩OE, U(θ, s, g) keeps BC, for every "
            "function U, and none of the three keeps more."
        ),
        hypotheses=("pairs of blocks complete", "the state of clones starts equal"),
        where="sharpens the remark on optimizers",
        expected=Verdict.PROVED,
        checks=tuple(
            Check(f"{name} in SymPy", partial(symbolic, name, update, kinds), part=name)
            for (name, update), kinds in zip(UPDATES, KEPT, strict=True)
        ),
        false_variants=(
            FalseVariant(
                "(1 - λ)θ + U(s, g) keeps every leaf",
                "decay shrinks what differs between clones",
                partial(symbolic, *UPDATES[1], ("leaf",)),
            ),
            FalseVariant(
                "U(θ, s, g) keeps every leaf",
                "U sends different weights of clones anywhere",
                partial(symbolic, *UPDATES[2], ("leaf",)),
            ),
            FalseVariant(
                "U(θ, s, g) keeps IE∩OE",
                "U of weights with equal sums has other sums, from blocks of three on",
                partial(symbolic, *UPDATES[2], ("equitable",)),
            ),
        ),
    ),
)
