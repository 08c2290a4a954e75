"""Division by an opaque reciprocal: 1/v as the value at v of an arbitrary odd function.

Over common denominators the degrees of a deep network with divisions grow fast: softmax after
softmax divides by sums of quotients. With a function symbol R in place of v ↦ 1/v nothing is
divided, and degrees add. An identity that holds for every odd R holds for R(v) = 1/v, so a proof of
it proves the original one wherever that is defined. It may fail where the truth needs v · R(v) = 1:
then nothing is decided. R has a pole at 0: an argument that is 0 identically, for every R, is met
in all components of every point, and the identity is undefined.
"""

from __future__ import annotations

from theory.activation import reciprocal
from theory.graph import Builder, Graph
from theory.primitives import (
    Apply,
    Broadcast,
    Divide,
    Input,
    Multiply,
    Parameter,
    Reshape,
    Transpose,
)

WHOLE_VIEWS = (Broadcast, Reshape, Transpose)  # of all entries of the operand, none left out


def divides(graph: Graph) -> bool:
    """Whether something is divided by what is not a constant."""
    variable = _variable(graph)
    return any(isinstance(n.primitive, Divide) and variable[n.operands[1]] for n in graph.nodes)


def opaque(graph: Graph) -> Graph:
    """The graph with a · R(v) for each a / v whose divisor is not a constant.

    R is :data:`theory.activation.reciprocal`, applied before v is broadcast. Division by constants
    stays exact.

    >>> from theory.tracing import trace
    >>> mean = trace(lambda p, x: {"y": x["x"] / x["x"].sum() / 2}, {}, {"x": (3,)})
    >>> [type(node.primitive).__name__ for node in opaque(mean).nodes[:5]]
    ['Input', 'Sum', 'Apply', 'Broadcast', 'Multiply']
    """
    variable = _variable(graph)
    builder = Builder()
    numbers: list[int] = []
    for node in graph.nodes:
        operands = [numbers[j] for j in node.operands]
        if isinstance(node.primitive, Divide) and variable[node.operands[1]]:
            inverse = _reciprocal(builder, operands[1])
            numbers.append(builder.add(Multiply(), operands[0], inverse))
        else:
            numbers.append(builder.add(node.primitive, *operands))
    return builder.finish({name: numbers[k] for name, k in graph.outputs.items()})


def _reciprocal(builder: Builder, k: int) -> int:
    views = []
    while isinstance(builder.nodes[k].primitive, WHOLE_VIEWS):
        views.append(builder.nodes[k].primitive)
        (k,) = builder.nodes[k].operands
    value = builder.add(Apply(reciprocal), k)
    for view in reversed(views):
        value = builder.add(view, value)
    return value


def _variable(graph: Graph) -> list[bool]:
    """For each node, whether it depends on anything but constants."""
    found: list[bool] = []
    for node in graph.nodes:
        is_leaf = isinstance(node.primitive, Parameter | Input | Apply)
        found.append(is_leaf or any(found[j] for j in node.operands))
    return found
