"""Zero eigenvalues of transverse blocks that hold for a reason, not by numbers.

For units with one pre-activation M = [[B, G], [Gᵀ, 0]] with B = Hᵀ D H and G = Hᵀ E Δ, where the
rows of H are the values the units receive, one for each sample and place, and the columns of Δ are
the targets' adjoints. So B and G have at most as many dimensions as samples and places, and
rank G at most as many as targets. Cross-entropy has one target fewer at its logits, for the
adjoints of one sample add up to 0.
"""

from __future__ import annotations

from collections import Counter
from math import prod

from numerics.losses import CROSS_ENTROPY, Loss
from numerics.spectrum import TransverseBlock
from numerics.spectrum.inertia import term_rank
from theory.architecture import Architecture
from theory.axes import axis_names
from theory.graph import Graph
from theory.primitives import Add, Apply, Broadcast, Einsum, Parameter


def known_nullity(
    architecture: Architecture, block: TransverseBlock, samples: int, loss: Loss
) -> int:
    """So many eigenvalues of a block are 0 for certain, whatever its numbers.

    Args:
        architecture: the network.
        block: in a system in which zeros are exact.
        samples: of the data.
        loss: the loss.

    >>> from numerics.losses import MSE
    >>> from numerics.spectrum import transverse_blocks
    >>> from numerics.systems.rational import Rational
    >>> from numerics.tasks import Task
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([3, 2, 1], "relu", bias=False)
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1]]})
    >>> ones = {"W1": [[1, 1]] * 3, "W2": [[1], [1]]}
    >>> one = Task("one sample", [[1, 2, 3]], [[1]])
    >>> (block,) = transverse_blocks(net, clones, ones, one, MSE, system=Rational())
    >>> known_nullity(net, block, 1, MSE)  # of 3 incoming rows and 1 outgoing one
    2
    """
    form, count = block.form, block.component.num_incoming
    size = len(form)
    by_pattern = size - term_rank(form)
    if not block.is_two_sided:
        return by_pattern
    # A ball around 0 is neither equal to 0 nor different from it: only exact zeros count.
    seen = [k for k in range(size) if not all(v == 0 for v in form[k])]
    incoming = sum(k < count for k in seen)
    outgoing = len(seen) - incoming
    graph = architecture.graph(samples)
    places = _places(architecture, graph, block.axis)
    inner = incoming if places is None else min(incoming, places)
    if loss is CROSS_ENTROPY and outgoing and _feeds_logits(architecture, graph, block):
        outgoing -= 1
    return max(by_pattern, size - inner - min(inner, outgoing))


def _places(architecture: Architecture, graph: Graph, axis: str) -> int | None:
    """Samples times places at which the units of an axis are evaluated."""
    names = axis_names(graph, architecture.declared_axes)
    found = [
        prod(node.shape) // architecture.sizes[axis]
        for node, own in zip(graph.nodes, names, strict=True)
        if isinstance(node.primitive, Apply) and axis in own
    ]
    return max(found, default=None)


def _feeds_logits(architecture: Architecture, graph: Graph, block: TransverseBlock) -> bool:
    """Whether some outgoing weights, one for each logit, are used once, in a term of the output."""
    outgoing = {panel.parameter for panel in block.component.panels if panel.is_outgoing}
    uses = Counter(k for node in graph.nodes for k in node.operands)
    terms, stack = set[int](), [k for k in [graph.outputs["y"]] if not uses[k]]
    while stack:
        k = stack.pop()
        terms.add(k)
        if isinstance(graph.nodes[k].primitive, Add | Broadcast):
            stack.extend(j for j in graph.nodes[k].operands if uses[j] == 1)
    logits = architecture.output_shape[-1]
    for k, node in enumerate(graph.nodes):
        if not isinstance(node.primitive, Parameter) or node.primitive.name not in outgoing:
            continue
        users = [j for j, other in enumerate(graph.nodes) if k in other.operands]
        rows = sum(label.parameter == node.primitive.name for label in block.labels)
        is_matrix = len(node.shape) == 2 and node.shape[1] == rows == logits
        if is_matrix and uses[k] == 1 and users[0] in terms:
            return isinstance(graph.nodes[users[0]].primitive, Einsum)
    return False
