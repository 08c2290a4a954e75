"""Degrees and coefficient sizes of everything a graph computes.

Read over independent variables (uniform inputs, and one fresh variable for each value of a function
symbol) the entries of a node are quotients N/D of integer polynomials with one denominator D for
all of them,

    D = Π_k Q_k^{e_k},    Q_k = Π_e N_e over the entries e of the k-th divisor that are not 0,

where N_e is the numerator of a divisor's entry, taken before broadcasting and other views; the
denominators of exact numbers are factors Q of degree 0. A :class:`Size` bounds the degree and the
logarithm of the l1 norm (the sum of absolute values of coefficients) of N, and keeps the e_k. Both
bounds are additive under products, where exponents add. A sum takes the larger exponents and
raises each numerator by the factors that it lacks, so denominators that terms share are paid for
once, and n entries of one node are summed at the price of log₂ n. Dividing by entry e of the k-th
divisor v = N/D_v multiplies the numerator by D_v · Π_{j≠e} N_j and the denominator by Q_k.

The bounds feed the error of a randomised identity test (:mod:`numerics.identity`). Sizes are
operands of the laws in :mod:`theory.activation`, so a symbol with a definition, or with a centre,
is measured by evaluating that very law.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
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

VIEWS = (Broadcast, Reshape, Transpose, Take)  # every entry is one of the operand's


def _add_norms(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high + log2(1 + 2.0 ** (low - high))


@dataclass(frozen=True, slots=True)
class Divisor:
    """Bounds for a factor Q of denominators.

    Attributes:
        degree: of Q.
        norm: log2 of the l1 norm.
        label: tells factors apart that have the same bounds.
    """

    degree: int
    norm: float
    label: object = field(repr=False)


Exponents = Mapping[Divisor, int]


@dataclass(frozen=True, slots=True)
class Size:
    """Bounds for the entries N/D of one node.

    Attributes:
        degree: of every numerator.
        norm: log2 of the l1 norm of every numerator.
        exponents: of the factors of D, each at least 1.

    >>> x = Size(1)
    >>> (x * x + 1).degree, (x / 6 + x / 4).norm, (x / 6 + x / 4).denominator_norm == log2(12)
    (2, 2.321928094887362, True)
    """

    degree: int
    norm: float = 0.0
    exponents: Exponents = field(default_factory=dict)

    @property
    def denominator_degree(self) -> int:
        """Bound of the degree of D."""
        return sum(e * q.degree for q, e in self.exponents.items())

    @property
    def denominator_norm(self) -> float:
        """Bound of log2 of the l1 norm of D."""
        return sum((e * q.norm for q, e in self.exponents.items()), 0.0)

    def over(self, exponents: Exponents) -> Size:
        """The same entries over a denominator that D divides."""
        degree, norm = self.degree, self.norm
        for q, e in exponents.items():
            if lacking := e - self.exponents.get(q, 0):
                degree += lacking * q.degree
                norm += lacking * q.norm
        return Size(degree, norm, exponents)

    def __add__(self, other: Size | Fraction | int) -> Size:
        b = as_size(other)
        a, b = over_common_denominator([self, b])
        return Size(max(a.degree, b.degree), _add_norms(a.norm, b.norm), a.exponents)

    def __mul__(self, other: Size | Fraction | int) -> Size:
        b = as_size(other)
        exponents = dict(self.exponents)
        for q, e in b.exponents.items():
            exponents[q] = exponents.get(q, 0) + e
        return Size(self.degree + b.degree, self.norm + b.norm, exponents)

    def __truediv__(self, other: Fraction | int) -> Size:
        return self * (1 / Fraction(other))

    def __neg__(self) -> Size:
        return self

    __sub__ = __radd__ = __rsub__ = __add__
    __rmul__ = __mul__

    def divided(self, divisor: Size, entries: int, product: Divisor) -> Size:
        """The size of a/v, entry by entry, for any of ``entries`` values v.

        ``product`` is of the values' numerators. Factors that D and the divisor's denominator share
        are cancelled.
        """
        raised = {q: e - self.exponents.get(q, 0) for q, e in divisor.exponents.items()}
        left = {q: e - divisor.exponents.get(q, 0) for q, e in self.exponents.items()}
        exponents = {q: e for q, e in left.items() if e > 0}
        if product.degree or product.norm:
            exponents[product] = exponents.get(product, 0) + 1
        return Size(
            self.degree
            + (entries - 1) * divisor.degree
            + sum(e * q.degree for q, e in raised.items() if e > 0),
            self.norm
            + (entries - 1) * divisor.norm
            + sum(e * q.norm for q, e in raised.items() if e > 0),
            exponents,
        )

    def total(self, terms: int) -> Size:
        """The size of a sum of ``terms`` entries of this size."""
        return self if terms <= 1 else replace(self, norm=self.norm + log2(terms))


def over_common_denominator(sizes: Sequence[Size]) -> list[Size]:
    """Entries of different nodes over the least D that the factors' exponents show."""
    first = sizes[0].exponents
    if all(s.exponents == first for s in sizes[1:]):
        return list(sizes)
    exponents = dict(first)
    for s in sizes[1:]:
        for q, e in s.exponents.items():
            exponents[q] = max(e, exponents.get(q, 0))
    return [s.over(exponents) for s in sizes]


