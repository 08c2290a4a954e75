"""The gradient of an explicit loss, entry by entry, by SymPy's own differentiation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy

from theory.activation import Activation
from theory.architecture import Architecture
from theory.axes import Names, axis_names
from theory.primitives import Apply
from theory.symbolic.forward import Array, forward_values
from theory.symbolic.functions import applied, loss_of
from theory.symbolic.naming import entries, heads

LONGEST = 1500  # characters of LaTeX beyond which an expression is not shown


@dataclass(frozen=True, eq=False)
class Layer:
    """One application of a function symbol, h = φ(z) or the constant of a frozen unit."""

    activation: Activation
    z: Array
    h: Array


@dataclass(frozen=True, eq=False)
class GradientField:
    """The explicit loss of an architecture and its gradient in SymPy.

    Attributes:
        architecture: the network.
        parameters: a symbol for every entry of every parameter.
        x: symbols of the data ``(batch, *inputs)``.
        layers: the applications of function symbols, in forward order.
        y: the outputs ``(batch, …)``, explicit in parameters and data.
        loss: ℓ(y, t) for one output, ℓ(y_1, …, y_k) for several, with ℓ arbitrary.
        gradient: ∂ℓ/∂θ_e for every entry e of every parameter.
    """

    architecture: Architecture
    parameters: Mapping[str, Array]
    x: Array
    layers: tuple[Layer, ...]
    y: Array
    loss: sympy.Expr
    gradient: Mapping[str, Array]

    def __repr__(self) -> str:
        return f"gradient of an arbitrary loss of {self.architecture!r}"

    def equations(self) -> Iterator[str]:
        """LaTeX of the outputs and of every gradient entry, longest expressions left out."""
        for k, y in enumerate(self.y.flat):
            name = "y" if self.y.size == 1 else f"y_{{{k + 1}}}"
            yield f"{name} &= {_shown(y)}"
        for p, symbols in self.parameters.items():
            for symbol, entry in zip(symbols.flat, self.gradient[p].flat, strict=True):
                name = sympy.latex(symbol)
                yield rf"\frac{{\partial \ell}}{{\partial {name}}} &= {_shown(entry)}"

    def _repr_latex_(self) -> str:
        body = " \\\\\n".join(self.equations())
        return f"$$\\begin{{aligned}}\n{body}\n\\end{{aligned}}$$"


def gradient_field(architecture: Architecture, batch: int = 1) -> GradientField:
    """Differentiate an arbitrary loss of the network's explicit outputs.

    The forward graph is read over SymPy expressions and SymPy differentiates the result by every
    parameter entry; ``theory.backprop`` takes no part.

    Raises:
        ArchitectureError: if the network cannot be traced for that batch.

    >>> from theory.zoo import mlp
    >>> field = gradient_field(mlp([1, 1, 1], bias=False))
    >>> field.loss
    ell(w^{(2)}_{11}*phi(w^{(1)}_{11}*x_{1}), t)
    >>> field.gradient["W1"][0, 0]
    w^{(2)}_{11}*x_{1}*ell_10(w^{(2)}_{11}*phi(w^{(1)}_{11}*x_{1}), t)*phi'(w^{(1)}_{11}*x_{1})
    """
    graph = architecture.graph(batch)
    shapes = architecture.parameter_shapes
    named = heads([*shapes, "x"])
    parameters = {p: entries(*named[p], shape) for p, shape in shapes.items()}
    x = entries(*named["x"], (batch, *architecture.input_shape), sample=True)
    values = [_exact(a) for a in forward_values(graph, {**parameters, "x": x}, applied)]
    axes = axis_names(graph, architecture.declared_axes)
    layers = tuple(
        Layer(
            node.primitive.activation,
            values[node.operands[0]],
            _held(values[k], axes[k], architecture),
        )
        for k, node in enumerate(graph.nodes)
        if isinstance(node.primitive, Apply)
    )
    y = values[graph.outputs["y"]]
    loss = loss_of(list(y.flat))
    gradient = {p: _derivatives(loss, symbols) for p, symbols in parameters.items()}
    return GradientField(architecture, parameters, x, layers, y, loss, gradient)


def _held(values: Array, axes: Names, architecture: Architecture) -> Array:
    """The values that later layers see: those of frozen units are constants."""
    held = values.copy()
    for position, axis in enumerate(axes):
        for unit, constant in architecture.frozen.get(axis or "", {}).items():
            held[(slice(None),) * position + (unit,)] = sympy.sympify(constant)
    return held


def _exact(values: Array) -> Array:
    """Entries that are plain numbers as SymPy's numbers."""
    result = np.empty(values.shape, dtype=object)
    for index in np.ndindex(*values.shape):
        result[index] = sympy.sympify(values[index])
    return result


def _derivatives(loss: sympy.Expr, symbols: Array) -> Array:
    result = np.empty(symbols.shape, dtype=object)
    for index in np.ndindex(*symbols.shape):
        result[index] = loss.diff(symbols[index])
    return result


def _shown(expression: Any) -> str:
    text: str = sympy.latex(expression)
    return text if len(text) <= LONGEST else rf"\cdots \quad\text{{({len(text)} characters)}}"
