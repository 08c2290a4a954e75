"""Graphs in the coordinates of a manifold.

With coordinates substituted for the parameters, "for all parameters on the manifold" becomes "for
all numbers". A tensor that is a sum of parts, each a core C spread along its axes by linear maps S,
need not be formed for its products: Σ_u a_u (S C)_uv = Σ_k (Sᵀ a)_k C_kv. That saves the memory of
the tensor and most of the time.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from theory.graph import Builder, Graph, Node
from theory.manifold.base import Manifold
from theory.primitives import Einsum, Input, Parameter
from theory.rewrite import substitute
from theory.tracing import Traced, record, trace

MIN_SIZE = 1 << 14
"""Entries of the smallest parameter whose products are taken part by part."""


def in_coordinates(
    graph: Graph, manifold: Manifold, name: str = "point", min_size: int = MIN_SIZE
) -> Graph:
    """The graph at a point of a manifold: inputs ``point:…`` in place of the parameters.

    The values are those of ``graph`` at ``manifold.embed(point)``.

    Args:
        graph: its parameters are the manifold's.
        manifold: where the parameters lie.
        name: prefix of the inputs, which have the names and shapes of the free coordinates.
        min_size: entries of the smallest parameter that is not formed for a product with it.

    >>> from theory.manifold import equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([3, 4, 2], bias=False)
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]]})
    >>> sorted(in_coordinates(net.graph(), equitable(net, clones)).input_shapes)
    ['point:W1:CC', 'point:W2:CC', 'x']
    """
    builder = Builder()
    free = {n: record(builder, Input(f"{name}:{n}", s)) for n, s in manifold.free_shapes.items()}
    embedding = trace(lambda _, f: manifold.embed(f), {}, manifold.free_shapes)
    embedded = substitute(builder, embedding, free)
    numbers: list[int] = []
    for node in graph.nodes:
        leaf = node.primitive
        if isinstance(leaf, Parameter):
            numbers.append(embedded[leaf.name].number)
            continue
        operands = [Traced(builder, numbers[j]) for j in node.operands]
        product = _by_parts(graph, node, operands, manifold, free, min_size)
        if product is None:
            numbers.append(builder.add(leaf, *(a.number for a in operands)))
        else:
            numbers.append(product.number)
    return builder.finish({output: numbers[k] for output, k in graph.outputs.items()})


def _by_parts(
    graph: Graph,
    node: Node,
    operands: list[Traced],
    manifold: Manifold,
    free: Mapping[str, Traced],
    min_size: int,
) -> Traced | None:
    """A product with a large parameter, or None where it has to be formed."""
    if not isinstance(node.primitive, Einsum):
        return None
    left, right, out = node.primitive.labels
    for side, own, theirs in ((0, left, right), (1, right, left)):
        leaf = graph.nodes[node.operands[side]].primitive
        if not isinstance(leaf, Parameter) or prod(leaf.shape) < min_size:
            continue
        if set(own) & set(theirs) & set(out):
            continue
        terms: list[Traced] = []
        for part in manifold.parts(leaf.name):
            other = operands[1 - side]
            for label, axis in zip(own, part.axes, strict=True):
                if label in theirs:
                    other = axis.gather(other, theirs.index(label))
            core = free[part.name]
            pair = (core, other) if side == 0 else (other, core)
            value = pair[0].record(node.primitive, pair[1])
            for label, axis in zip(own, part.axes, strict=True):
                if label not in theirs:
                    value = axis.spread(value, out.index(label))
            terms.append(value)
        if terms:
            return sum(terms[1:], start=terms[0])
    return None
