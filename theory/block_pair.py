"""The edges between two blocks of a unit partition.

IE∩OE and the gradient both fall apart into pairs of blocks (S_i, S_j): what an edge set allows is
a question about one bipartite graph at a time. Biases are edges from the constant unit, a block of
its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from theory.dag import BIAS, WEIGHT, Dag
from theory.partition import AxisPartition

Entry = tuple[str, int]  # parameter and index
CONSTANT = -1
"""The constant unit and its block: where biases come from."""


@dataclass(frozen=True)
class BlockPair:
    """The edges E_ij from block S_i to block S_j; a bipartite graph, each block on its own side.

    Attributes:
        source: i, or :data:`CONSTANT`.
        target: j.
        sources: the units of S_i.
        targets: the units of S_j.
        edges: the edges (u, v), and the entry of w or b that each of them is.

    >>> pair = BlockPair(0, 1, (0, 1), (2, 3), {(0, 2): ("w", 0), (0, 3): ("w", 1)})
    >>> pair.is_biregular, pair.can_carry, pair.num_components
    (False, False, 2)
    """

    source: int
    target: int
    sources: tuple[int, ...]
    targets: tuple[int, ...]
    edges: Mapping[tuple[int, int], Entry]

    @property
    def source_name(self) -> str:
        """``S_i``, or ``bias``."""
        return "bias" if self.source == CONSTANT else f"S_{self.source}"

    @property
    def target_name(self) -> str:
        """``S_j``."""
        return f"S_{self.target}"

    def entries_into(self, target: int) -> tuple[Entry, ...]:
        """The entries of the edges that enter one unit of S_j; the sum that IE compares."""
        return tuple(entry for (_, v), entry in self.edges.items() if v == target)

    def entries_from(self, source: int) -> tuple[Entry, ...]:
        """The entries of the edges that leave one unit of S_i; the sum that OE compares."""
        return tuple(entry for (u, _), entry in self.edges.items() if u == source)

    @property
    def is_complete(self) -> bool:
        """Whether every source feeds every target."""
        return len(self.edges) == len(self.sources) * len(self.targets)

    @cached_property
    def is_biregular(self) -> bool:
        """Whether all targets have equally many edges, and all sources: 1 on E_ij is equitable."""
        into = {len(self.entries_into(v)) for v in self.targets}
        out = {len(self.entries_from(u)) for u in self.sources}
        return len(into) == len(out) == 1

    @cached_property
    def components(self) -> tuple[tuple[int, int], ...]:
        """For each component its numbers of sources and of targets, isolated units included."""
        if self.is_complete:
            return ((len(self.sources), len(self.targets)),)
        label = {("u", u): k for k, u in enumerate(self.sources)}
        label |= {("v", v): len(label) + k for k, v in enumerate(self.targets)}
        for u, v in self.edges:
            kept, lost = label["u", u], label["v", v]
            if kept != lost:
                label = {unit: kept if k == lost else k for unit, k in label.items()}
        sides: dict[int, list[int]] = {}
        for (side, _), k in label.items():
            sides.setdefault(k, [0, 0])[side == "v"] += 1
        return tuple((m, n) for m, n in sides.values())

    @property
    def num_components(self) -> int:
        """Number of components, isolated units included."""
        return len(self.components)

    @cached_property
    def can_carry(self) -> bool:
        """Whether the common sum of an equitable pair can be other than 0.

        With s the sum into every target and t the sum out of every source, each component K has
        ``|K∩S_i| t = |K∩S_j| s``, and over the whole pair ``n_i t = n_j s``. So it can exactly if
        ``|K∩S_i| n_j = |K∩S_j| n_i`` for every K: sums that balance on a connected bipartite graph
        are the sums of some weights.
        """
        n, m = len(self.sources), len(self.targets)
        return bool(self.edges) and all(a * m == b * n for a, b in self.components)

    @property
    def num_mixed(self) -> int:
        """Dimension of the weights with all sums 0: ``|E_ij| - n_i - n_j + components``.

        ``(n_i - 1)(n_j - 1)`` where every source feeds every target.
        """
        return len(self.edges) - len(self.sources) - len(self.targets) + self.num_components

    @property
    def dimension(self) -> int:
        """Dimension of the pair's part of IE∩OE."""
        return self.num_mixed + self.can_carry


def block_pairs(dag: Dag, partition: AxisPartition) -> dict[tuple[int, int], BlockPair]:
    """The pairs of blocks that have edges, by (source, target), biases included.

    Raises:
        PartitionError: if the partition does not suit the network.

    >>> dag = Dag(num_units=4, inputs=(0,), outputs=(3,), edges=((0, 1), (0, 2), (1, 3), (2, 3)),
    ...           activations=(None,) * 4, biased=(3,))
    >>> list(block_pairs(dag, dag.partition([[1, 2]])))
    [(0, 1), (1, 2), (-1, 2)]
    """
    dag.check_partition(partition)
    edges: dict[tuple[int, int], dict[tuple[int, int], Entry]] = {}
    block_of = partition.block_of
    for k, (u, v) in enumerate(dag.edges):
        edges.setdefault((block_of[u], block_of[v]), {})[u, v] = (WEIGHT, k)
    for k, v in enumerate(dag.biased):
        edges.setdefault((CONSTANT, block_of[v]), {})[CONSTANT, v] = (BIAS, k)
    return {
        (i, j): BlockPair(
            i,
            j,
            (CONSTANT,) if i == CONSTANT else partition.blocks[i],
            partition.blocks[j],
            pair_edges,
        )
        for (i, j), pair_edges in edges.items()
    }
