"""Residual networks with bottleneck blocks (arXiv 1512.03385)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theory.activation import Activation
from theory.architecture import Architecture
from theory.layers import conv2d, max_pool2d
from theory.zoo.parts import (
    Axes,
    check_positive,
    dashed,
    normalisation,
    normalisation_parameters,
    symbol,
)

NORMS = ("batch", "running", "layer", "group")
EXPANSION = 4


def resnet(
    image: tuple[int, int],
    channels: int,
    width: int,
    blocks: Sequence[int],
    classes: int,
    phi: Activation | str = "relu",
    *,
    norm: str = "batch",
    groups: int = 2,
) -> Architecture:
    """A stem, stages of bottleneck blocks, the mean over places, an affine map.

    Stem: 7×7 convolution with stride 2, normalisation, φ, 3×3 maximum with stride 2. Block:
    x + N(φ(N(φ(N(x A)) * K)) B), then φ; the first block of a stage maps x by P to the stage's
    width and, from the second stage on, takes every second place (in * K and P).

    Axes: ``d0`` behind the stem, ``d1, d2, …`` on the skip connections of each stage, and inside
    block n ``m{n}``, ``n{n}``. Parameters ``K0 (sh, sw, c, d0)``, ``A1 (d0, m1)``,
    ``K1 (kh, kw, m1, n1)``, ``B1 (n1, d1)``, ``P1 (d0, d1)``, …, ``V``, ``b``, and a gain and a
    shift behind each map, ``gainA1``.

    Args:
        image: height and width.
        channels: of the image.
        width: of the stem and of the first stage's inner channels; it doubles with each stage.
        blocks: number of blocks in each stage.
        classes: number of outputs.
        phi: the activation.
        norm: ``batch``, ``running``, ``layer`` or ``group``, as in :func:`theory.zoo.cnn`.
        groups: of channels, for ``norm="group"``; this number does not follow a widening.

    Raises:
        ArchitectureError: if a number is not positive, or a normalisation is unknown.

    >>> resnet((8, 8), 1, 2, (1, 1), 3).num_parameters
    713
    """
    check_positive("image", tuple(image), 2)
    check_positive("blocks", tuple(blocks))
    function = symbol(phi)
    normalise = normalisation(norm, NORMS, groups)
    sizes = {"H": image[0], "W": image[1], "c": channels, "sh": 7, "sw": 7, "kh": 3, "kw": 3}
    parameters: Axes = {"K0": ("sh", "sw", "c", "d0")}
    parameters |= normalisation_parameters(norm, "K0", "d0")
    sizes["d0"] = width
    strides: dict[int, int] = {}
    before = "d0"
    for stage, count in enumerate(blocks, start=1):
        own, inner = f"d{stage}", width * 2 ** (stage - 1)
        sizes[own] = EXPANSION * inner
        for index in range(count):
            n = len(strides) + 1
            strides[n] = 2 if stage > 1 and not index else 1
            sizes |= {f"m{n}": inner, f"n{n}": inner}
            weights: Axes = {
                f"A{n}": (before, f"m{n}"),
                f"K{n}": ("kh", "kw", f"m{n}", f"n{n}"),
                f"B{n}": (f"n{n}", own),
            }
            if not index:
                weights[f"P{n}"] = (before, own)
            for name, axes in weights.items():
                parameters[name] = axes
                parameters |= normalisation_parameters(norm, name, axes[-1])
            before = own
    parameters |= {"V": (before, "y"), "b": ("y",)}
    sizes["y"] = classes

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = function(normalise(p, "K0", conv2d(x, p["K0"], stride=2, padding=3)))
        h = max_pool2d(h, 3, stride=2, padding=1)
        for n, stride in strides.items():
            inner = function(normalise(p, f"A{n}", h @ p[f"A{n}"]))
            inner = conv2d(inner, p[f"K{n}"], stride=stride, padding=1)
            inner = function(normalise(p, f"K{n}", inner))
            inner = normalise(p, f"B{n}", inner @ p[f"B{n}"])
            if f"P{n}" in p:
                h = normalise(p, f"P{n}", h[:, ::stride, ::stride] @ p[f"P{n}"])
            h = function(h + inner)
        return np.mean(h, axis=(1, 2)) @ p["V"] + p["b"]

    written = "" if norm == "batch" else f":{norm}"
    name = f"resnet:{image[0]}x{image[1]}:{dashed(channels, width)}:{dashed(*blocks)}:{classes}"
    return Architecture(
        forward,
        sizes=sizes,
        parameters=parameters,
        inputs=("H", "W", "c"),
        name=f"{name}:{function!r}{written}",
    )


def resnet50(width: int = 64, image: int = 224, classes: int = 1000) -> Architecture:
    """ResNet-50 (arXiv 1512.03385, Table 1) for colour images, with batch statistics.

    >>> resnet50().num_parameters
    25557032
    """
    return resnet((image, image), 3, width, (3, 4, 6, 3), classes)
