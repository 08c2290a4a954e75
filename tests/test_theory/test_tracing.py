"""What a traced function may do, and one clear error for each thing that it may not."""

import copy
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from theory.errors import GraphError, TraceError
from theory.graph import Graph
from theory.numpy_calls import FUNCTIONS, UFUNCS
from theory.primitives import Constant, Parameter
from theory.tracing import Traced, as_traced, record, trace

SUPPORTED = (
    "supported: absolute, add, amax, amin, broadcast_to, clip, concatenate, divide, dot, einsum, "
    "exp, expand_dims"
)


def _trace(function: Any) -> Graph:
    """``function(w, x)`` with ``w (2, 3)`` and ``x (4, 2)``."""
    return trace(lambda p, x: {"y": function(p["w"], x["x"])}, {"w": (2, 3)}, {"x": (4, 2)})


def _assign(x: Any) -> None:
    x[0] = 1


def _add_in_place(x: Any) -> Any:
    x += 1
    return x


def _fill_array(x: Any) -> Any:
    array = np.zeros((4, 2))
    array += x
    return array


def _while(x: Any) -> None:
    while x.sum() > 0:
        x = x - 1


BAD: dict[str, tuple[Any, str]] = {
    "np.sort": (lambda w, x: np.sort(x), "np.sort is not supported on traced arrays; supported:"),
    "np.where": (lambda w, x: np.where(x, x, 0), "where: the condition must be known while trac"),
    "np.pad": (lambda w, x: np.pad(x, 1, "edge"), "pad: mode='edge': only zeros are padded"),
    "np.pad ones": (
        lambda w, x: np.pad(x, 1, constant_values=1),
        "pad: mode='constant' with const",
    ),
    "np.pad widths": (lambda w, x: np.pad(x, [1, 2, 3]), "pad: widths [1, 2, 3] do not fit an arr"),
    "np.pad < 0": (lambda w, x: np.pad(x, -1), "pad: width (-1, -1): a width is at least 0"),
    "np.split": (lambda w, x: np.split(x, 3), "split: 3 of axis 0 of Traced(4, 2): array split"),
    "np.repeat": (lambda w, x: np.repeat(x, [1, 2, 3], 0), "repeat: [1, 2, 3] for axis 0 of Trac"),
    "np.roll": (lambda w, x: np.roll(x, (1, 2), 0), "roll: shifts (1, 2) for axes (0,): one shi"),
    "tensordot of three axes": (lambda w, x: np.tensordot(x, w, 3), "tensordot: axes=3: as many"),
    "np.tensordot": (lambda w, x: np.tensordot(x, w, ([0, 1], [0])), "tensordot: axes=([0, 1], [0"),
    "np.max": (lambda w, x: np.max(x[:0]), "max(axis=None) of shape (0, 2): an empty axis has no"),
    "np.linalg.norm": (lambda w, x: np.linalg.norm(x), "np.linalg.norm is not supported"),
    "np.sin": (lambda w, x: np.sin(x), "np.sin is not supported on traced arrays; " + SUPPORTED),
    "np.add.reduce": (lambda w, x: np.add.reduce(x), "np.add.reduce is not supported"),
    "np.add.outer": (lambda w, x: np.add.outer(x, x), "np.add.outer is not supported"),
    "where=": (lambda w, x: np.add(x, 1, where=True), "np.add with ['where'] is not supported"),
    "dtype=": (lambda w, x: np.sum(x, dtype=float), "np.sum: _sum() got an unexpected keyword"),
    "dtype by place": (lambda w, x: np.sum(x, 0, str), "np.sum: _sum() takes from 2 to 3 posi"),
    "method": (lambda w, x: x.prod(axis=0), "x.prod is not supported on traced arrays; supported:"),
    "attribute": (lambda w, x: x.dtype, "x.dtype is not supported on traced arrays; supported:"),
    "assignment": (lambda w, x: _assign(x), "x[0] = ...: in-place assignment to a traced array"),
    "+=": (lambda w, x: _add_in_place(x), "np.add with out=: in-place assignment of a traced"),
    "+= of an array": (lambda w, x: _fill_array(x), "np.add with out=: in-place assignment of a"),
    "out=": (lambda w, x: np.add(x, 1, out=x), "np.add with out=: in-place assignment of a trac"),
    "if x": (lambda w, x: 1 if x else 2, "a traced value has no truth value: Python `if` or `wh"),
    "if x > 0": (lambda w, x: 1 if x > 0 else 2, "np.greater: a traced array cannot be compared"),
    "x == 0": (lambda w, x: x == 0, "np.equal: a traced array cannot be compared"),
    "1 in x": (lambda w, x: 1 in x, "np.equal: a traced array cannot be compared"),
    "while": (lambda w, x: _while(x), "np.greater: a traced array cannot be compared"),
    "x and w": (lambda w, x: x and w, "a traced value has no truth value"),
    "float": (lambda w, x: float(x[0, 0]), "a traced array of shape () has no numbers: float()"),
    "int": (lambda w, x: int(x[0, 0]), "a traced array of shape () has no numbers: float(), int"),
    "complex": (lambda w, x: complex(x[0, 0]), "a traced array of shape () has no numbers"),
    "range": (lambda w, x: range(x[0, 0]), "a traced array of shape () has no numbers"),
    "np.asarray": (lambda w, x: np.asarray(x), "a traced array of shape (4, 2) has no numbers"),
    "assignment into numbers": (
        lambda w, x: np.zeros(w.shape).__setitem__(slice(None), w),
        "a traced array of shape (2, 3) has no numbers: float(), int(), np.asarray() and h[...] =",
    ),
    "np.array of rows": (lambda w, x: np.array([x[0], 1]), "a traced array of shape (2,) has no"),
    "list of values": (
        lambda w, x: np.add(w, [x[0, 0], 1, 2]),
        "not an array of finite numbers: [Trace",
    ),
    "nan": (lambda w, x: x * float("nan"), "not an array of finite numbers: nan (entry nan)"),
    "infinity": (lambda w, x: x + np.array([1, np.inf]), "not an array of finite numbers: array("),
    "text": (lambda w, x: x + "a", "not an array of finite numbers: 'a' (entry 'a')"),
    "None": (lambda w, x: x + None, "not an array of finite numbers: None (entry None)"),
    "complex constant": (lambda w, x: x * 1j, "not an array of finite numbers: 1j (entry 1j)"),
    "ragged": (
        lambda w, x: np.add(x, [[1], [1, 2]]),
        "not an array of finite numbers: [[1], [1, 2]] (",
    ),
    "add": (lambda w, x: w + x, "add: shapes (2, 3) and (4, 2) do not broadcast"),
    "maximum": (lambda w, x: np.maximum(w, x), "maximum: shapes (2, 3) and (4, 2) do not broad"),
    "power": (lambda w, x: w ** np.ones((4, 2)), "power: shapes (2, 3) and (4, 2) do not broadc"),
    "exponent": (lambda w, x: x**0.3, "power: exponent 0.3; supp"),
    "exponents": (lambda w, x: x ** [2, 3], "power: the exponent must be one number, the same"),
    "traced exponent": (lambda w, x: 2**x, "power: the exponent must be one number, the same"),
    "zero divisor": (lambda w, x: x / 0, "divide: Traced(4, 2) by the constant 0"),
    "zero to -1": (lambda w, x: np.reciprocal(x * 0), "divide: Traced(4, 2) by the constant 0"),
    "matmul": (lambda w, x: w @ x, "matmul: shapes (2, 3) and (4, 2): 3 != 4"),
    "matmul by a scalar": (lambda w, x: x @ 2, "matmul: shapes (4, 2) and (): a scalar has no ro"),
    "matmul stacks": (
        lambda w, x: np.ones((2, 5, 4)) @ np.stack([x, x, x]),
        "matmul: stacks (2,) and (3,) do not broadcast",
    ),
    "dot of stacks": (
        lambda w, x: np.dot(x, np.stack([w, w])),
        "dot: shapes (4, 2) and (2, 2, 3): write @ or np.einsum",
    ),
    "einsum axes": (
        lambda w, x: np.einsum("ijk,kl->il", x, w),
        "einsum: 'ijk,kl->il': does not label shapes [(4, 2), (2, 3)]",
    ),
    "einsum operands": (
        lambda w, x: np.einsum("ij->i", x, w),
        "einsum: 'ij->i': does not label shapes [(4, 2), (2, 3)]",
    ),
    "einsum lengths": (
        lambda w, x: np.einsum("ij,ik->jk", x, w),
        "einsum: 'ij,ik->jk': label 'i' has lengths 4 and 2",
    ),
    "einsum diagonal": (lambda w, x: np.einsum("ii->i", w), "einsum: 'ii->i': diagonals and new"),
    "einsum output": (lambda w, x: np.einsum("ij->k", w), "einsum: 'ij->k': diagonals and new"),
    "einsum dots": (
        lambda w, x: np.einsum("...j,jk->...k", x, w),
        "einsum: '...j,jk->...k': write subscripts with a label for every axis",
    ),
    "einsum lists": (lambda w, x: np.einsum(x, [0, 1]), "einsum: Traced(4, 2): write subscripts"),
    "einsum arrows": (lambda w, x: np.einsum("ij->j->j", w), "einsum: 'ij->j->j': a label is a"),
    "einsum option": (
        lambda w, x: np.einsum("ij,jk", x, w, optimize=True),
        "np.einsum: _einsum() got an unexpected keyword argument 'optimize'",
    ),
    "index traced": (lambda w, x: x[w], "x[traced]: an index must be known while tracing"),
    "index traced list": (lambda w, x: x[[w[0, 0]]], "x[[Traced()]] with shape (4, 2): "),
    "index outside": (lambda w, x: x[4], "x[4] with shape (4, 2): index 4 is out of bounds"),
    "index many": (lambda w, x: x[0, 0, 0], "x[(0, 0, 0)] with shape (4, 2): too many indices"),
    "index float": (lambda w, x: x[0.5], "x[0.5] with shape (4, 2): only integers, slices"),
    "index text": (lambda w, x: x["a"], "x['a'] with shape (4, 2): only integers, slices"),
    "axis": (lambda w, x: x.sum(axis=2), "axis=2: an array with 2 axes has -2..1"),
    "axis of mean": (lambda w, x: np.mean(x, axis=-3), "axis=-3: an array with 2 axes has -2..1"),
    "axis float": (lambda w, x: x.sum(axis=0.5), "(0.5,): an axis is an integer known while"),
    "axis twice": (lambda w, x: np.sum(x, axis=(0, -2)), "axis=(0, -2): an axis is named twice"),
    "axis of a scalar": (lambda w, x: x[0, 0].sum(axis=0), "axis=0: an array with 0 axes has none"),
    "empty mean": (lambda w, x: x[:0].mean(), "mean(axis=None) of shape (0, 2): an empty axis has"),
    "empty var": (lambda w, x: np.var(x[:0]), "mean(axis=None) of shape (0, 2): an empty axis has"),
    "swapaxes": (lambda w, x: np.swapaxes(x, 0, 2), "axis=2: an array with 2 axes has -2..1"),
    "moveaxis": (lambda w, x: np.moveaxis(x, 2, 0), "axis=2: an array with 2 axes has -2..1"),
    "transpose": (lambda w, x: x.transpose(0), "transpose(0,): does not order the 2 axes of"),
    "transpose twice": (lambda w, x: np.transpose(x, (0, 0)), "transpose((0, 0),): does not ord"),
    "reshape": (lambda w, x: x.reshape(3, -1), "reshape(3, -1): does not fit an array of shape"),
    "reshape negative": (lambda w, x: x.reshape(-2, -4), "reshape(-2, -4): does not fit an array"),
    "reshape float": (lambda w, x: x.reshape(2.5, -1), "(2.5, -1): a length is an integer known"),
    "reshape traced": (lambda w, x: x.reshape(w[0, 0]), "a traced array of shape () has no numb"),
    "broadcast_to": (
        lambda w, x: np.broadcast_to(x, (4, 3)),
        "broadcast_to: Traced(4, 2) does not",
    ),
    "broadcast down": (
        lambda w, x: np.broadcast_to(x, (2,)),
        "broadcast_to: Traced(4, 2) does not",
    ),
    "squeeze": (lambda w, x: np.squeeze(x, axis=0), "squeeze(axis=0) of shape (4, 2): only length"),
    "expand_dims": (lambda w, x: np.expand_dims(x, 4), "axis=4: an array with 3 axes has -3..2"),
    "concatenate": (
        lambda w, x: np.concatenate([w, x]),
        "concatenate: shapes (2, 3) and (4, 2) differ off axis 0",
    ),
    "concatenate scalars": (lambda w, x: np.concatenate([x[0, 0]]), "axis=0: an array with 0 axes"),
    "stack": (lambda w, x: np.stack([w, x]), "stack: shapes (2, 3) and (4, 2) must be equal"),
    "take": (lambda w, x: np.take(x, 9, axis=0), "x[(array(9),)] with shape (4, 2): index 9 is"),
    "take bools": (lambda w, x: np.take(x, [True], axis=0), "take: indices [True]: an index is an"),
    "take traced": (lambda w, x: np.take(w, x), "a traced array of shape (4, 2) has no numbers"),
    "len of a scalar": (lambda w, x: len(x[0, 0]), "len() of a traced scalar: it has no axes"),
    "iterate a scalar": (lambda w, x: list(x[0, 0]), "len() of a traced scalar: it has no axes"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_traced_is_one_clear_error(name):
    function, message = BAD[name]
    with pytest.raises(TraceError) as caught:
        _trace(function)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_values_of_two_traces_do_not_mix():
    kept: list[Traced] = []

    def leak(w, x):
        kept.append(x)
        return x

    _trace(leak)
    with pytest.raises(TraceError, match=r"^Traced\(4, 2\) belongs to another graph: keep no val"):
        _trace(lambda w, x: x + kept[0])
    with pytest.raises(TraceError, match=r"^Traced\(4, 2\) belongs to another graph"):
        _trace(lambda w, x: kept[0])
    with pytest.raises(TraceError, match=r"^Traced\(4, 2\) belongs to another graph"):
        _trace(lambda w, x: np.concatenate([x, kept[0]]))


def test_a_name_is_a_parameter_or_an_input():
    with pytest.raises(TraceError, match=r"^'x' is a parameter and an input: a name means one"):
        trace(lambda p, x: {"y": x["x"]}, {"x": ()}, {"x": ()})


def test_outputs_have_names():
    with pytest.raises(TraceError, match=r"^the function returns Traced\(2, 3\), expected output"):
        trace(lambda p, x: p["w"], {"w": (2, 3)}, {})  # type: ignore[arg-type,return-value]


def test_a_shape_is_made_of_lengths():
    with pytest.raises(GraphError, match=r"^Parameter: shape \(2, -1\): a length is at least 0"):
        trace(lambda p, x: {}, {"w": (2, -1)}, {})


def test_len_and_iteration_follow_the_first_axis():
    rows: list[Traced] = []

    def function(w, x):
        assert len(x) == 4
        rows.extend(x)
        first, second = w
        return first + second

    graph = _trace(function)
    assert [row.shape for row in rows] == [(2,)] * 4
    assert graph.nodes[graph.outputs["y"]].shape == (3,)


def test_traced_arrays_describe_themselves():
    def function(w, x):
        assert (x.shape, x.ndim, x.size, repr(x)) == ((4, 2), 2, 8, "Traced(4, 2)")
        assert (hasattr(x, "sum"), hasattr(x, "var"), hasattr(x, "prod")) == (True, True, False)
        assert x in {x: 1}
        assert copy.copy(x).number == x.number
        return x

    _trace(function)


def test_exact_constants():
    graph = _trace(lambda w, x: w * [0.1, Fraction(1, 3), sympy.Rational(2, 7)])
    (constant,) = [n.primitive for n in graph.nodes if isinstance(n.primitive, Constant)]
    assert constant.values == (Fraction(0.1), Fraction(1, 3), Fraction(2, 7))
    assert all(type(v.numerator) is int for v in constant.values)


@pytest.mark.parametrize(
    "number", [3, 3.0, Fraction(3), np.int8(3), np.float32(3), np.longdouble(3), sympy.Integer(3)]
)
def test_equal_numbers_are_one_constant(number):
    assert _trace(lambda w, x: w * number) == _trace(lambda w, x: w * np.full((2, 3), 3))


def test_an_integer_beside_a_float_is_not_rounded():
    graph = _trace(lambda w, x: w[0] * [2**60 + 1, 0.5, 1])
    (constant,) = [n.primitive for n in graph.nodes if isinstance(n.primitive, Constant)]
    assert constant.values[0] == 2**60 + 1


def test_leaves_and_constants_by_hand():
    graph = _trace(lambda w, x: record(w.builder, Parameter("b", (2, 3))) + as_traced(w.builder, 2))
    assert graph.parameter_shapes == {"b": (2, 3)}


def test_plain_results_are_constants():
    graph = trace(lambda p, x: {"y": np.eye(2), "z": 3}, {}, {})
    assert [graph.nodes[k].shape for k in graph.outputs.values()] == [(2, 2), ()]


anything: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 5),
        st.floats(),
        st.text(max_size=3),
        st.just("traced"),
        st.slices(4),
        st.just(np.arange(3)),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)


