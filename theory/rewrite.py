"""Graphs from graphs: a changed value, a cheaper order of products."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from theory.graph import Builder, Graph, Node
from theory.lowering import contract
from theory.primitives import Einsum, Input, Parameter
from theory.tracing import Traced


def replace_values(graph: Graph, change: Callable[[int, Traced], Traced]) -> Graph:
    """The graph in which node k has the value ``change(k, value)``; later nodes use that one."""
    builder = Builder()
    numbers: list[int] = []
    for k, node in enumerate(graph.nodes):
        value = builder.add(node.primitive, *(numbers[j] for j in node.operands))
        numbers.append(change(k, Traced(builder, value)).number)
    return builder.finish({name: numbers[k] for name, k in graph.outputs.items()})


def reassociate(graph: Graph) -> Graph:
    """The same values with products of three operands in the cheapest order.

    ``(A B) C`` becomes ``A (B C)`` or ``(A C) B`` wherever that takes fewer multiplications, so a
    vector is contracted with a gradient ``h ⊗ δ`` without forming it.

    >>> from theory.tracing import trace
    >>> import numpy as np
    >>> big = lambda p, x: {"s": np.einsum("ij,j->i", np.einsum("i,j->ij", p["a"], p["b"]), x["v"])}
    >>> graph = trace(big, {"a": (9,), "b": (9,)}, {"v": (9,)})
    >>> max(len(node.shape) for node in reassociate(graph).nodes)
    1
    """
    builder = Builder()
    numbers: list[int] = []
    for node in graph.nodes:
        operands = tuple(numbers[j] for j in node.operands)
        if isinstance(node.primitive, Einsum):
            numbers.append(_cheapest(builder, node.primitive, operands))
        else:
            numbers.append(builder.add(node.primitive, *operands))
    return builder.finish({name: numbers[k] for name, k in graph.outputs.items()})


def _cheapest(builder: Builder, outer: Einsum, operands: tuple[int, ...]) -> int:
    """``outer`` of two values, one of which may be taken apart again."""
    left, right, out = outer.labels
    found: list[tuple[int, tuple[tuple[int, str], tuple[int, str], tuple[int, str]]]] = []
    own = _cost(builder, (operands[0], left), (operands[1], right))
    for inner, inner_labels, other, other_labels in (
        (operands[0], left, operands[1], right),
        (operands[1], right, operands[0], left),
    ):
        node = builder.nodes[inner]
        if not isinstance(node.primitive, Einsum):
            continue
        first, second = _factors(node, inner_labels, outer)
        third = (other, other_labels)
        whole = own + _cost(builder, first, second)
        for one, two, rest in ((first, third, second), (second, third, first)):
            middle = _kept(one[1] + two[1], rest[1] + out)
            if set(one[1]) & set(two[1]):
                sizes = _sizes(builder, one, two, rest)
                cost = _cost(builder, one, two) + prod(sizes[c] for c in set(middle + rest[1]))
                if cost < whole:
                    found.append((cost, (one, two, rest)))
    if not found:
        return builder.add(outer, *operands)
    _, (one, two, rest) = min(found)
    middle = _kept(one[1] + two[1], rest[1] + out)
    inner = _product(builder, one, two, middle)
    return _product(builder, (inner, middle), rest, out)


Labelled = tuple[int, str]


def _factors(node: Node, labels: str, outer: Einsum) -> tuple[Labelled, Labelled]:
    """The operands of an inner einsum, labelled as the outer one labels its result."""
    if not isinstance(node.primitive, Einsum):
        raise TypeError(f"{node.primitive!r} is no einsum")
    a, b, inner_out = node.primitive.labels
    names = dict(zip(inner_out, labels, strict=True))
    taken = set(outer.subscripts)
    fresh = (c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in taken)
    for label in a + b:
        if label not in names:
            names[label] = next(fresh)
    return (
        (node.operands[0], "".join(names[c] for c in a)),
        (node.operands[1], "".join(names[c] for c in b)),
    )


def _kept(labels: str, later: str) -> str:
    return "".join(dict.fromkeys(c for c in labels if c in later))


def _sizes(builder: Builder, *operands: Labelled) -> dict[str, int]:
    return {
        c: n
        for number, labels in operands
        for c, n in zip(labels, builder.nodes[number].shape, strict=True)
    }


def _cost(builder: Builder, *operands: Labelled) -> int:
    return prod(_sizes(builder, *operands).values())


def _product(builder: Builder, a: Labelled, b: Labelled, out: str) -> int:
    """An einsum of two labelled values; a label of one alone that is not kept is summed first."""
    value = contract([Traced(builder, a[0]), Traced(builder, b[0])], [a[1], b[1]], out)
    return value.number


def substitute(builder: Builder, graph: Graph, given: Mapping[str, Traced]) -> dict[str, Traced]:
    """The outputs of ``graph``, copied into ``builder`` with the given values for its inputs."""
    numbers: list[int] = []
    for node in graph.nodes:
        leaf = node.primitive
        if isinstance(leaf, Input | Parameter) and leaf.name in given:
            numbers.append(given[leaf.name].number)
        else:
            numbers.append(builder.add(leaf, *(numbers[j] for j in node.operands)))
    return {name: Traced(builder, numbers[k]) for name, k in graph.outputs.items()}
