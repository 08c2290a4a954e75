"""Units with one pre-activation, found in the graph: sums of products, φ, sums of products.

Along such an axis ``z_v = Σ_j a_j w_jv + b_v`` over any number of weights and paths, and
``h_v = φ(z_v)`` goes nowhere but into sums ``Σ_v h_v w_vk``. All parameters of the axis are these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from theory.activation import Activation
from theory.architecture import Architecture
from theory.graph import Graph
from theory.primitives import Add, Apply, Broadcast, Einsum, Parameter

Consumers = Mapping[int, list[tuple[int, int]]]  # node to the nodes that use it, and at which place


@dataclass(frozen=True, slots=True)
class Operand:
    """A value that a weight meets, or into which it leads.

    Attributes:
        node: its number.
        order: its axes: those over which samples run, as in the pre-activation, then those that
            it shares with the weight, as in the weight.
    """

    node: int
    order: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TwoSidedUnits:
    """The units along one axis.

    Attributes:
        axis: its name.
        pre: node of z.
        post: node of h.
        position: of the axis in z and h.
        activation: φ.
        incoming: for each weight into the units what it multiplies, ``None`` for a bias.
        outgoing: for each weight out of them the sums into which it leads.
    """

    axis: str
    pre: int
    post: int
    position: int
    activation: Activation
    incoming: Mapping[str, Operand | None]
    outgoing: Mapping[str, Operand]


def two_sided_units(
    architecture: Architecture,
    graph: Graph,
    roles: Mapping[str, tuple[bool, ...]],
    axis: str,
) -> TwoSidedUnits | None:
    """The units along an axis if they have one pre-activation, ``None`` otherwise.

    Args:
        architecture: the network.
        graph: its forward graph.
        roles: for each axis of each parameter whether it is a source.
        axis: which axis.
    """
    consumers: dict[int, list[tuple[int, int]]] = {k: [] for k in range(len(graph.nodes))}
    for k, node in enumerate(graph.nodes):
        for place, j in enumerate(node.operands):
            consumers[j].append((k, place))
    for j in graph.outputs.values():
        consumers[j].append((-1, 0))
    leaves = {
        node.primitive.name: k
        for k, node in enumerate(graph.nodes)
        if isinstance(node.primitive, Parameter)
    }
    own = {p: names for p, names in architecture.parameters.items() if axis in names}
    if any(names.count(axis) > 1 or len(consumers[leaves[p]]) > 1 for p, names in own.items()):
        return None
    sides: dict[bool, dict[str, tuple[int, int]]] = {False: {}, True: {}}
    for p, names in own.items():
        sides[roles[p][names.index(axis)]][p] = consumers[leaves[p]][0]
    if not sides[False]:
        return None
    tops = {_top(graph, consumers, k) for k, _ in sides[False].values()}
    if len(tops) != 1:
        return None
    pre = tops.pop()
    post = _only_consumer(consumers, pre)
    if post is None or _terms(graph, pre) != sorted(k for k, _ in sides[False].values()):
        return None
    symbol = graph.nodes[post].primitive
    if not isinstance(symbol, Apply):
        return None
    if sorted(consumers[post]) != sorted((k, 1 - place) for k, place in sides[True].values()):
        return None
    incoming: dict[str, Operand | None] = {}
    positions = set()
    for p, (k, place) in sides[False].items():
        found = _incoming(graph, k, place, own[p].index(axis))
        if found is None:
            return None
        incoming[p], position = found
        positions.add(position)
    if len(positions) != 1:
        return None
    position = positions.pop()
    outgoing: dict[str, Operand] = {}
    for p, (k, place) in sides[True].items():
        sums = _outgoing(graph, k, place, own[p].index(axis), position)
        if sums is None:
            return None
        outgoing[p] = sums
    return TwoSidedUnits(axis, pre, post, position, symbol.activation, incoming, outgoing)


def _only_consumer(consumers: Consumers, k: int) -> int | None:
    return consumers[k][0][0] if len(consumers[k]) == 1 and consumers[k][0][0] >= 0 else None


def _top(graph: Graph, consumers: Consumers, k: int) -> int:
    """The sum of which a term is part."""
    above = _only_consumer(consumers, k)
    while above is not None and isinstance(graph.nodes[above].primitive, Add):
        k, above = above, _only_consumer(consumers, above)
    return k


def _terms(graph: Graph, k: int) -> list[int]:
    """The terms of a sum, with repetition."""
    node = graph.nodes[k]
    if not isinstance(node.primitive, Add):
        return [k]
    return sorted(term for j in node.operands for term in _terms(graph, j))


def _incoming(graph: Graph, k: int, place: int, own: int) -> tuple[Operand | None, int] | None:
    """What a weight multiplies and where its targets are in the product; of a bias, nothing."""
    node = graph.nodes[k]
    if isinstance(node.primitive, Broadcast):
        return (None, len(node.shape) - 1) if graph.nodes[node.operands[0]].shape else None
    if not isinstance(node.primitive, Einsum):
        return None
    labels = node.primitive.labels
    weight, value, out = labels[place], labels[1 - place], labels[2]
    summed = [c for n, c in enumerate(weight) if n != own]
    kept = [c for c in out if c != weight[own]]
    if weight[own] not in out or weight[own] in value or set(summed) & set(out):
        return None
    if sorted(value) != sorted([*summed, *kept]):
        return None
    order = tuple(value.index(c) for c in (*kept, *summed))
    return Operand(node.operands[1 - place], order), out.index(weight[own])


def _outgoing(graph: Graph, k: int, place: int, own: int, position: int) -> Operand | None:
    """The sums over the units into which a weight leads."""
    primitive = graph.nodes[k].primitive
    if not isinstance(primitive, Einsum):
        return None
    labels = primitive.labels
    weight, value, out = labels[place], labels[1 - place], labels[2]
    targets = [c for n, c in enumerate(weight) if n != own]
    samples = [c for n, c in enumerate(value) if n != position]
    if value[position] != weight[own] or weight[own] in out or set(targets) & set(value):
        return None
    if sorted(out) != sorted([*targets, *samples]):
        return None
    return Operand(k, tuple(out.index(c) for c in (*samples, *targets)))
