"""N4c.homogeneous: gradient noise attracts no clones of a live ReLU unit."""

from __future__ import annotations

from numerics.transverse.homogeneous_clones import prove_homogeneous_clones
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose
from proofs_check.evidence import Evidence, Verdict
from proofs_check.findings import campaign, from_identity
from theory.activation import Activation
from theory.partition import make_partition
from theory.zoo import mlp


def _homogeneous(settings: Settings, phi: Activation | str) -> Evidence:
    """H (ε ⊗ θ_v) = ε ⊗ ∇_v L for random MLPs with random blocks."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        hidden = [choose(2, 4) for _ in range(choose(1, 2))]
        network = mlp([choose(1, 3), *hidden, choose(1, 2)], phi, bias=bool(choose(0, 1)))
        cuts = [choose(2, n) for n in hidden]
        blocks = {f"h{k}": [list(range(cut))] for k, cut in enumerate(cuts, start=1)}
        partition = make_partition(network.sizes, blocks)
        axis = f"h{choose(1, len(hidden))}"
        found = prove_homogeneous_clones(network, partition, axis, bits=bits, seed=seed)
        return from_identity(found, network.name, "H (ε ⊗ θ_v) = ε ⊗ ∇_v L")

    count = 200 if settings.full else 12
    return campaign(settings, f"N4c {phi}", count, f"MLPs with {phi} and random blocks", test)


def homogeneous_units(settings: Settings) -> Evidence:
    """ReLU."""
    return _homogeneous(settings, "relu")


def smooth_units(settings: Settings) -> Evidence:
    """SiLU."""
    return _homogeneous(settings, "silu")


def bounded_units(settings: Settings) -> Evidence:
    """Tanh."""
    return _homogeneous(settings, "tanh")


CLAIMS = (
    Claim(
        id="N4c.homogeneous",
        title="noise attracts no clones of a live ReLU unit",
        statement=(
            "For clones with $\\varphi(z) = \\varphi'(z) z$ at a point of BC, all data and losses, "
            "$H(\\varepsilon\\otimes\\theta_v) = \\varepsilon\\otimes\\nabla_v L$ whenever "
            "$\\varepsilon$ adds up to 0 in the block. So along any path of SGD on BC, with "
            "momentum and decay or without, the linearised steps carry "
            "$\\varepsilon\\otimes\\theta_v$ along, and the top transverse exponent is at least "
            "$\\limsup \\frac1t\\ln\\|\\theta_v(t)\\|$: not negative unless the unit vanishes."
        ),
        hypotheses=(
            "off the kinks",
            "all parameters of the unit are trained by one rule, linear in θ and gradients",
        ),
        where="new: for ReLU, attraction by noise is the vanishing of units only",
        expected=Verdict.PROVED,
        checks=(Check("the identity over prime fields", homogeneous_units),),
        false_variants=(
            FalseVariant("for SiLU", "φ - φ' z does not vanish", smooth_units),
            FalseVariant("for tanh", "φ - φ' z does not vanish", bounded_units),
        ),
    ),
)
