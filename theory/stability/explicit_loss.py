"""The explicit loss of a small network, its second derivatives, and the signals in it.

SymPy differentiates an arbitrary loss ℓ of all outputs by the entries of all parameters. Signals
come from the same function, not from a backward pass: every unit's z and h are given a probe,
φ(z + ε) + η, so d = ∂ℓ/∂h is the derivative by η, and δ = ∂ℓ/∂z that by ε, where the probes are 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import sympy

from theory.activation import Activation
from theory.architecture import Architecture
from theory.axes import axis_names
from theory.axis_roles import contracted_axes
from theory.errors import ArchitectureError
from theory.graph import Graph
from theory.primitives import Add, Apply, Broadcast, Einsum, Input, Parameter, Reshape
from theory.symbolic.forward import Array, forward_values
from theory.symbolic.functions import applied, loss_of
from theory.symbolic.naming import entries, heads

Entry = tuple[str, int]  # a parameter and a flat index

LINEAR = (Add, Broadcast, Einsum, Input, Parameter, Reshape)  # what weights and biases consist of


@dataclass(frozen=True, slots=True)
class Direction:
    """A direction in parameter space, up to length.

    Args:
        terms: entries, rational numbers or expressions.
        name: LaTeX.

    >>> Direction({("W", 0): Fraction(1), ("W", 1): Fraction(-1)}, "e").squared_norm
    Fraction(2, 1)
    """

    terms: Mapping[Entry, Any]
    name: str

    @property
    def squared_norm(self) -> Fraction:
        """⟨v, v⟩ of a rational direction."""
        return sum((Fraction(c) ** 2 for c in self.terms.values()), Fraction(0))


@dataclass(frozen=True, eq=False)
class ExplicitLoss:
    """An arbitrary loss of a network's explicit outputs.

    Attributes:
        architecture: the network.
        parameters: a symbol for every entry.
        x: symbols of the data ``(batch, *inputs)``.
        y: the outputs ``(batch, …)``.
        value: ℓ(y), plus ½ λ ‖θ‖² where there is weight decay.
    """

    architecture: Architecture
    parameters: Mapping[str, Array]
    x: Array
    y: Array
    value: sympy.Expr
    _first: dict[Entry, sympy.Expr] = field(default_factory=dict, init=False, repr=False)
    _second: dict[tuple[Entry, Entry], sympy.Expr] = field(
        default_factory=dict, init=False, repr=False
    )

    def symbol(self, entry: Entry) -> sympy.Symbol:
        """The symbol of an entry."""
        return self.parameters[entry[0]].flat[entry[1]]

    def entries(self) -> Iterator[Entry]:
        """All entries of all parameters."""
        return ((p, e) for p, array in self.parameters.items() for e in range(array.size))

    def slope(self, entry: Entry) -> sympy.Expr:
        """∂L/∂θ_e."""
        if entry not in self._first:
            self._first[entry] = self.value.diff(self.symbol(entry))
        return self._first[entry]

    def curvature(self, one: Entry, other: Entry) -> sympy.Expr:
        """∂²L/∂θ_e ∂θ_f."""
        pair = (one, other) if one <= other else (other, one)
        if pair not in self._second:
            self._second[pair] = self.slope(pair[0]).diff(self.symbol(pair[1]))
        return self._second[pair]

    def form(self, u: Direction, v: Direction) -> sympy.Expr:
        """uᵀ ∇²L v."""
        terms = (
            sympy.sympify(c) * sympy.sympify(d) * self.curvature(e, f)
            for e, c in u.terms.items()
            for f, d in v.terms.items()
        )
        return sympy.Add(*terms, evaluate=False)


@dataclass(frozen=True, eq=False)
class Signals:
    """What passes through the units of one axis; arrays are ``(batch, units)``.

    Attributes:
        activation: φ, ``None`` for outputs without one.
        h: values.
        z: pre-activations.
        d: ∂ℓ/∂h.
        delta: ∂ℓ/∂z.
    """

    activation: Activation | None
    h: Array
    z: Array
    d: Array
    delta: Array

    def derivative(self, order: int, sample: int, unit: int) -> sympy.Expr:
        """φ', φ'', … at z."""
        return derivative(self.activation, order, self.z[sample, unit])


def derivative(activation: Activation | None, order: int, z: sympy.Expr) -> sympy.Expr:
    """A derivative of φ at an expression; without φ, of the identity.

    >>> derivative(Activation("phi"), 2, sympy.Integer(3))
    phi''(3)
    """
    if activation is None:
        return z if order == 0 else sympy.Integer(int(order == 1))
    place = sympy.Dummy("z")
    return sympy.diff(applied(activation, place), place, order).xreplace({place: z})


def explicit_loss(
    architecture: Architecture, batch: int = 1, decay: sympy.Expr | None = None
) -> ExplicitLoss:
    """Write out an arbitrary loss of all outputs.

    Args:
        architecture: a small network.
        batch: number of samples.
        decay: λ, for the loss ℓ + ½ λ ‖θ‖².

    >>> from theory.zoo import mlp
    >>> explicit_loss(mlp([1, 1, 1], bias=False)).value
    ell(w^{(2)}_{11}*phi(w^{(1)}_{11}*x_{1}), t)
    """
    graph, parameters, x = _symbols(architecture, batch)
    values = forward_values(graph, {**parameters, "x": x}, applied)
    y = values[graph.outputs["y"]]
    value = loss_of(list(y.flat))
    if decay is not None:
        squares = (symbol**2 for array in parameters.values() for symbol in array.flat)
        value = value + decay / 2 * sympy.Add(*squares)
    return ExplicitLoss(architecture, parameters, x, y, value)


