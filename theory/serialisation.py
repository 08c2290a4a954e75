"""Graphs as JSON: one canonical form, and a reader that trusts nothing.

A graph is ``{"format": "lop-graph", "version": 1, "nodes": […], "outputs": […]}``. A node is its
primitive's name, the primitive's fields and its ``operands``; shapes are not stored but derived, so
they cannot be wrong. Rational numbers are strings, ``"-2/3"`` in lowest terms, and never floats.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from fractions import Fraction
from typing import Any, get_args, get_type_hints

from theory.activation import Activation
from theory.errors import GraphError, ValueSystemError
from theory.graph import Graph, Node
from theory.primitives import Primitive, Shape, result_shape

FORMAT = "lop-graph"
VERSION = 1

_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Primitive)}
_FIELDS = {name: get_type_hints(kind) for name, kind in _KINDS.items()}
_MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 4000  # of a rational; Python refuses to print integers of more than 4300


def graph_to_json(graph: Graph) -> dict[str, Any]:
    """The graph as JSON data: dictionaries, lists, strings and integers.

    Raises:
        GraphError: if a constant has more than 4000 digits.

    >>> from theory.tracing import trace
    >>> graph = trace(lambda p, x: {"y": p["w"] / 3}, {"w": (2,)}, {})
    >>> data = graph_to_json(graph)
    >>> data["nodes"][1]
    {'primitive': 'Constant', 'operands': [], 'values': ['1/3'], 'shape': []}
    >>> graph_from_json(data) == graph
    True
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "nodes": [_node_to_json(k, node) for k, node in enumerate(graph.nodes)],
        "outputs": [{"name": name, "node": k} for name, k in graph.outputs.items()],
    }


def _node_to_json(k: int, node: Node) -> dict[str, Any]:
    data: dict[str, Any] = {
        "primitive": type(node.primitive).__name__,
        "operands": list(node.operands),
    }
    for field in fields(node.primitive):
        where = f"nodes[{k}].{field.name}"
        data[field.name] = _to_json(where, getattr(node.primitive, field.name))
    return data


def _to_json(where: str, value: Any) -> Any:
    match value:
        case tuple():
            return [_to_json(f"{where}[{k}]", entry) for k, entry in enumerate(value)]
        case Fraction():
            return _rational_to_json(where, value)
        case Activation():
            return {
                field.name: _to_json(f"{where}.{field.name}", getattr(value, field.name))
                for field in fields(value)
            }
        case _:
            return value


def _rational_to_json(where: str, value: Fraction) -> str:
    if max(abs(value.numerator), value.denominator) >= 10**_MAX_DIGITS:
        raise GraphError(f"{where}: a rational of more than {_MAX_DIGITS} digits")
    return str(value)


def graph_from_json(data: Any) -> Graph:
    """The graph that :func:`graph_to_json` wrote.

    Raises:
        GraphError: if anything is missing, unknown, of the wrong type or against a primitive's
            law; the message names the entry.

    >>> graph_from_json({"format": "lop-graph", "version": 1, "nodes": [{}], "outputs": []})
    Traceback (most recent call last):
    theory.errors.GraphError: nodes[0].primitive: missing
    """
    _check_object("graph", data)
    _check_keys("graph", data, ("format", "version", "nodes", "outputs"))
    _check_equal("graph.format", data["format"], FORMAT)
    _check_equal("graph.version", data["version"], VERSION)
    nodes: list[Node] = []
    for k, entry in enumerate(_list("nodes", data["nodes"])):
        nodes.append(_node_from_json(f"nodes[{k}]", entry, nodes))
    outputs: dict[str, int] = {}
    for k, entry in enumerate(_list("outputs", data["outputs"])):
        where = f"outputs[{k}]"
        _check_object(where, entry)
        _check_keys(where, entry, ("name", "node"))
        name = _string(f"{where}.name", entry["name"])
        if name in outputs:
            raise GraphError(f"{where}.name: {name!r:.60} is an output already")
        outputs[name] = _earlier(f"{where}.node", entry["node"], len(nodes))
    return Graph(tuple(nodes), outputs)


