"""Rules with a function of a matrix: Muon, Shampoo.

Vectors have no singular values: Muon leaves them to Nesterov's momentum, Shampoo has one matrix of
statistics for them.

A function of a symmetric n × n matrix A is, at A, a polynomial of A of degree below n (Cayley and
Hamilton; Higham 2008, §1.2). So a statement that holds for ``Σ cₖ Aᵏ`` with arbitrary cₖ holds for
all functions: the inverse root of Shampoo and the orthogonal factor of Muon, however computed.
:func:`any_muon` and :func:`any_shampoo` are the rules with such polynomials.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from theory.optimizer.base import Arrays, Optimizer, Scalars, Slot, exact_numbers, like
from theory.optimizer.layerwise import norm

NEWTON_SCHULZ = ("3.4445", "-4.775", "2.0315")  # of Muon, K. Jordan 2024


def newton_schulz(g: Any, h: Scalars) -> Any:
    """X ↦ (a + b XXᵀ + c (XXᵀ)²) X five times from g / max(‖g‖, ε): singular values towards 1."""
    is_tall = g.shape[-2] > g.shape[-1]
    x = g.T if is_tall else g
    x = x / np.maximum(norm(x), h["eps"])
    for _ in range(5):
        square = x @ x.T
        x = h["a"] * x + (h["b"] * square + h["c"] * (square @ square)) @ x
    return x.T if is_tall else x


def _muon(name: str, orthogonal: Callable[[Any, Scalars], Any], **numbers: str) -> Optimizer:
    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        fresh = 1 - h["momentum"]
        m = h["momentum"] * s["m"] + fresh * g
        direction = h["momentum"] * m + fresh * g
        if w.ndim == 2:
            direction = h["shape"] * orthogonal(direction, h)
        return w - h["rate"] * direction, {"m": m}

    own = exact_numbers(rate="0.02", momentum="0.95", shape=1, **numbers)
    return Optimizer(name, own, rule, like("momentum", "m"))


def muon() -> Optimizer:
    """Nesterov's momentum, each matrix orthogonalised by Newton–Schulz (Jordan 2024).

    m' = μ m + (1 - μ) g, θ' = θ - η NS(μ m' + (1 - μ) g). PyTorch's factor √max(1, rows/columns)
    is ``shape``, 1 here; it works in bfloat16, this rule in the numbers it is given.
    """
    a, b, c = NEWTON_SCHULZ
    return _muon("Muon", newton_schulz, a=a, b=b, c=c, eps="1e-7")


def any_muon(size: int) -> Optimizer:
    """Muon with an arbitrary function of GGᵀ for matrices of at most ``size`` rows and columns."""

    def orthogonal(g: Any, h: Scalars) -> Any:
        return matrix_polynomial(g @ g.T, h, "left") @ g

    return _muon("Muon, any function", orthogonal, **_coefficients("left", size))


def matrix_polynomial(a: Any, h: Scalars, name: str) -> Any:
    """Σ cₖ Aᵏ for k below the size of A, with the scalars ``name0`` and so on."""
    power: Any = np.eye(a.shape[-1], dtype=int)
    total = h[f"{name}0"] * power
    for k in range(1, a.shape[-1]):
        power = a if k == 1 else power @ a
        total = total + h[f"{name}{k}"] * power
    return total


def _coefficients(name: str, size: int) -> dict[str, str]:
    return {f"{name}{k}": f"1/{k + 1}" for k in range(size)}


def inverse_root(a: Any, p: int, iterations: int = 15) -> Any:
    """A^(-1/p) of a positive definite matrix by the coupled Newton iteration.

    X ← X ((p + 1) I - M) / p, M ← (((p + 1) I - M) / p)ᵖ M from M = zA, X = z^(1/p) I with
    z = (p + 1) / (2 ‖A‖) (Guo and Higham 2006), for p a power of 2.
    """
    identity = np.eye(a.shape[-1], dtype=int)
    z = (p + 1) / (2 * norm(a))
    scale = z
    for _ in range(p.bit_length() - 1):
        scale = np.sqrt(scale)
    m, x = z * a, scale * identity
    for _ in range(iterations):
        factor = ((p + 1) * identity - m) / p
        x = x @ factor
        for _ in range(p.bit_length() - 1):
            factor = factor @ factor
        m = factor @ m
    return x


def _shampoo(name: str, root: Callable[[Any, int, Scalars, str], Any], **numbers: str) -> Optimizer:
    def slots(ndim: int) -> tuple[Slot, ...]:
        names = ("left", "right")[:ndim]
        return tuple(Slot(side, (k, k), "statistics") for k, side in enumerate(names))

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        if w.ndim == 1:
            left = s["left"] + g[:, None] * g[None, :]
            return w - h["rate"] * (root(left, 2, h, "left") @ g), {"left": left}
        left, right = s["left"] + g @ g.T, s["right"] + g.T @ g
        direction = root(left, 4, h, "left") @ g @ root(right, 4, h, "right")
        return w - h["rate"] * direction, {"left": left, "right": right}

    return Optimizer(name, exact_numbers(rate="0.02", damping="0.01", **numbers), rule, slots)


def shampoo() -> Optimizer:
    """L' = L + ggᵀ, R' = R + gᵀg, θ' = θ - η L'^(-1/4) g R'^(-1/4) (Gupta et al. 2018).

    L and R start at ε·I; a vector has L alone, with the root -1/2.
    """
    return _shampoo("Shampoo", lambda a, p, h, side: inverse_root(a, p))


def any_shampoo(size: int) -> Optimizer:
    """Shampoo with arbitrary functions of L' and R', for axes of at most ``size``."""
    numbers = {**_coefficients("left", size), **_coefficients("right", size)}
    return _shampoo(
        "Shampoo, any function", lambda a, p, h, side: matrix_polynomial(a, h, side), **numbers
    )
