"""The search for a small counterexample: a generic violation, then shrunk.

Where tangency fails as an identity it fails at a generic point, so a few pseudo-random integers
find a violation for the simplest polynomial activations that show one. Then numbers are replaced by
smaller ones, zero first, as long as the violation stays. Nothing depends on ambient randomness: the
same question gives the same counterexample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, islice, product
from math import prod
from random import Random
from typing import Any

import numpy as np

from theory.activation import Activation, Parity
from theory.architecture import Architecture
from theory.graph import Graph
from theory.invariance.jet import NoRationalValueError, Polynomials, directional_derivative
from theory.invariance.refutation import Refutation
from theory.manifold.base import Constraint, Manifold
from theory.primitives import Apply
from theory.symbolic.forward import Array

NUM_DRAWS = 2  # generic points for each choice of activations
NUM_SHRUNK = 4  # kinds of violated laws that are shrunk; the smallest result is kept
NUM_ZEROED = 512  # sets of coordinates put to 0 where a known function is rational only there

Candidate = tuple[Architecture, Manifold, Manifold | None]


def refute(
    architecture: Architecture,
    manifold: Manifold,
    tangent: Manifold | None = None,
    *,
    batch: int = 1,
    seed: int = 0,
) -> Refutation | None:
    """A rational counterexample to tangency, or ``None`` if the search finds none.

    It needs forward passes only, so it serves networks too large for a derivation. ``None`` proves
    nothing.

    Args:
        architecture: the network.
        manifold: where θ lies.
        tangent: the manifold whose tangent space should hold the gradient, by default the same.
        batch: number of samples.
        seed: of the generic points.

    >>> from theory.manifold import incoming_equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], bias=False)
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1]]})
    >>> print(refute(net, incoming_equitable(net, clones)))
    mlp:1-2-1:phi: the gradient leaves the tangent space of IE at a point of IE
      phi(z) = z
      W1 = [[0, 0]]
      W2 = [[1], [-1]]
      x = [[1]], ∂ℓ/∂y = [[1]]
      ∂ℓ/∂W1[0,0] - ∂ℓ/∂W1[0,1] = 2, not 0 (law: W1:CZ)
    """
    question = _Question(architecture, manifold, tangent or manifold, batch)
    for functions in _interpretations(question.graph):
        for start in question.starts(functions, seed):
            violated = list(islice(question.violated(start), NUM_SHRUNK))
            if violated:
                shrunk = [question.shrink(start, row) for row in violated]
                best = min(range(len(shrunk)), key=lambda k: (shrunk[k].size, k))
                return question.refutation(shrunk[best], violated[best])
    return None


def smallest_refutation(candidates: Iterable[Candidate]) -> Refutation | None:
    """The counterexample in the smallest refuted architecture, by number of parameters.

    Args:
        candidates: (architecture, manifold, tangent or ``None``).
    """
    for architecture, manifold, tangent in sorted(candidates, key=lambda c: c[0].num_parameters):
        if (found := refute(architecture, manifold, tangent)) is not None:
            return found
    return None


@dataclass(frozen=True)
class _Point:
    """Integers for every coordinate of the manifold and of the data, and the activations."""

    functions: Polynomials
    numbers: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int]:
        """How many numbers are not zero, and their sum of absolute values."""
        return sum(map(bool, self.numbers)), sum(map(abs, self.numbers))


class _Question:
    def __init__(
        self, architecture: Architecture, manifold: Manifold, tangent: Manifold, batch: int
    ) -> None:
        self.architecture, self.manifold, self.tangent = architecture, manifold, tangent
        self.graph = architecture.graph(batch)
        self.rows = tuple(tangent.constraints())
        self.shapes = dict(manifold.free_shapes) | {"": (batch, *architecture.input_shape)}
        self.known = {
            node.primitive.activation
            for node in self.graph.nodes
            if isinstance(node.primitive, Apply) and node.primitive.activation.is_known
        }

    def arrays(self, numbers: tuple[int, ...]) -> tuple[dict[str, Array], Array]:
        """θ and x from flat coordinates; the data have the empty name, which no tensor has."""
        free: dict[str, Array] = {}
        start = 0
        for name, shape in self.shapes.items():
            entries = numbers[start : start + prod(shape)]
            free[name] = np.array(entries, dtype=object).reshape(shape)
            start += prod(shape)
        x = free.pop("")
        return {p: np.asarray(v, dtype=object) for p, v in self.manifold.embed(free).items()}, x

    def starts(self, functions: Polynomials, seed: int) -> Iterator[_Point]:
        """Generic points; with known functions also ones where whole tensors are 0."""
        lengths = [prod(shape) for shape in self.shapes.values()]
        for draw in range(NUM_DRAWS):
            random = Random(f"{seed} {draw}")
            numbers = tuple(random.choice((-3, -2, -1, 1, 2, 3)) for _ in range(sum(lengths)))
            yield _Point(functions, numbers)
            if self.known:
                for zeroed in islice(_subsets(len(lengths)), NUM_ZEROED):
                    kept = [k not in zeroed for k, n in enumerate(lengths) for _ in range(n)]
                    masked = tuple(n * keep for n, keep in zip(numbers, kept, strict=True))
                    yield _Point(functions, masked)

    def moved(self, point: _Point, row: Constraint) -> Array | None:
        """J n at a point, or ``None`` where the network has no rational value."""
        theta, x = self.arrays(point.numbers)
        try:
            return directional_derivative(self.graph, point.functions, theta, x, row.terms)
        except (NoRationalValueError, ZeroDivisionError):
            return None

    def violates(self, point: _Point, row: Constraint) -> bool:
        moved = self.moved(point, row)
        return moved is not None and bool(np.any(moved != 0))

    def violated(self, point: _Point) -> Iterator[Constraint]:
        """The first violated law of each kind."""
        met: set[str] = set()
        for row in self.rows:
            if row.label in met:
                continue
            moved = self.moved(point, row)
            if moved is None:
                return
            if np.any(moved != 0):
                met.add(row.label)
                yield row

    def shrink(self, point: _Point, row: Constraint) -> _Point:
        """Smaller numbers one after another, until none can be replaced."""

        def holds(candidate: _Point) -> bool:
            return self.violates(candidate, row)

        point = _shrink_tensors(point, list(self.shapes.values()), holds)
        while True:
            smaller = _shrink_numbers(point, holds)
            if smaller == point:
                return point
            point = smaller

    def refutation(self, point: _Point, row: Constraint) -> Refutation:
        theta, x = self.arrays(point.numbers)
        moved = directional_derivative(self.graph, point.functions, theta, x, row.terms)
        adjoint = np.zeros(moved.shape, dtype=object)
        seen = next(index for index in np.ndindex(*moved.shape) if moved[index] != 0)
        adjoint[seen] = 1
        return Refutation(
            self.architecture,
            self.manifold,
            self.tangent,
            point.functions,
            theta,
            x,
            adjoint,
            dict(row.terms),
            row.label,
            Fraction(moved.item(seen)),
        )


def _shrink_tensors(
    point: _Point, shapes: list[tuple[int, ...]], holds: Callable[[_Point], bool]
) -> _Point:
    start = 0
    for shape in shapes:
        stop = start + prod(shape)
        zeros = (0,) * (stop - start)
        candidate = replace(point, numbers=point.numbers[:start] + zeros + point.numbers[stop:])
        point = candidate if holds(candidate) else point
        start = stop
    return point


def _shrink_numbers(point: _Point, holds: Callable[[_Point], bool]) -> _Point:
    for k, number in enumerate(point.numbers):
        for smaller in (0, 1, -1, 2, -2):
            if _weight(smaller) >= _weight(number):
                break
            numbers = (*point.numbers[:k], smaller, *point.numbers[k + 1 :])
            if holds(candidate := replace(point, numbers=numbers)):
                point = candidate
                break
    return point


def _weight(number: int) -> tuple[int, bool]:
    return abs(number), number < 0


def _subsets(n: int) -> Iterator[tuple[int, ...]]:
    return (chosen for size in range(1, n) for chosen in combinations(range(n), size))


# Ascending coefficients, simplest first.
_LADDER: Mapping[Parity | None, tuple[tuple[int, ...], ...]] = {
    None: (
        (0, 1),
        (0, 0, 1),
        (0, 1, 1),
        (0, 0, 0, 1),
        (0, 1, 0, 1),
        (0, 1, 1, 1),
        (1, 1, 1, 1, 1, 1),
    ),
    "odd": ((0, 1), (0, 0, 0, 1), (0, 1, 0, 1), (0, 1, 0, 1, 0, 1)),
    "even": ((0, 0, 1), (1, 0, 1), (0, 0, 0, 0, 1), (1, 0, 1, 0, 1)),
}


def _interpretations(graph: Graph) -> Iterator[dict[str, Any]]:
    """Polynomials for the unknown functions of a graph, simplest combinations first.

    None if one name stands for functions of different parity.
    """
    unknown: dict[str, Activation] = {}
    for node in graph.nodes:
        if isinstance(node.primitive, Apply) and not node.primitive.activation.is_known:
            symbol = node.primitive.activation
            if unknown.setdefault(symbol.name, symbol).parity != symbol.parity:
                return  # two functions of one name: coefficients by name cannot tell them apart
    ladders = [_LADDER[f.parity] for f in unknown.values()]
    ranked = sorted(
        product(*(range(len(ladder)) for ladder in ladders)), key=lambda ranks: (sum(ranks), ranks)
    )
    for ranks in ranked:
        chosen = (ladder[k] for ladder, k in zip(ladders, ranks, strict=True))
        yield dict(zip(unknown, chosen, strict=True))
