"""Memory for the values of one evaluation, used again within it and by the next.

A fresh array of half a megabyte costs more in page faults than an addition on it. A system whose
operations can write into given memory offers a :class:`Workspace`: the same arithmetic with large
results in arrays that were released before.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Protocol, runtime_checkable

import numpy as np

from numerics.systems.system import Array, NumberSystem

MIN_SIZE = 1 << 14
"""Entries of the smallest array worth keeping; smaller ones stay with the allocator anyway."""


class Workspace(NumberSystem, Protocol):
    """A number system that is told when its results are no longer needed."""

    def release(self, a: Array) -> None:
        """Allow the memory of a result to be used again; other arrays are left alone.

        An elementwise operation may be given operands that have just been released: its result is
        then written over them.
        """

    def finish(self) -> None:
        """Give away the results that were not released: they belong to the caller."""


@runtime_checkable
class Reusing(Protocol):
    """A number system that has workspaces; each is for one evaluation at a time."""

    def workspace(self) -> Workspace:
        """A new workspace."""


class Memory:
    """Float64 arrays lent and free, by number of entries; what was freed last is lent first.

    >>> memory = Memory()
    >>> a = memory.empty((128, 128))
    >>> memory.release(a.T)
    >>> memory.empty((64, 256)).base is a.base
    True
    """

    def __init__(self) -> None:
        self._free: dict[int, list[Array]] = {}
        self._lent: dict[int, Array] = {}

    def empty(self, shape: tuple[int, ...]) -> Array:
        """An uninitialised array in C order."""
        size = prod(shape)
        free = self._free.get(size)
        owner = free.pop() if free else np.empty(size)
        self._lent[id(owner)] = owner
        return owner.reshape(shape)

    def release(self, a: Array) -> None:
        """Free what a lent array, or a view of one, lies in."""
        owner = self._lent.pop(id(a.base), None)
        if owner is not None:
            self._free.setdefault(owner.size, []).append(owner)

    def finish(self) -> None:
        """Forget what is lent."""
        self._lent.clear()

    def elementwise(self, ufunc: Callable[..., Any], *operands: Array) -> Array:
        """A ufunc (or a function that takes ``out`` like one) with its result in this memory.

        NumPy keeps the memory order of the operands, which is worth more than reuse: the result
        lies here only if that order is C.
        """
        shape = np.broadcast(*operands).shape
        full = [a.flags.c_contiguous for a in operands if a.shape == shape]
        if prod(shape) < MIN_SIZE or (full and not any(full)):
            return np.asarray(ufunc(*operands))
        return np.asarray(ufunc(*operands, out=self.empty(shape)))

    def matmul(self, a: Array, b: Array) -> Array:
        """Stacked matrix product with its result in this memory."""
        shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
        if prod(shape) < MIN_SIZE:
            return np.asarray(np.matmul(a, b))
        return np.asarray(np.matmul(a, b, out=self.empty(shape)))
