"""Elementwise rules: sums, products, quotients, functions."""

from __future__ import annotations

import sympy

from theory.activation import Activation
from theory.modules.block_structure import (
    CONSTANT,
    NOTHING,
    BlockStructure,
    Patterns,
    aligned,
    combinations,
)


def add(a: BlockStructure, b: BlockStructure) -> BlockStructure:
    """a ± b: the parts of both.

    Sound because a structure is a linear space: the sum lies in the sum of the two spaces, over
    their common refinement.
    """
    factors, (left, right) = aligned([a, b])
    return BlockStructure(a.shape, factors, left | right).normal_form


def multiply(a: BlockStructure, b: BlockStructure) -> BlockStructure:
    """a b: along each axis C·C = C, C·Z = Z, and Z·Z is anything.

    Sound because the product is bilinear, so it is enough to multiply parts, and a part is a sum of
    products of one vector a factor. Inside a block a constant times a zero-sum vector is zero-sum.
    """
    factors, (left, right) = aligned([a, b])
    return BlockStructure(a.shape, factors, products(left, right)).normal_form


def products(left: Patterns, right: Patterns) -> Patterns:
    """The patterns of the product of tensors over the same factors."""
    if not left or not right:
        return NOTHING
    if left == CONSTANT:
        return right
    if right == CONSTANT:
        return left
    return frozenset(
        (p ^ q) | both for p in left for q in right for both in combinations(_bits(p & q))
    )


def _bits(mask: int) -> list[int]:
    return [1 << k for k in range(mask.bit_length()) if mask >> k & 1]


def function(a: BlockStructure, fixes_zero: bool = False) -> BlockStructure:
    """f(a): an axis keeps its blocks if a is block-constant along it in every pattern.

    Sound because equal entries have equal values. A zero-sum part along an axis, in whatever joint
    pattern, leaves entries that differ in no known way, so that axis becomes discrete. f(0) is one
    number everywhere, and 0 if f is known to fix it.
    """
    if fixes_zero and not a.patterns:
        return a
    mixed = a.forgetting(a.mixed)
    return BlockStructure(a.shape, mixed.factors, CONSTANT)


def fixes_zero(activation: Activation) -> bool:
    """Whether f(0) = 0, by an odd law or by a definition such as z σ(z).

    >>> from theory.activation import gelu, sigmoid, tanh
    >>> fixes_zero(tanh), fixes_zero(gelu), fixes_zero(sigmoid)
    (True, True, False)
    """
    law = activation.law
    if law.definition is not None:
        return bool(law.definition(sympy.Integer(0)) == 0)
    is_open = law.jumps_at_zero or law.has_pole_at_zero
    return law.parity == "odd" and law.centre is None and not is_open


def divide(a: BlockStructure, b: BlockStructure) -> BlockStructure:
    """a / b = a · b⁻¹: the rule of a function, and that of a product.

    What is proved is proved wherever no divisor is 0.
    """
    return multiply(a, function(b))
