"""Rules of sums: over axes, and of products over shared axes."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from theory.modules.block_structure import (
    CONSTANT,
    NOTHING,
    BlockStructure,
    Factor,
    cell,
    components,
    labels_over,
    translated,
    zero,
)
from theory.modules.labelling import (
    Labels,
    join,
    labels,
    multiset_labels,
    num_blocks,
    numbered,
    product,
)
from theory.primitives import Einsum, Shape

LARGEST = 1 << 22  # entries of a joint table of labels; beyond it blocks are given up


def add_up(a: BlockStructure, axes: tuple[int, ...]) -> BlockStructure:
    """Σ over ``axes``: along a summed factor Z vanishes, and C leaves no trace.

    Sound because a zero-sum part sums to 0 block by block. If only some axes of a jointly labelled
    factor are summed, a block-constant tensor has equal sums where the multisets of summed labels
    are equal; a zero-sum part vanishes if every block is summed whole, else it may be anything.
    """
    kept = [k for k in range(len(a.shape)) if k not in axes]
    shape = tuple(a.shape[k] for k in kept)
    if not a.patterns:
        return zero(shape)
    place = {k: n for n, k in enumerate(kept)}
    factors: list[Factor] = []
    table: list[tuple[int, frozenset[int], frozenset[int]]] = []
    for factor in a.factors:
        here = tuple(place[k] for k in factor.axes if k in place)
        if not here:
            table.append((factor.bit, CONSTANT, NOTHING))
        elif len(here) == len(factor.axes):
            factors.append(Factor(here, factor.labels))
            table.append((factor.bit, CONSTANT, frozenset([factors[-1].bit])))
        else:
            places = [k in place for k in factor.axes]
            own = numbered(factor.labels, tuple(a.shape[k] for k in factor.axes))
            order = [k for k, is_kept in enumerate(places) if is_kept]
            order += [k for k, is_kept in enumerate(places) if not is_kept]
            lengths = tuple(shape[k] for k in here)
            rows = np.transpose(own, order).reshape(prod(lengths), -1)
            found = multiset_labels(rows)
            result = cell(here, _shaped(found, lengths), lengths)
            factors += result.factors
            is_whole = _are_whole(rows, own)
            table.append((factor.bit, CONSTANT, NOTHING if is_whole else result.everything))
    return BlockStructure(
        shape, tuple(sorted(factors, key=lambda f: f.axes)), translated(a.patterns, table)
    ).normal_form


def _are_whole(rows: Any, entries: Any) -> bool:
    """Whether each row of labels, one an entry, holds all entries of the blocks it meets."""
    sizes = np.bincount(entries.ravel())
    ordered = np.sort(rows, axis=1)
    starts = np.ones(ordered.shape, dtype=bool)
    starts[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    # in a sorted row a block stands in one run, as long as the block if nothing of it is missing
    place = np.flatnonzero(starts)
    runs = np.diff(np.append(place, ordered.size))
    return bool(np.all(runs == sizes[ordered.ravel()[place]]))


def _shaped(a: Labels, shape: Shape) -> Labels:
    return None if a is None else labels(a.array.reshape(shape))


class _Rule(NamedTuple):
    """One group of labels of an einsum: the letters there, and what the four products become."""

    left: int
    right: int
    factors: tuple[Factor, ...]
    outcomes: tuple[frozenset[int], ...]  # of C·C, C·Z, Z·C, Z·Z


def contract(einsum: Einsum, a: BlockStructure, b: BlockStructure) -> BlockStructure:
    """Σ a b, label by label over the common refinement of the operands.

    Sound because the einsum is bilinear and factorises over groups of labels that no factor
    connects. Along a summed label the inner product of C and Z is 0; along a label that both keep
    the rule is that of a product; along a label of one operand the letter is carried. For joint
    labellings see :func:`_joint`.
    """
    left, right, out = einsum.labels
    sizes = dict(zip(left + right, a.shape + b.shape, strict=True))
    shape = tuple(sizes[c] for c in out)
    if not a.patterns or not b.patterns:
        return zero(shape)
    rules = []
    groups = [tuple(left[k] for k in f.axes) for f in a.factors]
    groups += [tuple(right[k] for k in f.axes) for f in b.factors]
    for group in _connected(groups):
        of_a = tuple(k for k, c in enumerate(left) if c in group)
        of_b = tuple(k for k, c in enumerate(right) if c in group)
        labels_a, mask_a = labels_over(a, of_a)
        labels_b, mask_b = labels_over(b, of_b)
        factors, outcomes = _outcomes(
            tuple(left[k] for k in of_a),
            tuple(right[k] for k in of_b),
            tuple((c, out.index(c)) for c in out if c in group),
            tuple((c, sizes[c]) for c in group),
            labels_a,
            labels_b,
        )
        rules.append(_Rule(mask_a, mask_b, factors, outcomes))
    patterns: set[int] = set()
    for p in a.patterns:
        for q in b.patterns:
            masks: Iterable[int] = (0,)
            for rule in rules:
                options = rule.outcomes[2 * bool(p & rule.left) + bool(q & rule.right)]
                masks = [old | new for old in masks for new in options]
            patterns.update(masks)
    if not patterns:
        return zero(shape)
    factors = tuple(sorted((f for r in rules for f in r.factors), key=lambda f: f.axes))
    return BlockStructure(shape, factors, frozenset(patterns)).normal_form


def _connected(groups: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    letters = sorted({c for group in groups for c in group})
    place = {c: k for k, c in enumerate(letters)}
    found = components(tuple(place[c] for c in group) for group in groups)
    return [tuple(letters[k] for k in one) for one in found]


@lru_cache(maxsize=1 << 12)
def _outcomes(
    left: tuple[str, ...],
    right: tuple[str, ...],
    out: tuple[tuple[str, int], ...],
    lengths: tuple[tuple[str, int], ...],
    a: Labels,
    b: Labels,
) -> tuple[tuple[Factor, ...], tuple[frozenset[int], ...]]:
    """Factors of the result along one group of labels, and the outcomes of the four products."""
    sizes = dict(lengths)
    summed = [c for c in sizes if c not in dict(out)]
    places = {c: k for k, (c, _) in enumerate(out)}
    axes = tuple(k for _, k in out)
    shape = tuple(sizes[c] for c, _ in out)
    if not summed:
        one, two = (_spread(own, c, places, shape) for own, c in ((a, left), (b, right)))
        common = join(one, two)
        result = cell(axes, common, shape)
        size = num_blocks(common, shape)
        is_split = [num_blocks(own, shape) < size for own in (one, two)]
        c_z, z_c = (result.zero_sum(split) for split in reversed(is_split))
        return result.factors, (CONSTANT, c_z, z_c, result.everything)
    if not out and {*left} == {*right} == {*summed}:
        whole = tuple(sizes.values())
        order = {c: k for k, c in enumerate(sizes)}
        one, two = (_spread(own, c, order, whole) for own, c in ((a, left), (b, right)))
        size = num_blocks(join(one, two), whole)
        survives = [CONSTANT if num_blocks(own, whole) < size else NOTHING for own in (one, two)]
        return (), (CONSTANT, survives[1], survives[0], CONSTANT)
    return _joint(left, right, axes, tuple(c for c, _ in out), tuple(summed), sizes, a, b)


def _spread(a: Labels, letters: tuple[str, ...], places: dict[str, int], shape: Shape) -> Labels:
    """A labelling over letters as one over more letters, in the order given by ``places``."""
    order = sorted(range(len(letters)), key=lambda k: places[letters[k]])
    if order != list(range(len(letters))) and a is not None:
        a = labels(np.transpose(a.array, order))
    axes = tuple(places[letters[k]] for k in order)
    return product([(axes, a)] if letters else [], shape)


def _joint(
    left: tuple[str, ...],
    right: tuple[str, ...],
    axes: tuple[int, ...],
    out: tuple[str, ...],
    summed: tuple[str, ...],
    sizes: dict[str, int],
    a: Labels,
    b: Labels,
) -> tuple[tuple[Factor, ...], tuple[frozenset[int], ...]]:
    """Blocks of a sum over some of several labels that are labelled together.

    For block-constant operands Σ_s a[s, i] b[s, j] depends on (i, j) through the multiset over s of
    the pairs of labels: the condition that makes a partition of a graph equitable. The summed
    labels are labels of both operands, so for one (i, j) the entries b[s, j] are different ones; if
    they are whole blocks of b, on which a[s, i] is constant, a zero-sum b contributes 0.
    """
    shape = tuple(sizes[c] for c in out)
    letters = (*out, *summed)
    whole = tuple(sizes[c] for c in letters)
    if prod(whole) > LARGEST:
        given_up = cell(axes, None, shape)
        return given_up.factors, (CONSTANT, *[given_up.everything] * 3)
    places = {c: k for k, c in enumerate(letters)}
    spread = [_spread(own, c, places, whole) for own, c in ((a, left), (b, right))]
    one, two = (numbered(own, whole).reshape(prod(shape), -1) for own in spread)
    pairs = numbered(join(*spread), whole).reshape(prod(shape), -1)
    found = multiset_labels(pairs)
    result = cell(axes, _shaped(found, shape), shape)
    vanishes = [
        _are_whole(rows, numbered(own, tuple(sizes[c] for c in letters_of)))
        and _are_constant(pairs, rows)
        for rows, own, letters_of in ((two, b, right), (one, a, left))
    ]
    c_z, z_c = (NOTHING if vanish else result.everything for vanish in vanishes)
    return result.factors, (CONSTANT, c_z, z_c, result.everything)


def _are_constant(pairs: Any, rows: Any) -> bool:
    """Whether in every row entries with one label have one pair of labels."""
    size = int(rows.max(initial=-1)) + 1
    keys = np.arange(len(rows))[:, None] * size + rows
    return len(np.unique(keys)) == len(np.unique(keys * (int(pairs.max(initial=0)) + 1) + pairs))
