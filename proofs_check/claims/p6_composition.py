"""P6: modular cloning, the composition: the calculus of modules against the exact check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import log2

from numerics.exact import prove_invariance
from proofs_check.agreement import (
    Comparison,
    Tangent,
    compare,
    draw_case,
    histogram,
    smallest_error,
)
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.layered_networks import LayeredNetwork, draw_around, draw_layered
from proofs_check.drawing.networks import chooser
from proofs_check.drawing.random_layers import dense
from proofs_check.evidence import Evidence, Verdict, conjoin, refuted, unknown
from proofs_check.findings import from_exact
from theory.manifold import incoming_equitable
from theory.modules import certify


def agreement(settings: Settings) -> Evidence:
    """What the calculus certifies is proved, on random layered networks; gaps are counted."""
    trials = 5000 if settings.full else 120
    bits = 60 + log2(trials) + 0.01
    found: list[Comparison] = []
    for trial in range(trials):
        seed = settings.sub_seed("P6", trial)
        one = compare(*draw_case(chooser(seed)), bits=bits, seed=seed)
        if one.is_error:
            return refuted("a layered network", str(smallest_error(seed) or one))
        found.append(one)
    return _summed(found)


def _summed(found: list[Comparison]) -> Evidence:
    certified = [one for one in found if one.is_certified and one.exact.verdict == "proved"]
    gaps = [one for one in found if one.is_gap]
    parts = [from_exact(one.exact, one.network.architecture.name) for one in certified]
    if not parts:
        return unknown("random layered networks", "the calculus certified none of them")
    detail = (
        f"of {len(found)} the calculus certifies {len(certified)}, each proved over prime fields "
        f"too; {len(gaps)} more are proved"
    )
    return replace(
        conjoin(parts),
        scope=f"{len(found)} random layered networks with random partitions",
        detail=detail + "".join(f"; {one.network}" for one in gaps[:3]),
        figures=histogram(found),
    )


def refuted_by_both(network: LayeredNetwork, tangent: Tangent, seed: int) -> Evidence:
    """Refuted by the exact check and not certified; else what speaks for the network."""
    one = compare(network, tangent, seed=seed)
    if one.is_certified and one.exact.verdict == "refuted":
        return unknown(network.architecture.name, f"the provers disagree: {one}")
    return from_exact(one.exact, str(network))


def forward_half(network: LayeredNetwork, seed: int) -> Evidence:
    """IE alone, for a network: tangency to IE on IE."""
    half = incoming_equitable(network.architecture, network.partition)
    exact = prove_invariance(network.architecture, half, seed=seed)
    if exact.verdict == "refuted" and certify(network.architecture, half).is_certified:
        return unknown(
            network.architecture.name, f"certified on {half.name}, but {exact.summary()}"
        )
    return from_exact(exact, str(network))


def first_refuted(
    settings: Settings, name: str, test: Callable[[int], Evidence | None], trials: int = 12
) -> Evidence:
    """The first of a few random cases that is not proved; ``None`` stands for no case."""
    found = [unknown("", "no case was drawn")]
    for trial in range(trials):
        evidence = test(settings.sub_seed(name, trial))
        if evidence is not None:
            found.append(evidence)
            if evidence.verdict is not Verdict.PROVED:
                return evidence
    return found[-1]


def interfaces_ignored(settings: Settings) -> Evidence:
    """Networks with a false neighbour."""

    def test(seed: int) -> Evidence | None:
        network = draw_layered(chooser(seed))
        if network.false_neighbour is None:
            return None
        return refuted_by_both(network, "IE∩OE", seed)

    return first_refuted(settings, "interfaces", test, trials=100)


def forward_alone(settings: Settings) -> Evidence:
    """Two dense layers on IE."""
    return first_refuted(
        settings,
        "forward alone",
        lambda seed: forward_half(draw_around(chooser(seed), dense), seed),
    )


CLAIMS = (
    Claim(
        id="P6",
        title="modular cloning",
        statement=(
            "If every module keeps block equality forward and backward and its parameter gradient "
            "tangent, and interface partitions match, then IE∩OE and its leaves are invariant."
        ),
        hypotheses=(
            "modules are those of P6.*, inputs and outputs are singletons",
            "no divisor vanishes on the manifold",
        ),
        where="remark on modern layers after the theorem on cloned manifolds",
        expected=Verdict.PROVED,
        checks=(Check("the calculus of modules against the exact check", agreement),),
        false_variants=(
            FalseVariant(
                "interfaces need not match",
                "a false neighbour lets clones part",
                interfaces_ignored,
            ),
            FalseVariant("the forward half alone", "outgoing weights differ", forward_alone),
        ),
    ),
)
