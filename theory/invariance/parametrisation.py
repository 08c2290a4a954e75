"""A manifold's own coordinates as SymPy symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import sympy

from theory.manifold.base import Manifold
from theory.symbolic.forward import Array
from theory.symbolic.naming import entries, heads


@dataclass(frozen=True, eq=False)
class Parametrisation:
    """θ = embed(coordinates), with a symbol for every coordinate.

    Attributes:
        coordinates: symbols by the manifold's names of its coordinates.
        theta: every parameter as affine expressions in them.
    """

    coordinates: Mapping[str, Array]
    theta: Mapping[str, Array]


def parametrise(manifold: Manifold) -> Parametrisation:
    r"""Coordinates of a manifold: \bar w for what is constant in blocks, \tilde w for the rest.

    >>> from theory.manifold import block_constant
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], bias=False)
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1]]})
    >>> parametrise(block_constant(net, clones)).theta["W1"]
    array([[\bar{w}^{(1)}_{11}, \bar{w}^{(1)}_{11}]], dtype=object)
    """
    named = heads(manifold.shapes)
    coordinates = {}
    for key, shape in manifold.free_shapes.items():
        parameter, _, pattern = key.partition(":")
        if parameter not in named:
            coordinates[key] = entries("s", "", shape)
            continue
        letter, upper = named[parameter]
        accent = "bar" if set(pattern) <= {"C"} else "tilde"
        mixed = pattern if len(set(pattern)) > 1 else ""
        coordinates[key] = entries(rf"\{accent}{{{letter}}}", upper + mixed, shape)
    theta = {}
    for p, values in manifold.embed(coordinates).items():
        theta[p] = np.empty(np.shape(values), dtype=object)
        for index in np.ndindex(*np.shape(values)):
            theta[p][index] = sympy.sympify(values[index])
    return Parametrisation(coordinates, theta)