def signals(
    architecture: Architecture, batch: int = 1
) -> tuple[dict[str, Signals], dict[sympy.Symbol, sympy.Expr]]:
    """Signals of every axis of a network of units, and the probes with their values, 0.

    Raises:
        ArchitectureError: if a unit is anything but φ of a weighted sum of units.
    """
    graph, parameters, x = _symbols(architecture, batch)
    require_units(architecture, graph)
    probes: list[sympy.Symbol] = []

    def probed(activation: Activation, z: sympy.Expr) -> sympy.Expr:
        inner, outer = sympy.symbols(f"epsilon_{len(probes)} eta_{len(probes)}")
        probes.extend((inner, outer))
        return applied(activation, z + inner) + outer

    values = forward_values(graph, {**parameters, "x": x}, probed)
    y = values[graph.outputs["y"]]
    loss = loss_of(list(y.flat))
    names = axis_names(graph, architecture.declared_axes)
    found: dict[str, Signals] = {}
    used = 0
    for k, node in enumerate(graph.nodes):
        if isinstance(node.primitive, Apply):
            own = np.array(probes[used : used + 2 * values[k].size], dtype=object)
            used += own.size
            delta, d = (_slopes(loss, own[start::2], values[k].shape) for start in (0, 1))
            z = values[node.operands[0]]
            axis = str(names[k][-1])
            found[axis] = Signals(node.primitive.activation, values[k], z, d, delta)
    _add_ends(architecture, str(names[graph.outputs["y"]][-1]), found, x, y, loss)
    return found, dict.fromkeys(probes, sympy.Integer(0))


def _symbols(architecture: Architecture, batch: int) -> tuple[Graph, dict[str, Array], Array]:
    """The graph, a symbol for every entry of every parameter, and symbols of the data."""
    shapes = architecture.parameter_shapes
    named = heads([*shapes, "x"])
    parameters = {p: entries(*named[p], shape) for p, shape in shapes.items()}
    x = entries(*named["x"], (batch, *architecture.input_shape), sample=True)
    return architecture.graph(batch), parameters, x


def _add_ends(
    architecture: Architecture,
    output: str,
    found: dict[str, Signals],
    x: Array,
    y: Array,
    loss: sympy.Expr,
) -> None:
    """Inputs, which have no adjoint of interest, and outputs that are sums."""
    nothing = np.full(x.shape, sympy.Integer(0), dtype=object)
    found[architecture.inputs[-1]] = Signals(None, x, x, nothing, nothing)
    if output not in found:
        slopes = np.array([loss.fdiff(k + 1) for k in range(y.size)], dtype=object)
        slopes = slopes.reshape(y.shape)
        found[output] = Signals(None, y, y, slopes, slopes)


def _slopes(loss: sympy.Expr, probes: Iterable[sympy.Symbol], shape: tuple[int, ...]) -> Array:
    flat = np.empty(int(np.prod(shape)), dtype=object)
    for k, probe in enumerate(probes):
        flat[k] = loss.diff(probe)
    return flat.reshape(shape)


def require_units(architecture: Architecture, graph: Graph) -> None:
    """Refuse what is no network of units h = φ(Σ w h + b), each parameter used once.

    Raises:
        ArchitectureError: with the first node that is something else.
    """
    uses: dict[int, list[int]] = {}
    for k, node in enumerate(graph.nodes):
        if not isinstance(node.primitive, (*LINEAR, Apply)) or len(node.shape) > 2:
            raise ArchitectureError(
                f"{architecture.name}: node {k}, {type(node.primitive).__name__} of shape "
                f"{node.shape}: a network of units consists of φ, weights and biases; "
                "exchangeable_blocks derives the transverse block of other layers"
            )
        for operand in set(node.operands):
            uses.setdefault(operand, []).append(k)
    for k, node in enumerate(graph.nodes):
        readers = [type(graph.nodes[j].primitive) for j in uses.get(k, [])]
        if isinstance(node.primitive, Parameter) and len(readers) > 1:
            raise ArchitectureError(
                f"{architecture.name}: {node.primitive.name!r} is used {len(readers)} times: "
                "a weight belongs to one edge"
            )
        if isinstance(node.primitive, Apply) and set(readers) - {Einsum}:
            raise ArchitectureError(
                f"{architecture.name}: node {k} feeds {readers[0].__name__}: the outputs of "
                "units reach others through weights only"
            )
    for p, roles in contracted_axes(graph).items():
        if roles not in ((False,), (True, False)):
            raise ArchitectureError(
                f"{architecture.name}: {p} {architecture.parameters[p]}: a weight has its "
                "source axis first and its target axis last, a bias a target axis"
            )
    met = axis_names(graph, architecture.declared_axes)
    axes = [met[k][-1] for k, node in enumerate(graph.nodes) if isinstance(node.primitive, Apply)]
    if None in axes or len(axes) != len(set(axes)):
        raise ArchitectureError(
            f"{architecture.name}: axes {axes}: every axis of units needs a name of its own"
        )
