"""Tangency the obvious way, as an oracle for small networks.

``sympy.Function`` for φ and ℓ, one ``sympy.diff`` of the whole loss for each parameter, ``subs`` of
the parametrisation, ``simplify`` of each product with a normal vector. It shares nothing with
``theory.invariance`` but the manifold, and it is slow.
"""

from typing import Any

import numpy as np
import sympy

from tests.test_theory.interpreter import interpret
from theory.activation import Activation
from theory.architecture import Architecture
from theory.manifold.base import Manifold


def directly_tangent(
    architecture: Architecture, manifold: Manifold, tangent: Manifold | None = None
) -> bool:
    """Whether every residual simplifies to 0."""
    theta = {p: _symbols(p, shape) for p, shape in architecture.parameter_shapes.items()}
    x = _symbols("x", (1, *architecture.input_shape))
    y = interpret(architecture.graph(), {**theta, "x": x}, _function, sympy.sympify)["y"]
    loss = sympy.Function("ell")(*y.ravel())
    free = {name: _symbols(f"c_{name}", shape) for name, shape in manifold.free_shapes.items()}
    point = manifold.embed(free)
    substitution = [
        (symbol, sympy.sympify(value))
        for p in theta
        for symbol, value in zip(theta[p].flat, point[p].flat, strict=True)
    ]
    gradient = {
        (p, e): sympy.diff(loss, symbol).subs(substitution)
        for p in theta
        for e, symbol in enumerate(theta[p].flat)
    }
    for row in (tangent or manifold).constraints():
        residual = sum(sympy.sympify(c) * gradient[entry] for entry, c in row.terms.items())
        if sympy.simplify(residual) != 0:
            return False
    return True


def _symbols(name: str, shape: tuple[int, ...]) -> Any:
    array = np.empty(shape, dtype=object)
    for index in np.ndindex(*shape):
        array[index] = sympy.Symbol("_".join([name, *map(str, index)]), real=True)
    return array


def _function(activation: Activation, z: Any) -> Any:
    if activation.is_known:
        return activation(sympy.sympify(z))
    return sympy.Function(repr(activation), real=True)(z)
