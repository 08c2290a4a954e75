"""Random layered networks with their clones, drawn choice by choice.

A network is a walk through layers on vectors, sequences or images, drawn together with a partition
of every axis that meets the interfaces of its layers, except where a false neighbour was planted.
Every choice is one integer from a range, small ones first, so the same code draws with a seeded
generator (campaigns) and with Hypothesis (which shrinks to the smallest case).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from proofs_check.drawing import false_neighbours, random_images, random_layers
from proofs_check.drawing.layered_draft import Draft, Stream
from proofs_check.drawing.networks import Choose
from proofs_check.drawing.random_layers import Layer
from theory import layers
from theory.architecture import Architecture
from theory.partition import AxisPartition, make_partition

ANYWHERE: tuple[Layer, ...] = (
    random_layers.dense,
    random_layers.residual,
    random_layers.gated,
    random_layers.layer_norm,
    random_layers.concatenation,
    random_layers.used_twice,
    random_layers.softmax,
    random_layers.batch_norm,
    random_layers.rms_norm,
    random_layers.group_norm,
    random_layers.running_norm,
    random_layers.prelu,
    random_layers.power,
    random_layers.affine,
    random_layers.product,
    random_layers.maximum,
    random_layers.doubling,
    random_layers.experts,
    random_layers.shared_dropout,
    random_layers.autoencoder,
    random_layers.permutation,
    random_layers.part,
    random_layers.residual,
)
ON_SEQUENCES: tuple[Layer, ...] = (
    random_layers.attention,
    random_layers.positional,
    random_layers.recurrent,
)
ON_IMAGES: tuple[Layer, ...] = (
    random_images.convolution,
    random_images.depthwise,
    random_images.grouped_convolution,
    random_images.average_pool,
    random_images.max_pool,
)


@dataclass(frozen=True, eq=False)
class LayeredNetwork:
    """A drawn network.

    Attributes:
        architecture: the network.
        partition: of all its axes.
        layers: in the order of drawing.
        features: words for what occurs.
        false_neighbour: the layer that may let clones part, if one was planted.
    """

    architecture: Architecture
    partition: Mapping[str, AxisPartition]
    layers: tuple[str, ...]
    features: frozenset[str]
    false_neighbour: str | None

    @cached_property
    def cloned_axes(self) -> dict[str, AxisPartition]:
        """Axes with clones."""
        return {axis: blocks for axis, blocks in self.partition.items() if blocks.num_mixed}

    @property
    def largest_block(self) -> int:
        """Number of units of the largest block."""
        return max(len(block) for axis in self.partition.values() for block in axis.blocks)

    def __str__(self) -> str:
        shapes = ", ".join(
            f"{p} ({', '.join(axes)})" for p, axes in self.architecture.parameters.items()
        )
        clones = ", ".join(
            f"{axis}={'/'.join(','.join(map(str, block)) for block in blocks.blocks)}"
            for axis, blocks in self.cloned_axes.items()
        )
        return f"{self.architecture.name}; parameters {shapes}; clones {clones or 'none'}"


def draw_layered(choose: Choose, max_layers: int = 3) -> LayeredNetwork:
    """A network of up to so many layers between input and output, with its clones.

    A third of the networks has a false neighbour. Of the others, some have blocks drawn anew for
    one axis, which may or may not meet the interfaces.

    Args:
        choose: ``(low, high)`` to an integer in low..high.
        max_layers: not counting the first and the last one, nor a change from images to
            sequences or vectors.

    >>> network = draw_layered(lambda low, high: low)
    >>> network.architecture.sizes, network.partition["h1"].blocks
    ({'x': 1, 'h1': 2, 'y': 1}, ((0, 1),))
    """
    draft, stream = _begun(choose, choose(0, 2))
    count = choose(0, max_layers)
    planted = choose(0, count) if choose(0, 2) == 2 else None
    for k in range(count + 1):
        if k == planted:
            stream = _plant(draft, stream)
        if k < count:
            if stream.places and choose(0, 3) == 3:
                stream = _change(draft, stream)
            stream = draft.pick(_layers(stream))(draft, stream)
    stream = _output(draft, stream)
    if planted is None and choose(0, 5) == 5:
        _redraw(draft)
    return _finished(draft)


def draw_around(choose: Choose, layer: Layer, num_places: int = 0) -> LayeredNetwork:
    """A small network around one layer: an input layer and φ, the layer, φ and an output layer.

    Args:
        choose: ``(low, high)`` to an integer in low..high.
        layer: what is appended in the middle.
        num_places: 0 for vectors, 1 for sequences, 2 for images.

    >>> draw_around(lambda low, high: low, random_layers.prelu).architecture.parameters
    {'W1': ('x', 'h1'), 'a1': ('h1',), 'W2': ('h1', 'y')}
    """
    draft, stream = _begun(choose, num_places)
    stream = random_layers.activate(draft, layer(draft, stream))
    _output(draft, stream)
    return _finished(draft)


def _begun(choose: Choose, num_places: int) -> tuple[Draft, Stream]:
    """An input layer and an activation."""
    places = ((), (choose(2, 3),), (2, choose(1, 3)))[num_places] if num_places else ()
    draft = Draft(choose, choose(1, 2), places)
    first = (random_layers.cloned_dense, _embedding, random_images.convolution)[num_places]
    return draft, random_layers.activate(draft, first(draft, draft.data))


def _redraw(draft: Draft) -> None:
    """Other blocks for one of the axes between input and output."""
    axis = draft.pick(list(draft.blocks))
    labels = [draft.choose(0, 2) for _ in range(draft.sizes[axis])]
    units = [[u for u, label in enumerate(labels) if label == k] for k in range(3)]
    draft.note(f"blocks of {axis} redrawn")
    draft.blocks[axis] = [block for block in units if block]


def _layers(stream: Stream) -> tuple[Layer, ...]:
    """The layers for a stream; those of its kind are drawn more often."""
    own = ((), ON_SEQUENCES, ON_IMAGES)[len(stream.places)]
    if stream.places == (1,):
        own = own[:-1]  # of one step, a recurrent cell uses no recurrent weights
    return (*ANYWHERE, *own, *own)


def _embedding(draft: Draft, stream: Stream) -> Stream:
    draft.note("embedding")
    table = draft.parameter("E", stream.axis, axis := draft.cloned_axis("d"))
    return draft.apply(lambda p, x: layers.embedding(x, p[table]), stream, axis=axis)


def _plant(draft: Draft, stream: Stream) -> Stream:
    """One of the false neighbours."""
    options = dict(false_neighbours.ANYWHERE)
    if stream.places:
        options |= false_neighbours.OF_PLACES
    if len(stream.places) == 2:
        options |= false_neighbours.OF_IMAGES
    name = draft.pick(list(options))
    draft.layers.append(f"false neighbour: {name}")
    draft.false_neighbour = name
    return options[name](draft, stream)


def _change(draft: Draft, stream: Stream) -> Stream:
    """From an image to a sequence or a vector, or from a sequence to a vector."""
    options: list[Layer] = [random_layers.mean_over_places, random_layers.flatten]
    options.append(random_layers.last_place if len(stream.places) == 1 else random_layers.patches)
    change: Layer = draft.pick(options)
    return change(draft, stream)


def _output(draft: Draft, stream: Stream) -> Stream:
    """Onto outputs without clones; at times by the transpose of the embedding."""
    tied = [p for p, axes in draft.parameters.items() if p[0] == "E" and axes[1] == stream.axis]
    if tied and draft.choose(0, 1):
        draft.note("tied embedding")
        table = tied[0]
        return draft.apply(lambda p, x: x @ p[table].T, stream, axis="x")
    draft.sizes["y"] = draft.choose(1, 2)
    return random_layers.linear(draft, stream, "y", bias=draft.choose(0, 3) == 3)


def _finished(draft: Draft) -> LayeredNetwork:
    inputs = draft.input_axes()
    name = " > ".join(draft.layers) or "linear"
    architecture = Architecture(draft.forward(), draft.sizes, draft.parameters, inputs, name=name)
    return LayeredNetwork(
        architecture=architecture,
        partition=make_partition(draft.sizes, draft.blocks),
        layers=tuple(draft.layers),
        features=frozenset(draft.features),
        false_neighbour=draft.false_neighbour,
    )
