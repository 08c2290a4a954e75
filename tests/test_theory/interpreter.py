"""Forward evaluation of a graph over any scalars that have arithmetic: the obvious reference.

It shares nothing with ``numerics.evaluate``: NumPy's own array functions on object arrays.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from theory.activation import Activation
from theory.graph import Graph
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
    Constant,
    Divide,
    Einsum,
    Input,
    Multiply,
    Negative,
    Parameter,
    Power,
    Reshape,
    Scatter,
    Subtract,
    Sum,
    Take,
    Transpose,
)


def interpret(
    graph: Graph,
    given: Mapping[str, Any],
    function: Callable[[Activation, Any], Any],
    number: Callable[[Any], Any] = lambda v: v,
) -> dict[str, Any]:
    """Outputs as object arrays; ``function`` evaluates a symbol, ``number`` reads a constant."""
    values: list[Any] = []
    for node in graph.nodes:
        a = [values[j] for j in node.operands]
        match node.primitive:
            case Parameter(name) | Input(name):
                value = given[name]
            case Constant(entries, shape):
                value = filled(shape, [number(v) for v in entries])
            case Add():
                value = a[0] + a[1]
            case Subtract():
                value = a[0] - a[1]
            case Multiply():
                value = a[0] * a[1]
            case Divide():
                value = a[0] / a[1]
            case Negative():
                value = -a[0]
            case Power(n):
                value = a[0] ** n
            case Apply(activation):
                value = filled(node.shape, [function(activation, z) for z in a[0].ravel()])
            case Einsum(subscripts):
                value = np.einsum(subscripts, *a, optimize=False)
            case Sum(axes):
                value = np.sum(a[0], axis=axes)
            case Broadcast(shape):
                value = np.broadcast_to(a[0], shape)
            case Reshape(shape):
                value = np.reshape(a[0], shape)
            case Transpose(permutation):
                value = np.transpose(a[0], permutation)
            case Take(axis, indices):
                value = np.take(a[0], list(indices), axis=axis)
            case Scatter(axis, indices, _):
                value = filled(node.shape, [number(0)] * int(np.prod(node.shape)))
                chosen: Any = (*(slice(None),) * axis, list(indices))
                np.add.at(value, chosen, a[0])
            case Concatenate(axis):
                value = np.concatenate(a, axis=axis)
        values.append(np.asarray(value, dtype=object).reshape(node.shape))
    return {name: values[k] for name, k in graph.outputs.items()}


def filled(shape: tuple[int, ...], entries: list[Any]) -> Any:
    """An object array of these entries."""
    array = np.empty(len(entries), dtype=object)
    array[:] = entries
    return array.reshape(shape)
