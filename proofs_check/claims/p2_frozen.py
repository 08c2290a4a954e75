"""P2 and E2a: frozen units, and the whole trap around them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from numerics.exact import prove_invariance
from numerics.plasticity.span import gradient_rank
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose, draw_network
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted, unknown
from proofs_check.findings import campaign, derived, from_exact, refuted_twice
from theory.architecture import Architecture
from theory.manifold import Manifold, ambient, frozen, trap
from theory.zoo import mlp

# dimension left to training in the 46 parameters of an MLP 3-4-4-2, by frozen units
TRAPS: tuple[tuple[tuple[tuple[str, int], ...], int], ...] = (
    ((("h1", 0),), 38),
    ((("h2", 0),), 39),
    ((("h1", 0), ("h1", 2)), 30),
    ((("h1", 0), ("h2", 1)), 32),
    (tuple(("h2", unit) for unit in range(4)), 2),
)


def _frozen(choose: Choose) -> Architecture:
    """A random network without gates, with one or two units frozen at random constants."""
    network = draw_network(choose)
    while "G" in network.parameters:  # a gated unit is not constant when its activation is
        network = draw_network(choose)
    hidden = [axis for axis in network.sizes if axis.startswith("h")]
    for _ in range(choose(1, 2)):
        axis = hidden[choose(0, len(hidden) - 1)]
        unit = choose(0, network.sizes[axis] - 1)
        network = network.freeze(axis, unit, Fraction(choose(-2, 2), choose(1, 2)))
    return network


def _campaign(
    settings: Settings, name: str, tangent_of: Callable[[Architecture], Manifold]
) -> Evidence:
    """In random networks with frozen units, every gradient is tangent to the given set."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network = _frozen(choose)
        result = prove_invariance(
            network, ambient(network), tangent=tangent_of(network), bits=bits, seed=seed
        )
        return from_exact(result, network.name)

    count = 300 if settings.full else 40
    return campaign(settings, name, count, "networks with units frozen at random constants", test)


def frozen_exactly(settings: Settings) -> Evidence:
    """Incoming parameters of frozen units have no gradient, in random networks."""
    return _campaign(settings, "P2", frozen)


def frozen_derivation(_: Settings) -> Evidence:
    """The derivation for an MLP 2-2-1 with one unit frozen."""
    network = mlp([2, 2, 1]).freeze("h1", 0, Fraction(1, 2))
    return derived(network, ambient(network), frozen(network))


def outgoing_too(settings: Settings) -> Evidence:
    """Incoming weights *and* outgoing weights constant, although the unit's value is not 0."""
    network = mlp([1, 1, 1]).freeze("h1", 0, 1)
    return refuted_twice(network, ambient(network), trap(network.freeze("h1", 0, 0)), settings.seed)


def without_freezing(settings: Settings) -> Evidence:
    """Incoming parameters of a live unit."""
    network = mlp([1, 1, 1])
    return refuted_twice(network, ambient(network), frozen(network.freeze("h1", 0)), settings.seed)


def trap_exactly(settings: Settings) -> Evidence:
    """The trap of E2a is kept, in random networks with units frozen at random constants."""
    return _campaign(settings, "E2a", trap)


def trap_derivation(_: Settings) -> Evidence:
    """The derivation for an MLP 2-2-2 with a unit frozen at 1/2."""
    network = mlp([2, 2, 2]).freeze("h1", 0, Fraction(1, 2))
    return derived(network, ambient(network), trap(network))


def trap_dimensions(settings: Settings) -> Evidence:
    """The dimensions left in an MLP 3-4-4-2, against the rank of gradients in a prime field."""
    network = mlp([3, 4, 4, 2])
    for units, expected in TRAPS:
        with_units = network
        for axis, unit in units:
            with_units = with_units.freeze(axis, unit)
        counted = trap(with_units).dimension
        spanned = gradient_rank(
            with_units, ambient(with_units), seed=settings.sub_seed("E2a", repr(units))
        )
        if spanned < counted == expected:  # a chance shortfall of the rank looks like this
            return unknown(network.name, f"units {units}: gradients span {spanned} of {counted}")
        if not counted == spanned == expected:
            return refuted(
                network.name,
                f"units {units}: the trap leaves {counted}, gradients span {spanned}, "
                f"the theory says {expected}",
            )
    dimensions = ", ".join(str(expected) for _, expected in TRAPS)
    return holds(
        Level.OBSERVED,
        "MLP 3-4-4-2, five sets of dead units",
        f"trap dimensions {dimensions} equal the ranks of random gradients in a prime field",
        figures={f"{units}": expected for units, expected in TRAPS},
    )


def wrong_constant(settings: Settings) -> Evidence:
    """w - c b with c = 1 for a unit frozen at 2."""
    network = mlp([1, 1, 1])
    return refuted_twice(
        network.freeze("h1", 0, 2),
        ambient(network),
        trap(network.freeze("h1", 0, 1)),
        settings.seed,
    )


def without_bias(settings: Settings) -> Evidence:
    """A target without bias, unit frozen at 1: w itself would have to be constant."""
    network = mlp([1, 1, 1], bias=False).freeze("h1", 0, 1)
    return refuted_twice(network, ambient(network), trap(network.freeze("h1", 0, 0)), settings.seed)


CLAIMS = (
    Claim(
        id="P2",
        title="frozen units stay frozen",
        statement=(
            "If φ'_v(z_v) = 0 on all data met, the incoming parameters of v have zero gradient: "
            "M_F = {θ_in(v) = const} is affine and invariant."
        ),
        hypotheses=(
            "v outputs a constant on all data that training meets (see E2c: its sources must not "
            "revive it)",
        ),
        where="Definition of the frozen manifold M_F, section on frozen units",
        expected=Verdict.PROVED,
        checks=(
            Check("random networks over prime fields", frozen_exactly),
            Check("derivation for 2-2-1", frozen_derivation, part="derivation"),
        ),
        false_variants=(
            FalseVariant(
                "outgoing weights too, at a constant other than 0",
                "the target's δ reaches the outgoing weight with the factor c",
                outgoing_too,
            ),
            FalseVariant(
                "a unit that is not frozen", "its incoming gradient is δ x", without_freezing
            ),
        ),
    ),
    Claim(
        id="E2a",
        title="the trap is larger than M_F",
        statement=(
            "If v outputs a constant c, then w_vk - c b_k is conserved for each target k with a "
            "bias, w_vk itself where c = 0; among several frozen sources of a target without bias "
            "the combinations c_2 w_1k - c_1 w_2k are; a unit all of whose targets are frozen "
            "starves and keeps its incoming parameters."
        ),
        hypotheses=(
            "updates proportional to the gradient at one rate (GD, SGD, momentum, Nesterov, global "
            "clipping); for entrywise optimizers only where c = 0",
        ),
        where="enlarges M_F",
        expected=Verdict.PROVED,
        checks=(
            Check("random networks over prime fields", trap_exactly),
            Check("derivation for 2-2-2", trap_derivation, part="derivation"),
            Check("dimensions against gradient ranks", trap_dimensions),
        ),
        false_variants=(
            FalseVariant("a wrong constant", "the law has the unit's own constant", wrong_constant),
            FalseVariant(
                "no bias at the target", "nothing then offsets the gradient c δ_k", without_bias
            ),
        ),
    ),
)
