"""Hessian-vector products with the output adjoint held: forward mode over the gradient graph.

On normal vectors of an affine functional LoP manifold the Gauss-Newton part of the Hessian vanishes
(N0), so what is left is the derivative of Jᵀ adjoint along the vector, and the loss needs no second
derivative.
"""

from __future__ import annotations

from collections.abc import Mapping

from numerics.evaluate import Evaluator
from numerics.systems.system import Array, NumberSystem
from theory.architecture import Architecture
from theory.backprop import gradient, pushforward
from theory.graph import Builder


class NormalHessian:
    """v ↦ H v for normal vectors v at one point, or one point for each member of an ensemble.

    Args:
        architecture: the network.
        system: in which numbers.
        samples: length of the batch.
        lead: number of leading axes of the point; those of directions have one more, for probes.
    """

    def __init__(
        self, architecture: Architecture, system: NumberSystem, samples: int, lead: int = 0
    ) -> None:
        self.names = tuple(architecture.parameters)
        graph = pushforward(gradient(architecture.graph(samples)), wrt=self.names)
        wanted = {f"tangent:grad:{p}": graph.outputs[f"tangent:grad:{p}"] for p in self.names}
        builder = Builder()
        numbers = builder.extend(graph)
        needed = builder.finish({name: numbers[k] for name, k in wanted.items()})
        self._evaluate = Evaluator(needed, system, lead=lead + 1)

    def __call__(
        self, point: Mapping[str, Array], directions: Mapping[str, Array]
    ) -> dict[str, Array]:
        """H v by parameter.

        Args:
            point: parameters, ``x`` and ``adjoint:y``.
            directions: v by parameter, ``(…, probes, *shape)``.
        """
        moves = {f"tangent:{p}": v for p, v in directions.items()}
        found = self._evaluate({**point, **moves})
        return {p: found[f"tangent:grad:{p}"] for p in self.names}
