"""Multilayer perceptrons, plain and gated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theory.activation import Activation
from theory.architecture import Architecture
from theory.errors import ArchitectureError
from theory.layers import glu
from theory.zoo.parts import Axes, dashed, symbol


def _axes(widths: Sequence[int], what: str) -> list[str]:
    if len(widths) < 2:
        raise ArchitectureError(f"widths={list(widths)}: {what} has at least inputs and outputs")
    return ["x", *(f"h{k}" for k in range(1, len(widths) - 1)), "y"]


def mlp(widths: Sequence[int], phi: Activation | str = "phi", *, bias: bool = True) -> Architecture:
    """A multilayer perceptron: h_l = φ(h_{l-1} W_l + b_l), the last layer without φ.

    Axes ``x, h1, h2, …, y``; parameters ``W1 (x, h1)``, ``b1 (h1,)``, ….

    Args:
        widths: input, hidden and output widths, at least two.
        phi: the activation; by default an arbitrary smooth function.
        bias: whether every unit has a bias.

    Raises:
        ArchitectureError: if there are fewer than two widths.

    >>> mlp([3, 4, 4, 2]).num_parameters
    46
    """
    axes, function = _axes(widths, "an mlp"), symbol(phi)
    last = len(widths) - 1
    parameters: Axes = {}
    for k in range(1, last + 1):
        parameters[f"W{k}"] = (axes[k - 1], axes[k])
        if bias:
            parameters[f"b{k}"] = (axes[k],)

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = x
        for k in range(1, last + 1):
            h = h @ p[f"W{k}"]
            if bias:
                h = h + p[f"b{k}"]
            if k < last:
                h = function(h)
        return h

    return Architecture(
        forward,
        sizes=dict(zip(axes, widths, strict=True)),
        parameters=parameters,
        name=f"mlp:{dashed(*widths)}:{function!r}",
    )


def gated_mlp(widths: Sequence[int], phi: Activation | str = "phi") -> Architecture:
    """Gated layers: h_l = (h_{l-1} W_l + b_l) ∘ φ(h_{l-1} G_l + c_l), the last one affine.

    Axes as in :func:`mlp`; the gates have weights ``G1 (x, h1)`` and biases ``c1 (h1,)``. With
    SiLU these are SwiGLU layers (arXiv 2002.05202).

    Args:
        widths: input, hidden and output widths, at least two.
        phi: the function of the gates; by default an arbitrary smooth function.

    Raises:
        ArchitectureError: if there are fewer than two widths.

    >>> gated_mlp([3, 4, 2], "silu").num_parameters
    42
    """
    axes, function = _axes(widths, "a gated mlp"), symbol(phi)
    last = len(widths) - 1
    parameters: Axes = {}
    for k in range(1, last + 1):
        parameters |= {f"W{k}": (axes[k - 1], axes[k]), f"b{k}": (axes[k],)}
        if k < last:
            parameters |= {f"G{k}": (axes[k - 1], axes[k]), f"c{k}": (axes[k],)}

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = x
        for k in range(1, last):
            h = glu(h @ p[f"W{k}"] + p[f"b{k}"], h @ p[f"G{k}"] + p[f"c{k}"], function)
        return h @ p[f"W{last}"] + p[f"b{last}"]

    return Architecture(
        forward,
        sizes=dict(zip(axes, widths, strict=True)),
        parameters=parameters,
        name=f"gated_mlp:{dashed(*widths)}:{function!r}",
    )
