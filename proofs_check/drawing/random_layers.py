"""Layers appended to a network under construction, each with its parameters and interfaces.

Every function takes a draft and a stream and returns the stream behind the layer. They are legal:
partitions of neighbouring interfaces match, so clones stay clones. What is illegal is drawn in
:mod:`proofs_check.drawing.false_neighbours`.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from proofs_check.drawing.layered_draft import (
    Draft,
    Stream,
    flat_length,
    product_blocks,
    repeated,
    unmatched,
)
from proofs_check.drawing.networks import ACTIVATIONS
from theory import layers
from theory.activation import gelu, sigmoid, silu

Layer = Callable[[Draft, Stream], Stream]
EPS = Fraction(1, 100)


def linear(draft: Draft, stream: Stream, axis: str, *, bias: bool = False) -> Stream:
    """``x @ W``, or ``x @ W + b``, onto a given axis."""
    w = draft.parameter("W", stream.axis, axis)
    b = draft.parameter("b", axis) if bias else None

    def run(p: Any, x: Any) -> Any:
        return x @ p[w] if b is None else x @ p[w] + p[b]

    return draft.apply(run, stream, axis=axis)


def activate(draft: Draft, stream: Stream) -> Stream:
    """One of the activations."""
    phi = draft.pick(ACTIVATIONS)
    draft.features.add(f"activation {phi!r}")
    return draft.apply(lambda _, z: phi(z), stream)


def add(draft: Draft, left: Stream, right: Stream) -> Stream:
    """The sum of two streams."""
    draft.features.add("skip")
    return draft.apply(lambda _, a, b: a + b, left, right)


def dense(draft: Draft, stream: Stream) -> Stream:
    """φ(x W + b) onto an axis of its own."""
    draft.note("dense")
    bias = draft.choose(0, 1) == 1
    return activate(draft, linear(draft, stream, draft.hidden_axis("h"), bias=bias))


def cloned_dense(draft: Draft, stream: Stream, least: int = 1) -> Stream:
    """x W onto a new axis that has clones, and at least so many blocks."""
    return linear(draft, stream, draft.cloned_axis("h", least))


def _with_two_blocks(draft: Draft, stream: Stream) -> Stream:
    """A stream of two blocks at least: deviations from the mean of one block are 0."""
    if len(draft.partition(stream.axis)) > 1:
        return stream
    return cloned_dense(draft, stream, least=2)


def prelu(draft: Draft, stream: Stream) -> Stream:
    """PReLU with one slope a unit."""
    draft.note("PReLU")
    slope = draft.parameter("a", stream.axis)
    return draft.apply(lambda p, z: layers.prelu(z, p[slope]), stream)


def affine(draft: Draft, stream: Stream) -> Stream:
    """A gain and a bias for every unit."""
    draft.note("gain and bias")
    g, b = draft.parameter("g", stream.axis), draft.parameter("b", stream.axis)
    return draft.apply(lambda p, z: z * p[g] + p[b], stream)


def _scaling(draft: Draft, stream: Stream) -> tuple[str | None, str | None]:
    gain = draft.parameter("g", stream.axis) if draft.choose(0, 1) else None
    return gain, draft.parameter("b", stream.axis) if draft.choose(0, 1) else None


def _maybe(p: Any, name: str | None) -> Any:
    return None if name is None else p[name]


def layer_norm(draft: Draft, stream: Stream) -> Stream:
    """LayerNorm."""
    draft.note("LayerNorm")
    stream = _with_two_blocks(draft, stream)
    gain, bias = _scaling(draft, stream)

    def run(p: Any, x: Any) -> Any:
        return layers.layer_norm(x, _maybe(p, gain), _maybe(p, bias), eps=EPS)

    return draft.apply(run, stream)


def rms_norm(draft: Draft, stream: Stream) -> Stream:
    """RMSNorm."""
    draft.note("RMSNorm")
    gain = draft.parameter("g", stream.axis) if draft.choose(0, 1) else None
    return draft.apply(lambda p, x: layers.rms_norm(x, _maybe(p, gain), eps=EPS), stream)


def batch_norm(draft: Draft, stream: Stream) -> Stream:
    """BatchNorm with the batch's own statistics."""
    draft.note("BatchNorm, batch statistics")
    gain, bias = _scaling(draft, stream)

    def run(p: Any, x: Any) -> Any:
        return layers.batch_norm(x, _maybe(p, gain), _maybe(p, bias), eps=EPS)

    return draft.apply(run, stream)


