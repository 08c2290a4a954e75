"""Degrees and coefficient sizes of everything a graph computes.

Read over independent variables (uniform inputs, and one fresh variable for each value of a function
symbol) every entry of a node is a quotient N/D of integer polynomials. A :class:`Size` bounds their
degrees and the logarithms of their l1 norms (the sum of absolute values of coefficients), which are
additive under products. The bounds feed the error of a randomised identity test
(:mod:`numerics.identity`).

Sizes are operands of the laws in :mod:`theory.activation`, so a symbol with a definition, or with a
centre, is measured by evaluating that very law.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm, log2, prod
from typing import Any

from theory.activation import Activation, apply
from theory.graph import Graph
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
    Constant,
    Divide,
    Einsum,
    Input,
    Multiply,
    Negative,
    Parameter,
    Power,
    Reshape,
    Scatter,
    Subtract,
    Sum,
    Take,
    Transpose,
)


def _add_norms(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high + log2(1 + 2.0 ** (low - high))


@dataclass(frozen=True, slots=True)
class Size:
    """Bounds for N/D: degrees, and log2 of the l1 norms.

    A denominator of degree 0 is one integer common to all entries of a node; one of positive degree
    may differ from entry to entry. Division is entry by entry: see :meth:`reciprocal`.

    >>> x = Size(1)
    >>> (x * x + 1).degree, (x / (x + x)).denominator_degree
    (2, 1)
    """

    degree: int
    norm: float = 0.0
    denominator_degree: int = 0
    denominator_norm: float = 0.0

    def __add__(self, other: Size | Fraction | int) -> Size:
        b = as_size(other)
        return Size(
            max(self.degree + b.denominator_degree, b.degree + self.denominator_degree),
            _add_norms(self.norm + b.denominator_norm, b.norm + self.denominator_norm),
            self.denominator_degree + b.denominator_degree,
            self.denominator_norm + b.denominator_norm,
        )

    def __mul__(self, other: Size | Fraction | int) -> Size:
        b = as_size(other)
        return Size(
            self.degree + b.degree,
            self.norm + b.norm,
            self.denominator_degree + b.denominator_degree,
            self.denominator_norm + b.denominator_norm,
        )

    def __truediv__(self, other: Size | Fraction | int) -> Size:
        return self * as_size(other).reciprocal(1)

    def __neg__(self) -> Size:
        return self

    __sub__ = __radd__ = __rsub__ = __add__
    __rmul__ = __mul__

    def __rtruediv__(self, other: Fraction | int) -> Size:
        return as_size(other) / self

    def reciprocal(self, entries: int) -> Size:
        """The size of 1/v for ``entries`` values of this size, over one integer where there is one.

        Numerators without variables may be different integers n_k: 1/n_k = Π_{j≠k} n_j / Π n_j.
        """
        common = entries if self.degree == 0 else 1
        return Size(
            self.denominator_degree,
            self.denominator_norm + (common - 1) * self.norm,
            self.degree,
            common * self.norm,
        )

    def total(self, terms: int) -> Size:
        """The size of a sum of ``terms`` entries of this size."""
        if terms <= 1:
            return self
        if self.denominator_degree == 0:
            return Size(self.degree, self.norm + log2(terms), 0, self.denominator_norm)
        others = terms - 1
        return Size(
            self.degree + others * self.denominator_degree,
            self.norm + others * self.denominator_norm + log2(terms),
            terms * self.denominator_degree,
            terms * self.denominator_norm,
        )


def as_size(value: Size | Fraction | int) -> Size:
    """The size of a number; a size itself."""
    if isinstance(value, Size):
        return value
    number = Fraction(value)
    return Size(0, _log2(abs(number.numerator)), 0, _log2(number.denominator))


def _log2(n: int) -> float:
    return log2(n) if n > 1 else 0.0


FRESH = Size(1)  # a variable of its own


@apply.register
def _apply_to_size(z: Size, activation: Activation) -> Size:
    """A definition or a centre is measured, the random part is a fresh variable."""
    law = activation.law
    if law.definition is not None:
        defined: Size = law.definition(z)
        return defined
    if law.centre is None:
        return FRESH
    centred: Size = as_size(law.centre(z)) + FRESH
    return centred


@dataclass(frozen=True)
class Measured:
    """What a graph computes, in sizes.

    Attributes:
        outputs: size of each output's entries.
        arguments: for each function symbol, whatever its order, the nodes at which it is evaluated,
            with the number of entries and the size of the argument.
        divisors: number of entries and size of everything that is divided by.
    """

    outputs: Mapping[str, Size]
    arguments: Mapping[Activation, Mapping[int, tuple[int, Size]]]
    divisors: tuple[tuple[int, Size], ...]


def measure(graph: Graph, given: Mapping[str, Size] | None = None) -> Measured:
    """Sizes of a graph's values; parameters and inputs are as given, or variables of their own.

    >>> from theory.tracing import trace
    >>> graph = trace(lambda p, x: {"y": (x["x"] @ p["W"]) ** 2}, {"W": (4, 2)}, {"x": (1, 4)})
    >>> measure(graph).outputs["y"]
    Size(degree=4, norm=4.0, denominator_degree=0, denominator_norm=0.0)
    """
    given = given or {}
    sizes: list[Size] = []
    arguments: dict[Activation, dict[int, tuple[int, Size]]] = {}
    divisors: list[tuple[int, Size]] = []
    for node in graph.nodes:
        operands = [sizes[j] for j in node.operands]
        shapes = [graph.nodes[j].shape for j in node.operands]
        match node.primitive:
            case Apply(activation):
                for symbol in _atoms(activation):
                    met = arguments.setdefault(symbol, {})
                    met[node.operands[0]] = (prod(shapes[0]), operands[0])
            case Divide():
                divisors.append((prod(shapes[1]), operands[1]))
            case _:
                pass
        if isinstance(node.primitive, Divide):
            sizes.append(operands[0] * _reciprocal(graph, node.operands[1], operands[1]))
        else:
            sizes.append(_measure_node(node.primitive, operands, shapes, given))
    outputs = {name: sizes[k] for name, k in graph.outputs.items()}
    return Measured(outputs, arguments, tuple(divisors))


def _measure_node(
    primitive: Any, operands: list[Size], shapes: list[tuple[int, ...]], given: Mapping[str, Size]
) -> Size:
    match primitive:
        case Parameter(name) | Input(name):
            return given.get(name, FRESH)
        case Constant(values):
            return _of_numbers(values)
        case Add() | Subtract():
            return operands[0] + operands[1]
        case Multiply():
            return operands[0] * operands[1]
        case Power(exponent):
            return prod([operands[0]] * (exponent - 1), start=operands[0])
        case Apply(activation):
            applied: Size = activation(operands[0])
            return applied
        case Einsum() as einsum:
            left, _, out = einsum.labels
            terms = prod(n for c, n in zip(left, shapes[0], strict=True) if c not in out)
            return (operands[0] * operands[1]).total(terms)
        case Sum(axes):
            return operands[0].total(prod(shapes[0][k] for k in axes))
        case Scatter(_, indices):
            return operands[0].total(max(Counter(indices).values(), default=0))
        case Concatenate():
            return _common(operands)
        case Negative() | Broadcast() | Reshape() | Transpose() | Take():
            return operands[0]
    raise TypeError(f"{primitive!r} has no size rule")


def _of_numbers(values: Iterable[Fraction]) -> Size:
    """Exact numbers over their least common denominator."""
    numbers = set(values)
    common = lcm(*(v.denominator for v in numbers))
    largest = max((abs(v.numerator) * (common // v.denominator) for v in numbers), default=0)
    return Size(0, _log2(largest), 0, _log2(common))


def _reciprocal(graph: Graph, k: int, size: Size) -> Size:
    """The size of 1/v for the value v of node k; its entries are those of what it is a view of."""
    node = graph.nodes[k]
    while isinstance(node.primitive, Broadcast | Reshape | Transpose | Take):
        node = graph.nodes[node.operands[0]]
    if isinstance(node.primitive, Constant):
        return _of_numbers(1 / v for v in node.primitive.values if v)
    return size.reciprocal(prod(node.shape))


def _common(operands: list[Size]) -> Size:
    """One bound for entries of different operands; integer denominators are made common."""
    integers = [s.denominator_norm for s in operands if s.denominator_degree == 0]
    shared = sum(n for n in integers if n)
    return Size(
        max(s.degree for s in operands),
        max(s.norm for s in operands) + shared,
        max(s.denominator_degree for s in operands),
        max([shared, *(s.denominator_norm for s in operands if s.denominator_degree)]),
    )


def _atoms(activation: Activation) -> list[Activation]:
    """The random functions, at order 0, that evaluating a symbol calls upon at its argument."""
    if activation.law.definition is None:
        return [replace(activation, order=0)]
    probe = _Probe([])
    activation.law.definition(probe)
    return probe.met


@dataclass(frozen=True)
class _Probe:
    """An operand that notes which symbols are applied to it."""

    met: list[Activation]

    def __mul__(self, other: Any) -> _Probe:
        return self

    __rmul__ = __add__ = __radd__ = __sub__ = __rsub__ = __mul__


@apply.register
def _apply_to_probe(z: _Probe, activation: Activation) -> _Probe:
    z.met.append(activation)
    return z
