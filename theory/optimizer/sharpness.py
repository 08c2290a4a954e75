"""Sharpness-aware minimisation: the gradient of a point uphill."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from theory.optimizer.base import Arrays, Gradient, Optimizer, Scalars, exact_numbers
from theory.optimizer.layerwise import joint_norm
from theory.optimizer.sgd import sgd


def sam() -> Optimizer:
    """θ' = θ - η ∇L(θ + ρ g / (‖g‖ + ε)) on the same mini-batch (Foret et al. 2021)."""

    def slopes(theta: Arrays, gradient: Gradient, h: Scalars) -> Arrays:
        g = gradient(theta)
        length = h["radius"] / (joint_norm(g) + h["eps"])
        return gradient({p: w + length * g[p] for p, w in theta.items()})

    numbers = exact_numbers(rate="0.02", radius="0.05", eps="1e-12")
    return replace(sgd(), name="SAM", hyperparameters=numbers, slopes=slopes)


def asam() -> Optimizer:
    """SAM in the norm ‖g |θ|‖: θ' = θ - η ∇L(θ + ρ θ² g / (‖θ g‖ + ε)) (Kwon et al. 2021)."""

    def slopes(theta: Arrays, gradient: Gradient, h: Scalars) -> Arrays:
        g = gradient(theta)
        scaled = {p: np.abs(w) * g[p] for p, w in theta.items()}
        length = h["radius"] / (joint_norm(scaled) + h["eps"])
        return gradient({p: w + length * np.abs(w) * scaled[p] for p, w in theta.items()})

    numbers = exact_numbers(rate="0.02", radius="0.5", eps="1e-12")
    return replace(sgd(), name="ASAM", hyperparameters=numbers, slopes=slopes)
