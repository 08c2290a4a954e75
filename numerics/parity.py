"""Parity of a widened network with its base, proved for all data (E5d)."""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.generic import generic_factors, num_samples, pair
from numerics.identity import Identity, vanishes
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import ManifoldError
from theory.exact_arrays import numbers
from theory.graph import Builder, Graph
from theory.manifold import equitable
from theory.partition import Partition
from theory.primitives import Input, Parameter
from theory.rewrite import reassociate, substitute
from theory.tracing import Traced, record
from theory.widening import Scales, target_counts, widen


def prove_parity(
    base: Architecture,
    wide: Architecture,
    partition: Partition,
    *,
    scales: Scales | None = None,
    bits: float = 60,
    seed: int = 0,
    batch: int | None = None,
) -> Identity:
    """Prove that every widening of ``base`` to ``wide`` keeps outputs and gradients.

    For all base parameters, all zero-sum parts (so on every leaf of IE∩OE over the base), all data
    and adjoints: the outputs are equal, and ∂ℓ/∂w_uv = (∂ℓ/∂w̃_ij) / (n_j c) where the widening
    multiplies w̃ by c / n_i. What fails is named ``outputs``, or by the parameter whose gradient is
    another.

    Args:
        base: the network with one unit for each block.
        wide: the same network with more units.
        partition: of the axes of ``wide``; block k of an axis stands for unit k of the base.
        scales: c, by parameter; 1 where it is left out.
        bits: the error is at most 2^-bits.
        seed: chooses primes, point and functions.
        batch: number of samples, by default 1, or 2 where samples are coupled.

    Raises:
        ManifoldError: if the base does not have one unit for each block.
    """
    for axis, blocks in partition.items():
        if base.sizes.get(axis) != blocks.num_blocks:
            raise ManifoldError(
                f"axis {axis!r}: the base has {base.sizes.get(axis)} units, the partition "
                f"{blocks.num_blocks} blocks"
            )
    if batch is None:
        batch = num_samples(wide)
    graph = parity_graph(base, wide, partition, batch, scales)
    return vanishes(graph, bits=bits, seed=seed)


def base_gradient_scales(
    wide: Architecture, partition: Partition, scales: Scales | None = None
) -> dict[str, Any]:
    """1 / (n_j c) for every parameter: its gradient over that of the base network."""
    targets = target_counts(wide, partition)
    return {p: 1 / (numbers((scales or {}).get(p, 1)) * n) for p, n in targets.items()}


def parity_graph(
    base: Architecture,
    wide: Architecture,
    partition: Partition,
    batch: int,
    scales: Scales | None = None,
) -> Graph:
    """The differences that must vanish, contracted with generic tensors."""
    builder = Builder()
    narrow = gradient(base.graph(batch))
    nodes = [Traced(builder, k) for k in builder.extend(narrow)]
    weights = {p: record(builder, Parameter(p, s)) for p, s in base.parameter_shapes.items()}
    point = widen(wide, partition, weights, scales)
    manifold = equitable(wide, partition)
    mixed = {
        name: record(builder, Input(f"mixed:{name}", shape))
        if "Z" in name.partition(":")[2]
        else np.zeros(shape, dtype=int)
        for name, shape in manifold.free_shapes.items()
    }
    offset = manifold.embed(mixed)
    moved = {p: point[p] + offset[p] for p in wide.parameters}
    outputs = substitute(builder, gradient(wide.graph(batch)), moved)
    residuals = {
        "outputs": _vanishing(outputs["y"] - nodes[narrow.outputs["y"]], "outputs"),
    }
    factors = base_gradient_scales(wide, partition, scales)
    for p, axes in wide.parameters.items():
        scaled = nodes[narrow.outputs[f"grad:{p}"]] * factors[p]
        for k, axis in enumerate(axes):
            scaled = partition[axis].expand(scaled, k)
        residuals[p] = _vanishing(outputs[f"grad:{p}"] - scaled, p)
    return reassociate(builder.finish({name: value.number for name, value in residuals.items()}))


def _vanishing(value: Traced, name: str) -> Traced:
    return pair(value, generic_factors(value.builder, f"generic:{name}", value.shape))
