"""What the units of one axis do on data: pre-activations, activations, and their adjoints.

The units' output is the value of a function symbol along their axis. Positions of an image and
steps in time are further samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from numerics.evaluate import Evaluator
from numerics.losses import Loss
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from numerics.tasks import Task
from numerics.train import num_leading
from theory.activation import Activation
from theory.architecture import Architecture
from theory.axes import axis_names
from theory.backprop import gradient
from theory.errors import ArchitectureError
from theory.graph import Graph
from theory.primitives import Apply, Input
from theory.rewrite import replace_values
from theory.tracing import Traced, record, trace

_ZERO = "zero"  # an input that is added to h: its adjoint is d


@dataclass(frozen=True, slots=True)
class Units:
    """Where the outputs of the units of an axis are computed.

    Attributes:
        activation: the function symbol.
        node: its node in the forward graph; its operand holds the pre-activations.
        position: of the axis, counted from the right, so negative.
        ndim: number of axes of the node.
    """

    activation: Activation
    node: int
    position: int
    ndim: int

    def rows(self, values: Array) -> Array:
        """Values as ``(…, samples, units)``."""
        moved = np.moveaxis(values, self.position, -1)
        lead = moved.shape[: moved.ndim - self.ndim]
        return moved.reshape((*lead, -1, moved.shape[-1]))


@dataclass(frozen=True, slots=True)
class Signals:
    """Values of the units of one axis, each ``(…, samples, units)``.

    Attributes:
        z: pre-activations.
        h: activations φ(z).
        slope: φ'(z).
        d: ∂ℓ/∂h, with the weights that the loss gives to samples.
        delta: ∂ℓ/∂z = d φ'(z).
    """

    z: Array
    h: Array
    slope: Array
    d: Array
    delta: Array


def activations(
    architecture: Architecture,
    parameters: Mapping[str, Array],
    x: Array,
    axis: str,
    *,
    place: int | None = None,
) -> Array:
    """The outputs h of the units of an axis, ``(…, samples, units)``.

    Args:
        architecture: the network.
        parameters: its parameters, all with the same leading axes or none.
        x: data ``(samples, *inputs)``.
        axis: whose units.
        place: which of several function symbols along the axis, in the order of evaluation.

    Raises:
        ArchitectureError: if no function symbol acts on samples along the axis; or several do, and
            ``place`` does not say which.
        ShapeError: if an array does not fit.

    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], "relu", bias=False)
    >>> weights = {"W1": np.array([[1.0, -1.0]]), "W2": np.ones((2, 1))}
    >>> activations(net, weights, np.array([[3.0], [-2.0]]), "h1")
    array([[3., 0.],
           [0., 2.]])
    """
    graph = architecture.graph(len(x))
    units = find_units(architecture, graph, axis, place)
    lead = num_leading(architecture, parameters)
    probed = Graph(graph.nodes, {"h": units.node})
    return units.rows(Evaluator(probed, Float64(), lead)({**parameters, "x": x})["h"])


def signals(
    architecture: Architecture,
    parameters: Mapping[str, Array],
    task: Task,
    loss: Loss,
    axis: str,
    *,
    place: int | None = None,
) -> Signals:
    """Forward and backward values of the units of an axis on the data of a task.

    Args:
        architecture: the network.
        parameters: its parameters, all with the same leading axes or none.
        task: the data.
        loss: whose adjoints.
        axis: whose units.
        place: which of several function symbols along the axis, in the order of evaluation.

    Raises:
        ArchitectureError: if no function symbol acts on samples along the axis; or several do, and
            ``place`` does not say which.
        ShapeError: if an array does not fit.

    >>> from numerics.losses import MSE
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], "relu", bias=False)
    >>> weights = {"W1": np.array([[1.0, -1.0]]), "W2": np.ones((2, 1))}
    >>> found = signals(net, weights, Task("two", np.array([[3.0]]), np.zeros((1, 1))), MSE, "h1")
    >>> found.d, found.delta
    (array([[3., 3.]]), array([[3., 0.]]))
    """
    graph = architecture.graph(len(task.x))
    units = find_units(architecture, graph, axis, place)
    lead = num_leading(architecture, parameters)
    outputs = {**graph.outputs, "z": graph.nodes[units.node].operands[0], "h": units.node}
    shape = graph.nodes[units.node].shape

    def with_zero(k: int, value: Traced) -> Traced:
        return value + record(value.builder, Input(_ZERO, shape)) if k == units.node else value

    given = {**parameters, "x": task.x}
    forward = Evaluator(Graph(graph.nodes, outputs), Float64(), lead)(given)
    backward = gradient(replace_values(graph, with_zero), wrt=[_ZERO])
    adjoint = loss.adjoint(forward["y"], task.y)
    pulled = Evaluator(backward, Float64(), lead)(
        {**given, _ZERO: np.zeros(shape), "adjoint:y": adjoint}
    )
    z, h, d = (units.rows(a) for a in (forward["z"], forward["h"], pulled[f"grad:{_ZERO}"]))
    slope = slopes(units.activation, z)
    return Signals(z, h, slope, d, d * slope)


def slopes(activation: Activation, z: Array) -> Array:
    """φ'(z), elementwise.

    >>> from theory.activation import tanh
    >>> slopes(tanh, np.array([0.0, 400.0]))
    array([1., 0.])
    """
    chain = gradient(
        trace(lambda _, x: {"h": activation(x["z"])}, {}, {"z": z.shape}), ["z"], ["h"]
    )
    found = Evaluator(chain, Float64())({"z": z, "adjoint:h": np.ones(z.shape)})
    return np.broadcast_to(found["grad:z"], z.shape)


def symbols_on_data(graph: Graph) -> Iterator[tuple[int, Activation]]:
    """The function symbols of values that depend on inputs, with their nodes."""
    depends: set[int] = set()
    for k, node in enumerate(graph.nodes):
        if isinstance(node.primitive, Input) or any(j in depends for j in node.operands):
            depends.add(k)
            if isinstance(node.primitive, Apply):
                yield k, node.primitive.activation


def find_units(
    architecture: Architecture, graph: Graph, axis: str, place: int | None = None
) -> Units:
    """The function symbol whose values are the outputs of an axis' units.

    Args:
        architecture: the network, without overrides.
        graph: its forward graph.
        axis: whose units.
        place: which of several symbols, in the order of evaluation.

    Raises:
        ArchitectureError: if no function symbol acts on samples along the axis; or several do, and
            ``place`` does not say which; or units are overridden by constants.
    """
    if architecture.frozen:
        raise ArchitectureError(
            f"{architecture.name}: units are overridden by constants; take unfrozen()"
        )
    names = axis_names(graph, architecture.declared_axes)
    found = [
        Units(activation, k, names[k].index(axis) - len(names[k]), len(names[k]))
        for k, activation in symbols_on_data(graph)
        if axis in names[k][1:]
    ]
    if not found:
        raise ArchitectureError(
            f"{architecture.name}: no function symbol acts on samples along axis {axis!r}"
        )
    if place is None and len(found) > 1:
        listed = ", ".join(f"{k}: {one.activation!r}" for k, one in enumerate(found))
        raise ArchitectureError(
            f"{architecture.name}: several function symbols act along axis {axis!r}; place= one "
            f"of {listed}"
        )
    if place is not None and not 0 <= place < len(found):
        raise ArchitectureError(f"place={place}: axis {axis!r} meets {len(found)} function symbols")
    return found[place or 0]
