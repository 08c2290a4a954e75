"""N4: no cloned manifold is strictly stable or unstable; what splitting a unit does."""

from __future__ import annotations

from typing import Any

import sympy

from numerics.identity import vanishes
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose, draw_network, draw_partition
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted
from proofs_check.findings import campaign, from_identity
from proofs_check.theorems import from_outcome, from_theorem
from theory.architecture import Architecture
from theory.graph import Builder, Graph
from theory.manifold import Manifold, ambient, incoming_equitable, outgoing_equitable
from theory.partition import Partition, make_partition
from theory.primitives import Input
from theory.rewrite import substitute
from theory.stability.emptiness import EMPTINESS, unchanged
from theory.stability.fukumizu_amari import SPLITTING
from theory.stability.inertia import INERTIA
from theory.stability.splitting import splitting
from theory.tracing import record
from theory.zoo import mlp

UNCHANGED = "y(θ + p) = y(θ) for all p with zero block sums of outgoing weights"


def difference_graph(network: Architecture, partition: Partition, manifold: Manifold) -> Graph:
    """The output ``change`` y(θ + p) - y(θ), with θ in a manifold and p zero-sum over sources."""
    builder = Builder()
    free = {
        name: record(builder, Input(name, shape)) for name, shape in manifold.free_shapes.items()
    }
    theta = manifold.embed(free)
    moved = dict(theta)
    for p, axes in network.parameters.items():
        if len(axes) == 2 and partition[axes[0]].num_mixed:
            source = partition[axes[0]]
            shape = (source.num_mixed, network.sizes[axes[1]])
            moved[p] = theta[p] + source.complete(record(builder, Input(f"p:{p}", shape)), 0)
    forward = network.graph()
    before, after = (substitute(builder, forward, values)["y"] for values in (theta, moved))
    return builder.finish({"change": (after - before).number})


