"""Updates by an arbitrary function of one entry, its state and its gradient.

φ and ψ are function symbols without any algebra and a, b, c are arbitrary numbers, so entries are
sent to the same place only if they agree in all arguments: what is proved with these rules holds
for every entrywise optimizer U of their form.
"""

from __future__ import annotations

from typing import Any

from theory.activation import activation
from theory.optimizer.base import Arrays, Optimizer, Scalars, exact_numbers, like

PHI, PSI = activation("update"), activation("memory")


def arbitrary_increment() -> Optimizer:
    """θ' = θ + φ(b s + c g), s' = ψ(b s + c g): the increment depends on g's history only."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        z = h["b"] * s["s"] + h["c"] * g
        return w + PHI(z), {"s": PSI(z)}

    return Optimizer("θ + U(s, g)", exact_numbers(b=1, c=1), rule, like("momentum", "s"))


def silent_increment() -> Optimizer:
    """θ' = θ + z φ(z), s' = z ψ(z), z = b s + c g: an increment that is 0 without a signal."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        z = h["b"] * s["s"] + h["c"] * g
        return w + z * PHI(z), {"s": z * PSI(z)}

    name = "θ + U(s, g), U(0, 0) = 0"
    return Optimizer(name, exact_numbers(b=1, c=1), rule, like("momentum", "s"))


def arbitrary_decay() -> Optimizer:
    """θ' = (1 - λ) θ + φ(b s + c g), s' = ψ(b s + c g)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        z = h["b"] * s["s"] + h["c"] * g
        return (1 - h["decay"]) * w + PHI(z), {"s": PSI(z)}

    numbers = exact_numbers(b=1, c=1, decay="0.01")
    return Optimizer("(1 - λ)θ + U(s, g)", numbers, rule, like("momentum", "s"))


def arbitrary_update() -> Optimizer:
    """θ' = φ(a θ + b s + c g), s' = ψ(a θ + b s + c g)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        z = h["a"] * w + h["b"] * s["s"] + h["c"] * g
        return PHI(z), {"s": PSI(z)}

    return Optimizer("U(θ, s, g)", exact_numbers(a=1, b=1, c=1), rule, like("momentum", "s"))


def arbitrary_span() -> Optimizer:
    """θ' = θ + a z + b g, z' = c z + d g: any combination of past gradients.

    z stands for all past gradients. They lie in BC, and so does what they span; an arbitrary z of
    BC is as good as any number of them, with coefficients that are functions of anything: losses,
    inner products, all parameters. Line search, conjugate gradients, L-BFGS from a multiple of
    the identity and averages of past points are of this form.
    """

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return w + h["a"] * s["z"] + h["b"] * g, {"z": h["c"] * s["z"] + h["d"] * g}

    return Optimizer(
        "any span of gradients", exact_numbers(a=1, b=1, c=1, d=1), rule, like("momentum", "z")
    )
