"""Rules with a number for each unit or tensor, or for all together: norms, clipping, centring."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from theory.optimizer.adaptive import ADAM, adam_direction, bias_corrections, moments
from theory.optimizer.base import Arrays, Gradient, Optimizer, Scalars, exact_numbers, like
from theory.optimizer.sgd import sgd


def norm(a: Any) -> Any:
    """Euclidean norm of all entries."""
    return np.sqrt(np.sum(a * a))


def joint_norm(arrays: Arrays) -> Any:
    """Euclidean norm of all entries of all arrays."""
    return np.sqrt(reduce(lambda a, b: a + b, (np.sum(a * a) for a in arrays.values())))


def clipped_sgd() -> Optimizer:
    """θ' = θ - η g min(1, c / (‖g‖ + 10⁻⁶)) with the norm of the whole gradient."""

    def slopes(theta: Arrays, gradient: Gradient, h: Scalars) -> Arrays:
        found = gradient(theta)
        factor = np.minimum(1, h["clip"] / (joint_norm(found) + h["eps"]))
        return {p: factor * g for p, g in found.items()}

    numbers = exact_numbers(rate="0.02", clip=1, eps="1e-6")
    return replace(sgd(), name="clipping (norm)", hyperparameters=numbers, slopes=slopes)


def value_clipped_sgd() -> Optimizer:
    """θ' = θ - η min(max(g, -c), c), entry by entry."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        # in this form 0 is kept whatever is known of the sign of c
        above, below = np.maximum(g - h["clip"], 0), np.maximum(-g - h["clip"], 0)
        return w - h["rate"] * (g - above + below), s

    return Optimizer("clipping (value)", exact_numbers(rate="0.02", clip="0.01"), rule)


def unit_clipped_sgd() -> Optimizer:
    """θ' = θ - η g min(1, c max(‖θ‖, ε) / max(‖g‖, δ)), norms of each target's incoming weights.

    Adaptive gradient clipping (Brock et al. 2021). Weights are matrices (source, target); a vector
    is clipped as a whole.
    """

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        size, slope = np.maximum(_unit_norm(w), h["eps"]), np.maximum(_unit_norm(g), h["delta"])
        return w - h["rate"] * g * np.minimum(1, h["clip"] * size / slope), s

    numbers = exact_numbers(rate="0.02", clip="0.01", eps="1e-3", delta="1e-6")
    return Optimizer("clipping (unit-wise, AGC)", numbers, rule)


def _unit_norm(a: Any) -> Any:
    return norm(a) if a.ndim < 2 else np.sqrt(np.sum(a * a, axis=-2, keepdims=True))


def centralised_sgd() -> Optimizer:
    """θ' = θ - η (g - mean of g over the sources of each target) (Yong et al. 2020).

    Weights are matrices (source, target); vectors are left alone.
    """

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        centred = g if w.ndim < 2 else g - np.mean(g, axis=-2, keepdims=True)
        return w - h["rate"] * centred, s

    return Optimizer("gradient centralisation", exact_numbers(rate="0.02"), rule)


def _lars(w: Any, g: Any, decay: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
    local = h["trust"] * norm(w) / (norm(g) + decay * norm(w) + h["eps"])
    m = h["momentum"] * s["m"] + h["rate"] * local * (g + decay * w)
    return w - m, {"m": m}


def lars() -> Optimizer:
    """m' = μ m + η ρ (‖θ‖ / (‖g‖ + ε)) g, θ' = θ - m', norms of each tensor (You et al. 2017)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return _lars(w, g, 0, s, h)

    numbers = exact_numbers(rate=1, trust="0.001", momentum="0.9", eps="1e-8")
    return Optimizer("LARS without decay", numbers, rule, like("momentum", "m"))


def lars_decay() -> Optimizer:
    """LARS with g + λθ for g, and ‖g‖ + λ‖θ‖ for ‖g‖."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return _lars(w, g, h["decay"], s, h)

    numbers = exact_numbers(rate=1, trust="0.001", momentum="0.9", eps="1e-8", decay="0.01")
    return Optimizer("LARS with decay", numbers, rule, like("momentum", "m"))


def lamb() -> Optimizer:
    """u = m̂ / (√v̂ + ε) + λθ, θ' = θ - η (‖θ‖ / ‖u‖) u, norms of each tensor (You et al. 2020)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        direction, after = adam_direction(g, s, h)
        u = direction + h["decay"] * w
        return w - h["rate"] * norm(w) / norm(u) * u, after

    numbers = exact_numbers(**ADAM, decay="0.01")
    return Optimizer("LAMB", numbers, rule, moments, schedule=bias_corrections)
