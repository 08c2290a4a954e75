"""Linear functionals of the gradient that vanish: found in one prime field, proved in others.

A space of gradients over GF(p) has a reduced annihilator e_j - Σ_i F_ij e_i, one functional for
each column j without pivot. Its residues are turned into the small fractions that they may stand
for. That is a guess; what makes it a proof is :func:`prove_conserved`, which tests the guess at
fresh points of fresh random prime fields.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import inf, isqrt, lcm, log2, prod

import numpy as np
from numpy.typing import NDArray

from numerics.evaluate import Evaluator
from numerics.generic import UniformPoint
from numerics.identity import REDRAWS, components_for
from numerics.plasticity.echelon import RowSpace
from numerics.plasticity.span import Adjoints, flatten, gradient_graph, unflatten
from numerics.primes import random_primes
from numerics.sizes import Size, as_size, measure
from numerics.systems.prime import PrimeField
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.errors import ValueSystemError
from theory.manifold.base import Manifold
from theory.primitives import Shape


@dataclass(frozen=True)
class Functional:
    """e_leader + Σ_k values_k e_{columns_k} on the parameters in a row.

    Attributes:
        leader: a column that no other functional of the same annihilator meets.
        columns: others, ascending.
        values: their coefficients, none of them 0.
    """

    leader: int
    columns: NDArray[np.intp]
    values: tuple[Fraction, ...]


def rational_annihilator(space: RowSpace) -> list[Functional | None]:
    """The reduced annihilator over the rationals, ``None`` where a residue is no small fraction.

    Fractions n/d are small if |n|, d <= √(p/2), where they are unique (Wang 1981).

    >>> field = PrimeField((10007,), seed=0)
    >>> space = RowSpace(field, 2)
    >>> space.extend(field.array([[1, Fraction(2, 3)]])[0])
    1
    >>> rational_annihilator(space)[0].values
    (Fraction(-2, 3),)
    """
    order = np.argsort(space.pivots)
    tail = -space.tail[order]
    residues, inverse = np.unique(tail, return_inverse=True)
    inverse = inverse.reshape(tail.shape)
    numerators, denominators = _small_fractions(residues.astype(np.int64), space.field.primes[0])
    fractions = [
        Fraction(int(n), int(d)) if d else None
        for n, d in zip(numerators, denominators, strict=True)
    ]
    found: list[Functional | None] = []
    for k, leader in enumerate(space.free):
        rows = np.flatnonzero(tail[:, k])
        values = [fractions[u] for u in inverse[rows, k]]
        known = [v for v in values if v is not None]
        columns = space.pivots[order][rows]
        found.append(
            Functional(int(leader), columns, tuple(known)) if len(known) == len(values) else None
        )
    return found


def _small_fractions(
    residues: NDArray[np.int64], p: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """n and d with n ≡ d r modulo p, by the Euclidean algorithm; d = 0 where there are none."""
    bound = isqrt(p // 2)
    before, rest = np.full_like(residues, p), residues % p
    old, factor = np.zeros_like(residues), np.ones_like(residues)
    while (long := rest > bound).any():
        quotient = np.where(long, before // np.maximum(rest, 1), 0)
        before, rest = np.where(long, rest, before), np.where(long, before - quotient * rest, rest)
        old, factor = np.where(long, factor, old), np.where(long, old - quotient * factor, factor)
    sign = np.where(factor < 0, -1, 1)
    small = np.abs(factor) <= bound
    return sign * rest, np.where(small, np.abs(factor), 0)


@dataclass(frozen=True)
class Annihilator:
    """Functionals in reduced form, to be evaluated together.

    Args:
        functionals: the leader of each is met by no other.
        shapes: of the parameters, in the order of the columns.
    """

    functionals: tuple[Functional, ...]
    shapes: Mapping[str, Shape]

    @cached_property
    def length(self) -> int:
        """Number of columns."""
        return sum(prod(shape) for shape in self.shapes.values())

    @cached_property
    def _leaders(self) -> NDArray[np.intp]:
        return np.array([f.leader for f in self.functionals], dtype=np.intp)

    @cached_property
    def _denominator(self) -> int:
        return lcm(*(v.denominator for f in self.functionals for v in f.values))

    def sizes(self, gradients: Mapping[str, Size]) -> dict[str, Size]:
        """The size of each value of :meth:`values`, from the sizes of the gradients' entries."""
        starts = np.cumsum([0, *(prod(shape) for shape in self.shapes.values())])
        found: dict[tuple[tuple[int, ...], Fraction], Size] = {}
        for f in self.functionals:
            columns = np.append(f.columns, f.leader)
            terms = np.bincount(
                np.searchsorted(starts, columns, side="right") - 1, minlength=len(self.shapes)
            )
            key = (tuple(terms.tolist()), max(map(abs, f.values), default=Fraction(1)))
            if key not in found:
                found[key] = self._size(gradients, *key)
        return {f"functional:{k}": size for k, size in enumerate(found.values())}

    def _size(
        self, gradients: Mapping[str, Size], terms: tuple[int, ...], highest: Fraction
    ) -> Size:
        scaled = self._coefficient(highest)
        total: Size = as_size(0)
        for p, n in zip(self.shapes, terms, strict=True):
            if n and p in gradients:
                total = total + (gradients[p] * scaled).total(n)
        return total

    def _coefficient(self, highest: Fraction) -> Size:
        """Coefficients over one denominator, the largest numerator being that of ``highest``."""
        largest = max(abs(highest), Fraction(1)) * self._denominator
        return as_size(largest) * as_size(Fraction(1, self._denominator))

    def values(self, rows: Array, field: PrimeField) -> Array:
        """The functionals at vectors ``(t, n)``, as ``(t, number of functionals)``."""
        return field.add(rows[:, self._leaders], self._tails(rows, field))

    def kernel_point(self, field: PrimeField, stream: str) -> Array:
        """A uniform vector on which all functionals vanish, ``(t, n)``."""
        point = field.random((self.length,), stream)
        point[:, self._leaders] = field.negative(self._tails(point, field))
        return point

    def kernel_size(self) -> Size:
        """The size of the entries of :meth:`kernel_point` over its free entries."""
        longest = max((len(f.values) for f in self.functionals), default=0)
        highest = max((abs(v) for f in self.functionals for v in f.values), default=Fraction(1))
        return Size(1) + (Size(1) * self._coefficient(highest)).total(max(1, longest))

    def _tails(self, rows: Array, field: PrimeField) -> Array:
        columns, coefficients, starts = self._terms(field)
        if not len(columns):
            return np.zeros((field.num_components, len(self.functionals)))
        products = field.multiply(rows[:, columns], coefficients)
        # an empty slice takes the entry at its start: a 0 is put behind each functional's terms
        sums = np.add.reduceat(products, starts, axis=1)
        return field.reduce(sums)

    def _terms(self, field: PrimeField) -> tuple[NDArray[np.intp], Array, NDArray[np.intp]]:
        columns: list[NDArray[np.intp]] = []
        values: list[Fraction] = []
        starts: list[int] = []
        for f in self.functionals:
            starts.append(len(values))
            columns += [f.columns, np.zeros(1, dtype=np.intp)]
            values += [*f.values, Fraction(0)]
        if not columns:
            return np.empty(0, dtype=np.intp), np.empty((field.num_components, 0)), np.empty(0, int)
        distinct = {v: k for k, v in enumerate(dict.fromkeys(values))}
        residues = field.constant(list(distinct), (len(distinct),), 1)
        which = np.array([distinct[v] for v in values])
        return np.concatenate(columns), residues[:, which], np.array(starts)


