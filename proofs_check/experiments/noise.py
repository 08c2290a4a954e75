"""What treats clones differently: noise in proportion to the gradient, and dropout."""

from __future__ import annotations

from math import prod, sqrt
from typing import Any

import numpy as np

from numerics.systems.system import Array
from theory.activation import activation
from theory.architecture import Architecture
from theory.layers import dropout
from theory.optimizer import Optimizer
from theory.optimizer.base import Arrays, Scalars, exact_numbers, like
from theory.optimizer.layerwise import norm


def proportional_noise(by_entry: bool) -> Optimizer:
    """θ' = θ - η (g + σ_t c ‖g‖ ξ), σ_t = σ₀ λᵗ, with c = 1 or c = 1/√P for P entries of a tensor.

    Norms are those of each tensor. With c = 1 the noise is σ_t √P times as long as the gradient,
    with c = 1/√P it is σ_t times as long.

    Args:
        by_entry: c = 1.

    >>> dict(proportional_noise(True).scalars(2))["sigma"]
    0.0025
    """

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        scale = 1.0 if by_entry else 1 / sqrt(prod(w.shape))
        return w - h["rate"] * (g + h["sigma"] * (scale * norm(g)) * s["xi"]), s

    def schedule(step: int, h: Scalars) -> Scalars:
        return {**h, "sigma": float(h["noise"]) * float(h["fade"]) ** step}

    numbers = exact_numbers(rate="0.1", noise="0.01", fade="0.5")
    name = "noisy SGD, σ‖g‖" if by_entry else "noisy SGD, σ‖g‖/√P"
    return Optimizer(name, numbers, rule, like("noise", "xi"), schedule=schedule)


def masked_mlp(net: Architecture) -> Architecture:
    """A ReLU MLP with dropout; its input is the sample and, behind it, a mask a hidden layer.

    >>> from theory.zoo import mlp
    >>> masked_mlp(mlp([2, 3, 4, 1], "relu")).input_shape
    (9,)
    """
    widths = [net.sizes[axes[0]] for p, axes in net.parameters.items() if p.startswith("W")]
    ends = np.cumsum(widths).tolist()
    relu, last = activation("relu"), len(widths)

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = x[:, : ends[0]]
        for k in range(1, last):
            z = h @ p[f"W{k}"] + p[f"b{k}"]
            h = dropout(relu(z), x[:, ends[k - 1] : ends[k]])
        return h @ p[f"W{last}"] + p[f"b{last}"]

    sizes = {**net.sizes, "masked": ends[-1]}
    return Architecture(forward, sizes, net.parameters, ("masked",), f"{net.name}, dropout")


def with_masks(x: Array, hidden: int, drop: float, seed: tuple[int, ...]) -> Array:
    """Samples with fresh masks behind them: 0 with chance p, otherwise 1/(1 - p).

    >>> with_masks(np.ones((1, 2)), 3, 0.0, (0,))
    array([[1., 1., 1., 1., 1.]])
    """
    rng = np.random.default_rng(seed)
    masks = (rng.random((len(x), hidden)) >= drop) / (1 - drop)
    return np.concatenate([x, masks], axis=1)
