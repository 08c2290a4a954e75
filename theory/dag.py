"""Networks of single units: any directed acyclic graph, with any activation at any unit.

Edge e = (u, v) carries the weight w_e, a biased unit v the bias b_v, an edge from the constant
unit 1. With ``z_v = b_v + Σ_{e=(u,v)} w_e h_u`` a unit computes ``h_v = φ_v(z_v)``, an input
``h_v = x_v``. Edges point from smaller to larger unit index: acyclicity is a property of the
representation.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from theory.activation import Activation
from theory.architecture import Architecture
from theory.errors import GraphError, PartitionError
from theory.partition import AxisPartition, make_partition

WEIGHT, BIAS = "w", "b"
"""The parameters of a Dag's architecture: one entry an edge, one entry a biased unit."""


@dataclass(frozen=True, kw_only=True)
class Dag:
    """A network of ``num_units`` units joined by weighted edges.

    Args:
        num_units: number of units, inputs and outputs included.
        inputs: the units that carry data, in the order of the data's entries.
        outputs: the units whose values are returned, in that order.
        edges: pairs (u, v); the position in this tuple is the index into w.
        activations: of every unit; ``None`` for the identity, and for inputs.
        biased: the units with a bias; the position in increasing order is the index into b.

    Raises:
        GraphError: if a unit does not exist, an edge does not go from a smaller to a larger index
            or is repeated, an input computes something, or nothing trains an output.

    >>> phi = Activation("phi")
    >>> edges = ((0, 1), (0, 2), (1, 3), (2, 3))
    >>> activations = (None, phi, phi, None)
    >>> Dag(num_units=4, inputs=(0,), outputs=(3,), edges=edges, activations=activations).num_edges
    4
    >>> Dag(num_units=2, inputs=(0,), outputs=(1,), edges=((1, 0),), activations=(None, None))
    Traceback (most recent call last):
    theory.errors.GraphError: edges[0]=(1, 0): an edge (u, v) needs 0 <= u < v < num_units=2
    """

    num_units: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    edges: tuple[tuple[int, int], ...]
    activations: tuple[Activation | None, ...]
    biased: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for entry in ("inputs", "outputs", "biased"):
            self._check_units(entry, getattr(self, entry))
        if len(self.activations) != self.num_units:
            raise GraphError(
                f"activations has length {len(self.activations)}, expected one for each of "
                f"num_units={self.num_units}"
            )
        seen: dict[tuple[int, int], int] = {}
        for k, (u, v) in enumerate(self.edges):
            if not 0 <= u < v < self.num_units:
                raise GraphError(
                    f"edges[{k}]={u, v}: an edge (u, v) needs 0 <= u < v < "
                    f"num_units={self.num_units}"
                )
            if (first := seen.setdefault((u, v), k)) != k:
                raise GraphError(f"edges[{k}]={u, v} repeats edges[{first}]")
        if tuple(sorted(self.biased)) != self.biased:
            raise GraphError(f"biased={self.biased}: biased units stand in increasing order")
        for u in self.inputs:
            if self.incoming[u] or u in self.biased or self.activations[u] is not None:
                raise GraphError(f"unit {u} is an input: it has no edge in, bias or activation")
        for u in self.outputs:
            if u in self.inputs:
                raise GraphError(f"unit {u} is an input and an output: an output is computed")
            if not self.incoming[u] and u not in self.biased:
                raise GraphError(f"unit {u} is an output without an edge in or a bias: a constant")
        if not self.outputs or not self.inputs:
            raise GraphError("inputs or outputs is (): a network has at least one of each")

    def _check_units(self, entry: str, units: Sequence[int]) -> None:
        for k, u in enumerate(units):
            if not 0 <= u < self.num_units:
                raise GraphError(f"{entry}[{k}]={u}: a unit is in 0..{self.num_units - 1}")
            if (first := units.index(u)) != k:
                raise GraphError(f"{entry}[{k}]={u} repeats {entry}[{first}]")

    @property
    def num_edges(self) -> int:
        """Number of edges, biases not counted."""
        return len(self.edges)

    @cached_property
    def incoming(self) -> tuple[tuple[int, ...], ...]:
        """For every unit the indices of the edges that enter it."""
        found: list[list[int]] = [[] for _ in range(self.num_units)]
        for k, (_, v) in enumerate(self.edges):
            found[v].append(k)
        return tuple(tuple(edges) for edges in found)

    @cached_property
    def levels(self) -> tuple[tuple[int, ...], ...]:
        """Computed units by the length of the longest path that ends in them, shortest first.

        Units of one level are sorted by activation, so that each activation is applied once.
        """
        depth = [0] * self.num_units
        for v in range(self.num_units):
            depth[v] = max((depth[self.edges[k][0]] + 1 for k in self.incoming[v]), default=0)
        computed: dict[int, list[int]] = {}
        for v in range(self.num_units):
            if v not in self.inputs:
                computed.setdefault(depth[v], []).append(v)
        return tuple(
            tuple(sorted(computed[d], key=lambda v: (repr(self.activations[v]), v)))
            for d in sorted(computed)
        )

    def partition(self, blocks: Iterable[Sequence[int]]) -> AxisPartition:
        """A partition of the units into clones; units left out are singletons.

        Raises:
            PartitionError: if blocks overlap or leave the units, an input or output is no
                singleton, or the units of a block differ in activation or bias.
        """
        partition = make_partition({"unit": self.num_units}, {"unit": blocks})["unit"]
        self.check_partition(partition)
        return partition

    def check_partition(self, partition: AxisPartition) -> None:
        """Do the units of each block have the same role, activation and bias?

        Raises:
            PartitionError: if not, or the partition is not one of the units, or it has mirrored
                or zero units.
        """
        if partition.size != self.num_units:
            raise PartitionError(
                f"a partition of {partition.size} units: the network has {self.num_units}"
            )
        if partition.is_signed or partition.zero:
            raise PartitionError(
                "mirrored and zero units are described for architectures of whole tensors, not "
                "for networks of single units"
            )
        singles = {*self.inputs, *self.outputs}
        for k, block in enumerate(partition.blocks):
            if len(block) == 1:
                continue
            for u in block:
                if u in singles:
                    raise PartitionError(
                        f"blocks[{k}]={block}: unit {u} is an input or output, a singleton"
                    )
                if self.activations[u] != self.activations[block[0]]:
                    raise PartitionError(
                        f"blocks[{k}]={block}: units {block[0]} and {u} have activations "
                        f"{self.activations[block[0]]!r} and {self.activations[u]!r}; clones "
                        "share theirs"
                    )
                if (u in self.biased) != (block[0] in self.biased):
                    raise PartitionError(
                        f"blocks[{k}]={block}: one of units {block[0]} and {u} has a bias; all "
                        "clones of a block have one, or none has"
                    )

    def architecture(self) -> Architecture:
        """The network as an architecture with parameters ``w (edge,)`` and ``b (biased,)``.

        A parameter without entries is left out. Values are computed level by level.

        >>> phi = Activation("phi")
        >>> net = Dag(num_units=3, inputs=(0,), outputs=(2,), edges=((0, 1), (1, 2)),
        ...           activations=(None, phi, None), biased=(1,))
        >>> net.architecture().parameter_shapes
        {'w': (2,), 'b': (1,)}
        """
        sizes = {"x": len(self.inputs)}
        parameters: dict[str, tuple[str, ...]] = {}
        for name, axis, count in (
            (WEIGHT, "edge", len(self.edges)),
            (BIAS, "biased", len(self.biased)),
        ):
            if count:
                sizes[axis] = count
                parameters[name] = (axis,)
        return Architecture(
            self._forward,
            sizes=sizes,
            parameters=parameters,
            name=f"dag:{self.num_units} units, {self.num_edges} edges",
        )

    def _forward(self, p: dict[str, Any], x: Any) -> Any:
        """``x (batch, inputs)`` to ``(batch, outputs)``."""
        weights = np.concatenate([p[name] for name in (WEIGHT, BIAS) if name in p])
        one = np.ones_like(x[:, :1])
        values = np.concatenate([one, x], axis=1)  # column 0 is the constant unit
        column = {u: 1 + k for k, u in enumerate(self.inputs)}
        for level in self.levels:
            z = self._preactivations(weights, values, level, column)
            values = np.concatenate([values, *self._activate(z, level)], axis=1)
            for u in level:
                column[u] = len(column) + 1
        return values[:, [column[u] for u in self.outputs]]

    def _preactivations(
        self, weights: Any, values: Any, level: tuple[int, ...], column: dict[int, int]
    ) -> Any:
        """``z (batch, level)``: the products over all edges into the level, summed by target."""
        sources: list[int] = []
        entries: list[int] = []
        targets: list[int] = []
        for place, v in enumerate(level):
            for k in self.incoming[v]:
                sources.append(column[self.edges[k][0]])
                entries.append(k)
                targets.append(place)
            if v in self.biased:
                sources.append(0)
                entries.append(len(self.edges) + self.biased.index(v))
                targets.append(place)
        if not entries:
            return np.zeros_like(values[:, [0] * len(level)])
        products = values[:, sources] * weights[entries]
        if targets == list(range(len(level))):
            return products
        summed = [[int(t == place) for place in range(len(level))] for t in targets]
        return products @ np.array(summed)

    def _activate(self, z: Any, level: tuple[int, ...]) -> list[Any]:
        """The values of a level, one array for each activation."""
        parts: list[Any] = []
        start = 0
        for k in range(1, len(level) + 1):
            symbol = self.activations[level[start]]
            if k == len(level) or self.activations[level[k]] != symbol:
                part = z if (start, k) == (0, len(level)) else z[:, start:k]
                parts.append(part if symbol is None else symbol(part))
                start = k
        return parts
