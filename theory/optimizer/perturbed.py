"""Optimizers that treat entries differently: what no set of clones or of idle units survives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from theory.optimizer.base import Arrays, Optimizer, Scalars, Slot, like


def entrywise_rates(optimizer: Optimizer) -> Optimizer:
    """The steps of an optimizer, those of each entry times a number of its own."""

    def slots(ndim: int) -> tuple[Slot, ...]:
        return (*optimizer.slots(ndim), *like("noise", "own")(ndim))

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        moved, after = optimizer.rule(w, g, s, h)
        return w + s["own"] * (moved - w), {**after, "own": s["own"]}

    return replace(optimizer, name=f"{optimizer.name}, rates by entry", rule=rule, slots=slots)


def noisy_gradients(optimizer: Optimizer) -> Optimizer:
    """An optimizer that is given g + ξ with ξ drawn independently for each entry."""

    def slots(ndim: int) -> tuple[Slot, ...]:
        return (*optimizer.slots(ndim), *like("noise", "xi")(ndim))

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        moved, after = optimizer.rule(w, g + s["xi"], s, h)
        return moved, {**after, "xi": s["xi"]}

    return replace(optimizer, name=f"{optimizer.name}, noisy gradients", rule=rule, slots=slots)


def own_pulls(optimizer: Optimizer) -> Optimizer:
    """An optimizer after whose step each entry is moved by a number of its own."""

    def slots(ndim: int) -> tuple[Slot, ...]:
        return (*optimizer.slots(ndim), *like("noise", "pull")(ndim))

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        moved, after = optimizer.rule(w, g, s, h)
        return moved + s["pull"], {**after, "pull": s["pull"]}

    return replace(optimizer, name=f"{optimizer.name}, pulled", rule=rule, slots=slots)
