"""One table: which optimizer keeps which set of parameters, and how that is known (E7).

The table is data; each cell is a claim of :mod:`proofs_check.claims.e7_optimizers`, so the printed
table says what a run of ``lop verify`` confirms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from numerics.steps.counterexample import find_counterexample
from numerics.steps.invariance import KINDS, Kind, Start, prove_kept
from proofs_check.evidence import Evidence, Level, refuted, unknown
from proofs_check.findings import from_identity
from theory import optimizer as rules
from theory.activation import activation
from theory.architecture import Architecture
from theory.optimizer import Optimizer
from theory.partition import AxisPartition, make_partition
from theory.zoo import mlp
from theory.zoo.masked import masked_mlp

BITS = 60
PHI, ODD = activation("phi"), activation("phi", parity="odd")
SIZE = 4  # of the widest axis of the networks of the proofs

Mark = Literal["k", "x", "e", "-"]
MARKS: Mapping[str, str] = MappingProxyType(
    {"k": f"kept, ≤ 2^-{BITS}", "x": "**left**, exact", "e": "**left**, enclosed", "-": "–"}
)
SETS: Mapping[Kind, str] = MappingProxyType(
    {"leaf": "every leaf", "equitable": "IE∩OE", "constant": "BC", "frozen": "M_F", "zero": "M_0"}
)
CELLS: Mapping[Kind, str] = MappingProxyType(
    {"leaf": "leaf", "equitable": "IEOE", "constant": "BC", "frozen": "frozen", "zero": "zero"}
)


@dataclass(frozen=True)
class Row:
    """An optimizer, a start of its state, and what becomes of each set.

    Attributes:
        id: of its claims, without ``E7.`` and the cell.
        title: as in the table.
        optimizer: the rule in numbers.
        marks: for leaf, IE∩OE, BC, M_F and M_0: ``k`` kept; ``x`` left, by rational
            numbers; ``e`` left, by an enclosure; ``-`` not a question.
        start: of the state.
        exact: the rule of the proofs, where that is a more general one.
        is_run: whether the rule has numbers to train with.
        is_masked: whether hidden units are dropped.
    """

    id: str
    title: str
    optimizer: Optimizer
    marks: str
    start: Start = "tied"
    exact: Optimizer | None = None
    is_run: bool = True
    is_masked: bool = False

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
    _row("sgd", "kkkkk"),
    _row("heavy_ball", "kkkkk"),
    _row("nesterov", "kkkkk"),
    _row("sign_sgd", "kkkkk"),
    _row("lion", "kkkkk"),
    _row("rmsprop", "kkkkk"),
    _row("adagrad", "kkkkk"),
    _row("adam", "kkkkk"),
    _row("adafactor", "kkkkk"),
    _row("clipped_sgd", "kkkkk"),
    _row("value_clipped_sgd", "kkkkk"),
    _row("centralised_sgd", "kkkkx"),
    _row("lars", "kkkkk"),
    _row("sam", "kkkkk"),
    _row("l2_init", "kkkkk"),
    Row("muon", "Muon", rules.muon(), "kkkkk", exact=rules.any_muon(SIZE)),
    Row("shampoo", "Shampoo", rules.shampoo(), "kkkkk", exact=rules.any_shampoo(SIZE)),
    _row("sgd_l2", "xkkxk"),
    _row("heavy_ball_l2", "xkkxk"),
    _row("adamw", "ekkek"),
    _row("lion_decay", "xkkxk"),
    _row("lars_decay", "ekkek"),
    _row("lamb", "ekkek"),
    _row("adam_l2", "eekek"),
    _row("sgd_l1", "xxkxk"),
    _row("asam", "eekkk"),
    Row("agc", rules.unit_clipped_sgd().name, rules.unit_clipped_sgd(), "eekkk"),
    _row("noisy_sgd", "xxxxx"),
    Row("dropout", "SGD with dropout", rules.sgd(), "xxxkk", is_masked=True),
    Row("continual-backprop", "Continual Backprop", rules.replacing_sgd(), "xxxxx", is_run=False),
    Row("span", rules.arbitrary_span().name, rules.arbitrary_span(), "kkkkk", is_run=False),
    Row("increment", "θ + U(s, g)", rules.arbitrary_increment(), "kkkxx", is_run=False),
    Row("silent", "θ + U(s, g), U(0, 0) = 0", rules.silent_increment(), "kkkkk", is_run=False),
    Row("decay", "(1 - λ)θ + U(s, g)", rules.arbitrary_decay(), "xkkxx", is_run=False),
    Row("update", "U(θ, s, g)", rules.arbitrary_update(), "xxkxx", is_run=False),
    _started("heavy_ball", "xkx--", "equitable", "heavy ball, momentum from IE∩OE"),
    _started("adam", "eke--", "equitable", "Adam, first moment from IE∩OE"),
    _started("lion", "xxx--", "equitable", "Lion, momentum from IE∩OE"),
    Row(
        *("muon.equitable", "Muon, momentum from IE∩OE", rules.muon(), "eke--", "equitable"),
        exact=rules.any_muon(SIZE),
    ),
    _started("l2_init", "xkx--", "equitable", "L2-init, initial point on another leaf"),
    _started("heavy_ball", "xxxxx", "free", "heavy ball, untied or left-over momentum"),
    _started("adam", "eeeee", "free", "Adam, untied or left-over state"),
    Row(
        *("shampoo.free", "Shampoo, untied or left-over state", rules.shampoo(), "eeeee", "free"),
        exact=rules.any_shampoo(SIZE),
    ),
)

NOTES: tuple[str, ...] = (
    "Kept: proved for the networks mlp:2-3-4-2 with blocks of two and of three, and mlp:2-3-2 with "
    "a frozen unit for M_F, with a zero unit and odd φ for M_0, for all weights, states, data, "
    "adjoints, hyperparameters, schedules and functions φ. Left: the first step from small "
    "numbers, on a network of at most 11 weights.",
    "M_F under SAM and ASAM: the unit is frozen at their perturbed weights too.",
    "Muon and Shampoo stand for every function of the matrices whose roots they take. Muon's cells "
    "are those of exact arithmetic: rounding in vanishing singular directions grows, and after "
    "1,000 steps float64 has left all sets of clones.",
    "Any span of gradients: line search, conjugate gradients, L-BFGS and averages of weights are "
    "of this form; their coefficients may be functions of anything.",
    "Dropout: masks are arbitrary numbers, drawn for each unit and sample; a frozen unit is one "
    "that is frozen on masked inputs too.",
    "Continual Backprop: the step that replaces a unit, of least utility and here the first of the "
    "first layer. A dead or zero unit has utility 0 and is replaced first; all other steps are "
    "those of its optimizer.",
)


def networks(row: Row, kind: Kind) -> tuple[Architecture, Architecture, dict[str, AxisPartition]]:
    """What is trained, the same without masks, and the blocks or the zero unit.

    Blocks of two and three: entrywise functions keep IE∩OE between blocks of two.

    >>> networks(ROWS[0], "leaf")[0].num_parameters
    35
    """
    widths = (2, 3, 2) if kind in ("frozen", "zero") else (2, 3, 4, 2)
    phi = ODD if kind == "zero" else PHI
    plain = mlp(widths, phi)
    if kind == "frozen":
        plain = plain.freeze("h1", 0, 1)
    trained = masked_mlp(widths, phi, frozen=plain.frozen) if row.is_masked else plain
    if kind == "zero":
        return trained, plain, make_partition(plain.sizes, {}, zero={"h1": [0]})
    blocks = {} if kind == "frozen" else {"h1": [[0, 2]], "h2": [[0, 1, 3]]}
    return trained, plain, make_partition(plain.sizes, blocks)


def kept_cell(row: Row, kind: Kind, seed: int, bits: float = BITS) -> Evidence:
    """Evidence that a step keeps a set, over prime fields."""
    trained, plain, partition = networks(row, kind)
    rule = row.exact or row.optimizer
    kept = prove_kept(
        trained, rule, partition, kind, start=row.start, plain=plain, bits=bits, seed=seed
    )
    return from_identity(kept.found, trained.name, f"{row.title} keeps {SETS[kind]}")


def left_cell(row: Row, kind: Kind, seed: int) -> Evidence:
    """Evidence that a step leaves a set: the fields and numbers say so, else unknown."""
    found = kept_cell(row, kind, seed)
    if found.holds:
        return found
    numbers = find_counterexample(row.optimizer, kind, row.start, is_masked=row.is_masked)
    title = f"{row.title}, {SETS[kind]}"
    if numbers is None:
        return unknown(title, "the fields refute it, no small numbers were found")
    if row.mark(kind) in "xe" and row.mark(kind) != ("x" if numbers.is_exact else "e"):
        return unknown(title, f"the table marks it {row.mark(kind)!r}, the numbers are otherwise")
    if numbers.replay() != numbers.value:
        return unknown(title, f"the counterexample does not replay: {numbers}")
    level = Level.PROVED if numbers.is_exact else Level.ENCLOSED
    return refuted(title, str(numbers), counterexample=numbers.to_json(), level=level)


def markdown() -> str:
    """The table as Markdown.

    >>> print(markdown().splitlines()[2])
    | SGD | kept, ≤ 2^-60 | kept, ≤ 2^-60 | kept, ≤ 2^-60 | kept, ≤ 2^-60 | kept, ≤ 2^-60 |
    """
    lines = [
        f"| optimizer | {' | '.join(SETS[kind] for kind in KINDS)} |",
        f"|---{'|---' * len(KINDS)}|",
    ]
    for row in ROWS:
        cells = " | ".join(MARKS[mark] for mark in row.marks)
        lines.append(f"| {row.title} | {cells} |")
    return "\n".join(lines) + "\n\n" + "\n\n".join(NOTES) + "\n"
