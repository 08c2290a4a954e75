"""Certificates: every gradient on a cloned manifold is tangent, for the whole network at once.

The domain is that of the exact check ``numerics.exact.prove_invariance``: for all parameters on the
manifold, all data, all output adjoints and all function symbols, wherever no divisor is 0. The
method is another: no numbers at all. Every node of the gradient graph gets a block structure by the
rule of its primitive (:mod:`theory.modules.rules`), and each gradient must lie in the tangent
space. The rules are sound, so what is certified is true; they are not complete, so what is not
certified may still be true.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from theory.architecture import Architecture
from theory.axes import Names, axis_names
from theory.backprop import ADJOINT, GRADIENT, gradient
from theory.errors import ManifoldError
from theory.graph import Graph
from theory.html_table import html_table
from theory.manifold import ClonedManifold, equitable
from theory.modules.block_structure import BlockStructure, contains
from theory.modules.breach import Breach, first_breach
from theory.modules.derivation import Derivation, derive, described
from theory.modules.known_point import axis_labels, directions, points
from theory.modules.rules import structures
from theory.partition import Partition
from theory.primitives import Input


@dataclass(frozen=True)
class _Outcome:
    """What both outcomes say.

    Attributes:
        architecture: name of the network.
        manifold: name of the set of points.
        tangent: name of the set whose tangent space must hold the gradient.
        batch: number of samples.
        derivation: the steps.
    """

    architecture: str
    manifold: str
    tangent: str
    batch: int
    derivation: Derivation

    @property
    def is_certified(self) -> bool:
        """Whether every gradient is tangent."""
        return isinstance(self, Certified)

    @property
    def claim(self) -> str:
        """The claim in words."""
        return (
            f"{self.architecture}: for batches of {self.batch} samples the gradient on "
            f"{self.manifold} is tangent to {self.tangent}"
        )

    def summary(self) -> str:
        """One sentence."""
        return f"certified: {self.claim}"

    def __str__(self) -> str:
        return f"{self.summary()}\n{self.derivation}"

    def to_json(self) -> dict[str, Any]:
        """The outcome as plain data."""
        return {
            "certified": self.is_certified,
            "architecture": self.architecture,
            "manifold": self.manifold,
            "tangent": self.tangent,
            "batch": self.batch,
            "steps": self.derivation.to_json(),
        }

    def _repr_html_(self) -> str:
        rows = [
            (step.phase, step.layer, step.primitive, step.space, step.reason)
            for step in sorted(self.derivation.steps, key=lambda step: step.phase != "parameters")
        ]
        header = ("phase", "layer", "primitive", "where its value lies", "why")
        return html_table(self.summary(), header, rows, len(rows))


@dataclass(frozen=True)
class Certified(_Outcome):
    """A proof that the gradient is tangent."""


@dataclass(frozen=True)
class NotCertified(_Outcome):
    """No proof was found; the claim may be false, or beyond the rules.

    Attributes:
        failing: the parameters whose gradients are not shown to be tangent.
        breach: where blocks are lost first on the way to one of them.
    """

    failing: tuple[str, ...]
    breach: Breach

    def summary(self) -> str:
        """Two sentences."""
        failing = ", ".join(self.failing)
        return f"not certified: {self.claim}; open for {failing}. {self.breach}"

    def to_json(self) -> dict[str, Any]:
        """The outcome as plain data."""
        return {
            **super().to_json(),
            "failing": list(self.failing),
            "breach": {
                "node": self.breach.node,
                "layer": self.breach.layer,
                "text": str(self.breach),
            },
        }


def certify(
    architecture: Architecture,
    manifold: ClonedManifold | Partition,
    *,
    tangent: ClonedManifold | None = None,
    batch: int = 2,
) -> Certified | NotCertified:
    """Derive that on ``manifold`` every gradient lies in the tangent space of ``tangent`` (P6).

    Args:
        architecture: the network.
        manifold: where the parameters lie; a partition stands for its IE∩OE.
        tangent: the set whose tangent space must hold the gradient, by default ``manifold``. With
            IE∩OE and BC the claim is that every leaf is invariant (P5).
        batch: number of samples; two, so that nothing depends on there being one.

    Raises:
        ManifoldError: if manifold and architecture have different parameters.
        PartitionError: if a partition does not fit the architecture.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([3, 4, 2])
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]]})
    >>> certify(net, clones).is_certified
    True
    """
    if isinstance(manifold, Mapping):
        manifold = equitable(architecture, manifold)
    target = tangent or manifold
    for m in (manifold, target):
        if dict(m.shapes) != architecture.parameter_shapes:
            raise ManifoldError(f"{m.name} and {architecture.name} have different parameters")
    forward = architecture.graph(batch)
    graph = gradient(forward)
    found = structures(graph, points(manifold))
    names = _names(architecture, forward, graph)
    values = _values(graph)
    derivation = derive(graph, found, names, values)
    failing = _failing(graph, found, target)
    words = (architecture.name, manifold.name, target.name, batch, derivation)
    if not failing:
        return Certified(*words)
    slope = graph.outputs[f"{GRADIENT}:{failing[0]}"]
    wanted = {
        name: axis_labels(axis)
        for p, axes in manifold.axes.items()
        for name, axis in zip(architecture.parameters[p], axes, strict=True)
    }
    end = f"the gradient of {failing[0]} is {described(found[slope], names[slope])}"
    return NotCertified(*words, failing, first_breach(graph, found, names, wanted, slope, end))


def _failing(
    graph: Graph, found: Sequence[BlockStructure], target: ClonedManifold
) -> tuple[str, ...]:
    failing = []
    for p, space in directions(target).items():
        k = graph.outputs.get(f"{GRADIENT}:{p}")
        if k is None:  # frozen units cut the parameter off: its gradient is 0
            continue
        slope = found[k]
        is_tangent = not slope.patterns if space is None else contains(space, slope)
        if not is_tangent:
            failing.append(p)
    return tuple(failing)


def _names(architecture: Architecture, forward: Graph, graph: Graph) -> tuple[Names, ...]:
    declared = architecture.declared_axes
    own = axis_names(forward, declared)[forward.outputs["y"]]
    return axis_names(graph, {**declared, f"{ADJOINT}:y": own})


def _values(graph: Graph) -> set[int]:
    """The nodes that do not depend on an output adjoint."""
    values: set[int] = set()
    for k, node in enumerate(graph.nodes):
        primitive = node.primitive
        is_adjoint = isinstance(primitive, Input) and primitive.name.startswith(f"{ADJOINT}:")
        if not is_adjoint and all(j in values for j in node.operands):
            values.add(k)
    return values
