"""Recurrent networks, unrolled in time."""

from __future__ import annotations

from typing import Any

from theory.activation import Activation
from theory.architecture import Architecture
from theory.errors import ArchitectureError
from theory.layers import elman, gru
from theory.zoo.parts import Axes, dashed, symbol

GATES = ("_update", "_reset", "")


def rnn(
    inputs: int,
    hidden: int,
    outputs: int,
    steps: int,
    phi: Activation | str = "tanh",
    *,
    cell: str = "elman",
) -> Architecture:
    """The last state of a recurrent cell, mapped affinely: h_T V + c.

    Axes ``t`` (time), ``x``, ``h``, ``y``; parameters ``w (x, h)``, ``u (h, h)``, ``b (h,)``, of a
    GRU also those of its gates, ``w_update`` and so on, and ``V (h, y)``, ``c (y,)``.

    Args:
        inputs: at each step.
        hidden: number of units of the state.
        outputs: after the last step.
        steps: at least two.
        phi: the function of the state, or of a GRU's candidate state.
        cell: ``elman`` or ``gru``.

    Raises:
        ArchitectureError: if there are fewer than two steps, or the cell is unknown.

    >>> rnn(2, 3, 1, 4).num_parameters, rnn(2, 3, 1, 4, cell="gru").num_parameters
    (22, 58)
    """
    if cell not in ("elman", "gru"):
        raise ArchitectureError(f"cell={cell!r}: there are elman, gru")
    if steps < 2:
        raise ArchitectureError(f"steps={steps}: a state returns from the second step on")
    function, is_gru = symbol(phi), cell == "gru"
    names = GATES if is_gru else ("",)
    own: Axes = {}
    for gate in names:
        own |= {f"w{gate}": ("x", "h"), f"u{gate}": ("h", "h"), f"b{gate}": ("h",)}

    def forward(p: dict[str, Any], x: Any) -> Any:
        of_cell = {name: p[name] for name in own}
        run = gru if is_gru else elman
        return run(x, **of_cell, phi=function)[:, -1] @ p["V"] + p["c"]

    return Architecture(
        forward,
        sizes={"t": steps, "x": inputs, "h": hidden, "y": outputs},
        parameters={**own, "V": ("h", "y"), "c": ("y",)},
        inputs=("t", "x"),
        name=f"{'gru' if is_gru else 'rnn'}:{dashed(inputs, hidden, outputs, steps)}:{function!r}",
    )
