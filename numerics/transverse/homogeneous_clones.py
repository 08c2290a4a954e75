r"""Clones of a positively homogeneous unit: no gradient noise attracts them (N4c).

Let φ(z) = φ'(z) z, as for ReLU, leaky ReLU and linear units, off the kink. At a point of BC let θ_v
be all parameters into and out of a unit v of a cloned block, and ε a vector on its axis that adds
up to 0 in the block. Then for every loss and every data

    H (ε ⊗ θ_v) = ε ⊗ ∇_v L :

a step of SGD, with momentum or without, with decay or without, acts on the transverse direction
ε ⊗ θ_v exactly as it acts on θ_v itself. Along a path of training it becomes ε ⊗ θ_v(t). The top
transverse exponent is therefore at least limsup (1/t) ln|θ_v(t)|, which is 0 for a unit whose
parameters neither vanish nor blow up exponentially, whatever the step size and the mini-batches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from numerics.generic import num_samples
from numerics.identity import Identity, vanishes
from theory.architecture import Architecture
from theory.backprop import gradient, pushforward
from theory.errors import PartitionError
from theory.graph import Builder, Graph
from theory.manifold import block_constant
from theory.manifold.coordinates import in_coordinates
from theory.partition import Partition
from theory.primitives import Input, Parameter
from theory.rewrite import substitute
from theory.tracing import Traced, as_traced, record


def prove_homogeneous_clones(
    architecture: Architecture,
    partition: Partition,
    axis: str,
    *,
    bits: float = 60,
    seed: int = 0,
) -> Identity:
    """Whether H (ε ⊗ θ_v) = ε ⊗ ∇_v L on BC, for all points, data and losses.

    Outputs are named ``H scaled:p``, by parameter.

    Args:
        architecture: the network.
        partition: its blocks of clones.
        axis: of the units.
        bits: the error is at most 2^-bits.
        seed: chooses primes, points and functions.

    Raises:
        PartitionError: if no block of the axis has two units.
        ValueSystemError: if the error cannot be reached.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> nets = [mlp([1, 2, 1], phi) for phi in ("relu", "tanh")]
    >>> clones = make_partition(nets[0].sizes, {"h1": [[0, 1]]})
    >>> [prove_homogeneous_clones(net, clones, "h1").verdict for net in nets]
    ['holds', 'fails']
    """
    graph = _residuals(architecture, partition, axis, num_samples(architecture))
    manifold = block_constant(architecture, partition)
    return vanishes(in_coordinates(graph, manifold), bits=bits, seed=seed)


def contrast(partition: Partition, axis: str) -> list[int]:
    """A vector that adds up to 0 in every block and vanishes on no unit of a block of two or more.

    Raises:
        PartitionError: if no block of the axis has two units.

    >>> from theory.partition import make_partition
    >>> contrast(make_partition({"h": 4}, {"h": [[0, 2, 3]]}), "h")
    [1, 0, 2, -3]
    """
    found = [0] * partition[axis].size
    for block in partition[axis].blocks:
        for k, unit in enumerate(block[:-1], start=1):
            found[unit] = k
            found[block[-1]] -= k
    if not any(found):
        raise PartitionError(f"axis {axis!r}: no block has two units")
    return found


def _residuals(architecture: Architecture, partition: Partition, axis: str, batch: int) -> Graph:
    epsilon = contrast(partition, axis)
    builder = Builder()
    forward = architecture.graph(batch)
    y = forward.nodes[forward.outputs["y"]].shape
    shapes = architecture.parameter_shapes

    def scaled(p: str, value: Any) -> Any:
        axes = architecture.parameters[p]
        if axis not in axes:
            return as_traced(builder, 0).broadcast_to(shapes[p])
        after = len(axes) - axes.index(axis) - 1
        return value * np.reshape(np.array(epsilon, dtype=object), (-1,) + (1,) * after)

    theta = {p: record(builder, Parameter(p, shape)) for p, shape in shapes.items()}
    moves = {f"tangent:{p}": scaled(p, w) for p, w in theta.items()}
    pushed: Traced = substitute(builder, pushforward(forward), moves)["tangent:y"]
    q = record(builder, Input("output Hessian", (pushed.size, pushed.size)))
    bend = ((q + q.T) @ pushed.reshape(pushed.size)).reshape(y)
    second = pushforward(gradient(forward), wrt=[*shapes, "adjoint:y"])
    found = substitute(builder, second, {**moves, "tangent:adjoint:y": bend})
    residuals = {
        f"H scaled:{p}": found[f"tangent:grad:{p}"] - scaled(p, found[f"grad:{p}"]) for p in shapes
    }
    return builder.finish({name: value.number for name, value in residuals.items()})
