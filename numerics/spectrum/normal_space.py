"""The normal space of IE∩OE at a block-constant point, sorted by how it behaves under exchange.

Exchanging clones is a symmetry of the loss, and of a block-constant point. Where the clones of one
site part, a permutation of them acts on the directions as on zero-sum vectors; sites that no
permutation joins give inequivalent representations, so the Hessian does not couple them (Schur).
Where clones along several source axes, or several target axes, of one parameter part at once, the
representation is a product, and a block of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from math import prod

from numerics.spectrum.errors import SpectrumError
from numerics.spectrum.panel import Panel, Site
from theory.architecture import Architecture
from theory.errors import PartitionError
from theory.partition import AxisPartition, Partition

Key = tuple[Site, ...]


@dataclass(frozen=True)
class Component:
    """The normal directions in which given sites part, without what permutations add.

    Attributes:
        sites: one of every set of linked sites that part.
        panels: the rows; those that change what the clones receive come first.
    """

    sites: tuple[Site, ...]
    panels: tuple[Panel, ...]

    @cached_property
    def size(self) -> int:
        """Number of rows."""
        return sum(panel.size for panel in self.panels)

    @cached_property
    def num_incoming(self) -> int:
        """Number of rows that are not outgoing."""
        return sum(panel.size for panel in self.panels if not panel.is_outgoing)

    @property
    def multiplicity(self) -> int:
        """∏ (n - 1) over the sites."""
        return prod(len(site.units) - 1 for site in self.sites)


def normal_components(
    architecture: Architecture,
    partition: Partition,
    roles: Mapping[str, tuple[bool, ...]],
    heads: Mapping[Site, tuple[Site, Site]] | None = None,
) -> tuple[Component, ...]:
    """The components of the normal space of IE∩OE; mixed directions are in none.

    Args:
        architecture: the network.
        partition: its blocks, without mirrored clones and zero units.
        roles: for each axis of each parameter whether it is a source axis.
        heads: for each site the first of those it is linked with, and itself with its units in the
            order in which they correspond; every site alone by default.

    Raises:
        SpectrumError: if an axis has mirrored clones or zero units, or two axes of one parameter
            that part together are the same axis.
        PartitionError: if the partition lacks an axis, or has another size there.
    """
    for axis, size in architecture.sizes.items():
        if axis not in partition or partition[axis].size != size:
            raise PartitionError(
                f"axis {axis!r} has {size} units: make_partition covers all axes and units"
            )
    for axis, blocks in partition.items():
        if blocks.is_signed or blocks.zero:
            raise SpectrumError(
                f"axis {axis!r} has mirrored clones or zero units: transverse blocks are those "
                "of clones"
            )
    found: dict[Key, list[Panel]] = {}
    for p, names in architecture.parameters.items():
        axes = tuple(partition[a] for a in names)
        for positions in _parting(axes, roles[p]):
            own = [names[k] for k in positions]
            if len(set(own)) < len(own):
                raise SpectrumError(
                    f"parameter {p!r} has the axis {own[0]!r} twice among its "
                    "sources or its targets: their blocks are no products"
                )
            for sites in product(*(_sites(names[k], axes[k]) for k in positions)):
                linked = [heads[site] if heads else (site, site) for site in sites]
                if len({head for head, _ in linked}) < len(linked):
                    raise SpectrumError(
                        f"parameter {p!r}: the clones of {sites[0]} and {sites[1]} part only "
                        "together: their blocks are no products"
                    )
                parting = tuple((k, own) for k, (_, own) in zip(positions, linked, strict=True))
                panel = Panel(p, axes, parting, roles[p][positions[0]])
                key = tuple(sorted((head for head, _ in linked), key=lambda s: (s.axis, s.units)))
                found.setdefault(key, []).append(panel)
    return tuple(
        Component(key, tuple(sorted(panels, key=lambda panel: panel.is_outgoing)))
        for key, panels in found.items()
    )


def _parting(axes: tuple[AxisPartition, ...], roles: tuple[bool, ...]) -> Iterator[tuple[int, ...]]:
    """The sets of source axes, and of target axes, that can part while the others are constant."""
    for role in (False, True):
        cloned = [k for k, axis in enumerate(axes) if axis.num_mixed and roles[k] is role]
        for count in range(1, len(cloned) + 1):
            yield from combinations(cloned, count)


def _sites(axis: str, blocks: AxisPartition) -> list[Site]:
    return [Site(axis, block) for block in blocks.blocks if len(block) > 1]
