r"""The quotient of a cloned network, and the block rates with which it trains (N11).

With :math:`\tilde w_{ij} = \sum_{u \in S_i} w_{uv}`, the same for all v in S_j, the cloned network
computes the base network that has one unit for each block. On IE∩OE the gradient is constant on the
edges E_ij of a pair, :math:`\partial\ell/\partial w_{uv} = \tilde g_{ij} / n_j`, so a step
:math:`w \leftarrow w - \eta g` changes the sum by :math:`\eta \tilde g_{ij} / n_j` times the number
:math:`|E_{ij}| / n_j` of its terms. The base network trains with the rates

    r_ij = |E_ij| / n_j² ,    which is n_i / n_j for complete pairs and 1 / n_j for biases.

Equal rates for clone and base do not give equal losses. Parameters that are rescaled by c when the
network is widened (queries of wider heads) have c n_j in place of n_j.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from theory.architecture import Architecture
from theory.block_pair import CONSTANT, BlockPair, block_pairs
from theory.dag import BIAS, WEIGHT, Dag
from theory.errors import ManifoldError
from theory.exact_arrays import Array, like, numbers
from theory.html_table import html_table
from theory.manifold import block_constant, equitable, units
from theory.manifold.base import Manifold, Parameters, leading_shape
from theory.partition import AxisPartition, Partition
from theory.widening import Scales, target_counts

BlockSums = Callable[[Any], Any]  # entries (*lead, *wide) to sums over blocks (*lead, *base)


@dataclass(frozen=True, eq=False, repr=False)
class Quotient:
    """A cloned network, its base network, and the map from one's parameters to the other's.

    Attributes:
        wide: the cloned network.
        base: one unit for each block.
        equitable: IE∩OE of the cloned network.
        constant: BC of the cloned network.
        owners: for each entry of a wide parameter the flat index of its base entry.
        counts: |E_ij| for each entry of a base parameter.
        targets: n_j for each entry of a base parameter, times c where widening rescales it.
        sums: Σ over E_ij, by parameter.
    """

    wide: Architecture
    base: Architecture
    equitable: Manifold
    constant: Manifold
    owners: Mapping[str, Array]
    counts: Mapping[str, Array]
    targets: Mapping[str, Array]
    sums: Mapping[str, BlockSums]

    def __call__(self, theta: Parameters) -> dict[str, Any]:
        """The base parameters, w̃_ij = Σ_{E_ij} w_uv / n_j; leading axes are kept.

        On IE this is the sum over the sources of any one target.

        Raises:
            ManifoldError: if a parameter is missing or does not fit.
        """
        leading_shape(theta, self.wide.parameter_shapes, self.wide.name)
        return {p: self._sum(p, theta[p], self.targets[p]) for p in self.owners}

    def signals(self, values: Parameters, degree: int = 1) -> dict[str, Any]:
        """What block-constant functions of gradients, of the given degree, are in the base.

        n_jᵏ times the mean over E_ij: gradients and momentum have degree 1, mean squares of
        gradients degree 2.

        Raises:
            ManifoldError: if a parameter is missing or does not fit.
        """
        leading_shape(values, self.wide.parameter_shapes, self.wide.name)
        return {
            p: self._sum(p, values[p], self.counts[p] / self.targets[p] ** degree)
            for p in self.owners
        }

    def _sum(self, p: str, values: Any, divisors: Array) -> Any:
        summed = self.sums[p](numbers(values) if isinstance(values, np.ndarray) else values)
        return summed / like(divisors, summed)

    @property
    def sources(self) -> dict[str, Array]:
        """|E_ij| / n_j for each base entry: n_i where every source feeds every target."""
        return {p: self.counts[p] / self.targets[p] for p in self.owners}

    @property
    def rates(self) -> dict[str, Array]:
        """|E_ij| / n_j² for each base entry, exact: the factors of its learning rate."""
        return {p: self.counts[p] / self.targets[p] ** 2 for p in self.owners}

    def spread(self, p: str, values: Array) -> Array:
        """Numbers for the entries of a base parameter, given to all entries of their blocks."""
        spread: Array = np.ravel(values)[self.owners[p]]
        return spread

    def __repr__(self) -> str:
        return f"Quotient of {self.wide.name!r}: {self.base!r}"

    def _repr_html_(self) -> str:
        columns = {"|E|/n_j": self.sources, "n_j": self.targets, "rate": self.rates}
        rows = [
            (p, *(", ".join(_distinct(column[p])) for column in columns.values()))
            for p in self.owners
        ]
        caption = f"{self.wide.name} over {self.base.name}: block rates |E_ij| / n_j²"
        return html_table(caption, ("parameter", *columns), rows, len(rows))


def _distinct(values: Array) -> list[str]:
    return [str(v) for v in sorted(set(np.ravel(values)))]


def quotient(
    architecture: Architecture, partition: Partition, scales: Scales | None = None
) -> Quotient:
    """The quotient of an architecture by blocks of clones.

    It is the quotient of training wherever the widening keeps the function, for which
    :func:`numerics.parity.prove_parity` is the certificate (not so for LayerNorm over blocks of
    unequal sizes, claim E8).

    Args:
        architecture: the cloned network; its forward function reads lengths off its arrays.
        partition: of every axis.
        scales: what widening multiplies some parameters by, c.

    Raises:
        ManifoldError: if there are mirrored or zero units.
        PartitionError: if an axis has no partition, or one of another length.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> wide = mlp([1, 3, 3, 1])
    >>> clones = make_partition(wide.sizes, {"h1": [[0, 2]], "h2": [[0, 1, 2]]})
    >>> found = quotient(wide, clones)
    >>> found.base.sizes
    {'x': 1, 'h1': 2, 'h2': 1, 'y': 1}
    >>> [str(rate) for rate in found.rates["W2"].ravel()], [str(r) for r in found.rates["b1"]]
    (['2/3', '1/3'], ['1/2', '1'])
    >>> found({p: np.ones(s, dtype=int) for p, s in wide.parameter_shapes.items()})["W2"]
    array([[Fraction(2, 1)],
           [Fraction(1, 1)]], dtype=object)
    """
    for axis, blocks in partition.items():
        if blocks.is_signed or blocks.zero:
            raise ManifoldError(
                f"axis {axis!r}: the quotient is by clones, without signs and zeros"
            )
    flat = equitable(architecture, partition)
    sizes = {axis: partition[axis].num_blocks for axis in architecture.sizes}
    base = replace(architecture, sizes=sizes, name=f"{architecture.name}, quotient")
    owners, counts, targets, sums = {}, {}, {}, {}
    clones = target_counts(architecture, partition)
    for p, names in architecture.parameters.items():
        axes = tuple(partition[a] for a in names)
        shape = base.parameter_shapes[p]
        blocks_of = [np.array(axis.block_of) for axis in axes]
        owners[p] = np.ravel_multi_index(np.ix_(*blocks_of), shape) if axes else np.array(0)
        sizes_of = [[len(block) for block in axis.blocks] for axis in axes]
        entries = [int(np.prod(combined, dtype=int)) for combined in product(*sizes_of)]
        counts[p] = numbers(entries).reshape(shape)
        factor = numbers((scales or {}).get(p, 1)) * numbers(clones[p])
        targets[p] = np.broadcast_to(factor, shape)
        sums[p] = partial(_sums_over_axes, axes=axes)
    constant = block_constant(architecture, partition)
    return Quotient(architecture, base, flat, constant, owners, counts, targets, sums)


def _sums_over_axes(values: Any, axes: tuple[AxisPartition, ...]) -> Any:
    for k, axis in enumerate(axes):
        values = axis.block_sums(values, k - len(axes))
    return values


def dag_quotient(dag: Dag, partition: AxisPartition) -> Quotient:
    """The quotient of a network of single units whose pairs of blocks are all biregular.

    Raises:
        ManifoldError: if a pair is not biregular: its gradient is not block-constant on sums, so
            IE∩OE is not kept (claim E5b), or nothing trains the pair.
        PartitionError: if the partition does not suit the network.

    >>> edges = ((0, 1), (0, 2), (0, 3), (0, 4), (1, 3), (2, 4), (3, 5), (4, 5))
    >>> dag = Dag(num_units=6, inputs=(0,), outputs=(5,), edges=edges, activations=(None,) * 6)
    >>> found = dag_quotient(dag, dag.partition([[1, 2], [3, 4]]))
    >>> found.base.name
    'dag:4 units, 4 edges'
    >>> [str(rate) for rate in found.rates["w"]]
    ['1/2', '1/2', '1/2', '2']
    """
    pairs = block_pairs(dag, partition)
    for pair in pairs.values():
        if not pair.is_biregular:
            raise ManifoldError(
                f"the edges from {pair.source_name} to {pair.target_name} are not biregular: all "
                "targets receive equally many, all sources send equally many"
            )
    # In biregular pairs every target has a source before it, so first units order the blocks.
    order = sorted(range(partition.num_blocks), key=lambda k: min(partition.blocks[k]))
    place = {k: position for position, k in enumerate(order)}
    block_of = partition.block_of
    weights = {(place[i], place[j]): e for (i, j), e in pairs.items() if i != CONSTANT}
    biases = {place[j]: e for (i, j), e in pairs.items() if i == CONSTANT}
    base = Dag(
        num_units=partition.num_blocks,
        inputs=tuple(place[block_of[u]] for u in dag.inputs),
        outputs=tuple(place[block_of[u]] for u in dag.outputs),
        edges=tuple(sorted(weights)),
        activations=tuple(dag.activations[partition.blocks[k][0]] for k in order),
        biased=tuple(sorted(biases)),
    )
    sorted_pairs = {
        WEIGHT: [weights[edge] for edge in base.edges],
        BIAS: [biases[unit] for unit in base.biased],
    }
    wide = dag.architecture()
    owners, counts, targets, sums = {}, {}, {}, {}
    for p, (length,) in wide.parameter_shapes.items():
        own: list[BlockPair] = sorted_pairs[p]
        owner = np.empty(length, dtype=int)
        for k, pair in enumerate(own):
            owner[[index for _, index in pair.edges.values()]] = k
        owners[p] = owner
        counts[p] = numbers([len(pair.edges) for pair in own])
        targets[p] = numbers([len(pair.targets) for pair in own])
        sums[p] = partial(_sums_over_edges, incidence=np.eye(len(own), dtype=int)[owner])
    return Quotient(
        wide,
        base.architecture(),
        units.equitable(dag, partition),
        units.block_constant(dag, partition),
        owners,
        counts,
        targets,
        sums,
    )


def _sums_over_edges(values: Any, incidence: Array) -> Any:
    return values @ incidence
