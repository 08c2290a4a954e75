import copy
import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_theory.graphs import COVERING, PHI, graphs
from theory.activation import leaky_relu
from theory.errors import GraphError
from theory.graph import Builder, Graph
from theory.primitives import Constant
from theory.serialisation import graph_from_json, graph_to_json
from theory.tracing import trace


def _text(graph: Graph) -> str:
    return json.dumps(graph_to_json(graph), allow_nan=False)


@pytest.mark.parametrize("name", COVERING)
def test_round_trip_of_covering_graphs(name):
    graph = COVERING[name]
    read = graph_from_json(json.loads(_text(graph)))
    assert read == graph
    assert list(read.outputs) == list(graph.outputs)
    assert _text(read) == _text(graph)


@given(graphs())
def test_round_trip_is_the_identity(graph):
    assert graph_from_json(json.loads(_text(graph))) == graph


def test_constants_are_exact():
    graph = trace(lambda p, x: {"y": p["w"] * [0.1, Fraction(1, 3), -5]}, {"w": (3,)}, {})
    assert graph_to_json(graph)["nodes"][1]["values"] == [
        "3602879701896397/36028797018963968",
        "1/3",
        "-5",
    ]


def test_activation_has_four_fields():
    data = graph_to_json(trace(lambda p, x: {"y": leaky_relu("1/3")(p["w"])}, {"w": ()}, {}))
    assert data["nodes"][1] == {
        "primitive": "Apply",
        "operands": [0],
        "activation": {"name": "leaky_relu", "order": 0, "parity": None, "slope": "1/3"},
    }


def test_number_too_long_to_write_is_refused():
    builder = Builder()
    number = builder.add(Constant((Fraction(10**5000),), ()))
    with pytest.raises(GraphError, match=r"^nodes\[0\]\.values\[0\]: a rational of more than 4000"):
        graph_to_json(builder.finish({"y": number}))


SMALL = graph_to_json(
    trace(
        lambda p, x: {"y": (p["w"] @ x["x"] / 3)[[0, 1]]},
        {"w": (2, 3)},
        {"x": (3,)},
    )
)


