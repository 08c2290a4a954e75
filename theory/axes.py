"""Which named axis each axis of each node is.

Parameters declare their axes, the data's first axis is the batch; einsum labels, broadcasting,
sums and transposes carry the names on. An axis that is reshaped, taken from or concatenated has no
name, and two operands that disagree leave none.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from theory.errors import GraphError
from theory.graph import Graph, Node
from theory.primitives import (
    Broadcast,
    Concatenate,
    Einsum,
    Input,
    Parameter,
    Reshape,
    Scatter,
    Sum,
    Take,
    Transpose,
)

BATCH = "batch"
Names = tuple[str | None, ...]


def axis_names(graph: Graph, declared: Mapping[str, Names]) -> tuple[Names, ...]:
    """Names of the axes of every node; ``declared`` names those of parameters and inputs.

    Raises:
        GraphError: if ``declared`` has more or fewer names than an array has axes.

    >>> from theory.tracing import trace
    >>> graph = trace(lambda p, x: {"y": x["x"] @ p["W"]}, {"W": (3, 4)}, {"x": (5, 3)})
    >>> axis_names(graph, {"W": ("x", "h"), "x": ("batch", "x")})[graph.outputs["y"]]
    ('batch', 'h')
    """
    names: list[Names] = []
    for node in graph.nodes:
        operands = [names[j] for j in node.operands]
        shapes = [graph.nodes[j].shape for j in node.operands]
        names.append(_names_of(node, operands, shapes, declared))
    return tuple(names)


def _names_of(
    node: Node,
    operands: list[Names],
    shapes: list[tuple[int, ...]],
    declared: Mapping[str, Names],
) -> Names:
    match node.primitive:
        case Parameter(name) | Input(name):
            own = declared.get(name, (None,) * len(node.shape))
            if len(own) != len(node.shape):
                raise GraphError(f"declared[{name!r}]={own}: {name} has shape {node.shape}")
            return tuple(own)
        case Einsum() as einsum:
            left, right, out = einsum.labels
            found: dict[str, str | None] = dict(zip(left, operands[0], strict=True))
            for label, other in zip(right, operands[1], strict=True):
                found[label] = _common([found.get(label), other])
            return tuple(found[label] for label in out)
        case Sum(axes):
            return tuple(n for k, n in enumerate(operands[0]) if k not in axes)
        case Transpose(permutation):
            return tuple(operands[0][k] for k in permutation)
        case Broadcast(shape):
            missing = len(shape) - len(operands[0])
            kept = (
                name if shapes[0][k] == node.shape[missing + k] else None
                for k, name in enumerate(operands[0])
            )
            return (None,) * missing + tuple(kept)
        case Reshape(shape):
            return _through_reshape(operands[0], shapes[0], shape)
        case Take(axis) | Scatter(axis):
            return tuple(None if k == axis else n for k, n in enumerate(operands[0]))
        case Concatenate(axis):
            return tuple(
                None if k == axis else _common([names[k] for names in operands])
                for k in range(len(node.shape))
            )
        case _ if operands:
            return tuple(_common(list(column)) for column in zip(*operands, strict=True))
        case _:
            return (None,) * len(node.shape)


def _common(names: list[str | None]) -> str | None:
    found = {n for n in names if n is not None}
    return found.pop() if len(found) == 1 else None


def _through_reshape(names: Names, old: tuple[int, ...], new: tuple[int, ...]) -> Names:
    """An axis keeps its name if equally many entries stand before and after it."""
    places = {(prod(old[:k]), n): names[k] for k, n in enumerate(old) if n != 1}
    return tuple(places.get((prod(new[:k]), n)) if n != 1 else None for k, n in enumerate(new))


def couples_samples(graph: Graph, declared: Mapping[str, tuple[str, ...]]) -> bool:
    """Whether one sample's output may depend on another sample, as with batch statistics.

    The answer ``False`` is certain: every value that depends on the data has the batch as an axis
    of its own, elementwise all the way. ``True`` may be caution.

    Args:
        graph: a forward graph of at least two samples.
        declared: names of the axes of parameters and inputs.
    """
    # Only the data's batch axis is named: no other name can hide it in a value of two operands.
    inputs = graph.input_shapes.keys() - graph.parameter_shapes.keys()
    named = {
        name: tuple(axis if axis == BATCH else None for axis in declared[name])
        for name in inputs & declared.keys()
    }
    names = axis_names(graph, named)
    depends: set[int] = set()
    for k, node in enumerate(graph.nodes):
        sources = [(i, j) for i, j in enumerate(node.operands) if j in depends]
        if not sources and not isinstance(node.primitive, Input):
            continue
        depends.add(k)
        if names[k].count(BATCH) != 1:
            return True
        if isinstance(node.primitive, Einsum):
            labels = node.primitive.labels
            kept = labels[2][names[k].index(BATCH)]
            if any(labels[i][names[j].index(BATCH)] != kept for i, j in sources):
                return True
        # A joined axis has no name, so a batch that lies along it leaves no trace.
        if isinstance(node.primitive, Concatenate) and any(
            names[j].index(BATCH) != names[k].index(BATCH) for _, j in sources
        ):
            return True
    return any(names[k][:1] != (BATCH,) for k in graph.outputs.values())
