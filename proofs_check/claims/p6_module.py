"""How a layer of P6 is checked: by the calculus, over prime fields, in SymPy where feasible."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log2

from numerics.exact import prove_invariance
from proofs_check.agreement import manifolds
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.claims.p6_composition import first_refuted, forward_half, refuted_by_both
from proofs_check.drawing.layered_networks import LayeredNetwork, draw_around
from proofs_check.drawing.networks import Choose, chooser
from proofs_check.drawing.random_layers import Layer
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, unknown
from proofs_check.findings import derived, from_exact
from theory.errors import GraphError
from theory.modules import certify


@dataclass(frozen=True, slots=True)
class Module:
    """A layer with a false neighbour.

    Attributes:
        name: the last part of the claim's id.
        title: of the claim.
        statement: of the claim.
        layers: what draws it; more than one for variants of it.
        neighbour: the false neighbour.
        why_false: the reason, in one sentence.
        num_places: 0 on vectors, 1 on sequences, 2 on images.
        is_derivable: whether SymPy derives the smallest instance in a second or two.
    """

    name: str
    title: str
    statement: str
    layers: tuple[Layer, ...]
    neighbour: Layer
    why_false: str
    num_places: int = 0
    is_derivable: bool = True

    def draw(self, choose: Choose) -> LayeredNetwork:
        """A random network around the layer."""
        return draw_around(choose, choose_from(self.layers, choose), self.num_places)

    def networks(self, settings: Settings) -> list[tuple[LayeredNetwork, int]]:
        """The networks of the claim's checks, with a seed each."""
        seeds = [settings.sub_seed("P6", self.name, k) for k in range(50 if settings.full else 5)]
        return [(self.draw(chooser(seed)), seed) for seed in seeds]

    def certified(self, settings: Settings) -> Evidence:
        """The calculus derives tangency to BC on IE∩OE for random networks around the layer."""
        found = self.networks(settings)
        for network, _ in found:
            flat, constant = manifolds(network, "BC")
            outcome = certify(network.architecture, flat, tangent=constant)
            if not outcome.is_certified:
                return unknown(str(network), outcome.summary())
        return holds(
            Level.PROVED,
            f"{len(found)} random networks around the layer",
            "derived node by node in the calculus of modules",
        )

    def proved(self, settings: Settings) -> Evidence:
        """The same over prime fields."""
        found = self.networks(settings)
        bits = 60 + log2(len(found)) + 0.01
        parts = []
        for network, seed in found:
            flat, constant = manifolds(network, "BC")
            result = prove_invariance(
                network.architecture, flat, tangent=constant, bits=bits, seed=seed
            )
            parts.append(from_exact(result, str(network)))
            if not parts[-1].holds:
                return parts[-1]
        return replace(
            conjoin(parts),
            scope=f"{len(found)} random networks around the layer",
            detail="each proved over random prime fields: the gradient on IE∩OE is tangent to BC",
        )

    def derived(self, _: Settings) -> Evidence:
        """A SymPy derivation of the smallest instance."""
        network = self.draw(lambda low, high: low)
        return derived(network.architecture, *manifolds(network, "BC"))

    def refuted(self, settings: Settings) -> Evidence:
        """The false neighbour in place of the layer."""

        def test(seed: int) -> Evidence:
            network = draw_around(chooser(seed), self.neighbour, self.num_places)
            return refuted_by_both(network, "IE∩OE", seed)

        return first_refuted(settings, f"P6.{self.name}", test)

    def forward_alone(self, settings: Settings) -> Evidence:
        """The layer on IE."""

        def test(seed: int) -> Evidence | None:
            try:
                return forward_half(self.draw(chooser(seed)), seed)
            except GraphError:  # a matrix whose uses differ in what is source and what is target
                return None

        return first_refuted(settings, f"P6.{self.name}.IE", test)

    def claim(self) -> Claim:
        """The claim."""
        checks = [
            Check("the calculus on random networks", self.certified, part="certificate"),
            Check("random networks over prime fields", self.proved, part="fields"),
        ]
        if self.is_derivable:
            checks.append(Check("the smallest network in SymPy", self.derived, part="derivation"))
        return Claim(
            id=f"P6.{self.name}",
            title=self.title,
            statement=self.statement,
            hypotheses=(
                "interface partitions match; inputs and outputs are singletons",
                "elementwise parameters are equal inside blocks",
            ),
            where="remark on modern layers after the theorem on cloned manifolds",
            expected=Verdict.PROVED,
            checks=tuple(checks),
            false_variants=(
                FalseVariant("a false neighbour", self.why_false, self.refuted),
                FalseVariant(
                    "the forward half alone",
                    "outgoing weights of clones differ",
                    self.forward_alone,
                ),
            ),
        )


def choose_from(options: tuple[Layer, ...], choose: Choose) -> Layer:
    """One of several layers."""
    return options[choose(0, len(options) - 1)]
