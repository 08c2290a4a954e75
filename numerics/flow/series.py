"""Power series of a polynomial system, one coefficient after another.

The k-th coefficient of a sum is a sum of k-th coefficients, that of a product Σ_j a_j b_{k-j}, and
the system X' = G(X) gives the next one of X: X_{k+1} = G_k / (k + 1). So N coefficients of every
node cost O(N²) products an entry, and no node is evaluated twice. In balls each coefficient
encloses the exact one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import prod
from string import ascii_letters

import flint
import numpy as np
from flint import arb

from numerics.evaluate import Evaluator, operation
from numerics.flow.polynomial import PolynomialSystem
from numerics.systems.ball import Ball
from numerics.systems.objects import filled
from numerics.systems.system import Array
from theory.graph import Builder, Node
from theory.primitives import Add, Concatenate, Einsum, Input, Multiply, Parameter, Subtract

LARGE = 100  # products in a contraction for which a matrix of FLINT's is faster than an einsum
LEAST = 64  # bits of the last coefficient


@dataclass(frozen=True)
class Expansion:
    """The solution of X' = G(X) as a power series in τ = t / unit.

    Attributes:
        unit: of time.
        order: N.
        unknowns: coefficients 0..N of every unknown, ``(N + 1, *shape)``.
        factors: coefficients 0..N - 1 of every node that is a factor of a product of two nodes
            that move, ``(N, *shape)``.
    """

    unit: Fraction
    order: int
    unknowns: dict[str, Array]
    factors: dict[int, Array]


class Series:
    """A polynomial system with its data, made ready to be expanded.

    Args:
        system: X' = G(X).
        ball: the arithmetic.
        data: the inputs that are no unknowns.

    Attributes:
        live: the nodes that depend on an unknown, in order.
        constants: the values of the others.
        products: the live nodes that are products of two live ones.
        leaves: the nodes of the unknowns.
        rates: the nodes of their rates.
    """

    def __init__(self, system: PolynomialSystem, ball: Ball, data: Mapping[str, Array]) -> None:
        self.system, self.ball = system, ball
        self.nodes = system.rates.nodes
        self.leaves = {
            node.primitive.name: k
            for k, node in enumerate(self.nodes)
            if isinstance(node.primitive, Parameter | Input)
            and node.primitive.name in system.unknowns
        }
        moving = set(self.leaves.values())
        for k, node in enumerate(self.nodes):
            if moving & set(node.operands):
                moving.add(k)
        self.live = sorted(moving)
        self.rates = {name: system.rates.outputs[f"rate:{name}"] for name in system.unknowns}
        self.constants = self._constants(data)
        self._operations = {k: operation(self.nodes[k], system.rates, ball) for k in self.live}
        self.products = frozenset(k for k in self.live if self._is_product(self.nodes[k]))
        self._large = {
            k: operation(replace(self.nodes[k], primitive=joint), system.rates, ball)
            if k in self.products
            else self._operations[k]
            for k, joint in self._joint_products()
        }
        self._factors = sorted({j for k in self.products for j in self.nodes[k].operands})

    def _is_product(self, node: Node) -> bool:
        return isinstance(node.primitive, Multiply | Einsum) and not (
            set(node.operands) & set(self.constants)
        )

    def _joint_products(self) -> Iterator[tuple[int, Einsum]]:
        """The contractions for which matrices repay their conversion, with the order as a label."""
        for k in self.live:
            primitive = self.nodes[k].primitive
            if isinstance(primitive, Einsum):
                left, right, _ = primitive.labels
                shapes = [self.nodes[j].shape for j in self.nodes[k].operands]
                sizes = dict(zip(left + right, shapes[0] + shapes[1], strict=True))
                if prod(sizes.values()) >= LARGE:
                    yield k, with_order(primitive)

    def _constants(self, data: Mapping[str, Array]) -> dict[int, Array]:
        still = [k for k in range(len(self.nodes)) if k not in set(self.live)]
        builder = Builder()
        for node in self.nodes:
            builder.nodes.append(node)
        graph = builder.finish({str(k): k for k in still})
        values = Evaluator(graph, self.ball)(data)
        return {k: values[str(k)] for k in still}

    def initial(self, theta: Mapping[str, Array], data: Mapping[str, Array]) -> dict[str, Array]:
        """Values of all unknowns at θ."""
        found = Evaluator(self.system.initial, self.ball)({**theta, **data})
        return {name: theta[name] if name in theta else found[name] for name in self.rates}

    def expand(self, start: Mapping[str, Array], order: int, unit: Fraction) -> Expansion:
        """Coefficients of the solution that starts at X(0) = ``start``, a value per unknown.

        Where a step ends, coefficient k counts less by a factor that falls to 2^-bits at k = N, so
        the later ones are computed with fewer bits.
        """
        unknowns = {
            name: np.empty((order + 1, *value.shape), dtype=object) for name, value in start.items()
        }
        places = {k: np.empty((order, *self.nodes[k].shape), dtype=object) for k in self._factors}
        for name, value in start.items():
            unknowns[name][0, ...] = value
        scale = self.ball.number(unit)
        for k in range(order):
            with flint.ctx.workprec(self.ball.bits - max(self.ball.bits - LEAST, 0) * k // order):
                found = self._coefficients(k, unknowns, places)
                for name, j in self.rates.items():
                    rate = found.get(j)
                    unknowns[name][k + 1, ...] = (
                        arb(0) if rate is None else rate * (scale / (k + 1))
                    )
        return Expansion(unit, order, unknowns, places)

    def _coefficients(
        self, k: int, unknowns: Mapping[str, Array], places: Mapping[int, Array]
    ) -> dict[int, Array]:
        """The k-th coefficient of every node; of a constant there is one for k = 0 only."""
        found = dict(self.constants) if k == 0 else {}
        for name, j in self.leaves.items():
            found[j] = unknowns[name][k, ...]
            if j in places:
                places[j][k, ...] = found[j]
        for j in self.live:
            if j not in found:
                found[j] = (
                    self._product(j, places, k) if j in self.products else self._linear(j, found)
                )
                if j in places:
                    places[j][k, ...] = found[j]
        return found

    def _linear(self, j: int, found: Mapping[int, Array]) -> Array:
        node, operation = self.nodes[j], self._operations[j]
        operands = [found.get(i) for i in node.operands]
        match node.primitive:
            case Multiply() | Einsum():
                operands = [
                    self.constants.get(i, a) for i, a in zip(node.operands, operands, strict=True)
                ]
                if isinstance(node.primitive, Einsum) and j not in self._large:
                    a, b = map(_known, operands)
                    return np.asarray(np.einsum(node.primitive.subscripts, a, b))
            case Add() | Subtract() if operands[1] is None:
                return _known(operands[0])
            case Add() if operands[0] is None:
                return _known(operands[1])
            case Subtract() if operands[0] is None:
                return self.ball.negative(_known(operands[1]))
            case Concatenate():
                operands = [
                    _zeros(self.nodes[i].shape) if a is None else a
                    for i, a in zip(node.operands, operands, strict=True)
                ]
        return operation(self.ball, *operands)

    def _product(self, n: int, places: Mapping[int, Array], k: int) -> Array:
        """Σ_j a_j b_{k-j} over j ≤ k."""
        node = self.nodes[n]
        if n in self._large:
            a, b = node.operands
            return self._large[n](self.ball, places[a][: k + 1], places[b][k::-1])
        return _convolved(node, places, k)


def _known(value: Array | None) -> Array:
    if value is None:
        raise TypeError("a node that moves has every coefficient")
    return value


def _zeros(shape: tuple[int, ...]) -> Array:
    return filled([arb(0)] * prod(shape), shape)


def _convolved(node: Node, places: Mapping[int, Array], k: int) -> Array:
    a, b = node.operands
    if a == b and isinstance(node.primitive, Multiply) and k > 0:
        half = (k + 1) // 2
        found = 2 * _summed(node, places[a][:half], places[a][k : k - half : -1])
        if k % 2 == 0:
            found = found + places[a][k // 2] * places[a][k // 2]
        return np.asarray(found, dtype=object)
    return _summed(node, places[a][: k + 1], places[b][k::-1])


def _summed(node: Node, a: Array, b: Array) -> Array:
    if isinstance(node.primitive, Einsum):
        return contracted(node.primitive, a, b)
    flat: Array = np.einsum("ji,ji->i", a.reshape(len(a), -1), b.reshape(len(b), -1))
    return flat.reshape(node.shape)


def contracted(einsum: Einsum, a: Array, b: Array) -> Array:
    """The einsum of two arrays that have one more axis in front, summed over it as well."""
    return np.asarray(np.einsum(with_order(einsum).subscripts, a, b))


@cache
def with_order(einsum: Einsum) -> Einsum:
    """The einsum with one more label, in front of both operands and summed."""
    left, right, out = einsum.labels
    label = next(c for c in ascii_letters if c not in einsum.subscripts)
    return Einsum(f"{label}{left},{label}{right}->{out}")