def random_networks(settings: Settings) -> Evidence:
    """All outgoing weights of all blocks at once, at arbitrary points of IE."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network = draw_network(choose)
        partition = draw_partition(choose, network)
        graph = difference_graph(network, partition, incoming_equitable(network, partition))
        return from_identity(vanishes(graph, bits=bits, seed=seed), network.name, UNCHANGED)

    count = 300 if settings.full else 30
    return campaign(settings, "N4", count, "networks with random partitions, θ in IE", test)


def derivation(_: Settings) -> Evidence:
    """The outputs at θ and θ + p, written out with arbitrary functions."""
    scope = "MLPs 1-3-2 and 1-3-3-1 and a network with skips, all of IE, every φ"
    return from_theorem(EMPTINESS, scope, UNCHANGED)


def semi_stable(_: Settings) -> Evidence:
    """M ⪰ 0 exactly if G = 0 and B ⪰ 0, by the congruence of N3b."""
    scope = "every symmetric B and every G, of any size"
    return from_theorem(INERTIA, scope, "n₋(M) = rank G + n₋(ZᵀBZ)")


def _small() -> tuple[Architecture, Partition]:
    network = mlp([1, 2, 2, 1])
    return network, make_partition(network.sizes, {"h1": [[0, 1]], "h2": [[0, 1]]})


def arbitrary_changes(_: Settings) -> Evidence:
    """Any change of outgoing weights."""
    found = unchanged(*_small(), "h1", shape="arbitrary")
    return from_outcome(found, "MLP 1-2-2-1", "y(θ + p) = y(θ) for arbitrary p")


def zero_sums_of_targets(_: Settings) -> Evidence:
    """Changes whose sums over the targets of each source are 0."""
    found = unchanged(*_small(), "h1", shape="zero sums of targets")
    return from_outcome(found, "MLP 1-2-2-1", "y(θ + p) = y(θ) for zero sums over targets")


def outside(_: Settings) -> Evidence:
    """At points of OE, and anywhere."""
    network, partition = _small()
    for manifold in (outgoing_equitable(network, partition), ambient(network)):
        found = unchanged(network, partition, "h1", point=manifold)
        if found.verdict != "refuted":
            break
    return from_outcome(found, "MLP 1-2-2-1", UNCHANGED)


def split(_: Settings) -> Evidence:
    """The Hessian at a split, written out; the inertia of the shares."""
    scope = "MLPs 2-1-2, 1-1-2 into three, 1-1-2-1 in the second layer, 1-1-1 on two samples"
    return from_theorem(SPLITTING, scope, "base Hessian ⊕ [[λ(1-λ)B, G], [Gᵀ, 0]]")


def _factor(factor: Any, said: str) -> Evidence:
    found = splitting(mlp([1, 1, 1]), factor=sympy.Matrix([[factor]])).outcome
    return from_outcome(found, "MLP 1-1-1 split in two", said)


def equal_factor(_: Settings) -> Evidence:
    """The factor ¼ of equal copies, at every λ."""
    return _factor(sympy.Rational(1, 4), "the factor of B is ¼ at every λ")


def square_factor(_: Settings) -> Evidence:
    """The factor λ²."""
    return _factor(sympy.Symbol("lambda") ** 2, "the factor of B is λ²")


def always_degenerate(_: Settings) -> Evidence:
    """G = 0 at every critical point, with two outputs: y = tanh(w x) a, half the squared error."""
    w, first, second = sympy.symbols("w a_1 a_2")
    h, targets = sympy.tanh(w), (-1, 1)
    residuals = [a * h - t for a, t in zip((first, second), targets, strict=True)]
    loss = sympy.Add(*(r**2 for r in residuals)) / 2
    at = {w: 0, first: 1, second: 1}
    gradient = [sympy.diff(loss, symbol).subs(at) for symbol in (w, first, second)]
    gain = [sympy.diff(h, w).subs(at) * r.subs(at) for r in residuals]
    scope = "y = tanh(w x) a with two outputs, w = 0, x = 1, a = (1, 1), targets (-1, 1)"
    if any(gradient) or not any(gain):
        return holds(Level.OBSERVED, scope, "G = 0 at this critical point")
    return refuted(
        scope,
        f"the gradient of half the squared error is 0, and G = {gain}",
        counterexample={"G": [str(v) for v in gain], "a": ["1", "1"], "w": "0"},
    )


CLAIMS = (
    Claim(
        id="N4",
        title="the strict categories are empty",
        statement=(
            r"From any point of IE, perturbations p of outgoing weights with $\sum_{u\in S_i} "
            r"p_{uv} = 0$ for all v leave the function exactly unchanged. So without "
            r"regularisation no cloned manifold is strictly stable or strictly unstable; at a "
            r"point of BC it is semi-stable exactly if all $G_i = 0$ and all $B_i \succeq 0$."
        ),
        hypotheses=(
            "some block of at least two clones has targets",
            "for the categories: complete pairs, so that p can be chosen normal",
        ),
        where="answers the open question after the definition of stable, unstable, saddle",
        expected=Verdict.PROVED,
        checks=(
            Check("written out with arbitrary φ", derivation, "unchanged"),
            Check("random networks over prime fields", random_networks, "unchanged"),
            Check("congruence of a block", semi_stable, "semi-stable"),
        ),
        false_variants=(
            FalseVariant(
                "arbitrary changes", "the sums into targets change too", arbitrary_changes
            ),
            FalseVariant(
                "zero sums over targets", "each target gets another sum", zero_sums_of_targets
            ),
            FalseVariant("points outside IE", "clones differ in value there", outside),
        ),
    ),
    Claim(
        id="N4.splitting",
        title="splitting a unit into unequal copies",
        statement=(
            r"Split a unit into copies with shares $\lambda_i$ of its outgoing weights, $\sum "
            r"\lambda_i = 1$: the Hessian is congruent to that of the base network beside "
            r"$[[(\operatorname{diag}\lambda' - \lambda'\lambda'^T) \otimes B, I \otimes G], [I "
            r"\otimes G^T, 0]]$, $\lambda(1-\lambda)B$ for two copies. At a critical point of the "
            r"base $G a = 0$; with one target and $a \ne 0$ the sign of $\lambda(1-\lambda) B$ "
            r"decides (Fukumizu and Amari 2000)."
        ),
        hypotheses=("φ twice differentiable at z", "any λ_i, negative and 0 too"),
        where="Fukumizu, Amari, Neural Networks 13 (2000), for one output; the rest is new",
        expected=Verdict.PROVED,
        checks=(Check("SymPy's Hessian at the split", split),),
        false_variants=(
            FalseVariant("the factor ¼ for every λ", "that is λ = ½ alone", equal_factor),
            FalseVariant("the factor λ²", "it does not change sign at λ = 1", square_factor),
            FalseVariant(
                "G = 0 at critical points with two outputs",
                "criticality gives only G a = 0",
                always_degenerate,
            ),
        ),
    ),
)