def prove_conserved(
    architecture: Architecture,
    manifold: Manifold,
    functionals: Sequence[Functional],
    *,
    batch: int,
    adjoints: Adjoints = "all",
    bits: float = 60,
    seed: int = 0,
) -> tuple[tuple[Functional, ...], float]:
    """Which functionals vanish on every gradient, and k in: together they do with error <= 2^-k.

    With V the space on which all those that are returned vanish: for every θ of the manifold, every
    θ' in θ + V, all data and all adjoints the gradient at θ' lies in V. So training never leaves
    θ + V, and the functionals are conserved. Functionals that fail are left out, which makes V
    larger, and the rest is tested again.

    Raises:
        ValueSystemError: if the error cannot be reached, or a divisor vanishes at every point that
            is tried.
    """
    graph = gradient_graph(architecture, batch, adjoints)
    uniform = UniformPoint(manifold)
    rest = tuple(functionals)
    for attempt in range(len(rest) + REDRAWS):
        if not rest:
            break
        laws = Annihilator(rest, architecture.parameter_shapes)
        kernel = laws.kernel_size()
        measured = measure(graph, {p: size + kernel for p, size in uniform.sizes().items()})
        # any of the tests may accept what is false: Σ 1/2k² over k = 1, 2, … is less than 1
        share = 1 + 2 * log2(attempt + 1)
        bound = components_for(
            replace(measured, outputs=laws.sizes(measured.outputs)), bits + share
        )
        field = PrimeField(random_primes(bound.components, seed + attempt), seed + attempt)
        try:
            failing = _failing(Evaluator(graph, field, lead=1), field, laws, uniform)
        except ZeroDivisionError:
            continue
        if not failing.any():
            return rest, bound.bits - share
        rest = tuple(f for f, fails in zip(rest, failing, strict=True) if not fails)
    if not rest:
        return (), inf
    raise ValueSystemError(f"{architecture.name}: a divisor vanishes at every point that was tried")


def _failing(
    evaluator: Evaluator, field: PrimeField, laws: Annihilator, uniform: UniformPoint
) -> NDArray[np.bool_]:
    """Which functionals do not vanish on the gradient at one random point."""
    shift = unflatten(laws.kernel_point(field, "shift"), laws.shapes)
    given = {p: field.add(entries, shift[p]) for p, entries in uniform(field).items()}
    for name, shape in evaluator.graph.input_shapes.items():
        if name not in given:
            given[name] = field.random(shape, name)
    gradients = flatten(evaluator(given), laws.shapes, (field.num_components,))
    failing: NDArray[np.bool_] = np.asarray(laws.values(gradients, field).any(axis=0))
    return failing
