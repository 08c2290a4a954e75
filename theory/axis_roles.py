"""Which axes of a parameter are sources, and which are targets.

A parameter is followed from node to node for as long as its entries are the coefficients of units:
through functions of parameters alone, and through products with data up to the sum over them. An
axis that the first such sum removes is a source axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from theory.errors import GraphError
from theory.graph import Graph, Node
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Divide,
    Einsum,
    Input,
    Multiply,
    Negative,
    Parameter,
    Power,
    Reshape,
    Shape,
    Subtract,
    Sum,
    Transpose,
)


@dataclass(frozen=True, slots=True)
class _Carried:
    """The axes of a parameter, if any, at each axis of a value.

    An axis of the parameter that a reshape has split lies at several axes of the value, and merged
    ones lie at one. ``met`` is the node at which the parameter met data, ``None`` before.
    """

    name: str
    axes: tuple[frozenset[int], ...]
    met: int | None = None


def contracted_axes(graph: Graph, *, up_to_exchange: bool = False) -> dict[str, tuple[bool, ...]]:
    """For each axis of each parameter, whether its uses sum over it (a source axis).

    A weight ``W (x, h)`` in ``x @ W`` sums over its sources ``x`` and keeps its targets ``h``, and
    so it does in ``x @ (2 * W)`` and ``(x[:, :, None] * W).sum(1)``; a bias or a gain keeps its
    axis.

    Args:
        graph: a forward graph.
        up_to_exchange: whether sources and targets of one use may be targets and sources of
            another, as of a tied ``W`` in ``x @ W`` and ``h @ W.T``; the first use counts.

    Raises:
        GraphError: if uses of a shared parameter differ, or a parameter of several axes is cut up,
            so that source and target are ambiguous.

    >>> from theory.tracing import trace
    >>> graph = trace(lambda p, x: {"y": x["x"] @ p["W"]}, {"W": (3, 4)}, {"x": (5, 3)})
    >>> contracted_axes(graph)
    {'W': (True, False)}
    """
    return _Roles(graph, up_to_exchange).found


class _Roles:
    def __init__(self, graph: Graph, up_to_exchange: bool) -> None:
        self.graph, self.up_to_exchange = graph, up_to_exchange
        self.found: dict[str, tuple[bool, ...]] = {}
        self.carried: dict[int, tuple[_Carried, ...]] = {}
        self.has_data: set[int] = set()
        self.uses: dict[tuple[str, int], tuple[bool, ...]] = {}
        for k, node in enumerate(graph.nodes):
            if isinstance(node.primitive, Input) or any(j in self.has_data for j in node.operands):
                self.has_data.add(k)
            if isinstance(node.primitive, Parameter):
                axes = tuple(frozenset((a,)) for a in range(len(node.shape)))
                own = _Carried(node.primitive.name, axes)
                self.carried[k] = (own,)
            else:
                self.carried[k] = tuple(dict.fromkeys(self._carried_to(k, node)))
        for k in graph.outputs.values():
            for one in self.carried[k]:
                self._use(k, one, frozenset())
        for (name, _), roles in self.uses.items():
            self._compare(name, roles)

    def _carried_to(self, k: int, node: Node) -> Iterator[_Carried]:
        for place, j in enumerate(node.operands):
            for one in self.carried[j]:
                found = self._followed(k, node, place, one)
                if not isinstance(found, _Carried):
                    self._use(k, one, found)
                elif k in self.has_data and found.met is None:
                    yield replace(found, met=k)
                else:
                    yield found

    def _followed(self, k: int, node: Node, place: int, one: _Carried) -> _Carried | frozenset[int]:
        """A carried parameter behind a node; where it is used there, the places summed over."""
        j = node.operands[place]
        shape = self.graph.nodes[j].shape
        match node.primitive:
            case Transpose(permutation):
                return replace(one, axes=tuple(one.axes[a] for a in permutation))
            case Broadcast(stretched):
                added = (frozenset[int](),) * (len(stretched) - len(shape))
                return replace(one, axes=added + one.axes)
            case Reshape(new):
                return replace(one, axes=_reshaped(one.axes, shape, new))
            case Negative():
                return one
            case Multiply() if j not in self.has_data or self._is_linear(node, place):
                return one
            case Divide() if place == 0 and (j not in self.has_data or self._is_linear(node, 0)):
                return one
            case Add() | Subtract():
                is_bias = j not in self.has_data and k in self.has_data
                return frozenset() if is_bias else one
            case Apply() | Power() | Divide() if k not in self.has_data:
                return one
            case Sum(axes):
                return frozenset(axes)
            case Einsum() if k not in self.has_data and not self.up_to_exchange:
                raise GraphError(
                    f"parameter {one.name!r} meets a matrix before it meets data: source and "
                    "target are ambiguous"
                )
            case Einsum() as einsum if j not in self.has_data or self._is_linear(node, place):
                kept = einsum.labels[2]
                labels = enumerate(einsum.labels[place])
                return frozenset(a for a, c in labels if c not in kept)
            case _ if j not in self.has_data and self._num_long(one) > 1:
                raise GraphError(
                    f"parameter {one.name!r} is cut up by {type(node.primitive).__name__}: source "
                    "and target are ambiguous"
                )
        return frozenset()

    def _num_long(self, one: _Carried) -> int:
        """The number of axes of a parameter that have more than one entry."""
        return sum(n > 1 for n in self.graph.parameter_shapes[one.name])

    def _is_linear(self, node: Node, place: int) -> bool:
        """Whether the other operand is a constant."""
        others = [i for p, i in enumerate(node.operands) if p != place]
        return not any(i in self.has_data or self.carried[i] for i in others)

    def _use(self, k: int, one: _Carried, gone: frozenset[int]) -> None:
        """A use at node k: a product with data that is used as it is has its axes for targets.

        Sums over them, as a normalisation takes of the units ``gain * x``, are then sums of units.
        """
        shape = self.graph.parameter_shapes[one.name]
        summed = {axis for place, axes in enumerate(one.axes) for axis in axes if place in gone}
        kept = {axis for place, axes in enumerate(one.axes) for axis in axes if place not in gone}
        if parts := [axis for axis in sorted(summed & kept) if shape[axis] > 1]:
            raise GraphError(
                f"parameter {one.name!r}: axis {parts[0]} is reshaped and summed over in part: "
                "source and target are ambiguous"
            )
        roles = tuple(axis in summed for axis in range(len(shape)))
        key = (one.name, k if one.met is None else one.met)
        known = self.uses.setdefault(key, roles)
        self.uses[key] = tuple(a and b for a, b in zip(known, roles, strict=True))

    def _compare(self, name: str, roles: tuple[bool, ...]) -> None:
        shape = self.graph.parameter_shapes[name]
        first = self.found.setdefault(name, roles)
        differ = {
            a != b for a, b, n in zip(first, roles, shape, strict=True) if n > 1
        }  # axes of one entry have no clones
        if differ == {True, False} or (True in differ and not self.up_to_exchange):
            raise GraphError(
                f"parameter {name!r} is used with axes in different roles: source and target "
                "are ambiguous"
            )


def _reshaped(
    axes: tuple[frozenset[int], ...], old: Shape, new: Shape
) -> tuple[frozenset[int], ...]:
    """The axes behind a reshape: where both shapes have a boundary, what lies between them.

    Between two common boundaries every new axis may hold entries of every old one.
    """
    starts = [{prod(shape[:a]) for a in range(len(shape) + 1)} for shape in (old, new)]
    common = starts[0] & starts[1]

    def section(shape: Shape, a: int) -> int:
        return max(n for n in common if n <= prod(shape[:a]))

    found: dict[int, frozenset[int]] = {}
    for a, n in enumerate(old):
        if n > 1:
            start = section(old, a)
            found[start] = found.get(start, frozenset()) | axes[a]
    nothing = frozenset[int]()
    return tuple(
        found.get(section(new, a), nothing) if n > 1 else nothing for a, n in enumerate(new)
    )
