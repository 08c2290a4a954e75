"""E5a, E5b and E5c: the cloning theorem over single edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import count, islice
from math import log2
from random import Random
from typing import Any

from numerics.exact import prove_invariance
from numerics.plasticity.span import gradient_rank
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.random_networks import random_dag
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from proofs_check.findings import derived, from_exact, from_refutation, refuted_twice
from theory.activation import Activation
from theory.block_pair import BlockPair
from theory.dag import Dag
from theory.equitable import EquitableVerdict, keeps_equitable
from theory.invariance import refute
from theory.manifold import units
from theory.partition import AxisPartition

PHI = Activation("phi")


def two_layers(edges: tuple[tuple[int, int], ...]) -> tuple[Dag, AxisPartition]:
    """Input 0, blocks {1, 2} and {3, 4} with the given edges between them, output 5."""
    dag = Dag(
        num_units=6,
        inputs=(0,),
        outputs=(5,),
        edges=((0, 1), (0, 2), *edges, (3, 5), (4, 5)),
        activations=(None, PHI, PHI, PHI, PHI, None),
    )
    return dag, dag.partition([[1, 2], [3, 4]])


def _one_layer() -> tuple[Dag, AxisPartition]:
    """Input 0, block {1, 2}, output 3."""
    edges = ((0, 1), (0, 2), (1, 3), (2, 3))
    dag = Dag(
        num_units=4, inputs=(0,), outputs=(3,), edges=edges, activations=(None, PHI, PHI, None)
    )
    return dag, dag.partition([[1, 2]])


def network_as_json(dag: Dag, partition: AxisPartition) -> dict[str, Any]:
    """A unit-level network and its blocks, as a counterexample shows them."""
    return {
        "edges": [list(edge) for edge in dag.edges],
        "biased": list(dag.biased),
        "activations": [repr(symbol) for symbol in dag.activations],
        "blocks": [list(block) for block in partition.blocks],
    }


def printed_forward(_: Settings) -> Evidence:
    """h of two units on which the printed condition holds, φ = z²: by hand, in rational numbers."""
    dag, partition = _one_layer()
    manifold = units.row_equitable_as_printed(dag, partition)
    w = dict(zip(dag.edges, (Fraction(1), Fraction(2), Fraction(1), Fraction(1)), strict=True))
    entries = {("w", k): w[edge] for k, edge in enumerate(dag.edges)}
    for row in manifold.constraints():
        if sum(c * entries[e] for e, c in row.terms.items()) != row.value:
            return unknown("1-2-1", "the weights do not satisfy the printed condition")
    h = [(w[0, v] * 1) ** 2 for v in (1, 2)]
    if h[0] == h[1]:
        return holds(Level.OBSERVED, "1-2-1", "the two hidden values are equal")
    return refuted(
        "units 0 -> {1, 2} -> 3, φ = z², x = 1",
        f"h_1 = {h[0]}, h_2 = {h[1]}, although all rows of every block have equal sums",
        counterexample={
            "w": {f"{u} -> {v}": str(c) for (u, v), c in w.items()},
            "x": "1",
            "h": [str(v) for v in h],
        },
    )


def printed_training(settings: Settings) -> Evidence:
    """Training leaves the manifold of the printed condition."""
    dag, partition = _one_layer()
    manifold = units.row_equitable_as_printed(dag, partition)
    return refuted_twice(dag.architecture(), manifold, seed=settings.seed)


def any_dag(settings: Settings) -> Evidence:
    """IE∩OE for {1, 2} → {3, 4} without the edge 2 → 3."""
    dag, partition = two_layers(((1, 3), (1, 4), (2, 4)))
    return refuted_twice(dag.architecture(), units.equitable(dag, partition), seed=settings.seed)


def _exact(dag: Dag, partition: AxisPartition, bits: float, seed: int) -> Evidence:
    manifold = units.equitable(dag, partition)
    result = prove_invariance(dag.architecture(), manifold, bits=bits, seed=seed)
    return from_exact(result, f"{dag.num_units} units, {dag.num_edges} edges")


def criterion_against_proof(settings: Settings) -> Evidence:
    """The criterion and the exact check on random networks: never different."""
    trials = 5000 if settings.full else 300
    bits = 60 + log2(trials) + 0.01
    tally: Counter[str] = Counter()
    found = []
    for trial in range(trials):
        seed = settings.sub_seed("E5b", trial)
        dag, partition = random_dag(Random(seed))
        verdict = keeps_equitable(dag, partition)
        evidence = _exact(dag, partition, bits, seed)
        expected = Verdict.PROVED if verdict.is_invariant else Verdict.REFUTED
        if evidence.verdict is Verdict.UNKNOWN:
            return evidence
        if evidence.verdict is not expected:
            return refuted(
                f"random network {trial}",
                f"the criterion says {verdict}; the fields say: {evidence.detail}",
                counterexample=network_as_json(dag, partition),
            )
        tally[_kind(verdict)] += 1
        if verdict.is_invariant:
            found.append(evidence)
    return replace(
        conjoin(found),
        scope=f"{trials} random networks with absent edges and mixed activations; where "
        "IE∩OE is not invariant, for functions with the algebra of tanh, not for tanh itself",
        detail="criterion and exact check agree on each: " + _listed(tally),
        figures=dict(tally),
    )


def _kind(verdict: EquitableVerdict) -> str:
    if not verdict.is_invariant:
        return "not invariant"
    regular = all(v.pair.is_biregular for v in verdict.pairs)
    return "invariant, biregular" if regular else "invariant, not biregular"


def _listed(tally: Counter[str]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in sorted(tally.items()))


def biregular_derivation(_: Settings) -> Evidence:
    """The derivation for a biregular pair that is not complete: 1 → 3 and 2 → 4 only."""
    dag, partition = two_layers(((1, 3), (2, 4)))
    network = dag.architecture()
    return derived(network, units.equitable(dag, partition))


def _invariant_after_all(dag: Dag, partition: AxisPartition, words: str) -> Evidence:
    """Refute "…, so not invariant" by a derivation of invariance."""
    found = derived(dag.architecture(), units.equitable(dag, partition))
    if found.verdict is not Verdict.PROVED:
        return unknown(found.scope, found.detail)
    return refuted(
        found.scope,
        f"{words}, and yet {found.detail}",
        counterexample=network_as_json(dag, partition),
    )


def only_complete(_: Settings) -> Evidence:
    """IE∩OE is invariant only if all pairs are complete."""
    dag, partition = two_layers(((1, 3), (2, 4)))
    return _invariant_after_all(dag, partition, "{1, 2} → {3, 4} is a matching, not complete")


def only_biregular(_: Settings) -> Evidence:
    """IE∩OE is invariant only if all pairs are biregular."""
    dag = Dag(
        num_units=4,
        inputs=(0,),
        outputs=(3,),
        edges=((0, 1), (0, 3)),
        activations=(None, PHI, PHI, None),
    )
    partition = dag.partition([[1, 2]])
    return _invariant_after_all(dag, partition, "0 → {1, 2} lacks the edge 0 → 2")


def equal_in_degrees(settings: Settings) -> Evidence:
    """Equal in-degrees are enough: {1} → … with unequal out-degrees."""
    edges = ((0, 1), (0, 2), (1, 3), (1, 4), (3, 5), (4, 5))
    dag = Dag(
        num_units=6,
        inputs=(0,),
        outputs=(5,),
        edges=(*edges, (2, 5)),
        activations=(None, PHI, PHI, PHI, PHI, None),
    )
    partition = dag.partition([[1, 2], [3, 4]])
    found = refute(dag.architecture(), units.equitable(dag, partition))
    if found is None:
        return _exact(dag, partition, 60, settings.seed)
    return from_refutation(found, "every unit of {3, 4} has one edge from {1, 2}, 1 has both")


def labels_exactly(settings: Settings) -> Evidence:
    """On IE∩OE the gradient is block-constant, and gradients span as many dimensions as pairs."""
    wanted = 400 if settings.full else 30
    bits = 60 + log2(wanted) + 0.01
    found, labels = [], 0
    for dag, partition, verdict in islice(_driven(settings, "E5c"), wanted):
        seed = settings.sub_seed("E5c", repr(dag.edges))
        flat, constant = units.equitable(dag, partition), units.block_constant(dag, partition)
        network = dag.architecture()
        result = prove_invariance(network, flat, tangent=constant, bits=bits, seed=seed)
        conserved = flat.dimension - gradient_rank(network, flat, seed=seed)
        if not flat.dimension - len(verdict.pairs) == verdict.num_labels == conserved:
            return refuted(
                network.name,
                f"{verdict.num_labels} labels, but {conserved} are conserved",
                counterexample=network_as_json(dag, partition),
            )
        found.append(from_exact(result, network.name))
        labels += conserved
    return replace(
        conjoin(found),
        scope=f"{wanted} random invariant networks, generic activations",
        detail="dim IE∩OE less the number of pairs, a bound that random gradients reach",
        figures={"networks": wanted, "labels": labels},
    )


def _driven(settings: Settings, name: str) -> Iterator[tuple[Dag, AxisPartition, EquitableVerdict]]:
    """Random invariant networks in which all pairs have gradient and no unit is constant.

    What constants conserve across pairs is E2a's subject.
    """
    for trial in count():
        dag, partition = random_dag(Random(settings.sub_seed(name, trial)))
        verdict = keeps_equitable(dag, partition)
        driven = {partition.block_of[unit] for unit in dag.inputs}
        driven |= {partition.block_of[unit] for unit in dag.biased}
        for _ in partition.blocks:
            for pair in (v.pair for v in verdict.pairs):
                if pair.can_carry and pair.source in driven:
                    driven.add(pair.target)
        has_gradients = all(v.has_gradient for v in verdict.pairs)
        if verdict.is_invariant and has_gradients and len(driven) == partition.num_blocks:
            yield dag, partition, verdict


def _conserved(dag: Dag, partition: AxisPartition, settings: Settings) -> int:
    """Functionals that tell leaves of IE∩OE apart: its dimension less the span of gradients."""
    manifold = units.equitable(dag, partition)
    seed = settings.sub_seed("rank", repr(dag.edges))
    return manifold.dimension - gradient_rank(dag.architecture(), manifold, seed=seed)


def labels_derivation(_: Settings) -> Evidence:
    """E_ij complete: n_i n_j - 1 functionals conserved, n_i + n_j - 2 pinned, for n_i, n_j ≤ 6."""
    for n in range(1, 7):
        for m in range(1, 7):
            edges = {(u, n + v): ("w", u * m + v) for u in range(n) for v in range(m)}
            pair = BlockPair(0, 1, tuple(range(n)), tuple(range(n, n + m)), edges)
            conserved, pinned = n * m - 1, n + m - 2
            if not pair.num_mixed == conserved - pinned == (n - 1) * (m - 1):
                return refuted(f"{n} x {m}", f"{pair.num_mixed} labels")
    return holds(
        Level.OBSERVED,
        "complete pairs up to 6 x 6",
        "n_i n_j - 1 conserved functionals less n_i + n_j - 2 pinned ones are (n_i - 1)(n_j - 1)",
    )


def _wrong_count(settings: Settings, formula: Callable[[BlockPair], int], words: str) -> Evidence:
    for dag, partition, verdict in islice(_driven(settings, words), 100):
        conserved = _conserved(dag, partition, settings)
        counted = sum(formula(v.pair) for v in verdict.pairs)
        if counted != conserved:
            return refuted(
                f"{dag.num_units} units, {dag.num_edges} edges",
                f"{words} gives {counted} labels, {conserved} are conserved",
                counterexample=network_as_json(dag, partition),
            )
    return holds(Level.OBSERVED, "100 random networks", f"{words} is right on all")


def without_pinned(settings: Settings) -> Evidence:
    """|E_ij| - 1 labels: those that IE∩OE pins to 0 counted too."""
    return _wrong_count(settings, lambda pair: len(pair.edges) - 1, "|E_ij| - 1")


def as_if_complete(settings: Settings) -> Evidence:
    """(n_i - 1)(n_j - 1) labels for every pair, complete or not."""
    return _wrong_count(
        settings,
        lambda pair: (len(pair.sources) - 1) * (len(pair.targets) - 1),
        "(n_i - 1)(n_j - 1)",
    )


CLAIMS = (
    Claim(
        id="E5a",
        title="forward cloning with the printed index order",
        statement=(
            "If every row of each block W[S_i, S_j] has the same sum (row-wise equitable, w_uv the "
            "weight of the edge u → v), units of one block have equal h."
        ),
        hypotheses=("w_uv is the weight of the edge u → v, as the paper defines it",),
        where="Theorem on cloned manifolds, part 1, as printed",
        expected=Verdict.REFUTED,
        checks=(
            Check("four units by hand", printed_forward),
            Check("training leaves the printed manifold", printed_training),
        ),
        corrected_by="P3",
    ),
    Claim(
        id="E5b.printed",
        title="IE∩OE is invariant in any directed acyclic graph",
        statement="For every directed acyclic graph and partition, the gradient keeps IE∩OE.",
        hypotheses=("units of one block share their activation",),
        where="Theorem on cloned manifolds, part 3, as stated for any graph",
        expected=Verdict.REFUTED,
        checks=(Check("{1, 2} → {3, 4} without one edge", any_dag),),
        corrected_by="E5b",
    ),
    Claim(
        id="E5b",
        title="when IE∩OE is invariant",
        statement=(
            "IE∩OE is invariant if and only if every pair (i, j) with edges is biregular or has "
            "h_i δ_j ≡ 0 on IE∩OE."
        ),
        hypotheses=(
            "units of one block share their activation, and all or none of them have a bias",
            "inputs and outputs are singletons; in sums an absent edge counts 0",
        ),
        where="corrects the theorem on cloned manifolds for sparse graphs",
        expected=Verdict.PROVED,
        checks=(
            Check("random networks over prime fields", criterion_against_proof),
            Check("derivation for a perfect matching", biregular_derivation, part="derivation"),
        ),
        false_variants=(
            FalseVariant("only complete pairs", "biregular is enough", only_complete),
            FalseVariant("only biregular pairs", "h_i δ_j ≡ 0 is enough", only_biregular),
            FalseVariant("equal in-degrees", "out-degrees must be equal too", equal_in_degrees),
        ),
    ),
    Claim(
        id="E5c",
        title="how many labels a leaf has",
        statement=(
            "Per biregular pair |E_ij| - 1 functionals are conserved, some of which IE∩OE pins to "
            "0; leaves carry |E_ij| - n_i - n_j + (number of components) labels, "
            "(n_i - 1)(n_j - 1) for a complete pair."
        ),
        hypotheses=(
            "as in E5b, and IE∩OE is invariant",
            "no unit is constant; constants conserve more, across pairs (E2a)",
            "every pair has h_i δ_j ≢ 0; a pair without conserves its common sum too",
        ),
        where="sharpens the theorem on cloned manifolds",
        expected=Verdict.PROVED,
        checks=(
            Check("random networks over prime fields", labels_exactly),
            Check("complete pairs up to 6 x 6", labels_derivation),
        ),
        false_variants=(
            FalseVariant("|E_ij| - 1 labels", "pinned functionals are no labels", without_pinned),
            FalseVariant("as if complete", "absent edges carry no label", as_if_complete),
        ),
    ),
)
