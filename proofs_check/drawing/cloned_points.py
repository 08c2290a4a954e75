"""Random block-constant points of small networks in exact numbers, and dense Hessians there.

The dense Hessian on the normal space is the derivative of the whole gradient of the loss along
normal vectors, Gauss-Newton part included: it shares the graph with the transverse blocks, and
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.flow.field import DATA, TARGET, field
from numerics.losses import MSE
from numerics.spectrum import TransverseBlock, transverse_blocks
from numerics.systems.rational import Rational
from numerics.systems.system import Array
from numerics.tasks import Task
from proofs_check.drawing.networks import Choose
from theory.architecture import Architecture
from theory.backprop import pushforward
from theory.manifold import block_constant, equitable
from theory.partition import AxisPartition, make_partition
from theory.zoo import mlp

CUBIC = {"phi": (0, 1, "1/2", "-1/3")}  # φ = z + z²/2 - z³/3: φ'' is not constant, φ(0) = 0


@dataclass(frozen=True, eq=False)
class ClonedPoint:
    """A network at a block-constant point, with data for the squared error, in exact numbers.

    Attributes:
        network: an MLP.
        partition: its blocks of clones.
        parameters: rational numbers as fractions.
        task: rational data.
        system: the rational numbers, with a polynomial for φ.
    """

    network: Architecture
    partition: Mapping[str, AxisPartition]
    parameters: Mapping[str, Any]
    task: Task
    system: Rational

    def blocks(self) -> tuple[TransverseBlock, ...]:
        """The transverse blocks of the squared error, exact."""
        return transverse_blocks(
            self.network, self.partition, self.parameters, self.task, MSE, system=self.system
        )

    def normal_hessian(self) -> tuple[Array, Array]:
        """NᵀHN and NᵀN with a basis N of the normal space of IE∩OE, exact, ``(codim, codim)``."""
        shapes = self.network.parameter_shapes
        basis = list(equitable(self.network, self.partition).normal_basis())
        directions = {
            p: np.full((len(basis), int(np.prod(s))), Fraction(0)) for p, s in shapes.items()
        }
        for k, vector in enumerate(basis):
            for (p, e), c in vector.items():
                directions[p][k, e] = Fraction(str(c))
        graph = pushforward(field(self.network, MSE, len(self.task.x)), list(shapes))
        along = {
            f"tangent:{p}": self.system.array(directions[p]).reshape(len(basis), *shapes[p])
            for p in shapes
        }
        given = {p: self.system.array(self.parameters[p]) for p in shapes}
        given |= {DATA: self.system.array(self.task.x), TARGET: self.system.array(self.task.y)}
        found = Evaluator(graph, self.system, lead=1)({**given, **along})
        moved = [-found[f"tangent:rate:{p}"].reshape(len(basis), -1) for p in shapes]
        flat = self.system.array(np.concatenate([directions[p] for p in shapes], axis=1))
        return flat @ np.concatenate(moved, axis=1).T, flat @ flat.T


def draw_point(choose: Choose, phi: str = "phi") -> ClonedPoint:
    """An MLP with one or two hidden layers, clones in the first and perhaps the second.

    Args:
        choose: the choices.
        phi: ``relu``, or ``phi`` for a cubic polynomial.

    >>> draw_point(lambda low, high: low).network.sizes
    {'x': 1, 'h1': 2, 'y': 1}
    """
    depth = choose(1, 2)
    widths = [choose(1, 3), *(choose(2, 4) for _ in range(depth)), choose(1, 2)]
    network = mlp(widths, phi, bias=choose(0, 1) == 0)
    clones: dict[str, list[list[int]]] = {"h1": [list(range(choose(2, widths[1])))]}
    if depth == 2 and choose(0, 1):
        clones["h2"] = [list(range(choose(2, widths[2])))]
    partition = make_partition(network.sizes, clones)
    manifold = block_constant(network, partition)
    free = {name: _draw(choose, shape) for name, shape in manifold.free_shapes.items()}
    samples = choose(1, 4)
    task = Task("random", _draw(choose, (samples, widths[0])), _draw(choose, (samples, widths[-1])))
    system = Rational(functions=CUBIC)
    return ClonedPoint(network, partition, manifold.embed(free), task, system)


def _draw(choose: Choose, shape: tuple[int, ...]) -> Array:
    values = [Fraction(choose(-4, 4), 4) for _ in range(int(np.prod(shape)))]
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found.reshape(shape)
