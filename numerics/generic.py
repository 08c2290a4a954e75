"""Generic vectors in a graph: uniform inputs in product form, and what they are contracted with.

A tensor vanishes exactly if its contraction with one generic vector an axis does, as a polynomial
in the vectors' entries. A tensor of the size of a weight matrix need not be formed for that:
:func:`theory.rewrite.reassociate` contracts the vectors with its factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from string import ascii_letters

import numpy as np

from numerics.evaluate import Evaluator
from numerics.sizes import Size, measure
from numerics.systems.prime import PrimeField
from numerics.systems.system import Array
from theory.graph import Builder, Graph
from theory.lowering import contract
from theory.manifold.base import Manifold, NormalTest
from theory.primitives import Add, Input, Negative, Shape, Subtract, Transpose
from theory.tracing import Traced, record, trace

Factors = Sequence[tuple[tuple[int, ...], Traced]]  # axes of a tensor, and a value over them


def generic_factors(builder: Builder, name: str, shape: Shape) -> Factors:
    """One generic vector for each axis."""
    return [((k,), record(builder, Input(f"{name}:{k}", (n,)))) for k, n in enumerate(shape)]


def normal_factors(builder: Builder, test: NormalTest, name: str) -> dict[str, Factors]:
    """A generic member of a family of normal vectors, by parameter, in product form."""
    return {
        p: [
            (f.axes, f.embed(record(builder, Input(f"{name}:{test.label}:{f.name}", f.free_shape))))
            for f in factors
        ]
        for p, factors in test.factors.items()
    }


def outer(factors: Factors) -> Traced:
    """The tensor ⊗ factors."""
    labels = ["".join(ascii_letters[a] for a in axes) for axes, _ in factors]
    return contract([value for _, value in factors], labels, "".join(sorted("".join(labels))))


def pair(value: Traced, factors: Factors) -> Traced:
    """⟨value, ⊗ factors⟩, distributed over sums so that products of vectors stay factored."""
    node = value.builder.nodes[value.number]
    operands = [Traced(value.builder, j) for j in node.operands]
    match node.primitive:
        case Add():
            return pair(operands[0], factors) + pair(operands[1], factors)
        case Subtract():
            return pair(operands[0], factors) - pair(operands[1], factors)
        case Negative():
            return -pair(operands[0], factors)
        case Transpose(permutation):
            moved = [(tuple(permutation[a] for a in axes), f) for axes, f in factors]
            return pair(operands[0], moved)
        case _:
            labels = ascii_letters[: value.ndim]
            return contract(
                [value, *(f for _, f in factors)],
                [labels, *("".join(labels[a] for a in axes) for axes, _ in factors)],
                "",
            )


def total(terms: Sequence[Traced]) -> Traced:
    """The sum of at least one value."""
    return reduce(lambda a, b: a + b, terms)


@dataclass(frozen=True)
class UniformPoint:
    """Uniform points of a manifold in a field, and the sizes of their entries.

    A point is drawn by its coordinates, so none is rejected; the sizes are over the coordinates as
    variables.
    """

    manifold: Manifold
    name: str = "point"

    def sizes(self) -> dict[str, Size]:
        """Size of the entries of every parameter."""
        return dict(measure(self._graph()).outputs)

    def __call__(self, field: PrimeField) -> dict[str, Array]:
        """A uniform point; integers below 2⁵³ are embedded directly and reduced once."""
        shapes = self.manifold.free_shapes
        free = {name: field.random(s, f"{self.name}:{name}") for name, s in shapes.items()}
        largest = np.log2(max(field.primes))
        if any(s.denominator_norm or s.norm + largest >= 53 for s in self.sizes().values()):
            return Evaluator(self._graph(), field, lead=1)(free)
        embedded = self.manifold.embed(free).items()
        return {p: field.reduce(np.require(v, np.float64, ["C", "W"])) for p, v in embedded}

    def _graph(self) -> Graph:
        return trace(lambda _, free: self.manifold.embed(free), {}, self.manifold.free_shapes)
