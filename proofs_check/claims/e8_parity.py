"""E8: equality among clones and parity with the base network are two certificates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from numerics.exact import prove_invariance
from numerics.parity import prove_parity
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose
from proofs_check.evidence import Evidence, Verdict, conjoin, refuted, unknown
from proofs_check.findings import campaign, from_exact, from_identity
from theory.activation import activation
from theory.architecture import Architecture
from theory.layers import attention, batch_norm, group_norm, layer_norm, rms_norm, softmax
from theory.manifold import block_constant, equitable
from theory.partition import AxisPartition, make_partition

EPS = Fraction(1, 100)
PHI = activation("phi")

Layer = Callable[[dict[str, Any], Any], Any]

# Statistics over the features weigh a unit by the number of its clones.
OVER_FEATURES: Mapping[str, Layer] = {
    "LayerNorm": lambda p, h: layer_norm(h, p["g"], p["c"], eps=EPS),
    "RMSNorm": lambda p, h: rms_norm(h, p["g"], eps=EPS) + p["c"],
    "GroupNorm": lambda p, h: group_norm(h, 2, p["g"], p["c"], eps=EPS),
}


def _batch_norm(p: dict[str, Any], h: Any) -> Any:
    return batch_norm(h, p["g"], p["c"], eps=EPS)


def _softmax(p: dict[str, Any], h: Any) -> Any:
    return softmax(h) * p["g"] + p["c"]


def _around(layer: Layer, inputs: int, units: int) -> Architecture:
    """x → φ(x W + b) → layer → V."""

    def forward(p: dict[str, Any], x: Any) -> Any:
        return layer(p, PHI(x @ p["W"] + p["b"])) @ p["V"]

    return Architecture(
        forward,
        sizes={"x": inputs, "h": units, "y": 1},
        parameters={"W": ("x", "h"), "b": ("h",), "g": ("h",), "c": ("h",), "V": ("h", "y")},
    )


def _widening(choose: Choose, *, is_even: bool) -> AxisPartition:
    """Four units, two in each half of a wider axis, with equal or unequal numbers of clones."""
    one = choose(2, 3) if is_even else choose(1, 2)
    other = one if is_even else one + choose(1, 2)
    half, blocks = one + other, []
    for start in (0, half):
        shift = choose(0, half - 1)
        order = [start + (k + shift) % half for k in range(half)]
        blocks += [tuple(sorted(order[:one])), tuple(sorted(order[one:]))]
    return AxisPartition(2 * half, tuple(blocks))


def _asked(
    base: Architecture, axis: str, blocks: AxisPartition, scales: Mapping[str, Any] | None = None
) -> tuple[Callable[[float, int], Evidence], Callable[[float, int], Evidence]]:
    """The two questions: are clones equal for ever, does the widening keep the function?"""
    wide = replace(base, sizes={**base.sizes, axis: blocks.size})
    partition = make_partition(wide.sizes, {axis: blocks.blocks})
    partition[axis] = blocks

    def equality(bits: float, seed: int) -> Evidence:
        on, tangent = equitable(wide, partition), block_constant(wide, partition)
        found = prove_invariance(wide, on, tangent=tangent, bits=bits, seed=seed)
        return from_exact(found, f"{axis} = {blocks.blocks}")

    def parity(bits: float, seed: int) -> Evidence:
        found = prove_parity(base, wide, partition, scales=scales, bits=bits, seed=seed)
        return from_identity(found, f"{axis} = {blocks.blocks}", "outputs and scaled gradients")

    return equality, parity


def _equal_without_parity(
    equality: Callable[[float, int], Evidence],
    parity: Callable[[float, int], Evidence],
    bits: float,
    seed: int,
) -> Evidence:
    """Holds where clones stay equal and the function of the base is lost."""
    kept, lost = equality(bits, seed), parity(bits, seed)
    if not kept.holds:
        return kept
    if lost.verdict is Verdict.REFUTED:
        return kept
    detail = f"clones stay equal, but parity is {lost.verdict.value}, expected to be lost"
    return refuted(kept.scope, detail) if lost.holds else unknown(kept.scope, detail)


def _count(settings: Settings, small: int) -> int:
    return 20 * small if settings.full else small


def uneven_norms(settings: Settings) -> Evidence:
    """Unequal multiplicities under LayerNorm, RMSNorm, GroupNorm: equality without parity."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        layer = [*OVER_FEATURES.values()][choose(0, 2)]
        base = _around(layer, choose(1, 2), 4)
        asked = _asked(base, "h", _widening(choose, is_even=False))
        return _equal_without_parity(*asked, bits, seed)

    return campaign(settings, "E8 uneven", _count(settings, 24), "normalised networks", test)


