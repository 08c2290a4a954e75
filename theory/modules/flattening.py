"""Partitions at an interface: what a reshape makes of the blocks of several axes."""

from __future__ import annotations

from math import prod

from theory.errors import PartitionError
from theory.modules.known_point import axis_labels
from theory.modules.labelling import num_blocks, numbered, product
from theory.partition import AxisPartition


def flattened(*axes: AxisPartition) -> AxisPartition:
    """The partition of an axis into which several axes are merged in row-major order.

    Units belong together if they do along every axis. A dense layer behind ``flatten`` keeps the
    clones of the channels exactly if its source axis has this partition, or a finer one.

    Raises:
        PartitionError: if an axis has mirrored clones or zero units.

    >>> places, channels = AxisPartition(2, ((0,), (1,))), AxisPartition(3, ((0, 2), (1,)))
    >>> flattened(places, channels).blocks
    ((0, 2), (1,), (3, 5), (4,))
    """
    for k, axis in enumerate(axes):
        if axis.is_signed or axis.zero:
            raise PartitionError(f"axes[{k}]: mirrored clones and zero units are not supported")
    shape = tuple(axis.size for axis in axes)
    together = product([((k,), axis_labels(axis)) for k, axis in enumerate(axes)], shape)
    blocks: list[list[int]] = [[] for _ in range(num_blocks(together, shape))]
    for unit, block in enumerate(numbered(together, shape).ravel().tolist()):
        blocks[block].append(unit)
    return AxisPartition(prod(shape), tuple(map(tuple, blocks)))
