"""Running a graph in a number system.

An :class:`Evaluator` is prepared once per graph and system and called many times. Structural
primitives are views or copies of arrays, the same in every system; products are reduced to stacked
matrix products; a value is dropped after its last use, and its memory used again if the system has
workspaces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from numerics.systems.system import Array, NumberSystem
from numerics.systems.workspace import MIN_SIZE, Reusing, Workspace
from theory.errors import ShapeError
from theory.graph import Graph, Node
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

Step = Callable[..., Array]  # of the system (or a workspace of it) and the operands
Leading = dict[str, tuple[int, ...]]

VIEWS = (Broadcast, Reshape, Transpose, Take)  # the result may lie in the memory of the operand
ELEMENTWISE = (Add, Subtract, Multiply, Divide, Negative, Power, Apply)


class Evaluator:
    """A graph made ready to run in one number system.

    Args:
        graph: what is computed.
        system: in which numbers.
        lead: number of leading axes of every array (trials, ensembles, field components).

    >>> from numerics.systems.float64 import Float64
    >>> from theory.tracing import trace
    >>> graph = trace(lambda p, x: {"y": x["x"] @ p["W"]}, {"W": (2, 1)}, {"x": (1, 2)})
    >>> Evaluator(graph, Float64())({"x": [[1, 2]], "W": [[3], [4]]})["y"]
    array([[11.]])
    """

    def __init__(self, graph: Graph, system: NumberSystem, lead: int = 0) -> None:
        self.graph = graph
        self.system = system
        self.lead = lead
        self._dtype = system.constant((Fraction(0),), (), 1).dtype
        steps = (operation(node, graph, system, lead) for node in graph.nodes)
        uses = _last_uses(graph)
        operands = (node.operands for node in graph.nodes)
        self._plan = tuple(zip(operands, steps, uses.early, uses.late, uses.dead, strict=True))
        self._widest = max((prod(node.shape) for node in graph.nodes), default=0)
        # list.pop and list.append are atomic: calls in several threads never share a workspace
        self._idle: list[tuple[Leading, Workspace]] = []

    def __call__(self, given: Mapping[str, Any]) -> dict[str, Array]:
        """Values of the outputs; ``given`` names every parameter and input of the graph.

        An array of the system's kind of dtype holds the system's numbers; other arrays, and plain
        numbers, are converted by ``system.array``. Leading axes that an array lacks stand between
        its own and the shape in the graph and have length 1: the array counts for all trials. An
        output has length 1 along a leading axis on which it does not depend, and may share memory
        with what was given.

        Raises:
            ShapeError: if an array is missing or does not fit, or leading axes disagree.
            ValueSystemError: if a number, or a function symbol, has no value in the system.
        """
        values: list[Any] = [None] * len(self._plan)
        leading: Leading = {}
        for k, node in enumerate(self.graph.nodes):
            if isinstance(node.primitive, Parameter | Input):
                values[k] = self._bind(node.primitive, given)
                leading[node.primitive.name] = values[k].shape[: self.lead]
        try:
            front = np.broadcast_shapes(*leading.values())
        except ValueError:
            raise ShapeError(f"leading axes disagree: {leading}") from None
        if isinstance(self.system, Reusing) and self._widest * prod(front) >= MIN_SIZE:
            workspace = self._workspace(self.system, leading)
            self._run(values, workspace, workspace)
            workspace.finish()
            self._idle.append((leading, workspace))
        else:
            self._run(values, self.system, None)
        return {name: np.asarray(values[k]) for name, k in self.graph.outputs.items()}

    def _run(self, values: list[Any], system: NumberSystem, workspace: Workspace | None) -> None:
        for k, (operands, step, early, late, dead) in enumerate(self._plan):
            given = [values[j] for j in operands]
            if workspace:
                for j in early:
                    workspace.release(values[j])
            if values[k] is None:
                values[k] = step(system, *given)
            if workspace:
                for j in late:
                    workspace.release(values[j])
            for j in dead:
                values[j] = None

    def _workspace(self, system: Reusing, leading: Leading) -> Workspace:
        """One that a call with arrays of the same shapes has left, or a new one."""
        while True:
            try:
                known, workspace = self._idle.pop()
            except IndexError:
                return system.workspace()
            if known == leading:
                return workspace

    def _bind(self, leaf: Parameter | Input, given: Mapping[str, Any]) -> Array:
        if leaf.name not in given:
            raise ShapeError(f"{leaf.name!r} is missing: the graph needs its {leaf.shape} array")
        array = given[leaf.name]
        kind = array.dtype.kind if isinstance(array, np.ndarray) else None
        # An object array may hold anything; system.array checks its entries.
        if kind != self._dtype.kind or kind == "O":
            array = self.system.array(array)
        own = array.ndim - len(leaf.shape)
        if not 0 <= own <= self.lead or array.shape[own:] != leaf.shape:
            after = f" after {self.lead} leading axes" if self.lead else ""
            raise ShapeError(f"{leaf.name!r} has shape {array.shape}, expected {leaf.shape}{after}")
        missing = (1,) * (self.lead - own)
        bound: Array = array.reshape(array.shape[:own] + missing + leaf.shape)
        return bound.astype(self._dtype, copy=False)


@dataclass(frozen=True, slots=True)
class _Uses:
    """For each node, whose values end with it.

    Attributes:
        dead: nodes that are used by no later one and are no output.
        early: those of them whose memory no later value needs, where the result may be written.
        late: the same, but a result may only be written there after they have been read.
    """

    dead: tuple[tuple[int, ...], ...]
    early: tuple[tuple[int, ...], ...]
    late: tuple[tuple[int, ...], ...]


def _last_uses(graph: Graph) -> _Uses:
    last = list(range(len(graph.nodes)))
    owner = list(last)  # the node in whose memory a value may lie
    for k, node in enumerate(graph.nodes):
        for j in node.operands:
            last[j] = k
        if isinstance(node.primitive, VIEWS):
            owner[k] = owner[node.operands[0]]
    kept = set(graph.outputs.values())
    needed = {owner[j]: len(last) for j in kept}
    for j, k in enumerate(last):
        needed[owner[j]] = max(needed.get(owner[j], k), k)
    dead: list[list[int]] = [[] for _ in graph.nodes]
    early: list[list[int]] = [[] for _ in graph.nodes]
    late: list[list[int]] = [[] for _ in graph.nodes]
    for j, k in enumerate(last):
        if j not in kept:
            dead[k].append(j)
        if needed[owner[j]] == k:
            is_early = j < k and isinstance(graph.nodes[k].primitive, ELEMENTWISE)
            (early if is_early else late)[k].append(j)
    return _Uses(*(tuple(map(tuple, rows)) for rows in (dead, early, late)))


def operation(node: Node, graph: Graph, system: NumberSystem, lead: int = 0) -> Step:
    """What computes a node of the graph from its operands: ``operation(…)(system, *operands)``."""
    shapes = [graph.nodes[j].shape for j in node.operands]
    match node.primitive:
        case Parameter() | Input():
            return _unbound
        case Constant(entries, shape):
            value = system.constant(entries, shape, lead)
            value.setflags(write=False)  # as an output it is the same array in every call
            return lambda s: value
        case Add():
            return lambda s, a, b: s.add(a, b)
        case Subtract():
            return lambda s, a, b: s.subtract(a, b)
        case Multiply():
            return lambda s, a, b: s.multiply(a, b)
        case Divide():
            return lambda s, a, b: s.divide(a, b)
        case Negative():
            return lambda s, a: s.negative(a)
        case Power(exponent):
            return lambda s, a: s.power(a, exponent)
        case Apply(activation):
            return lambda s, a: s.apply(activation, a)
        case Einsum() as einsum:
            return _contraction(einsum, lead)
        case Sum(axes):
            negative = tuple(k - len(shapes[0]) for k in axes)
            return lambda s, a: s.sum(a, negative)
        case Broadcast(shape):
            return _broadcast(shape, len(shapes[0]), lead)
        case Reshape(shape):
            return lambda s, a: a.reshape(a.shape[:lead] + shape)
        case Transpose(permutation):
            order = (*range(lead), *(lead + k for k in permutation))
            return lambda s, a: a.transpose(order)
        case Take(axis, indices):
            chosen = _selector(indices, lead + axis)
            return lambda s, a: a[chosen]
        case Scatter(axis, indices, size):
            return _scatter(axis, indices, size, system, lead, len(node.shape))
        case Concatenate(axis):
            return lambda s, *parts: _concatenate(parts, axis, lead)


def _unbound(*_: Any) -> Array:
    raise ShapeError("a parameter or input is bound, not computed")


def _broadcast(shape: tuple[int, ...], own: int, lead: int) -> Step:
    added = (1,) * (len(shape) - own)

    def step(_: NumberSystem, a: Array) -> Array:
        front = a.shape[:lead]
        return np.broadcast_to(a.reshape(front + added + a.shape[lead:]), front + shape)

    return step


def _selector(indices: Sequence[int], axis: int) -> tuple[Any, ...]:
    """An index of one axis: a slice where the indices are evenly spaced, for a view."""
    n = len(indices)
    step = indices[1] - indices[0] if n > 1 else 1
    if n and step and all(indices[k] == indices[0] + k * step for k in range(n)):
        stop = indices[0] + n * step
        chosen: Any = slice(indices[0], stop if stop >= 0 else None, step)
    else:
        chosen = np.array(indices, dtype=np.intp)
    return (slice(None),) * axis + (chosen,)


def _scatter(
    axis: int, indices: tuple[int, ...], size: int, system: NumberSystem, lead: int, ndim: int
) -> Step:
    # Repeated targets are filled in rounds of distinct ones: every addition is the system's.
    rounds: list[tuple[list[int], list[int]]] = []
    count: dict[int, int] = {}
    for position, target in enumerate(indices):
        seen = count[target] = count.get(target, -1) + 1
        if seen == len(rounds):
            rounds.append(([], []))
        rounds[seen][0].append(position)
        rounds[seen][1].append(target)
    selectors = [(_selector(p, lead + axis), _selector(t, lead + axis)) for p, t in rounds]
    zero = system.constant((Fraction(0),), (1,) * ndim, lead)

    def step(system: NumberSystem, a: Array) -> Array:
        shape = (*a.shape[: lead + axis], size, *a.shape[lead + axis + 1 :])
        out = np.array(np.broadcast_to(zero, shape))
        for k, (source, target) in enumerate(selectors):
            out[target] = a[source] if k == 0 else system.add(out[target], a[source])
        return out

    return step


def _concatenate(parts: Sequence[Array], axis: int, lead: int) -> Array:
    front = np.broadcast_shapes(*(a.shape[:lead] for a in parts))
    stretched = [np.broadcast_to(a, front + a.shape[lead:]) for a in parts]
    return np.concatenate(stretched, axis=lead + axis)


def _side(
    order: Sequence[int], groups: tuple[int, int, int], lead: int
) -> Callable[[Array], Array]:
    """How one operand of a product is brought to (stack, rows, columns) order.

    Args:
        order: of its axes.
        groups: numbers of axes in the stack, the rows and the columns.
        lead: number of leading axes.
    """
    s, r, c = groups
    permutation = (*range(lead), *(lead + k for k in order))
    is_straight = permutation == tuple(range(len(permutation)))
    if r == c == 1:
        return (lambda a: a) if is_straight else (lambda a: a.transpose(permutation))

    def brought(a: Array) -> Array:
        a = a.transpose(permutation)
        shape = a.shape[lead:]
        rows, columns = prod(shape[s : s + r]), prod(shape[s + r :])
        return a.reshape((*a.shape[:lead], *shape[:s], rows, columns))

    return brought


def _contraction(einsum: Einsum, lead: int) -> Step:
    """A two-operand einsum as one stacked matrix product (or an outer product)."""
    left, right, out = einsum.labels
    stack = [c for c in out if c in left and c in right]
    summed = [c for c in left if c in right and c not in out]
    if not summed:
        return _outer(einsum, lead)
    rows = [c for c in out if c not in right]
    columns = [c for c in out if c not in left]
    flipped = bool(rows and columns) and out.index(columns[0]) < out.index(rows[0])
    if flipped:  # bᵀaᵀ has its axes in the order of the output
        left, right, rows, columns = right, left, columns, rows
    a_side = _side(
        [left.index(c) for c in (*stack, *rows, *summed)],
        (len(stack), len(rows), len(summed)),
        lead,
    )
    b_side = _side(
        [right.index(c) for c in (*stack, *summed, *columns)],
        (len(stack), len(summed), len(columns)),
        lead,
    )
    found = (*stack, *rows, *columns)
    order = (*range(lead), *(lead + found.index(c) for c in out))
    is_product = len(rows) == len(columns) == 1 and order == tuple(range(len(order)))

    def step(system: NumberSystem, a: Array, b: Array) -> Array:
        if flipped:
            a, b = b, a
        if is_product:
            return system.matmul(a_side(a), b_side(b))
        row_shape = [a.shape[lead + left.index(c)] for c in rows]
        column_shape = [b.shape[lead + right.index(c)] for c in columns]
        product = system.matmul(a_side(a), b_side(b))
        front = product.shape[:-2]
        return product.reshape((*front, *row_shape, *column_shape)).transpose(order)

    return step


def _outer(einsum: Einsum, lead: int) -> Step:
    left, right, out = einsum.labels

    def aligned(a: Array, labels: str) -> Array:
        own = [c for c in out if c in labels]
        a = a.transpose((*range(lead), *(lead + labels.index(c) for c in own)))
        kept = iter(a.shape[lead:])
        return a.reshape((*a.shape[:lead], *(next(kept) if c in labels else 1 for c in out)))

    return lambda system, a, b: system.multiply(aligned(a, left), aligned(b, right))
