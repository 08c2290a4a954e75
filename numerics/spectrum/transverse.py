"""The transverse spectrum of a cloned network at a block-constant point (N3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numerics.losses import Loss
from numerics.spectrum.block import TransverseBlock
from numerics.spectrum.dense_units import dense_blocks
from numerics.spectrum.errors import SpectrumError
from numerics.spectrum.exchange import Links, linked_sites
from numerics.spectrum.normal_space import Component, normal_components
from numerics.spectrum.point import check_block_constant, check_smooth, point_of
from numerics.spectrum.probing import probed_blocks
from numerics.spectrum.signals import signals
from numerics.spectrum.two_sided import TwoSidedUnits, two_sided_units
from numerics.systems.float64 import Float64
from numerics.systems.system import NumberSystem
from numerics.tasks import Task
from theory.architecture import Architecture
from theory.axis_roles import contracted_axes
from theory.graph import Graph
from theory.partition import Partition

Roles = Mapping[str, tuple[bool, ...]]  # for each axis of each parameter, whether it is a source


def transverse_blocks(
    architecture: Architecture,
    partition: Partition,
    parameters: Mapping[str, Any],
    task: Task,
    loss: Loss,
    *,
    system: NumberSystem | None = None,
    seed: int = 0,
) -> tuple[TransverseBlock, ...]:
    """The Hessian of the loss on the normal space of IE∩OE at a block-constant point, by blocks.

    One block M_i for each block S_i of clones, which the Hessian repeats n_i - 1 times (N3). The
    mixed directions, zero-sum on source and target axes at once, are exactly null and in no block.
    Units with one pre-activation get B and G from one forward and backward pass, all others
    ∇²₁₁L - ∇²₁₂L from Hessian-vector products; clones that part only together, as channels and
    their flattened places do, share a block.

    Not covered, and refused: mirrored clones and zero units; blocks of units that cannot be
    exchanged one by one, as of several copies of one unit, or of heads flattened together with
    units inside heads. There :class:`~numerics.spectrum.off_blocks.TransverseOperator` serves. At
    a kink that all clones meet alike, derivatives are those of the symbols (step(0) = 0).

    Args:
        architecture: the network.
        partition: its blocks of clones.
        parameters: a block-constant point; leading axes run over an ensemble.
        task: the data.
        loss: of which only the output adjoint enters (N0).
        system: the numbers to compute in, float64 by default; rational numbers are exact.
        seed: of the test that clones may be exchanged.

    Raises:
        SpectrumError: if the point is not block-constant, the units of an axis are not
            exchangeable or meet a kink, the partition has mirrored clones or zero units, or a
            float is not finite.
        GraphError: if source and target of a parameter are ambiguous.
        ManifoldError: if a parameter is missing or does not fit.
        PartitionError: if the partition lacks an axis, or has another size there.
        ShapeError: if the data does not fit.
        ValueSystemError: if a number or a function symbol has no value in the system.

    >>> import numpy as np
    >>> from numerics.losses import MSE
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], "tanh", bias=False)  # y = w1 v1 + w2 v2 near 0
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1]]})
    >>> one = Task("one", np.array([[1.0]]), np.array([[1.0]]))
    >>> (block,) = transverse_blocks(net, clones, {"W1": [[0, 0]], "W2": [[0], [0]]}, one, MSE)
    >>> block.units, block.multiplicity, block.eigenvalues()
    ((0, 1), 1, array([-1.,  1.]))
    """
    numbers = Float64() if system is None else system
    unfrozen = architecture.unfrozen().graph()
    roles = contracted_axes(unfrozen, up_to_exchange=True)
    components = normal_components(architecture, partition, roles)
    point = point_of(architecture, parameters, task, loss, numbers)
    check_block_constant(architecture, partition, point.values, numbers)
    units = _two_sided(architecture, point.graph, roles, components)
    dense = [c for c in components if c.sites[0].axis in units]
    others = [c for c in components if c.sites[0].axis not in units]
    links = linked_sites(architecture, partition, others, seed)
    if len(links.classes) < len(links.heads()):
        others = _linked(architecture, partition, roles, dense, links)
    if others:
        check_smooth(architecture, partition, point, numbers, seed)
    found: list[TransverseBlock] = []
    if units:
        for axis, own in zip(units, signals(point, tuple(units.values()), numbers), strict=True):
            found += dense_blocks([c for c in dense if c.sites[0].axis == axis], own, numbers)
    found += probed_blocks(architecture, others, point, numbers)
    if isinstance(numbers, Float64) and not all(block.is_finite for block in found):
        raise SpectrumError(
            f"{architecture.name}: the Hessian is not finite in float64 at this point; a function "
            "is outside its domain, or a number too large"
        )
    return tuple(found)


def _two_sided(
    architecture: Architecture, graph: Graph, roles: Roles, components: Sequence[Component]
) -> dict[str, TwoSidedUnits]:
    """The axes with clones whose units have one pre-activation, and part alone."""
    joint = {site.axis for c in components if len(c.sites) > 1 for site in c.sites}
    axes = dict.fromkeys(site.axis for c in components for site in c.sites)
    found = {
        axis: two_sided_units(architecture, graph, roles, axis)
        for axis in axes
        if axis not in joint
    }
    return {axis: units for axis, units in found.items() if units is not None}


def _linked(
    architecture: Architecture,
    partition: Partition,
    roles: Roles,
    dense: Sequence[Component],
    links: Links,
) -> list[Component]:
    """The components of sites that are linked, without those of two-sided units."""
    alone = {site: (site, site) for component in dense for site in component.sites}
    every = normal_components(architecture, partition, roles, {**alone, **links.heads()})
    return [component for component in every if component.sites[0] not in alone]
