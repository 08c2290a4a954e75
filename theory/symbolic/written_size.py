"""How long a network is when it is written out: counted before SymPy writes anything.

Inside a formula nothing is shared, so its length grows exponentially with the depth, and with
softmax or a normalisation faster still. The forward graph is read over lengths instead of
expressions, by the same :func:`~theory.symbolic.forward.forward_values`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from theory.architecture import Architecture
from theory.symbolic.forward import forward_values


@dataclass(frozen=True, slots=True)
class _Length:
    """Nodes of an expression's tree; plain numbers have one."""

    nodes: int

    def __add__(self, other: Any) -> _Length:
        if isinstance(other, _Length):
            return _Length(self.nodes + 1 + other.nodes)
        return self if other == 0 else _Length(self.nodes + 2)

    __radd__ = __sub__ = __rsub__ = __truediv__ = __rtruediv__ = __add__

    def __mul__(self, other: Any) -> _Length | int:
        if not isinstance(other, _Length) and other in (0, 1):
            return self if other == 1 else 0
        longer: _Length = self + other
        return longer

    __rmul__ = __mul__

    def __neg__(self) -> _Length:
        return _Length(self.nodes + 1)

    def __pow__(self, exponent: int) -> _Length:
        return _Length(self.nodes + 1)


def written_size(architecture: Architecture, batch: int, enough: int) -> int:
    """Nodes of all outputs written out, times the parameters to differentiate by.

    Differentiation walks every output once for every parameter entry: about 20 µs a node.

    Args:
        architecture: the network.
        batch: number of samples.
        enough: a graph with more entries than that is not read; their number is the answer.

    >>> from theory.zoo import mlp
    >>> written_size(mlp([1, 1, 1], bias=False), 1, 1000)  # w phi(w x): 6 nodes, 2 parameters
    12
    """
    graph = architecture.graph(batch)
    entries = sum(prod(node.shape) for node in graph.nodes)
    if entries > enough:
        return entries
    leaf = _Length(1)
    given = {name: np.full(shape, leaf, dtype=object) for name, shape in graph.input_shapes.items()}
    values = forward_values(graph, given, lambda _, z: _applied(z))
    outputs = values[graph.outputs["y"]].flat
    nodes = sum(y.nodes if isinstance(y, _Length) else 1 for y in outputs)
    return nodes * architecture.num_parameters


def _applied(z: Any) -> _Length:
    return _Length(1 + (z.nodes if isinstance(z, _Length) else 1))
