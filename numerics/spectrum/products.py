"""Hessian-vector products with the output adjoint held: forward mode over the gradient graph.

On normal vectors of an affine functional LoP manifold the Gauss-Newton part of the Hessian vanishes
(N0), so what is left is the derivative of Jᵀ adjoint along the vector, and the loss needs no second
derivative.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from numerics.evaluate import Evaluator
from numerics.systems.system import Array, NumberSystem
from theory.backprop import gradient, pushforward
from theory.graph import Builder, Graph


class NormalHessian:
    """v ↦ H v for normal vectors v at one point, or one point for each member of an ensemble.

    Args:
        names: of the parameters that move.
        forward: the network's graph.
        system: in which numbers.
        lead: number of leading axes of the point; those of directions have one more, for probes.
    """

    def __init__(
        self, names: Iterable[str], forward: Graph, system: NumberSystem, lead: int = 0
    ) -> None:
        self.names = tuple(names)
        graph = pushforward(gradient(forward), wrt=self.names)
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
