"""A derivation: what each layer does to the blocks, step by step, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from theory.axes import Names
from theory.graph import Graph
from theory.modules.block_structure import BlockStructure
from theory.modules.deviation import deviations, summed_deviation
from theory.modules.support import supports
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
    Constant,
    Divide,
    Einsum,
    Input,
    Multiply,
    Negative,
    Parameter,
    Power,
    Reshape,
    Scatter,
    Subtract,
    Sum,
    Take,
    Transpose,
)

Phase = Literal["forward", "backward", "parameters"]
HEADINGS: dict[Phase, str] = {
    "forward": "forward: values (MC1)",
    "backward": "backward: adjoints (MC2)",
    "parameters": "parameters: gradients (MC3)",
}
REASONS: dict[type, str] = {
    Add: "a sum lies in the sum of the operands' spaces",
    Subtract: "a difference lies in the sum of the operands' spaces",
    Multiply: "a product of block-constant values is block-constant",
    Divide: "a quotient of block-constant values is block-constant",
    Negative: "a multiple stays in the space",
    Power: "equal entries have equal powers",
    Apply: "equal entries have equal function values",
    Einsum: "equal terms have equal sums and products",
    Sum: "zero-sum parts vanish, and equal rows have equal sums",
    Broadcast: "copies are equal",
    Reshape: "entries keep their blocks under new indices",
    Transpose: "axes are renamed",
    Take: "a copy belongs to the block of its original",
    Scatter: "a place belongs to the block of what is added there",
    Concatenate: "every operand keeps its blocks",
    Constant: "equal constants form a block",
    Parameter: "that is its manifold",
    Input: "data and output adjoints are arbitrary",
}
DEVIATION = "a mean is subtracted: what is constant where the mean goes is its own mean"
BALANCED = "deviations from a mean add up to 0"
REACHED = "a product is 0 where a factor has only zeros, whatever the other is there"
ANYTHING = "anything"
ORTHOGONAL = "a block-constant factor is orthogonal to the zero-sum parts"


@dataclass(frozen=True, slots=True)
class Step:
    """One node of the gradient graph.

    Attributes:
        node: its number.
        phase: whether it is a value of the network, an adjoint, or the gradient of a parameter.
        layer: the layer that made it; empty outside layers.
        primitive: what it does.
        space: in words, where its value lies.
        reason: why.
    """

    node: int
    phase: Phase
    layer: str
    primitive: str
    space: str
    reason: str

    def to_json(self) -> dict[str, Any]:
        """The step as plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True)
class Derivation:
    """The steps from the parameters and the data to the gradients, in the order of the graph."""

    steps: tuple[Step, ...]

    def lines(self) -> Iterator[str]:
        """Headings, and equal steps of one layer told once, with the numbers of their nodes."""
        has_layers = any(step.layer for step in self.steps)
        for phase, heading in HEADINGS.items():
            yield heading
            own = [step for step in self.steps if step.phase == phase]
            for layer, steps in groupby(own, key=lambda step: step.layer):
                told: dict[str, list[str]] = {}
                for s in steps:
                    told.setdefault(f"{s.primitive}: {s.space}; {s.reason}", []).append(str(s.node))
                if has_layers:
                    yield f"  {layer or 'between layers'}"
                indent = "    " if has_layers else "  "
                yield from (f"{indent}[{', '.join(k)}] {line}" for line, k in told.items())

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def to_json(self) -> list[dict[str, Any]]:
        """The steps as plain data."""
        return [step.to_json() for step in self.steps]


def described(structure: BlockStructure, names: Names) -> str:
    """A structure in words, axis by axis; discrete axes are left out.

    >>> from theory.modules.block_structure import along_axes
    >>> from theory.modules.labelling import labels
    >>> described(along_axes([labels([0, 0, 1])], (3,), frozenset([0])), ("h",))
    'equal inside 2 blocks of h (3)'
    """
    if not structure.patterns:
        return "0"
    told = []
    for factor in structure.factors:
        if factor.labels is None:
            continue
        axes = " × ".join(names[k] or f"axis {k}" for k in factor.axes)
        size = " × ".join(str(structure.shape[k]) for k in factor.axes)
        count = factor.labels.num_blocks
        blocks = "over the whole of" if count == 1 else f"inside {count} blocks of"
        told.append(f"{blocks} {axes} ({size})")
    if not told:
        return ANYTHING
    if structure.is_constant:
        return f"equal {', '.join(told)}"
    return f"{' + '.join(letters(structure))} {', '.join(told)}"


def letters(structure: BlockStructure) -> list[str]:
    """The patterns as words over C and Z, one letter for every factor with blocks."""
    bits = [f.bit for f in structure.factors if f.bit]
    return sorted("".join("Z" if p & b else "C" for b in bits) for p in structure.patterns)


def derive(
    graph: Graph, found: Sequence[BlockStructure], names: Sequence[Names], forward: set[int]
) -> Derivation:
    """The derivation of structures along a gradient graph.

    Args:
        graph: the gradient.
        found: the structure of every node.
        names: names of the axes of every node.
        forward: the nodes that are values of the network.
    """
    gradients = {k: n for n, k in graph.outputs.items() if n.startswith("grad:")}
    means, places = deviations(graph), supports(graph)
    steps = []
    spaces = [described(structure, own) for structure, own in zip(found, names, strict=True)]
    for k, node in enumerate(graph.nodes):
        phase: Phase = "forward" if k in forward else "backward"
        primitive = type(node.primitive).__name__.lower()
        match node.primitive:
            case Parameter(name) | Input(name):
                primitive = name
            case Apply(activation):
                primitive = repr(activation)
            case Einsum(subscripts):
                primitive = f"einsum {subscripts}"
        reason = REASONS[type(node.primitive)]
        if k in means:
            reason = DEVIATION
        elif summed_deviation(graph, k, means):
            reason = BALANCED
        elif places[k] and isinstance(node.primitive, Multiply | Divide):
            reason = REACHED
        elif isinstance(node.primitive, Einsum) and any(found[j].mixed for j in node.operands):
            reason = ORTHOGONAL if found[k].is_constant else "the operands' parts are multiplied"
        if spaces[k] == ANYTHING and node.operands:
            reason = _why_anything(node.operands, spaces)
        steps.append(Step(k, phase, node.scope, primitive, spaces[k], reason))
        if k in gradients:
            steps.append(Step(k, "parameters", node.scope, gradients[k], spaces[k], reason))
    return Derivation(tuple(steps))


def _why_anything(operands: Sequence[int], spaces: Sequence[str]) -> str:
    """Why no rule says more than nothing about a value."""
    unknown = [str(j) for j in dict.fromkeys(operands) if spaces[j] == ANYTHING]
    if unknown:
        return f"no blocks are known of node{'s'[: len(unknown) - 1]} {' and '.join(unknown)}"
    return "the operands' blocks do not reach the result"
