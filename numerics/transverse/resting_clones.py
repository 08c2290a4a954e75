"""Many random networks at rest on a cloned manifold, each on data of its own.

Parameters and inputs are random, and targets are chosen so that the squared error has no gradient
(:func:`numerics.transverse.escape_time.resting_targets`). What training does beside such a point is
decided by two spectra: that of the normal Hessian, and that of the base network's Hessian along the
manifold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.losses import MSE
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from numerics.train import Weights
from numerics.transverse.escape_time import resting_targets
from numerics.transverse.normal_space import NormalSpace, normal_hessians, normal_space
from theory.architecture import Architecture
from theory.errors import ShapeError
from theory.manifold import equitable
from theory.partition import make_partition
from theory.widening import widen
from theory.zoo import mlp


@dataclass(frozen=True)
class RestingClones:
    """An ensemble of cloned networks at points of rest on BC.

    Attributes:
        base: the network without clones.
        wide: with them.
        space: the normal space of IE∩OE.
        parameters: of the base networks, ``(members, *shape)``.
        rest: of the cloned ones.
        x: inputs ``(members, samples, inputs)``.
        target: ``(members, samples, outputs)``.
    """

    base: Architecture
    wide: Architecture
    space: NormalSpace
    parameters: Weights
    rest: Weights
    x: Array
    target: Array

    def __len__(self) -> int:
        return len(self.x)

    def normal_hessians(self) -> Array:
        """Of the cloned networks, ``(members, codimension, codimension)``."""
        return normal_hessians(self.wide, MSE, self.rest, self.x, self.target, self.space)

    def tangent_eigenvalues(self) -> Array:
        """Of the base networks' Hessians, ascending, ``(members, parameters)``."""
        whole = NormalSpace(self.base.parameter_shapes, np.eye(self.base.num_parameters))
        found = normal_hessians(self.base, MSE, self.parameters, self.x, self.target, whole)
        return np.asarray(np.linalg.eigvalsh(found))

    def chosen(self, members: Array) -> RestingClones:
        """The members with these indices, or where a mask is true."""
        return replace(
            self,
            parameters={p: w[members] for p, w in self.parameters.items()},
            rest={p: w[members] for p, w in self.rest.items()},
            x=self.x[members],
            target=self.target[members],
        )

    def scaled(self, factors: Array) -> RestingClones:
        """The same points with all errors y - target multiplied by a number for each member.

        The normal Hessian is linear in the output adjoint (N0): it is multiplied by it too.
        """
        y = Evaluator(self.base.graph(self.x.shape[1]), Float64(), lead=1)(
            {**self.parameters, "x": self.x}
        )["y"]
        return replace(self, target=y + (self.target - y) * factors[:, None, None])

    def perturbed(self, distance: float, seed: int) -> tuple[Weights, Array]:
        """Starts at that distance in random normal directions, and these in coordinates."""
        directions = np.random.default_rng(seed).normal(size=(len(self), self.space.codimension))
        directions *= distance / np.linalg.norm(directions, axis=-1, keepdims=True)
        moves = self.space.tensors(directions @ self.space.basis.T)
        return {p: w + moves[p] for p, w in self.rest.items()}, directions


def resting_clones(
    widths: Sequence[int],
    clones: Mapping[str, Sequence[Sequence[int]]],
    phi: str,
    *,
    members: int,
    samples: int,
    errors: float,
    seed: int,
) -> RestingClones:
    """MLPs with random normal parameters, inputs and errors.

    Args:
        widths: of the base network.
        clones: blocks by axis, one for each unit of the base network.
        phi: the activation.
        members: number of networks.
        samples: of each.
        errors: standard deviation of y - target before the projection.
        seed: of everything.

    Raises:
        ShapeError: if there are not as many blocks as units.
        ValueSystemError: if some Jacobian does not have full column rank.

    >>> found = resting_clones(
    ...     [2, 1, 2], {"h1": [[0, 1]]}, "tanh", members=3, samples=6, errors=0.5, seed=0
    ... )
    >>> found.normal_hessians().shape, len(found)
    ((3, 5, 5), 3)
    """
    wider = list(widths)
    for k in range(1, len(widths) - 1):
        blocks = clones[f"h{k}"]
        if len(blocks) != widths[k]:
            raise ShapeError(f"h{k}: {len(blocks)} blocks, the base network has {widths[k]} units")
        wider[k] = sum(len(block) for block in blocks)
    base, wide = mlp(widths, phi), mlp(wider, phi)
    partition = make_partition(wide.sizes, {axis: list(b) for axis, b in clones.items()})
    rng = np.random.default_rng(seed)
    theta = {p: rng.normal(size=(members, *s)) for p, s in base.parameter_shapes.items()}
    x = rng.normal(size=(members, samples, widths[0]))
    free = errors * rng.normal(size=(members, samples, widths[-1]))
    rest: dict[str, Any] = widen(wide, partition, theta)
    target = resting_targets(base, theta, x, free)
    space = normal_space(equitable(wide, partition))
    return RestingClones(base, wide, space, theta, rest, x, target)
