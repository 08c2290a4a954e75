"""The space that gradients span, over a prime field."""

from __future__ import annotations

import flint
import numpy as np

from numerics.evaluate import Evaluator
from numerics.primes import random_primes
from numerics.systems.prime import PrimeField
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.manifold.base import Manifold
from theory.tracing import trace

MARGIN = 8  # gradients beyond the number of parameters


def gradient_rank(architecture: Architecture, manifold: Manifold, *, seed: int = 0) -> int:
    """Dimension of the span of gradients at uniform points of a manifold, data and adjoints.

    Over one random prime field, from more random gradients than there are parameters. It never
    exceeds the dimension of the span of all gradients there, over all functions that the symbols
    may stand for; one particular function may span less. It falls short of it with a small
    probability, so it is an observation.

    Args:
        architecture: the network; one sample a gradient.
        manifold: where the points lie.
        seed: of prime, points and functions.

    >>> from theory.manifold import ambient, trap
    >>> from theory.zoo import mlp
    >>> net = mlp([3, 4, 4, 2]).freeze("h1", 0)
    >>> gradient_rank(net, ambient(net)), trap(net).dimension
    (38, 38)
    """
    field = PrimeField(random_primes(1, seed), seed)
    trials = architecture.num_parameters + MARGIN
    points = trace(lambda _, free: manifold.embed(free), {}, manifold.free_shapes)
    free = {
        name: field.random((trials, *s), f"point:{name}")
        for name, s in manifold.free_shapes.items()
    }
    theta = Evaluator(points, field, lead=2)(free)
    graph = gradient(architecture.graph())
    inputs = {
        name: field.random((trials, *shape), name)
        for name, shape in graph.input_shapes.items()
        if name not in architecture.parameters
    }
    values = Evaluator(graph, field, lead=2)({**theta, **inputs})
    rows = np.concatenate(
        [
            np.broadcast_to(g, (1, trials, *g.shape[2:])).reshape(trials, -1)
            for g in (values[f"grad:{p}"] for p in graph.parameter_shapes)
        ],
        axis=1,
    )
    entries = field.canonical(rows[None])[0].tolist()
    return int(flint.nmod_mat(entries, field.primes[0]).rank())