def even_norms(settings: Settings) -> Evidence:
    """Equal multiplicities under the same layers, any under BatchNorm: equality and parity."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        layers = [*OVER_FEATURES.values(), _batch_norm]
        chosen = choose(0, len(layers) - 1)
        is_even = chosen < len(OVER_FEATURES) or choose(0, 1) == 0
        base = _around(layers[chosen], choose(1, 2), 4)
        asked = _asked(base, "h", _widening(choose, is_even=is_even))
        return conjoin([question(bits + 1, seed) for question in asked])

    return campaign(settings, "E8 even", _count(settings, 24), "normalised networks", test)


def softmax_over_clones(settings: Settings) -> Evidence:
    """Softmax over a cloned axis: equality without parity, at equal multiplicities too."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        base = _around(_softmax, choose(1, 2), 4)
        asked = _asked(base, "h", _widening(choose, is_even=choose(0, 1) == 0))
        return _equal_without_parity(*asked, bits, seed)

    return campaign(settings, "E8 softmax", _count(settings, 12), "widened softmax layers", test)


def _attending(inputs: int, heads: int, width: int, causal: bool) -> Architecture:
    def forward(p: dict[str, Any], x: Any) -> Any:
        q, k, v = (np.einsum("btx,xhk->bthk", x, p[w]) for w in ("Q", "K", "V"))
        return np.einsum("bthk,hky->bty", attention(q, k, v, causal=causal), p["O"])

    weights = dict.fromkeys(("Q", "K", "V"), ("x", "head", "k"))
    return Architecture(
        forward,
        sizes={"t": 2, "x": inputs, "head": heads, "k": width, "y": 1},
        parameters={**weights, "O": ("head", "k", "y")},
        inputs=("t", "x"),
    )


def _clones(units: int, times: int) -> AxisPartition:
    return AxisPartition(
        units * times, tuple(tuple(range(u, units * times, units)) for u in range(units))
    )


def wider_attention(settings: Settings) -> Evidence:
    """Whole heads; four-fold inside heads with queries halved: equality and parity."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        base = _attending(choose(1, 2), choose(1, 2), 1, causal=choose(0, 1) == 1)
        if choose(0, 1):
            asked = _asked(base, "head", _clones(base.sizes["head"], choose(2, 3)))
        else:
            asked = _asked(base, "k", _clones(1, 4), {"Q": Fraction(1, 2)})
        return conjoin([question(bits + 1, seed) for question in asked])

    return campaign(settings, "E8 attention", _count(settings, 8), "attention layers", test)


def uneven_parity(settings: Settings) -> Evidence:
    """LayerNorm over blocks of 1 and 2 clones computes the base network."""
    blocks = AxisPartition(6, ((0,), (1, 2), (3,), (4, 5)))
    return _asked(_around(OVER_FEATURES["LayerNorm"], 1, 4), "h", blocks)[1](60, settings.seed)


def softmax_parity(settings: Settings) -> Evidence:
    """Softmax over four doubled units computes the base network."""
    return _asked(_around(_softmax, 1, 4), "h", _clones(4, 2))[1](60, settings.seed)


def _inside_heads(settings: Settings, scale: Fraction) -> Evidence:
    base = _attending(1, 1, 1, causal=False)
    return _asked(base, "k", _clones(1, 4), {"Q": scale})[1](60, settings.seed)


def unscaled_queries(settings: Settings) -> Evidence:
    """Heads widened four-fold inside, queries as they were."""
    return _inside_heads(settings, Fraction(1))


def queries_over_r(settings: Settings) -> Evidence:
    """Heads widened four-fold inside, queries divided by 4 instead of √4."""
    return _inside_heads(settings, Fraction(1, 4))


CLAIMS = (
    Claim(
        id="E8",
        title="equality among clones and parity are two certificates",
        statement=(
            "LayerNorm, RMSNorm and GroupNorm over blocks of unequal multiplicity keep clones "
            "equal and change the function; softmax over a cloned axis does so at equal "
            "multiplicity too. Attention keeps its function under whole cloned heads, and under "
            "heads widened r-fold inside if queries are rescaled by 1/√r."
        ),
        hypotheses=(
            "weights are widened by w̃/n_i over source clones, on any leaf of IE∩OE",
            "attention scales scores by 1/√width",
        ),
        where="sharpens the remark that modern layers preserve cloning",
        expected=Verdict.PROVED,
        checks=(
            Check("unequal blocks under normalisation", uneven_norms, part="equality alone"),
            Check("softmax over clones", softmax_over_clones, part="softmax"),
            Check("equal blocks under normalisation", even_norms, part="equality and parity"),
            Check("wider attention", wider_attention, part="attention"),
        ),
        false_variants=(
            FalseVariant(
                "parity under LayerNorm with unequal blocks",
                "the mean weighs a unit by the number of its clones",
                uneven_parity,
            ),
            FalseVariant(
                "parity of a softmax over doubled units",
                "twice as many terms share the sum 1",
                softmax_parity,
            ),
            FalseVariant("queries not rescaled", "scores grow by √r", unscaled_queries),
            FalseVariant("queries divided by r", "scores shrink by √r", queries_over_r),
        ),
    ),
)
