"""Gradient descent and its relatives: momentum, decay, signs, noise, a pull to the start.

Each rule is linear in the gradient or takes its sign. η is ``rate``, μ ``momentum``, λ ``decay``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.optimizer.base import Arrays, Optimizer, Scalars, exact_numbers, like


def sgd() -> Optimizer:
    """θ' = θ - η g: gradient descent on all data, SGD on a mini-batch."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return w - h["rate"] * g, s

    return Optimizer("SGD", exact_numbers(rate="0.02"), rule)


def _heavy_ball(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
    m = h["momentum"] * s["m"] + g
    return w - h["rate"] * m, {"m": m}


def heavy_ball() -> Optimizer:
    """m' = μ m + g, θ' = θ - η m' (Polyak 1964)."""
    numbers = exact_numbers(rate="0.002", momentum="0.9")
    return Optimizer("heavy ball", numbers, _heavy_ball, like("momentum", "m"))


def nesterov() -> Optimizer:
    """m' = μ m + g, θ' = θ - η (g + μ m') (Sutskever et al. 2013)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        m = h["momentum"] * s["m"] + g
        return w - h["rate"] * (g + h["momentum"] * m), {"m": m}

    numbers = exact_numbers(rate="0.002", momentum="0.9")
    return Optimizer("Nesterov", numbers, rule, like("momentum", "m"))


def sgd_l2() -> Optimizer:
    """θ' = (1 - ηλ) θ - η g."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return w - h["rate"] * (g + h["decay"] * w), s

    return Optimizer("SGD with L2", exact_numbers(rate="0.02", decay="0.01"), rule)


def heavy_ball_l2() -> Optimizer:
    """m' = μ m + g + λθ, θ' = θ - η m': the decay enters the momentum."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return _heavy_ball(w, g + h["decay"] * w, s, h)

    numbers = exact_numbers(rate="0.002", momentum="0.9", decay="0.01")
    return Optimizer("heavy ball with L2", numbers, rule, like("momentum", "m"))


def sgd_l1() -> Optimizer:
    """θ' = θ - η (g + λ sign θ)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return w - h["rate"] * (g + h["decay"] * np.sign(w)), s

    return Optimizer("SGD with L1", exact_numbers(rate="0.02", decay="0.01"), rule)


def sign_sgd() -> Optimizer:
    """θ' = θ - η sign g (Bernstein et al. 2018)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return w - h["rate"] * np.sign(g), s

    return Optimizer("sign-SGD", exact_numbers(rate="0.001"), rule)


def _lion(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
    direction = np.sign(h["beta1"] * s["m"] + (1 - h["beta1"]) * g)
    return w - h["rate"] * direction, {"m": h["beta2"] * s["m"] + (1 - h["beta2"]) * g}


def lion() -> Optimizer:
    """θ' = θ - η sign(β₁ m + (1 - β₁) g), m' = β₂ m + (1 - β₂) g (Chen et al. 2023)."""
    numbers = exact_numbers(rate="0.001", beta1="0.9", beta2="0.99")
    return Optimizer("Lion", numbers, _lion, like("momentum", "m"))


def lion_decay() -> Optimizer:
    """Lion from (1 - ηλ) θ."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return _lion((1 - h["rate"] * h["decay"]) * w, g, s, h)

    numbers = exact_numbers(rate="0.001", beta1="0.9", beta2="0.99", decay="0.1")
    return Optimizer("Lion with decay", numbers, rule, like("momentum", "m"))


def noisy_sgd() -> Optimizer:
    """θ' = θ - η (g + σ ξ) with ξ drawn independently for each entry."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return w - h["rate"] * (g + h["noise"] * s["xi"]), s

    numbers = exact_numbers(rate="0.02", noise="0.01")
    return Optimizer("noisy SGD", numbers, rule, like("noise", "xi"))


def l2_init() -> Optimizer:
    """θ' = θ - η (g + λ (θ - θ₀)): a pull to the initial point (Kumar et al. 2023)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return w - h["rate"] * (g + h["decay"] * (w - s["start"])), s

    numbers = exact_numbers(rate="0.02", decay="0.01")
    return Optimizer("L2-init", numbers, rule, like("anchor", "start"))
