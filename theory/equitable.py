"""When IE∩OE is kept by the gradient: the cloning theorem for networks with any edges.

The paper states for any directed acyclic graph that the gradient keeps IE∩OE. That holds where all
pairs of blocks are complete or biregular, and fails in general (claim E5b). The criterion:

    IE∩OE is invariant  ⟺  every pair (i, j) with edges is biregular, or h_i δ_j ≡ 0 on IE∩OE.

Proof. On IE∩OE the clones agree (P3, P4), so the gradient is ``g_ij · 1`` on the edges E_ij of each
pair, ``g_ij = h_i δ_j``. IE∩OE is a product over pairs, hence the gradient is tangent exactly if
every ``g_ij 1`` is, and ``1`` on E_ij has equal sums exactly if the pair is biregular.

Whether ``h_i δ_j ≡ 0`` is a question about which pairs can carry a common sum other than 0
(:attr:`theory.block_pair.BlockPair.can_carry`). Those pairs form an acyclic graph on the blocks. A
block is *driven* if it has a bias or such a pair leads to it from a block with h ≢ 0; inputs have
h = x. If it is not driven, z ≡ 0 and h ≡ φ(0). The error signal δ_j = d_j φ'(z_j) vanishes
identically if φ' does, if z_j ≡ 0 and φ'(0) = 0, or if S_j is no output and no such pair leads to a
block with δ ≢ 0. Otherwise one path of such pairs with δ ≢ 0 leads to an output; with all other
sums out of its blocks 0, δ_j is the product of the path's sums and slopes, and all its blocks that
were driven still are, or were so through one another along the path. For analytic φ a product of
functions that are not identically 0 is not; for piecewise linear φ positive inputs, sums and biases
make every driven unit positive.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import sympy

from theory.activation import Activation
from theory.block_pair import CONSTANT, BlockPair, block_pairs
from theory.dag import Dag
from theory.partition import AxisPartition


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """Whether the gradient of one pair of blocks stays in IE∩OE, and why.

    Attributes:
        pair: the edges E_ij.
        is_source_zero: h_i ≡ 0 on IE∩OE.
        is_target_zero: δ_j ≡ 0 on IE∩OE.
    """

    pair: BlockPair
    is_source_zero: bool
    is_target_zero: bool

    @property
    def has_gradient(self) -> bool:
        """Whether h_i δ_j is not identically 0."""
        return not (self.is_source_zero or self.is_target_zero)

    @property
    def is_kept(self) -> bool:
        """Whether the pair's gradient has equal sums."""
        return self.pair.is_biregular or not self.has_gradient

    @property
    def num_labels(self) -> int:
        """Functionals of the pair that tell leaves of IE∩OE apart (E5c).

        The pair's dimension in IE∩OE but for the one direction in which its gradient points:
        ``|E_ij| - n_i - n_j + components`` if the pair is biregular, ``(n_i - 1)(n_j - 1)`` if it
        is complete. Without gradient the common sum is conserved as well.
        """
        return self.pair.dimension - (self.has_gradient and self.pair.can_carry)

    def __str__(self) -> str:
        pair = self.pair
        units = f"{_listed(pair.sources)} -> {_listed(pair.targets)}"
        head = f"{pair.source_name} -> {pair.target_name} (units {units}): "
        if pair.is_biregular:
            return head + ("complete" if pair.is_complete else "biregular")
        if self.is_source_zero:
            return head + f"not biregular, but h of {pair.source_name} is 0 on IE∩OE"
        if self.is_target_zero:
            return head + f"not biregular, but δ of {pair.target_name} is 0 on IE∩OE"
        return head + f"not biregular: {_unequal(pair)}"


@dataclass(frozen=True, slots=True)
class EquitableVerdict:
    """Whether gradient training keeps IE∩OE, pair by pair.

    Attributes:
        pairs: every pair of blocks that has edges.
    """

    pairs: tuple[PairVerdict, ...]

    @property
    def is_invariant(self) -> bool:
        """Whether every pair is kept."""
        return not self.failing

    @property
    def failing(self) -> tuple[PairVerdict, ...]:
        """The pairs whose gradient leaves IE∩OE."""
        return tuple(verdict for verdict in self.pairs if not verdict.is_kept)

    @property
    def num_labels(self) -> int:
        """How many functionals tell the leaves of IE∩OE apart, over all pairs."""
        return sum(verdict.num_labels for verdict in self.pairs)

    def __str__(self) -> str:
        if self.is_invariant:
            return "IE∩OE is invariant"
        return "IE∩OE is not invariant; " + "; ".join(str(verdict) for verdict in self.failing)


