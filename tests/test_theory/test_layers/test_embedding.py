import numpy as np
import pytest

from tests.test_theory.test_layers.running import normal, run
from theory.axis_roles import contracted_axes
from theory.errors import GraphError, ShapeError
from theory.layers import embedding
from theory.tracing import trace

TOKENS = np.array([[2, 0, 2], [1, 3, 0]])


def test_tokens_are_rows():
    table = normal(0, 4, 5)
    expected = [[table[t] for t in row] for row in TOKENS]
    assert (run(lambda table: embedding(TOKENS, table), table=table) == expected).all()
    assert (embedding(TOKENS, table) == expected).all()


def test_a_one_hot_vector_is_a_token():
    table = normal(0, 4, 5)
    one_hot = np.eye(4)[TOKENS]
    assert (run(embedding, x=one_hot, table=table) == embedding(TOKENS, table)).all()
    assert (embedding(one_hot, table) == embedding(TOKENS, table)).all()


def test_a_table_sums_over_the_vocabulary():
    graph = trace(lambda p, x: {"y": embedding(x["x"], p["E"])}, {"E": (4, 5)}, {"x": (2, 3, 4)})
    assert contracted_axes(graph) == {"E": (True, False)}


def test_a_tied_table_sums_over_both_in_turn():
    graph = trace(
        lambda p, x: {"y": np.tanh(embedding(x["x"], p["E"])) @ p["E"].T},
        {"E": (4, 5)},
        {"x": (2, 3, 4)},
    )
    with pytest.raises(GraphError, match="in different roles"):
        contracted_axes(graph)
    assert contracted_axes(graph, up_to_exchange=True) == {"E": (True, False)}


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([[0, 4]], r"tokens 0..4 are not in 0..3"),
        ([[-1, 2]], r"tokens -1..2 are not in 0..3"),
        (np.zeros((2, 3)), r"x has shape \(2, 3\), expected \(..., 4\)"),
    ],
)
def test_what_is_no_token_is_refused(x, message):
    with pytest.raises(ShapeError, match=message):
        embedding(np.asarray(x), np.zeros((4, 5)))
