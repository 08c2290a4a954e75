"""Networks whose edges share parameters: tying, convolution, recurrence.

A map A expands the shared parameters θ to the edges, ``w = A θ``: entry e is the parameter of its
family. The gradient with respect to θ is ``Aᵀ g``, so a step moves the edges by ``A Aᵀ g``, and on
IE∩OE ``g = Σ g_kl 1_{E_kl}`` over pairs of blocks. Hence (claim E5e)

    IE∩OE is kept if  A Aᵀ 1_{E_kl} ∈ IE∩OE  for every pair (k, l) with h_k δ_l ≢ 0,

where entry e of ``A Aᵀ 1_{E_kl}`` is the number of uses of e's parameter in the pair. For leaves,
and for optimizers that act on single entries, those numbers must be constant on each pair.

Conversely a failing pair breaks IE∩OE if the products h_k δ_l are linearly independent functions.
They need not be: blocks that ties make equal have equal products, whose sum may be kept though no
summand is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from theory.architecture import Architecture
from theory.block_pair import BlockPair, Entry, block_pairs
from theory.dag import BIAS, WEIGHT, Dag
from theory.equitable import vanishing_blocks
from theory.errors import GraphError
from theory.manifold import units
from theory.manifold.affine import AffineManifold
from theory.manifold.base import Constraint, SparseVector
from theory.partition import AxisPartition

SHARED = "theta"
"""The parameter of a tied architecture, one entry a family."""


@dataclass(frozen=True)
class Tying:
    """The map A from shared parameters to the edges of a network.

    Args:
        dag: the network.
        families: the parameter of every edge, then of every bias; numbered from 0 without gaps.

    Raises:
        GraphError: if the families do not fit the edges and biases.

    >>> edges = ((0, 1), (0, 2), (1, 3), (2, 3))
    >>> dag = Dag(num_units=4, inputs=(0,), outputs=(3,), edges=edges, activations=(None,) * 4)
    >>> Tying(dag, (0, 0, 1, 2)).num_families
    3
    """

    dag: Dag
    families: tuple[int, ...]

    def __post_init__(self) -> None:
        count = len(self.dag.edges) + len(self.dag.biased)
        if len(self.families) != count:
            raise GraphError(
                f"families has length {len(self.families)}, expected one for each of "
                f"{len(self.dag.edges)} edges and {len(self.dag.biased)} biases"
            )
        if min(self.families) < 0:
            raise GraphError(f"families: {min(self.families)} is not a number of a family")
        if missing := set(range(max(self.families) + 1)) - set(self.families):
            raise GraphError(f"families: {min(missing)} is missing; they are numbered 0, 1, ...")

    @property
    def num_families(self) -> int:
        """Number of shared parameters."""
        return max(self.families) + 1

    @cached_property
    def family_of(self) -> Mapping[Entry, int]:
        """The family of each entry of w and b."""
        entries = [(WEIGHT, k) for k in range(len(self.dag.edges))]
        entries += [(BIAS, k) for k in range(len(self.dag.biased))]
        return dict(zip(entries, self.families, strict=True))

    def architecture(self) -> Architecture:
        """The network as a function of the shared parameters ``theta (family,)``."""
        inner = self.dag.architecture()
        edges = list(self.families[: len(self.dag.edges)])
        biases = list(self.families[len(self.dag.edges) :])

        def forward(p: dict[str, Any], x: Any) -> Any:
            expanded = {WEIGHT: p[SHARED][edges], BIAS: p[SHARED][biases]}
            return inner.forward({q: expanded[q] for q in inner.parameters}, x)

        return Architecture(
            forward,
            sizes={"x": len(self.dag.inputs), "family": self.num_families},
            parameters={SHARED: ("family",)},
            name=f"tied {inner.name}",
        )

    def pull_back(self, manifold: AffineManifold) -> AffineManifold:
        """{θ : A θ lies on a manifold of w and b}.

        Raises:
            ManifoldError: if no θ does.
        """
        rows = []
        for row in manifold.rows:
            terms: SparseVector = {}
            for entry, c in row.terms.items():
                key = (SHARED, self.family_of[entry])
                terms[key] = terms.get(key, Fraction(0)) + c
            rows.append(Constraint({e: c for e, c in terms.items() if c}, row.value, row.label))
        return AffineManifold(manifold.label, {SHARED: (self.num_families,)}, tuple(rows))


@dataclass(frozen=True, slots=True)
class Violation:
    """A pair whose gradient, spread by the ties, has unequal sums in another pair.

    Attributes:
        moved: the pair (k, l) whose gradient it is.
        broken: the pair (i, j) in which the moved weights differ.
        places: two units of the broken pair, or two of its edges where a leaf is concerned.
        uses: how often the parameters of their edges are used in (k, l).
    """

    moved: BlockPair
    broken: BlockPair
    places: tuple[str, str]
    uses: tuple[int, int]

    def __str__(self) -> str:
        (here, there), (m, n) = self.places, self.uses
        return (
            f"the gradient of {self.moved.source_name} -> {self.moved.target_name} enters "
            f"{self.broken.source_name} -> {self.broken.target_name} {m} times at {here} and "
            f"{n} times at {there}"
        )


@dataclass(frozen=True, slots=True)
class TyingVerdict:
    """Which pairs of blocks keep the tied network in IE∩OE, and on its leaves.

    Attributes:
        unequal: pairs whose gradient has unequal sums elsewhere; empty: IE∩OE is invariant.
        uneven: pairs whose gradient is not constant on another pair; empty: leaves are invariant,
            and IE∩OE is too under optimizers that act on single entries.
    """

    unequal: tuple[Violation, ...]
    uneven: tuple[Violation, ...]

    @property
    def keeps_equitable(self) -> bool:
        """Whether IE∩OE is certain to be invariant."""
        return not self.unequal

    @property
    def keeps_leaves(self) -> bool:
        """Whether every leaf is certain to be invariant."""
        return not self.unequal and not self.uneven

    def __str__(self) -> str:
        if self.unequal:
            broken = "; ".join(str(violation) for violation in self.unequal)
            return f"IE∩OE is not kept by each pair alone: {broken}"
        if self.uneven:
            broken = "; ".join(str(violation) for violation in self.uneven)
            return f"IE∩OE is invariant, its leaves are not kept by each pair alone: {broken}"
        return "IE∩OE and its leaves are invariant"


def keeps_equitable_tied(tying: Tying, partition: AxisPartition) -> TyingVerdict:
    """Decide whether a network with shared parameters stays in IE∩OE and on its leaves.

    Raises:
        PartitionError: if the partition does not suit the network.

    Tying inside one pair is not enough: a 2 × 2 pair in which two weights are one,

    >>> edges = ((0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (2, 4), (3, 5), (4, 5))
    >>> dag = Dag(num_units=6, inputs=(0,), outputs=(5,), edges=edges, activations=(None,) * 6)
    >>> clones = dag.partition([[1, 2], [3, 4]])
    >>> keeps_equitable_tied(Tying(dag, (0, 1, 2, 2, 3, 4, 5, 6)), clones).keeps_equitable
    False
    >>> keeps_equitable_tied(Tying(dag, (0, 1, 2, 3, 3, 2, 4, 5)), clones).keeps_leaves
    True
    """
    dag = tying.dag
    pairs = block_pairs(dag, partition)
    carrying = _carrying(tying, partition, pairs)
    zero_values, zero_errors = vanishing_blocks(dag, partition, carrying)
    unequal: list[Violation] = []
    uneven: list[Violation] = []
    for (source, target), moved in pairs.items():
        if source in zero_values or target in zero_errors:
            continue
        uses = [0] * tying.num_families
        for entry in moved.edges.values():
            uses[tying.family_of[entry]] += 1
        for pair in pairs.values():
            count = {entry: uses[tying.family_of[entry]] for entry in pair.edges.values()}
            unequal += _unequal_sums(moved, pair, count)
            uneven += _uneven_entries(moved, pair, count)
    return TyingVerdict(tuple(unequal), tuple(uneven))


def _carrying(
    tying: Tying, partition: AxisPartition, pairs: Mapping[tuple[int, int], BlockPair]
) -> list[tuple[int, int]]:
    """The pairs whose common sum is not 0 on all of the tied IE∩OE."""
    tied = tying.pull_back(units.equitable(tying.dag, partition))
    directions = list(tied.tangent_basis())
    carrying = []
    for key, pair in pairs.items():
        into = [(SHARED, tying.family_of[e]) for e in pair.entries_into(pair.targets[0])]
        if any(sum(d.get(e, Fraction(0)) for e in into) for d in directions):
            carrying.append(key)
    return carrying


def _unequal_sums(moved: BlockPair, pair: BlockPair, count: Mapping[Entry, int]) -> list[Violation]:
    """The first two targets, or else sources, of a pair that get different sums, if any."""
    for side, entries in ((pair.targets, pair.entries_into), (pair.sources, pair.entries_from)):
        sums = [sum(count[e] for e in entries(unit)) for unit in side]
        for unit, total in zip(side, sums, strict=True):
            if total != sums[0]:
                places = (f"unit {side[0]}", f"unit {unit}")
                return [Violation(moved, pair, places, (sums[0], total))]
    return []


def _uneven_entries(
    moved: BlockPair, pair: BlockPair, count: Mapping[Entry, int]
) -> list[Violation]:
    """The first two edges of a pair that get different numbers, if any."""
    (first_edge, first), *others = pair.edges.items()
    for edge, entry in others:
        if count[entry] != count[first]:
            places = (f"edge {first_edge}", f"edge {edge}")
            return [Violation(moved, pair, places, (count[first], count[entry]))]
    return []
