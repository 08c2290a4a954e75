"""What is tried against loss of plasticity: normalised MLPs, shrink and perturb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from numerics.train import Weights
from theory.activation import activation
from theory.architecture import Architecture
from theory.layers import batch_norm, layer_norm
from theory.optimizer import Optimizer, Slot
from theory.optimizer.base import Arrays, Scalars, exact_numbers, like

Norm = Literal["none", "batch", "layer"]
EPSILON = Fraction(1, 100_000)


def normalised_mlp(widths: Sequence[int], norm: Norm) -> Architecture:
    """A ReLU MLP, normalised in front of each hidden activation, with its own gains.

    Parameters ``W1 (x, h1)``, ``b1 (h1,)``, and ``gain1 (h1,)`` with a normalisation. BatchNorm
    takes the statistics of the batch it sees.

    >>> normalised_mlp([3, 4, 2], "layer").num_parameters
    30
    """
    last = len(widths) - 1
    axes = ["x", *(f"h{k}" for k in range(1, last)), "y"]
    relu = activation("relu")
    parameters: dict[str, tuple[str, ...]] = {}
    for k in range(1, last + 1):
        parameters |= {f"W{k}": (axes[k - 1], axes[k]), f"b{k}": (axes[k],)}
        if norm != "none" and k < last:
            parameters[f"gain{k}"] = (axes[k],)

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = x
        for k in range(1, last):
            z = h @ p[f"W{k}"]
            match norm:
                case "batch":
                    z = batch_norm(z, p[f"gain{k}"], p[f"b{k}"], eps=EPSILON)
                case "layer":
                    z = layer_norm(z, p[f"gain{k}"], p[f"b{k}"], eps=EPSILON)
                case "none":
                    z = z + p[f"b{k}"]
            h = relu(z)
        return h @ p[f"W{last}"] + p[f"b{last}"]

    sizes = dict(zip(axes, widths, strict=True))
    return Architecture(forward, sizes, parameters, name=f"ReLU MLP, norm {norm}")


def he_weights(net: Architecture, seeds: Sequence[int]) -> Weights:
    """Normal weights of variance 2/fan-in, biases 0 and gains 1, ``(members, *shape)``."""
    weights: Weights = {}
    for k, (p, shape) in enumerate(net.parameter_shapes.items()):
        if p.startswith("W"):
            draws = [np.random.default_rng((seed, k)).normal(size=shape) for seed in seeds]
            weights[p] = np.stack(draws) * np.sqrt(2 / shape[0])
        else:
            weights[p] = np.full((len(seeds), *shape), 1.0 if p.startswith("gain") else 0.0)
    return weights


def shrink_and_perturb(optimizer: Optimizer) -> Optimizer:
    """The step of an optimizer, then θ' - sθ + σξ, in every step (Ash and Adams 2020).

    >>> from theory.optimizer import sgd
    >>> sorted(shrink_and_perturb(sgd()).hyperparameters)
    ['perturb', 'rate', 'shrink']
    """

    def slots(ndim: int) -> tuple[Slot, ...]:
        return (*optimizer.slots(ndim), *like("noise", "xi")(ndim))

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        moved, after = optimizer.rule(w, g, s, h)
        return moved - h["shrink"] * w + h["perturb"] * s["xi"], {**after, "xi": s["xi"]}

    numbers = {**optimizer.hyperparameters, **exact_numbers(shrink="0.001", perturb="0.003")}
    name = f"{optimizer.name}, shrink and perturb"
    return replace(optimizer, name=name, hyperparameters=numbers, rule=rule, slots=slots)
