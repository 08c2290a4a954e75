"""Deviations from a mean: what x − mean(x) forgets, and that it adds up to 0.

A normalisation subtracts a mean that it forms from the very same value; a rule that sees two
unrelated operands cannot know it. So the graph is read once for sums r + t − mean(t): the mean of t
over some axes, or over a part of one axis, taken from t. The part of t that is constant along all
these axes is its own mean and disappears. Over the same axes t − mean(t) adds up to 0, which is all
that the adjoint of a subtracted mean is about.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import prod

from theory.graph import Graph
from theory.modules.block_structure import BlockStructure, Factor, zero
from theory.modules.contraction import add_up
from theory.modules.elementwise import add
from theory.modules.labelling import one_block
from theory.primitives import (
    Add,
    Broadcast,
    Constant,
    Divide,
    Multiply,
    Negative,
    Reshape,
    Shape,
    Subtract,
    Sum,
    Take,
)

Terms = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Deviation:
    """A value ± (t − mean(t)) + rest, up to the signs of the terms of the rest.

    Attributes:
        source: the node t.
        axes: of t, over which the mean goes.
        is_partial: whether only some entries of an axis have a share in the mean.
        rest: nodes whose values are added or subtracted.
    """

    source: int
    axes: tuple[int, ...]
    is_partial: bool
    rest: tuple[int, ...]


def deviations(graph: Graph) -> dict[int, Deviation]:
    """The sums and differences of a graph in which a value meets its own mean.

    >>> from theory.tracing import trace
    >>> mean = lambda p, x: {"y": x["x"] - x["x"].mean(axis=0)}
    >>> deviations(trace(mean, {}, {"x": (5, 2)}))
    {6: Deviation(source=0, axes=(0,), is_partial=False, rest=())}
    """
    found = {}
    for k, node in enumerate(graph.nodes):
        if not isinstance(node.primitive, Add | Subtract):
            continue
        sign = -1 if isinstance(node.primitive, Subtract) else 1
        left, right = node.operands
        for value, mean in ((left, right), (right, left)):
            one = _deviation(graph, value, mean, sign)
            if one is not None:
                found[k] = one
                break
    return found


def _deviation(graph: Graph, value: int, mean: int, sign: int) -> Deviation | None:
    """``value + sign · mean`` as a deviation, up to the sign of the whole."""
    if not isinstance(graph.nodes[mean].primitive, Broadcast):
        return None
    for source, axes, is_partial, weight in _means(graph, mean):
        rest = _without(graph, value, source, int(-sign * weight), {})
        if rest is not None:
            return Deviation(source, axes, is_partial, rest)
    return None


def _means(graph: Graph, mean: int) -> Iterator[tuple[int, tuple[int, ...], bool, int]]:
    """Values t of which a node is plus or minus the mean: t, the axes, is it partial, the sign."""
    shape = graph.nodes[mean].shape
    # of each axis of the current node: which axis of the mean it is, or None
    layout: tuple[int | None, ...] = tuple(range(len(shape)))
    k, weight = mean, Fraction(1)
    summed: tuple[int, ...] | None = None
    is_partial = False
    while True:
        node = graph.nodes[k]
        if summed is not None and abs(weight) == 1 and node.shape == shape:
            kept = [(n, m) for n, m in enumerate(layout) if n not in summed and shape[n] != 1]
            if all(n == m for n, m in kept):
                yield k, summed, is_partial, int(weight)
        match node.primitive:
            case Negative():
                k, weight = node.operands[0], -weight
            case Multiply() | Divide():
                scaled = _scaled(graph, k)
                if scaled is None:
                    return
                k, weight = scaled[0], weight * scaled[1]
            case Broadcast() if summed is None:
                k = node.operands[0]
                own = graph.nodes[k].shape
                added = len(node.shape) - len(own)
                layout = tuple(
                    None if n != node.shape[added + a] else layout[added + a]
                    for a, n in enumerate(own)
                )
            case Reshape() if summed is None:
                k = node.operands[0]
                moved = _squeezed(node.shape, graph.nodes[k].shape, layout)
                if moved is None:
                    return
                layout = moved
            case Sum(axes) if summed is None:
                k, summed = node.operands[0], axes
                own = graph.nodes[k].shape
                remaining = iter(layout)
                layout = tuple(None if a in axes else next(remaining) for a in range(len(own)))
                weight *= prod(own[a] for a in axes)
            case Take(axis, _) if summed is not None and axis in summed:
                k, is_partial = node.operands[0], True
            case _:
                return


def _scaled(graph: Graph, k: int) -> tuple[int, Fraction] | None:
    """A node as another one times a number."""
    node = graph.nodes[k]
    left, right = node.operands
    number = _number(graph, right)
    if isinstance(node.primitive, Divide):
        return None if not number else (left, 1 / number)
    if number is not None:
        return left, number
    number = _number(graph, left)
    return None if number is None else (right, number)


def _number(graph: Graph, k: int) -> Fraction | None:
    """The number that all entries of a node are, if that is written down."""
    while isinstance(graph.nodes[k].primitive, Broadcast | Reshape):
        (k,) = graph.nodes[k].operands
    primitive = graph.nodes[k].primitive
    if isinstance(primitive, Constant) and len(set(primitive.values)) == 1:
        return primitive.values[0]
    return None


def _squeezed(
    new: Shape, old: Shape, layout: tuple[int | None, ...]
) -> tuple[int | None, ...] | None:
    """The layout before a reshape that only adds or drops axes of length 1."""
    if [n for n in new if n != 1] != [n for n in old if n != 1]:
        return None
    long = iter([place for n, place in zip(new, layout, strict=True) if n != 1])
    return tuple(None if n == 1 else next(long) for n in old)


def _without(
    graph: Graph,
    k: int,
    source: int,
    sign: int,
    known: dict[tuple[int, int], tuple[int, ...] | None],
) -> Terms:
    """The other terms of a sum in which ``source`` is a term with that sign; else None."""
    if k == source:
        return () if sign == 1 else None
    if k < source:
        return None
    if (k, sign) in known:
        return known[k, sign]
    node = graph.nodes[k]
    found = None
    match node.primitive:
        case Negative():
            found = _without(graph, node.operands[0], source, -sign, known)
        case Add() | Subtract():
            left, right = node.operands
            found = _without(graph, left, source, sign, known)
            other = right
            if found is None:
                flip = -1 if isinstance(node.primitive, Subtract) else 1
                found = _without(graph, right, source, flip * sign, known)
                other = left
            found = None if found is None else (*found, other)
    known[k, sign] = found
    return found


def deviate(
    a: BlockStructure, axes: tuple[int, ...], is_partial: bool = False
) -> BlockStructure | None:
    """t − mean(t) over ``axes``: what is constant along them all vanishes.

    Sound because the mean is linear. Along an axis without known blocks a tensor is a constant
    plus a zero-sum part over the whole axis. A part that is constant along all the axes, each one
    block, is its own mean. The mean of any other part is constant along the axes, inside its
    blocks too; it is 0 if the part is zero-sum along one of them and all entries have a share.
    ``None`` where an axis is labelled together with another one.
    """
    factors, patterns = [], a.patterns
    for factor in a.factors:
        if factor.labels is None and factor.axes[0] in axes:
            factor = Factor(factor.axes, one_block((a.shape[factor.axes[0]],)))
            patterns = frozenset(p | bit for p in patterns for bit in (0, factor.bit))
        factors.append(factor)
    along = [f for f in factors if any(k in axes for k in f.axes)]
    if any(len(f.axes) > 1 for f in along):
        return None
    mask = sum(f.bit for f in along)
    if all(f.labels is None or f.labels.num_blocks == 1 for f in along):
        patterns = frozenset(p for p in patterns if p & mask)
    if is_partial:
        patterns |= {p & ~mask for p in patterns}
    return BlockStructure(a.shape, tuple(factors), patterns).normal_form


def _terms(graph: Graph, one: Deviation, known: Mapping[int, Deviation]) -> list[int]:
    """Nodes of which the source is a sum up to signs: deviations add up."""
    seen, open_nodes, found = set[int](), [one.source], []
    while open_nodes:
        k = open_nodes.pop()
        if k in seen:
            continue
        seen.add(k)
        if isinstance(graph.nodes[k].primitive, Add | Subtract | Negative) and k not in known:
            open_nodes += graph.nodes[k].operands
        else:
            found.append(k)
    return found


def infer_from_means(
    graph: Graph, k: int, found: Sequence[BlockStructure], known: Mapping[int, Deviation]
) -> BlockStructure | None:
    """The structure of a deviation, or of a sum over one; ``None`` if the node is neither.

    Args:
        graph: the graph.
        k: a node.
        found: the structures of the nodes before it.
        known: the deviations of the graph.
    """
    node = graph.nodes[k]
    if k in known:
        one = known[k]
        parts = [deviate(found[j], one.axes, one.is_partial) for j in _terms(graph, one, known)]
        own = [part for part in parts if part is not None]
        rest = [found[j] for j in one.rest]
        return reduce(add, own + rest) if len(own) == len(parts) else None
    summed = summed_deviation(graph, k, known)
    if summed is None or not isinstance(node.primitive, Sum):
        return None
    rest = [add_up(found[i], node.primitive.axes) for i in summed.rest]
    return reduce(add, rest, zero(node.shape))


def summed_deviation(graph: Graph, k: int, known: Mapping[int, Deviation]) -> Deviation | None:
    """The deviation of which a node is the sum, up to its sign, over the axes of the mean."""
    primitive = graph.nodes[k].primitive
    if not isinstance(primitive, Sum):
        return None
    (j,) = graph.nodes[k].operands
    while isinstance(graph.nodes[j].primitive, Negative):
        (j,) = graph.nodes[j].operands
    one = known.get(j)
    if one is None or one.is_partial or not {*one.axes} <= {*primitive.axes}:
        return None
    return one
