"""Random block structures, random tensors of them, and the exact test of membership."""

from itertools import product
from math import lcm, prod
from random import Random

import numpy as np

from theory.modules.block_structure import BlockStructure, Factor, cell, combinations
from theory.modules.labelling import labels, numbered


def draw_structure(rng: Random, shape: tuple[int, ...]) -> BlockStructure:
    """Any labelling of any axes, up to two of them labelled together, and any patterns."""
    axes = list(range(len(shape)))
    groups: list[tuple[int, ...]] = [(k,) for k in axes]
    if len(axes) > 1 and rng.random() < 0.4:
        pair = tuple(sorted(rng.sample(axes, 2)))
        groups = [pair, *((k,) for k in axes if k not in pair)]
    factors: list[Factor] = []
    for group in groups:
        lengths = tuple(shape[k] for k in group)
        size = prod(lengths)
        count = rng.randint(1, max(1, size))
        own = None
        if size and rng.random() < 0.8:
            own = labels(np.array([rng.randrange(count) for _ in range(size)]).reshape(lengths))
        factors += cell(group, own, lengths).factors
    factors.sort(key=lambda f: f.axes)
    masks = sorted(combinations(f.bit for f in factors if f.bit))
    chosen = [m for m in masks if rng.random() < 0.4] or [rng.choice(masks)]
    return BlockStructure(shape, tuple(factors), frozenset(chosen)).normal_form


def _projections(factor: Factor, lengths: tuple[int, ...]):
    """Integer multiples of the projections onto block-constant and zero-sum vectors."""
    own = numbered(factor.labels, lengths).ravel()
    same = (own[:, None] == own[None, :]).astype(np.int64)
    counts = same.sum(axis=1)
    common = lcm(*counts.tolist()) if len(own) else 1
    constant = same * (common // np.maximum(counts, 1))[:, None]
    return constant, common * np.eye(len(own), dtype=np.int64) - constant


def _applied(matrix, tensor, axes: tuple[int, ...]):
    front = np.moveaxis(tensor, axes, range(len(axes)))
    shape = front.shape
    spread = matrix.astype(tensor.dtype) @ front.reshape(matrix.shape[0], -1)
    return np.moveaxis(spread.reshape(shape), range(len(axes)), axes)


def _part(structure: BlockStructure, tensor, pattern: int):
    for factor in structure.factors:
        lengths = tuple(structure.shape[k] for k in factor.axes)
        matrices = _projections(factor, lengths)
        tensor = _applied(matrices[bool(pattern & factor.bit)], tensor, factor.axes)
    return tensor


def draw_tensor(rng: Random, structure: BlockStructure):
    """A random integer tensor of a structure."""
    total = np.zeros(structure.shape, dtype=object)
    for pattern in sorted(structure.patterns):
        entries = [rng.randint(-5, 5) for _ in range(prod(structure.shape))]
        part = np.array(entries, dtype=object).reshape(structure.shape)
        total = total + _part(structure, part, pattern)
    return total


def is_member(structure: BlockStructure, tensor, modulus: int | None = None) -> bool:
    """Whether all parts with other patterns are 0, or 0 modulo a number."""
    assert tensor.shape == structure.shape
    tensor = np.asarray(tensor, dtype=object)
    bits = [f.bit for f in structure.factors if f.bit]
    for chosen in product((0, 1), repeat=len(bits)):
        pattern = sum(bit for bit, is_chosen in zip(bits, chosen, strict=True) if is_chosen)
        if pattern in structure.patterns:
            continue
        part = _part(structure, tensor, pattern)
        if np.any((part if modulus is None else part % modulus) != 0):
            return False
    return True
