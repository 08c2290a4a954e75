"""Layers that look legal and let clones part: each is known by name.

A false neighbour differs from a legal layer in one place, an interface, a constant, a mask. The
calculus must not certify a network with one unless the exact check proves it all the same, as
where nothing behind the layer can tell the clones apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from proofs_check.drawing import random_images as images
from proofs_check.drawing import random_layers as drawn
from proofs_check.drawing.layered_draft import Draft, Stream, unmatched
from proofs_check.drawing.random_layers import Layer, cloned_dense, linear
from theory import layers
from theory.activation import activation, tanh


def _cut(draft: Draft, axis: str) -> int:
    """A place that has units of one block before and behind it."""
    return min(draft.mixed_block(axis)) + 1


def _other_axis(draft: Draft, axis: str) -> str:
    """A new axis as long as another, with other blocks."""
    size = draft.sizes[axis]
    return draft.axis("u", size, unmatched(draft.partition(axis), size))


def independent_masks(draft: Draft, stream: Stream) -> Stream:
    """Dropout with one mask entry a unit."""
    z = cloned_dense(draft, stream)
    return draft.mask(z, range(draft.sizes[z.axis]))


def unequal_activations(draft: Draft, stream: Stream) -> Stream:
    """φ for the units of a block before a place, tanh for those behind."""
    z, phi = cloned_dense(draft, stream), activation("phi")
    cut = _cut(draft, z.axis)

    def run(_: Any, x: Any) -> Any:
        return np.concatenate([phi(x[..., :cut]), tanh(x[..., cut:])], axis=-1)

    return draft.apply(run, z)


def maximum_over_clones(draft: Draft, stream: Stream) -> Stream:
    """Every unit times the largest of all."""
    z = cloned_dense(draft, stream)
    return draft.apply(lambda _, x: x * np.max(x, axis=-1)[..., None], z)


def unequal_constants(draft: Draft, stream: Stream) -> Stream:
    """A fixed scale that differs between clones."""
    z = cloned_dense(draft, stream)
    cut, size = _cut(draft, z.axis), draft.sizes[z.axis]
    scale = np.array([1] * cut + [2] * (size - cut))
    return draft.apply(lambda _, x: x * scale, z)


def permutation_across_blocks(draft: Draft, stream: Stream) -> Stream:
    """Two units of different blocks trade places, one of them a clone."""
    z = cloned_dense(draft, stream, least=2)
    block = draft.mixed_block(z.axis)
    other = draft.pick([u for u in range(draft.sizes[z.axis]) if u not in block])
    order = list(range(draft.sizes[z.axis]))
    order[block[0]], order[other] = other, block[0]
    return draft.apply(lambda _, x: np.take(x, order, axis=-1), z)


def part_of_a_block(draft: Draft, stream: Stream) -> Stream:
    """All units but one clone."""
    z = cloned_dense(draft, stream)
    gone = draft.mixed_block(z.axis)[0]
    return drawn.taken(draft, z, [u for u in range(draft.sizes[z.axis]) if u != gone])


def mean_over_part_of_a_block(draft: Draft, stream: Stream) -> Stream:
    """Deviations from the mean of some units, among them a clone without its block."""
    z = cloned_dense(draft, stream)
    cut = _cut(draft, z.axis)
    return draft.apply(lambda _, x: x - np.mean(x[..., :cut], axis=-1, keepdims=True), z)


def masked_softmax(draft: Draft, stream: Stream) -> Stream:
    """A softmax whose mask leaves out a clone."""
    z = cloned_dense(draft, stream, least=2)
    mask = np.ones(draft.sizes[z.axis], dtype=int)
    mask[draft.mixed_block(z.axis)[0]] = 0
    return draft.apply(lambda _, x: x * layers.softmax(x, mask=mask), z)


def free_gain(draft: Draft, stream: Stream) -> Stream:
    """Gains that are not tied to the blocks of the units they scale."""
    z = cloned_dense(draft, stream)
    gain = draft.parameter("g", _other_axis(draft, z.axis))
    return draft.apply(lambda p, x: x * p[gain], z)


def free_bias(draft: Draft, stream: Stream) -> Stream:
    """Biases that are not tied to the blocks of their units."""
    z = cloned_dense(draft, stream)
    bias = draft.parameter("b", _other_axis(draft, z.axis))
    return draft.apply(lambda p, x: x + p[bias], z)


def free_statistics(draft: Draft, stream: Stream) -> Stream:
    """Running statistics that are not tied to the blocks of their channels."""
    z = cloned_dense(draft, stream)
    return drawn.running_norm(draft, z, _other_axis(draft, z.axis))


def group_norm_across_groups(draft: Draft, stream: Stream) -> Stream:
    """GroupNorm with one block across two groups, all other units alone."""
    half = draft.choose(2, 3)
    z = linear(draft, stream, draft.axis("h", 2 * half, [[draft.choose(0, half - 1), half]]))
    return drawn.normed_groups(draft, z, 2)


def unmatched_concatenation(draft: Draft, stream: Stream) -> Stream:
    """Two branches joined on an axis with other blocks than theirs."""
    z = cloned_dense(draft, stream)
    joined = drawn.join(draft, z, linear(draft, stream, draft.hidden_axis("h")), matched=False)
    return linear(draft, joined, draft.hidden_axis("h"))


def unmatched_residual(draft: Draft, stream: Stream) -> Stream:
    """A skip onto an axis as long, with other blocks."""
    z = cloned_dense(draft, stream)
    phi = activation("phi")
    inside = draft.apply(lambda _, x: phi(x), linear(draft, z, draft.hidden_axis("h")))
    return drawn.add(draft, z, linear(draft, inside, _other_axis(draft, z.axis)))


def tied_to_other_blocks(draft: Draft, stream: Stream) -> Stream:
    """One matrix behind two axes of equal length with different blocks."""
    z = cloned_dense(draft, stream)
    other = linear(draft, stream, _other_axis(draft, z.axis))
    out = draft.cloned_axis("h")
    w, phi = draft.parameter("W", z.axis, out), activation("phi")

    def run(p: Any, a: Any, b: Any) -> Any:
        return phi(a @ p[w]) + phi(b @ p[w])

    return draft.apply(run, z, other, axis=out)


def unmatched_product(draft: Draft, stream: Stream) -> Stream:
    """The product of two branches with different blocks."""
    z = cloned_dense(draft, stream)
    other = linear(draft, stream, _other_axis(draft, z.axis))
    return draft.apply(lambda _, a, b: a * b, z, other)


def free_slopes(draft: Draft, stream: Stream) -> Stream:
    """PReLU with slopes that are not tied to the blocks of their units."""
    z = cloned_dense(draft, stream)
    slope = draft.parameter("a", _other_axis(draft, z.axis))
    return draft.apply(lambda p, x: layers.prelu(x, p[slope]), z)


def rms_of_part_of_a_block(draft: Draft, stream: Stream) -> Stream:
    """Units divided by a root mean square over some of them."""
    z = cloned_dense(draft, stream)
    cut = _cut(draft, z.axis)

    def run(_: Any, x: Any) -> Any:
        some = x[..., :cut]
        return x / np.sqrt(np.mean(some * some, axis=-1, keepdims=True) + drawn.EPS)

    return draft.apply(run, z)


def gates_with_other_blocks(draft: Draft, stream: Stream) -> Stream:
    """Experts whose gates have other blocks than they."""
    e = draft.cloned_axis("e")
    gate_axis, out = _other_axis(draft, e), draft.hidden_axis("h")
    return drawn.gated_experts(draft, stream, (e, gate_axis, draft.hidden_axis("m"), out))


def recurrence_onto_other_blocks(draft: Draft, stream: Stream) -> Stream:
    """Two steps of an Elman cell whose recurrent matrix leads to other blocks than its input."""
    axis = draft.cloned_axis("h")
    w = draft.parameter("W", stream.axis, axis)
    u = draft.parameter("U", axis, _other_axis(draft, axis))

    def run(p: Any, x: Any) -> Any:
        first = tanh(x @ p[w])
        return tanh(x @ p[w] + first @ p[u])

    return draft.apply(run, stream, axis=axis)


def free_positions(draft: Draft, stream: Stream) -> Stream:
    """A positional embedding that is not tied to the blocks of the units it is added to."""
    z = cloned_dense(draft, stream)
    t = draft.place_axis("t", stream.places[0])
    p = draft.parameter("P", t, _other_axis(draft, z.axis))
    return draft.apply(lambda parameters, x: x + parameters[p], z)


def embeddings_with_other_blocks(draft: Draft, stream: Stream) -> Stream:
    """The sum of two embeddings of the data, in which one has other blocks."""
    z = cloned_dense(draft, stream)
    table = draft.parameter("E", "x", _other_axis(draft, z.axis))
    return draft.apply(lambda p, x, data: x + layers.embedding(data, p[table]), z, draft.data)


def pooled_over_channels(draft: Draft, stream: Stream) -> Stream:
    """Means of neighbouring channels, a clone and its right neighbour among them."""
    z = cloned_dense(draft, stream, least=2)
    return draft.apply(lambda _, x: (x + np.roll(x, -1, axis=-1)) / 2, z)


def flatten_with_other_blocks(draft: Draft, stream: Stream) -> Stream:
    """Places and features in a row, on an axis whose blocks do not follow."""
    return drawn.flatten(draft, cloned_dense(draft, stream), matched=False)


def heads_with_other_blocks(draft: Draft, stream: Stream) -> Stream:
    """Heads and what is inside them in a row, on an axis whose blocks do not follow."""
    head, width = draft.cloned_axis("head"), draft.hidden_axis("k")
    w, letters = draft.parameter("W", stream.axis, head, width), stream.letters
    z = draft.apply(
        lambda p, x: np.einsum(f"{letters}d,dhk->{letters}hk", x, p[w]), stream, axis=head
    )
    return drawn.merged_heads(draft, z, (head, width), matched=False)


def groups_with_other_blocks(draft: Draft, stream: Stream) -> Stream:
    """A grouped convolution whose kernel has other blocks than the channels of a group."""
    return images.grouped_convolution(draft, stream, matched=False)


def shifted_scale(draft: Draft, stream: Stream) -> Stream:
    """Each unit times its left neighbour."""
    z = cloned_dense(draft, stream, least=2)
    return draft.apply(lambda _, x: x * (np.roll(x, 1, axis=-1) + Fraction(1, 3)), z)


ANYWHERE: Mapping[str, Layer] = {
    "independent masks": independent_masks,
    "unequal activations in a block": unequal_activations,
    "maximum over clones": maximum_over_clones,
    "constants that differ in a block": unequal_constants,
    "permutation across blocks": permutation_across_blocks,
    "part of a block": part_of_a_block,
    "mean over part of a block": mean_over_part_of_a_block,
    "softmax with a mask that cuts a block": masked_softmax,
    "gain not tied to blocks": free_gain,
    "bias not tied to blocks": free_bias,
    "running statistics not tied to blocks": free_statistics,
    "group norm with a block across groups": group_norm_across_groups,
    "concatenation with unmatched profiles": unmatched_concatenation,
    "residual with unmatched profiles": unmatched_residual,
    "a matrix tied to other blocks": tied_to_other_blocks,
    "product of unmatched profiles": unmatched_product,
    "slopes not tied to blocks": free_slopes,
    "root mean square of part of a block": rms_of_part_of_a_block,
    "gates that do not match their experts": gates_with_other_blocks,
    "a recurrence onto other blocks": recurrence_onto_other_blocks,
    "heads merged with the wrong interface": heads_with_other_blocks,
    "product with shifted units": shifted_scale,
}
OF_PLACES: Mapping[str, Layer] = {"flatten with the wrong interface": flatten_with_other_blocks}
OF_IMAGES: Mapping[str, Layer] = {"grouped conv2d with unmatched blocks": groups_with_other_blocks}
