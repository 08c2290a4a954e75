"""The plasticity dimension of given weights, in floating point: a spectrum, never a bare integer.

In the fields a function symbol is generic, so their answer is what the architecture allows at
generic weights. Real weights can be worse off: ReLU gates occupy regions, smooth units saturate.
Here the same closure is taken numerically: gradients at random points of θ + V, normalised, until V
stops growing. How many of their singular values are "not zero" is a judgement; the widest gap in
the spectrum, measured down to rounding, says how safe it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.plasticity.dimension import MARGIN
from numerics.plasticity.span import Adjoints, flatten, generic_batch, gradient_graph, unflatten
from numerics.systems.float64 import Float64, FloatFunction
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.errors import ShapeError

RADIUS = 0.25  # of steps along V, relative to the weights' root mean square


@dataclass(frozen=True, slots=True)
class PlasticitySpectrum:
    """Singular values of normalised gradients on θ + V, and their widest gap.

    Attributes:
        singular_values: descending, as many as there are parameters.
        floor: below it a singular value is rounding.
        dimension: number of singular values in front of the widest gap.
        gap: by which factor they fall there, counted down to the floor.
    """

    singular_values: Array
    floor: float
    dimension: int
    gap: float

    def summary(self) -> str:
        """One sentence."""
        return (
            f"about {self.dimension} of {len(self.singular_values)} dimensions: behind them the "
            f"singular values fall by a factor of {self.gap:.1e} (rounding at {self.floor:.1e})"
        )


def numerical_plasticity(
    architecture: Architecture,
    parameters: Mapping[str, Any],
    data: Any = None,
    *,
    adjoints: Adjoints = "all",
    functions: Mapping[str, FloatFunction] | None = None,
    batch: int | None = None,
    seed: int = 0,
) -> PlasticitySpectrum:
    """The spectrum of gradients on θ + V for weights θ as they are.

    Args:
        architecture: the network.
        parameters: θ, by name.
        data: inputs ``(samples, *inputs)`` to draw from; by default standard normal ones.
        adjoints: which output adjoints there are; they are standard normal.
        functions: what unknown function symbols are, as for :class:`Float64`.
        batch: samples of a gradient, by default 1, or 4 where samples are coupled.
        seed: of points, data and adjoints.

    Raises:
        ShapeError: if parameters or data are missing or do not fit.
        ValueSystemError: if a number is not finite or an unknown function has no value.

    >>> from theory.zoo import mlp
    >>> net = mlp([2, 3, 1], "tanh")
    >>> rng = np.random.default_rng(0)
    >>> theta = {p: rng.normal(size=s) for p, s in net.parameter_shapes.items()}
    >>> numerical_plasticity(net, theta).dimension
    13
    """
    shapes = architecture.parameter_shapes
    for p, shape in shapes.items():
        if p not in parameters or np.shape(parameters[p]) != shape:
            found = np.shape(parameters[p]) if p in parameters else "none"
            raise ShapeError(f"parameters[{p!r}]: shape {found}, expected {shape}")
    system = Float64(functions or {})
    rng = np.random.default_rng(seed)
    graph = gradient_graph(
        architecture, generic_batch(architecture) if batch is None else batch, adjoints
    )
    evaluator = Evaluator(graph, system, lead=1)
    length = architecture.num_parameters
    trials = length + MARGIN
    weights = {p: system.array(parameters[p])[None] for p in shapes}
    theta = flatten(weights, shapes, (1,))
    radius = RADIUS * (sqrt(float(np.mean(theta**2))) or 1.0)
    inputs = None if data is None else system.array(data)
    if inputs is not None and inputs.shape[1:] != architecture.input_shape:
        raise ShapeError(
            f"data: shape {inputs.shape}, expected (samples, *{architecture.input_shape})"
        )

    def normalised_gradients(basis: Array) -> Array:
        steps = rng.normal(size=(trials, len(basis))) @ basis
        given = unflatten(theta + radius * steps, shapes)
        for name, shape in graph.input_shapes.items():
            if name == "x" and inputs is not None:
                given[name] = inputs[rng.integers(len(inputs), size=(trials, shape[0]))]
            elif name not in given:
                given[name] = rng.normal(size=(trials, *shape))
        rows: Array = flatten(evaluator(given), shapes, (trials,))
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        normalised: Array = rows / np.where(norms > 0, norms, 1.0)
        return normalised

    basis = np.empty((0, length))
    while True:
        _, values, right = np.linalg.svd(normalised_gradients(basis), full_matrices=False)
        floor = trials * float(np.finfo(np.float64).eps) * max(float(values[0]), 1.0)
        dimension, gap = _widest_gap(values, floor)
        if dimension <= len(basis):
            return PlasticitySpectrum(values, floor, dimension, gap)
        basis = right[:dimension]


def _widest_gap(values: Array, floor: float) -> tuple[int, float]:
    """Number of values in front of the largest ratio of neighbours, from 1 on; the floor ends."""
    levels = np.append(np.maximum(values, floor), floor)
    if levels[0] <= floor:
        return 0, 1.0
    ratios = levels[:-1] / levels[1:]
    k = int(np.argmax(ratios))
    return k + 1, float(ratios[k])