def _with_traced(argument: Any, traced: Any) -> Any:
    if isinstance(argument, list | tuple):
        return type(argument)(_with_traced(a, traced) for a in argument)
    return traced if isinstance(argument, str) and argument == "traced" else argument


@given(st.sampled_from(list(FUNCTIONS)), st.lists(anything, max_size=3), st.integers(0, 3))
def test_whatever_a_function_gets_only_a_trace_error_escapes(function, arguments, place):
    def call(w, x):
        given = [_with_traced(a, w) for a in arguments]
        given.insert(place, x)
        return x.__array_function__(function, (Traced,), tuple(given), {})

    with suppress(TraceError):
        _trace(call)


@given(st.sampled_from(list(UFUNCS)), anything, st.booleans())
def test_whatever_an_operand_is_only_a_trace_error_escapes(ufunc, other, flipped):
    def call(w, x):
        pair = (x, _with_traced(other, w))
        operands = (pair[::-1] if flipped else pair) if ufunc.nin == 2 else pair[:1]
        return x.__array_ufunc__(ufunc, "__call__", *operands)

    with suppress(TraceError):
        _trace(call)


@given(anything)
def test_whatever_the_index_only_a_trace_error_escapes(key):
    try:
        graph = _trace(lambda w, x: x[_with_traced(key, w)])
    except TraceError:
        return
    shape = np.empty((4, 2))[_with_traced(key, None)].shape
    assert graph.nodes[graph.outputs["y"]].shape == shape


