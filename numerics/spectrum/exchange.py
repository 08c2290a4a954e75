"""Whether clones may be exchanged, and which of them only together.

The blocks rest on a symmetry: permuting the clones of a site in all parameters leaves the network's
function as it is. It is tested with uniform elements of the whole group, at random points of random
prime fields. The elements that are symmetries form a subgroup; if it is not everything its index is
at least 2, so each element that is tried has a chance of at most ½ to be in it.

A flattened image has one site for every pixel where its channels have one, and these part only
together with them. Where the test fails, such links are found from the Hessian at a random
block-constant point, which couples exactly the sites that are linked, and the test is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.generic import num_samples
from numerics.primes import random_primes
from numerics.spectrum.errors import SpectrumError
from numerics.spectrum.normal_space import Component
from numerics.spectrum.panel import Panel, Site
from numerics.spectrum.products import NormalHessian
from numerics.systems.prime import PrimeField
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.graph import Graph
from theory.manifold import block_constant
from theory.partition import Partition

TRIALS = 24
"""Uniform elements of the group: a false symmetry passes with chance 2⁻²⁴ at most."""
COMPONENTS = 3
ENTRIES = 1 << 24  # of all parameters in one batch of permutations or probes
POINTS = 5  # tried before a divisor counts as zero everywhere


@dataclass(frozen=True, slots=True)
class Links:
    """Sites that part together.

    Attributes:
        classes: the sites of each class; clones at the same place correspond.
    """

    classes: tuple[tuple[Site, ...], ...]

    def heads(self) -> dict[Site, tuple[Site, Site]]:
        """For every site, by its units in order: the first of its class, and itself as it parts."""
        return {
            Site(site.axis, tuple(sorted(site.units))): (members[0], site)
            for members in self.classes
            for site in members
        }


def linked_sites(
    architecture: Architecture,
    partition: Partition,
    components: Sequence[Component],
    seed: int,
) -> Links:
    """The classes of sites that part together, of the components given.

    Args:
        architecture: the network.
        partition: its blocks.
        components: with every site alone.
        seed: of points, primes and permutations.

    Raises:
        SpectrumError: if permuting clones of a class together does not keep the function.
    """
    sites = tuple(dict.fromkeys(site for component in components for site in component.sites))
    apart = Links(tuple((site,) for site in sites))
    if not sites:
        return apart
    graph = architecture.graph(num_samples(architecture))
    if _is_symmetric(architecture, graph, partition, apart, seed):
        return apart
    found = _from_couplings(architecture, graph, partition, sites, components, seed)
    if len(found.classes) == len(sites) or not _is_symmetric(
        architecture, graph, partition, found, seed
    ):
        axes = ", ".join(dict.fromkeys(site.axis for site in sites))
        raise SpectrumError(
            f"{architecture.name}: exchanging the clones of {axes} does not keep the function: "
            "they have no transverse blocks"
        )
    return found


def _is_symmetric(
    architecture: Architecture, graph: Graph, partition: Partition, links: Links, seed: int
) -> bool:
    """Whether random permutations of all classes at once keep the network's function."""
    random = Random(seed)
    orders = [dict(_permuted(partition, links, random)) for _ in range(TRIALS)]
    step = max(1, ENTRIES // (COMPONENTS * architecture.num_parameters))
    names = {**architecture.parameters, "x": ("", *architecture.inputs)}
    for attempt in range(POINTS):
        field = PrimeField(random_primes(COMPONENTS, seed + attempt), seed + attempt)
        point = {name: field.random(shape, name) for name, shape in graph.input_shapes.items()}
        evaluator = Evaluator(graph, field, lead=2)
        try:
            for start in range(0, TRIALS, step):
                some = orders[start : start + step]
                given = {name: _stacked(point[name], names[name], some) for name in point}
                y = field.canonical(evaluator(given)["y"])
                if (y != y[:, :1]).any():
                    return False
        except ZeroDivisionError:
            continue
        return True
    return False


def _permuted(
    partition: Partition, links: Links, random: Random
) -> Iterator[tuple[str, list[int]]]:
    """For every axis that has a site, where each unit's entries come from."""
    order = {site.axis: list(range(partition[site.axis].size)) for c in links.classes for site in c}
    for members in links.classes:
        ranks = list(range(len(members[0].units)))
        random.shuffle(ranks)
        for site in members:
            for rank, source in enumerate(ranks):
                order[site.axis][site.units[rank]] = site.units[source]
    yield from order.items()


def _stacked(
    values: Array, names: tuple[str, ...], orders: Sequence[Mapping[str, list[int]]]
) -> Array:
    """The array itself and permuted in every way, along a new axis 1."""
    found = [values]
    for order in orders:
        moved = values
        for k, axis in enumerate(names):
            if axis in order:
                moved = np.take(moved, order[axis], axis=k + 1)
        found.append(moved)
    return np.stack(found, axis=1)


def _from_couplings(
    architecture: Architecture,
    graph: Graph,
    partition: Partition,
    sites: Sequence[Site],
    components: Iterable[Component],
    seed: int,
) -> Links:
    """Classes of the sites that a Hessian at a random block-constant point couples."""
    panels: dict[Site, list[Panel]] = {site: [] for site in sites}
    for component in components:
        if len(component.sites) == 1:
            panels[component.sites[0]] += component.panels
    responses = _responses(architecture, graph, partition, panels, seed)
    members: dict[Site, list[Site]] = {}
    placed: set[Site] = set()
    for root in sites:
        if root in placed:
            continue
        members[root] = [root]
        placed.add(root)
        for known in members[root]:  # grows while it is walked
            origin = Site(known.axis, tuple(sorted(known.units)))
            for other in sites:
                if other not in placed:
                    order = _order(responses[origin], origin, other)
                    if order is not None:
                        placed.add(other)
                        ranks = [origin.units.index(unit) for unit in known.units]
                        members[root].append(Site(other.axis, tuple(order[r] for r in ranks)))
    return Links(tuple(tuple(found) for found in members.values()))


def _responses(
    architecture: Architecture,
    graph: Graph,
    partition: Partition,
    panels: Mapping[Site, list[Panel]],
    seed: int,
) -> dict[Site, list[dict[Site, list[bool]]]]:
    """For every site, as its first clone parts from each other one: which units of others react."""
    field = PrimeField(random_primes(COMPONENTS, seed), seed)
    free = block_constant(architecture, partition).free_shapes
    point = block_constant(architecture, partition).embed(
        {name: field.random(shape, f"point {name}") for name, shape in free.items()}
    )
    point["x"] = field.random(graph.input_shapes["x"], "x")
    point["adjoint:y"] = field.random(graph.nodes[graph.outputs["y"]].shape, "adjoint")
    rng = np.random.default_rng(seed)
    probes = [(site, r) for site in panels for r in range(1, len(site.units))]
    hessian = NormalHessian(architecture.parameters, graph, field, lead=1)
    step = max(1, ENTRIES // (COMPONENTS * architecture.num_parameters))
    found: dict[Site, list[dict[Site, list[bool]]]] = {site: [] for site in panels}
    for start in range(0, len(probes), step):
        some = probes[start : start + step]
        directions = {
            p: np.zeros((len(some), *shape), dtype=np.int64)
            for p, shape in architecture.parameter_shapes.items()
        }
        for k, (site, r) in enumerate(some):
            for panel in panels[site]:
                weights = rng.integers(1, 1 << 20, size=panel.size)
                panel.add(weights, directions[panel.parameter][k], (0, r))
        moved = hessian(point, {p: field.array(a) for p, a in directions.items()})
        for k, (site, _) in enumerate(some):
            reacting = {other: _reacting(own, moved, k, field) for other, own in panels.items()}
            found[site].append(reacting)
    return found


def _reacting(
    panels: Iterable[Panel], moved: Mapping[str, Array], probe: int, field: PrimeField
) -> list[bool]:
    """For each unit of a site, whether a product has an entry there after sums over blocks."""
    reacts: Any = False
    for panel in panels:
        array = moved[panel.parameter]
        array = array[:, min(probe, array.shape[1] - 1)]
        ((position, site),) = panel.parting
        for k in panel.others:
            # Sums over blocks stay far below 2⁵³.
            array = panel.axes[k].block_sums(array, k + 1)
        units = np.take(field.reduce(np.ascontiguousarray(array)), site.units, axis=position + 1)
        axes = tuple(a for a in range(units.ndim) if a != position + 1)
        reacts = np.any(units != 0, axis=axes) | reacts
    return [bool(r) for r in reacts]


def _order(
    responses: Sequence[Mapping[Site, list[bool]]], origin: Site, other: Site
) -> tuple[int, ...] | None:
    """The units of another site in the order of the origin's; ``None`` if they do not react."""
    if len(other.units) != len(origin.units):
        return None
    sets = [{u for u, r in zip(other.units, seen[other], strict=True) if r} for seen in responses]
    if any(len(reacting) != 2 for reacting in sets):
        return None
    if len(sets) == 1:
        return other.units
    first = set.intersection(*sets)
    if len(first) != 1:
        return None
    order = (*first, *(next(iter(reacting - first)) for reacting in sets))
    return order if len(set(order)) == len(order) else None
