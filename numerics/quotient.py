"""The quotient theorem N11: one training step proved exactly.

For all parameters on IE∩OE (so on every leaf), all states, data, output adjoints and
hyperparameters, one step of the cloned network is, seen through the quotient map, one step of the
base network with block hyperparameters, and it ends where it may start. Hence all steps are.

Square roots and steps are function symbols, and one law of theirs is needed: √v = √(n² v) / n and
step(z) = step(n z) for n > 0. They are written so for the cloned network, with n = n_j: whatever
else these functions are does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numerics.generic import generic_factors, normal_factors, num_samples, pair, total
from numerics.identity import Identity, vanishes
from theory.activation import sqrt, step
from theory.backprop import gradient
from theory.exact_arrays import Array
from theory.graph import Builder, Graph
from theory.manifold.base import Manifold
from theory.primitives import Apply, Input, Shape
from theory.quotient import Quotient
from theory.quotient_rules import QuotientRule
from theory.rewrite import reassociate, replace_values, substitute
from theory.tracing import Traced, record, trace


def prove_quotient(
    quotient: Quotient,
    rule: QuotientRule,
    *,
    factors: Mapping[str, Mapping[str, Array]] | None = None,
    leaves: bool | None = None,
    bits: float = 60,
    seed: int = 0,
    batch: int | None = None,
) -> Identity:
    """Prove that a step of the clones is a step of the base with block hyperparameters.

    What fails is named: ``outputs``; a parameter, or ``W1, state 0``, whose quotient is not what
    the base network's step gives; ``W1, kept`` and ``W1, state 0, kept`` if a step leaves the set
    on which it started.

    Args:
        quotient: of the network.
        rule: how it is trained.
        factors: of the hyperparameters, by base parameter; the rule's own if left out.
        leaves: whether the parameters lie anywhere on IE∩OE instead of on BC; as the rule says if
            left out.
        bits: the error is at most 2^-bits.
        seed: chooses primes, point and functions.
        batch: number of samples, by default 1, or 2 where samples are coupled.

    Raises:
        ValueSystemError: if the error cannot be reached.

    >>> from theory.partition import make_partition
    >>> from theory.quotient import quotient
    >>> from theory.quotient_rules import ADAM
    >>> from theory.zoo import mlp
    >>> wide = mlp([1, 3, 1])
    >>> found = quotient(wide, make_partition(wide.sizes, {"h1": [[0, 2]]}))
    >>> prove_quotient(found, ADAM).verdict
    'holds'
    """
    if factors is None:
        factors = {p: rule.factors(quotient, p) for p in quotient.base.parameters}
    if batch is None:
        batch = num_samples(quotient.wide)
    on_leaves = rule.keeps_leaves if leaves is None else leaves
    graph = quotient_graph(quotient, rule, factors, batch, leaves=on_leaves)
    return vanishes(graph, bits=bits, seed=seed)


def quotient_graph(
    quotient: Quotient,
    rule: QuotientRule,
    factors: Mapping[str, Mapping[str, Array]],
    batch: int,
    *,
    leaves: bool,
) -> Graph:
    """The differences that must vanish, contracted with generic tensors."""
    builder = Builder()
    spaces = [quotient.equitable if leaves else quotient.constant]
    spaces += [quotient.equitable if rule.is_linear else quotient.constant] * len(rule.degrees)
    theta, *states = (_generic(builder, m, f"coordinates {k}") for k, m in enumerate(spaces))
    scalars = {name: record(builder, Input(name, ())) for name in rule.hyperparameters}

    wide = substitute(builder, gradient(quotient.wide.graph(batch)), theta)
    ends = {
        p: _step(
            builder,
            rule,
            [theta[p], *(s[p] for s in states), wide[f"grad:{p}"]],
            scalars,
            quotient.spread(p, quotient.targets[p]),
        )
        for p in quotient.wide.parameters
    }
    weights = quotient(theta)
    narrow = substitute(builder, gradient(quotient.base.graph(batch)), weights)
    signals = [quotient.signals(s, d) for s, d in zip(states, rule.degrees, strict=True)]
    expected = {
        p: _step(
            builder,
            rule,
            [weights[p], *(s[p] for s in signals), narrow[f"grad:{p}"]],
            scalars | {name: scalars[name] * f for name, f in factors[p].items()},
        )
        for p in quotient.base.parameters
    }

    differences = {"outputs": wide["y"] - narrow["y"]}
    images = [quotient({p: end[0] for p, end in ends.items()})]
    for k, degree in enumerate(rule.degrees):
        images.append(quotient.signals({p: end[1 + k] for p, end in ends.items()}, degree))
    for p in quotient.base.parameters:
        for k, image in enumerate(images):
            differences[_named(p, k)] = image[p] - expected[p][k]
    residuals = {
        name: pair(value, generic_factors(builder, f"generic:{name}", value.shape))
        for name, value in differences.items()
    }
    for k, space in enumerate(spaces):
        for test in space.normal_tests():
            normal = normal_factors(builder, test, f"normal {k}")
            moved = [pair(ends[p][k] - (theta, *states)[k][p], own) for p, own in normal.items()]
            parameters = " and ".join(_named(p, k) for p in normal)
            residuals[f"{parameters}, kept in {test.label}"] = total(builder, moved)
    return reassociate(builder.finish({name: value.number for name, value in residuals.items()}))


def _named(p: str, k: int) -> str:
    return f"{p}, state {k - 1}" if k else p


def _generic(builder: Builder, manifold: Manifold, name: str) -> dict[str, Traced]:
    """The point of a manifold with generic coordinates."""
    free = {n: record(builder, Input(f"{name}:{n}", s)) for n, s in manifold.free_shapes.items()}
    embedding = trace(lambda _, coordinates: manifold.embed(coordinates), {}, manifold.free_shapes)
    return substitute(builder, embedding, free)


def _step(
    builder: Builder,
    rule: QuotientRule,
    operands: list[Traced],
    hyperparameters: Mapping[str, Traced],
    units: Array | None = None,
) -> list[Traced]:
    """The new entries of one parameter and of its states; gradients are measured in 1/units."""
    shapes = {name: value.shape for name, value in hyperparameters.items()}
    graph = step_graph(rule, operands[0].shape, shapes)
    if units is not None:
        graph = replace_values(graph, lambda k, value: _rescaled(value, units))
    names = ["weights", *(f"state {k}" for k in range(len(rule.degrees))), "slope"]
    given = dict(zip(names, operands, strict=True))
    found = substitute(builder, graph, {**given, **hyperparameters})
    return [found[name] for name in names[:-1]]


def step_graph(rule: QuotientRule, shape: Shape, hyperparameters: Mapping[str, Shape]) -> Graph:
    """A rule as a graph of ``weights``, ``state k``, ``slope`` and the hyperparameters.

    >>> from theory.quotient_rules import SGD
    >>> step_graph(SGD, (2,), {"rate": (), "decay": (2,)}).outputs.keys()
    dict_keys(['weights'])
    """
    names = [f"state {k}" for k in range(len(rule.degrees))]

    def update(_: Any, given: Mapping[str, Traced]) -> dict[str, Any]:
        states = tuple(given[name] for name in names)
        weights, later = rule.update(given["weights"], states, given["slope"], given)
        return {"weights": weights, **dict(zip(names, later, strict=True))}

    entries = dict.fromkeys(["weights", *names, "slope"], shape)
    return trace(update, {}, {**entries, **hyperparameters})


def _rescaled(value: Traced, units: Array) -> Traced:
    """√v as √(n² v) / n and step(z) as step(n z)."""
    node = value.builder.nodes[value.number]
    if not isinstance(node.primitive, Apply):
        return value
    argument = Traced(value.builder, node.operands[0])
    match node.primitive.activation:
        case a if a == sqrt:
            return (argument * units**2).record(node.primitive) / units
        case a if a == step:
            return (argument * units).record(node.primitive)
        case _:
            return value
