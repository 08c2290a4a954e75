"""E7f: dropout parts clones by its noise alone; the gradient averaged over masks keeps BC."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from numerics.identity import vanishes
from numerics.steps.invariance import embedded, residuals_of
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Verdict
from proofs_check.findings import from_identity
from theory.activation import activation
from theory.backprop import gradient
from theory.graph import Builder, Graph
from theory.manifold import block_constant, equitable
from theory.partition import make_partition
from theory.primitives import Input
from theory.rewrite import substitute
from theory.tracing import as_traced, record
from theory.zoo import mlp
from theory.zoo.masked import masked_mlp

WIDTHS = (2, 2, 3, 1)
BLOCKS: dict[str, list[list[int]]] = {"h1": [[0, 1]], "h2": [[0, 2]]}
LOSS = activation("loss")  # from an output to its adjoint, for the target at hand
MASKS = tuple(product((0, 1), repeat=WIDTHS[1] + WIDTHS[2]))

Mask = tuple[int, ...]


def exchangeable(mask: Mask) -> tuple[int, ...]:
    """What a weight may depend on: how many units of each block are kept."""
    return mask[0] + mask[1], mask[2] + mask[4], mask[3]


def arbitrary(mask: Mask) -> tuple[int, ...]:
    """The mask itself."""
    return mask


def mean_gradient(make: Callable[..., Any], weight: Callable[[Mask], tuple[int, ...]]) -> Graph:
    """The part normal to BC of Σ p(m) ∇ℓ(y(m)) over all masks m, at a point of a manifold.

    p(m) is an arbitrary number for each value of ``weight(m)``.
    """
    plain, masked = mlp(WIDTHS), masked_mlp(WIDTHS)
    clones = make_partition(plain.sizes, BLOCKS)
    builder = Builder()
    theta = embedded(builder, make(plain, clones), "point")
    data = record(builder, Input("data", (1, WIDTHS[0])))
    rows: Any = np.broadcast_to(data, (len(MASKS), WIDTHS[0]))
    masks: Any = as_traced(builder, np.array(MASKS))
    given: dict[str, Any] = {**theta, "x": np.concatenate([rows, masks], axis=1)}
    classes = sorted({weight(mask) for mask in MASKS})
    weights: Any = record(builder, Input("weights", (len(classes), 1)))
    each: Any = np.take(weights, [classes.index(weight(mask)) for mask in MASKS], axis=0)
    forward = masked.graph(len(MASKS))
    y = substitute(builder, forward, given)["y"]
    found = substitute(builder, gradient(forward), {**given, "adjoint:y": LOSS(y) * each})
    slopes = {p: found[f"grad:{p}"] for p in plain.parameters}
    residuals = residuals_of(block_constant(plain, clones), slopes)
    return builder.finish({name: value.number for name, value in residuals if value.size})


def check(
    make: Callable[..., Any], weight: Callable[[Mask], tuple[int, ...]], settings: Settings
) -> Evidence:
    """Over prime fields: all 32 masks, arbitrary weights, data, φ and loss."""
    found = vanishes(mean_gradient(make, weight), bits=60, seed=settings.sub_seed("E7f"))
    scope = "masked_mlp:2-2-3-1, two blocks of two clones, all 32 masks"
    return from_identity(found, scope, "the gradient averaged over masks lies in BC")


CLAIMS = (
    Claim(
        id="E7f",
        title="dropout's mean gradient keeps clones",
        statement=(
            "At a point of BC the gradient of a loss averaged over the masks of dropout lies in "
            "BC, for every distribution of masks that is symmetric in the units of a block: "
            "clones part by the noise of the masks alone."
        ),
        hypotheses=(
            "the probability of a mask depends on how many units of each block it keeps",
            "any φ and loss; the mean is over all masks",
        ),
        where="sharpens what the remark on optimizers says of noise",
        expected=Verdict.PROVED,
        checks=(
            Check("all masks over prime fields", partial(check, block_constant, exchangeable)),
        ),
        false_variants=(
            FalseVariant(
                "on IE∩OE too",
                "clones with different outgoing weights are not exchanged by a symmetry",
                partial(check, equitable, exchangeable),
            ),
            FalseVariant(
                "clones dropped with different probabilities",
                "a clone that is kept more often gets more of the gradient",
                partial(check, block_constant, arbitrary),
            ),
        ),
    ),
)
