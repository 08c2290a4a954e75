"""A vector field made polynomial: the values of its function symbols become unknowns.

Gradient flow θ' = f(θ) meets tanh, exp, a quotient. Let s = φ(z(θ)) be one of these values. Along a
solution s' = φ'(z) ż, and φ' is a polynomial in z, s and finitely many values of the same kind:
tanh' = 1 - s²; softplus' = σ, σ' = s(1 - s); a reciprocal w = 1/b has w' = -w² ḃ. So (θ, s) solves
a system whose right-hand side has sums and products only. Power series and their remainders then
need one rule, that of the product; the initial s are computed as they are.

Conversely the polynomial system, started at s(0) = φ(z(θ(0))), has one solution, and
(θ(t), φ(z(θ(t)))) is one as long as z stays where φ is analytic. It stays there as long as the
solution of the system is bounded: log, sqrt and 1/√ end at 0 only, and their derivatives bring
the reciprocal of z in as one of the s.

Source: the reduction is classical, e.g. D. C. Carothers, G. E. Parker, J. S. Sochacki and
P. G. Warne, Some properties of solutions to polynomial systems of differential equations,
Electronic Journal of Differential Equations 2005(40).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from theory.activation import Activation
from theory.backprop import push
from theory.errors import ValueSystemError
from theory.graph import Builder, Graph, Node
from theory.primitives import Apply, Divide, Input, Parameter, Power
from theory.tracing import Traced, record


class NotSmoothError(ValueSystemError):
    """A function symbol without a power series: one with a kink, or an unknown one."""


@dataclass(frozen=True)
class PolynomialSystem:
    """The system X' = G(X) for X = (θ, s).

    Attributes:
        initial: outputs ``s:0``, ``s:1``, …, the values s of θ and the data.
        rates: outputs ``rate:X`` for every unknown X. The parameters θ are its parameters, the s
            and the data its inputs; what depends on unknowns is sums and products.
        unknowns: names of θ, then of the s.
    """

    initial: Graph
    rates: Graph
    unknowns: tuple[str, ...]


def polynomial_system(graph: Graph) -> PolynomialSystem:
    """The polynomial system of a vector field with outputs ``rate:p``.

    Raises:
        NotSmoothError: if a symbol is kinked or unknown.

    >>> from theory.tracing import trace
    >>> import numpy as np
    >>> graph = trace(lambda p, x: {"rate:w": np.tanh(p["w"])}, {"w": ()}, {})
    >>> polynomial_system(graph).rates.outputs
    {'rate:w': 0, 'rate:s:0': 4}
    """
    source = Builder()
    numbers = source.extend(graph)
    derivatives = _derivatives(source)
    states = {k: f"s:{n}" for n, k in enumerate(derivatives)}
    values = _without_symbols(source, states)
    rates = {name.removeprefix("rate:"): values[numbers[k]] for name, k in graph.outputs.items()}
    tangents = _tangents(source, values, derivatives, rates)
    rates |= {name: tangents[values[k].number] for k, name in states.items()}
    target = next(iter(rates.values())).builder
    return PolynomialSystem(
        initial=source.finish({name: k for k, name in states.items()}),
        rates=target.finish({f"rate:{name}": value.number for name, value in rates.items()}),
        unknowns=tuple(rates),
    )


def _derivatives(source: Builder) -> dict[int, int]:
    """The values that become unknowns, and for each the node of dφ/dz."""
    live: set[int] = set()
    found: dict[int, int] = {}
    k = 0
    while k < len(source.nodes):  # a derivative appends nodes, which are visited in their turn
        node = source.nodes[k]
        value = Traced(source, k)
        if isinstance(node.primitive, Parameter) or live & set(node.operands):
            live.add(k)
            if isinstance(node.primitive, Apply):
                z = Traced(source, node.operands[0])
                found[k] = z.lift(_slope(node.primitive.activation, z, value)).number
            elif isinstance(node.primitive, Divide):
                w = _reciprocal(source, node)
                if w.number == k and node.operands[1] in live:
                    found[k] = (-(w * w)).number
        k += 1
    return found


def _slope(activation: Activation, z: Traced, value: Traced) -> Traced:
    if not activation.is_known:
        raise NotSmoothError(f"{activation!r} is an unknown function: it has no power series")
    if activation.law.jumps_at_zero:
        raise NotSmoothError(f"{activation!r} jumps: the vector field has no power series")
    slope: Traced = activation.law.derivative(z, value)
    return slope


def _reciprocal(source: Builder, quotient: Node) -> Traced:
    one = Traced(source, quotient.operands[1]).lift(1).broadcast_to(quotient.shape)
    divisor = Traced(source, quotient.operands[1])
    return record(source, Divide(), one, divisor)


def _without_symbols(source: Builder, states: Mapping[int, str]) -> dict[int, Traced]:
    """Every node of the source in a graph where symbols and quotients of unknowns are inputs."""
    target = Builder()
    values = {k: record(target, Input(name, source.nodes[k].shape)) for k, name in states.items()}
    live = set(states)
    for k in range(len(source.nodes)):
        node = source.nodes[k]
        if isinstance(node.primitive, Parameter) or live & set(node.operands):
            live.add(k)
        if k in states:
            continue
        if k in live and isinstance(node.primitive, Divide):
            w = values.get(_reciprocal(source, node).number)
            if w is None:  # the divisor is constant
                one = values[node.operands[1]].lift(1).broadcast_to(node.shape)
                w = one / values[node.operands[1]]
            values[k] = values[node.operands[0]] * w
        elif k in live and isinstance(node.primitive, Power):
            values[k] = _power(values[node.operands[0]], node.primitive.exponent)
        else:
            values[k] = record(target, node.primitive, *(values[j] for j in node.operands))
    return values


def _power(a: Traced, exponent: int) -> Traced:
    half = _power(a, exponent // 2) if exponent > 1 else None
    if half is None:
        return a
    return half * half * a if exponent % 2 else half * half


def _tangents(
    source: Builder,
    values: Mapping[int, Traced],
    derivatives: Mapping[int, int],
    rates: Mapping[str, Traced],
) -> dict[int, Traced]:
    """Derivatives along the flow of the states and of what they need, by node of the target.

    The states are the leaves of their graph, so ż of one may need ṡ of another: the nodes are
    visited in the order of that dependence, which is acyclic as it is in the source.
    """
    target = next(iter(rates.values())).builder
    argument = {values[k].number: _argument(source, values, k) for k in derivatives}
    slope = {values[k].number: values[n] for k, n in derivatives.items()}
    tangents: dict[int, Traced] = {}
    waiting = list(argument)
    visited: set[int] = set()
    while waiting:
        k = waiting[-1]
        node = target.nodes[k]
        needs = (argument[k],) if k in argument else node.operands
        if k not in visited:
            visited.add(k)
            waiting.extend(j for j in needs if j not in visited)
            continue
        waiting.pop()
        moving = [tangents.get(j) for j in needs]
        if k in tangents:
            continue
        if isinstance(node.primitive, Parameter):
            tangents[k] = rates[node.primitive.name]
        elif k in argument:
            tangents[k] = slope[k] * tangents[argument[k]]
        elif any(t is not None for t in moving):
            operands = [Traced(target, j) for j in node.operands]
            tangents[k] = push(node, operands, Traced(target, k), moving)
    return tangents


def _argument(source: Builder, values: Mapping[int, Traced], k: int) -> int:
    """The node in the target of the z of a state φ(z), or of the divisor of a reciprocal."""
    return values[source.nodes[k].operands[-1]].number
