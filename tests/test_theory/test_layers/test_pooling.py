"""Pooling against loops over the windows."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_theory.test_layers.running import assert_close, normal, run
from theory.errors import ShapeError
from theory.layers import avg_pool2d, flatten, max_pool2d


def windows(x: Any, window: Any, stride: Any, padding: Any) -> Any:
    """For each window the entries inside the image, (batch, count, c)."""
    counts = [
        1 + (n + 2 * p - k) // s
        for n, k, s, p in zip(x.shape[1:3], window, stride, padding, strict=True)
    ]
    rows = []
    for place in product(*map(range, counts)):
        low = [k * s - p for k, s, p in zip(place, stride, padding, strict=True)]
        high = [a + k for a, k in zip(low, window, strict=True)]
        inside = x[:, max(low[0], 0) : high[0], max(low[1], 0) : high[1]]
        rows.append(inside.reshape(len(x), -1, x.shape[-1]))
    return counts, rows


@st.composite
def _settings(draw: Any) -> dict[str, Any]:
    window = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = tuple(draw(st.integers(0, n - 1)) for n in window)
    stride = draw(st.one_of(st.none(), st.tuples(st.integers(1, 4), st.integers(1, 4))))
    least = [max(1, n - 2 * p) for n, p in zip(window, padding, strict=True)]
    size = [draw(st.integers(n, n + 4)) for n in least]
    return {"window": window, "padding": padding, "stride": stride, "size": size}


@given(_settings(), st.integers(1, 2), st.sampled_from([-10.0, 0.0, 10.0]))
def test_pooling_takes_the_largest_and_the_mean_of_each_window(settings, batch, offset):
    """An offset of either sign: a padded zero would win, or not count."""
    window, stride, padding = settings["window"], settings["stride"], settings["padding"]
    x = normal(0, batch, *settings["size"], 2) + offset
    counts, rows = windows(x, window, stride or window, padding)
    shape = (batch, *counts, 2)
    largest = np.stack([r.max(axis=1) for r in rows], axis=1).reshape(shape)
    found = run(lambda x: max_pool2d(x, window, stride=stride, padding=padding), x=x)
    assert_close(found, largest, 10)
    assert (max_pool2d(x, window, stride=stride, padding=padding) == largest).all()
    mean = np.stack([r.sum(axis=1) / (window[0] * window[1]) for r in rows], axis=1)
    found = run(lambda x: avg_pool2d(x, window, stride=stride, padding=padding), x=x)
    assert_close(found, mean.reshape(shape), 40)


def test_flatten_goes_row_by_row():
    x = normal(0, 2, 3, 4, 5)
    found = run(flatten, x=x)
    assert found.shape == (2, 60)
    assert (found[:, (2 * 4 + 1) * 5 + 3] == x[:, 2, 1, 3]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: max_pool2d(x[0], 2), "max_pool2d: x has shape (4, 4, 1), expected (batch"),
        (lambda x: avg_pool2d(x[0], 2), "avg_pool2d: x has shape (4, 4, 1), expected (batch"),
        (lambda x: max_pool2d(x, 2, padding=2), "max_pool2d: padding 2 with window 2: windows"),
        (lambda x: max_pool2d(x, 5), "a window that reaches over 5 places does not fit an axis"),
        (lambda x: avg_pool2d(x, 0), "window=0: one integer >= 1, or one for each spatial axis"),
        (
            lambda x: avg_pool2d(x, 2, stride=(1, 0)),
            "stride=(1, 0): one integer >= 1, or one for each",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ShapeError) as caught:
        call(np.zeros((1, 4, 4, 1)))
    assert str(caught.value).startswith(message)