@given(st.sampled_from(["reshape", "transpose", "sum", "mean", "broadcast_to"]), anything)
def test_whatever_a_method_gets_only_a_trace_error_escapes(method, argument):
    with suppress(TraceError):
        _trace(lambda w, x: getattr(x, method)(_with_traced(argument, w)))


def test_a_mask_holds_each_number_once():
    """A causal mask of T positions has T² entries; fractions are made of its two numbers only."""
    masks = [np.tril(np.ones((64, 64), dtype=kind)) for kind in (np.int64, np.int64, np.float64)]
    graph = trace(lambda p, x: {"y": x["x"] + sum(x["x"] * m for m in masks)}, {}, {"x": (64, 64)})
    (constant,) = (n.primitive for n in graph.nodes if isinstance(n.primitive, Constant))
    assert len({id(entry) for entry in constant.values}) == 2


def test_constants_that_differ_in_the_middle_only_are_two():
    one, other = (np.zeros(100, dtype=np.int64) for _ in range(2))
    one[50], other[51] = 1, 1
    graph = trace(lambda p, x: {"y": x["x"] * one + x["x"] * other}, {}, {"x": (100,)})
    assert sum(isinstance(n.primitive, Constant) for n in graph.nodes) == 2


@pytest.mark.parametrize("entries", [[1 + 0j], [1, 1 + 0j], [Decimal(1)], [1.0, Decimal(1)]])
@pytest.mark.parametrize("dtype", [object, None])
def test_what_equals_a_number_but_is_none_is_refused(entries, dtype):
    array = np.array(entries, dtype=dtype)
    with pytest.raises(TraceError, match="not an array of finite numbers"):
        _trace(lambda w, x: w[0, 0] + 1 + array)
