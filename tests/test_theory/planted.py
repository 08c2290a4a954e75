"""Planted bugs: reverse rules that are wrong, yet of the right shape.

Each mutant wraps the correct rule of one primitive, or replaces how contributions are added up.
Many are symmetric: they treat all units alike, as an honest mistake in a formula would.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from theory import backprop
from theory.graph import Node
from theory.lowering import contract, scatter
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
    Divide,
    Einsum,
    Multiply,
    Negative,
    Power,
    Reshape,
    Scatter,
    Subtract,
    Sum,
    Take,
    Transpose,
)
from theory.tracing import Traced


@dataclass(frozen=True)
class Pull:
    """One call of the correct rule and its result."""

    rule: Any  # the primitive
    operands: list[Traced]
    value: Traced
    adjoint: Traced
    k: int
    right: Traced

    @property
    def zero(self) -> Traced:
        return self.right * 0

    @property
    def slope(self) -> Any:
        return self.rule.activation.law.derivative(self.operands[0], self.value)


WRONG_RULES: dict[str, tuple[type, Callable[[Pull], Traced]]] = {}


def _wrong(kind: type) -> Callable[[Callable[[Pull], Traced]], Callable[[Pull], Traced]]:
    def register(rule: Callable[[Pull], Traced]) -> Callable[[Pull], Traced]:
        WRONG_RULES[rule.__name__] = (kind, rule)
        return rule

    return register


@_wrong(Add)
def add_detaches_second(c: Pull) -> Traced:
    return c.right if c.k == 0 else c.zero


@_wrong(Add)
def add_halves(c: Pull) -> Traced:
    return c.right / 2


@_wrong(Subtract)
def subtract_loses_sign(c: Pull) -> Traced:
    return c.adjoint


@_wrong(Subtract)
def subtract_swaps_signs(c: Pull) -> Traced:
    return -c.right


@_wrong(Multiply)
def multiply_by_own_operand(c: Pull) -> Traced:
    return c.adjoint * c.operands[c.k]


@_wrong(Multiply)
def multiply_detaches_second(c: Pull) -> Traced:
    return c.right if c.k == 0 else c.zero


@_wrong(Multiply)
def multiply_by_value(c: Pull) -> Traced:
    return c.adjoint * c.value


@_wrong(Multiply)
def multiply_drops_factor(c: Pull) -> Traced:
    return c.adjoint


@_wrong(Divide)
def divide_wrong_sign(c: Pull) -> Traced:
    return c.right if c.k == 0 else -c.right


@_wrong(Divide)
def divide_misses_value(c: Pull) -> Traced:
    return c.right if c.k == 0 else -c.adjoint / c.operands[1]


@_wrong(Divide)
def divide_misses_divisor(c: Pull) -> Traced:
    return c.right if c.k == 0 else -c.adjoint * c.value


@_wrong(Divide)
def divide_detaches_divisor(c: Pull) -> Traced:
    return c.right if c.k == 0 else c.zero


@_wrong(Negative)
def negative_loses_sign(c: Pull) -> Traced:
    return c.adjoint


@_wrong(Power)
def power_misses_factor(c: Pull) -> Traced:
    return c.adjoint * c.operands[0] ** (c.rule.exponent - 1)


@_wrong(Power)
def power_factor_too_small(c: Pull) -> Traced:
    n = c.rule.exponent
    return c.adjoint * (n - 1) * c.operands[0] ** (n - 1)


@_wrong(Power)
def power_keeps_exponent(c: Pull) -> Traced:
    return c.adjoint * c.rule.exponent * c.value


@_wrong(Apply)
def slope_omitted(c: Pull) -> Traced:
    return c.adjoint


@_wrong(Apply)
def slope_squared(c: Pull) -> Traced:
    return c.right * c.slope


@_wrong(Apply)
def slope_negated(c: Pull) -> Traced:
    return -c.right


@_wrong(Apply)
def slope_at_value(c: Pull) -> Traced:
    symbol = c.rule.activation
    return c.adjoint * symbol.law.derivative(c.value, symbol(c.value))


@_wrong(Apply)
def slope_is_value(c: Pull) -> Traced:
    return c.adjoint * c.value


@_wrong(Apply)
def tanh_slope_misses_square(c: Pull) -> Traced:
    is_tanh = c.rule.activation.name == "tanh"
    return c.adjoint * (1 - c.value) if is_tanh else c.right


@_wrong(Apply)
def unknown_slope_at_half(c: Pull) -> Traced:
    symbol = c.rule.activation
    if symbol.is_known:
        return c.right
    return c.adjoint * symbol.derivative_symbol()(c.operands[0] / 2)


@_wrong(Einsum)
def einsum_contracts_own_operand(c: Pull) -> Traced:
    own, _, out = _labels(c)
    if c.operands[0].shape != c.operands[1].shape:
        return c.right
    other = c.rule.labels[1 - c.k]
    return contract([c.adjoint, c.operands[c.k]], [out, other], own)


@_wrong(Einsum)
def einsum_transposes_result(c: Pull) -> Traced:
    turned = c.right.transpose()
    return turned if turned.shape == c.right.shape else c.right


@_wrong(Einsum)
def einsum_detaches_left(c: Pull) -> Traced:
    return c.zero if c.k == 0 else c.right


@_wrong(Einsum)
def einsum_averages_over_first_axis(c: Pull) -> Traced:
    return c.right / c.adjoint.shape[0] if c.adjoint.ndim else c.right


@_wrong(Sum)
def sum_scales_like_mean(c: Pull) -> Traced:
    return c.right * c.adjoint.size / c.right.size


@_wrong(Sum)
def sum_reaches_first_entry_only(c: Pull) -> Traced:
    mask = np.zeros(c.right.shape, dtype=int)
    mask[tuple(0 if a in c.rule.axes else slice(None) for a in range(mask.ndim))] = 1
    return c.right * mask


@_wrong(Broadcast)
def broadcast_averages(c: Pull) -> Traced:
    return c.right * c.right.size / c.adjoint.size


@_wrong(Broadcast)
def broadcast_takes_first_entry(c: Pull) -> Traced:
    added = c.adjoint.ndim - c.right.ndim
    first = c.adjoint[(0,) * added]
    return first[tuple(slice(0, 1) if n == 1 else slice(None) for n in c.right.shape)]


@_wrong(Reshape)
def reshape_in_column_order(c: Pull) -> Traced:
    return c.adjoint.T.reshape(c.right.shape[::-1]).T


@_wrong(Transpose)
def transpose_not_inverted(c: Pull) -> Traced:
    again = c.adjoint.transpose(c.rule.permutation)
    return again if again.shape == c.right.shape else c.right


@_wrong(Transpose)
def transpose_reverses(c: Pull) -> Traced:
    turned = c.adjoint.transpose()
    return turned if turned.shape == c.right.shape else c.right


@_wrong(Take)
def take_shifts_offsets(c: Pull) -> Traced:
    indices = c.rule.indices
    size = c.right.shape[c.rule.axis]
    return scatter(c.adjoint, c.rule.axis, indices[1:] + indices[:1], size)


@_wrong(Take)
def take_overwrites_repeated_entries(c: Pull) -> Traced:
    axis, indices = c.rule.axis, c.rule.indices
    last = {index: position for position, index in enumerate(indices)}
    kept = [int(last[index] == position) for position, index in enumerate(indices)]
    mask = np.reshape(kept, (-1,) + (1,) * (c.adjoint.ndim - axis - 1))
    return scatter(c.adjoint * mask, axis, indices, c.right.shape[axis])


@_wrong(Scatter)
def scatter_swaps_offsets(c: Pull) -> Traced:
    axis, indices = c.rule.axis, c.rule.indices
    return c.adjoint.record(Take(axis, indices[::-1]))


@_wrong(Scatter)
def scatter_forgets_offsets(c: Pull) -> Traced:
    axis, indices = c.rule.axis, c.rule.indices
    return c.adjoint.record(Take(axis, tuple(range(len(indices)))))


@_wrong(Concatenate)
def concatenate_starts_at_zero(c: Pull) -> Traced:
    axis = c.rule.axis
    return c.adjoint.record(Take(axis, tuple(range(c.right.shape[axis]))))


@_wrong(Concatenate)
def concatenate_detaches_tail(c: Pull) -> Traced:
    return c.right if c.k == 0 else c.zero


def _labels(c: Pull) -> tuple[str, str, str]:
    left, right, out = c.rule.labels
    return (left, right, out) if c.k == 0 else (right, left, out)


Adjoints = dict[int, Traced]


def overwrites(adjoints: Adjoints, k: int, contribution: Traced) -> None:
    adjoints[k] = contribution


def keeps_first(adjoints: Adjoints, k: int, contribution: Traced) -> None:
    adjoints.setdefault(k, contribution)


def averages(adjoints: Adjoints, k: int, contribution: Traced) -> None:
    adjoints[k] = (adjoints[k] + contribution) / 2 if k in adjoints else contribution


def alternates_signs(adjoints: Adjoints, k: int, contribution: Traced) -> None:
    adjoints[k] = contribution - adjoints[k] if k in adjoints else contribution


WRONG_SUMS = {f.__name__: f for f in (overwrites, keeps_first, averages, alternates_signs)}
MUTANTS = (*WRONG_RULES, *WRONG_SUMS)


def plant(monkeypatch: Any, name: str) -> None:
    """Make ``theory.backprop`` wrong in the named way."""
    if name in WRONG_SUMS:
        monkeypatch.setattr(backprop, "_accumulate", WRONG_SUMS[name])
        return
    kind, rule = WRONG_RULES[name]
    correct = backprop._pull_one

    def pull_one(
        node: Node, operands: list[Traced], value: Traced, adjoint: Traced, k: int
    ) -> Traced:
        right = correct(node, operands, value, adjoint, k)
        if not isinstance(node.primitive, kind):
            return right
        return rule(Pull(node.primitive, operands, value, adjoint, k, right))

    monkeypatch.setattr(backprop, "_pull_one", pull_one)
