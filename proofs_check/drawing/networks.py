"""Random networks and partitions, drawn choice by choice.

Every choice is one integer from a range, small ones first, so the same code draws with a seeded
generator (campaigns over thousands of networks) and with Hypothesis (which shrinks to the smallest
network, see :mod:`proofs_check.strategies`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

from theory.activation import (
    Activation,
    activation,
    gelu,
    leaky_relu,
    relu,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from theory.architecture import Architecture
from theory.errors import ArchitectureError
from theory.partition import AxisPartition, make_partition

Choose = Callable[[int, int], int]  # (low, high) to an integer in low..high

ACTIVATIONS: tuple[Activation, ...] = (
    activation("phi"),
    activation("phi", parity="odd"),
    activation("phi", parity="even"),
    tanh,
    relu,
    sigmoid,
    gelu,
    silu,
    softplus,
    leaky_relu(),
)


def chooser(seed: int) -> Choose:
    """Choices by a seeded generator.

    >>> chooser(0)(3, 3)
    3
    """
    return Random(seed).randint


def draw_network(
    choose: Choose,
    max_depth: int = 3,
    max_width: int = 5,
    activations: Sequence[Activation] = ACTIVATIONS,
) -> Architecture:
    """A feed-forward network with 1 to 3 hidden layers.

    Each layer has its own activation; there may be no biases, skip connections from any hidden
    layer (or the input) to the output, and a product of the first hidden layer with a linear gate.
    The first hidden layer has at least two units, so that there is something to clone.

    >>> draw_network(lambda low, high: low).sizes
    {'x': 1, 'h1': 2, 'y': 1}
    """
    depth = choose(1, max_depth)
    sizes = {"x": choose(1, 3)}
    symbols = []
    for k in range(1, depth + 1):
        sizes[f"h{k}"] = choose(2 if k == 1 else 1, max_width)
        symbols.append(activations[choose(0, len(activations) - 1)])
    sizes["y"] = choose(1, 3)
    has_bias, is_gated = choose(0, 1) == 0, choose(0, 3) == 3
    axes = [*sizes]
    skips = [axis for axis in axes[:-2] if choose(0, 3) == 3]
    parameters: dict[str, tuple[str, ...]] = {}
    for k in range(1, depth + 2):
        parameters[f"W{k}"] = (axes[k - 1], axes[k])
        if has_bias:
            parameters[f"b{k}"] = (axes[k],)
    if is_gated:
        parameters["G"] = ("x", "h1")
    for axis in skips:
        parameters[f"S_{axis}"] = (axis, "y")

    def forward(p: Mapping[str, Any], x: Any) -> Any:
        values = {"x": x}
        for k in range(1, depth + 2):
            z = values[axes[k - 1]] @ p[f"W{k}"]
            if has_bias:
                z = z + p[f"b{k}"]
            values[axes[k]] = symbols[k - 1](z) if k <= depth else z
            if k == 1 and is_gated:
                values["h1"] = values["h1"] * (x @ p["G"])
        y = values["y"]
        for axis in skips:
            y = y + values[axis] @ p[f"S_{axis}"]
        return y

    words = [
        repr(symbols),
        *(["no bias"] if not has_bias else []),
        *(["gated"] if is_gated else []),
    ]
    words += [f"skip from {axis}" for axis in skips]
    widths = "-".join(map(str, sizes.values()))
    return Architecture(forward, sizes, parameters, name=f"{widths} ({', '.join(words)})")


def draw_partition(
    choose: Choose, architecture: Architecture, axes: Collection[str] | None = None
) -> dict[str, AxisPartition]:
    """Blocks of any sizes on some axes, with clones wherever one has two units.

    Args:
        choose: where choices come from.
        architecture: the network.
        axes: which of its axes; by default those whose name begins with ``h``.

    Raises:
        ArchitectureError: if there is no such axis.
    """
    chosen = {axis for axis in architecture.sizes if axis.startswith("h")}
    if axes is not None:
        chosen = set(axes)
    if unknown := chosen - architecture.sizes.keys():
        known = ", ".join(architecture.sizes)
        raise ArchitectureError(f"axes: unknown axis {min(unknown)!r}; the axes are {known}")
    blocks: dict[str, list[list[int]]] = {}
    for axis, size in architecture.sizes.items():
        if axis not in chosen or size < 2:
            continue
        one = choose(0, size - 2)
        other = choose(one + 1, size - 1)
        found = [[one, other]]  # sure clones; every other unit joins a block or opens one
        for unit in range(size):
            if unit not in (one, other):
                place = choose(0, len(found))
                found += [[]] if place == len(found) else []
                found[place].append(unit)
        blocks[axis] = [sorted(block) for block in found]
    return make_partition(architecture.sizes, blocks)


def draw_rationals(choose: Choose, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Integers from -3 to 3 in arrays of Python integers, for coordinates and data."""
    drawn = {}
    for name, shape in shapes.items():
        entries = [choose(-3, 3) for _ in range(int(np.prod(shape, dtype=int)))]
        drawn[name] = np.array(entries, dtype=object).reshape(shape)
    return drawn
