r"""Quadratic laws of training: what the flow keeps, and what a step of GD does to them (N8).

Let a unit's activation be homogeneous of degree p, φ'(z) z = p φ(z), as ReLU is (p = 1) and its
square (p = 2). From :math:`\partial\ell/\partial w_{in} = x\,\delta`,
:math:`\partial\ell/\partial w_{out} = h\,\delta_{out}` and :math:`\delta = \varphi'(z)\,d`,

    ⟨w_in, g_in⟩ + b g_b = z δ = p h d = p ⟨w_out, g_out⟩,

so gradient flow keeps ‖w_in‖² + b² - p ‖w_out‖² for every unit, whatever the data and the loss.
The level sets are curved: a step of GD changes a quadratic law E by η² times its quadratic part at
the gradient, here η² (‖g_in‖² + g_b² - p ‖g_out‖²).

Both are identities between the parameters, the data, the output adjoint and the values of φ and
φ', so :func:`numerics.identity.vanishes` proves them.

Source: the law for ReLU is S. S. Du, W. Hu and J. D. Lee, Algorithmic regularization in learning
deep homogeneous models: layers are automatically balanced, arXiv 1806.00900.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import ArchitectureError
from theory.graph import Builder, Graph
from theory.primitives import Input
from theory.rewrite import substitute
from theory.tracing import Traced, record

Tensors = Mapping[str, Any]
Law = Callable[[Tensors], Any]  # parameters to numbers; plain NumPy code


@dataclass(frozen=True, slots=True)
class Balance:
    """‖w_in‖² + b² - p ‖w_out‖² for every unit of an axis, as a function of all parameters.

    Args:
        incoming: parameters whose last axis is the units'.
        outgoing: parameters whose first axis is the units'.
        degree: p.

    >>> import numpy as np
    >>> Balance(("W1", "b1"), ("W2",))(
    ...     {"W1": np.array([[3, 1]]), "b1": np.array([4, 0]), "W2": np.array([[5], [2]])}
    ... )
    array([ 0, -3])
    """

    incoming: tuple[str, ...]
    outgoing: tuple[str, ...]
    degree: int = 1

    def __call__(self, theta: Tensors) -> Any:
        """One number for each unit; parameters have no leading axes."""
        into = sum(_squares(theta[p], keep=-1) for p in self.incoming)
        out_of = sum(_squares(theta[p], keep=0) for p in self.outgoing)
        return into - self.degree * out_of


def _squares(a: Any, keep: int) -> Any:
    summed = tuple(k for k in range(a.ndim) if k != keep % a.ndim)
    return (a * a).sum(axis=summed) if summed else a * a


def balance(architecture: Architecture, axis: str, degree: int = 1) -> Balance:
    """The balance of the units of an axis between the weights into and out of it.

    Incoming is whatever ends in the axis: weights and biases. A gate that multiplies the units
    ends there too and has no part in the law; write such a :class:`Balance` by hand.

    Raises:
        ArchitectureError: if the axis has no incoming or no outgoing parameter.

    >>> from theory.zoo import mlp
    >>> balance(mlp([3, 4, 2], "relu"), "h1")
    Balance(incoming=('W1', 'b1'), outgoing=('W2',), degree=1)
    """
    named = architecture.parameters.items()
    incoming = tuple(p for p, axes in named if axes[-1:] == (axis,))
    outgoing = tuple(p for p, axes in named if len(axes) > 1 and axes[0] == axis)
    if not (incoming and outgoing):
        raise ArchitectureError(
            f"axis {axis!r}: a balance needs parameters into and out of it, there are "
            f"{list(incoming)} and {list(outgoing)}"
        )
    return Balance(incoming, outgoing, degree)


def rate_graph(architecture: Architecture, law: Law, batch: int = 1) -> Graph:
    """``rate`` = dE/dt of a law along gradient flow, up to sign, for all data and adjoints.

    The derivative of a polynomial E of degree at most 2 along g is (E(θ + g) - E(θ - g)) / 2.

    >>> from numerics.identity import vanishes
    >>> from theory.zoo import mlp
    >>> net = mlp([2, 3, 1], "relu")
    >>> vanishes(rate_graph(net, balance(net, "h1")), bits=60, seed=0).verdict
    'holds'
    """
    builder, theta, slopes = _gradient(architecture, batch)
    ahead = law({p: w + slopes[p] for p, w in theta.items()})
    behind = law({p: w - slopes[p] for p, w in theta.items()})
    return builder.finish({"rate": ((ahead - behind) / 2).number})


def step_graph(architecture: Architecture, law: Law, change: Law, batch: int = 1) -> Graph:
    """``error`` = E(θ - η g) - E(θ) - η² ``change(g)``, with η an input ``eta``.

    >>> from numerics.identity import vanishes
    >>> from theory.zoo import mlp
    >>> net = mlp([2, 3, 1], "relu")
    >>> law = balance(net, "h1")
    >>> vanishes(step_graph(net, law, law), bits=60, seed=0).verdict
    'holds'
    """
    builder, theta, slopes = _gradient(architecture, batch)
    eta = record(builder, Input("eta", ()))
    after = law({p: w - eta * slopes[p] for p, w in theta.items()})
    error = after - law(theta) - eta * eta * change(slopes)
    return builder.finish({"error": error.number})


def _gradient(
    architecture: Architecture, batch: int
) -> tuple[Builder, dict[str, Traced], dict[str, Traced]]:
    builder = Builder()
    shapes = architecture.parameter_shapes
    theta = {p: record(builder, Input(p, shape)) for p, shape in shapes.items()}
    found = substitute(builder, gradient(architecture.graph(batch)), theta)
    return builder, theta, {p: found[f"grad:{p}"] for p in theta}