def running_norm(draft: Draft, stream: Stream, statistics_axis: str | None = None) -> Stream:
    """BatchNorm with running statistics, which are parameters like others."""
    draft.note("BatchNorm, running statistics")
    own = statistics_axis or stream.axis
    mean, variance = draft.parameter("m", own), draft.parameter("v", own)

    def run(p: Any, x: Any) -> Any:
        return layers.batch_norm(x, eps=EPS, mean=p[mean], variance=p[variance])

    return draft.apply(run, stream)


def grouped_axis(draft: Draft, letter: str, least: int = 1) -> tuple[str, str, int]:
    """An axis of alike groups, the axis of one of them, and their number."""
    inner, groups = draft.cloned_axis(letter, least), draft.pick([2, 2, 3])
    size = draft.sizes[inner]
    blocks = repeated(draft.partition(inner), size, groups)
    return draft.axis(letter, size * groups, blocks), inner, groups


def group_norm(draft: Draft, stream: Stream) -> Stream:
    """A dense layer onto an axis of groups, and GroupNorm of these."""
    draft.note("GroupNorm")
    axis, inner, groups = grouped_axis(draft, "h", 2)
    draft.drop(inner)
    return normed_groups(draft, linear(draft, stream, axis), groups)


def normed_groups(draft: Draft, stream: Stream, groups: int) -> Stream:
    """GroupNorm of a stream."""
    gain, bias = _scaling(draft, stream)

    def run(p: Any, x: Any) -> Any:
        return layers.group_norm(x, groups, _maybe(p, gain), _maybe(p, bias), eps=EPS)

    return draft.apply(run, stream)


def power(draft: Draft, stream: Stream) -> Stream:
    """-x³, a power and a sign without a function symbol."""
    draft.note("power")
    return draft.apply(lambda _, x: -(x**3), stream)


def residual(draft: Draft, stream: Stream) -> Stream:
    """x + φ(x W) V, with or without a norm before."""
    draft.note("residual")
    inside = layer_norm(draft, stream) if draft.choose(0, 2) == 2 else stream
    inside = activate(draft, linear(draft, inside, draft.hidden_axis("h"), bias=True))
    return add(draft, stream, linear(draft, inside, stream.axis))


def gated(draft: Draft, stream: Stream) -> Stream:
    """A gated linear unit (x W) · φ(x V)."""
    draft.note("GLU")
    axis, phi = draft.hidden_axis("m"), draft.pick([sigmoid, silu, gelu])
    a, b = linear(draft, stream, axis), linear(draft, stream, axis)
    return draft.apply(lambda _, u, v: layers.glu(u, v, phi), a, b)


def product(draft: Draft, stream: Stream) -> Stream:
    """The product of a stream with a linear image of it on the same axis."""
    draft.note("elementwise product")
    other = linear(draft, stream, stream.axis)
    return draft.apply(lambda _, u, v: u * v, stream, other)


def maximum(draft: Draft, stream: Stream) -> Stream:
    """The larger one of two linear images, unit by unit."""
    draft.note("maximum of two branches")
    axis = draft.hidden_axis("h")
    a, b = linear(draft, stream, axis), linear(draft, stream, axis)
    return draft.apply(lambda _, u, v: np.maximum(u, v), a, b)


def join(draft: Draft, left: Stream, right: Stream, *, matched: bool = True) -> Stream:
    """Both streams in a row, on an axis whose blocks are theirs."""
    n = draft.sizes[left.axis]
    moved = [[n + unit for unit in block] for block in draft.partition(right.axis)]
    blocks, size = [*draft.partition(left.axis), *moved], n + draft.sizes[right.axis]
    axis = draft.axis("cat", size, blocks if matched else unmatched(blocks, size))
    return draft.apply(lambda _, a, b: np.concatenate([a, b], axis=-1), left, right, axis=axis)


def concatenation(draft: Draft, stream: Stream) -> Stream:
    """A stream joined to a linear image of it."""
    draft.note("concatenation")
    joined = join(draft, stream, linear(draft, stream, draft.hidden_axis("h")))
    return linear(draft, joined, draft.hidden_axis("h"))


