"""Convolutions against loops over every index, and against SciPy."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate2d

from tests.test_theory.test_layers.running import assert_close, normal, run
from theory.axis_roles import contracted_axes
from theory.errors import ShapeError
from theory.layers import conv2d, depthwise_conv2d
from theory.primitives import Take
from theory.tracing import trace


def by_loops(x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, groups: int) -> Any:
    """The sum in the docstring, one product at a time."""
    batch, height, width, _ = x.shape
    kh, kw, inner, c_out = kernel.shape
    (sh, sw), (ph, pw), (dh, dw) = stride, padding, dilation
    out_h = 1 + (height + 2 * ph - dh * (kh - 1) - 1) // sh
    out_w = 1 + (width + 2 * pw - dw * (kw - 1) - 1) // sw
    y = np.zeros((batch, out_h, out_w, c_out))
    for b, p, q, o in product(*map(range, y.shape)):
        group = o // (c_out // groups)
        for i, j, c in product(range(kh), range(kw), range(inner)):
            row, column = p * sh + i * dh - ph, q * sw + j * dw - pw
            if 0 <= row < height and 0 <= column < width:
                y[b, p, q, o] += x[b, row, column, group * inner + c] * kernel[i, j, c, o]
    return y


@st.composite
def _settings(draw: Any) -> dict[str, Any]:
    window = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    chosen = {
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        "dilation": draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
    }
    least = [
        max(1, d * (n - 1) + 1 - 2 * p)
        for n, p, d in zip(window, chosen["padding"], chosen["dilation"], strict=True)
    ]
    size = [draw(st.integers(n, n + 3)) for n in least]
    return {"window": window, "size": size, **chosen}


@given(_settings(), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(1, 2))
def test_a_convolution_is_its_sum(settings, groups, inner, outer, batch):
    options = {name: settings[name] for name in ("stride", "padding", "dilation")}
    x = normal(0, batch, *settings["size"], groups * inner)
    kernel = normal(1, *settings["window"], inner, groups * outer)
    found = run(lambda x, kernel: conv2d(x, kernel, **options, groups=groups), x=x, kernel=kernel)
    expected = by_loops(x, kernel, **options, groups=groups)
    assert_close(found, expected, 9 * inner)
    assert_close(conv2d(x, kernel, **options, groups=groups), expected, 9 * inner)


@given(_settings(), st.integers(1, 3))
def test_a_depthwise_convolution_has_one_group_a_channel(settings, channels):
    options = {name: settings[name] for name in ("stride", "padding", "dilation")}
    x = normal(0, 2, *settings["size"], channels)
    kernel = normal(1, *settings["window"], channels)
    found = run(lambda x, kernel: depthwise_conv2d(x, kernel, **options), x=x, kernel=kernel)
    each = [
        by_loops(x[..., [c]], kernel[:, :, None, [c]], **options, groups=1)[..., 0]
        for c in range(channels)
    ]
    assert_close(found, np.stack(each, axis=-1), 9)


@pytest.mark.parametrize(("padding", "mode"), [(0, "valid"), (1, "same"), (2, "full")])
def test_a_convolution_is_a_correlation(padding, mode):
    x, kernel = normal(0, 1, 5, 6, 1), normal(1, 3, 3, 1, 1)
    found = run(lambda x, kernel: conv2d(x, kernel, padding=padding), x=x, kernel=kernel)
    assert_close(found[0, :, :, 0], correlate2d(x[0, :, :, 0], kernel[:, :, 0, 0], mode), 9)


def test_one_number_stands_for_both_axes():
    x, kernel = normal(0, 1, 6, 6, 1), normal(1, 2, 2, 1, 1)
    one = conv2d(x, kernel, stride=2, padding=1, dilation=2)
    assert (one == conv2d(x, kernel, stride=(2, 2), padding=(1, 1), dilation=(2, 2))).all()


def test_no_index_table_is_larger_than_the_rows_of_all_windows():
    graph = trace(
        lambda p, x: {"y": conv2d(x["x"], p["K"], padding=1)},
        {"K": (3, 3, 3, 8)},
        {"x": (4, 100, 100, 3)},
    )
    tables = [len(n.primitive.indices) for n in graph.nodes if isinstance(n.primitive, Take)]
    assert tables
    assert max(tables) == 300


@pytest.mark.parametrize("groups", [1, 2])
def test_a_kernel_sums_over_places_and_input_channels(groups):
    graph = trace(
        lambda p, x: {"y": conv2d(x["x"], p["K"], groups=groups)},
        {"K": (2, 2, 4 // groups, 6)},
        {"x": (2, 5, 5, 4)},
    )
    assert contracted_axes(graph)["K"] == (True, True, True, False)


def test_a_depthwise_kernel_sums_over_places_alone():
    graph = trace(
        lambda p, x: {"y": depthwise_conv2d(x["x"], p["K"])}, {"K": (2, 2, 4)}, {"x": (2, 5, 5, 4)}
    )
    assert contracted_axes(graph)["K"] == (True, True, False)


IMAGE, KERNEL = np.zeros((1, 4, 4, 4)), np.zeros((3, 3, 4, 2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv2d(IMAGE[0], KERNEL), "conv2d: x has shape (4, 4, 4), expected (batch, H"),
        (lambda: conv2d(IMAGE, KERNEL[0]), "conv2d: kernel has shape (3, 4, 2), expected (kh, kw"),
        (lambda: conv2d(IMAGE, KERNEL[:, :, :3]), "conv2d: x (1, 4, 4, 4) and kernel (3, 3, 3, 2)"),
        (lambda: conv2d(IMAGE, KERNEL, groups=2), "conv2d: x (1, 4, 4, 4) and kernel (3, 3, 4, 2)"),
        (lambda: conv2d(IMAGE, KERNEL, groups=0), "conv2d: x (1, 4, 4, 4) and kernel (3, 3, 4, 2)"),
        (lambda: conv2d(IMAGE, KERNEL, stride=0), "stride=0: one integer >= 1, or one for each"),
        (lambda: conv2d(IMAGE, KERNEL, padding=(1, -1)), "padding=(1, -1): one integer >= 0, or"),
        (lambda: conv2d(IMAGE, KERNEL, dilation=2), "a window that reaches over 5 places does not"),
        (lambda: depthwise_conv2d(IMAGE, KERNEL), "depthwise_conv2d: x (1, 4, 4, 4) and kernel"),
    ],
)
def test_what_does_not_fit_is_refused(call, message):
    with pytest.raises(ShapeError) as caught:
        call()
    assert str(caught.value).startswith(message)
