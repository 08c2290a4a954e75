import numpy as np
import pytest

from theory.axes import axis_names
from theory.axis_roles import contracted_axes
from theory.errors import GraphError
from theory.lowering import scatter
from theory.tracing import trace

SHAPES = {"W": (3, 4), "U": (4, 4), "b": (4,), "q": (4, 2, 6)}
DECLARED = {"W": ("x", "h"), "U": ("h", "k"), "b": ("h",), "q": ("h", "heads", "d")}


def _names(function):
    graph = trace(lambda p, x: {"y": function(x["x"], p)}, SHAPES, {"x": (5, 3)})
    return axis_names(graph, DECLARED | {"x": ("batch", "x")})[graph.outputs["y"]]


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (lambda x, p: x @ p["W"], ("batch", "h")),
        (lambda x, p: np.tanh(x @ p["W"] + p["b"]), ("batch", "h")),
        (lambda x, p: x @ p["W"] @ p["U"], ("batch", "k")),
        (lambda x, p: (x @ p["W"]).T, ("h", "batch")),
        (lambda x, p: (x @ p["W"]).sum(axis=0), ("h",)),
        (lambda x, p: (x @ p["W"]).mean(axis=0, keepdims=True), (None, "h")),
        (lambda x, p: np.broadcast_to(p["b"], (7, 4)), (None, "h")),
        (lambda x, p: p["W"][:, [1, 0]], ("x", None)),
        (lambda x, p: p["W"][1:], (None, "h")),
        (lambda x, p: p["W"][[[0, 1], [1, 2]]], (None, None, "h")),
        (lambda x, p: scatter(p["W"], 0, (0, 1, 3), 4), (None, "h")),
        (lambda x, p: np.concatenate([p["W"], p["U"]]), (None, None)),
        (lambda x, p: np.concatenate([p["W"], x @ p["W"]]), (None, "h")),
        (lambda x, p: p["q"].reshape(4, 12), ("h", None)),
        (lambda x, p: p["q"].reshape(4, 2, 3, 2), ("h", "heads", None, None)),
        (lambda x, p: p["q"].reshape(4, 2, 1, 6), ("h", "heads", None, "d")),
        (lambda x, p: p["q"].reshape(8, 6), (None, "d")),
        (lambda x, p: np.einsum("ij,ikl->jkl", p["U"], p["q"]), ("k", "heads", "d")),
        (lambda x, p: p["b"] + p["U"].T[0], ("h",)),
        (lambda x, p: p["U"] + p["U"].T, (None, None)),
        (lambda x, p: p["U"] * 2 + np.ones((4, 4)), ("h", "k")),
    ],
)
def test_names_follow_the_axes(function, names):
    assert _names(function) == names


def test_undeclared_arrays_have_no_names():
    graph = trace(lambda p, x: {"y": p["W"] @ p["U"]}, {"W": (3, 4), "U": (4, 4)}, {})
    assert axis_names(graph, {"U": ("h", "k")})[graph.outputs["y"]] == (None, "k")


def test_operands_that_disagree_leave_no_name():
    graph = trace(
        lambda p, x: {"y": np.einsum("ij,ij->ij", p["W"], p["U"])}, {"W": (4, 4), "U": (4, 4)}, {}
    )
    assert axis_names(graph, {"W": ("x", "h"), "U": ("x", "k")})[graph.outputs["y"]] == ("x", None)


def test_a_declaration_of_the_wrong_length_is_refused():
    graph = trace(lambda p, x: {"y": p["W"] * 2}, {"W": (3, 4)}, {})
    with pytest.raises(GraphError, match=r"^declared\['W'\]=\('h',\): W has shape \(3, 4\)"):
        axis_names(graph, {"W": ("h",)})


def test_contracted_axes_of_a_transposed_weight():
    graph = trace(
        lambda p, x: {"y": x["x"] @ p["W"].T + p["b"]}, {"W": (4, 3), "b": (4,)}, {"x": (5, 3)}
    )
    assert contracted_axes(graph) == {"W": (False, True), "b": (False,)}


def test_a_shared_weight_with_two_roles_is_refused():
    graph = trace(lambda p, x: {"y": x["x"] @ p["W"] @ p["W"].T}, {"W": (3, 3)}, {"x": (5, 3)})
    with pytest.raises(GraphError, match=r"^parameter 'W' is used with axes in different roles"):
        contracted_axes(graph)