def doubling(draft: Draft, stream: Stream) -> Stream:
    """A stream joined to itself; the blocks of both copies are apart, or one."""
    draft.note("concatenation with itself")
    n, own = draft.sizes[stream.axis], draft.partition(stream.axis)
    blocks = repeated(own, n, 2)
    if draft.choose(0, 1):
        blocks = [[*block, *(n + unit for unit in block)] for block in own]
    axis = draft.axis("cat", 2 * n, blocks)
    joined = draft.apply(lambda _, a: np.concatenate([a, a], axis=-1), stream, axis=axis)
    return linear(draft, joined, draft.hidden_axis("h"))


def softmax(draft: Draft, stream: Stream) -> Stream:
    """A softmax along the features, times the stream or alone."""
    draft.note("softmax")
    stream = _with_two_blocks(draft, stream)
    logits = linear(draft, stream, stream.axis)
    weights = draft.apply(lambda _, z: layers.softmax(z), logits)
    if draft.choose(0, 1):
        return weights
    return draft.apply(lambda _, a, b: a * b, stream, weights)


def experts(draft: Draft, stream: Stream) -> Stream:
    """Σ_e softmax_e(x G) φ(x W_e) V_e."""
    draft.note("experts")
    e, m, out = (draft.hidden_axis(letter) for letter in ("e", "m", "h"))
    return gated_experts(draft, stream, (e, e, m, out))


def gated_experts(draft: Draft, stream: Stream, axes: tuple[str, str, str, str]) -> Stream:
    """Experts over the axes of experts, of their gates, of their hidden units, of outputs."""
    e, gate_axis, m, out = axes
    w, v = draft.parameter("W", stream.axis, e, m), draft.parameter("V", e, m, out)
    gates = draft.apply(lambda _, z: layers.softmax(z), linear(draft, stream, gate_axis))
    left, phi = stream.letters, draft.pick(ACTIVATIONS)

    def run(p: Any, x: Any, gate: Any) -> Any:
        hidden = phi(np.einsum(f"{left}d,dem->{left}em", x, p[w])) * gate[..., None]
        return np.einsum(f"{left}em,emh->{left}h", hidden, p[v])

    return draft.apply(run, stream, gates, axis=out)


def shared_dropout(draft: Draft, stream: Stream) -> Stream:
    """A mask with one entry a block."""
    draft.note("dropout, shared mask")
    blocks = draft.partition(stream.axis)
    owner = {unit: k for k, block in enumerate(blocks) for unit in block}
    return draft.mask(stream, [owner[unit] for unit in range(draft.sizes[stream.axis])])


def used_twice(draft: Draft, stream: Stream) -> Stream:
    """φ(φ(x W) W)."""
    draft.note("a matrix used twice")
    w, phi = draft.parameter("W", stream.axis, stream.axis), draft.pick(ACTIVATIONS)
    return draft.apply(lambda p, x: phi(phi(x @ p[w]) @ p[w]), stream)


def autoencoder(draft: Draft, stream: Stream) -> Stream:
    """φ(x W) Wᵀ."""
    draft.note("a matrix and its transpose")
    axis, phi = draft.hidden_axis("m"), draft.pick(ACTIVATIONS)
    w = draft.parameter("W", stream.axis, axis)
    return draft.apply(lambda p, x: phi(x @ p[w]) @ p[w].T, stream)


def permutation(draft: Draft, stream: Stream) -> Stream:
    """Units moved about inside their blocks."""
    draft.note("permutation inside blocks")
    order = list(range(draft.sizes[stream.axis]))
    for block in draft.partition(stream.axis):
        for unit, other in zip(block, [*block[1:], block[0]], strict=True):
            order[unit] = other
    return draft.apply(lambda _, x: np.take(x, order, axis=-1), stream)


def part(draft: Draft, stream: Stream) -> Stream:
    """The units of all blocks but the last; all of them if there is one block."""
    draft.note("a part of whole blocks")
    blocks = draft.partition(stream.axis)
    kept = sorted(unit for block in blocks[: max(1, len(blocks) - 1)] for unit in block)
    return taken(draft, stream, kept)


def taken(draft: Draft, stream: Stream, kept: list[int]) -> Stream:
    """Some units, on an axis with what is left of the blocks."""
    place = {unit: k for k, unit in enumerate(kept)}
    blocks = [[place[u] for u in block if u in place] for block in draft.partition(stream.axis)]
    axis = draft.axis("part", len(kept), [block for block in blocks if block])
    return draft.apply(lambda _, x: np.take(x, kept, axis=-1), stream, axis=axis)


