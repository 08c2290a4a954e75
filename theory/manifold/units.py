"""Cloned units of an arbitrary network: IE, OE, IE∩OE, BC and leaves over single edges.

Here a pair of blocks may lack edges; in all sums an absent edge counts 0. The parameters are the
``w`` and ``b`` of :meth:`theory.dag.Dag.architecture`. For architectures of whole tensors the same
sets are in :mod:`theory.manifold.cloned`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from theory.block_pair import BlockPair, Entry, block_pairs
from theory.dag import BIAS, WEIGHT, Dag
from theory.errors import ManifoldError
from theory.exact_arrays import numbers
from theory.manifold.affine import AffineManifold
from theory.manifold.base import Constraint, Parameters, SparseVector
from theory.partition import AxisPartition
from theory.primitives import Shape

ONE, ZERO = Fraction(1), Fraction(0)


def incoming_equitable(dag: Dag, partition: AxisPartition) -> AffineManifold:
    """IE: Σ_{u∈S_i} w_uv is the same for all v in S_j.

    Raises:
        PartitionError: if the partition does not suit the network.

    >>> edges = ((0, 1), (0, 2), (1, 3), (2, 3))
    >>> dag = Dag(num_units=4, inputs=(0,), outputs=(3,), edges=edges, activations=(None,) * 4)
    >>> clones = dag.partition([[1, 2]])
    >>> [c.label for c in incoming_equitable(dag, clones).constraints()]
    ['S_0 into 2 and 1']
    """
    rows = (row for pair in block_pairs(dag, partition).values() for row in _incoming(pair))
    return AffineManifold("IE", _shapes(dag), tuple(rows))


def outgoing_equitable(dag: Dag, partition: AxisPartition) -> AffineManifold:
    """OE: Σ_{v∈S_j} w_uv is the same for all u in S_i.

    Raises:
        PartitionError: if the partition does not suit the network.
    """
    rows = (row for pair in block_pairs(dag, partition).values() for row in _outgoing(pair))
    return AffineManifold("OE", _shapes(dag), tuple(rows))


def equitable(dag: Dag, partition: AxisPartition) -> AffineManifold:
    """IE∩OE, on which clones agree forward and backward (P3, P4).

    Raises:
        PartitionError: if the partition does not suit the network.

    >>> edges = ((0, 1), (0, 2), (1, 3), (1, 4), (2, 4), (3, 5), (4, 5))
    >>> dag = Dag(num_units=6, inputs=(0,), outputs=(5,), edges=edges, activations=(None,) * 6)
    >>> equitable(dag, dag.partition([[1, 2], [3, 4]])).dimension
    3
    """
    rows: list[Constraint] = []
    for pair in block_pairs(dag, partition).values():
        rows += _incoming(pair)
        rows += _outgoing(pair)
    return AffineManifold("IE∩OE", _shapes(dag), tuple(rows))


def block_constant(dag: Dag, partition: AxisPartition) -> AffineManifold:
    """BC: the existing edges of each pair have one weight; the linear space of every leaf.

    Raises:
        PartitionError: if the partition does not suit the network.
    """
    return _constant("BC", dag, partition, {})


def leaf(dag: Dag, partition: AxisPartition, point: Parameters) -> AffineManifold:
    """The leaf ``point + BC``, for a point of IE∩OE with rational entries.

    Raises:
        PartitionError: if the partition does not suit the network.
        ManifoldError: if a parameter of the point is missing or has another shape.
    """
    shapes = _shapes(dag)
    for p, shape in shapes.items():
        if p not in point or numbers(point[p]).shape != shape:
            raise ManifoldError(f"point[{p!r}]: an array of shape {shape} is expected")
    values = {(p, k): Fraction(v) for p in shapes for k, v in enumerate(numbers(point[p]))}
    return _constant("leaf", dag, partition, values)


def row_equitable_as_printed(dag: Dag, partition: AxisPartition) -> AffineManifold:
    """What the paper prints as the condition for forward cloning, read as printed (E5a).

    With ``W[u, v]`` the weight of the edge u → v, "row-wise equitable" is: every row of the block
    ``W[S_i, S_j]`` has the same sum. A row belongs to a source, so this is a condition on outgoing
    weights, and clones do not agree forward on it.

    Raises:
        PartitionError: if the partition does not suit the network.
    """
    dag.check_partition(partition)
    column = {edge: k for k, edge in enumerate(dag.edges)}
    rows = []
    for i, sources in enumerate(partition.blocks):
        for j, targets in enumerate(partition.blocks):
            first, *others = (
                {(WEIGHT, column[u, v]): ONE for v in targets if (u, v) in column} for u in sources
            )
            for u, row in zip(sources[1:], others, strict=True):
                if terms := row | dict.fromkeys(first, -ONE):
                    label = f"rows {u} and {sources[0]} of W[S_{i}, S_{j}]"
                    rows.append(Constraint(terms, ZERO, label))
    return AffineManifold("row-wise equitable, as printed", _shapes(dag), tuple(rows))


def _shapes(dag: Dag) -> dict[str, Shape]:
    counts = {WEIGHT: len(dag.edges), BIAS: len(dag.biased)}
    return {p: (n,) for p, n in counts.items() if n}


def _incoming(pair: BlockPair) -> Iterator[Constraint]:
    sums = [pair.entries_into(v) for v in pair.targets]
    return _equal_sums(sums, pair.targets, f"{pair.source_name} into")


def _outgoing(pair: BlockPair) -> Iterator[Constraint]:
    sums = [pair.entries_from(u) for u in pair.sources]
    return _equal_sums(sums, pair.sources, f"{pair.target_name} from")


def _equal_sums(
    sums: Sequence[tuple[Entry, ...]], units: tuple[int, ...], label: str
) -> Iterator[Constraint]:
    """The sum over each set of entries is that over the first."""
    first: SparseVector = dict.fromkeys(sums[0], -ONE)
    for unit, entries in zip(units[1:], sums[1:], strict=True):
        if terms := dict.fromkeys(entries, ONE) | first:
            yield Constraint(terms, ZERO, f"{label} {unit} and {units[0]}")


def _constant(
    label: str, dag: Dag, partition: AxisPartition, values: Mapping[Entry, Fraction]
) -> AffineManifold:
    """Entries of each pair differ as the given values do, which are 0 where missing."""
    rows = []
    for pair in block_pairs(dag, partition).values():
        first, *others = pair.edges.values()
        offset = values.get(first, ZERO)
        for entry in others:
            value = values.get(entry, ZERO) - offset
            rows.append(Constraint({entry: ONE, first: -ONE}, value, f"{entry} and {first}"))
    return AffineManifold(label, _shapes(dag), tuple(rows))
