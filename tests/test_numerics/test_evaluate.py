from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.systems.ball import Ball, contains
from numerics.systems.float64 import Float64
from numerics.systems.multiprecision import MultiPrecision
from numerics.systems.objects import exact
from numerics.systems.rational import Rational
from tests.test_numerics.programs import Program, programs
from tests.test_numerics.test_systems.laws import EXACT, RATIONALS, Reference, arrays
from theory.activation import activation, gelu, sigmoid, silu, softplus
from theory.backprop import gradient
from theory.errors import ShapeError, ValueSystemError
from theory.graph import Graph
from theory.tracing import trace

FLOAT = Float64()


def traced(program: Program) -> Graph:
    shapes = {name: a.shape for name, a in program.inputs.items()}
    return trace(lambda p, x: {"y": program.run(x.values())}, {}, shapes)


@given(program=programs())
def test_the_trace_of_a_program_computes_what_the_program_does(program):
    expected = program.run(program.given)
    found = Evaluator(traced(program), FLOAT)(program.inputs)["y"]
    assert found.shape == np.shape(expected)
    assert (found == expected).all()


@given(program=programs(max_steps=3))
def test_exact_systems_compute_the_same(program):
    expected = Evaluator(traced(program), FLOAT)(program.inputs)["y"]
    found = Evaluator(traced(program), Rational())(program.inputs)["y"]
    assert found.shape == expected.shape
    assert all(exact(a) == b for a, b in zip(found.flat, expected.flat, strict=True))


@given(program=programs(), data=st.data())
def test_leading_axes_are_a_loop_over_trials(program, data):
    lead = data.draw(st.integers(1, 2), label="lead")
    trials = (3, 2)[:lead]
    rng = np.random.default_rng(0)
    ensembles = {}
    for name, a in program.inputs.items():
        own = data.draw(st.integers(0, lead), label=f"leading axes of {name}")
        ensembles[name] = rng.integers(-4, 5, trials[:own] + a.shape).astype(np.float64)
    found = Evaluator(traced(program), FLOAT, lead)(ensembles)["y"]
    for trial in np.ndindex(trials):
        single = {
            name: a[trial[: a.ndim - program.inputs[name].ndim]] for name, a in ensembles.items()
        }
        # An output that does not vary along a leading axis has length 1 there.
        place = tuple(k if n > 1 else 0 for k, n in zip(trial, found.shape, strict=False))
        assert (found[place] == program.run(single.values())).all()


@pytest.mark.parametrize("lead", [0, 1])
@pytest.mark.parametrize(
    "subscripts",
    [
        "abij,abjk->abik",
        "ij,jkl->lik",
        "ij,jkl->kil",
        "ijk,kjl->li",
        "abi,acj->bcaij",
        "abi,bai->ab",
        "i,ij->j",
        "ij,j->i",
        "ab,bcd->dac",
        "i,j->ji",
    ],
)
def test_a_contraction_has_its_axes_in_the_order_of_the_output(subscripts, lead):
    left, right = subscripts.partition("->")[0].split(",")
    rng = np.random.default_rng(3)
    shapes = {"l": tuple(map(ord, left)), "r": tuple(map(ord, right))}
    shapes = {name: tuple(n % 5 + 2 for n in shape) for name, shape in shapes.items()}
    graph = trace(lambda p, x: {"y": np.einsum(subscripts, x["l"], x["r"])}, {}, shapes)
    front = (2,) * lead
    given_ = {k: rng.integers(-9, 10, front + s).astype(float) for k, s in shapes.items()}
    found = Evaluator(graph, FLOAT, lead)(given_)["y"]
    dots = subscripts.replace(",", ",...").replace("->", "->...")
    assert (found == np.einsum(f"...{dots}", given_["l"], given_["r"])).all()


def test_parts_of_which_some_vary_over_trials_are_joined():
    shapes = {"a": (2,), "b": (1,)}
    graph = trace(lambda p, x: {"y": np.concatenate([x["a"], x["b"], x["a"]])}, {}, shapes)
    for a, b in ((np.ones((3, 2)), np.zeros(1)), (np.ones(2), np.zeros((3, 1)))):
        found = Evaluator(graph, FLOAT, 1)({"a": a, "b": b})["y"]
        assert found.tolist() == [[1, 1, 0, 1, 1]] * 3


def attention(p, x):
    """Layer norm, attention and a gated layer: all the functions and divisions there are."""
    z = x["x"]
    centred = z - np.mean(z, axis=-1, keepdims=True)
    z = centred / np.sqrt(np.var(z, axis=-1, keepdims=True) + 0.125)
    q, k, v = (z @ p[name] for name in ("q", "k", "v"))
    scores = np.exp(np.einsum("bik,bjk->bij", q, k))
    z = z + (scores / np.sum(scores, axis=-1, keepdims=True)) @ v
    gates = silu(z) * sigmoid(z) + gelu(z) - softplus(z) * np.tanh(z)
    return {"y": gates @ p["out"] + np.maximum(z, 0)[..., 0] * np.abs(z)[..., 1]}


