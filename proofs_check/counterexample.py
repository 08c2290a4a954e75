"""Concrete numbers for which a gradient leaves a tangent space.

First rational numbers and polynomial activations, small enough to follow by hand. A known function
such as tanh is rational almost nowhere, so the second attempt takes rational parameters and data
and encloses the gradient in balls: a ball that does not hold 0 is a proof too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.systems.ball import Ball, contains
from proofs_check.evidence import Level
from theory.activation import Activation
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.graph import Graph
from theory.invariance import refute
from theory.manifold import Manifold
from theory.primitives import Apply, Shape

NUM_POINTS = 3
MAX_SHRUNK = 5_000  # parameters up to which numbers are made small: the search is quadratic
MAX_ENCLOSED = 200_000  # parameters up to which numbers are searched at all


@dataclass(frozen=True, slots=True)
class Counterexample:
    """Numbers that refute tangency, and how they were computed.

    Args:
        level: ``proved`` in rational numbers, ``enclosed`` in balls.
        numbers: JSON-able.
        text: for a reader.
    """

    level: Level
    numbers: Mapping[str, Any]
    text: str


def find_counterexample(
    architecture: Architecture, manifold: Manifold, tangent: Manifold, *, batch: int, seed: int
) -> Counterexample | None:
    """A point of ``manifold`` with a gradient not tangent to ``tangent``, if the search finds one.

    Large networks get no small numbers, and the largest get none.

    Args:
        architecture: the network.
        manifold: where the parameters lie.
        tangent: the affine set whose tangent space should hold the gradient.
        batch: number of samples.
        seed: of the points that are tried.

    >>> from theory.manifold import incoming_equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], "softplus")
    >>> half = incoming_equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    >>> find_counterexample(net, half, half, batch=1, seed=0).level.words()
    'enclosed'
    """
    if architecture.num_parameters > MAX_ENCLOSED:
        return None
    if architecture.num_parameters <= MAX_SHRUNK:
        found = refute(architecture, manifold, tangent, batch=batch, seed=seed)
        if found is not None:
            return Counterexample(Level.PROVED, found.to_json(), str(found))
    for point in range(NUM_POINTS):
        enclosed = _enclosed(architecture, manifold, tangent, batch, Random(f"{seed} {point}"))
        if enclosed is not None:
            return enclosed
    return None


def _enclosed(
    architecture: Architecture, manifold: Manifold, tangent: Manifold, batch: int, random: Random
) -> Counterexample | None:
    forward = architecture.graph(batch)
    functions = _functions(forward)
    if functions is None:
        return None
    system = Ball(functions=functions)

    def drawn(shape: Shape) -> Any:
        flat = [Fraction(random.randint(-8, 8), 8) for _ in range(int(np.prod(shape)))]
        return np.array(flat, dtype=object).reshape(shape)

    theta = manifold.embed({name: drawn(shape) for name, shape in manifold.free_shapes.items()})
    x = drawn((batch, *architecture.input_shape))
    adjoint = drawn(forward.nodes[forward.outputs["y"]].shape)
    values = Evaluator(gradient(forward), system)({**theta, "x": x, "adjoint:y": adjoint})
    for row in tangent.constraints():
        with system.working():
            component = sum(
                (system.number(c) * values[f"grad:{p}"].flat[e] for (p, e), c in row.terms.items()),
                system.number(0),
            )
        if not contains(np.array([component], dtype=object), 0)[0]:
            numbers = {
                "architecture": architecture.name,
                "parameters": {p: _texts(v) for p, v in theta.items()},
                "x": _texts(x),
                "adjoint": _texts(adjoint),
                "normal": [[p, e, str(c)] for (p, e), c in row.terms.items()],
                "law": row.label,
                "value": str(component),
            }
            text = f"{architecture.name}: ⟨gradient, normal⟩ = {component} (law: {row.label})"
            return Counterexample(Level.ENCLOSED, numbers, text)
    return None


def _functions(graph: Graph) -> dict[str, Any] | None:
    """A function of the right parity for every unknown symbol: exp, sin or cos.

    None if one name stands for functions of different parity.
    """
    chains: dict[str | None, tuple[Any, ...]] = {
        None: (lambda z: z.exp(),),
        "odd": (lambda z: z.sin(), lambda z: z.cos()),
        "even": (lambda z: z.cos(), lambda z: -z.sin()),
    }
    found: dict[str, Any] = {}
    parities: dict[str, str | None] = {}
    for node in graph.nodes:
        if isinstance(node.primitive, Apply) and not node.primitive.activation.is_known:
            symbol = node.primitive.activation
            if parities.setdefault(symbol.name, symbol.parity) != symbol.parity:
                return None
            chain = chains[symbol.parity]
            for order in range(2):
                link = Activation(symbol.name, order, symbol.parity)
                found[repr(link)] = chain[order % len(chain)]
    return found


def _texts(array: Any) -> Any:
    return np.frompyfunc(str, 1, 1)(array).tolist()
