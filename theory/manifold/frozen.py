"""Manifolds of frozen units (P2), and the full trap around them (E2a).

A unit is frozen where φ' vanishes on all data met: its value is a constant c and its incoming
parameters have no gradient. That much is the paper's M_F. The trap is larger: each target k of a
frozen unit v sees the constant c, so ``∂ℓ/∂w_vk = c δ_k`` is c times ``∂ℓ/∂b_k = δ_k``, and
``w_vk - c b_k`` is conserved; for c = 0, w_vk itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from itertools import product

from theory.architecture import Architecture
from theory.axis_roles import contracted_axes
from theory.errors import ManifoldError
from theory.graph import Graph
from theory.manifold.affine import AffineManifold
from theory.manifold.base import Constraint
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
    Constant,
    Divide,
    Einsum,
    Input,
    Multiply,
    Negative,
    Parameter,
    Power,
    Reshape,
    Scatter,
    Subtract,
    Sum,
    Take,
    Transpose,
)

SCOPE = (
    "what frozen units leave untrained is described only for layers of weights and biases, "
    "each used once"
)
_MOVED = "entries are moved, as by a convolution, pooling, an embedding or steps in time"
_SCALED = "units are multiplied or divided, as by a gate, a gain, a normalisation or attention"
_PASSED = "units are added without weights, as by a residual connection, pooling or a mean"
OBSTACLES: Mapping[type, str] = {
    Take: _MOVED,
    Scatter: _MOVED,
    Concatenate: _MOVED,
    Multiply: _SCALED,
    Divide: _SCALED,
    Einsum: _SCALED,
    Power: _SCALED,
    Add: _PASSED,
    Subtract: _PASSED,
    Sum: _PASSED,
    Negative: "a sign is changed outside the weights",
    Apply: "a function follows on a function, without weights between them",
    Constant: "a fixed array takes part",
}

Values = Mapping[tuple[str, int], Fraction]  # exact values of pinned entries; 0 if missing


def frozen(architecture: Architecture, values: Values | None = None) -> AffineManifold:
    """M_F: the incoming parameters of every frozen unit keep their values.

    Args:
        architecture: with at least one frozen unit (:meth:`Architecture.freeze`).
        values: the values at which entries (parameter, flat index) are pinned.

    Raises:
        ManifoldError: if no unit is frozen, or the architecture is not made of weights and biases
            alone.

    >>> from theory.zoo import mlp
    >>> frozen(mlp([3, 4, 4, 2]).freeze("h1", 0)).codimension
    4
    """
    edges = _Edges(architecture)
    rows = tuple(_pinned(edges, edges.frozen, values or {}))
    return AffineManifold("M_F", architecture.parameter_shapes, rows)


def trap(architecture: Architecture, values: Values | None = None) -> AffineManifold:
    """M_F and what the targets of frozen units conserve: w_vk - c b_k, or w_vk where c = 0.

    Targets without a bias keep w_vk only where c = 0; among several frozen sources with values
    c_1, c_2, … of such a target, the combinations ``c_2 w_1k - c_1 w_2k`` are kept. Where all
    targets of a unit are frozen, it starves and its incoming parameters are kept too.

    Raises:
        ManifoldError: if no unit is frozen, or the architecture is not made of weights and biases
            alone.

    >>> from theory.zoo import mlp
    >>> net = mlp([3, 4, 4, 2])
    >>> trap(net.freeze("h1", 0)).dimension, trap(net.freeze("h2", 0)).dimension
    (38, 39)
    """
    edges = _Edges(architecture)
    values = values or {}
    silent = edges.silent()
    rows = list(_pinned(edges, silent, values))
    for target, sources in edges.constant_sources().items():
        if target not in silent:
            rows += _proportional(sources, edges.biases.get(target), values)
    return AffineManifold("trap", architecture.parameter_shapes, tuple(rows))


Unit = tuple[str, int]  # axis and index
Entry = tuple[str, int]  # parameter and flat index


class _Edges:
    """The scalar edges of an architecture of matrices and biases: who feeds whom."""

    def __init__(self, architecture: Architecture) -> None:
        if not architecture.frozen:
            raise ManifoldError(
                "no unit is frozen: freeze one with architecture.freeze(axis, unit)"
            )
        self.frozen = {
            (axis, unit): value
            for axis, units in architecture.frozen.items()
            for unit, value in units.items()
        }
        self.incoming: dict[Unit, list[Entry]] = {}
        self.outgoing: dict[Unit, list[tuple[Entry, Unit]]] = {}
        self.biases: dict[Unit, Entry] = {}
        graph = architecture.unfrozen().graph()
        _check_single_edges(graph)
        sources = contracted_axes(graph)
        for p, axes in architecture.parameters.items():
            match sources[p]:
                case (False,):
                    for k in range(architecture.sizes[axes[0]]):
                        self.biases[axes[0], k] = (p, k)
                        self.incoming.setdefault((axes[0], k), []).append((p, k))
                case _ if len(axes) == 2 and axes[0] == axes[1]:
                    raise ManifoldError(
                        f"parameter {p!r} over {axes}: frozen units may not feed their own axis"
                    )
                case (True, False):
                    n, m = (architecture.sizes[a] for a in axes)
                    for v, k in product(range(n), range(m)):
                        self._connect((axes[0], v), (axes[1], k), (p, v * m + k))
                case (False, True):
                    n, m = (architecture.sizes[a] for a in axes)
                    for k, v in product(range(n), range(m)):
                        self._connect((axes[1], v), (axes[0], k), (p, k * m + v))
                case _:
                    raise ManifoldError(
                        f"parameter {p!r} over {axes}: frozen units are described for matrices "
                        "from a source to a target axis and for biases"
                    )

    def _connect(self, source: Unit, target: Unit, entry: Entry) -> None:
        self.incoming.setdefault(target, []).append(entry)
        self.outgoing.setdefault(source, []).append((entry, target))

    def silent(self) -> set[Unit]:
        """Units that receive no adjoint: frozen, or all of whose targets are silent."""
        silent: set[Unit] = set(self.frozen)
        while True:
            starved = {
                unit
                for unit, targets in self.outgoing.items()
                if unit not in silent and all(target in silent for _, target in targets)
            }
            if not starved:
                return silent
            silent |= starved

    def constant_sources(self) -> dict[Unit, list[tuple[Entry, Fraction]]]:
        """For every target its edges from frozen units, with the constants they carry."""
        found: dict[Unit, list[tuple[Entry, Fraction]]] = {}
        for unit, value in self.frozen.items():
            for entry, target in self.outgoing.get(unit, ()):
                found.setdefault(target, []).append((entry, value))
        return found


def _check_single_edges(graph: Graph) -> None:
    """Are all values sums of products of one parameter and one unit, and functions of such sums?

    Otherwise the parameters do not tell who feeds whom: a residual connection, for one, passes
    signals on without any.

    Raises:
        ManifoldError: if not, or a parameter is used twice.
    """
    kinds: list[str] = []
    used: set[int] = set()
    for node in graph.nodes:
        operands = sorted(kinds[j] for j in node.operands)
        match node.primitive:
            case Parameter():
                kind = "parameter"
            case Input():
                kind = "unit"
            case Apply() if operands != ["unit"]:
                kind = "unit"
            case Transpose() | Broadcast() | Reshape():
                kind = operands[0]
            case Einsum() if operands == ["parameter", "unit"]:
                kind = "sum"
            case Add() if "unit" not in operands:
                kind = "sum"
            case primitive:
                where = f"in {node.scope} " if node.scope else ""
                raise ManifoldError(f"{where}{OBSTACLES[type(primitive)]}: {SCOPE}")
        for j in node.operands:
            if kinds[j] == "parameter" and j in used:
                raise ManifoldError(f"a parameter is used twice: {SCOPE}")
            used.add(j)
        kinds.append(kind)


def _pinned(edges: _Edges, units: Iterable[Unit], values: Values) -> Iterator[Constraint]:
    for axis, unit in sorted(units):
        for entry in edges.incoming.get((axis, unit), ()):
            value = values.get(entry, Fraction(0))
            yield Constraint({entry: Fraction(1)}, value, f"{entry[0]} into {axis}[{unit}]")


def _proportional(
    sources: list[tuple[Entry, Fraction]], bias: Entry | None, values: Values
) -> Iterator[Constraint]:
    """Laws among gradients that are known multiples of one δ_k."""
    base, scale = (bias, Fraction(1)) if bias is not None else (None, Fraction(0))
    for entry, c in sources:
        if c == 0:
            terms = {entry: Fraction(1)}
        elif base is None:
            base, scale = entry, c
            continue
        else:
            terms = {entry: scale, base: -c}
        value = sum((a * values.get(e, Fraction(0)) for e, a in terms.items()), Fraction(0))
        yield Constraint(terms, value, f"{entry[0]} from a unit frozen at {c}")
