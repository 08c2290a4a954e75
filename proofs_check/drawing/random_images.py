"""Layers on images ``(batch, H, W, channels)``, appended to a network under construction."""

from __future__ import annotations

from typing import Any

from proofs_check.drawing.layered_draft import Draft, Stream, repeated, unmatched
from proofs_check.drawing.random_layers import grouped_axis
from theory import layers

Pair = tuple[int, int]


def _window(draft: Draft, stream: Stream, least: int = 1) -> Pair:
    """A window that fits the image."""
    lengths = [draft.choose(min(least, n), min(2, n)) for n in stream.places]
    return lengths[0], lengths[1]


def _places(stream: Stream, window: Pair, stride: int, padding: int, dilation: int) -> Pair:
    found = [
        (n + 2 * padding - dilation * (w - 1) - 1) // stride + 1
        for n, w in zip(stream.places, window, strict=True)
    ]
    return found[0], found[1]


def _options(draft: Draft, stream: Stream, window: Pair) -> dict[str, int]:
    """Stride, padding and dilation with which windows fit."""
    # Less padding than the window is long, so that no window lies outside the image.
    padding = draft.choose(0, min(window) - 1)
    stride, dilation = draft.pick([1, 2]), draft.pick([1, 1, 2])
    fits = min(_places(stream, window, stride, padding, dilation)) >= 1
    found = {"stride": stride, "padding": padding, "dilation": dilation if fits else 1}
    draft.features.update(name for name, value in found.items() if value != (name != "padding"))
    return found


def _kernel(draft: Draft, window: Pair, *axes: str) -> str:
    kh, kw = (draft.place_axis(letter, n) for letter, n in zip("yx", window, strict=True))
    return draft.parameter("K", kh, kw, *axes)


def _convolved(
    draft: Draft, stream: Stream, inner: str, axis: str, groups: int, window: Pair
) -> Stream:
    options = _options(draft, stream, window)
    kernel = _kernel(draft, window, inner, axis)

    def run(p: Any, x: Any) -> Any:
        return layers.conv2d(x, p[kernel], groups=groups, **options)

    return draft.apply(run, stream, axis=axis, places=_places(stream, window, **options))


def convolution(draft: Draft, stream: Stream) -> Stream:
    """A convolution onto new channels."""
    draft.note("conv2d")
    axis = draft.hidden_axis("c")
    return _convolved(draft, stream, stream.axis, axis, 1, _window(draft, stream))


def depthwise(draft: Draft, stream: Stream) -> Stream:
    """A filter for each channel."""
    draft.note("depthwise conv2d")
    window = _window(draft, stream)
    options = _options(draft, stream, window)
    kernel = _kernel(draft, window, stream.axis)
    return draft.apply(
        lambda p, x: layers.depthwise_conv2d(x, p[kernel], **options),
        stream,
        places=_places(stream, window, **options),
    )


def grouped_convolution(draft: Draft, stream: Stream, *, matched: bool = True) -> Stream:
    """A 1 x 1 convolution onto alike groups of channels, and a grouped convolution of these."""
    draft.note("grouped conv2d")
    axis, inner, groups = grouped_axis(draft, "c")
    middle = _convolved(draft, stream, stream.axis, axis, 1, (1, 1))
    if not matched:
        draft.blocks[inner] = unmatched(draft.partition(inner), draft.sizes[inner])
    one = draft.cloned_axis("c")
    size = draft.sizes[one]
    blocks = repeated(draft.partition(one), size, groups)
    out = draft.axis("c", size * groups, blocks)
    draft.drop(one)
    return _convolved(draft, middle, inner, out, groups, _window(draft, middle))


def average_pool(draft: Draft, stream: Stream) -> Stream:
    """Means of windows."""
    draft.note("average pooling")
    window, stride = _window(draft, stream), draft.pick([1, 2])
    return draft.apply(
        lambda _, x: layers.avg_pool2d(x, window, stride=stride),
        stream,
        places=_places(stream, window, stride, 0, 1),
    )


def max_pool(draft: Draft, stream: Stream) -> Stream:
    """Maxima of windows."""
    draft.note("max pooling")
    window, stride = _window(draft, stream, least=2), draft.pick([1, 2])
    return draft.apply(
        lambda _, x: layers.max_pool2d(x, window, stride=stride),
        stream,
        places=_places(stream, window, stride, 0, 1),
    )
