"""The claims, one file per theorem.

A module of claims exposes ``CLAIMS: tuple[Claim, ...]`` and is named in :data:`MODULES`; nothing is
imported before :func:`load_claims` is called.
"""

from __future__ import annotations

from importlib import import_module

from proofs_check.claim import Claim
from proofs_check.errors import ClaimError

MODULES: tuple[str, ...] = (
    "proofs_check.claims.p1_tangency",
    "proofs_check.claims.n0_normal_hessian",
    "proofs_check.claims.p2_frozen",
    "proofs_check.claims.e2b_saturation",
    "proofs_check.claims.e2c_persistence",
    "proofs_check.claims.e2c_certificates",
    "proofs_check.claims.p3_p4_clones",
    "proofs_check.claims.p5_leaves",
    "proofs_check.claims.e5_sparse",
    "proofs_check.claims.e5e_tying",
    "proofs_check.claims.p6_composition",
    "proofs_check.claims.p6_layers",
    "proofs_check.claims.e8_parity",
    "proofs_check.claims.p7_optimizers",
    "proofs_check.claims.e7_optimizers",
    "proofs_check.claims.e7_dead_relu",
    "proofs_check.claims.e7_dropout",
    "proofs_check.claims.n9_mirror",
    "proofs_check.claims.n10_zero",
    "proofs_check.claims.n11_quotient",
    "proofs_check.claims.n6_plasticity",
    "proofs_check.claims.p8_categories",
    "proofs_check.claims.n3_transverse",
    "proofs_check.claims.n3_derivation",
    "proofs_check.claims.n3b_inertia",
    "proofs_check.claims.n4_categories",
    "proofs_check.claims.n4b_decay",
    "proofs_check.claims.n4c_discrete",
    "proofs_check.claims.n4c_stochastic",
    "proofs_check.claims.n4c_homogeneous",
    "proofs_check.claims.n4c_degree",
    "proofs_check.claims.n12_escape",
    "proofs_check.claims.n12_rounding",
    "proofs_check.claims.n12_prediction",
    "proofs_check.claims.p9_escape",
    "proofs_check.claims.n8_balance",
    "proofs_check.claims.p10_rank_gain",
    "proofs_check.claims.p11_decorrelation",
    "proofs_check.claims.p11_collapse",
    "proofs_check.claims.e11_strength",
    "proofs_check.claims.digits",
)

# The order in which the theory states its theorems; a cell of a table stands where its table does.
THEORY_ORDER: tuple[str, ...] = (
    *("P1", "N0", "P2", "E2a", "E2b", "E2c", "P3", "P4", "P5", "E5a", "E5b", "E5c", "E5d", "E5e"),
    *("P6", "E8", "P7", "E7", "E7d", "E7f", "N9", "N10", "N11", "N6"),
    *("P8", "N3", "N3b", "N4", "N4b", "N4c", "N12", "P9", "N8"),
    *("P10", "E10a", "N10s", "P11", "E11"),
)


def load_claims(modules: tuple[str, ...] = MODULES) -> tuple[Claim, ...]:
    """All claims of the modules, in the order of the theory.

    Raises:
        ClaimError: if ids repeat or are not in the theory, or a correction names no claim.

    >>> [claim.id for claim in load_claims(("proofs_check.claims.p1_tangency",))]
    ['P1']
    """
    claims: dict[str, Claim] = {}
    for module in modules:
        for claim in import_module(module).CLAIMS:
            if claim.id in claims:
                raise ClaimError(f"{module}: there is a claim {claim.id} already")
            if claim.theorem not in THEORY_ORDER:
                raise ClaimError(f"{module}: claim {claim.id} has no place in THEORY_ORDER")
            claims[claim.id] = claim
    for claim in claims.values():
        if claim.corrected_by is not None and claim.corrected_by not in claims:
            raise ClaimError(f"{claim.id}: corrected_by={claim.corrected_by!r}: no such claim")
    return tuple(sorted(claims.values(), key=lambda claim: THEORY_ORDER.index(claim.theorem)))
