import pickle

import pytest
from hypothesis import given

from tests.test_theory.graphs import COVERING, graphs
from theory.errors import GraphError
from theory.graph import Builder, Graph, Node
from theory.primitives import Add, Input, Multiply, Negative, Parameter

W = Node(Parameter("w", (2,)), (), (2,))
X = Node(Input("x", (2,)), (), (2,))


@pytest.mark.parametrize(
    ("nodes", "outputs", "message"),
    [
        (
            [W, Node(Negative(), (1,), (2,))],
            {},
            r"nodes\[1\] has operands \(1,\): they must be < 1",
        ),
        ([W, Node(Negative(), (-1,), (2,))], {}, r"nodes\[1\] has operands \(-1,\)"),
        (
            [W, Node(Negative(), (0,), (3,))],
            {},
            r"nodes\[1\] has shape \(3,\), its rule gives \(2,",
        ),
        ([W, Node(Add(), (0,), (2,))], {}, r"nodes\[1\]: Add: 1 operands, expected 2"),
        ([W, W], {}, r"nodes\[1\] and nodes\[0\] are both named 'w'"),
        ([W, Node(Input("w", ()), (), ())], {}, r"nodes\[1\] and nodes\[0\] are both named 'w'"),
        ([W], {"y": 1}, r"output 'y' = 1: not one of 1 nodes"),
        ([W], {"y": -1}, r"output 'y' = -1: not one of 1 nodes"),
    ],
)
def test_a_graph_that_breaks_a_law_is_refused(nodes, outputs, message):
    with pytest.raises(GraphError, match="^" + message):
        Graph(tuple(nodes), outputs)


def test_a_graph_keeps_its_own_outputs():
    outputs = {"y": 0}
    graph = Graph((W,), outputs)
    outputs["z"] = 5
    assert graph.outputs == {"y": 0}


def test_equal_graphs_have_equal_hashes_whatever_the_order_of_outputs():
    one, two = Graph((W, X), {"y": 0, "z": 1}), Graph((W, X), {"z": 1, "y": 0})
    assert one == two
    assert hash(one) == hash(two)


def test_names_and_shapes():
    graph = Graph((X, W), {"y": 1})
    assert graph.parameter_shapes == {"w": (2,)}
    assert graph.input_shapes == {"x": (2,), "w": (2,)}
    assert repr(graph) == "Graph of 2 nodes: (x (2,), w (2,)) -> (y (2,))"


@given(graphs())
def test_a_graph_survives_pickling(graph):
    assert pickle.loads(pickle.dumps(graph)) == graph


def test_equal_values_are_one_node():
    builder = Builder()
    w = builder.add(Parameter("w", (2,)))
    assert builder.add(Multiply(), w, w) == builder.add(Multiply(), w, w)
    assert builder.add(Parameter("w", (2,))) == w
    assert len(builder.nodes) == 2


def test_builder_refuses_what_does_not_fit():
    builder = Builder()
    w, x = builder.add(Parameter("w", (2,))), builder.add(Input("x", (3,)))
    with pytest.raises(GraphError, match=r"^Add: shapes \(2,\) and \(3,\) must be equal"):
        builder.add(Add(), w, x)


def test_finish_keeps_what_outputs_need_in_order():
    builder = Builder()
    w, x = builder.add(Parameter("w", (2,))), builder.add(Input("x", (2,)))
    builder.add(Negative(), x)
    total = builder.add(Add(), x, w)
    assert builder.finish({"y": total}) == Graph((W, X, Node(Add(), (1, 0), (2,))), {"y": 2})
    assert builder.finish({}) == Graph((), {})


@pytest.mark.parametrize("name", COVERING)
def test_extending_twice_adds_nothing(name):
    builder = Builder()
    first = builder.extend(COVERING[name])
    count = len(builder.nodes)
    assert builder.extend(COVERING[name]) == first
    assert len(builder.nodes) == count
    assert (
        builder.finish({y: first[k] for y, k in COVERING[name].outputs.items()}) == COVERING[name]
    )
