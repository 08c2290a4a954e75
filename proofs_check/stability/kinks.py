"""Pre-activations at which a piecewise linear function has no derivative."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from flint import arb

from numerics.evaluate import Evaluator
from numerics.systems.system import Array, NumberSystem
from theory.architecture import Architecture
from theory.graph import Graph
from theory.primitives import Apply

KINKED = frozenset({"relu", "leaky_relu", "step"})


def num_kinks(
    architecture: Architecture, parameters: Mapping[str, Array], x: Array, system: NumberSystem
) -> int:
    """How many arguments of ReLU, leaky ReLU and step are 0, or balls around 0, on some data.

    >>> import numpy as np
    >>> from numerics.systems.rational import Rational
    >>> from theory.zoo import mlp
    >>> ones = {"W1": np.ones((1, 2)), "W2": np.ones((2, 1))}
    >>> samples = np.array([[0.0], [1.0]])
    >>> num_kinks(mlp([1, 2, 1], "relu", bias=False), ones, samples, Rational())
    2
    """
    graph = architecture.graph(len(x))
    arguments = {
        node.operands[0]
        for node in graph.nodes
        if isinstance(node.primitive, Apply) and node.primitive.activation.name in KINKED
    }
    if not arguments:
        return 0
    shown = Graph(graph.nodes, {f"z:{k}": k for k in sorted(arguments)})
    given = {p: system.array(w) for p, w in parameters.items()}
    found = Evaluator(shown, system)({**given, "x": system.array(x)})
    return sum(_may_vanish(v) for values in found.values() for v in np.ravel(values))


def _may_vanish(value: object) -> bool:
    return bool(value.contains(0)) if isinstance(value, arb) else bool(value == 0)