def _node_from_json(where: str, data: Any, earlier: list[Node]) -> Node:
    _check_object(where, data)
    if "primitive" not in data:
        raise GraphError(f"{where}.primitive: missing")
    name = _string(f"{where}.primitive", data["primitive"])
    if name not in _KINDS:
        known = ", ".join(sorted(_KINDS))
        raise GraphError(f"{where}.primitive: unknown {name!r:.60}; known: {known}")
    _check_keys(where, data, ("primitive", "operands", *_FIELDS[name]))
    operands = tuple(
        _earlier(f"{where}.operands[{k}]", j, len(earlier))
        for k, j in enumerate(_list(f"{where}.operands", data["operands"]))
    )
    read = {f: _READERS[t](f"{where}.{f}", data[f]) for f, t in _FIELDS[name].items()}
    primitive: Primitive = _KINDS[name](**read)
    try:
        shape = result_shape(primitive, tuple(earlier[j].shape for j in operands))
    except GraphError as error:
        raise GraphError(f"{where}: {error}") from None
    return Node(primitive, operands, shape)


def _string(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise GraphError(f"{where}: {value!r:.60} is no string")
    return value


def _integer(where: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _MAX_INTEGER:
        raise GraphError(f"{where}: {_shown(value)} is no integer of 64 bits")
    return value


def _integers(where: str, value: Any) -> Shape:
    return tuple(_integer(f"{where}[{k}]", n) for k, n in enumerate(_list(where, value)))


def _rational(where: str, value: Any) -> Fraction:
    text = _string(where, value)
    if re.fullmatch(r"-?[0-9]+(/0*[1-9][0-9]*)?", text) and len(text) <= 2 * _MAX_DIGITS + 2:
        number, _, divisor = text.partition("/")
        if max(len(number.lstrip("-")), len(divisor)) <= _MAX_DIGITS:
            fraction = Fraction(text)
            if str(fraction) == text:
                return fraction
    raise GraphError(f"{where}: {text!r:.60} is no rational in lowest terms such as '-2/3' or '5'")


def _rationals(where: str, value: Any) -> tuple[Fraction, ...]:
    return tuple(_rational(f"{where}[{k}]", entry) for k, entry in enumerate(_list(where, value)))


def _activation(where: str, value: Any) -> Activation:
    _check_object(where, value)
    _check_keys(where, value, tuple(field.name for field in fields(Activation)))
    parity, slope = value["parity"], value["slope"]
    try:
        return Activation(
            name=_string(f"{where}.name", value["name"]),
            order=_integer(f"{where}.order", value["order"]),
            parity=None if parity is None else _parity(f"{where}.parity", parity),
            slope=None if slope is None else _rational(f"{where}.slope", slope),
        )
    except ValueSystemError as error:
        raise GraphError(f"{where}: {error}") from None


def _parity(where: str, value: Any) -> Any:
    if value not in ("odd", "even"):
        raise GraphError(f"{where}: {_shown(value)} is not 'odd', 'even' or null")
    return value


_READERS: Mapping[Any, Callable[[str, Any], Any]] = {
    str: _string,
    int: _integer,
    tuple[int, ...]: _integers,
    tuple[Fraction, ...]: _rationals,
    Activation: _activation,
}


def _earlier(where: str, value: Any, count: int) -> int:
    k = _integer(where, value)
    if not 0 <= k < count:
        raise GraphError(f"{where}: {k} is no earlier node, there are {count} so far")
    return k


def _list(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise GraphError(f"{where}: {_shown(value)} is no list")
    return value


def _check_object(where: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise GraphError(f"{where}: {_shown(value)} is no object")


def _check_keys(where: str, data: dict[Any, Any], expected: tuple[str, ...]) -> None:
    for key in expected:
        if key not in data:
            raise GraphError(f"{where}.{key}: missing")
    for key in data:
        if key not in expected:
            known = ", ".join(expected)
            raise GraphError(f"{where}: unknown field {_shown(key)}; known: {known}")


def _check_equal(where: str, value: Any, expected: str | int) -> None:
    if type(value) is not type(expected) or value != expected:
        raise GraphError(f"{where}: {_shown(value)}, expected {expected!r}")


def _shown(value: Any) -> str:
    """A bounded representation; a container may nest too deep, an integer be too long to print."""
    plain = isinstance(value, str | float | bool | None) or (
        isinstance(value, int) and abs(value) <= _MAX_INTEGER
    )
    return f"{value!r:.60}" if plain else f"a value of type {type(value).__name__}"
