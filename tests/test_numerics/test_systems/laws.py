"""What every number system must do, against a reference over Python's fractions.

A system *agrees* with an exact value if it equals it (exact systems), contains it (balls), or is
within the rounding error of a polynomial expression (floats): computed with d roundings on any
path from an input, it is off by at most ((1 + u)ᵈ - 1) times the same expression in absolute
values (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from numerics.primes import random_primes
from numerics.systems.ball import Ball, contains
from numerics.systems.float64 import Float64
from numerics.systems.multiprecision import MultiPrecision
from numerics.systems.objects import exact
from numerics.systems.prime import PrimeField
from numerics.systems.rational import Rational
from numerics.systems.system import Array, NumberSystem
from theory import primitives as op
from theory.graph import Graph
from theory.tracing import trace


@dataclass(frozen=True)
class Reference:
    """Fractions, or their absolute values: then differences are sums, and nothing cancels."""

    absolute: bool = False
    name = "fractions"

    def array(self, values):
        return self._each(self._entry, np.asarray(values, dtype=object))

    def constant(self, values, shape, lead):
        return self.array(np.array([*values, None], dtype=object)[:-1].reshape((1,) * lead + shape))

    def add(self, a, b):
        return self._each(lambda x, y: x + y, a, b)

    def subtract(self, a, b):
        return self._each(lambda x, y: x + y if self.absolute else x - y, a, b)

    def multiply(self, a, b):
        return self._each(lambda x, y: x * y, a, b)

    def divide(self, a, b):
        return self._each(lambda x, y: x / y, a, b)

    def negative(self, a):
        return self._each(lambda x: x if self.absolute else -x, a)

    def power(self, a, exponent):
        return self._each(lambda x: x**exponent, a)

    def sum(self, a, axes):
        kept = [k for k in range(a.ndim) if k - a.ndim not in axes]
        out = np.full([a.shape[k] for k in kept], Fraction(0), dtype=object)
        for position in np.ndindex(a.shape):
            out[tuple(position[k] for k in kept)] += a[position]
        return out

    def matmul(self, a, b):
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = (np.broadcast_to(m, stack + m.shape[-2:]) for m in (a, b))
        out = np.full((*stack, a.shape[-2], b.shape[-1]), Fraction(0), dtype=object)
        for *s, i, j, k in product(*(range(n) for n in (*out.shape, a.shape[-1]))):
            out[(*s, i, j)] += a[(*s, i, k)] * b[(*s, k, j)]
        return out

    def apply(self, activation, z):
        raise NotImplementedError

    def _entry(self, value):
        return abs(exact(value)) if self.absolute else exact(value)

    @staticmethod
    def _each(function, *arrays):
        shape = np.broadcast_shapes(*(a.shape for a in arrays))
        out = np.empty(shape, dtype=object)
        stretched = [np.broadcast_to(a, shape) for a in arrays]
        for position in np.ndindex(shape):
            out[position] = function(*(a[position] for a in stretched))
        return out


EXACT, MAGNITUDE = Reference(), Reference(absolute=True)


@dataclass(frozen=True)
class Case:
    """A system, its number of leading axes, and how its values compare with exact ones."""

    system: NumberSystem
    lead: int
    agrees: Callable[[Array, Array, Array, int], bool]

    def check(self, value: Array, expected: Array, magnitude: Array, roundings: int) -> None:
        assert isinstance(value, np.ndarray)
        own = expected.shape
        assert value.shape[value.ndim - len(own) :] == own, (value.shape, own)
        assert self.agrees(value, expected, magnitude, roundings), (value, expected)


def _near(unit: Fraction) -> Callable[[Array, Array, Array, int], bool]:
    def agrees(value: Array, expected: Array, magnitude: Array, roundings: int) -> bool:
        factor = (1 + unit) ** roundings - 1
        pairs = zip(value.ravel().tolist(), expected.flat, magnitude.flat, strict=True)
        return all(abs(exact(v) - e) <= factor * m for v, e, m in pairs)

    return agrees


def _enclosed(value: Array, expected: Array, magnitude: Array, roundings: int) -> bool:
    return bool(contains(value.reshape(expected.shape), expected).all())


def _equal(value: Array, expected: Array, magnitude: Array, roundings: int) -> bool:
    return all(exact(v) == e for v, e in zip(value.flat, expected.flat, strict=True))


def _congruent(field: PrimeField) -> Callable[[Array, Array, Array, int], bool]:
    def agrees(value: Array, expected: Array, magnitude: Array, roundings: int) -> bool:
        residues = field.canonical(value).reshape((len(field.primes), *expected.shape))
        return all(
            residues[(k, *where)] == e.numerator * pow(e.denominator, -1, p) % p
            for k, p in enumerate(field.primes)
            for where, e in np.ndenumerate(expected)
        )

    return agrees


def _multiprecision(digits: int) -> Case:
    system = MultiPrecision(digits)
    return Case(system, 0, _near(Fraction(1, 2**system.context.prec)))


FIELD = PrimeField(random_primes(3, seed=1), seed=2)

CASES = (
    Case(Float64(), 0, _near(Fraction(1, 2**53))),
    Case(Ball(bits=24), 0, _enclosed),
    Case(Ball(bits=200), 0, _enclosed),
    _multiprecision(12),
    _multiprecision(60),
    Case(Rational(), 0, _equal),
    Case(FIELD, 1, _congruent(FIELD)),
)

RATIONALS = st.fractions(min_value=-9, max_value=9, max_denominator=12)
NONZERO = RATIONALS.filter(bool)


@st.composite
def arrays(draw, shape, entries=RATIONALS):
    """An object array of fractions."""
    out = np.empty(prod(shape), dtype=object)
    out[:] = draw(st.lists(entries, min_size=out.size, max_size=out.size))
    return out.reshape(shape)


STEPS: tuple[Callable[[Any, Any], Any], ...] = (
    lambda a, b: a + b,
    lambda a, b: a - b,
    lambda a, b: a * b,
    lambda a, b: a @ b,
    lambda a, b: -a,
    lambda a, b: a**2,
    lambda a, b: a**3,
    lambda a, b: a.T + Fraction(2, 3),
    lambda a, b: np.mean(a, axis=0) - b,
    lambda a, b: np.sum(a, axis=1, keepdims=True) * b,
    lambda a, b: np.concatenate([b[1:], a[:1]]),
    lambda a, b: np.einsum("ij,kj,i->ki", a, b, a[0]),
    lambda a, b: a[[1, 1]] * b[:, ::-1],
    lambda a, b: (a * b).sum() * b,
)


@st.composite
def polynomial_graphs(draw):
    """Polynomials in two 2 × 2 matrices."""
    index = st.integers(0, 20)
    program = draw(st.lists(st.tuples(st.sampled_from(STEPS), index, index), max_size=4))

    def run(parameters, inputs):
        values = [inputs["x"], parameters["w"]]
        for step, i, j in program:
            values.append(step(values[-1 - i % len(values)], values[-1 - j % len(values)]))
        return {"y": values[-1]}

    return trace(run, {"w": (2, 2)}, {"x": (2, 2)})


def roundings(graph: Graph) -> int:
    """The largest number of roundings on a path to an output, its inputs' conversions included."""
    depth: list[int] = []
    for node in graph.nodes:
        own = [depth[j] for j in node.operands]
        shapes = [graph.nodes[j].shape for j in node.operands]
        match node.primitive:
            case op.Parameter() | op.Input() | op.Constant():
                depth.append(1)
            case op.Add() | op.Subtract():
                depth.append(max(own) + 1)
            case op.Multiply():
                depth.append(sum(own) + 1)
            case op.Power(n):  # libm's pow is off by less than n units
                depth.append(n * own[0] + n)
            case op.Sum():
                depth.append(own[0] + prod(shapes[0]))
            case op.Einsum():
                depth.append(sum(own) + 1 + prod(shapes[0]))
            case op.Scatter(_, indices):
                depth.append(own[0] + len(indices))
            case _:
                depth.append(max(own))
    return max(depth[k] for k in graph.outputs.values())