def _changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    data: Any = copy.deepcopy(SMALL)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return dict(data)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), "onnx", r"graph.format: 'onnx', expected 'lop-graph'"),
        (("version",), 2, r"graph.version: 2, expected 1"),
        (("version",), True, r"graph.version: True, expected 1"),
        (("extra",), 1, r"graph: unknown field 'extra'; known: format, version, nodes, outputs"),
        (("nodes",), {}, r"nodes: a value of type dict is no list"),
        (("nodes", 0), [], r"nodes\[0\]: a value of type list is no object"),
        (("nodes", 0, "primitive"), "Foo", r"nodes\[0\].primitive: unknown 'Foo'; known: Add, "),
        (("nodes", 0, "primitive"), 7, r"nodes\[0\].primitive: 7 is no string"),
        (("nodes", 0, "axes2"), 7, r"nodes\[0\]: unknown field 'axes2'; known: primitive, op"),
        (("nodes", 0, "shape"), [3.0], r"nodes\[0\].shape\[0\]: 3.0 is no integer of 64 bits"),
        (("nodes", 0, "shape"), [True], r"nodes\[0\].shape\[0\]: True is no integer"),
        (("nodes", 0, "shape"), [float("nan")], r"nodes\[0\].shape\[0\]: nan is no integer"),
        (("nodes", 0, "shape"), [10**5000], r"nodes\[0\].shape\[0\]: a value of type int is no"),
        (("nodes", 0, "shape"), [-3], r"nodes\[0\]: Input: shape \(-3,\): a length is at least 0"),
        (("nodes", 0, "shape"), [4], r"nodes\[2\]: Einsum: label 'X' has lengths 3 and 4"),
        (("nodes", 1, "name"), "x", r"nodes\[1\] and nodes\[0\] are both named 'x'"),
        (("nodes", 2, "operands"), [1, 2], r"nodes\[2\].operands\[1\]: 2 is no earlier node"),
        (("nodes", 2, "operands"), [1, -1], r"nodes\[2\].operands\[1\]: -1 is no earlier node"),
        (("nodes", 2, "operands"), [1], r"nodes\[2\]: Einsum: 1 operands, expected 2"),
        (("nodes", 2, "subscripts"), "ZX-X", r"nodes\[2\]: Einsum: 'ZX-X' is not of the form"),
        (("nodes", 3, "values"), [0.5], r"nodes\[3\].values\[0\]: 0.5 is no string"),
        (("nodes", 3, "values"), ["2/4"], r"nodes\[3\].values\[0\]: '2/4' is no rational in low"),
        (("nodes", 3, "values"), ["1/0"], r"nodes\[3\].values\[0\]: '1/0' is no rational"),
        (("nodes", 3, "values"), ["nan"], r"nodes\[3\].values\[0\]: 'nan' is no rational"),
        (("nodes", 3, "values"), ["1e999999999"], r"nodes\[3\].values\[0\]: '1e9+' is no rational"),
        (("nodes", 3, "values"), ["9" * 9000], r"nodes\[3\].values\[0\]: '9+ is no rational"),
        (("nodes", 3, "values"), [], r"nodes\[3\]: Constant: 0 values do not fill shape \(\)"),
        (("outputs", 0, "node"), 99, r"outputs\[0\].node: 99 is no earlier node"),
        (("outputs", 0, "name"), None, r"outputs\[0\].name: None is no string"),
        (("outputs",), SMALL["outputs"] * 2, r"outputs\[1\].name: 'y' is an output already"),
    ],
)
def test_bad_data_is_named(path, value, message):
    with pytest.raises(GraphError, match="^" + message) as caught:
        graph_from_json(_changed(path, value))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "no name"}, r"activation: activation name='no name': a name must be an identi"),
        ({"order": -1}, r"activation: activation order=-1: an order is at least 0"),
        ({"parity": "both"}, r"activation.parity: 'both' is not 'odd', 'even' or null"),
        ({"parity": ["odd"]}, r"activation.parity: a value of type list is not"),
        ({"slope": "1/2"}, r"activation: slope=1/2: leaky_relu needs one"),
        ({"slope": 0.5}, r"activation.slope: 0.5 is no string"),
        ({"gain": 1}, r"activation: unknown field 'gain'; known: name, order, parity, slope"),
    ],
)
def test_bad_activation_is_named(change, message):
    data = graph_to_json(trace(lambda p, x: {"y": PHI(p["w"])}, {"w": ()}, {}))
    data["nodes"][1]["activation"] |= change
    with pytest.raises(GraphError, match=r"^nodes\[1\]\." + message):
        graph_from_json(data)


@pytest.mark.parametrize("data", [None, 3, "graph", [], {}, {"nodes": []}])
def test_anything_else_is_refused(data):
    with pytest.raises(GraphError, match=r"^graph"):
        graph_from_json(data)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.floats()
    | st.sampled_from(["", "Add", "Sum", "odd", "1/2", "-0", "ij,jk->ik", "tanh", "w"])
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(data, dict | list):
        keys = list(data) if isinstance(data, dict) else range(len(data))
        for key in keys:
            found += _places(data[key], (*path, key))
    return found


@given(st.data(), st.sampled_from(sorted(COVERING)))
def test_mutated_data_gives_a_valid_graph_or_a_graph_error(data, name):
    mutated = graph_to_json(COVERING[name])
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(_places(mutated)))
        place: Any = mutated
        for key in path[:-1]:
            place = place[key]
        how = data.draw(st.sampled_from(["replace", "delete", "copy"]))
        if how == "delete":
            del place[path[-1]]
        elif how == "replace":
            place[path[-1]] = data.draw(json_values)
        else:
            other: Any = mutated
            for key in data.draw(st.sampled_from(_places(mutated) or [path])):
                other = other[key]
            place[path[-1]] = copy.deepcopy(other)
        if not _places(mutated):
            break
    try:
        graph = graph_from_json(mutated)
    except GraphError:
        pass
    else:
        assert graph_from_json(graph_to_json(graph)) == graph
