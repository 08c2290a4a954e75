"""The transverse spectrum off block-constant points, where the blocks couple.

Anywhere on IE∩OE the Hessian maps the normal space to itself, and its Gauss-Newton part vanishes
there (N0). So it is an operator on the normal space, applied by forward mode over the gradient
graph and never formed; Lanczos' method finds its extreme eigenvalues. It needs no symmetry: also
mirrored clones, zero units and clones that cannot be exchanged are served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from numerics.losses import Loss
from numerics.spectrum.errors import SpectrumError
from numerics.spectrum.normal_coordinates import NormalCoordinates
from numerics.spectrum.point import point_of
from numerics.spectrum.products import NormalHessian
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from numerics.tasks import Task
from theory.architecture import Architecture
from theory.manifold import equitable
from theory.partition import Partition

ENTRIES = 1 << 23  # of all tangents in one batch of products
ROUNDING = 2.0**-40  # distance from IE∩OE, relative to the parameters' length, that counts as none


@dataclass(frozen=True, slots=True)
class ExtremePairs:
    """Some eigenvalues at one end of the spectrum, with their directions.

    Attributes:
        values: ascending.
        vectors: orthonormal coordinates of unit normal vectors, ``(m, k)``.
        residuals: ‖H v - λ v‖ for each: within so much of λ there is an eigenvalue.
    """

    values: Array
    vectors: Array
    residuals: Array


class TransverseOperator(LinearOperator):  # type: ignore[misc]  # SciPy is untyped
    """The Hessian on the normal space of IE∩OE at a point of it, in orthonormal coordinates.

    Args:
        architecture: the network.
        partition: its blocks; mirrored clones and zero units are allowed.
        parameters: a point of IE∩OE.
        task: the data.
        loss: of which only the output adjoint enters.
        system: float64, with functions for unknown symbols.

    Raises:
        SpectrumError: if the point is not on IE∩OE, or nothing is cloned.
        ManifoldError: if a parameter is missing or does not fit.
        PartitionError: if the partition lacks an axis, or has another size there.
        ShapeError: if the data does not fit.

    >>> from numerics.losses import MSE
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], "tanh", bias=False)
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1]]})
    >>> one = Task("one", np.array([[1.0]]), np.array([[1.0]]))
    >>> operator = TransverseOperator(net, clones, {"W1": [[0, 0]], "W2": [[1], [-1]]}, one, MSE)
    Traceback (most recent call last):
    ...
    numerics.spectrum.errors.SpectrumError: the point is 1.41 away from IE∩OE
    >>> operator = TransverseOperator(net, clones, {"W1": [[0, 0]], "W2": [[0], [0]]}, one, MSE)
    >>> (operator @ np.eye(2)).round(12) + 0.0
    array([[ 0., -1.],
           [-1.,  0.]])
    """

    def __init__(
        self,
        architecture: Architecture,
        partition: Partition,
        parameters: Mapping[str, Any],
        task: Task,
        loss: Loss,
        *,
        system: Float64 | None = None,
    ) -> None:
        numbers = Float64() if system is None else system
        point = point_of(architecture, parameters, task, loss, numbers)
        if point.lead:
            raise SpectrumError("parameters: one point, without leading axes")
        theta = {p: point.values[p] for p in architecture.parameters}
        away = float(equitable(architecture, partition).distance(theta))
        if away > ROUNDING * np.sqrt(sum(np.sum(a * a) for a in theta.values())):
            raise SpectrumError(f"the point is {away:.3g} away from IE∩OE")
        self.coordinates = NormalCoordinates(architecture, partition)
        if not self.coordinates.dimension:
            raise SpectrumError("the partition has no clones: the normal space is 0")
        self._point = point.values
        self._hessian = NormalHessian(architecture.parameters, point.graph, numbers)
        self._step = max(1, ENTRIES // architecture.num_parameters)
        m = self.coordinates.dimension
        super().__init__(np.dtype(np.float64), (m, m))

    def _matmat(self, vectors: Array) -> Array:
        found = []
        for start in range(0, vectors.shape[1], self._step):
            some = vectors[:, start : start + self._step].T
            moved = self._hessian(self._point, self.coordinates.spread(some))
            gathered = self.coordinates.gather(moved)
            found.append(np.broadcast_to(gathered, some.shape).T)
        return np.concatenate(found, axis=1)

    def _matvec(self, vector: Array) -> Array:
        return self._matmat(vector.reshape(-1, 1))[:, 0]

    def _adjoint(self) -> TransverseOperator:
        return self

    def dense(self) -> Array:
        """The symmetric matrix ``(m, m)``, for small m."""
        matrix = self._matmat(np.eye(self.shape[0]))
        return np.asarray((matrix + matrix.T) / 2)

    def extreme(
        self, end: Literal["smallest", "largest"], count: int = 1, *, seed: int = 0
    ) -> ExtremePairs:
        """The eigenvalues at one end, by Lanczos' method.

        Args:
            end: which end, with signs: the smallest is the most negative.
            count: how many.
            seed: of the starting vector.

        Raises:
            SpectrumError: if there are not so many.
        """
        m = self.shape[0]
        if not 1 <= count <= m:
            raise SpectrumError(f"count={count}: the normal space has dimension {m}")
        if m <= max(32, 2 * count):  # Lanczos needs room
            values, vectors = np.linalg.eigh(self.dense())
            chosen = slice(0, count) if end == "smallest" else slice(m - count, m)
            values, vectors = values[chosen], vectors[:, chosen]
        else:
            start = np.random.default_rng(seed).normal(size=m)
            which = "SA" if end == "smallest" else "LA"
            values, vectors = eigsh(self, k=count, which=which, v0=start)
            order = np.argsort(values)
            values, vectors = values[order], vectors[:, order]
        residuals = np.linalg.norm(self._matmat(vectors) - vectors * values, axis=0)
        return ExtremePairs(values, vectors, residuals)

    def direction(self, vector: Array) -> dict[str, Array]:
        """The direction in parameter space with the given coordinates ``(…, m)``."""
        return self.coordinates.spread(vector)
