"""Evidence from what the provers return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, log2

from numerics.exact import ExactResult, prove_invariance
from numerics.identity import ErrorBound, Identity
from proofs_check.claim import Settings
from proofs_check.drawing.networks import Choose, chooser
from proofs_check.evidence import Evidence, Level, conjoin, holds, refuted, unknown
from theory.architecture import Architecture
from theory.invariance import Proof, Refutation, Unknown, check_invariance, refute
from theory.manifold import Manifold, block_constant, equitable
from theory.partition import Partition


def from_exact(result: ExactResult, scope: str) -> Evidence:
    """Evidence from an exact check over prime fields."""
    if result.verdict == "proved":
        return _proved(result.bound, scope, result.summary())
    if result.verdict == "refuted":
        return _refuted(result, scope, result.summary())
    return unknown(scope, result.summary())


def leaves_kept(
    architecture: Architecture, partition: Partition, bits: float, seed: int
) -> Evidence:
    """Evidence that training keeps every leaf: on IE∩OE the gradient lies in BC."""
    points, tangent = equitable(architecture, partition), block_constant(architecture, partition)
    result = prove_invariance(architecture, points, tangent=tangent, bits=bits, seed=seed)
    return from_exact(result, architecture.name)


def from_identity(found: Identity, scope: str, statement: str) -> Evidence:
    """Evidence from a randomised identity test of a statement."""
    if found.verdict == "holds":
        return _proved(found.bound, scope, statement)
    if found.verdict == "fails":
        failing = ", ".join(found.failing)
        return _refuted(found, scope, f"not so: {statement}; it fails for {failing}")
    return unknown(scope, f"a divisor vanishes everywhere: {statement}")


def _proved(bound: ErrorBound, scope: str, detail: str) -> Evidence:
    if bound.bits == inf:  # every output is a small constant: nothing was left to chance
        return holds(Level.PROVED, scope, detail)
    return holds(Level.PROVED_WITH_ERROR, scope, detail, error_bits=bound.bits)


def _refuted(found: ExactResult | Identity, scope: str, detail: str) -> Evidence:
    """Residues refute for functions with the modelled algebra only, hence: observed."""
    residues = {"primes": list(found.primes), "not zero": list(found.failing)}
    return refuted(scope, detail, counterexample=residues, level=Level.OBSERVED)


def from_symbols(outcome: Proof | Refutation | Unknown, scope: str) -> Evidence:
    """Evidence from a symbolic derivation."""
    match outcome:
        case Proof():
            detail = f"derived in SymPy: {outcome.statement}"
            return holds(
                Level.PROVED, scope, detail, derivation=tuple(step.shown for step in outcome.steps)
            )
        case Refutation():
            return from_refutation(outcome, scope)
        case Unknown():
            return unknown(scope, str(outcome))


def from_refutation(found: Refutation, scope: str) -> Evidence:
    """Evidence from rational numbers, after replaying them."""
    value = found.replay()
    if value == 0 or value != found.value:
        return unknown(scope, f"the counterexample does not replay: {value} != {found.value}")
    return refuted(scope, str(found), counterexample=found.to_json())


def derived(
    architecture: Architecture,
    manifold: Manifold,
    tangent: Manifold | None = None,
) -> Evidence:
    """The symbolic derivation of tangency for one small network."""
    return from_symbols(
        check_invariance(architecture, manifold, tangent=tangent), architecture.name
    )


def refuted_twice(
    architecture: Architecture, manifold: Manifold, tangent: Manifold | None = None, seed: int = 0
) -> Evidence:
    """Refuted in the fields, and by rational numbers; a disagreement is unknown."""
    result = prove_invariance(architecture, manifold, tangent=tangent, seed=seed)
    found = refute(architecture, manifold, tangent)
    if result.verdict == "proved" and found is None:
        return from_exact(result, architecture.name)
    if result.verdict != "refuted" or found is None:
        return unknown(
            architecture.name,
            f"the fields say {result.verdict}, the rational search found "
            f"{'a' if found else 'no'} counterexample",
        )
    return from_refutation(found, architecture.name)


def campaign(
    settings: Settings,
    name: str,
    count: int,
    scope: str,
    test: Callable[[Choose, float, int], Evidence],
) -> Evidence:
    """All of ``count`` random networks: ``test(choose, bits, seed)`` each, errors added to 2^-60.

    Stops at the first network for which the statement does not hold.
    """
    bits = 60 + log2(count) + 0.01
    found = []
    for trial in range(count):
        seed = settings.sub_seed(name, trial)
        evidence = test(chooser(seed), bits, seed)
        if not evidence.holds:
            return evidence
        found.append(evidence)
    figures: Mapping[str, int] = {"networks": count}
    together = conjoin(found)
    return replace(
        together,
        scope=f"{count} random {scope}",
        detail="each proved over random prime fields, errors added",
        figures=figures,
    )
