"""Adaptive rules: each entry, row or column is divided by the size of its past gradients.

η is ``rate``, ε ``eps``, λ ``decay``; ``correction1`` and ``root_correction2`` are Adam's 1 - β₁ᵗ
and √(1 - β₂ᵗ) at step t.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from theory.optimizer.base import Arrays, Optimizer, Scalars, Slot, exact_numbers, like


def rmsprop() -> Optimizer:
    """v' = α v + (1 - α) g², θ' = θ - η g / (√v' + ε) (Tieleman and Hinton 2012)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        v = h["alpha"] * s["v"] + (1 - h["alpha"]) * g * g
        return w - h["rate"] * g / (np.sqrt(v) + h["eps"]), {"v": v}

    numbers = exact_numbers(rate="0.01", alpha="0.99", eps="1e-8")
    return Optimizer("RMSProp", numbers, rule, like("scale", "v"))


def adagrad() -> Optimizer:
    """v' = v + g², θ' = θ - η g / (√v' + ε) (Duchi et al. 2011)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        v = s["v"] + g * g
        return w - h["rate"] * g / (np.sqrt(v) + h["eps"]), {"v": v}

    return Optimizer("Adagrad", exact_numbers(rate="0.01", eps="1e-10"), rule, like("scale", "v"))


ADAM: Mapping[str, str] = {"rate": "0.001", "beta1": "0.9", "beta2": "0.999", "eps": "1e-8"}


def moments(ndim: int) -> tuple[Slot, ...]:
    """Adam's two moments."""
    return (*like("momentum", "m")(ndim), *like("scale", "v")(ndim))


def bias_corrections(step: int, h: Scalars) -> Scalars:
    """The hyperparameters, 1 - β₁ᵗ and √(1 - β₂ᵗ)."""
    return {
        **h,
        "correction1": 1 - h["beta1"] ** step,
        "root_correction2": (1 - h["beta2"] ** step) ** Fraction(1, 2),
    }


def adam_direction(g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
    """m̂ / (√v̂ + ε) and the new moments."""
    m = h["beta1"] * s["m"] + (1 - h["beta1"]) * g
    v = h["beta2"] * s["v"] + (1 - h["beta2"]) * g * g
    size = np.sqrt(v) / h["root_correction2"] + h["eps"]
    return m / (h["correction1"] * size), {"m": m, "v": v}


def _adam(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
    direction, after = adam_direction(g, s, h)
    return w - h["rate"] * direction, after


def adam() -> Optimizer:
    """θ' = θ - η m̂ / (√v̂ + ε) (Kingma and Ba 2015)."""
    return Optimizer("Adam", exact_numbers(**ADAM), _adam, moments, schedule=bias_corrections)


def adamw() -> Optimizer:
    """Adam from (1 - ηλ) θ (Loshchilov and Hutter 2019)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return _adam((1 - h["rate"] * h["decay"]) * w, g, s, h)

    numbers = exact_numbers(**ADAM, decay="0.01")
    return Optimizer("AdamW", numbers, rule, moments, schedule=bias_corrections)


def adam_l2() -> Optimizer:
    """Adam with g + λθ for g: the decay is divided by the gradient's size too."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return _adam(w, g + h["decay"] * w, s, h)

    numbers = exact_numbers(**ADAM, decay="0.01")
    return Optimizer("Adam with L2", numbers, rule, moments, schedule=bias_corrections)


def adafactor() -> Optimizer:
    """Second moments of rows and columns only, steps relative to the tensor's size.

    For a matrix R' = β R + (1 - β) mean of g² over rows, C' likewise over columns,
    u = g / √max(R' C' / mean R', ε₁²), θ' = θ - α u / max(1, rms(u) / d) with
    α = ρ max(ε₂, rms(θ)); a vector keeps all second moments (Shazeer and Stern 2018).
    """

    def slots(ndim: int) -> tuple[Slot, ...]:
        own = tuple(range(ndim))
        if ndim < 2:
            return (Slot("v", own, "scale"),)
        row, column = (*own[:-1], None), (*own[:-2], None, own[-1])
        return (Slot("row", row, "scale"), Slot("column", column, "scale"))

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        fresh = h["fresh"]
        if w.ndim < 2:
            after = {"v": (1 - fresh) * s["v"] + fresh * g * g}
            estimate = after["v"]
        else:
            row = (1 - fresh) * s["row"] + fresh * np.mean(g * g, axis=-1, keepdims=True)
            column = (1 - fresh) * s["column"] + fresh * np.mean(g * g, axis=-2, keepdims=True)
            after = {"row": row, "column": column}
            estimate = row @ column / np.maximum(np.mean(row, axis=-2, keepdims=True), h["eps1"])
        u = g / np.sqrt(np.maximum(estimate, h["eps1"] * h["eps1"]))
        length = np.maximum(h["eps2"], _rms(w)) * h["rho"]
        return w - length * u / np.maximum(1, _rms(u) / h["clip"]), after

    def schedule(step: int, h: Scalars) -> Scalars:
        rho = min(h["rate"], step ** Fraction(-1, 2))
        return {**h, "fresh": step ** h["beta2_decay"], "rho": rho}

    numbers = exact_numbers(
        rate="0.01", beta2_decay="-0.8", eps1=Fraction(1, 2**52), eps2="0.001", clip=1
    )
    return Optimizer("Adafactor", numbers, rule, slots, schedule=schedule)


def _rms(a: Any) -> Any:
    return np.sqrt(np.sum(a * a) / prod(a.shape))
