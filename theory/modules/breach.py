"""Where blocks are lost: the first node behind which equality inside blocks is no longer known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from theory.axes import Names
from theory.graph import Graph, Node
from theory.modules.block_structure import BlockStructure, Factor
from theory.modules.derivation import described
from theory.modules.labelling import Labels, join, product
from theory.primitives import Add, Einsum, Input, Multiply, Parameter, Subtract


@dataclass(frozen=True, slots=True)
class Breach:
    """A node, and in words what is lost there.

    Attributes:
        node: its number in the gradient graph.
        layer: the layer that made it; empty outside layers.
        text: what its operands are, and what it is.
    """

    node: int
    layer: str
    text: str

    def __str__(self) -> str:
        where = f"in {self.layer}, at node {self.node}" if self.layer else f"at node {self.node}"
        return f"Blocks are lost {where}: {self.text}"


def first_breach(
    graph: Graph,
    found: Sequence[BlockStructure],
    names: Sequence[Names],
    wanted: Mapping[str, Labels],
    root: int,
    end: str,
) -> Breach:
    """The first node before ``root`` at which blocks are split or mixed.

    Those are the blocks of a named axis that a value has, or, where a reshape or the like leaves
    no names, the blocks of an operand.

    Args:
        graph: the gradient.
        found: the structure of every node.
        names: names of the axes of every node.
        wanted: the blocks of the named axes.
        root: a gradient that is not tangent.
        end: what is wrong with it, said if no earlier node is at fault.
    """
    data: set[int] = set()
    before = _ancestors(graph, root)
    for k, node in enumerate(graph.nodes):
        if isinstance(node.primitive, Input) or any(j in data for j in node.operands):
            data.add(k)
        if k not in before or k not in data or isinstance(node.primitive, Parameter | Input):
            continue
        operands = [found[j] for j in node.operands]
        if (
            _misses(found[k], names[k], wanted)
            or _loses([found[j] for j in node.operands if j in data], found[k], node)
            or _splits(operands, node)
        ):
            before_it = "; ".join(
                f"{_called(graph, j)} is {described(found[j], names[j])}" for j in node.operands
            )
            kind = type(node.primitive).__name__.lower()
            after = described(found[k], names[k])
            return Breach(k, node.scope, f"{before_it}; the result of {kind} is {after}")
    return Breach(root, graph.nodes[root].scope, end)


def _called(graph: Graph, k: int) -> str:
    primitive = graph.nodes[k].primitive
    if isinstance(primitive, Parameter | Input):
        return primitive.name
    return f"node {k} ({type(primitive).__name__.lower()})"


def _ancestors(graph: Graph, root: int) -> set[int]:
    needed = {root}
    for k in range(root, -1, -1):
        if k in needed:
            needed.update(graph.nodes[k].operands)
    return needed


def _blocks(structure: BlockStructure) -> list[Factor]:
    """Factors with blocks that are neither single entries nor the whole, as copies are."""
    return [f for f in structure.factors if f.labels is not None and f.labels.num_blocks > 1]


def _misses(structure: BlockStructure, names: Names, wanted: Mapping[str, Labels]) -> bool:
    """Whether a value is not constant on the blocks of an axis that it has."""
    for factor in structure.factors:
        for place, k in enumerate(factor.axes):
            blocks = wanted.get(names[k] or "")
            if blocks is None or not structure.patterns:
                continue
            if factor.bit & structure.mixed:
                return True
            lengths = tuple(structure.shape[i] for i in factor.axes)
            alone = [((i,), None) for i in range(len(lengths)) if i != place]
            here = product([((place,), blocks), *alone], lengths)
            if join(here, factor.labels) != here:
                return True
    return False


def _loses(operands: list[BlockStructure], result: BlockStructure, node: Node) -> bool:
    """Whether an operand was constant inside blocks and the result of the same shape is not."""
    if not operands or not result.patterns or not all(a.is_constant for a in operands):
        return False
    if not result.is_constant:
        return True
    if not isinstance(node.primitive, Add | Subtract | Multiply):
        return False
    return any(f not in result.factors for a in operands if a.patterns for f in _blocks(a))


def _splits(operands: list[BlockStructure], node: Node) -> bool:
    """Whether a sum over products meets a zero-sum part whose blocks the other operand splits."""
    if not isinstance(node.primitive, Einsum) or not all(a.patterns for a in operands):
        return False
    left, right, _ = node.primitive.labels
    for one, other, own, theirs in (
        (operands[0], operands[1], left, right),
        (operands[1], operands[0], right, left),
    ):
        places = {theirs.index(c): k for k, c in enumerate(own) if c in theirs}
        for factor in one.factors:
            if not factor.bit & one.mixed:
                continue
            for partner in other.factors:
                meets = [places.get(k) for k in partner.axes]
                if any(k in factor.axes for k in meets) and not _respects(partner, factor):
                    return True
    return False


def _respects(partner: Factor, factor: Factor) -> bool:
    """Whether a factor is constant on every block of another; one axis each."""
    if partner.labels is None or factor.labels is None:
        return False
    if partner.labels.num_blocks == 1:
        return True
    return (
        partner.labels.array.shape == factor.labels.array.shape and partner.labels == factor.labels
    )
