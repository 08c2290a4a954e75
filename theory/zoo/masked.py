"""Multilayer perceptrons with dropout, the masks a part of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from theory.activation import Activation
from theory.architecture import Architecture
from theory.layers import dropout
from theory.zoo.mlp import mlp
from theory.zoo.parts import dashed, symbol


def masked_mlp(
    widths: Sequence[int],
    phi: Activation | str = "phi",
    *,
    bias: bool = True,
    frozen: Mapping[str, Mapping[int, Fraction]] | None = None,
) -> Architecture:
    """An MLP whose hidden units are multiplied by masks: h_l = m_l ∘ φ(h_{l-1} W_l + b_l).

    A sample is (x, m_1, m_2, …), one axis of all: what holds for arbitrary data holds for
    arbitrary masks, and data drawn with fresh masks train with dropout. Parameters are those of
    :func:`theory.zoo.mlp`.

    Args:
        widths: input, hidden and output widths, at least two.
        phi: the activation; by default an arbitrary smooth function.
        bias: whether every unit has a bias.
        frozen: constants in place of φ at some units, ``{"h1": {3: 0}}``, masked like other units.

    Raises:
        ArchitectureError: if there are fewer than two widths.

    >>> masked_mlp([3, 4, 4, 2]).input_shape
    (11,)
    """
    plain, function = mlp(widths, phi, bias=bias), symbol(phi)
    last, constants = len(widths) - 1, frozen or {}
    ends = np.cumsum([0, *widths[:last]]).tolist()

    def forward(p: dict[str, Any], x: Any) -> Any:
        h, *masks = (x[:, a:b] for a, b in pairwise(ends))
        for k in range(1, last + 1):
            h = h @ p[f"W{k}"]
            if bias:
                h = h + p[f"b{k}"]
            if k < last:
                h = dropout(_frozen(function(h), constants.get(f"h{k}", {})), masks[k - 1])
        return h

    return replace(
        plain,
        forward=forward,
        sizes={**plain.sizes, "sample": ends[-1]},
        inputs=("sample",),
        name=f"masked_mlp:{dashed(*widths)}:{function!r}",
    )


def _frozen(h: Any, constants: Mapping[int, Fraction]) -> Any:
    """Some units replaced by constants."""
    if not constants:
        return h
    units = range(h.shape[-1])
    return h * [int(u not in constants) for u in units] + [constants.get(u, 0) for u in units]
