"""Pooling over windows, and flattening.

A maximum is a tournament of max(a, b) = a + relu(b - a), whose gate at a tie is free: a proof holds
for every way of breaking ties, the same wherever two equal values meet.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.errors import ShapeError
from theory.layers.windows import Pair, check_image, pair, patches, window_places
from theory.scope import layer


@layer
def avg_pool2d(
    x: Any, window: int | Pair, *, stride: int | Pair | None = None, padding: int | Pair = 0
) -> Any:
    """The mean of each window of x (batch, H, W, c); padded zeros count as entries.

    Args:
        x: images, traced or numbers.
        window: lengths (kh, kw), or one for both.
        stride: places between windows, by default the window itself.
        padding: zeros before and after each axis.

    Returns:
        An array (batch, H', W', c).

    Raises:
        ShapeError: if no window fits, or an option is no positive integer.

    >>> avg_pool2d(np.arange(4.0).reshape(1, 2, 2, 1), 2)
    array([[[[1.5]]]])
    """
    check_image(x, "avg_pool2d")
    lengths = pair(window, "window", 1)
    found = patches(
        x,
        lengths,
        stride=lengths if stride is None else pair(stride, "stride", 1),
        padding=pair(padding, "padding", 0),
        dilation=(1, 1),
    )
    return np.mean(found, axis=(2, 4))


@layer
def max_pool2d(
    x: Any, window: int | Pair, *, stride: int | Pair | None = None, padding: int | Pair = 0
) -> Any:
    """The largest entry of each window of x (batch, H, W, c); windows end at the border.

    Padding only shifts the windows: a place outside the image is replaced by the nearest place
    inside, which lies in the same window, so no padded value can win. In the model of a maximum
    max(a, a) = a holds, and the gates of both places add up to 1.

    Args:
        x: images, traced or numbers.
        window: lengths (kh, kw), or one for both.
        stride: places between windows, by default the window itself.
        padding: by how much windows reach over the border, less than their length.

    Returns:
        An array (batch, H', W', c).

    Raises:
        ShapeError: if no window fits, one would lie outside, or an option is no positive integer.

    >>> max_pool2d(-np.arange(4.0).reshape(1, 2, 2, 1), 2, stride=1, padding=1)[0, :, :, 0]
    array([[-0., -0., -1.],
           [-0., -0., -1.],
           [-2., -2., -3.]])
    """
    check_image(x, "max_pool2d")
    lengths = pair(window, "window", 1)
    steps = lengths if stride is None else pair(stride, "stride", 1)
    for axis, (n, step, over) in enumerate(
        zip(lengths, steps, pair(padding, "padding", 0), strict=True), start=1
    ):
        if over >= n:
            raise ShapeError(f"max_pool2d: padding {over} with window {n}: windows meet the image")
        size = x.shape[axis]
        places = window_places(size, n, stride=step, padding=over).clip(0, size - 1)
        x = _largest([np.take(x, places[:, k], axis=axis) for k in range(n)])
    return x


def _largest(values: list[Any]) -> Any:
    while len(values) > 1:
        half = len(values) // 2
        pairs = zip(values[:half], values[half : 2 * half], strict=True)
        values = [np.maximum(a, b) for a, b in pairs] + values[2 * half :]
    return values[0]


@layer
def flatten(x: Any) -> Any:
    """All axes after the batch as one, (batch, -1), row by row.

    A partition of the flat axis must follow the reshape: unit (i, j, c) has the number
    (i·W + j)·C + c, and clones are clones at every place.

    >>> flatten(np.zeros((2, 3, 4, 5))).shape
    (2, 60)
    """
    return np.reshape(x, (x.shape[0], -1))