def keeps_equitable(dag: Dag, partition: AxisPartition) -> EquitableVerdict:
    """Decide whether IE∩OE is invariant, for all data, losses and unknown functions φ.

    Where a ReLU's argument is identically 0, its slope counts as 0, as ``step(0) = 0`` says.

    Raises:
        PartitionError: if the partition does not suit the network.

    The smallest counterexample to the theorem as stated for every directed acyclic graph, blocks
    {u, u'} → {v, v'} without the edge u' → v:

    >>> phi = Activation("phi")
    >>> edges = ((0, 1), (0, 2), (1, 3), (1, 4), (2, 4), (3, 5), (4, 5))
    >>> activations = (None, phi, phi, phi, phi, None)
    >>> dag = Dag(num_units=6, inputs=(0,), outputs=(5,), edges=edges, activations=activations)
    >>> verdict = keeps_equitable(dag, dag.partition([[1, 2], [3, 4]]))
    >>> verdict.is_invariant
    False
    """
    pairs = block_pairs(dag, partition)
    carrying = {key for key, pair in pairs.items() if pair.can_carry}
    zero_values, zero_errors = vanishing_blocks(dag, partition, carrying)
    return EquitableVerdict(
        tuple(
            PairVerdict(pair, i in zero_values, j in zero_errors) for (i, j), pair in pairs.items()
        )
    )


def vanishing_blocks(
    dag: Dag, partition: AxisPartition, carrying: Iterable[tuple[int, int]]
) -> tuple[set[int], set[int]]:
    """The blocks with h ≡ 0, and those with δ ≡ 0, on a set of parameters inside IE∩OE.

    Args:
        dag: the network.
        partition: its blocks.
        carrying: the pairs of blocks whose common sum is not identically 0 there.
    """
    into: dict[int, list[int]] = {}
    out: dict[int, list[int]] = {}
    for i, j in carrying:
        into.setdefault(j, []).append(i)
        out.setdefault(i, []).append(j)
    # Every unit of a block that a sum reaches has an edge from its source block, so the block's
    # first unit comes after the source's: this order is topological.
    order = sorted(range(partition.num_blocks), key=lambda k: min(partition.blocks[k]))
    symbols = {k: dag.activations[partition.blocks[k][0]] for k in order}
    zero_values: set[int] = set()
    undriven: set[int] = set()
    for k in order:
        if partition.blocks[k][0] in dag.inputs:
            continue
        if all(i in zero_values for i in into.get(k, ())):
            undriven.add(k)
            if is_zero_at_zero(symbols[k]):
                zero_values.add(k)
    zero_errors: set[int] = set()
    for k in reversed(order):
        reaches = partition.blocks[k][0] in dag.outputs or any(
            j not in zero_errors for j in out.get(k, ())
        )
        is_flat = is_constant(symbols[k]) or (k in undriven and has_zero_slope(symbols[k]))
        if is_flat or not reaches:
            zero_errors.add(k)
    return zero_values, zero_errors


@lru_cache
def is_zero_at_zero(symbol: Activation | None) -> bool:
    """Whether φ(0) = 0 is known; ``None`` is the identity.

    >>> from theory.activation import sigmoid, tanh
    >>> is_zero_at_zero(tanh), is_zero_at_zero(sigmoid), is_zero_at_zero(Activation("phi"))
    (True, False, False)
    """
    if symbol is None:
        return True
    closed_form = symbol.law.closed_form
    if closed_form is None:
        return symbol.value_parity == "odd"
    return bool(closed_form(sympy.S.Zero) == 0)


@lru_cache
def has_zero_slope(symbol: Activation | None) -> bool:
    """Whether φ'(0) = 0 is known; a ReLU's slope at 0 counts as 0.

    >>> from theory.activation import relu, tanh
    >>> has_zero_slope(relu), has_zero_slope(tanh), has_zero_slope(Activation("phi", parity="even"))
    (True, False, True)
    """
    if symbol is None:
        return False
    closed_form = symbol.law.closed_form
    if closed_form is None:
        return symbol.value_parity == "even"
    zero = sympy.S.Zero
    return bool(symbol.law.derivative(zero, closed_form(zero)) == 0)


@lru_cache
def is_constant(symbol: Activation | None) -> bool:
    """Whether φ' ≡ 0 but for jumps, as for ``step``."""
    if symbol is None or symbol.law.closed_form is None:
        return False
    z = sympy.Dummy("z", real=True)
    return bool(symbol.law.derivative(z, symbol.law.closed_form(z)) == 0)


def _unequal(pair: BlockPair) -> str:
    """The two units whose numbers of edges differ."""
    into = {v: len(pair.entries_into(v)) for v in pair.targets}
    out = {u: len(pair.entries_from(u)) for u in pair.sources}
    counts, verb = (into, "receive") if len(set(into.values())) > 1 else (out, "send")
    few, many = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    return f"units {few} and {many} {verb} {counts[few]} and {counts[many]}"


def _listed(units: tuple[int, ...]) -> str:
    return "the constant 1" if units == (CONSTANT,) else ", ".join(map(str, units))