def largest(sizes: Sequence[Size]) -> Size:
    """One bound for entries of different nodes, over a common denominator."""
    common = over_common_denominator(sizes)
    return Size(max(s.degree for s in common), max(s.norm for s in common), common[0].exponents)


def as_size(value: Size | Fraction | int) -> Size:
    """The size of a number; a size itself."""
    return value if isinstance(value, Size) else _of_numbers([Fraction(value)])


def _integer(n: int) -> dict[Divisor, int]:
    """A positive integer as factors 2 and odd."""
    twos = (n & -n).bit_length() - 1
    factors = {Divisor(0, 1.0, 2): twos, Divisor(0, _log2(n >> twos), n >> twos): 1}
    return {q: e for q, e in factors.items() if e and q.norm}


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
        divisors: number of entries and size of everything that is divided by, each value once.
        denominators: log2 of an integer that all odd factors of denominators of numbers divide.
    """

    outputs: Mapping[str, Size]
    arguments: Mapping[Activation, Mapping[int, tuple[int, Size]]]
    divisors: tuple[tuple[int, Size], ...]
    denominators: float = 0.0

    @cached_property
    def differences(self) -> Mapping[Activation, tuple[int, Size]]:
        """For each function symbol, how many arguments it meets and the size of a difference."""
        found = {}
        for symbol, met in self.arguments.items():
            widest = largest([size for _, size in met.values()])
            found[symbol] = (sum(entries for entries, _ in met.values()), widest + widest)
        return found


def measure(graph: Graph, given: Mapping[str, Size] | None = None) -> Measured:
    """Sizes of a graph's values; parameters and inputs are as given, or variables of their own.

    >>> from theory.tracing import trace
    >>> graph = trace(lambda p, x: {"y": (x["x"] @ p["W"]) ** 2}, {"W": (4, 2)}, {"x": (1, 4)})
    >>> measure(graph).outputs["y"]
    Size(degree=4, norm=4.0, exponents={})
    """
    given = given or {}
    sizes: list[Size] = []
    arguments: dict[Activation, dict[int, tuple[int, Size]]] = {}
    divisors: dict[int, tuple[int, Size]] = {}
    products: dict[int, Divisor] = {}
    here = object()  # labels of other graphs' divisors differ
    for node in graph.nodes:
        operands = [sizes[j] for j in node.operands]
        shapes = [graph.nodes[j].shape for j in node.operands]
        match node.primitive:
            case Apply(activation):
                for symbol in _atoms(activation):
                    met = arguments.setdefault(symbol, {})
                    met[node.operands[0]] = (prod(shapes[0]), operands[0])
                sizes.append(activation(operands[0]))
            case Divide():
                a, v = operands
                k = _viewed(graph, node.operands[1])
                source = graph.nodes[k]
                entries = prod(source.shape)
                divisors[k] = (entries, v)
                if isinstance(source.primitive, Constant):
                    sizes.append(a * _of_numbers(1 / n for n in source.primitive.values if n))
                else:
                    product = Divisor(entries * v.degree, entries * v.norm, (here, k))
                    sizes.append(a.divided(v, entries, products.setdefault(k, product)))
            case _:
                sizes.append(_measure_node(node.primitive, operands, shapes, given))
    outputs = {name: sizes[k] for name, k in graph.outputs.items()}
    return Measured(outputs, arguments, tuple(divisors.values()), _denominators(graph))


def _denominators(graph: Graph) -> float:
    numbers: set[tuple[Fraction, ...]] = set()
    for node in graph.nodes:
        match node.primitive:
            case Constant(values):
                numbers.add(values)
            case Apply(Activation(slope=Fraction() as slope)):
                numbers.add((slope,))
    odd = {q for values in numbers for q in _of_numbers(values).exponents if q.label != 2}
    return sum((q.norm for q in odd), 0.0)


def _viewed(graph: Graph, k: int) -> int:
    """The node whose entries those of node k are."""
    while isinstance(graph.nodes[k].primitive, VIEWS):
        k = graph.nodes[k].operands[0]
    return k


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
            a = operands[0]
            return Size(
                exponent * a.degree,
                exponent * a.norm,
                {q: exponent * e for q, e in a.exponents.items()},
            )
        case Einsum() as einsum:
            left, _, out = einsum.labels
            terms = prod(n for c, n in zip(left, shapes[0], strict=True) if c not in out)
            return (operands[0] * operands[1]).total(terms)
        case Sum(axes):
            return operands[0].total(prod(shapes[0][k] for k in axes))
        case Scatter(_, indices):
            return operands[0].total(max(Counter(indices).values(), default=0))
        case Concatenate():
            return largest(operands)
        case Negative() | Broadcast() | Reshape() | Transpose() | Take():
            return operands[0]
    raise TypeError(f"{primitive!r} has no size rule")


def _of_numbers(values: Iterable[Fraction]) -> Size:
    """Exact numbers over their least common denominator."""
    numbers = set(values)
    common = lcm(*(v.denominator for v in numbers))
    highest = max((abs(v.numerator) * (common // v.denominator) for v in numbers), default=0)
    return Size(0, _log2(highest), _integer(common))


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
