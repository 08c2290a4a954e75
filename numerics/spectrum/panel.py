r"""Coordinates of the directions in which the clones of one block part.

A *site* is a block S_i of an axis with more than one unit. Directions along which the clones of a
site part, and all other units move as blocks, live in the parameters that have the axis: a *panel*
is one parameter together with the positions of the parting axes in it, and has one row for every
choice of blocks along its other axes. The direction of a row is

    (e_0 - e_1)/√2  along the parting axes,   1_j = Σ_{u∈S_j} e_u  along the others,

of squared length ∏ n_j. In these rows the Hessian is ∇²₁₁L - ∇²₁₂L, without roots.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np

from numerics.systems.system import Array
from theory.partition import AxisPartition


@dataclass(frozen=True, slots=True)
class Site:
    """A block of clones.

    Attributes:
        axis: of which axis.
        units: the clones; clones at the same place of linked sites part together.
    """

    axis: str
    units: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.axis}[{', '.join(map(str, self.units))}]"


@dataclass(frozen=True, slots=True)
class RowLabel:
    """Which direction a row of a transverse block is.

    Attributes:
        parameter: in which it lies.
        blocks: for every axis of the parameter the units that move; along a parting axis they move
            against each other.
        parting: positions of the parting axes.
    """

    parameter: str
    blocks: tuple[tuple[int, ...], ...]
    parting: tuple[int, ...]

    def __str__(self) -> str:
        shown = [
            f"{'±' if k in self.parting else ''}{','.join(map(str, units))}"
            for k, units in enumerate(self.blocks)
        ]
        return f"{self.parameter}[{'; '.join(shown)}]"


@dataclass(frozen=True)
class Panel:
    """The rows of one parameter in which given sites part.

    Attributes:
        parameter: its name.
        axes: partitions of all its axes.
        parting: position in the parameter to the site that parts there.
        is_outgoing: whether the parting axes are sources, so that the rows change what is sent on.
    """

    parameter: str
    axes: tuple[AxisPartition, ...]
    parting: tuple[tuple[int, Site], ...]
    is_outgoing: bool

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Numbers of blocks along the axes that do not part."""
        return tuple(self.axes[k].num_blocks for k in self.others)

    @cached_property
    def others(self) -> tuple[int, ...]:
        """Positions of the axes that do not part."""
        own = {k for k, _ in self.parting}
        return tuple(k for k in range(len(self.axes)) if k not in own)

    @property
    def size(self) -> int:
        """Number of rows."""
        return prod(self.shape)

    @cached_property
    def gram(self) -> np.ndarray[Any, Any]:
        """Squared lengths of the rows, integers."""
        total = np.ones((), dtype=np.int64)
        for k in self.others:
            total = np.multiply.outer(total, [len(block) for block in self.axes[k].blocks])
        return total.ravel()

    def labels(self) -> list[RowLabel]:
        """What the rows are, in order."""
        sites = dict(self.parting)
        choices = [
            (sites[k].units,) if k in sites else axis.blocks for k, axis in enumerate(self.axes)
        ]
        parting = tuple(k for k, _ in self.parting)
        return [RowLabel(self.parameter, blocks, parting) for blocks in product(*choices)]

    def add(self, values: Array, target: Array, clones: tuple[int, int] = (0, 1)) -> None:
        """Add Σ values · (direction · √2 an axis) to arrays ``(…, *parameter's shape)``.

        Args:
            values: ``(…, size)``.
            target: changed in place.
            clones: places of the two clones that part.
        """
        lead = values.ndim - 1
        spread = values.reshape((*values.shape[:-1], *self.shape))
        for position, k in enumerate(self.others):
            spread = self.axes[k].expand(spread, lead + position)
        for chosen in product((0, 1), repeat=len(self.parting)):
            index: list[Any] = [slice(None)] * len(self.axes)
            for (k, site), one in zip(self.parting, chosen, strict=True):
                index[k] = site.units[clones[one]]
            where = (Ellipsis, *index)
            if sum(chosen) % 2:
                target[where] = target[where] - spread
            else:
                target[where] = target[where] + spread

    def read(self, array: Array, half: Any) -> Array:
        """The coefficients ``(…, size)`` of what :meth:`add` adds, times √gram squared: ⟨row, ·⟩.

        Args:
            array: ``(…, *parameter's shape)``.
            half: the number ½ of the array's system.
        """
        lead = array.ndim - len(self.axes)
        for k, site in reversed(self.parting):
            one, other = (np.take(array, site.units[c], axis=lead + k) for c in (0, 1))
            array = (one - other) * half
        for position, k in enumerate(self.others):
            array = self.axes[k].block_sums(array, lead + position)
        return array.reshape((*array.shape[:lead], self.size))
