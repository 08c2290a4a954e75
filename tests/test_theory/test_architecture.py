import re
from fractions import Fraction

import numpy as np
import pytest

from numerics.evaluate import Evaluator
from numerics.systems.rational import Rational
from theory.activation import Activation, relu
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import ArchitectureError, LopError, TraceError
from theory.zoo import mlp

SIZES = {"x": 2, "h": 3, "y": 1}
PARAMETERS = {"W": ("x", "h"), "b": ("h",), "V": ("h", "y")}


def forward(p, x):
    return relu(x @ p["W"] + p["b"]) @ p["V"]


def architecture(**changes):
    return Architecture(**{"forward": forward, "sizes": SIZES, "parameters": PARAMETERS, **changes})


def test_shapes_follow_from_axes():
    net = architecture()
    assert net.parameter_shapes == {"W": (2, 3), "b": (3,), "V": (3, 1)}
    assert (net.num_parameters, net.input_shape, net.output_shape) == (12, (2,), (1,))
    assert net.declared_axes["x"] == ("batch", "x")
    assert net.graph(5).input_shapes["x"] == (5, 2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sizes": {**SIZES, "h": 0}}, "sizes['h']=0: a length is a positive integer"),
        ({"sizes": {**SIZES, "h": 2.0}}, "sizes['h']=2.0: a length is a positive integer"),
        ({"parameters": {}}, "at least one parameter"),
        ({"parameters": {"W": ("x", "k")}}, "W: unknown axis 'k'; the axes are x, h, y"),
        ({"inputs": ("z",)}, "inputs: unknown axis 'z'"),
        ({"frozen": {"k": {0: 0}}}, "frozen: unknown axis 'k'"),
        ({"frozen": {"h": {3: 0}}}, "frozen['h']: unit 3 is not in 0..2"),
        ({"frozen": {"h": {-1: 0}}}, "frozen['h']: unit -1 is not in 0..2"),
    ],
)
def test_axes_and_lengths_are_checked(changes, message):
    with pytest.raises(ArchitectureError, match=re.escape(message)):
        architecture(**changes)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda p, x: x @ p["U"], "KeyError: 'U'"),
        (lambda p, x: x @ p["W"], "architecture: forward never uses parameter 'b'"),
        (lambda p, x: forward(p, x).sum(), "forward returns shape (), expected (1, ...)"),
        (lambda p, x: forward(p, x).T @ x, "forward returns shape (1, 2), expected (2, ...)"),
    ],
)
def test_a_forward_function_that_does_not_fit_is_refused(other, message):
    with pytest.raises(ArchitectureError, match=re.escape(message)):
        architecture(forward=other).graph(2 if "(2," in message else 1)


def test_what_cannot_be_traced_is_named():
    with pytest.raises(TraceError, match=r"np\.sort"):
        architecture(forward=lambda p, x: np.sort(forward(p, x))).graph()


@pytest.mark.parametrize(
    "other", [lambda p, x: 1 / 0, lambda p, x: x[p["W"]], lambda p, x: None, lambda p: p]
)
def test_only_the_toolkit_s_errors_leave(other):
    with pytest.raises(LopError):
        architecture(forward=other).graph()


def evaluate(net, theta, x):
    graph = gradient(net.graph(len(x)))
    adjoint = [[1] * net.output_shape[0]] * len(x)
    values = Evaluator(graph, Rational(functions={"phi": (1, 2, 3)}))(
        {**theta, "x": x, "adjoint:y": adjoint}
    )
    return {
        name: np.vectorize(lambda v: Fraction(int(v.p), int(v.q)))(v) for name, v in values.items()
    }


def test_a_frozen_unit_is_a_constant_without_gradient():
    net = mlp([2, 3, 1])
    theta = {"W1": [[1, 2, 3], [4, 5, 6]], "b1": [1, 1, 1], "W2": [[1], [2], [3]], "b2": [7]}
    frozen = evaluate(net.freeze("h1", 1, Fraction(1, 2)), theta, [[1, -1], [2, 5]])
    assert not frozen["grad:W1"][:, 1].any()
    assert frozen["grad:b1"][1] == 0
    assert frozen["grad:W2"][1, 0] == 2 * Fraction(1, 2)
    without = evaluate(net, {**theta, "W2": [[1], [0], [3]]}, [[1, -1], [2, 5]])
    assert (frozen["y"] == without["y"] + 2 * Fraction(1, 2)).all()
    assert (frozen["grad:W1"][:, [0, 2]] == without["grad:W1"][:, [0, 2]]).all()


def test_freezing_adds_up_and_is_undone():
    net = mlp([2, 3, 3, 1])
    frozen = net.freeze("h1", 0).freeze("h1", 2, 5).freeze("h2", 1)
    assert frozen.frozen == {"h1": {0: 0, 2: 5}, "h2": {1: 0}}
    assert not frozen.unfrozen().frozen
    assert frozen.unfrozen().graph() == net.graph()
    assert not net.frozen


def test_an_axis_without_function_symbol_is_not_frozen():
    with pytest.raises(ArchitectureError, match="no function symbol acts along axis 'y'"):
        mlp([2, 3, 1]).freeze("y", 0).graph()


def test_the_way_a_function_is_written_leaves_no_trace():
    phi = Activation("phi")
    sizes, parameters = {"x": 2, "h": 3}, {"W": ("x", "h")}
    one = Architecture(lambda p, x: phi(x @ p["W"]), sizes, parameters)
    other = Architecture(lambda p, x: phi(0 + np.matmul(x, p["W"])) * 1, sizes, parameters)
    assert one.graph(4) == other.graph(4)


def one_layer(symbol):
    """x W through a function of arrays, then V."""
    return Architecture(
        lambda p, x: symbol(x @ p["W"]) @ p["V"],
        sizes={"x": 2, "h": 2, "y": 1},
        parameters={"W": ("x", "h"), "V": ("h", "y")},
    )


@pytest.mark.parametrize(
    ("symbol", "message"),
    [
        (np.abs, "meet Multiply after"),
        (lambda z: np.maximum(z, z / 10), "meet Add after"),
        (lambda z: np.tanh(z) + np.exp(z), "several function symbols act along axis 'h'"),
        (lambda z: z, "no function symbol acts along axis 'h'"),
    ],
)
def test_only_the_output_of_a_unit_is_frozen(symbol, message):
    with pytest.raises(ArchitectureError, match=re.escape(message)):
        one_layer(symbol).freeze("h", 0).graph()


def test_an_error_in_forward_names_the_network_and_the_line():
    with pytest.raises(TraceError, match=r"architecture, line \d+: matmul: shapes"):
        one_layer(lambda z: z @ np.ones((3, 3))).graph()


def test_a_forward_function_returns_an_array():
    with pytest.raises(ArchitectureError, match="forward returns None, expected an array"):
        Architecture(lambda p, x: None, sizes={"x": 1}, parameters={"w": ("x",)}).graph()
