"""Softmax against SciPy, attention against loops over heads and positions."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from tests.test_theory.test_layers.running import assert_close, normal, run
from theory.errors import ShapeError
from theory.layers import attention, softmax
from theory.primitives import Constant
from theory.tracing import trace


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_is_scipys(axis):
    z = normal(0, 3, 4, 5)
    assert_close(run(lambda z: softmax(z, axis), z=z), special.softmax(z, axis), 10)


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=3, max_size=3))
def test_masked_entries_are_zero_and_do_not_count(rows):
    mask = np.array([[*row, True] for row in rows])
    z = normal(0, 2, 3, 5)
    found = run(lambda z: softmax(z, mask=mask), z=z)
    assert_close(found, special.softmax(np.where(mask, z, -np.inf), axis=-1), 10)
    assert not found[:, ~mask].any()


def test_what_is_masked_has_no_influence():
    mask, z = np.array([1, 0, 1]), normal(0, 3)
    moved = z + np.array([0, 50, 0])
    assert (softmax(z, mask=mask) == softmax(moved, mask=mask)).all()


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([[1, 0.5, 1]], "a mask consists of 0 and 1"),
        ([[1, 1]], r"mask \(1, 2\) does not fit logits \(2, 3\)"),
        ([[[1, 1, 1]]], r"mask \(1, 1, 3\) does not fit logits \(2, 3\)"),
        ([[0, 0, 0], [1, 1, 1]], "the mask leaves no entry along axis -1"),
    ],
)
def test_bad_masks_are_refused(mask, message):
    with pytest.raises(ShapeError, match=message):
        softmax(np.zeros((2, 3)), mask=np.array(mask))


def by_loops(q: Any, k: Any, v: Any, scale: float, causal: bool) -> Any:
    y = np.zeros((*q.shape[:3], v.shape[3]))
    for b, t, h in product(*map(range, q.shape[:3])):
        seen = range(t + 1 if causal else k.shape[1])
        weights = special.softmax([scale * (q[b, t, h] @ k[b, s, h]) for s in seen])
        y[b, t, h] = sum(w * v[b, s, h] for w, s in zip(weights, seen, strict=True))
    return y


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("width", [1, 2, 3, 4])
@pytest.mark.parametrize("scale", [None, 0.7])
def test_attention_is_its_formula(causal, width, scale):
    q, k, v = normal(0, 2, 3, 2, width), normal(1, 2, 3, 2, width), normal(2, 2, 3, 2, 5)
    found = run(lambda q, k, v: attention(q, k, v, causal=causal, scale=scale), q=q, k=k, v=v)
    expected = by_loops(q, k, v, scale or 1 / np.sqrt(width), causal)
    assert_close(found, expected, 60)
    assert_close(attention(q, k, v, causal=causal, scale=scale), expected, 60)


def test_queries_may_be_fewer_than_keys():
    q, k, v = normal(0, 1, 2, 1, 4), normal(1, 1, 5, 1, 4), normal(2, 1, 5, 1, 3)
    assert_close(run(attention, q=q, k=k, v=v), by_loops(q, k, v, 0.5, causal=False), 60)


def test_the_scale_of_a_square_width_is_exact():
    shape = (1, 2, 1, 9)
    graph = trace(
        lambda p, x: {"y": attention(x["q"], x["k"], x["v"])},
        {},
        {"q": shape, "k": shape, "v": shape},
    )
    constants = {
        v for n in graph.nodes if isinstance(n.primitive, Constant) for v in n.primitive.values
    }
    assert {(v.numerator, v.denominator) for v in constants} == {(1, 3), (1, 2)}


@pytest.mark.parametrize(
    "shapes",
    [
        [(1, 2, 1, 3), (1, 2, 1, 4), (1, 2, 1, 3)],
        [(1, 2, 1, 3), (1, 2, 2, 3), (1, 2, 2, 3)],
        [(1, 2, 1, 3), (1, 3, 1, 3), (1, 2, 1, 3)],
        [(2, 1, 3), (2, 1, 3), (2, 1, 3)],
    ],
)
def test_shapes_that_do_not_fit_are_refused(shapes):
    with pytest.raises(ShapeError, match=r"expected \(batch, T, heads, width\)"):
        attention(*map(np.zeros, shapes))


def test_causal_attention_has_as_many_keys_as_queries():
    with pytest.raises(ShapeError, match=r"expected \(batch, T, heads, width\)"):
        attention(np.zeros((1, 2, 1, 3)), *[np.zeros((1, 4, 1, 3))] * 2, causal=True)
