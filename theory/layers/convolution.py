"""Two-dimensional convolution: windows, and one product of each with the kernel.

A convolution is a dense layer from the channels of a window to the channels at one place, with
parameters shared between places. What is proved for dense layers with shared parameters therefore
holds for it, provided that blocks of channels are treated alike at all places.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.errors import ShapeError
from theory.layers.windows import Pair, check_image, pair, patches
from theory.scope import layer


@layer
def conv2d(
    x: Any,
    kernel: Any,
    *,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
    groups: int = 1,
) -> Any:
    """y[b, p, q, o] = Σ_{i,j,c} x[b, p·s + i·d - P, q·s + j·d - P, c] kernel[i, j, c, o].

    The field's convolution, a cross-correlation; zeros outside the image. With groups, output
    channels of group g see the input channels of group g only.

    Args:
        x: images (batch, H, W, c_in), traced or numbers.
        kernel: (kh, kw, c_in / groups, c_out).
        stride: places between windows, for both axes or each.
        padding: zeros before and after each axis.
        dilation: places between the entries of a window.
        groups: number of groups of channels, a divisor of c_in and c_out.

    Returns:
        An array (batch, H', W', c_out).

    Raises:
        ShapeError: if kernel and image do not fit, or an option is no positive integer.

    >>> image, kernel = np.arange(9.0).reshape(1, 3, 3, 1), np.ones((2, 2, 1, 1))
    >>> conv2d(image, kernel)[0, :, :, 0]
    array([[ 8., 12.],
           [20., 24.]])
    """
    check_image(x, "conv2d")
    if len(kernel.shape) != 4:
        raise ShapeError(f"conv2d: kernel has shape {kernel.shape}, expected (kh, kw, c_in, c_out)")
    kh, kw, inner, c_out = kernel.shape
    if groups < 1 or x.shape[3] != inner * groups or c_out % groups:
        raise ShapeError(
            f"conv2d: x {x.shape} and kernel {kernel.shape} with groups={groups}: c_in is groups "
            "times the kernel's, c_out a multiple of groups"
        )
    windows = patches(
        x,
        (kh, kw),
        stride=pair(stride, "stride", 1),
        padding=pair(padding, "padding", 0),
        dilation=pair(dilation, "dilation", 1),
    )
    if groups == 1:
        return np.einsum("bpiqjc,ijco->bpqo", windows, kernel)
    windows = np.reshape(windows, (*windows.shape[:5], groups, inner))
    grouped = np.reshape(kernel, (kh, kw, inner, groups, c_out // groups))
    y = np.einsum("bpiqjgc,ijcgo->bpqgo", windows, grouped)
    return np.reshape(y, (*y.shape[:3], c_out))


@layer
def depthwise_conv2d(
    x: Any,
    kernel: Any,
    *,
    stride: int | Pair = 1,
    padding: int | Pair = 0,
    dilation: int | Pair = 1,
) -> Any:
    """y[b, p, q, c] = Σ_{i,j} x[b, p·s + i·d - P, q·s + j·d - P, c] kernel[i, j, c].

    Every channel has a filter of its own, so the channel axis is shared by input, kernel and
    output: entries of the kernel are elementwise parameters, like gains.

    Args:
        x: images (batch, H, W, c), traced or numbers.
        kernel: (kh, kw, c).
        stride: places between windows, for both axes or each.
        padding: zeros before and after each axis.
        dilation: places between the entries of a window.

    Returns:
        An array (batch, H', W', c).

    Raises:
        ShapeError: if kernel and image do not fit, or an option is no positive integer.

    >>> depthwise_conv2d(np.ones((1, 2, 2, 3)), np.ones((2, 2, 3)) * [1, 2, 3])
    array([[[[ 4.,  8., 12.]]]])
    """
    check_image(x, "depthwise_conv2d")
    if len(kernel.shape) != 3 or x.shape[3] != kernel.shape[2]:
        raise ShapeError(
            f"depthwise_conv2d: x {x.shape} and kernel {kernel.shape}: the kernel is (kh, kw, c) "
            "with the channels of x"
        )
    windows = patches(
        x,
        (kernel.shape[0], kernel.shape[1]),
        stride=pair(stride, "stride", 1),
        padding=pair(padding, "padding", 0),
        dilation=pair(dilation, "dilation", 1),
    )
    return np.einsum("bpiqjc,ijc->bpqc", windows, kernel)
