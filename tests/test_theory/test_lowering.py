"""A lowered call computes what NumPy computes: the same function, traced and on rational arrays."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_theory.interpreter import filled, interpret
from theory.activation import Activation
from theory.graph import Graph
from theory.primitives import Apply, Einsum, Take
from theory.tracing import trace

SHAPES = {"a": (2, 3), "b": (3, 4), "c": (3,), "d": (2, 1, 3), "s": (), "q": (2, 2, 3), "r": (1, 3)}


def _rational(activation: Activation, z: Fraction) -> Fraction:
    """Gates exactly; what is left is opaque but injective enough to tell calls apart."""
    if activation.name == "step":
        return Fraction(z > 0)
    return max(z, Fraction(0)) if activation.name == "relu" else z * z * z / 7 + z + 3


def _arrays(shapes: dict[str, tuple[int, ...]] = SHAPES, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        name: filled(
            shape, [Fraction(int(n), 7) for n in rng.integers(1, 60, np.prod(shape, dtype=int))]
        )
        for name, shape in shapes.items()
    }


def _traced(function: Any) -> Graph:
    return trace(lambda p, x: {"y": function(**p)}, SHAPES, {})


CALLS: dict[str, Any] = {
    "a + c": lambda a, c, **_: a + c,
    "c - d": lambda c, d, **_: c - d,
    "2 - a": lambda a, **_: 2 - a,
    "a * s": lambda a, s, **_: a * s,
    "a / c": lambda a, c, **_: a / c,
    "1 / a": lambda a, **_: 1 / a,
    "a / 3": lambda a, **_: a / Fraction(3),
    "-a": lambda a, **_: -a,
    "+a": lambda a, **_: +a,
    "a ** 0": lambda a, **_: a**0,
    "a ** 1": lambda a, **_: a**1,
    "a ** 5": lambda a, **_: a**5,
    "a ** -2": lambda a, **_: a ** Fraction(-2),
    "s ** [2, 2]": lambda s, **_: s ** np.array([2, 2]),
    "square": lambda a, **_: np.square(a),
    "abs": lambda a, **_: abs(a - 4),
    "sign": lambda a, **_: np.sign(a - 4),
    "sign at 0": lambda a, **_: np.sign(a - a),
    "maximum": lambda a, c, **_: np.maximum(a, c),
    "maximum(a, 0)": lambda a, **_: np.maximum(a - 4, 0),
    "maximum(4, a)": lambda a, **_: np.maximum(4, a),
    "minimum": lambda a, c, **_: np.minimum(a, c),
    "minimum(a, 4)": lambda a, **_: np.minimum(a, 4),
    "a @ b": lambda a, b, **_: a @ b,
    "c @ b": lambda c, b, **_: c @ b,
    "a @ c": lambda a, c, **_: a @ c,
    "c @ c": lambda c, **_: c @ c,
    "q @ b": lambda q, b, **_: q @ b,
    "d @ b": lambda d, b, **_: d @ b,
    "stacks": lambda d, q, **_: d @ q.transpose(0, 2, 1),
    "stretched stacks": lambda q, r, **_: r.reshape(1, 1, 1, 3) @ q.reshape(2, 1, 3, 2),
    "dot": lambda a, b, **_: np.dot(a, b),
    "dot of vectors": lambda c, **_: np.dot(c, c),
    "dot by a scalar": lambda a, s, **_: np.dot(s, a),
    "dot of a stack": lambda q, b, **_: np.dot(q, b),
    "dot with a stack": lambda c, q, **_: np.dot(c, q.reshape(2, 3, 2)),
    "einsum": lambda a, b, **_: np.einsum("ij,jk->ki", a, b),
    "einsum of three": lambda a, b, c, **_: np.einsum("ij,jk,j->k", a, b, c),
    "einsum of one": lambda q, **_: np.einsum("ijk->kj", q),
    "einsum lone label": lambda a, b, **_: np.einsum("ij,kl->il", a, b),
    "einsum outer": lambda a, c, **_: np.einsum("ij,k->kij", a, c),
    "einsum implicit": lambda a, b, **_: np.einsum("ij, jk", a, b),
    "sum": lambda q, **_: np.sum(q),
    "sum axis": lambda q, **_: q.sum(axis=-1),
    "sum axes": lambda q, **_: np.sum(q, axis=(0, 2)),
    "sum keepdims": lambda q, **_: q.sum(axis=1, keepdims=True),
    "sum no axes": lambda q, **_: q.sum(axis=()),
    "sum of a scalar": lambda s, **_: s.sum(),
    "mean": lambda q, **_: np.mean(q, axis=(1, 2)),
    "mean keepdims": lambda a, **_: a.mean(0, keepdims=True),
    "var": lambda a, **_: np.var(a, axis=1),
    "var keepdims": lambda a, **_: a.var(axis=0, keepdims=True),
    "reshape": lambda q, **_: q.reshape(3, -1),
    "reshape tuple": lambda q, **_: np.reshape(q, (4, 3)),
    "ravel": lambda q, **_: np.ravel(q),
    "T": lambda q, **_: q.T,
    "transpose": lambda q, **_: q.transpose(1, -1, 0),
    "transpose tuple": lambda q, **_: np.transpose(q, (2, 0, 1)),
    "transpose None": lambda q, **_: np.transpose(q, None),
    "swapaxes": lambda q, **_: np.swapaxes(q, 0, -1),
    "moveaxis": lambda q, **_: np.moveaxis(q, 0, -1),
    "expand_dims": lambda a, **_: np.expand_dims(a, 1),
    "expand_dims last": lambda a, **_: np.expand_dims(a, -1),
    "squeeze": lambda d, **_: np.squeeze(d),
    "squeeze axis": lambda r, **_: r.squeeze(axis=0),
    "broadcast_to": lambda r, **_: np.broadcast_to(r, (4, 2, 3)),
    "broadcast_to a length": lambda s, **_: np.broadcast_to(s, 3),
    "concatenate": lambda a, r, **_: np.concatenate([a, r, a]),
    "concatenate axis": lambda a, **_: np.concatenate((a, a * 2), axis=-1),
    "concatenate rows": lambda q, **_: np.concatenate(q),
    "stack": lambda a, **_: np.stack([a, a + 1], axis=1),
    "stack last": lambda a, **_: np.stack([a, a + 1], axis=-1),
    "take": lambda a, **_: np.take(a, [[2, -1], [0, 1]], axis=1),
    "take flat": lambda a, **_: np.take(a, [5, 0]),
    "max": lambda q, **_: np.max(q),
    "max axis": lambda b, **_: b.max(axis=1),
    "amax keepdims": lambda q, **_: np.amax(q, axis=(0, 2), keepdims=True),
    "min": lambda b, **_: np.min(b, axis=0),
    "amin of a scalar": lambda s, **_: np.amin(s),
    "clip": lambda a, **_: np.clip(a, 2, Fraction(9, 2)),  # type: ignore[call-overload]
    "clip below": lambda a, **_: a.clip(4),
    "clip above": lambda a, c, **_: np.clip(a, None, c),
    "where": lambda a, c, **_: np.where([[True], [False]], a, c),
    "where mask": lambda a, **_: np.where(np.eye(2, 3) > 0, a, 7),
    "outer": lambda a, c, **_: np.outer(a, c),
    "tensordot": lambda q, **_: np.tensordot(q, q, 1 + 1 - 2),
    "tensordot of two axes": lambda a, q, **_: np.tensordot(q, a, 2),
    "tensordot pairs": lambda a, q, **_: np.tensordot(a, q, ([1, 0], [2, 1])),
    "tensordot pair": lambda a, q, **_: np.tensordot(a, q, (1, -1)),
    "pad": lambda a, **_: np.pad(a, ((1, 0), (2, 3))),
    "pad all": lambda q, **_: np.pad(q, 1, "constant"),
    "pad pairs": lambda a, **_: np.pad(a, ((0, 2),), constant_values=0),
    "split": lambda b, **_: sum(k * part for k, part in enumerate(np.split(b, 2, axis=1), 1)),
    "split at": lambda b, **_: np.concatenate(np.split(b, [1, 3], axis=-1)[::-1], axis=1),
    "repeat": lambda a, **_: np.repeat(a, 2),
    "repeat axis": lambda a, **_: a.repeat([2, 0, 1], axis=1),
    "tile": lambda a, **_: np.tile(a, 2),
    "tile axes": lambda a, **_: np.tile(a, (2, 1, 3)),
    "tile few": lambda q, **_: np.tile(q, (2,)),
    "roll": lambda q, **_: np.roll(q, 5),
    "roll axis": lambda b, **_: np.roll(b, -1, axis=1),
    "roll axes": lambda b, **_: np.roll(b, (1, 2), axis=(0, 1)),
    "roll both": lambda b, **_: np.roll(b, 1, axis=(0, 1)),
    "flip": lambda q, **_: np.flip(q),
    "flip axis": lambda q, **_: np.flip(q, axis=-1),
    "zeros_like": lambda a, **_: np.zeros_like(a) + a,
    "ones_like": lambda a, **_: np.ones_like(a) - a,
    "iteration": lambda a, **_: sum(row * k for k, row in enumerate(a)),
    "mixed constants": lambda c, **_: c * [10**30, 0.5, Fraction(1, 3)],
    "array on the left": lambda a, **_: np.array([1, 2, 3]) * a,
    "array @": lambda b, **_: np.arange(6).reshape(2, 3) @ b,
}


@pytest.mark.parametrize("name", CALLS)
def test_call_is_numpys(name):
    arrays = _arrays()
    expected = np.asarray(CALLS[name](**arrays), dtype=object)
    found = interpret(_traced(CALLS[name]), arrays, _rational)["y"]
    assert found.shape == expected.shape
    assert (found == expected).all()


@pytest.mark.parametrize(
    ("function", "symbol"),
    [(np.exp, "exp"), (np.log, "log"), (np.sqrt, "sqrt"), (np.tanh, "tanh"), (np.std, "sqrt")],
)
def test_functions_are_symbols(function, symbol):
    graph = _traced(lambda a, **_: function(a))
    assert graph.nodes[-1].primitive == Apply(Activation(symbol))


def test_a_maximum_has_logarithmic_depth():
    graph = trace(lambda p, x: {"y": np.max(x["x"])}, {}, {"x": (1000,)})
    assert sum(isinstance(node.primitive, Apply) for node in graph.nodes) <= 2 * 10


def test_half_powers_are_roots():
    for exponent, symbol in ((0.5, "sqrt"), (-0.5, "rsqrt")):
        graph = _traced(lambda a, exponent=exponent, **_: a**exponent)
        assert graph.nodes[-1].primitive == Apply(Activation(symbol))


@pytest.mark.parametrize(
    "function",
    [
        lambda a, **_: a + 0,
        lambda a, **_: np.zeros((2, 3)) + a,
        lambda a, **_: a - 0.0,
        lambda a, **_: a * 1,
        lambda a, **_: a / 1,
        lambda a, **_: a**1,
        lambda a, **_: a[...],
        lambda a, **_: a[:],
        lambda a, **_: a[[0, 1]],
        lambda a, **_: a.reshape(2, 3),
        lambda a, **_: a.transpose(0, 1),
        lambda a, **_: np.broadcast_to(a, (2, 3)),
        lambda a, **_: np.concatenate([a]),
    ],
)
def test_what_changes_nothing_leaves_no_node(function):
    assert len(_traced(function).nodes) == 1


def test_a_zero_factor_removes_the_dependence():
    assert _traced(lambda a, **_: a * 0 + 1).parameter_shapes == {}


def test_equal_computations_are_equal_graphs():
    one = _traced(lambda a, c, **_: np.tanh(a * c) + np.tanh(a * c))
    two = _traced(lambda a, c, **_: (lambda h: h + h)(np.tanh(a * c)))
    assert one == two


def test_a_product_of_matrices_is_one_einsum():
    assert [type(n.primitive) for n in _traced(lambda q, b, **_: q @ b).nodes[2:]] == [Einsum]


def test_looking_up_rows_takes_along_one_axis():
    """An embedding keeps its model dimension apart, so that the axis keeps its name."""
    graph = _traced(lambda b, **_: b[np.array([[0, 2], [1, 1]])])
    assert graph.nodes[1].primitive == Take(0, (0, 2, 1, 1))
    assert graph.nodes[graph.outputs["y"]].shape == (2, 2, 4)


def _keys(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    integers = [st.integers(-n, n - 1) for n in shape]
    slices = [st.slices(n) for n in shape]
    arrays = [st.lists(st.integers(-n, n - 1), min_size=1, max_size=3) for n in shape]
    masks = [st.lists(st.booleans(), min_size=n, max_size=n) for n in shape]
    grids = [st.integers(0, n - 1).map(lambda k: np.array([[k, 0]])) for n in shape]
    one = [st.one_of(*k) for k in zip(integers, slices, arrays, masks, grids, strict=True)]
    parts = st.integers(0, len(shape)).flatmap(lambda n: st.tuples(*one[:n]))
    extra = st.sampled_from([(), (None,), (Ellipsis,), (True,), (np.True_,)])
    return st.one_of(
        *one[:1],
        parts,
        st.tuples(extra, parts).map(lambda k: k[0] + k[1]),
        st.tuples(parts, extra).map(lambda k: k[0] + k[1]),
    )


@given(_keys((2, 3, 4)))
def test_indexing_is_numpys(key):
    array = np.arange(24).reshape(2, 3, 4)
    try:
        expected = array[key]
    except IndexError:
        with pytest.raises(ValueError, match=r"^x\["):
            trace(lambda p, x: {"y": p["w"][key]}, {"w": (2, 3, 4)}, {})
        return
    graph = trace(lambda p, x: {"y": p["w"][key] * 1}, {"w": (2, 3, 4)}, {})
    found = interpret(graph, {"w": array.astype(object)}, _rational)["y"]
    assert found.shape == expected.shape
    assert (found == expected).all()


@st.composite
def _einsums(draw: Any) -> tuple[str, list[tuple[int, ...]]]:
    lengths = {label: draw(st.integers(1, 3)) for label in "ijkl"}
    label = st.permutations("ijkl").flatmap(lambda c: st.integers(0, 3).map(lambda n: c[:n]))
    operands = draw(st.lists(label, min_size=1, max_size=3))
    used = sorted({c for own in operands for c in own})
    out = [c for c in draw(st.permutations(used)) if draw(st.booleans())]
    subscripts = ",".join("".join(own) for own in operands) + "->" + "".join(out)
    return subscripts, [tuple(lengths[c] for c in own) for own in operands]


@given(_einsums())
def test_einsum_is_numpys(drawn):
    subscripts, shapes = drawn
    named = {f"a{k}": shape for k, shape in enumerate(shapes)}
    arrays = _arrays(named)
    graph = trace(lambda p, x: {"y": np.einsum(subscripts, *(p[k] for k in named))}, named, {})
    found = interpret(graph, arrays, _rational)["y"]
    expected = np.asarray(np.einsum(subscripts, *arrays.values(), optimize=False), dtype=object)
    assert found.shape == expected.shape
    assert (found == expected).all()


stack_shapes = st.lists(st.sampled_from([1, 2]), max_size=2).map(tuple)


@given(stack_shapes, stack_shapes, st.booleans(), st.booleans())
def test_matmul_is_numpys(stack_a, stack_b, row, column):
    shapes = {
        "a": (*(stack_a if row else ()), *((3,) if row else ()), 2),
        "b": (*(stack_b if column else ()), 2, *((4,) if column else ())),
    }
    arrays = _arrays(shapes)
    graph = trace(lambda p, x: {"y": p["a"] @ p["b"]}, shapes, {})
    found = interpret(graph, arrays, _rational)["y"]
    assert (found == np.matmul(arrays["a"], arrays["b"])).all()
