"""Which units are clones: the coarsest equitable partition of given parameters.

Colour refinement (1-dimensional Weisfeiler-Leman): all units of a hidden axis start alike; as long
as two units of one block have different *signatures*, the sums of their weights from and to every
block, they are separated. What is left when nothing changes is the coarsest partition on whose
manifold the parameters lie, and every other such partition is finer: units that it joins have the
same sums over its blocks, hence over unions of them, and are never separated.

With signs (N9) and zero units (N10) P is *finer* than Q if each block of P lies, with the same
relative signs, in a block of Q or among its zero units, and zero units of P are zero in Q. Units
then start as zero units; one with a signature other than 0 leaves them, and signatures are compared
up to sign. A signature that is its own negative is 0, so such a unit stays. For mirrored axes this
is colour refinement on the double cover, with units u and -u and weights ±w_uv: a block that holds
u with -u consists of zero units. So here too the coarsest partition exists and is unique, signs
included.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from hashlib import blake2b
from math import lcm
from typing import Any, Literal

import numpy as np
import sympy

from theory.architecture import Architecture
from theory.axes import axis_names
from theory.axis_roles import contracted_axes
from theory.errors import ManifoldError
from theory.exact_arrays import Array, numbers
from theory.manifold import ClonedManifold, block_constant, equitable, incoming_equitable
from theory.manifold.base import Parameters
from theory.partition import AxisPartition
from theory.primitives import Apply, Input

Kind = Literal["IE∩OE", "IE", "BC"]
MANIFOLDS: Mapping[str, Callable[..., ClonedManifold]] = {
    "IE∩OE": equitable,
    "IE": incoming_equitable,
    "BC": block_constant,
}
ZERO = -1
"""The label of zero units."""

# Rows (n, k) to labels from 0 and signs; if asked for, rows that are 0 get ZERO, and rows that are
# equal up to sign one label.
Group = Callable[[Array, bool, bool], tuple[Array, Array]]


@dataclass(frozen=True)
class Refinement:
    """A partition found from parameters.

    Attributes:
        partition: of every axis.
        manifold: of the kind asked for, with this partition; that the parameters lie on it,
            ``manifold.squared_distance(parameters) == 0``, does not depend on how it was found.
        rounds: how often all units were compared.
    """

    partition: Mapping[str, AxisPartition]
    manifold: ClonedManifold
    rounds: int


def coarsest_partition(
    architecture: Architecture,
    parameters: Parameters,
    *,
    kind: Kind = "IE∩OE",
    mirrored: Collection[str] = (),
    zero: Collection[str] = (),
) -> Refinement:
    """The coarsest partition of the hidden axes on whose manifold exact parameters lie.

    Axes of inputs and outputs, and those along which no unit has a value, have no clones.

    Args:
        architecture: the network.
        parameters: arrays of integers or fractions, without leading axes.
        kind: of manifold: ``IE∩OE``; ``IE``, for equal values; ``BC``, for equal parameters.
        mirrored: hidden axes on which clones may have opposite values (their zero units too);
            :func:`odd_axes` is a choice.
        zero: hidden axes on which units may be 0; :func:`vanishing_axes` is a choice.

    Raises:
        ManifoldError: if a parameter is missing, has another shape or is not exact, an axis is not
            hidden, or an axis of the output has no name.
        GraphError: if sources and targets of a parameter are ambiguous.

    >>> from theory.zoo import mlp
    >>> net = mlp([1, 3, 1], "tanh", bias=False)
    >>> weights = {"W1": np.array([[2, 2, -2]]), "W2": np.array([[1], [1], [-1]])}
    >>> coarsest_partition(net, weights).partition["h1"].blocks
    ((0, 1), (2,))
    >>> coarsest_partition(net, weights, mirrored=["h1"]).partition["h1"].signs
    (1, 1, -1)
    """
    whole = {p: _whole(p, parameters, shape) for p, shape in architecture.parameter_shapes.items()}
    colouring = Colouring(architecture, whole, kind, frozenset(mirrored), frozenset(zero))
    rounds = colouring.refine(_equal_rows)
    partition = colouring.partition()
    return Refinement(partition, MANIFOLDS[kind](architecture, partition), rounds)


def odd_axes(architecture: Architecture) -> frozenset[str]:
    """Hidden axes along which every function symbol is odd; where mirrored clones are plausible.

    Whether they are clones, the exact check of the manifold says: a product of two mirrored values
    is not mirrored.

    >>> from theory.zoo import mlp
    >>> sorted(odd_axes(mlp([2, 3, 3, 1], "tanh"))), sorted(odd_axes(mlp([2, 3, 1], "sigmoid")))
    (['h1', 'h2'], [])
    """
    return _axes_where(architecture, _is_odd)


def vanishing_axes(architecture: Architecture) -> frozenset[str]:
    """Hidden axes along which every function symbol is 0 at 0; where zero units are plausible.

    >>> from theory.zoo import mlp
    >>> sorted(vanishing_axes(mlp([2, 3, 1], "gelu"))), sorted(vanishing_axes(mlp([2, 3, 1])))
    (['h1'], [])
    """
    return _axes_where(architecture, _vanishes)


def _is_odd(symbol: Any) -> bool:
    return symbol.value_parity == "odd" and symbol.law.centre is None


def _vanishes(symbol: Any) -> bool:
    closed_form = symbol.law.closed_form
    if _is_odd(symbol):
        return True
    return (
        closed_form is not None
        and not symbol.law.jumps_at_zero
        and closed_form(sympy.Integer(0)) == 0
    )


def _axes_where(architecture: Architecture, holds: Callable[[Any], bool]) -> frozenset[str]:
    graph = architecture.unfrozen().graph()
    names = axis_names(graph, architecture.declared_axes)
    failing = {
        axis
        for k, node in enumerate(graph.nodes)
        if isinstance(node.primitive, Apply) and not holds(node.primitive.activation)
        for axis in names[k]
    }
    return hidden_axes(architecture) - failing


def hidden_axes(architecture: Architecture) -> frozenset[str]:
    """The axes along which units have values, other than those of inputs and outputs.

    Raises:
        ManifoldError: if an axis of the output has no name.
    """
    graph = architecture.unfrozen().graph()
    names = axis_names(graph, architecture.declared_axes)
    output = graph.outputs["y"]
    for name, length in zip(names[output][1:], graph.nodes[output].shape[1:], strict=True):
        if name is None and length > 1:
            raise ManifoldError(
                f"{architecture.name}: an axis of the output has no name, so which units are "
                "outputs is unknown"
            )
    has_data: set[int] = set()
    for k, node in enumerate(graph.nodes):
        if isinstance(node.primitive, Input) or any(j in has_data for j in node.operands):
            has_data.add(k)
    met = {name for k in has_data for name in names[k]} & set(architecture.sizes)
    return frozenset(name for name in met - {*architecture.inputs, *names[output]} if name)


class Colouring:
    """Labels and signs of the units of every axis, made finer until their signatures agree.

    Args:
        architecture: the network.
        parameters: arrays of its shapes, of numbers of any kind.
        kind: of manifold.
        mirrored: hidden axes with signs.
        zero: hidden axes with zero units.

    Raises:
        ManifoldError: if an axis is not hidden, or an axis of the output has no name.
        GraphError: if sources and targets of a parameter are ambiguous.
    """

    def __init__(
        self,
        architecture: Architecture,
        parameters: Parameters,
        kind: Kind,
        mirrored: frozenset[str],
        zero: frozenset[str],
    ) -> None:
        self.architecture, self.parameters, self.kind = architecture, parameters, kind
        self.mirrored, self.vanishing = mirrored, zero | mirrored
        hidden = hidden_axes(architecture)
        if other := sorted(self.vanishing - hidden):
            raise ManifoldError(
                f"axis {other[0]!r} has no mirrored or zero units: the hidden axes are "
                f"{', '.join(sorted(hidden)) or 'none'}"
            )
        self.axes = [axis for axis in architecture.sizes if axis in hidden]
        graph = architecture.unfrozen().graph()
        self.sources = (
            {p: (False,) * len(axes) for p, axes in architecture.parameters.items()}
            if kind == "BC"
            else contracted_axes(graph, up_to_exchange=kind == "IE∩OE")
        )
        self.labels, self.signs = {}, {}
        for axis, n in architecture.sizes.items():
            alike = ZERO if axis in self.vanishing else 0
            self.labels[axis] = np.full(n, alike) if axis in hidden else np.arange(n)
            self.signs[axis] = np.ones(n, dtype=int)

    def refine(self, group: Group) -> int:
        """Separate units until nothing changes; the number of rounds."""
        rounds, changed = 0, True
        while changed:
            rounds += 1
            changed = False
            for axis in self.axes:  # a list, so that every axis is visited
                changed |= self._refine_axis(axis, group)
        return rounds

    def _refine_axis(self, axis: str, group: Group) -> bool:
        labels = self.labels[axis]
        size = np.bincount(labels + 1)[labels + 1]  # of every unit's block; ZERO is -1
        open_units = np.flatnonzero((labels == ZERO) | (size > 1))
        if not len(open_units):
            return False
        rows = self.signatures(axis, open_units)
        rows = rows * self.signs[axis][open_units, None]
        own = labels[open_units]
        fresh, changed = int(labels.max()) + 1, False
        order = np.argsort(own, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(own[order])) + 1):
            old = own[members[0]]
            if old != ZERO and len(members) == 1:
                continue
            is_open = bool(old == ZERO)
            new, signs = group(rows[members], is_open, is_open and axis in self.mirrored)
            units = open_units[members]
            if old == ZERO:
                left = new != ZERO
                labels[units[left]] = fresh + new[left]
                self.signs[axis][units[left]] = signs[left]
                changed |= bool(left.any())
            else:
                apart = new != new[0]
                labels[units[apart]] = fresh + new[apart]
                changed |= bool(apart.any())
            fresh = int(labels.max()) + 1
        return changed

    def signatures(self, axis: str, units: Array) -> Array:
        """Everything that clones on ``axis`` have in common, one row a unit."""
        blocks = [np.zeros((len(units), 0), dtype=int)]
        for p, axes in self.architecture.parameters.items():
            for position, name in enumerate(axes):
                if name != axis or (self.kind == "IE" and self.sources[p][position]):
                    continue
                value = np.take(self.parameters[p], units, axis=position)
                for other, own in enumerate(axes):
                    if self.kind != "BC" and self.sources[p][other] != self.sources[p][position]:
                        value = self._sums(own, value, other)
                moved: Array = np.moveaxis(value, position, 0)
                blocks.append(moved.reshape(len(units), -1))
        rows: Array = np.concatenate([b for b in blocks if b.shape[1]] or blocks[:1], axis=1)
        return rows

    def _sums(self, axis: str, value: Array, position: int) -> Array:
        """Signed sums over the blocks of an axis, zero units left out."""
        labels = self.labels[axis]
        order = np.argsort(labels, kind="stable")
        order = order[labels[order] != ZERO]
        if not len(order):
            nothing: Array = np.take(value, order, axis=position)
            return nothing
        starts = np.flatnonzero(np.diff(labels[order], prepend=ZERO))
        column = (-1,) + (1,) * (value.ndim - position - 1)
        signed = np.take(value, order, axis=position) * self.signs[axis][order].reshape(column)
        sums: Array = np.add.reduceat(signed, starts, axis=position)
        return sums

    def partition(self) -> dict[str, AxisPartition]:
        """The partition of every axis; the first unit of every block has the sign +1."""
        partition = {}
        for axis, n in self.architecture.sizes.items():
            blocks: dict[int, list[int]] = {}
            for unit, label in enumerate(self.labels[axis].tolist()):
                blocks.setdefault(label, []).append(unit)
            zero = tuple(blocks.pop(ZERO, ()))
            signs = [1] * n
            for block in blocks.values():
                for unit in block:
                    signs[unit] = int(self.signs[axis][unit] * self.signs[axis][block[0]])
            found = tuple(tuple(block) for block in blocks.values())
            partition[axis] = AxisPartition(n, found, tuple(signs), zero)
        return partition


def _whole(name: str, parameters: Parameters, shape: tuple[int, ...]) -> Array:
    """The entries times their common denominator: 64-bit integers where no sum can overflow."""
    if name not in parameters or np.shape(parameters[name]) != shape:
        raise ManifoldError(f"parameters[{name!r}]: an array of shape {shape} is expected")
    given = np.asarray(parameters[name])
    if given.dtype.kind in "iu" and given.size and _is_small(given):
        return given.astype(np.int64)
    entries = numbers(given).ravel().tolist()
    if not all(isinstance(entry, Fraction) for entry in entries):
        raise ManifoldError(f"parameters[{name!r}]: entries are integers or fractions")
    scale = lcm(*(entry.denominator for entry in entries))
    exact = np.array([int(entry * scale) for entry in entries], dtype=object).reshape(shape)
    return exact.astype(np.int64) if exact.size and _is_small(exact) else exact


def _is_small(values: Array) -> bool:
    return max(abs(int(values.max())), abs(int(values.min()))) * values.size < 1 << 62


def _equal_rows(rows: Array, with_zero: bool, up_to_sign: bool) -> tuple[Array, Array]:
    """Rows grouped by equality; long ones by a 256-bit digest, which the manifold then checks."""
    is_set = np.asarray(rows != 0, dtype=bool)
    is_zero = ~is_set.any(axis=1)
    signs = np.ones(len(rows), dtype=int)
    if up_to_sign and rows.shape[1]:
        leading = rows[np.arange(len(rows)), is_set.argmax(axis=1)]
        signs = np.where(np.asarray(leading < 0, dtype=bool), -1, 1)
        rows = rows * signs[:, None]
    labels: dict[Any, int] = {}
    found = np.empty(len(rows), dtype=int)
    for k, row in enumerate(np.ascontiguousarray(rows)):
        key = tuple(row) if rows.dtype == object else blake2b(row.data, digest_size=32).digest()
        found[k] = labels.setdefault(key, len(labels))
    return np.where(is_zero & with_zero, ZERO, found), signs
