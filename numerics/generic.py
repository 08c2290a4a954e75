"""Generic vectors in a graph: uniform inputs in product form, and what they are contracted with.

A tensor vanishes exactly if its contraction with one generic vector an axis does, as a polynomial
in the vectors' entries. A tensor of the size of a weight matrix need not be formed for that:
:func:`theory.rewrite.reassociate` contracts the vectors with its factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from string import ascii_letters

import numpy as np

from numerics.evaluate import Evaluator
from numerics.sizes import Measured, Size, measure
from numerics.systems.prime import PrimeField
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.axes import couples_samples
from theory.graph import Builder, Graph
from theory.lowering import contract
from theory.manifold.base import Manifold, NormalTest
from theory.primitives import (
    Add,
    Constant,
    Einsum,
    Input,
    Negative,
    Power,
    Shape,
    Subtract,
    Transpose,
)
from theory.tracing import Traced, as_traced, record, trace

Factors = Sequence[tuple[tuple[int, ...], Traced]]  # axes of a tensor, and a value over them


def generic_factors(builder: Builder, name: str, shape: Shape) -> Factors:
    """One generic vector for each axis; a generic number for a tensor without axes."""
    if not shape:
        return [((), record(builder, Input(name, ())))]
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


def total(builder: Builder, terms: Sequence[Traced]) -> Traced:
    """The sum of scalars, 0 if there are none."""
    return reduce(lambda a, b: a + b, terms, as_traced(builder, 0))


def num_samples(architecture: Architecture) -> int:
    """How many samples a proof needs: 1, or 2 where one sample's output depends on the others.

    It may do so through their number alone, which a forward function can read off its input: then
    the program for three samples is another than that for two.
    """
    two = architecture.graph(2)
    if couples_samples(two, architecture.declared_axes):
        return 2
    return 1 if _are_alike(two, architecture.graph(3)) else 2


def _are_alike(one: Graph, other: Graph) -> bool:
    """Whether two graphs hold the same operations and numbers, for different lengths."""
    pairs = zip(one.nodes, other.nodes, strict=False)
    return len(one.nodes) == len(other.nodes) and all(
        type(a.primitive) is type(b.primitive)
        and a.operands == b.operands
        and (a.primitive == b.primitive or not isinstance(a.primitive, Constant | Power | Einsum))
        for a, b in pairs
    )


@dataclass(frozen=True)
class UniformPoint:
    """Uniform points of a manifold in a field, and the sizes of their entries.

    A point is drawn by its coordinates, so none is rejected; the sizes are over the coordinates as
    variables.
    """

    manifold: Manifold
    name: str = "point"

    def sizes(self) -> Mapping[str, Size]:
        """Size of the entries of every parameter."""
        return self._measured.outputs

    def __call__(self, field: PrimeField) -> dict[str, Array]:
        """A uniform point; integers below 2⁵³ are embedded directly and reduced once."""
        shapes = self.manifold.free_shapes
        free = {name: field.random(s, f"{self.name}:{name}") for name, s in shapes.items()}
        largest = np.log2(max(field.primes))
        is_small = all(
            not s.denominator_norm and s.norm + largest < 53 for s in self.sizes().values()
        )
        if not (free and is_small):
            return Evaluator(self._graph, field, lead=1)(free)
        t = field.num_components
        point = {p: np.empty((t, *shape)) for p, shape in self.manifold.shapes.items()}
        for i in range(t):  # one at a time: the parts of a sum of all would fill the memory
            embedded = self.manifold.embed({name: a[i] for name, a in free.items()})
            for p, entries in point.items():
                entries[i] = embedded[p]
        return {p: field.reduce(entries) for p, entries in point.items()}

    @cached_property
    def _graph(self) -> Graph:
        return trace(lambda _, free: self.manifold.embed(free), {}, self.manifold.free_shapes)

    @cached_property
    def _measured(self) -> Measured:
        return measure(self._graph)