def merged_heads(draft: Draft, stream: Stream, axes: tuple[str, str], matched: bool) -> Stream:
    """A stream ``(…, head, width)`` with both as one axis, and a linear layer behind it."""
    head, width = axes
    blocks = product_blocks(draft.partition(head), draft.partition(width))
    size = draft.sizes[head] * draft.sizes[width]
    axis = draft.axis("flat", size, blocks if matched else unmatched(blocks, size))
    flat = draft.apply(lambda _, x: np.reshape(x, (*x.shape[:-2], size)), stream, axis=axis)
    return linear(draft, flat, draft.hidden_axis("h"))


def attention(draft: Draft, stream: Stream, *, matched: bool = True) -> Stream:
    """Multi-head attention over the places of a sequence, causal or not, with or without a skip."""
    head, k, v = (draft.hidden_axis(letter) for letter in ("head", "k", "v"))
    causal, bias = draft.choose(0, 1) == 1, draft.choose(0, 1) == 1
    draft.note("causal attention" if causal else "attention")
    q = [draft.parameter("W", stream.axis, head, k) for _ in range(2)]
    q.append(draft.parameter("W", stream.axis, head, v))
    b = [draft.parameter("b", head, width) for width in (k, k, v)] if bias else []

    def run(p: Any, x: Any) -> Any:
        found = [np.einsum("btd,dhk->bthk", x, p[w]) for w in q]
        if b:
            found = [z + p[name] for z, name in zip(found, b, strict=True)]
        return layers.attention(*found, causal=causal, scale=Fraction(1, 2))

    heads = draft.apply(run, stream)
    if not matched or draft.choose(0, 2) == 2:
        return merged_heads(draft, heads, (head, v), matched)
    is_skip = draft.choose(0, 1) == 1
    out = stream.axis if is_skip else draft.hidden_axis("d")
    w = draft.parameter("V", head, v, out)
    mixed = draft.apply(lambda p, x: np.einsum("bthk,hkd->btd", x, p[w]), heads, axis=out)
    return add(draft, stream, mixed) if is_skip else mixed


def positional(draft: Draft, stream: Stream) -> Stream:
    """A positional embedding added to a sequence."""
    draft.note("positional embedding")
    t = draft.place_axis("t", stream.places[0])
    p = draft.parameter("P", t, stream.axis)
    return draft.apply(lambda parameters, x: x + parameters[p], stream)


def recurrent(draft: Draft, stream: Stream) -> Stream:
    """An Elman cell or a GRU, unrolled in time."""
    axis = draft.hidden_axis("h")
    cell, count = draft.pick([(layers.elman, 1), (layers.gru, 3)])
    draft.note({1: "Elman cell", 3: "GRU"}[count])
    names = [
        draft.parameter(letter, *axes)
        for _ in range(count)
        for letter, axes in (("W", (stream.axis, axis)), ("U", (axis, axis)), ("b", (axis,)))
    ]
    return draft.apply(lambda p, x: cell(x, *(p[n] for n in names)), stream, axis=axis)


def mean_over_places(draft: Draft, stream: Stream) -> Stream:
    """The mean over time, or over an image."""
    draft.note("mean over places")
    axes = tuple(range(1, 1 + len(stream.places)))
    return draft.apply(lambda _, x: np.mean(x, axis=axes), stream, places=())


def last_place(draft: Draft, stream: Stream) -> Stream:
    """The last entry of a sequence."""
    draft.note("last place")
    return draft.apply(lambda _, x: x[:, -1], stream, places=())


def flatten(draft: Draft, stream: Stream, *, matched: bool = True) -> Stream:
    """All places and features as one axis, and a linear layer behind it."""
    draft.note("flatten")
    n, count = draft.sizes[stream.axis], flat_length(stream.places)
    blocks = repeated(draft.partition(stream.axis), n, count)
    axis = draft.axis("flat", n * count, blocks if matched else unmatched(blocks, n * count))
    flat = draft.apply(lambda _, x: layers.flatten(x), stream, axis=axis, places=())
    return linear(draft, flat, draft.hidden_axis("h"))


def patches(draft: Draft, stream: Stream) -> Stream:
    """The places of an image as a sequence."""
    draft.note("image as sequence")
    count = flat_length(stream.places)
    return draft.apply(
        lambda _, x: np.reshape(x, (x.shape[0], count, x.shape[-1])), stream, places=(count,)
    )
