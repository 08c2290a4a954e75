"""Whether parameters are block-constant, and by how much they are not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from numerics.spectrum.errors import SpectrumError
from numerics.systems.float64 import Float64
from numerics.systems.system import Array, NumberSystem
from theory.architecture import Architecture
from theory.partition import Partition

ROUNDING = 2.0**-40
"""Largest difference of clones, relative to the parameter's largest entry, that counts as none."""


def check_block_constant(
    architecture: Architecture,
    partition: Partition,
    parameters: Mapping[str, Array],
    system: NumberSystem,
) -> None:
    """Refuse a point at which clones differ: by more than rounding in floats, at all elsewhere.

    Args:
        architecture: the network.
        partition: its blocks.
        parameters: arrays of the system's numbers ``(…, *shape)``.
        system: the number system.

    Raises:
        SpectrumError: if entries between the same blocks differ.
    """
    for p, names in architecture.parameters.items():
        values = parameters[p]
        first = values
        for k, axis in enumerate(names):
            blocks = partition[axis].blocks
            representative = [blocks[i][0] for i in partition[axis].block_of]
            first = np.take(first, representative, axis=k - len(names))
        if not isinstance(system, Float64):
            if (values != first).any():
                where = tuple(int(n) for n in np.argwhere(values != first)[0])
                raise SpectrumError(
                    f"{p}{list(where)} is {values[where]}, its first clone {first[where]}: not "
                    "block-constant"
                )
            continue
        away = np.abs(values - first).max(initial=0.0)
        size = np.abs(values).max(initial=0.0)
        if away > ROUNDING * size:
            raise SpectrumError(
                f"parameter {p!r}: entries between the same blocks differ by {away:.3g}, the "
                f"largest entry is {size:.3g}: not block-constant, where the blocks couple; "
                "block_constant(architecture, partition).project gives the nearest such point"
            )
