"""The error of testing identities at random points of random prime fields.

A graph whose outputs should all vanish is evaluated at uniform inputs, with function symbols read
as joint random functions, in t components over distinct primes drawn at random from a window of N
primes, all at least p. Let one output be a non-zero quotient of integer polynomials, as
:mod:`numerics.sizes` forms it, whose numerator has degree D and l1 norm H; it vanishes where the
quotient does. It can come out as zero in a component in two ways: the component's prime divides all
coefficients, of which at most ``log H / log p`` primes of the window do; or a non-zero polynomial
vanishes at a random point, with probability at most D/p (Schwartz 1980, Zippel 1979). Before that,
two arguments that differ formally may have collided in all components at once, and their function
values with them: that is the same event for the difference of two arguments, of degree δ, for each
of the P = C(m, 2) pairs that one symbol meets (P = m² for odd and even symbols, where sums count
too). Two arguments that do differ share the oracle's 128 bits of state with probability 2⁻¹²⁸, and
their function values with it. So, with G the l1 norm of a difference,

    error ≤ P · ((δ/p + log G / (N log p))ᵗ + 2⁻¹²⁸) + (D/p + log H / (N log p))ᵗ

(Gulwani and Necula 2005 interpret functions at random in this way). Values of functions favour no
residue by more than 2⁻⁶⁴, which is less than what is lost by writing the window's lower end for p.
True identities never fail. The bound is conditioned on no divisor having come out as zero, and no
prime dividing a denominator of the graph's numbers: points and primes are drawn again until then.

Where the graph divides, the identity is tested twice, with half of the error for each: at first 1/v
is read as the value at v of an arbitrary odd function (:mod:`numerics.reciprocals`), which proves
more, and keeps degrees low; only if that identity fails, division is that of the fields.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import floor, inf, log2
from typing import Literal

import numpy as np

from numerics.evaluate import Evaluator
from numerics.primes import HIGH, LOW, num_primes, random_primes
from numerics.reciprocals import divides, opaque
from numerics.sizes import Measured, Size, measure
from numerics.systems.prime import NoResidueError, PrimeField
from theory.errors import ValueSystemError
from theory.graph import Graph

MAX_COMPONENTS = 40
STATE_BITS = 128  # of the oracle: two arguments share a state with probability 2^-128
REDRAWS = 5  # points tried before a divisor counts as zero everywhere
FEW = 4  # components with which something false is seen to fail, whatever the error would be

Division = Literal["opaque", "exact", "none"]


@dataclass(frozen=True, slots=True)
class ErrorBound:
    """A bound 2^-bits on the chance of accepting a false identity, and what it is made of.

    Attributes:
        bits: minus log2 of the bound.
        components: t, the number of primes.
        degree: D, the largest degree of an output's numerator.
        arguments: m, the number of arguments of function symbols.
        argument_degree: δ, the largest degree of a difference of two arguments.
    """

    bits: float
    components: int
    degree: int
    arguments: int
    argument_degree: int


@dataclass(frozen=True, slots=True)
class Identity:
    """What a randomised identity test found.

    Attributes:
        verdict: ``holds``; ``fails``, which is certain for functions with
            the modelled algebra; ``undefined`` if at every point that was
            tried something is divided by zero.
        failing: names of the outputs that do not vanish.
        bound: the chance that ``holds`` is wrong.
        primes: the fields.
        division: how 1/v was read: ``opaque``, an arbitrary odd function of v, which proves more;
            ``exact``, in the fields; ``none`` if nothing is divided by what is not a constant.
    """

    verdict: Literal["holds", "fails", "undefined"]
    failing: tuple[str, ...]
    bound: ErrorBound
    primes: tuple[int, ...]
    division: Division = "none"


def vanishes(graph: Graph, *, bits: float, seed: int) -> Identity:
    """Whether all outputs of a graph vanish identically.

    Args:
        graph: whose outputs should all be 0.
        bits: the error is at most 2^-bits.
        seed: chooses primes, point and functions; fix it before the identity is known.

    Raises:
        ValueSystemError: if the error cannot be reached and nothing is seen to fail, or a number
            or a function has no value in the fields.

    >>> from theory.tracing import trace
    >>> square = trace(
    ...     lambda p, x: {"zero": (x["a"] + x["b"]) ** 2 - x["a"] ** 2 - 2 * x["a"] * x["b"]},
    ...     {},
    ...     {"a": (), "b": ()},
    ... )
    >>> vanishes(square, bits=60, seed=0).verdict
    'fails'
    """
    if not divides(graph):
        return _tested(graph, "none", bits, seed)
    found = _tested(opaque(graph), "opaque", bits + 1, seed)
    if found.verdict == "fails":
        found = _tested(graph, "exact", bits + 1, seed)
    # Either test might have accepted what is false.
    return replace(found, bound=replace(found.bound, bits=max(0.0, found.bound.bits - 1)))


def _tested(graph: Graph, division: Division, bits: float, seed: int) -> Identity:
    measured = measure(graph)
    try:
        bound = components_for(measured, bits)
    except ValueSystemError:
        found = _evaluated(graph, division, error_bound(measured, FEW), seed)
        if found.verdict == "fails":
            return found
        raise
    return _evaluated(graph, division, bound, seed)


def _evaluated(graph: Graph, division: Division, bound: ErrorBound, seed: int) -> Identity:
    without_residue: NoResidueError | None = None
    for attempt in range(REDRAWS):
        primes = random_primes(bound.components, seed + attempt)
        field = PrimeField(primes, seed + attempt)
        try:
            uniform = {k: field.random(s, k) for k, s in graph.input_shapes.items()}
            values = Evaluator(graph, field, lead=1)(uniform)
        except ZeroDivisionError:
            without_residue = None
            continue
        except NoResidueError as error:
            without_residue = error
            continue
        failing = tuple(name for name, value in values.items() if np.any(value))
        return Identity("fails" if failing else "holds", failing, bound, primes, division)
    if without_residue:
        raise without_residue
    return Identity("undefined", (), bound, primes, division)


def error_bound(measured: Measured, components: int) -> ErrorBound:
    """The error of a test with the given number of components over the default window of primes.

    Raises:
        ValueSystemError: if there is no component, or the window holds fewer primes.
    """
    available = num_primes(LOW, HIGH)
    if not 1 <= components <= available:
        raise ValueSystemError(f"components={components}: it needs 1 <= components <= {available}")
    vanishing = max((_log2_miss(s, components) for s in measured.outputs.values()), default=-inf)
    collisions = -inf
    arguments, argument_degree = 0, 0
    for symbol, (count, difference) in measured.differences.items():
        arguments += count
        argument_degree = max(argument_degree, difference.degree)
        pairs = count * count if symbol.value_parity else count * (count - 1) // 2
        if pairs:
            chance = _log2_sum(components * _log2_miss(difference, components), -STATE_BITS)
            collisions = _log2_sum(collisions, log2(pairs) + chance)
    error = _log2_sum(components * vanishing, collisions)
    has_poles = any(symbol.law.has_pole_at_zero for symbol in measured.differences)
    undefined = collisions if measured.divisors or has_poles else -inf
    excluded = floor(measured.denominators / log2(LOW) + 1e-9)
    if excluded:
        chance = log2(components * excluded / (available - components + 1))
        undefined = _log2_sum(undefined, chance)
    for entries, divisor in measured.divisors:
        chance = _log2_miss(divisor, components) + log2(max(1, entries * components))
        undefined = _log2_sum(undefined, chance)
    if undefined >= 0:
        return ErrorBound(0.0, components, _degree(measured), arguments, argument_degree)
    error -= log2(1 - 2.0**undefined)
    return ErrorBound(max(0.0, -error), components, _degree(measured), arguments, argument_degree)


def components_for(measured: Measured, bits: float) -> ErrorBound:
    """The smallest number of components whose error is at most 2^-bits.

    Raises:
        ValueSystemError: if no number of components up to 40 reaches it.
    """
    reached = []
    for components in range(1, MAX_COMPONENTS + 1):
        bound = error_bound(measured, components)
        if bound.bits >= bits:
            return bound
        reached.append(bound.bits)
    raise ValueSystemError(
        f"bits={bits:g}: up to {MAX_COMPONENTS} components reach 2^-{floor(max(reached))} at "
        f"degree {_degree(measured)}"
    )


def _degree(measured: Measured) -> int:
    return max((s.degree for s in measured.outputs.values()), default=0)


def miss_probability(size: Size, components: int) -> float:
    """The chance that a non-zero value of this size is 0 in all components at a random point.

    At most (D/p + log H / (N log p))ᵗ for t distinct primes of the default window; collisions of
    arguments of function symbols come on top.

    >>> round(LOW * miss_probability(Size(2), 1), 9)
    2.0
    """
    return float(2.0 ** (components * _log2_miss(size, components)))


def _log2_miss(size: Size, components: int) -> float:
    """log2 of the chance that a non-zero numerator comes out as zero in one component."""
    dividing = floor(size.norm / log2(LOW) + 1e-9)
    chance = size.degree / LOW + dividing / (num_primes(LOW, HIGH) - components + 1)
    return log2(chance) if 0 < chance < 1 else (-inf if chance <= 0 else 0.0)


def _log2_sum(a: float, b: float) -> float:
    high, low = max(a, b), min(a, b)
    return high if low == -inf else high + log2(1 + 2.0 ** (low - high))
