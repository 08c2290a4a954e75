"""A computation graph: primitives in evaluation order, with named outputs.

Nodes refer to earlier nodes by position, so acyclicity is a property of the representation.
A :class:`Builder` numbers values: the same primitive of the same operands is one node, which keeps
shared parameters shared and gives structurally equal computations equal graphs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from theory.errors import GraphError
from theory.html_table import html_table
from theory.primitives import Input, Parameter, Primitive, Shape, result_shape


@dataclass(frozen=True, slots=True)
class Node:
    """One primitive applied to earlier nodes; ``shape`` is what its shape rule gives.

    ``scope`` says for readers which layer recorded it (:mod:`theory.scope`).
    """

    primitive: Primitive
    operands: tuple[int, ...]
    shape: Shape
    scope: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Graph:
    """Nodes in evaluation order and the outputs, by name.

    Raises:
        GraphError: if a node refers forward or has another shape than its rule gives, two nodes
            bear one name, or an output is no node.

    >>> from theory.primitives import Negative
    >>> Graph((Node(Input("x", (3,)), (), (3,)), Node(Negative(), (0,), (3,))), {"y": 1})
    Graph of 2 nodes: (x (3,)) -> (y (3,))
    """

    nodes: tuple[Node, ...]
    outputs: Mapping[str, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", dict(self.outputs))
        for k, node in enumerate(self.nodes):
            if any(not 0 <= j < k for j in node.operands):
                raise GraphError(f"nodes[{k}] has operands {node.operands}: they must be < {k}")
            try:
                shape = result_shape(
                    node.primitive, tuple(self.nodes[j].shape for j in node.operands)
                )
            except GraphError as error:
                raise GraphError(f"nodes[{k}]: {error}") from None
            if shape != node.shape:
                raise GraphError(f"nodes[{k}] has shape {node.shape}, its rule gives {shape}")
        _check_names(self.nodes)
        for name, k in self.outputs.items():
            if not 0 <= k < len(self.nodes):
                raise GraphError(f"output {name!r} = {k}: not one of {len(self.nodes)} nodes")

    def __repr__(self) -> str:
        given = ", ".join(f"{name} {shape}" for name, shape in self.input_shapes.items())
        out = ", ".join(f"{name} {self.nodes[k].shape}" for name, k in self.outputs.items())
        return f"Graph of {len(self.nodes)} nodes: ({given}) -> ({out})"

    def __hash__(self) -> int:
        return hash((self.nodes, frozenset(self.outputs.items())))

    def _repr_html_(self) -> str:
        named = {k: f" → {name}" for name, k in self.outputs.items()}
        rows = (
            (
                f"{k}{named.get(k, '')}",
                _shortened(repr(node.primitive)),
                ", ".join(map(str, node.operands)),
                " × ".join(map(str, node.shape)) or "scalar",
            )
            for k, node in enumerate(self.nodes)
        )
        header = ("node", "primitive", "operands", "shape")
        return html_table(repr(self), header, rows, len(self.nodes))

    @cached_property
    def parameter_shapes(self) -> dict[str, Shape]:
        """Names and shapes of the parameters, in order of first use."""
        leaves = (node.primitive for node in self.nodes)
        return {leaf.name: leaf.shape for leaf in leaves if isinstance(leaf, Parameter)}

    @cached_property
    def input_shapes(self) -> dict[str, Shape]:
        """Names and shapes of everything the graph must be given: parameters and inputs."""
        leaves = (node.primitive for node in self.nodes)
        return {leaf.name: leaf.shape for leaf in leaves if isinstance(leaf, Parameter | Input)}


@dataclass
class Builder:
    """A growing graph in which equal values share one node."""

    nodes: list[Node] = field(default_factory=list)
    _numbers: dict[tuple[Primitive, tuple[int, ...]], int] = field(default_factory=dict)
    scope: str = ""  # of the nodes that are added next
    scopes: dict[str, int] = field(default_factory=dict)  # how often each was entered

    def add(self, primitive: Primitive, *operands: int) -> int:
        """The number of the value ``primitive(operands)``, new or known.

        Raises:
            GraphError: if the operands do not fit the primitive.
        """
        key = (primitive, operands)
        known = self._numbers.get(key)
        if known is not None:
            return known
        if any(not 0 <= j < len(self.nodes) for j in operands):
            raise GraphError(f"operands {operands}: there are {len(self.nodes)} nodes")
        shape = result_shape(primitive, tuple(self.nodes[j].shape for j in operands))
        number = self._numbers[key] = len(self.nodes)
        self.nodes.append(Node(primitive, operands, shape, self.scope))
        return number

    def extend(self, graph: Graph) -> tuple[int, ...]:
        """Copy a graph in; entry k is the number here of its node k."""
        numbers: list[int] = []
        outer = self.scope
        for node in graph.nodes:
            self.scope = node.scope or outer
            numbers.append(self.add(node.primitive, *(numbers[j] for j in node.operands)))
        self.scope = outer
        return tuple(numbers)

    def finish(self, outputs: Mapping[str, int]) -> Graph:
        """The graph of what the outputs need, in the same order."""
        needed = _ancestors(self.nodes, outputs.values())
        position = {k: n for n, k in enumerate(needed)}
        nodes = tuple(
            Node(node.primitive, tuple(position[j] for j in node.operands), node.shape, node.scope)
            for node in (self.nodes[k] for k in needed)
        )
        return _of_checked(nodes, {name: position[k] for name, k in outputs.items()})


def _of_checked(nodes: tuple[Node, ...], outputs: dict[str, int]) -> Graph:
    """The graph of nodes whose operands and shapes :meth:`Builder.add` has checked."""
    _check_names(nodes)
    graph = object.__new__(Graph)
    object.__setattr__(graph, "nodes", nodes)
    object.__setattr__(graph, "outputs", outputs)
    return graph


def _check_names(nodes: tuple[Node, ...]) -> None:
    named: dict[str, int] = {}
    for k, node in enumerate(nodes):
        if isinstance(node.primitive, Parameter | Input):
            name = node.primitive.name
            if (first := named.setdefault(name, k)) != k:
                raise GraphError(f"nodes[{k}] and nodes[{first}] are both named {name!r}")


def _shortened(text: str, longest: int = 60) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _ancestors(nodes: list[Node], roots: Iterable[int]) -> list[int]:
    needed = set(roots)
    for k in range(len(nodes) - 1, -1, -1):
        if k in needed:
            needed.update(nodes[k].operands)
    return sorted(needed)
