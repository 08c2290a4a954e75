"""Both modes against SymPy's differentiation, each other, and float differences."""

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.systems.float64 import Float64
from tests.test_theory.channel import channel_agrees
from tests.test_theory.graphs import COVERING, GATED, PHI, SMOOTH, UNKNOWN, graphs
from tests.test_theory.interpreter import filled, interpret
from theory.activation import Activation
from theory.backprop import gradient, pushforward
from theory.errors import GraphError
from theory.graph import Graph
from theory.primitives import Shape
from theory.tracing import trace

# What the unknown symbols are in exact tests: coefficients, ascending, with the declared parity.
POLYNOMIALS = {
    "phi": sympy.Poly([Fraction(1, 3), -1, Fraction(1, 2), 2], sympy.Symbol("z")),
    "psi": sympy.Poly([Fraction(1, 2), 0, -3, 0], sympy.Symbol("z")),
    "chi": sympy.Poly([2, 0, 1], sympy.Symbol("z")),
}


def polynomial(activation: Activation, z: Any) -> Any:
    """φ⁽ᵏ⁾(z) by Horner's rule."""
    total: Any = 0
    for c in POLYNOMIALS[activation.name].diff((sympy.Symbol("z"), activation.order)).all_coeffs():
        total = total * z + (c if isinstance(z, sympy.Expr) else Fraction(int(c.p), int(c.q)))
    return total


def sympy_number(value: Any) -> sympy.Rational:
    return sympy.Rational(Fraction(value).numerator, Fraction(value).denominator)


def shapes_for(graph: Graph) -> dict[str, Shape]:
    """Everything that the graph or a derivative of it may be given."""
    adjoints = {f"adjoint:{y}": graph.nodes[k].shape for y, k in graph.outputs.items()}
    tangents = {f"tangent:{p}": shape for p, shape in graph.parameter_shapes.items()}
    return graph.input_shapes | adjoints | tangents


def symbols_for(graph: Graph) -> dict[str, Any]:
    return {
        name: filled(shape, [sympy.Symbol(f"{name}_{k}") for k in range(prod(shape))])
        for name, shape in shapes_for(graph).items()
    }


def rationals_for(graph: Graph, draw: Any) -> dict[str, Any]:
    entry = st.fractions(-2, 2, max_denominator=3)
    return {
        name: filled(shape, [draw(entry) for _ in range(prod(shape))])
        for name, shape in shapes_for(graph).items()
    }


def paired(a: Any, b: Any) -> Any:
    """⟨a, b⟩."""
    return sum(x * y for x, y in zip(a.ravel(), b.ravel(), strict=True))


def loss_of(graph: Graph, given: dict[str, Any]) -> sympy.Expr:
    """Σ adjoint · y, explicitly."""
    found = interpret(graph, given, polynomial, sympy_number)
    return sum(paired(found[name], given[f"adjoint:{name}"]) for name in graph.outputs)


def derivative_along(graph: Graph, f: Any, symbols: dict[str, Any]) -> sympy.Expr:
    """Σ ∂f/∂p v over the parameters."""
    return sum(
        sympy.diff(f, s) * v
        for p in graph.parameter_shapes
        for s, v in zip(symbols[p].ravel(), symbols[f"tangent:{p}"].ravel(), strict=True)
    )


def numbers_in(expressions: list[sympy.Expr], symbols: Any, values: Any) -> list[Fraction]:
    """Exact values of expressions."""
    point = {
        s: sympy_number(v)
        for name in symbols
        for s, v in zip(symbols[name].ravel(), values[name].ravel(), strict=True)
    }
    found = [sympy.sympify(e).xreplace(point) for e in expressions]
    return [Fraction(int(v.p), int(v.q)) for v in found]


@given(graphs(max_nodes=6), st.data())
def test_reverse_mode_is_sympy_differentiation(graph, data):
    values, symbols = rationals_for(graph, data.draw), symbols_for(graph)
    found = interpret(gradient(graph, outputs=graph.outputs), values, polynomial)
    loss = loss_of(graph, symbols)
    for p in graph.parameter_shapes:
        expected = [sympy.diff(loss, s) for s in symbols[p].ravel()]
        assert list(found[f"grad:{p}"].ravel()) == numbers_in(expected, symbols, values)


@given(graphs(max_nodes=6), st.data())
def test_forward_mode_is_sympy_differentiation(graph, data):
    values, symbols = rationals_for(graph, data.draw), symbols_for(graph)
    found = interpret(pushforward(graph), values, polynomial)
    outputs = interpret(graph, symbols, polynomial, sympy_number)
    for name in graph.outputs:
        expected = [derivative_along(graph, y, symbols) for y in outputs[name].ravel()]
        exact = numbers_in(expected, symbols, values)
        assert list(found[f"tangent:{name}"].ravel()) == exact


