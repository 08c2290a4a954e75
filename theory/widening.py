"""Widening a network by cloning its units, without changing its function.

With w̃_ij the weight of the base network from unit i to unit j, any clone weights with
``Σ_{u∈S_i} w_uv = w̃_ij`` for every v in S_j compute the same outputs (P3). The block-constant
choice is ``w_uv = w̃_ij / n_i``: divided by the number of *source* clones (arXiv 2510.00304 divides
by the target's in print, claim E5d). Adding zero-sum parts moves to another leaf of IE∩OE. Mirrored
clones get ``s_u s_v w̃_ij / n_i``, which keeps the function where their activation is odd; zero
units get 0, where φ(0) = 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import isqrt
from typing import Any

import numpy as np

from theory.architecture import Architecture
from theory.axis_roles import contracted_axes
from theory.errors import ManifoldError
from theory.manifold import block_constant
from theory.manifold.base import Parameters
from theory.partition import Partition

Scales = Mapping[str, Any]  # further factors of some parameters, broadcast against the base's


def widen(
    architecture: Architecture,
    partition: Partition,
    base: Parameters,
    scales: Scales | None = None,
) -> dict[str, Any]:
    """The block-constant parameters of ``architecture`` that compute the base network.

    A parameter whose uses exchange source and target, as of tied embeddings, is divided by the
    clones of its first use's sources; no choice keeps the function there.

    Args:
        architecture: the wide network.
        partition: its blocks; block k of an axis stands for unit k of the base network.
        base: the base network's parameters; leading axes are kept.
        scales: further factors, for queries of heads that are widened inside.

    Raises:
        ManifoldError: if an array does not have one entry a block along its axes.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> wide = mlp([1, 2, 1], bias=False)
    >>> clones = make_partition(wide.sizes, {"h1": [[0, 1]]})
    >>> widen(wide, clones, {"W1": np.array([[6]]), "W2": np.array([[8]])})["W2"]
    array([[4.],
           [4.]])
    """
    manifold = block_constant(architecture, partition)
    coordinates = {}
    for p, factors in source_counts(architecture, partition).items():
        name = f"{p}:{'C' * factors.ndim}"
        expected = manifold.free_shapes[name]
        if base[p].shape[base[p].ndim - factors.ndim :] != expected:
            raise ManifoldError(f"base[{p!r}] has shape {base[p].shape}, expected {expected}")
        weight = base[p] * scales[p] if scales and p in scales else base[p]
        coordinates[name] = weight / factors
    return manifold.embed(coordinates)


def query_scales(partition: Partition, axis: str, queries: Mapping[str, int]) -> dict[str, Any]:
    """Factors of queries that keep ⟨q, k⟩ / √width when heads are widened inside.

    The scores of N₀ units become those of N; unit i is met n_i times. With √(N / N₀) / n_i before
    its query the scores are those of the base. For r-fold heads this is 1/√r.

    Args:
        partition: blocks of the wide ``axis``; block i stands for unit i.
        axis: of queries and keys inside a head.
        queries: the parameters that make queries, and how many axes follow ``axis`` in each.

    >>> from theory.partition import AxisPartition
    >>> four = {"k": AxisPartition(4, ((0, 1, 2, 3),))}
    >>> query_scales(four, "k", {"Wq": 0})["Wq"]
    array([Fraction(1, 2)], dtype=object)
    """
    blocks = partition[axis]
    squared = Fraction(blocks.size, blocks.num_blocks)
    root: Fraction | float = Fraction(isqrt(squared.numerator), isqrt(squared.denominator))
    if root * root != squared:
        root = float(squared) ** 0.5
    factors = np.array([root / len(block) for block in blocks.blocks])
    return {p: factors.reshape((-1,) + (1,) * after) for p, after in queries.items()}


def source_counts(architecture: Architecture, partition: Partition) -> dict[str, Any]:
    """For every parameter the numbers n_i of clones on its source axes, broadcastable integers."""
    return _counts(architecture, partition, of_sources=True)


def target_counts(architecture: Architecture, partition: Partition) -> dict[str, Any]:
    """For every parameter the numbers n_j of clones on its target axes, broadcastable integers."""
    return _counts(architecture, partition, of_sources=False)


def _counts(
    architecture: Architecture, partition: Partition, *, of_sources: bool
) -> dict[str, np.ndarray[Any, Any]]:
    roles: Mapping[str, tuple[bool, ...]] = contracted_axes(
        architecture.unfrozen().graph(), up_to_exchange=True
    )
    counts = {}
    for p, axes in architecture.parameters.items():
        total = np.ones((1,) * len(axes), dtype=int)
        for k, axis in enumerate(axes):
            if roles[p][k] is of_sources:
                sizes = np.array([len(block) for block in partition[axis].blocks])
                total = total * sizes.reshape((-1,) + (1,) * (len(axes) - k - 1))
        counts[p] = total
    return counts
