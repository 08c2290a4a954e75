"""One table: which optimizer keeps which set of parameters, and how that is known (E7).

The table is data; the claims of :mod:`proofs_check.claims.e7_optimizers` check every cell of it by
its own means, so the printed table says what a run of ``lop verify`` confirms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from numerics.step_counterexample import find_counterexample
from numerics.step_invariance import KINDS, Kind, Start, prove_kept
from proofs_check.evidence import Evidence, Level, Verdict, refuted, unknown
from proofs_check.findings import from_identity
from theory import optimizer as rules
from theory.architecture import Architecture
from theory.optimizer import Optimizer
from theory.partition import AxisPartition, make_partition
from theory.zoo import mlp

BITS = 60
SIZE = 4  # of the widest axis of the networks of the proofs

Mark = Literal["k", "x", "e", "-"]
MARKS: Mapping[str, str] = MappingProxyType(
    {"k": f"kept, ≤ 2^-{BITS}", "x": "**left**, exact", "e": "**left**, enclosed", "-": "–"}
)
SETS: Mapping[Kind, str] = MappingProxyType(
    {"leaf": "every leaf", "equitable": "IE∩OE", "constant": "BC", "frozen": "M_F"}
)


@dataclass(frozen=True)
class Row:
    """An optimizer, a start of its state, and what becomes of each set.

    Attributes:
        id: of the claim, without ``E7.``.
        title: as in the table.
        optimizer: the rule in numbers.
        marks: for leaf, IE∩OE, BC and M_F: ``k`` kept; ``x`` left, by rational numbers; ``e`` left,
            by an enclosure; ``-`` not a question.
        start: of the state.
        exact: the rule of the proofs, where that is a more general one.
        is_run: whether the rule has numbers to train with.
    """

    id: str
    title: str
    optimizer: Optimizer
    marks: str
    start: Start = "tied"
    exact: Optimizer | None = None
    is_run: bool = True

    def mark(self, kind: Kind) -> str:
        """The mark of one cell."""
        return self.marks[KINDS.index(kind)]

    @property
    def kept(self) -> tuple[Kind, ...]:
        """The sets that every step keeps."""
        return tuple(kind for kind in KINDS if self.mark(kind) == "k")

    @property
    def left(self) -> tuple[Kind, ...]:
        """The sets that some step leaves."""
        return tuple(kind for kind in KINDS if self.mark(kind) in "xe")


def _row(name: str, marks: str) -> Row:
    made: Optimizer = getattr(rules, name)()
    return Row(name.replace("_", "-"), made.name, made, marks)


def _started(name: str, marks: str, start: Start, title: str) -> Row:
    made: Optimizer = getattr(rules, name)()
    return Row(f"{name.replace('_', '-')}.{start}", title, made, marks, start)


ROWS: tuple[Row, ...] = (
    _row("sgd", "kkkk"),
    _row("heavy_ball", "kkkk"),
    _row("nesterov", "kkkk"),
    _row("sign_sgd", "kkkk"),
    _row("lion", "kkkk"),
    _row("rmsprop", "kkkk"),
    _row("adagrad", "kkkk"),
    _row("adam", "kkkk"),
    _row("adafactor", "kkkk"),
    _row("clipped_sgd", "kkkk"),
    _row("value_clipped_sgd", "kkkk"),
    _row("centralised_sgd", "kkkk"),
    _row("lars", "kkkk"),
    _row("sam", "kkkk"),
    _row("l2_init", "kkkk"),
    Row("muon", "Muon", rules.muon(), "kkkk", exact=rules.any_muon(SIZE)),
    Row("shampoo", "Shampoo", rules.shampoo(), "kkkk", exact=rules.any_shampoo(SIZE)),
    _row("sgd_l2", "xkkx"),
    _row("heavy_ball_l2", "xkkx"),
    _row("adamw", "ekke"),
    _row("lion_decay", "xkkx"),
    _row("lars_decay", "ekke"),
    _row("lamb", "ekke"),
    _row("adam_l2", "eeke"),
    _row("sgd_l1", "xxkx"),
    _row("asam", "eekk"),
    _row("noisy_sgd", "xxxx"),
    Row("increment", "θ + U(s, g)", rules.arbitrary_increment(), "kkkx", is_run=False),
    Row("silent", "θ + U(s, g), U(0, 0) = 0", rules.silent_increment(), "kkkk", is_run=False),
    Row("decay", "(1 - λ)θ + U(s, g)", rules.arbitrary_decay(), "xkkx", is_run=False),
    Row("update", "U(θ, s, g)", rules.arbitrary_update(), "xxkx", is_run=False),
    _started("heavy_ball", "xkx-", "equitable", "heavy ball, momentum from IE∩OE"),
    _started("adam", "eke-", "equitable", "Adam, first moment from IE∩OE"),
    _started("lion", "xxx-", "equitable", "Lion, momentum from IE∩OE"),
    Row(
        *("muon.equitable", "Muon, momentum from IE∩OE", rules.muon(), "eke-", "equitable"),
        exact=rules.any_muon(SIZE),
    ),
    _started("l2_init", "xkx-", "equitable", "L2-init, initial point on another leaf"),
    _started("heavy_ball", "xxxx", "free", "heavy ball, untied or left-over momentum"),
    _started("adam", "eeee", "free", "Adam, untied or left-over state"),
    Row(
        *("shampoo.free", "Shampoo, untied or left-over state", rules.shampoo(), "eeee", "free"),
        exact=rules.any_shampoo(SIZE),
    ),
)

NOTES: tuple[str, ...] = (
    "Kept: proved for the networks mlp:2-3-4-2 with blocks of two and of three, and mlp:2-3-2 with "
    "a frozen unit for M_F, for all weights, states, data, adjoints, hyperparameters, schedules "
    "and functions φ. Left: the first step from small numbers, on a network of at most 11 weights.",
    "Muon and Shampoo stand for every function of the matrices whose roots they take. Muon's cells "
    "are those of exact arithmetic: rounding in vanishing singular directions grows, and after "
    "1,000 steps float64 has left all sets of clones.",
    "Dropout changes the network, not the update: masks are data, and P6 says which keep clones.",
    "Continual Backprop draws units afresh, by their utility: no update of a weight by its "
    "gradient, and no set of the table is meant to survive it.",
)


def networks() -> tuple[Architecture, dict[str, AxisPartition], Architecture]:
    """The network with clones, its blocks, and the one with a frozen unit.

    Blocks of two and three: entrywise functions keep IE∩OE between blocks of two.

    >>> networks()[0].num_parameters
    35
    """
    cloned = mlp([2, 3, 4, 2])
    blocks = make_partition(cloned.sizes, {"h1": [[0, 2]], "h2": [[0, 1, 3]]})
    return cloned, blocks, mlp([2, 3, 2]).freeze("h1", 1, 1)


def kept_cell(row: Row, kind: Kind, seed: int, bits: float = BITS) -> Evidence:
    """Evidence that a step keeps a set, over prime fields."""
    cloned, blocks, frozen = networks()
    network = frozen if kind == "frozen" else cloned
    rule = row.exact or row.optimizer
    kept = prove_kept(network, rule, blocks, kind, start=row.start, bits=bits, seed=seed)
    return from_identity(kept.found, network.name, f"{row.title} keeps {SETS[kind]}")


def left_cell(row: Row, kind: Kind, seed: int) -> Evidence:
    """Evidence that a step leaves a set: the fields and numbers say so, else unknown."""
    found = kept_cell(row, kind, seed)
    if found.holds:
        return found
    numbers = find_counterexample(row.optimizer, kind, row.start)
    title = f"{row.title}, {SETS[kind]}"
    if numbers is None:
        return unknown(title, "the fields refute it, no small numbers were found")
    if row.mark(kind) in "xe" and row.mark(kind) != ("x" if numbers.is_exact else "e"):
        return unknown(title, f"the table marks it {row.mark(kind)!r}, the numbers are otherwise")
    if numbers.replay() != numbers.value:
        return unknown(title, f"the counterexample does not replay: {numbers}")
    level = Level.PROVED if numbers.is_exact else Level.ENCLOSED
    return refuted(title, str(numbers), counterexample=numbers.to_json(), level=level)


def nothing_kept(row: Row, seed: int) -> Evidence:
    """Evidence that a row keeps none of its sets: refuted only if each of them is left."""
    found = {kind: left_cell(row, kind, seed) for kind in row.left}
    for evidence in found.values():
        if evidence.verdict is not Verdict.REFUTED:
            return evidence
    weakest = min(evidence.level or Level.OBSERVED for evidence in found.values())
    numbers = {SETS[kind]: dict(e.counterexample or {}) for kind, e in found.items()}
    detail = "; ".join(f"{SETS[kind]}: {e.detail}" for kind, e in found.items())
    return refuted(row.title, detail, counterexample=numbers, level=weakest)


def markdown() -> str:
    """The table as Markdown.

    >>> print(markdown().splitlines()[2])
    | SGD | kept, ≤ 2^-60 | kept, ≤ 2^-60 | kept, ≤ 2^-60 | kept, ≤ 2^-60 |
    """
    lines = [f"| optimizer | {' | '.join(SETS[kind] for kind in KINDS)} |", "|---|---|---|---|---|"]
    for row in ROWS:
        cells = " | ".join(MARKS[mark] for mark in row.marks)
        lines.append(f"| {row.title} | {cells} |")
    return "\n".join(lines) + "\n\n" + "\n\n".join(NOTES) + "\n"