@given(graphs(functions=(*UNKNOWN, *SMOOTH, *GATED), max_nodes=12), st.integers(0, 99))
def test_modes_agree_in_prime_fields(graph, seed):
    try:
        assert channel_agrees(graph, seed)
    except ZeroDivisionError:
        assume(False)


@given(graphs(max_nodes=5), st.data())
def test_second_derivatives_are_sympy_differentiation(graph, data):
    values, symbols = rationals_for(graph, data.draw), symbols_for(graph)
    second = pushforward(gradient(graph, outputs=graph.outputs))
    found = interpret(second, values, polynomial)
    slope = derivative_along(graph, loss_of(graph, symbols), symbols)
    for p in graph.parameter_shapes:
        expected = [sympy.diff(slope, s) for s in symbols[p].ravel()]
        exact = numbers_in(expected, symbols, values)
        assert list(found[f"tangent:grad:{p}"].ravel()) == exact


@given(graphs(max_nodes=10), st.data())
def test_hessian_is_symmetric(graph, data):
    second = pushforward(gradient(graph, outputs=graph.outputs))
    v = rationals_for(graph, data.draw)
    u = v | {k: a for k, a in rationals_for(graph, data.draw).items() if k.startswith("tangent:")}
    along, across = interpret(second, v, polynomial), interpret(second, u, polynomial)
    names = list(graph.parameter_shapes)
    assert sum(paired(along[f"tangent:grad:{p}"], u[f"tangent:{p}"]) for p in names) == sum(
        paired(across[f"tangent:grad:{p}"], v[f"tangent:{p}"]) for p in names
    )


def test_whole_hessian_of_a_network_is_sympys():
    """Weights used twice, by a recurrence; every column against ``sympy.hessian``."""

    def recurrent(p, x):
        h = PHI(x["x"] @ p["W"] + p["b"])
        return {"y": PHI(h @ p["W"] + p["b"])}

    graph = trace(recurrent, {"W": (2, 2), "b": (2,)}, {"x": (1, 2)})
    symbols = symbols_for(graph)
    theta = [*symbols["W"].ravel(), *symbols["b"].ravel()]
    hessian = sympy.hessian(loss_of(graph, symbols), theta)
    values = {
        name: filled(array.shape, [Fraction(k + 1, len(name) + 2) for k in range(array.size)])
        for name, array in symbols.items()
    }
    expected = numbers_in(list(hessian), symbols, values)
    second = pushforward(gradient(graph))
    columns = []
    for k in range(len(theta)):
        unit = [Fraction(int(j == k)) for j in range(len(theta))]
        direction = {"tangent:W": filled((2, 2), unit[:4]), "tangent:b": filled((2,), unit[4:])}
        found = interpret(second, values | direction, polynomial)
        columns += [*found["tangent:grad:W"].ravel(), *found["tangent:grad:b"].ravel()]
    assert columns == expected  # by columns, as the Hessian is symmetric


@pytest.mark.parametrize("name", ["tanh", "exp", "sigmoid", "softplus", "silu", "gelu"])
def test_known_functions_have_sympys_gradient(name):
    """With SymPy's closed forms the difference is zero as an expression, at 60 digits."""
    f = Activation(name)
    graph = trace(lambda p, x: {"y": f(f(x["x"] * p["w"]) * p["w"])}, {"w": ()}, {"x": ()})
    w, x, adjoint = sympy.symbols("w x adjoint")
    given = {"w": w, "x": x, "adjoint:y": adjoint}
    arrays = {k: filled((), [v]) for k, v in given.items()}
    found = interpret(gradient(graph), arrays, lambda a, z: a(z), sympy_number)
    loss = interpret(graph, arrays, lambda a, z: a(z), sympy_number)["y"].item() * adjoint
    point = {w: sympy.Rational(3, 7), x: sympy.Rational(-5, 3), adjoint: sympy.Rational(2, 9)}
    difference = found["grad:w"].item() - sympy.diff(loss, w)
    assert abs(difference.subs(point).evalf(60, chop=False)) < sympy.Rational(1, 10**50)


FLOAT_FUNCTIONS: dict[str, Any] = {
    "phi": np.sin,
    "phi'": np.cos,
    "psi": np.sin,
    "psi'": np.cos,
    "chi": np.cos,
    "chi'": lambda z: -np.sin(z),
}


