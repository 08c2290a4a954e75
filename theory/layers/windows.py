"""Sliding windows over the two spatial axes of an image: where they start, what lies in them."""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.errors import ShapeError

Pair = tuple[int, int]


def pair(value: int | Pair, what: str, least: int) -> Pair:
    """A number for both spatial axes, or one for each.

    Raises:
        ShapeError: if it is neither, or below ``least``.

    >>> pair(3, "stride", 1)
    (3, 3)
    """
    found = (value, value) if isinstance(value, int) else tuple(value)
    if len(found) != 2 or any(not isinstance(n, int) or n < least for n in found):
        raise ShapeError(f"{what}={value!r}: one integer >= {least}, or one for each spatial axis")
    return found[0], found[1]


def check_image(x: Any, call: str) -> None:
    """Refuse what is no stack of images.

    Raises:
        ShapeError: unless ``x`` has the axes (batch, H, W, channels).
    """
    if len(x.shape) != 4:
        raise ShapeError(f"{call}: x has shape {x.shape}, expected (batch, H, W, channels)")


def window_places(
    length: int, window: int, *, stride: int, padding: int, dilation: int = 1
) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Positions (windows, places in a window) on an axis, from ``-padding`` on.

    Raises:
        ShapeError: if no window fits.

    >>> window_places(4, 2, stride=2, padding=1).tolist()
    [[-1, 0], [1, 2], [3, 4]]
    """
    reach = dilation * (window - 1) + 1
    count = (length + 2 * padding - reach) // stride + 1
    if count < 1:
        raise ShapeError(
            f"a window that reaches over {reach} places does not fit an axis of length {length} "
            f"with padding {padding}"
        )
    starts = stride * np.arange(count, dtype=np.intp) - padding
    return starts[:, None] + dilation * np.arange(window, dtype=np.intp)


def patches(x: Any, window: Pair, *, stride: Pair, padding: Pair, dilation: Pair) -> Any:
    """All windows of ``x (batch, H, W, c)``, as ``(batch, H', kh, W', kw, c)``; zeros outside.

    Rows are taken, then columns, so the index tables are as long as an axis and not as an image.
    """
    (ph, pw), n = padding, x.shape
    if ph or pw:
        x = np.pad(x, ((0, 0), (ph, ph), (pw, pw), (0, 0)))
    rows, columns = (
        window_places(
            n[1 + k], window[k], stride=stride[k], padding=padding[k], dilation=dilation[k]
        )
        + padding[k]
        for k in (0, 1)
    )
    x = np.take(x, rows.ravel(), axis=1)
    x = np.take(x, columns.ravel(), axis=2)
    return np.reshape(x, (n[0], *rows.shape, *columns.shape, n[3]))
