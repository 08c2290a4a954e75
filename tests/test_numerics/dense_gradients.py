"""Gradients at rational points, every symbol a polynomial: brute force for small networks."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from math import prod
from random import Random
from typing import Any

from tests.test_theory.interpreter import filled, interpret
from theory.activation import Activation
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.manifold import Manifold

GATES = {"relu": "step", "leaky_relu": "step", "silu": "sigmoid", "gelu": "normal_cdf"}


class RandomPolynomials:
    """A cubic for each symbol, with the parity and the centre that its law knows of.

    A derivative of an unknown function is that of its cubic. A known function's derivative is
    algebra in its value, so that the check must hold for these functions too.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.coefficients: dict[tuple[str, str | None], list[int]] = {}

    def __call__(self, symbol: Activation, z: Fraction) -> Fraction:
        if symbol.name in GATES:
            gate = self(Activation(GATES[symbol.name]), z)
            slope = symbol.slope or 0
            return z * (gate + (1 - gate) * slope)
        parity = symbol.law.parity if symbol.is_known else symbol.parity
        terms = self.coefficients.setdefault(
            (symbol.name, parity), [self.random.randint(-9, 9) or 1 for _ in range(4)]
        )
        own = [c if parity in (None, ("even", "odd")[k % 2]) else 0 for k, c in enumerate(terms)]
        for _ in range(symbol.order):
            own = [k * c for k, c in enumerate(own)][1:]
        value = sum((c * z**k for k, c in enumerate(own)), Fraction(0))
        centre = symbol.law.centre
        return value if centre is None else value + centre(z)


def random_point(manifold: Manifold, random: Random) -> dict[str, Any]:
    """Integer coordinates."""
    free = {
        name: filled(shape, [Fraction(random.randint(-9, 9)) for _ in range(prod(shape))])
        for name, shape in manifold.free_shapes.items()
    }
    return dict(manifold.embed(free))


def random_gradients(
    architecture: Architecture, manifold: Manifold, seed: int, trials: int, batch: int = 1
) -> Iterator[Mapping[str, Any]]:
    """∂ℓ/∂θ by parameter, for random points, data, adjoints and functions."""
    random = Random(seed)
    graph = gradient(architecture.graph(batch))
    for _ in range(trials):
        given = random_point(manifold, random)
        for name, shape in graph.input_shapes.items():
            if name not in architecture.parameters:
                entries = [Fraction(random.randint(-9, 9)) for _ in range(prod(shape))]
                given[name] = filled(shape, entries)
        found = interpret(graph, given, RandomPolynomials(random), Fraction)
        yield {p: found.get(f"grad:{p}") for p in architecture.parameters}


def is_tangent(
    architecture: Architecture, manifold: Manifold, tangent: Manifold, seed: int, batch: int = 1
) -> bool:
    """Whether three random gradients are orthogonal to the normal basis of ``tangent``."""
    normals = list(tangent.normal_basis())
    for slopes in random_gradients(architecture, manifold, seed, 3, batch):
        flat = {p: g.ravel() for p, g in slopes.items() if g is not None}
        for normal in normals:
            if sum(c * flat[p][e] for (p, e), c in normal.items() if p in flat) != 0:
                return False
    return True
