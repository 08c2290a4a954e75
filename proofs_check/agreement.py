"""Two provers, one statement: the calculus of modules against the exact check over prime fields.

The calculus (:mod:`theory.modules`) never evaluates anything, the exact check never looks at the
layers. What the calculus certifies must be proved; what is proved should be certified too, and is
counted where it is not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from numerics.exact import ExactResult, prove_invariance
from numerics.generic import generic_factors, num_samples, pair, total
from numerics.identity import vanishes
from proofs_check.drawing.layered_networks import LayeredNetwork, draw_layered
from proofs_check.drawing.networks import Choose, chooser
from proofs_check.drawing.shrinking import recorded, smallest
from theory.backprop import gradient
from theory.errors import LopError
from theory.graph import Builder
from theory.manifold import ClonedManifold, Manifold, block_constant, equitable
from theory.manifold.coordinates import in_coordinates
from theory.modules import certify
from theory.partition import AxisPartition
from theory.primitives import Parameter
from theory.rewrite import reassociate, substitute

Tangent = Literal["IE∩OE", "BC"]

AXES = {
    "h": "hidden units",
    "d": "model dimension",
    "head": "whole heads",
    "k": "inside heads, queries and keys",
    "v": "inside heads, values",
    "c": "channels",
    "e": "experts",
    "m": "hidden units of gates and experts",
    "cat": "concatenation",
    "flat": "flattened",
    "part": "part of an axis",
    "u": "another partition of an axis",
}
"""What the axes of drawn networks are, by their letter."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What both provers say of one network.

    Attributes:
        network: the network with its clones.
        tangent: the space that must hold the gradient on IE∩OE.
        exact: by random residues.
        is_certified: by the calculus.
        is_vacuous: whether nothing is cloned, no parameter of a cloned axis ever learns, or a
            divisor vanishes: then the statement says nothing.
    """

    network: LayeredNetwork
    tangent: Tangent
    exact: ExactResult
    is_certified: bool
    is_vacuous: bool

    @property
    def is_error(self) -> bool:
        """Whether something certified is not proved: one of the provers is wrong."""
        return self.is_certified and self.exact.verdict not in ("proved", "undefined")

    @property
    def is_gap(self) -> bool:
        """Whether something proved is not certified."""
        return self.exact.verdict == "proved" and not self.is_certified

    def __str__(self) -> str:
        word = "certifies" if self.is_certified else "does not certify"
        return f"{self.network}: the calculus {word}; {self.exact.summary()}"


def manifolds(network: LayeredNetwork, tangent: Tangent) -> tuple[ClonedManifold, ClonedManifold]:
    """IE∩OE of a drawn network, and the manifold in whose tangent space the gradient must lie."""
    flat = equitable(network.architecture, network.partition)
    if tangent == "IE∩OE":
        return flat, flat
    return flat, block_constant(network.architecture, network.partition)


def compare(
    network: LayeredNetwork, tangent: Tangent = "BC", *, bits: float = 60, seed: int = 0
) -> Comparison:
    """Ask both provers whether the gradient on IE∩OE is tangent.

    Raises:
        LopError: if a prover refuses the network.

    >>> compare(draw_layered(lambda low, high: low)).is_certified
    True
    """
    flat, target = manifolds(network, tangent)
    exact = prove_invariance(network.architecture, flat, tangent=target, bits=bits, seed=seed)
    return Comparison(
        network=network,
        tangent=tangent,
        exact=exact,
        is_certified=certify(network.architecture, flat, tangent=target).is_certified,
        is_vacuous=exact.verdict != "refuted" and _is_vacuous(network, flat, seed),
    )


def _is_vacuous(network: LayeredNetwork, manifold: Manifold, seed: int) -> bool:
    """Whether nothing is cloned, or all parameters of cloned axes have the gradient 0."""
    if manifold.codimension == 0:
        return True
    builder = Builder()
    architecture = network.architecture
    values = substitute(builder, gradient(architecture.graph(num_samples(architecture))), {})
    slopes = [
        pair(values[f"grad:{p}"], generic_factors(builder, f"direction:{p}", shape))
        for p, shape in architecture.parameter_shapes.items()
        if any(axis in network.cloned_axes for axis in architecture.parameters[p])
    ]
    graph = reassociate(builder.finish({"slope": total(builder, slopes).number}))
    return vanishes(in_coordinates(graph, manifold), bits=20, seed=seed).verdict != "fails"


def draw_case(choose: Choose) -> tuple[LayeredNetwork, Tangent]:
    """A network, and one of the two statements about it."""
    network = draw_layered(choose)
    return network, "BC" if choose(0, 1) else "IE∩OE"


def smallest_error(seed: int) -> Comparison | None:
    """The smallest case, starting from a seed, of something certified and not proved."""

    def verdict(case: tuple[LayeredNetwork, Tangent]) -> Comparison | None:
        try:
            return compare(*case, seed=seed)
        except LopError:  # a shortened sequence of choices may draw what a prover refuses
            return None

    def fails(case: tuple[LayeredNetwork, Tangent]) -> bool:
        found = verdict(case)
        return found is not None and found.is_error

    case, steps = recorded(draw_case, chooser(seed))
    return verdict(smallest(draw_case, steps, fails)) if fails(case) else None


def histogram(comparisons: Iterable[Comparison]) -> Mapping[str, int]:
    """How often what occurs: verdicts, layers, primitives, sharing, skips, blocks, vacuous trials.

    >>> histogram([compare(draw_layered(lambda low, high: low))])["proved, certified"]
    1
    """
    tally: Counter[str] = Counter()
    for one in comparisons:
        word = "certified" if one.is_certified else "not certified"
        tally["trials"] += 1
        tally[f"{one.exact.verdict}, {word}"] += 1
        tally["vacuous"] += one.is_vacuous
        tally.update(_features(one.network))
    return dict(sorted(tally.items()))


def _features(network: LayeredNetwork) -> set[str]:
    graph = network.architecture.graph(2)
    uses = Counter(j for node in graph.nodes for j in node.operands)
    parameters = {k for k, node in enumerate(graph.nodes) if isinstance(node.primitive, Parameter)}
    found = {f"layer: {_kind(name)}" for name in network.features - {"skip"}}
    found |= {f"primitive: {type(node.primitive).__name__}" for node in graph.nodes}
    found |= {f"cloned axis: {AXES[axis.rstrip('0123456789')]}" for axis in network.cloned_axes}
    if network.false_neighbour is not None:
        found |= {"false neighbours", f"false neighbour: {network.false_neighbour}"}
    if network.largest_block >= 3:
        found.add("blocks of three or more")
    if any(uses[k] > 1 for k in parameters):
        found.add("weight sharing")
    if "skip" in network.features:
        found.add("skips")
    if any(_is_scattered(blocks) for blocks in network.cloned_axes.values()):
        found.add("non-contiguous blocks")
    if any(len({*map(len, blocks.blocks)}) > 1 for blocks in network.cloned_axes.values()):
        found.add("unequal multiplicities")
    return found


def _kind(layer: str) -> str:
    return "blocks redrawn" if layer.startswith("blocks of") else layer


def _is_scattered(blocks: AxisPartition) -> bool:
    return any(max(block) - min(block) >= len(block) for block in blocks.blocks)
