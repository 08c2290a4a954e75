"""N3.derivation: the transverse blocks from SymPy's Hessian of the explicit loss."""

from __future__ import annotations

from dataclasses import replace

from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Verdict
from proofs_check.theorems import from_outcome, from_theorem
from theory.manifold import equitable
from theory.outcome import conjoined
from theory.partition import make_partition
from theory.stability.block_theorem import BLOCKS, EXCHANGE
from theory.stability.exchange import derive_exchangeable, own_term
from theory.stability.exchangeable_layers import LAYERS, normalised_units
from theory.stability.formula import OTHER_SIGN, WITHOUT_BIAS, WITHOUT_ROOTS, BlockFormula
from theory.stability.transverse import derive
from theory.zoo import mlp

FORMULA = "M = [[Σ d φ'' ĥĥᵀ, Σ φ' ĥδ̂ᵀ], [·, 0]]"


def dense_units(_: Settings) -> Evidence:
    """Every entry between all directions, for unequal blocks, skips, outputs and samples."""
    scope = "MLP 1-3-2-1, a network with skips, MLP 1-3-2 on two samples; every φ and ℓ"
    return from_theorem(BLOCKS, scope, FORMULA)


def exchangeable(_: Settings) -> Evidence:
    """M = ∇²₁₁L - ∇²₁₂L, and one clone's own term with shared signals held."""
    scope = "channels, heads, gated units, units behind BatchNorm, RMSNorm and LayerNorm"
    return from_theorem(EXCHANGE, scope, "what the clones share stands still")


def layers(settings: Settings) -> Evidence:
    """Closed forms of the layers' blocks."""
    names = list(LAYERS) if settings.full else ["convolution", "attention", "glu"]
    outcome = conjoined(derive_exchangeable(LAYERS[name]()).closed_form for name in names)
    return from_outcome(outcome, ", ".join(names), "M in the layer's own derivatives")


def _dense(formula: BlockFormula, said: str) -> Evidence:
    network = mlp([1, 2, 2, 1])
    partition = make_partition(network.sizes, {"h1": [[0, 1]], "h2": [[0, 1]]})
    return from_outcome(derive(network, partition, formula=formula).outcome, network.name, said)


def without_roots(_: Settings) -> Evidence:
    """ĥ = h and δ̂ = δ."""
    return _dense(WITHOUT_ROOTS, "no √n in ĥ and δ̂")


def without_bias(_: Settings) -> Evidence:
    """No row for the bias."""
    return _dense(WITHOUT_BIAS, "the bias has no row")


def other_sign(_: Settings) -> Evidence:
    """-B in place of B."""
    return _dense(OTHER_SIGN, "B with the other sign")


def off_bc(_: Settings) -> Evidence:
    """The blocks at arbitrary points of IE∩OE."""
    network = mlp([1, 2, 2, 1])
    partition = make_partition(network.sizes, {"h1": [[0, 1]], "h2": [[0, 1]]})
    found = derive(network, partition, point=equitable(network, partition))
    return from_outcome(found.outcome, network.name, f"{FORMULA} at all points of IE∩OE")


def without_statistics(_: Settings) -> Evidence:
    """M = Σ δ ∇²y where clones share the statistics of RMSNorm."""
    layer = normalised_units("rms")
    false = replace(layer, formula=own_term(layer.clones[0]))
    said = "M = Σ δ ∇²y, the second derivatives through shared statistics included"
    return from_outcome(derive_exchangeable(false).outcome, layer.name, said)


CLAIMS = (
    Claim(
        id="N3.derivation",
        title="transverse blocks, derived",
        statement=(
            r"At a point of BC SymPy's Hessian of an arbitrary loss, in an orthonormal basis that "
            r"permutations of clones respect, has on the normal space of IE∩OE the blocks $M_i = "
            r"[[B, G], [G^T, 0]]$, $n_i - 1$ times, and no other entries; mixed directions are "
            r"null, tangent and normal ones do not couple. For exchangeable clones $M = "
            r"\nabla^2_{11}L - \nabla^2_{12}L$ is the second derivative of a clone's own terms "
            r"with everything that the clones share held fixed."
        ),
        hypotheses=(
            "complete pairs of blocks; inputs and outputs without clones",
            "arbitrary φ and ℓ, twice differentiable where they are evaluated",
            "the sizes of the checks; the theorems' arguments hold for all",
        ),
        where="answers the open question after the definition of stable, unstable, saddle",
        expected=Verdict.PROVED,
        checks=(
            Check("dense units", dense_units, "dense units"),
            Check("exchangeable clones", exchangeable, "exchangeable clones"),
            Check("closed forms of layers", layers, "layers"),
        ),
        false_variants=(
            FalseVariant("without √n", "a block of n sources adds n changes", without_roots),
            FalseVariant("without the bias", "the constant unit is a source", without_bias),
            FalseVariant("-B", "B has the sign of d φ''", other_sign),
            FalseVariant("off BC", "mixed weights couple the blocks", off_bc),
            FalseVariant(
                "shared statistics move",
                "they move alike whichever clone does, so they cancel",
                without_statistics,
            ),
        ),
    ),
)
