"""The normal space of an affine manifold in coordinates, and the Hessian on it.

The Hessian of any loss maps normal directions of an affine invariant set to normal ones (N0): it is
a matrix in coordinates along an orthonormal basis of the normal space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.flow.field import DATA, TARGET, field
from numerics.losses import Loss
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.backprop import pushforward
from theory.manifold.base import Manifold
from theory.primitives import Shape


@dataclass(frozen=True)
class NormalSpace:
    """Coordinates of normal directions.

    Attributes:
        shapes: of the parameters.
        basis: orthonormal columns ``(parameters, codimension)``, entries of tensors row-major, one
            tensor after the other.
    """

    shapes: Mapping[str, Shape]
    basis: Array

    @property
    def codimension(self) -> int:
        """Number of normal directions."""
        return int(self.basis.shape[1])

    @cached_property
    def _bounds(self) -> list[int]:
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        return [0, *(int(n) for n in np.cumsum(sizes))]

    def flat(self, theta: Mapping[str, Any], lead: int) -> Array:
        """Tensors with ``lead`` leading axes as vectors ``(*lead, parameters)``."""
        parts = [np.reshape(theta[p], (*np.shape(theta[p])[:lead], -1)) for p in self.shapes]
        front = np.broadcast_shapes(*(part.shape[:-1] for part in parts))
        parts = [np.broadcast_to(part, (*front, part.shape[-1])) for part in parts]
        return np.concatenate(parts, axis=-1)

    def tensors(self, vectors: Array) -> dict[str, Array]:
        """The converse of :meth:`flat`."""
        front = vectors.shape[:-1]
        return {
            p: vectors[..., start:stop].reshape(*front, *shape)
            for (p, shape), start, stop in zip(
                self.shapes.items(), self._bounds[:-1], self._bounds[1:], strict=True
            )
        }


def normal_space(manifold: Manifold) -> NormalSpace:
    """An orthonormal basis of the normal space, from the rows of the constraints.

    >>> from theory.manifold import equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], bias=False)
    >>> clones = equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    >>> normal_space(clones).codimension
    2
    """
    shapes = manifold.shapes
    starts, total = {}, 0
    for p, shape in shapes.items():
        starts[p] = total
        total += int(np.prod(shape))
    rows = np.zeros((manifold.codimension, total))
    for k, vector in enumerate(manifold.normal_basis()):
        for (p, e), c in vector.items():
            rows[k, starts[p] + e] = float(c)
    return NormalSpace(shapes, np.linalg.qr(rows.T)[0])


def normal_hessians(
    architecture: Architecture,
    loss: Loss,
    parameters: Mapping[str, Any],
    x: Array,
    target: Array,
    space: NormalSpace,
) -> Array:
    """The Hessian of the loss in the coordinates of a normal space, symmetrised.

    Args:
        architecture: of which network.
        loss: on which loss.
        parameters: ``(members, *shape)``.
        x: inputs ``(members, samples, *inputs)``, or ``(samples, *inputs)`` for all members.
        target: the same of targets.
        space: of an invariant set of parameters.

    Returns:
        Matrices ``(members, codimension, codimension)``.
    """
    samples = x.shape[x.ndim - len(architecture.inputs) - 1]
    graph = pushforward(field(architecture, loss, samples), list(space.shapes))
    given = {p: np.expand_dims(np.asarray(parameters[p], dtype=float), 1) for p in space.shapes}
    for name, values in ((DATA, x), (TARGET, target)):
        shape = architecture.input_shape if name == DATA else architecture.output_shape
        own = values.ndim - len(shape) - 1
        given[name] = np.expand_dims(values, 1) if own else values
    directions = space.tensors(space.basis.T)
    given |= {f"tangent:{p}": v[None] for p, v in directions.items()}
    found = Evaluator(graph, Float64(), lead=2)(given)
    moved = space.flat({p: found[f"tangent:rate:{p}"] for p in space.shapes}, lead=2)
    bent = -moved @ space.basis
    return np.asarray((bent + bent.swapaxes(-1, -2)) / 2)