@pytest.mark.parametrize("name", COVERING)
def test_gradient_is_the_limit_of_float_differences(name):
    """Central differences: error h² f'''/6 + ε f/h, with h = 1e-5 below 1e-8 for terms near 1.

    The largest terms of these graphs and their third derivatives are below 1000.
    """
    graph, h = COVERING[name], 1e-5
    rng = np.random.default_rng(7)
    system = Float64(FLOAT_FUNCTIONS)
    backward = gradient(graph, outputs=graph.outputs)
    values = {k: rng.uniform(0.3, 0.9, shape) for k, shape in backward.input_shapes.items()}
    found = Evaluator(backward, system)(values)
    forward = Evaluator(graph, system)

    def loss(moved: dict[str, Any]) -> float:
        outputs = forward(values | moved)
        return sum(float((outputs[y] * values[f"adjoint:{y}"]).sum()) for y in graph.outputs)

    for p, shape in graph.parameter_shapes.items():
        v = rng.uniform(-1, 1, shape)
        difference = (loss({p: values[p] + h * v}) - loss({p: values[p] - h * v})) / (2 * h)
        assert difference == pytest.approx(float((found[f"grad:{p}"] * v).sum()), abs=1e-5)


def _square() -> Graph:
    return trace(lambda p, x: {"y": p["w"] * p["w"] * x["x"]}, {"w": ()}, {"x": ()})


def _scalar(graph: Graph, **given: int) -> dict[str, Fraction]:
    arrays = {k.replace("_", ":"): filled((), [Fraction(v)]) for k, v in given.items()}
    return {k: v.item() for k, v in interpret(graph, arrays, polynomial).items()}


def test_repeated_use_adds_up():
    assert _scalar(gradient(_square()), w=3, x=5, adjoint_y=7)["grad:w"] == 2 * 3 * 5 * 7


def test_gradient_keeps_outputs_and_names_its_own():
    assert _scalar(gradient(_square()), w=3, x=5, adjoint_y=7)["y"] == 45
    assert list(gradient(_square()).outputs) == ["y", "grad:w"]


def test_gradient_by_an_input():
    found = _scalar(gradient(_square(), wrt=["x"]), w=3, x=5, adjoint_y=7)
    assert found == {"y": 45, "grad:x": 63}


def test_an_output_named_twice_has_one_adjoint():
    graph = gradient(_square(), outputs=("y", "y"))
    assert _scalar(graph, w=3, x=5, adjoint_y=7)["grad:w"] == 210


def test_outputs_that_are_one_node_have_separate_adjoints():
    def both(p, x):
        y = p["w"] * x["x"]
        return {"y": y, "z": y}

    graph = gradient(trace(both, {"w": ()}, {"x": ()}), outputs=("y", "z"))
    assert _scalar(graph, w=3, x=5, adjoint_y=7, adjoint_z=11)["grad:w"] == 5 * 18


def test_what_does_not_depend_has_gradient_and_tangent_zero():
    graph = trace(lambda p, x: {"y": x["x"] * 2, "z": p["w"] + 1}, {"w": (2,)}, {"x": ()})
    found = interpret(
        gradient(graph), {"x": filled((), [1]), "w": filled((2,), [1, 2])}, polynomial
    )
    assert list(found["grad:w"]) == [0, 0]
    tangents = pushforward(graph)
    assert "tangent:y" in tangents.outputs
    given = {"x": 1, "w": filled((2,), [1, 2]), "tangent:w": filled((2,), [5, 6])}
    values = interpret(tangents, given, polynomial)
    assert (values["tangent:y"].item(), list(values["tangent:z"])) == (0, [5, 6])


def test_pushforward_twice_is_the_second_derivative_along_one_direction():
    graph = trace(lambda p, x: {"y": p["w"] ** 3}, {"w": ()}, {})
    found = _scalar(pushforward(pushforward(graph)), w=2, tangent_w=5)
    assert found["tangent:tangent:y"] == 6 * 2 * 5**2


def test_reverse_over_forward_is_forward_over_reverse():
    graph = trace(lambda p, x: {"y": p["w"] ** 3 * p["w"] * x["x"]}, {"w": ()}, {"x": ()})
    one = _scalar(pushforward(gradient(graph)), w=2, x=3, tangent_w=5, adjoint_y=7)
    other = gradient(pushforward(graph), wrt=["w"], outputs=["tangent:y"])
    arrays = {"w": 2, "x": 3, "tangent:w": 5, "adjoint:tangent:y": 7}
    found = interpret(other, {k: filled((), [Fraction(v)]) for k, v in arrays.items()}, polynomial)
    assert found["grad:w"].item() == one["tangent:grad:w"] == 12 * 4 * 3 * 5 * 7


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: gradient(g, wrt=["u"]), r"'u' is no parameter or input; there are \['w', 'x'\]"),
        (lambda g: pushforward(g, wrt=["u"]), r"'u' is no parameter or input"),
        (lambda g: gradient(g, outputs=["z"]), r"output 'z': the graph has \['y'\]"),
        (lambda g: gradient(gradient(g)), r"grad:w is an output already: differentiate it by push"),
    ],
)
def test_wrong_names_are_errors(call, message):
    with pytest.raises(GraphError, match="^" + message):
        call(_square())