PARAMETERS = {"q": (3, 2), "k": (3, 2), "v": (3, 3), "out": (3,)}
INPUTS = {"x": (2, 4, 3)}


def random_arrays(seed: int, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


def test_floats_are_within_their_rounding_of_rigorous_enclosures():
    graph = gradient(trace(attention, PARAMETERS, INPUTS))
    values = random_arrays(1, {**PARAMETERS, **INPUTS, "adjoint:y": (2, 4)})
    floats, balls = Evaluator(graph, FLOAT)(values), Evaluator(graph, Ball(100))(values)
    fine = Evaluator(graph, MultiPrecision(50))(values)
    assert floats.keys() == balls.keys() == {"y", *(f"grad:{name}" for name in PARAMETERS)}
    for name, enclosure in balls.items():
        assert contains(enclosure, fine[name]).all()
        widths = [float(z.rad()) for z in enclosure.flat]
        assert max(widths) < 1e-24
        # 300 operations on numbers below 100: 300 · 100 · 2⁻⁵³ < 4e-12.
        middles = np.array([float(z.mid()) for z in enclosure.flat]).reshape(enclosure.shape)
        assert np.abs(floats[name] - middles).max() < 4e-12


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("wrt", [*PARAMETERS, "x"])
def test_the_gradient_is_the_central_difference(seed, wrt):
    graph = trace(attention, PARAMETERS, INPUTS)
    system = MultiPrecision(60)
    shapes = {**PARAMETERS, **INPUTS}
    given_ = {name: system.array(a) for name, a in random_arrays(seed, shapes).items()}
    direction, adjoint = (
        system.array(np.random.default_rng(seed + 9).normal(size=shape))
        for shape in (shapes[wrt], (2, 4))
    )
    h = system.array("1e-20")
    step = h * direction
    forward = Evaluator(graph, system)
    ahead = forward({**given_, wrt: given_[wrt] + step})["y"]
    behind = forward({**given_, wrt: given_[wrt] - step})["y"]
    slope = np.sum(adjoint * (ahead - behind)) / (2 * h)
    pulled = Evaluator(gradient(graph, [wrt]), system)({**given_, "adjoint:y": adjoint})
    # h²/6 times a third derivative below 1e8, and 1e4 · 10⁻⁶⁰ / h of rounding.
    assert abs(np.sum(pulled[f"grad:{wrt}"] * direction) - slope) < 1e-32
    assert abs(slope) > 1e-3


@dataclass(frozen=True)
class Dual:
    """a + b ε with ε² = 0, over the rational numbers."""

    a: Fraction
    b: Fraction = Fraction(0)

    def __add__(self, other):
        other = _dual(other)
        return Dual(self.a + other.a, self.b + other.b)

    def __neg__(self):
        return Dual(-self.a, -self.b)

    def __sub__(self, other):
        return self + -_dual(other)

    def __mul__(self, other):
        other = _dual(other)
        return Dual(self.a * other.a, self.a * other.b + self.b * other.a)

    def __truediv__(self, other):
        return self * Dual(1 / other.a, -other.b / other.a**2)

    def __pow__(self, n):
        return Dual(self.a**n, n * self.a ** (n - 1) * self.b)

    __radd__ = __add__


def _dual(value):
    return value if isinstance(value, Dual) else Dual(value)


PHI = activation("phi")
CUBIC = tuple(Fraction(c) for c in ("1/2", -1, "1/3", "1/5"))


class DualNumbers(Reference):
    """Derivatives by dual numbers alone; φ by Horner's rule."""

    def _entry(self, value):
        return value if isinstance(value, Dual) else Dual(exact(value))

    def apply(self, symbol, z):
        def horner(x):
            total = Dual(Fraction(0))
            for c in reversed(CUBIC):
                total = total * x + Dual(c)
            return total

        return self._each(horner, z)


def rational_network(p, x):
    z = PHI(x["x"] @ p["W"] + p["b"])
    z = z * (z[:, [1, 0]] - np.mean(z, axis=0)) / (z * z + 1)
    z = np.concatenate([z, x["x"][:, :1]], axis=1) ** 3
    return {"y": PHI(z[[0, 1, 1]] @ p["V"]) - np.einsum("bi,i->b", z[::-1][[0, 0, 1]], p["V"])}


SHAPES = {"W": (3, 2), "b": (2,), "V": (3,), "x": (2, 3)}


@given(data=st.data())
def test_the_gradient_is_the_exact_directional_derivative(data):
    graph = trace(rational_network, {k: SHAPES[k] for k in "WbV"}, {"x": SHAPES["x"]})
    given_ = {name: data.draw(arrays(shape), label=name) for name, shape in SHAPES.items()}
    along = {name: data.draw(arrays(shape), label=f"d{name}") for name, shape in SHAPES.items()}
    adjoint = data.draw(arrays((3,)), label="adjoint")
    moved = {name: DualNumbers._each(Dual, given_[name], along[name]) for name in SHAPES}
    tangent = [y.b for y in Evaluator(graph, DualNumbers())(moved)["y"]]
    system = Rational(functions={"phi": CUBIC})
    found = Evaluator(gradient(graph, SHAPES), system)({**given_, "adjoint:y": adjoint})
    pulled = sum(
        exact(g) * v
        for name in SHAPES
        for g, v in zip(found[f"grad:{name}"].flat, along[name].flat, strict=True)
    )
    assert pulled == sum(s * t for s, t in zip(adjoint, tangent, strict=True))


@given(
    indices=st.lists(st.integers(0, 3), max_size=9),
    axis=st.integers(0, 1),
    lead=st.integers(0, 2),
    data=st.data(),
)
def test_an_index_that_is_taken_twice_gets_both_adjoints(indices, axis, lead, data):
    shape = (4, 2) if axis == 0 else (2, 4)
    graph = trace(
        lambda p, x: {"y": np.take(p["w"], np.array(indices, dtype=int), axis=axis)},
        {"w": shape},
        {},
    )
    out = (*shape[:axis], len(indices), *shape[axis + 1 :])
    trials = (2, 3)[:lead]
    size = int(np.prod(trials + out))
    entries = data.draw(st.lists(st.integers(-9, 9), min_size=size, max_size=size))
    adjoint = np.array(entries, dtype=np.float64).reshape(trials + out)
    w = np.arange(8.0).reshape(shape)
    found = Evaluator(gradient(graph), FLOAT, lead)({"w": w, "adjoint:y": adjoint})
    expected = np.zeros(trials + shape)
    np.add.at(np.moveaxis(expected, lead + axis, 0), indices, np.moveaxis(adjoint, lead + axis, 0))
    gradients = np.broadcast_to(found["grad:w"], expected.shape)
    assert (gradients == expected).all()
    assert (found["y"] == np.take(w, np.array(indices, dtype=int), axis=axis)).all()


PRODUCT = trace(lambda p, x: {"y": x["x"] @ p["W"]}, {"W": (3, 2)}, {"x": (5, 3)})


@pytest.mark.parametrize(
    ("lead", "given_", "message"),
    [
        (0, {"x": np.ones((5, 3))}, r"'W' is missing: the graph needs its \(3, 2\) array"),
        (0, {"x": np.ones((5, 3)), "W": np.ones((2, 3))}, r"'W' has shape \(2, 3\), expected"),
        (0, {"x": np.ones((5, 3)), "W": np.ones(2)}, r"'W' has shape \(2,\), expected \(3, 2\)$"),
        (0, {"x": np.ones((1, 5, 3)), "W": np.ones((3, 2))}, r"'x' has shape \(1, 5, 3\)"),
        (1, {"x": np.ones((4, 5, 3)), "W": np.ones((1, 1, 3, 2))}, "after 1 leading axes"),
        (1, {"x": np.ones((4, 5, 3)), "W": np.ones((2, 3, 2))}, "leading axes disagree"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(lead, given_, message):
    with pytest.raises(ShapeError, match=message):
        Evaluator(PRODUCT, FLOAT, lead)(given_)


def test_an_array_of_one_column_is_not_taken_for_a_row():
    graph = trace(lambda p, x: {"y": x["x"] * 2}, {}, {"x": (1, 4)})
    with pytest.raises(ShapeError, match=r"'x' has shape \(4,\)"):
        Evaluator(graph, FLOAT)({"x": np.ones(4)})


def test_integers_and_single_precision_are_converted_before_they_overflow():
    graph = trace(lambda p, x: {"y": x["x"] * x["x"]}, {}, {"x": (1,)})
    run = Evaluator(graph, FLOAT)
    assert run({"x": np.array([2**40])})["y"] == [2.0**80]
    assert run({"x": np.array([2**100], dtype=np.float32)})["y"] == [2.0**200]
    assert run({"x": np.array([Fraction(1, 2)], dtype=object)})["y"] == [0.25]


def test_floats_become_balls_and_not_float_arithmetic():
    graph = trace(lambda p, x: {"y": x["x"] / 3}, {}, {"x": (1,)})
    found = Evaluator(graph, Ball(80))({"x": np.ones(1)})["y"]
    assert contains(found, [Fraction(1, 3)])[0]
    with pytest.raises(ValueSystemError, match=r"entry \(0,\) is nan"):
        Evaluator(graph, Ball(80))({"x": np.array([np.nan])})


@given(x=arrays((), RATIONALS))
def test_scalars_are_arrays_without_axes(x):
    graph = trace(lambda p, x: {"y": x["x"] * x["x"] + 1, "x": x["x"]}, {}, {"x": ()})
    for system in (FLOAT, EXACT, Rational(), Ball(), MultiPrecision(20)):
        found = Evaluator(graph, system)({"x": x})
        assert all(isinstance(a, np.ndarray) and a.shape == () for a in found.values())
