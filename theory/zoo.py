"""Ready-made architectures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theory.activation import LAWS, Activation, activation
from theory.architecture import Architecture
from theory.errors import ArchitectureError


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
    if len(widths) < 2:
        raise ArchitectureError(f"widths={list(widths)}: an mlp has at least inputs and outputs")
    symbol = activation(phi) if isinstance(phi, str) else phi
    last = len(widths) - 1
    axes = ["x", *(f"h{k}" for k in range(1, last)), "y"]
    parameters: dict[str, tuple[str, ...]] = {}
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
                h = symbol(h)
        return h

    return Architecture(
        forward,
        sizes=dict(zip(axes, widths, strict=True)),
        parameters=parameters,
        name=f"mlp:{'-'.join(map(str, widths))}:{symbol!r}",
    )


def from_name(name: str) -> Architecture:
    """The architecture of a name such as ``mlp:3-4-4-2`` or ``mlp:3-4-4-2:tanh``.

    Raises:
        ArchitectureError: if the name does not have that form, or the activation is neither a
            known function nor ``phi``, the arbitrary one.

    >>> from_name("mlp:3-4-4-2:tanh").sizes["h2"]
    4
    """
    kind, _, rest = name.partition(":")
    widths, _, phi = rest.partition(":")
    if kind != "mlp" or not all(w.isdecimal() and int(w) > 0 for w in widths.split("-")):
        raise ArchitectureError(
            f"{name!r}: no architecture of that name; an example is mlp:3-4-4-2:tanh"
        )
    if phi not in ("", "phi", *LAWS):
        known = ", ".join(["phi", *LAWS])
        raise ArchitectureError(f"{name!r}: unknown activation {phi!r}; there are {known}")
    return mlp([int(w) for w in widths.split("-")], phi or "phi")
