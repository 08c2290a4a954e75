"""Recurrent cells, unrolled in time with the same parameters at every step.

The state before the first step is 0, so the first step has no recurrent term. Function symbols make
the cells apply to traced arrays only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from theory.activation import Activation, sigmoid, tanh
from theory.errors import ShapeError
from theory.scope import layer

Step = Callable[[Any, Any], Any]  # (x_t, state or None) to the next state


def _unrolled(x: Any, step: Step, cell: str) -> Any:
    if len(x.shape) != 3 or not x.shape[1]:
        raise ShapeError(f"{cell}: x has shape {x.shape}, expected (batch, T, inputs) with T >= 1")
    h, states = None, []
    for t in range(x.shape[1]):
        h = step(x[:, t], h)
        states.append(h)
    return np.stack(states, axis=1)


@layer
def elman(x: Any, w: Any, u: Any, b: Any, phi: Activation = tanh) -> Any:
    """h_t = φ(x_t w + h_{t-1} u + b), h_0 = 0 (Elman 1990).

    Args:
        x: (batch, T, n), traced.
        w: (n, h).
        u: (h, h), from the last state to the next.
        b: (h,).
        phi: the function.

    Returns:
        All states, (batch, T, h).

    Raises:
        ShapeError: if there is no step.

    >>> from theory.tracing import trace
    >>> shapes = {"w": (2, 3), "u": (3, 3), "b": (3,)}
    >>> graph = trace(lambda p, x: {"y": elman(x["x"], **p)}, shapes, {"x": (5, 4, 2)})
    >>> graph.nodes[graph.outputs["y"]].shape
    (5, 4, 3)
    """

    def step(now: Any, last: Any) -> Any:
        z = now @ w if last is None else now @ w + last @ u
        return phi(z + b)

    return _unrolled(x, step, "elman")


@layer
def gru(
    x: Any,
    w_update: Any,
    u_update: Any,
    b_update: Any,
    w_reset: Any,
    u_reset: Any,
    b_reset: Any,
    w: Any,
    u: Any,
    b: Any,
    phi: Activation = tanh,
) -> Any:
    """h_t = z ∘ h_{t-1} + (1 - z) ∘ φ(x_t w + (r ∘ h_{t-1}) u + b), h_0 = 0 (arXiv 1406.1078).

    Update gate z = σ(x_t w_z + h_{t-1} u_z + b_z), reset gate r likewise. The reset gate acts
    before the matrix, as in the paper.

    Args:
        x: (batch, T, n), traced.
        w_update: (n, h).
        u_update: (h, h).
        b_update: (h,).
        w_reset: (n, h).
        u_reset: (h, h).
        b_reset: (h,).
        w: (n, h).
        u: (h, h).
        b: (h,).
        phi: the function of the candidate state.

    Returns:
        All states, (batch, T, h); of one step alone, the reset gate and every ``u`` are no part.

    Raises:
        ShapeError: if there is no step.

    >>> from theory.tracing import trace
    >>> shapes = {f"{k}{g}": s for g in ("_update", "_reset", "")
    ...           for k, s in (("w", (2, 3)), ("u", (3, 3)), ("b", (3,)))}
    >>> graph = trace(lambda p, x: {"y": gru(x["x"], **p)}, shapes, {"x": (5, 4, 2)})
    >>> graph.nodes[graph.outputs["y"]].shape
    (5, 4, 3)
    """

    def step(now: Any, last: Any) -> Any:
        if last is None:
            update = sigmoid(now @ w_update + b_update)
            return (1 - update) * phi(now @ w + b)
        update = sigmoid(now @ w_update + last @ u_update + b_update)
        reset = sigmoid(now @ w_reset + last @ u_reset + b_reset)
        candidate = phi(now @ w + (reset * last) @ u + b)
        return update * last + (1 - update) * candidate

    return _unrolled(x, step, "gru")
