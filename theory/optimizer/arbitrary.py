"""Updates by an arbitrary function of one entry, its state and its gradient.

φ is a function symbol without any algebra and a, b, c are arbitrary numbers, so what is proved with
these rules holds for every entrywise optimizer of their form.
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

    return Optimizer("θ + U(s, g)", exact_numbers(b=1, c=1), rule, like("scale", "s"))


def arbitrary_decay() -> Optimizer:
    """θ' = (1 - λ) θ + φ(b s + c g), s' = ψ(b s + c g)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        z = h["b"] * s["s"] + h["c"] * g
        return (1 - h["decay"]) * w + PHI(z), {"s": PSI(z)}

    numbers = exact_numbers(b=1, c=1, decay="0.01")
    return Optimizer("(1 - λ)θ + U(s, g)", numbers, rule, like("scale", "s"))


def arbitrary_update() -> Optimizer:
    """θ' = φ(a θ + b s + c g), s' = ψ(a θ + b s + c g)."""

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        z = h["a"] * w + h["b"] * s["s"] + h["c"] * g
        return PHI(z), {"s": PSI(z)}

    return Optimizer("U(θ, s, g)", exact_numbers(a=1, b=1, c=1), rule, like("scale", "s"))
