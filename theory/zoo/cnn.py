"""Convolutional networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from theory.activation import Activation
from theory.architecture import Architecture
from theory.errors import ArchitectureError
from theory.layers import avg_pool2d, conv2d, max_pool2d
from theory.zoo.parts import (
    Axes,
    check_positive,
    dashed,
    normalisation,
    normalisation_parameters,
    symbol,
)

NORMS = ("batch", "running", "layer", "group")
POOLS = {"max": max_pool2d, "avg": avg_pool2d}


def cnn(
    image: tuple[int, int],
    channels: Sequence[int],
    classes: int,
    phi: Activation | str = "phi",
    *,
    norm: str | None = None,
    pool: str | None = None,
    flat: bool = False,
    groups: int = 2,
) -> Architecture:
    """3×3 convolutions, normalised or with biases, φ, pooling; an affine map at the end.

    Axes ``H, W`` (places of the image), ``c0, c1, …`` (channels), ``kh, kw`` (places of a kernel),
    ``y``; parameters ``K1 (kh, kw, c0, c1)``, then ``b1`` or ``gain1``, ``shift1``, and at last
    ``V (c_last, y)``, ``b (y,)``. Channels that are clones are clones at every place.

    Args:
        image: height and width.
        channels: of the input and after each convolution.
        classes: number of outputs.
        phi: the activation; by default an arbitrary smooth function.
        norm: ``batch`` (statistics of the batch), ``running`` (statistics ``mean1``, ``variance1``
            as parameters), ``layer`` (over the channels of each place), ``group`` or None.
        pool: ``max`` or ``avg`` halves the image after every φ but the last; None does not.
        flat: whether the affine map sees every place, as ``V (H', W', c_last, y)`` with axes
            ``oh, ow``, instead of the mean over places.
        groups: of channels, for ``norm="group"``; this number does not follow a widening.

    Raises:
        ArchitectureError: if a number is not positive, or an option is unknown.

    >>> cnn((8, 8), (1, 4, 8), 10).num_parameters
    426
    """
    check_positive("image", tuple(image), 2)
    check_positive("channels", tuple(channels))
    if len(channels) < 2:
        raise ArchitectureError(f"channels={tuple(channels)}: a cnn has at least one convolution")
    if pool is not None and pool not in POOLS:
        raise ArchitectureError(f"pool={pool!r}: there are {', '.join(POOLS)}")
    function, last = symbol(phi), len(channels) - 1
    normalise = None if norm is None else normalisation(norm, NORMS, groups)
    parameters: Axes = {}
    for k in range(1, last + 1):
        parameters[f"K{k}"] = ("kh", "kw", f"c{k - 1}", f"c{k}")
        own: Axes = {f"b{k}": (f"c{k}",)}
        parameters |= own if norm is None else normalisation_parameters(norm, str(k), f"c{k}")
    places = ("oh", "ow") if flat else ()
    parameters |= {"V": (*places, f"c{last}", "y"), "b": ("y",)}

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = x
        for k in range(1, last + 1):
            h = conv2d(h, p[f"K{k}"], padding=1)
            h = h + p[f"b{k}"] if normalise is None else normalise(p, str(k), h)
            h = function(h)
            if pool is not None and k < last:
                h = POOLS[pool](h, 2)
        if flat:
            return np.einsum("bhwc,hwcy->by", h, p["V"]) + p["b"]
        return np.mean(h, axis=(1, 2)) @ p["V"] + p["b"]

    halvings = last - 1 if pool else 0
    ends = [n >> halvings for n in image]
    if min(ends) < 1:
        raise ArchitectureError(f"image={tuple(image)}: it cannot be halved {halvings} times")
    options = [norm or "none", pool or "none", "flat"] if flat else [norm, pool]
    if norm is None and pool is not None:
        options[0] = "none"
    written = "".join(f":{option}" for option in options if option)
    return Architecture(
        forward,
        sizes={
            "H": image[0],
            "W": image[1],
            **{f"c{k}": n for k, n in enumerate(channels)},
            "kh": 3,
            "kw": 3,
            **dict(zip(places, ends, strict=False)),
            "y": classes,
        },
        parameters=parameters,
        inputs=("H", "W", "c0"),
        name=f"cnn:{image[0]}x{image[1]}:{dashed(*channels)}:{classes}:{function!r}{written}",
    )
