"""The quotient theorem N11: one training step proved exactly.

For all parameters on IE∩OE (so on every leaf), all states, data, output adjoints and
hyperparameters, one step of the cloned network is, seen through the quotient map, one step of the
base network with block hyperparameters, and it ends where it may start. Hence all steps are.

Of function symbols in the rules one law is needed, that for n > 0 they are homogeneous:
√(n² v) = n √v, |n z| = n |z|, and sign(n z) = sign z. They are written so for the cloned network,
with n from the theory; whatever else these functions are does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping

from numerics.generic import generic_factors, normal_factors, num_samples, pair, total
from numerics.identity import Identity, vanishes
from theory.activation import relu, sqrt, step
from theory.backprop import gradient
from theory.exact_arrays import Array
from theory.graph import Builder, Graph
from theory.manifold.base import Manifold
from theory.optimizer.base import Optimizer
from theory.optimizer.step import scalar_inputs
from theory.primitives import Apply, Input
from theory.quotient import Quotient
from theory.quotient_laws import (
    Factors,
    QuotientLaw,
    base_state,
    block_powers,
    factor_state,
    with_factors,
)
from theory.rewrite import reassociate, replace_values, substitute
from theory.tracing import Traced, as_traced, record, trace

DEGREES = {sqrt: (2, 1), relu: (1, 1), step: (1, 0)}
"""f(nᵃ z) = nᵇ f(z) for n > 0: the exponents (a, b)."""


def prove_quotient(
    quotient: Quotient,
    law: QuotientLaw,
    *,
    factors: Factors | None = None,
    bits: float = 60,
    seed: int = 0,
    batch: int | None = None,
) -> Identity:
    """Prove that a step of the clones is a step of the base with block hyperparameters.

    What fails is named: ``outputs``; a parameter ``W1`` or an array ``m:W1`` of the state, whose
    quotient is not what the base network's step gives; ``W1 kept`` and ``m:W1 kept`` if a step
    leaves the set on which it started.

    Args:
        quotient: of the network.
        law: how it is trained, and what the base network's hyperparameters are.
        factors: of the hyperparameters that ``law`` changes, in place of its own.
        bits: the error is at most 2^-bits.
        seed: chooses primes, point and functions.
        batch: number of samples, by default 1, or 2 where samples are coupled.

    Raises:
        ValueSystemError: if the error cannot be reached.

    >>> from theory.optimizer import adam
    >>> from theory.partition import make_partition
    >>> from theory.quotient import quotient
    >>> from theory.quotient_laws import law_of
    >>> from theory.zoo import mlp
    >>> wide = mlp([1, 3, 1])
    >>> found = quotient(wide, make_partition(wide.sizes, {"h1": [[0, 2]]}))
    >>> prove_quotient(found, law_of(adam())).verdict
    'holds'
    """
    if batch is None:
        batch = num_samples(quotient.wide)
    graph = quotient_graph(
        quotient, law, law.factors(quotient) if factors is None else factors, batch
    )
    return vanishes(graph, bits=bits, seed=seed)


def quotient_graph(quotient: Quotient, law: QuotientLaw, factors: Factors, batch: int) -> Graph:
    """The differences that must vanish, contracted with generic tensors."""
    builder = Builder()
    wide, base = quotient.wide, quotient.base
    slots = [slot.name for slot in law.optimizer.slots(0)]
    space = quotient.equitable if law.keeps_leaves else quotient.constant
    state_space = quotient.equitable if law.is_linear else quotient.constant
    theta = _generic(builder, space, "point")
    state = {
        f"{slot}:{p}": value
        for slot in slots
        for p, value in _generic(builder, state_space, slot).items()
    }
    scalars = scalar_inputs(builder, law.optimizer)
    units = {p: quotient.spread(p, block_powers(quotient, p, law.argument)) for p in theta}
    signals = substitute(builder, gradient(wide.graph(batch)), theta)
    after = _step(builder, law.optimizer, theta, state, signals, scalars, units)

    names = tuple(law.exponents)
    weights = quotient(theta)
    constants = {name: as_traced(builder, v) for name, v in factor_state(factors).items()}
    known = base_state(quotient, law.optimizer, state) | constants
    narrow = substitute(builder, gradient(base.graph(batch)), weights)
    optimizer = with_factors(law.optimizer, names)
    expected = _step(builder, optimizer, weights, known, narrow, scalars)

    images = quotient(after) | base_state(quotient, law.optimizer, after)
    differences = {name: image - expected[name] for name, image in images.items()}
    differences["outputs"] = signals["y"] - narrow["y"]
    residuals = {
        name: pair(value, generic_factors(builder, f"generic:{name}", value.shape))
        for name, value in differences.items()
    }
    start = theta | state
    for prefix, manifold in (("", space), *((f"{slot}:", state_space) for slot in slots)):
        for test in manifold.normal_tests():
            normal = normal_factors(builder, test, f"normal {prefix}")
            moved = [pair(after[prefix + p] - start[prefix + p], own) for p, own in normal.items()]
            residuals[f"{prefix}{test.label} kept"] = total(builder, moved)
    return reassociate(builder.finish({name: value.number for name, value in residuals.items()}))


def _generic(builder: Builder, manifold: Manifold, name: str) -> dict[str, Traced]:
    """The point of a manifold with generic coordinates."""
    free = {n: record(builder, Input(f"{name}:{n}", s)) for n, s in manifold.free_shapes.items()}
    embedding = trace(lambda _, coordinates: manifold.embed(coordinates), {}, manifold.free_shapes)
    return substitute(builder, embedding, free)


def _step(
    builder: Builder,
    optimizer: Optimizer,
    theta: Mapping[str, Traced],
    state: Mapping[str, Traced],
    signals: Mapping[str, Traced],
    scalars: Mapping[str, Traced],
    units: Mapping[str, Array] | None = None,
) -> dict[str, Traced]:
    """θ and the state after one step; arguments of functions are multiplied by ``units``."""
    after: dict[str, Traced] = {}
    for p, w in theta.items():
        slots = [slot.name for slot in optimizer.slots(w.ndim)]
        given = {"w": w, "g": signals[f"grad:{p}"]}
        given |= {f"state {name}": state[f"{name}:{p}"] for name in slots}
        given |= {f"scalar {name}": value for name, value in scalars.items()}
        graph = _rule_graph(optimizer, slots, list(scalars), given)
        if units is not None:
            graph = _rescaled(graph, units[p])
        found = substitute(builder, graph, given)
        after[p] = found["w"]
        after |= {f"{name}:{p}": found[f"state {name}"] for name in slots}
    return after


def _rule_graph(
    optimizer: Optimizer, slots: list[str], scalars: list[str], given: Mapping[str, Traced]
) -> Graph:
    def update(_: object, x: Mapping[str, Traced]) -> dict[str, Traced]:
        own = {name: x[f"state {name}"] for name in slots}
        h = {name: x[f"scalar {name}"] for name in scalars}
        w, later = optimizer.rule(x["w"], x["g"], own, h)
        return {"w": w, **{f"state {name}": later[name] for name in slots}}

    return trace(update, {}, {name: value.shape for name, value in given.items()})


def _rescaled(graph: Graph, units: Array) -> Graph:
    """Every f(z) as f(nᵃ z) / nᵇ."""

    def change(_: int, value: Traced) -> Traced:
        node = value.builder.nodes[value.number]
        if not isinstance(node.primitive, Apply) or node.primitive.activation not in DEGREES:
            return value
        a, b = DEGREES[node.primitive.activation]
        argument = Traced(value.builder, node.operands[0])
        return (argument * units**a).record(node.primitive) / units**b

    return replace_values(graph, change)
