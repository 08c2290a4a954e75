"""Exact proof that a manifold is invariant, for parameters of any number.

The claim "for all parameters on the manifold, all data, all output adjoints and all functions φ,
the gradient is tangent" is an identity between rational functions, tested at a random point of
random prime fields (:mod:`numerics.identity` gives the error). Three things keep it cheap: the
manifold's coordinates are uniform residues, so no point is rejected; the gradient is contracted
with generic normal vectors in product form, and a tensor of the size of a weight matrix is never
formed; one sample suffices unless samples are coupled.

A gradient that is wrong but symmetric would pass. So every proof contains a second one, of its own
gradient: ⟨adjoint, J v⟩ by forward mode equals ⟨gradient, v⟩ by reverse mode for a generic
direction v in the ambient space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from numerics.generic import (
    generic_factors,
    normal_factors,
    num_samples,
    outer,
    pair,
    total,
)
from numerics.identity import Division, ErrorBound, vanishes
from theory.architecture import Architecture
from theory.backprop import gradient, pushforward
from theory.errors import ManifoldError
from theory.graph import Builder, Graph
from theory.html_table import html_table
from theory.manifold.base import Manifold
from theory.manifold.coordinates import in_coordinates
from theory.primitives import Input
from theory.rewrite import reassociate, substitute
from theory.tracing import Traced, record

CHANNEL = "second derivative channel"


@dataclass(frozen=True, slots=True)
class ExactResult:
    """What an exact check found.

    Attributes:
        verdict: ``proved``; ``refuted``, for functions with the modelled algebra, of which known
            ones may have more (relu(2z) = 2 relu(z)); ``undefined`` if a divisor vanishes on the
            manifold; ``unknown`` if the gradient fails its own proof, a defect of the toolkit.
        division: how the verdict was found: ``opaque``, with an arbitrary odd function in place of
            1/v, which proves more; ``exact``, with v · 1/v = 1; ``none`` without division.
        bound: the chance that ``proved`` is wrong.
        failing: parameters and parts of the normal space in which the gradient has a component.
        primes: the fields.
        seed: chooses primes, point and functions.
        batch: number of samples.
        manifold: name of the set of points.
        tangent: name of the set whose tangent space holds the gradient.
        dimension: of the set of points.
        num_parameters: of the ambient space.
    """

    verdict: Literal["proved", "refuted", "undefined", "unknown"]
    division: Division
    bound: ErrorBound
    failing: tuple[str, ...]
    primes: tuple[int, ...]
    seed: int
    batch: int
    manifold: str
    tangent: str
    dimension: int
    num_parameters: int

    @property
    def error_bits(self) -> float:
        """k in: the chance of accepting a false claim is at most 2^-k."""
        return self.bound.bits

    def summary(self) -> str:
        """One sentence.

        >>> from theory.manifold import equitable
        >>> from theory.partition import make_partition
        >>> from theory.zoo import mlp
        >>> net = mlp([3, 4, 2])
        >>> clones = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]]})
        >>> prove_invariance(net, equitable(net, clones)).summary().split(":")[0]
        'proved with error ≤ 2^-79'
        """
        where = f"the gradient on {self.manifold} is tangent to {self.tangent}"
        if self.batch > 1:
            where = f"for batches of {self.batch} samples {where}"
        match self.verdict:
            case "proved":
                return (
                    f"proved with error ≤ 2^-{int(self.error_bits)}: {where} "
                    f"(dimension {self.dimension} of {self.num_parameters})"
                )
            case "refuted":
                return f"refuted: not everywhere {where}; it fails in {', '.join(self.failing)}"
            case "undefined":
                return f"undefined: a divisor vanishes on {self.manifold}"
            case _:
                return f"unknown: the {CHANNEL} fails, so the gradient itself is wrong"

    def _repr_html_(self) -> str:
        rows = [
            ("error at most", f"2^-{self.error_bits:.1f}"),
            ("prime fields, t", ", ".join(map(str, self.primes))),
            ("degree of the identity, D", self.bound.degree),
            ("arguments of function symbols, m", f"{self.bound.arguments:,}"),
            ("degree of their differences, δ", self.bound.argument_degree),
            ("division", self.division),
            ("samples", self.batch),
            ("seed", self.seed),
        ]
        return html_table(self.summary(), (), rows, len(rows))


def prove_invariance(
    architecture: Architecture,
    manifold: Manifold,
    *,
    tangent: Manifold | None = None,
    bits: float = 60,
    seed: int = 0,
    batch: int | None = None,
) -> ExactResult:
    """Prove or refute that on ``manifold`` every gradient lies in the tangent space of ``tangent``.

    With ``tangent`` left out this is: the manifold is functional LoP (arXiv 2510.00304, Def. 2.1,
    for every loss). With IE∩OE and BC it is: every leaf is invariant (P5).

    Args:
        architecture: the network.
        manifold: where the parameters lie.
        tangent: the affine set whose tangent space must hold the gradient.
        bits: the error is at most 2^-bits; about 100 is the most that the 128-bit state of the
            random functions allows.
        seed: chooses primes, points and functions; fix it before the claim is known.
        batch: number of samples, by default 1, or 2 where samples are coupled.

    Raises:
        ManifoldError: if manifold and architecture have different parameters.
        ValueSystemError: if the error cannot be reached, or the architecture holds a function
            without a model.
    """
    target = tangent or manifold
    for m in (manifold, target):
        if dict(m.shapes) != architecture.parameter_shapes:
            raise ManifoldError(f"{m.name} and {architecture.name} have different parameters")
    if batch is None:
        batch = num_samples(architecture)
    graph = in_coordinates(tangency_graph(architecture, target, batch), manifold)
    found = vanishes(graph, bits=bits, seed=seed)
    verdict: Literal["proved", "refuted", "undefined", "unknown"]
    match found.verdict:
        case "holds":
            verdict = "proved"
        case "fails":
            verdict = "unknown" if CHANNEL in found.failing else "refuted"
        case _:
            verdict = "undefined"
    return ExactResult(
        verdict=verdict,
        division=found.division,
        bound=found.bound,
        failing=found.failing,
        primes=found.primes,
        seed=seed,
        batch=batch,
        manifold=manifold.name,
        tangent=target.name,
        dimension=manifold.dimension,
        num_parameters=architecture.num_parameters,
    )


def tangency_graph(architecture: Architecture, tangent: Manifold, batch: int) -> Graph:
    """Everything that must vanish, as scalar outputs of one graph.

    One output for each normal test of ``tangent``: the gradient contracted with a generic normal
    vector of the test's family; and the second derivative channel.
    """
    forward = architecture.graph(batch)
    reverse = gradient(forward)
    builder = Builder()
    values = substitute(builder, reverse, {})
    slopes = {p: values[f"grad:{p}"] for p in forward.parameter_shapes}
    residuals: dict[str, Traced] = {}
    for test in tangent.normal_tests():
        normal = normal_factors(builder, test, "normal")
        if terms := [pair(slopes[p], factors) for p, factors in normal.items() if p in slopes]:
            residuals[f"normal:{test.label}"] = total(builder, terms)
    directions = {
        p: generic_factors(builder, f"direction:{p}", shape)
        for p, shape in forward.parameter_shapes.items()
    }
    backward = total(builder, [pair(slopes[p], factors) for p, factors in directions.items()])
    moves = {f"tangent:{p}": outer(factors) for p, factors in directions.items()}
    y = forward.nodes[forward.outputs["y"]].shape
    adjoint = record(builder, Input("adjoint:y", y))
    ahead = substitute(builder, pushforward(forward), moves)["tangent:y"]
    residuals[CHANNEL] = backward - pair(ahead, [(tuple(range(len(y))), adjoint)])
    return reassociate(builder.finish({name: v.number for name, v in residuals.items()}))
