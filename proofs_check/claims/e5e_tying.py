"""E5e: the cloning theorem with shared parameters."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import log2
from random import Random

from numerics.exact import prove_invariance
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.claims.e5_sparse import network_as_json, two_layers
from proofs_check.drawing.random_networks import random_dag, random_tying
from proofs_check.evidence import Evidence, Verdict, conjoin, refuted
from proofs_check.findings import derived, from_exact, refuted_twice
from theory.manifold import units
from theory.partition import AxisPartition
from theory.tying import Tying, keeps_equitable_tied


def _tied(tying: Tying, partition: AxisPartition, bits: float, seed: int) -> tuple[Evidence, ...]:
    """The exact verdicts on IE∩OE and on its leaves."""
    network = tying.architecture()
    flat = tying.pull_back(units.equitable(tying.dag, partition))
    constant = tying.pull_back(units.block_constant(tying.dag, partition))
    return tuple(
        from_exact(
            prove_invariance(network, flat, tangent=tangent, bits=bits, seed=seed), network.name
        )
        for tangent in (flat, constant)
    )


def tying_against_proof(settings: Settings) -> Evidence:
    """Wherever the criterion says kept, the exact check proves it, on IE∩OE and on leaves."""
    trials = 2000 if settings.full else 80
    bits = 60 + log2(2 * trials) + 0.01
    tally: Counter[str] = Counter()
    found = []
    for trial in range(trials):
        seed = settings.sub_seed("E5e", trial)
        rng = Random(seed)
        dag, partition = random_dag(rng)
        tying = random_tying(rng, dag, partition)
        verdict = keeps_equitable_tied(tying, partition)
        kept, on_leaves = _tied(tying, partition, bits, seed)
        certain = [kept] * verdict.keeps_equitable + [on_leaves] * verdict.keeps_leaves
        if bad := [e for e in certain if e.verdict is not Verdict.PROVED]:
            if bad[0].verdict is Verdict.UNKNOWN:
                return bad[0]
            return refuted(
                f"random tied network {trial}",
                f"the criterion says {verdict}; the fields say: {bad[0].detail}",
                counterexample={
                    **network_as_json(dag, partition),
                    "families": list(tying.families),
                },
            )
        found += certain
        word = "kept" if verdict.keeps_equitable else "failing by the criterion"
        tally[f"{word}, IE∩OE {kept.verdict.value}"] += 1
    return replace(
        conjoin(found),
        scope=f"{trials} random networks with shared parameters",
        detail="what the criterion calls kept is proved on each: "
        + ", ".join(f"{n} {kind}" for kind, n in sorted(tally.items())),
        figures=dict(tally),
    )


def _tied_pair(families: tuple[int, ...]) -> tuple[Tying, AxisPartition]:
    """A complete 2 x 2 pair with the given families."""
    dag, partition = two_layers(((1, 3), (1, 4), (2, 3), (2, 4)))
    return Tying(dag, families), partition


def circulant_derivation(_: Settings) -> Evidence:
    """The derivation for a 2 x 2 pair tied as a circulant, w_13 = w_24 and w_14 = w_23."""
    tying, partition = _tied_pair((0, 1, 2, 3, 3, 2, 4, 5))
    flat = tying.pull_back(units.equitable(tying.dag, partition))
    return derived(tying.architecture(), flat)


def tied_inside(settings: Settings) -> Evidence:
    """A 2 x 2 pair with only w_13 and w_14 tied."""
    tying, partition = _tied_pair((0, 1, 2, 2, 3, 4, 5, 6))
    flat = tying.pull_back(units.equitable(tying.dag, partition))
    return refuted_twice(tying.architecture(), flat, seed=settings.seed)


def tied_across(settings: Settings) -> Evidence:
    """One weight of the pair tied to an incoming weight of another."""
    tying, partition = _tied_pair((0, 1, 0, 2, 3, 4, 5, 6))
    flat = tying.pull_back(units.equitable(tying.dag, partition))
    return refuted_twice(tying.architecture(), flat, seed=settings.seed)


CLAIMS = (
    Claim(
        id="E5e",
        title="cloning with shared parameters",
        statement=(
            "With A the expansion of parameters to edges, IE∩OE is kept if A Aᵀ 1_{E_kl} ∈ IE∩OE "
            "for every pair; leaves are kept if it is block-constant."
        ),
        hypotheses=(
            "as in E5b",
            "pairs with h_k δ_l ≡ 0 need no condition",
        ),
        where="extends the theorem on cloned manifolds to tying, convolution and recurrence",
        expected=Verdict.PROVED,
        checks=(
            Check("random tied networks over prime fields", tying_against_proof),
            Check("derivation for a circulant pair", circulant_derivation, part="derivation"),
        ),
        false_variants=(
            FalseVariant("tied inside one pair", "one target gains twice", tied_inside),
            FalseVariant("tied across pairs", "one edge gains another pair's", tied_across),
        ),
    ),
)
