"""A layered network under construction: its axes with their blocks, parameters and values.

An axis is drawn together with its partition, so a layer knows which interface it has to offer and
the layers behind it which one they must meet. Every choice is one integer, small ones first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from proofs_check.drawing.networks import Choose

Blocks = list[list[int]]
Operation = Callable[..., Any]  # (parameters, *values) to a value

PLACES = {0: "", 1: "t", 2: "ij"}  # letters of the axes between batch and features


@dataclass(frozen=True, slots=True)
class Stream:
    """A value ``(batch, *places, features)`` of a network under construction.

    Attributes:
        register: where the forward function keeps it.
        axis: name of its last axis.
        places: lengths of the axes between: none for vectors, (t,) for sequences, (H, W) for
            images.
    """

    register: int
    axis: str
    places: tuple[int, ...]

    @property
    def letters(self) -> str:
        """Letters for ``einsum`` of all axes but the last."""
        return "b" + PLACES[len(self.places)]


class Draft:
    """What has been drawn so far.

    Args:
        choose: where choices come from.
        num_inputs: entries of one sample at one place.
        places: lengths of the axes between batch and features of the data.
    """

    def __init__(self, choose: Choose, num_inputs: int, places: tuple[int, ...]) -> None:
        self.choose = choose
        self.num_inputs = num_inputs
        self.num_masks = 0
        self.data_places = places
        self.sizes: dict[str, int] = {"x": num_inputs}
        self.blocks: dict[str, Blocks] = {}
        self.parameters: dict[str, tuple[str, ...]] = {}
        self.operations: list[tuple[Operation, tuple[int, ...]]] = []
        self.layers: list[str] = []
        self.features: set[str] = set()
        self.false_neighbour: str | None = None
        self.data = Stream(1, "x", places)

    def pick(self, options: Sequence[Any]) -> Any:
        """One of several, the first being the simplest."""
        return options[self.choose(0, len(options) - 1)]

    def note(self, layer: str) -> None:
        """Record which layer is being drawn."""
        self.layers.append(layer)
        self.features.add(layer)

    def _fresh(self, letter: str, taken: Mapping[str, Any]) -> str:
        number = 1
        while f"{letter}{number}" in taken:
            number += 1
        return f"{letter}{number}"

    def axis(self, letter: str, size: int, blocks: Blocks | None = None) -> str:
        """A new axis with the given blocks; units left out are alone."""
        name = self._fresh(letter, self.sizes)
        self.sizes[name] = size
        self.blocks[name] = [sorted(block) for block in blocks or []]
        return name

    def drop(self, axis: str) -> None:
        """Forget an axis that no parameter has."""
        del self.sizes[axis], self.blocks[axis]

    def place_axis(self, name: str, size: int) -> str:
        """An axis without clones, shared by all that name it and have its length."""
        full = f"{name}{size}"
        self.sizes[full] = size
        return full

    def cloned_axis(self, letter: str, least: int = 1) -> str:
        """A new axis with a block of two or three and up to two blocks more, in any order."""
        count = max(least, self.pick([1, 2, 2, 3]))
        return self._arranged(letter, [self.choose(2, 3), *self._lengths(count - 1)])

    def hidden_axis(self, letter: str) -> str:
        """A new axis, mostly with clones."""
        if self.choose(0, 5) == 5:
            return self.axis(letter, self.choose(1, 3))
        return self.cloned_axis(letter)

    def _lengths(self, count: int) -> list[int]:
        return [self.pick([1, 2, 1, 3]) for _ in range(count)]

    def _arranged(self, letter: str, lengths: list[int]) -> str:
        size = sum(lengths)
        order = list(range(size))
        if self.choose(0, 1):
            for k in range(size - 1, 0, -1):
                j = self.choose(0, k)
                order[j], order[k] = order[k], order[j]
        ends = np.cumsum([0, *lengths]).tolist()
        blocks = [order[a:b] for a, b in pairwise(ends)]
        return self.axis(letter, size, blocks)

    def partition(self, axis: str) -> Blocks:
        """All blocks of an axis, units alone included, by their first unit."""
        given = self.blocks.get(axis, [])
        met = {unit for block in given for unit in block}
        alone = [[unit] for unit in range(self.sizes[axis]) if unit not in met]
        return sorted([*given, *alone])

    def mixed_block(self, axis: str) -> list[int]:
        """One of the blocks with two units or more."""
        block: list[int] = self.pick([b for b in self.partition(axis) if len(b) > 1])
        return block

    def parameter(self, letter: str, *axes: str) -> str:
        """A new parameter."""
        name = self._fresh(letter, self.parameters)
        self.parameters[name] = axes
        return name

    def apply(
        self,
        operation: Operation,
        *streams: Stream,
        axis: str | None = None,
        places: tuple[int, ...] | None = None,
    ) -> Stream:
        """The value ``operation(parameters, *values)``; axis and places as of the first one."""
        self.operations.append((operation, tuple(s.register for s in streams)))
        first = streams[0]
        return Stream(
            len(self.operations) + 1,
            first.axis if axis is None else axis,
            first.places if places is None else places,
        )

    def mask(self, stream: Stream, entry_of: Sequence[int]) -> Stream:
        """A stream times further entries of the data, unit u by the entry ``entry_of[u]``."""
        start = self.num_inputs + self.num_masks
        self.num_masks += max(entry_of) + 1
        entries = [start + k for k in entry_of]
        corner = (slice(None), *(0 for _ in self.data_places))
        ones = (1,) * len(stream.places)

        def masked(_: Any, value: Any, data: Any) -> Any:
            own = np.take(data[corner], entries, axis=-1)
            return value * np.reshape(own, (data.shape[0], *ones, len(entries)))

        return self.apply(masked, stream, Stream(0, "input", self.data_places))

    def forward(self) -> Callable[[Mapping[str, Any], Any], Any]:
        """The network as a function; its value is the last one."""
        operations, num_inputs = tuple(self.operations), self.num_inputs

        def run(p: Mapping[str, Any], x: Any) -> Any:
            values = [x, x if x.shape[-1] == num_inputs else x[..., :num_inputs]]
            for operation, registers in operations:
                values.append(operation(p, *(values[k] for k in registers)))
            return values[-1]

        return run

    def input_axes(self) -> tuple[str, ...]:
        """Axes of one sample: places, then its entries and the masks."""
        names = [
            self.place_axis(letter, n)
            for letter, n in zip(PLACES[len(self.data_places)], self.data_places, strict=True)
        ]
        if not self.num_masks:
            return (*names, "x")
        self.sizes["input"] = self.num_inputs + self.num_masks
        return (*names, "input")


def repeated(blocks: Blocks, size: int, times: int) -> Blocks:
    """The same blocks ``times`` times in a row, each copy apart.

    >>> repeated([[0, 1], [2]], 3, 2)
    [[0, 1], [2], [3, 4], [5]]
    """
    return [[unit + size * k for unit in block] for k in range(times) for block in blocks]


def product_blocks(left: Blocks, right: Blocks) -> Blocks:
    """Blocks of the axis ``(l, r) -> l * len(r) + r``: products of blocks.

    >>> product_blocks([[0, 1]], [[0], [1]])
    [[0, 2], [1, 3]]
    """
    width = sum(map(len, right))
    return [[i * width + k for i in a for k in b] for a in left for b in right]


def unmatched(blocks: Blocks, size: int) -> Blocks:
    """Another partition of the same units: moved round by one, or all alone if that is no other.

    >>> unmatched([[0, 1], [2]], 3), unmatched([[0, 1]], 2)
    ([[0], [1, 2]], [[0], [1]])
    """
    rolled = sorted(sorted((unit + 1) % size for unit in block) for block in blocks)
    same = rolled == sorted(sorted(block) for block in blocks)
    return [[unit] for unit in range(size)] if same else rolled


def flat_length(places: tuple[int, ...]) -> int:
    """Number of places."""
    return prod(places)
