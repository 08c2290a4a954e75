"""Elementwise products: PReLU, gated linear units, dropout.

PReLU and GLU are written with function symbols, so they apply to traced arrays only.
"""

from __future__ import annotations

from typing import Any

from theory.activation import Activation, sigmoid, step
from theory.scope import layer


@layer
def prelu(z: Any, slope: Any) -> Any:
    """z where z > 0, slope · z elsewhere, with a trained slope for each unit (arXiv 1502.01852).

    Args:
        z: a traced array (…, units).
        slope: (units,), or one for all.

    >>> from theory.tracing import trace
    >>> trace(lambda p, x: {"y": prelu(x["x"], p["a"])}, {"a": (3,)}, {"x": (2, 3)})
    Graph of 10 nodes: (x (2, 3), a (3,)) -> (y (2, 3))
    """
    gate = step(z)
    return z * (gate + slope * (1 - gate))


@layer
def glu(a: Any, b: Any, phi: Activation = sigmoid) -> Any:
    """a · φ(b), a gated linear unit (arXiv 2002.05202).

    Args:
        a: values (…, units), traced.
        b: gates (…, units), traced.
        phi: the gate's function; SiLU makes it SwiGLU, GELU makes it GEGLU.

    >>> from theory.tracing import trace
    >>> trace(lambda p, x: {"y": glu(x["a"], x["b"])}, {}, {"a": (2, 3), "b": (2, 3)})
    Graph of 4 nodes: (a (2, 3), b (2, 3)) -> (y (2, 3))
    """
    return a * phi(b)


@layer
def dropout(x: Any, mask: Any) -> Any:
    """x · mask, for a mask that is part of the data: arbitrary numbers, kept units scaled or not.

    Clones stay clones under a mask they share, and not under independent ones.

    Args:
        x: (…, units), traced or numbers.
        mask: broadcasts to ``x``.

    >>> import numpy as np
    >>> dropout(np.array([1.0, 2.0]), np.array([0, 2]))
    array([0., 4.])
    """
    return x * mask
