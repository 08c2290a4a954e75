"""Reverse and forward mode, graph to graph.

Both walk the nodes of a graph with one rule per primitive: reverse mode carries adjoints from the
outputs back (the paper's δ recursion), forward mode carries tangents from the inputs on. The rules
are written as array code on traced arrays, so derivatives compose: differentiating a derivative is
the same call again. The two modes share nothing but the chains of the function symbols, which is
why ⟨adjoint, J v⟩ = ⟨Jᵀ adjoint, v⟩ is a real test of either.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from theory.activation import Activation
from theory.errors import GraphError
from theory.graph import Builder, Graph, Node
from theory.lowering import contract, scatter
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
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
from theory.tracing import Traced, record

ADJOINT = "adjoint"  # prefix of the inputs that hold ∂ℓ/∂(output)
GRADIENT = "grad"  # prefix of the outputs that hold ∂ℓ/∂(parameter)
TANGENT = "tangent"  # prefix of the inputs that hold a direction, and of the outputs J v


def gradient(
    graph: Graph, wrt: Iterable[str] | None = None, outputs: Iterable[str] = ("y",)
) -> Graph:
    """The graph of ``grad:p`` = Σ Jᵀ adjoint for every named ``p``, by reverse mode.

    The result takes one more input ``adjoint:y``, of the shape of ``y``, for each differentiated
    output, and keeps every output of ``graph``. What does not depend on ``p`` has gradient 0.

    Args:
        graph: what is differentiated.
        wrt: names of parameters or inputs; all parameters by default.
        outputs: the outputs that have an adjoint.

    Raises:
        GraphError: if a name is unknown, or ``graph`` has an output ``grad:p`` already
            (second derivatives are ``pushforward(gradient(graph))``).

    >>> from theory.tracing import trace
    >>> graph = trace(lambda p, x: {"y": x["x"] @ p["w"]}, {"w": (3,)}, {"x": (5, 3)})
    >>> gradient(graph)
    Graph of 5 nodes: (x (5, 3), w (3,), adjoint:y (5,)) -> (y (5,), grad:w (3,))
    """
    builder = Builder()
    values = [Traced(builder, k) for k in builder.extend(graph)]
    sources = _sources(graph, graph.parameter_shapes if wrt is None else wrt)
    live = _descendants(graph, sources.values())
    adjoints: dict[int, Traced] = {}
    for name in dict.fromkeys(outputs):
        if name not in graph.outputs:
            raise GraphError(f"output {name!r}: the graph has {sorted(graph.outputs)}")
        k = graph.outputs[name]
        seed = record(builder, Input(f"{ADJOINT}:{name}", graph.nodes[k].shape))
        _accumulate(adjoints, k, seed)
    for k in range(len(graph.nodes) - 1, -1, -1):
        if k not in adjoints or k not in live:
            continue
        node = graph.nodes[k]
        operands = [values[j] for j in node.operands]
        wanted = [j in live for j in node.operands]
        builder.scope = node.scope
        pulled = pull(node, operands, values[k], adjoints[k], wanted)
        for j, contribution in zip(node.operands, pulled, strict=True):
            if contribution is not None:
                _accumulate(adjoints, j, contribution)
    builder.scope = ""
    found = {name: values[k].number for name, k in graph.outputs.items()}
    for name, k in sources.items():
        if f"{GRADIENT}:{name}" in found:
            raise GraphError(
                f"{GRADIENT}:{name} is an output already: differentiate it by pushforward"
            )
        found[f"{GRADIENT}:{name}"] = _or_zero(adjoints.get(k), values[k]).number
    return builder.finish(found)


def pushforward(graph: Graph, wrt: Iterable[str] | None = None) -> Graph:
    """The graph of ``tangent:y`` = J v for every output ``y``, by forward mode.

    The result takes one more input ``tangent:p``, of the shape of ``p``, for every named ``p``,
    and keeps every output of ``graph``. Applied to its own result it differentiates once more
    along the same direction: ``tangent:tangent:y`` = D²y[v, v].

    Raises:
        GraphError: if a name is unknown.

    >>> from theory.tracing import trace
    >>> graph = trace(lambda p, x: {"y": x["x"] @ p["w"]}, {"w": (3,)}, {"x": (5, 3)})
    >>> pushforward(graph).outputs
    {'y': 2, 'tangent:y': 4}
    """
    builder = Builder()
    values = [Traced(builder, k) for k in builder.extend(graph)]
    sources = _sources(graph, graph.parameter_shapes if wrt is None else wrt)
    tangents: dict[int, Traced] = {
        k: record(builder, Input(f"{TANGENT}:{name}", graph.nodes[k].shape))
        for name, k in sources.items()
    }
    for k, node in enumerate(graph.nodes):
        moving = [tangents.get(j) for j in node.operands]
        if any(t is not None for t in moving):
            operands = [values[j] for j in node.operands]
            tangents[k] = push(node, operands, values[k], moving)
    found = {name: values[k].number for name, k in graph.outputs.items()}
    for name, k in graph.outputs.items():
        found[f"{TANGENT}:{name}"] = _or_zero(tangents.get(k), values[k]).number
    return builder.finish(found)


def _accumulate(adjoints: dict[int, Traced], k: int, contribution: Traced) -> None:
    adjoints[k] = adjoints[k] + contribution if k in adjoints else contribution


def _sources(graph: Graph, names: Iterable[str]) -> dict[str, int]:
    numbers = {
        node.primitive.name: k
        for k, node in enumerate(graph.nodes)
        if isinstance(node.primitive, Parameter | Input)
    }
    for name in names:
        if name not in numbers:
            raise GraphError(f"{name!r} is no parameter or input; there are {sorted(numbers)}")
    return {name: numbers[name] for name in names}


def _descendants(graph: Graph, roots: Iterable[int]) -> set[int]:
    live = set(roots)
    for k, node in enumerate(graph.nodes):
        if any(j in live for j in node.operands):
            live.add(k)
    return live


def _slope(activation: Activation, z: Traced, value: Traced) -> Traced:
    slope: Traced = activation.law.derivative(z, value)
    return slope


def pull(
    node: Node,
    operands: list[Traced],
    value: Traced,
    adjoint: Traced,
    wanted: list[bool],
) -> list[Traced | None]:
    """Adjoints of the operands of one node that are wanted, given the adjoint of its value.

    Raises:
        GraphError: if the primitive has no rule.
    """
    return [
        _pull_one(node, operands, value, adjoint, k) if want else None
        for k, want in enumerate(wanted)
    ]


def _pull_one(node: Node, operands: list[Traced], value: Traced, adjoint: Traced, k: int) -> Traced:
    match node.primitive:
        case Add():
            return adjoint
        case Subtract():
            return adjoint if k == 0 else -adjoint
        case Multiply():
            return adjoint * operands[1 - k]
        case Divide():
            return adjoint / operands[1] if k == 0 else -(adjoint * value) / operands[1]
        case Negative():
            return -adjoint
        case Power(n):
            return adjoint * (n * operands[0] ** (n - 1))
        case Apply(activation):
            return adjoint * _slope(activation, operands[0], value)
        case Einsum() as einsum:
            labels, other, out = _seen_from(einsum, k)
            return contract([adjoint, operands[1 - k]], [out, other], labels)
        case Sum(axes):
            kept = tuple(1 if a in axes else n for a, n in enumerate(operands[0].shape))
            return adjoint.reshape(kept).broadcast_to(operands[0].shape)
        case Broadcast():
            return _sum_to(adjoint, operands[0].shape)
        case Reshape():
            return adjoint.reshape(operands[0].shape)
        case Transpose(permutation):
            return adjoint.transpose([permutation.index(a) for a in range(len(permutation))])
        case Take(axis, indices):
            return scatter(adjoint, axis, indices, operands[0].shape[axis])
        case Scatter(axis, indices, _):
            return adjoint.record(Take(axis, indices))
        case Concatenate(axis):
            start = sum(a.shape[axis] for a in operands[:k])
            own = tuple(range(start, start + operands[k].shape[axis]))
            return adjoint.record(Take(axis, own))
    raise GraphError(f"{node.primitive!r} has no reverse rule")


def _seen_from(einsum: Einsum, k: int) -> tuple[str, str, str]:
    left, right, out = einsum.labels
    return (left, right, out) if k == 0 else (right, left, out)


def _sum_to(a: Traced, shape: tuple[int, ...]) -> Traced:
    added = a.ndim - len(shape)
    stretched = tuple(added + k for k, n in enumerate(shape) if n == 1 and a.shape[added + k] != 1)
    return a.sum((*range(added), *stretched)).reshape(shape)


def push(
    node: Node, operands: list[Traced], value: Traced, tangents: list[Traced | None]
) -> Traced:
    """Tangent of one node's value, given its operands' tangents (``None``: does not move).

    Raises:
        GraphError: if the primitive has no rule.
    """
    moving = [(k, t) for k, t in enumerate(tangents) if t is not None]
    match node.primitive:
        case Concatenate(axis):
            parts = [_or_zero(t, a) for t, a in zip(tangents, operands, strict=True)]
            return parts[0].record(Concatenate(axis), *parts[1:])
        case _:
            terms = [_push_one(node, operands, value, t, k) for k, t in moving]
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            return total


def _push_one(node: Node, operands: list[Traced], value: Traced, tangent: Traced, k: int) -> Traced:
    match node.primitive:
        case Add():
            return tangent
        case Subtract():
            return tangent if k == 0 else -tangent
        case Multiply():
            return operands[1] * tangent if k == 0 else operands[0] * tangent
        case Divide():
            quotient = tangent / operands[1]
            return quotient if k == 0 else -value * quotient
        case Power(n):
            return Fraction(n) * operands[0] ** (n - 1) * tangent
        case Apply(activation):
            return _slope(activation, operands[0], value) * tangent
        case Einsum():
            pair = (tangent, operands[1]) if k == 0 else (operands[0], tangent)
            return pair[0].record(node.primitive, pair[1])
        case Negative() | Sum() | Broadcast() | Reshape() | Transpose() | Take() | Scatter():
            return tangent.record(node.primitive)
    raise GraphError(f"{node.primitive!r} has no forward rule")


def _or_zero(derivative: Traced | None, like: Traced) -> Traced:
    return like.lift(0).broadcast_to(like.shape) if derivative is None else derivative
