"""Manifolds of cloned units: IE, OE, IE∩OE, BC and its leaves.

Along each partitioned axis a tensor splits into a block-constant part, ``C``, and a zero-sum part,
``Z``. A pattern such as ``CZ`` names one part of a matrix, the parts are orthogonal, and each
manifold of cloned units is a choice of patterns:

    IE      no ``C…C`` on the source axes with a ``Z`` on the target axes
    OE      no ``Z`` on the source axes with ``C…C`` on the target axes
    IE∩OE   both: of a matrix, ``CC`` and ``ZZ``
    BC      ``C…C`` alone;  a leaf is a point of IE∩OE plus BC

With signs and zero units in the partition (:mod:`theory.partition`) the same sets describe mirrored
clones and zero units: the sums are signed, and "equal" is "equal up to sign", or 0.

The definitions follow arXiv 2510.00304, §"cloned units", with the index order that makes them true
(claim E5a): a sum over *sources* for each target is the forward half.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np

from theory.architecture import Architecture
from theory.axis_roles import contracted_axes
from theory.errors import ManifoldError, PartitionError
from theory.exact_arrays import like, numbers
from theory.manifold.base import (
    AxisMap,
    Constraint,
    Factor,
    Manifold,
    NormalTest,
    Parameters,
    Part,
    SparseVector,
    leading_shape,
)
from theory.partition import AxisPartition, Partition, make_partition
from theory.primitives import Shape


@dataclass(frozen=True, eq=False, repr=False)
class ClonedManifold(Manifold):
    """The parameters whose tensors have only the allowed patterns, about an optional offset.

    Args:
        label: what reports call it.
        axes: the partition of every axis of every parameter.
        allowed: the patterns of every parameter, one letter an axis.
        offset: a point of the manifold other than 0, for a leaf.

    Raises:
        ManifoldError: if a pattern does not fit its parameter.
    """

    label: str
    axes: Mapping[str, tuple[AxisPartition, ...]]
    allowed: Mapping[str, frozenset[str]]
    offset: Parameters | None = None

    def __post_init__(self) -> None:
        if set(self.allowed) != set(self.axes):
            odd = min(set(self.allowed) ^ set(self.axes))
            raise ManifoldError(f"allowed and axes name different parameters: {odd!r}")
        for p, patterns in self.allowed.items():
            for pattern in patterns:
                if len(pattern) != len(self.axes[p]) or set(pattern) - {"C", "Z"}:
                    raise ManifoldError(
                        f"allowed[{p!r}]: pattern {pattern!r} does not name the "
                        f"{len(self.axes[p])} axes"
                    )
        if self.offset is not None and leading_shape(
            self.offset, self.shapes, f"{self.label}: offset"
        ):
            raise ManifoldError(f"{self.label}: the offset is one point, without leading axes")

    @property
    def name(self) -> str:
        """The label."""
        return self.label

    @cached_property
    def shapes(self) -> Mapping[str, Shape]:
        """Shapes of the parameters."""
        return {p: tuple(axis.size for axis in axes) for p, axes in self.axes.items()}

    @cached_property
    def free_shapes(self) -> Mapping[str, Shape]:
        """One array of coordinates for each parameter and allowed pattern, ``W1:CC``."""
        return {
            f"{p}:{pattern}": self._part_shape(p, pattern)
            for p in self.axes
            for pattern in self._patterns(p, self.allowed[p])
        }

    def _patterns(self, p: str, chosen: frozenset[str]) -> list[str]:
        return sorted(c for c in chosen if prod(self._part_shape(p, c)))

    def _forbidden(self, p: str) -> list[str]:
        return self._patterns(p, _all_patterns(len(self.axes[p])) - self.allowed[p])

    def _part_shape(self, p: str, pattern: str) -> Shape:
        return tuple(
            axis.num_blocks if letter == "C" else axis.num_mixed
            for letter, axis in zip(pattern, self.axes[p], strict=True)
        )

    def embed(self, free: Parameters) -> dict[str, Any]:
        """Sum of the parts, each spread over its axes, plus the offset.

        Raises:
            ManifoldError: if a coordinate array is missing or does not fit.
        """
        lead = leading_shape(free, self.free_shapes, self.label)
        theta: dict[str, Any] = {}
        for p, axes in self.axes.items():
            total: Any = None if self.offset is None else self.offset[p]
            for pattern in self._patterns(p, self.allowed[p]):
                part = free[f"{p}:{pattern}"]
                for k in range(len(axes)):
                    part = _axis_map(axes[k], pattern[k]).spread(part, k - len(axes))
                total = part if total is None else total + part
            theta[p] = np.zeros((*lead, *self.shapes[p]), dtype=int) if total is None else total
        return theta

    def parts(self, parameter: str) -> tuple[Part, ...]:
        """One part for each allowed pattern; none if there is an offset."""
        if self.offset is not None:
            return ()
        axes = self.axes[parameter]
        return tuple(
            Part(
                f"{parameter}:{pattern}",
                tuple(_axis_map(a, letter) for a, letter in zip(axes, pattern, strict=True)),
            )
            for pattern in self._patterns(parameter, self.allowed[parameter])
        )

    def constraints(self) -> Iterator[Constraint]:
        """One row for each basis vector of a forbidden pattern."""
        for p in self.axes:
            for pattern in self._forbidden(p):
                for terms in self._basis(p, pattern):
                    value = Fraction(0)
                    if self.offset is not None:
                        flat = np.ravel(np.asarray(self.offset[p]))
                        value = sum((c * Fraction(flat[e]) for (_, e), c in terms.items()), value)
                    yield Constraint(terms, value, f"{p}:{pattern}")

    def tangent_basis(self) -> Iterator[SparseVector]:
        """The basis vectors of the allowed patterns."""
        for p in self.axes:
            for pattern in self._patterns(p, self.allowed[p]):
                yield from self._basis(p, pattern)

    def _basis(self, p: str, pattern: str) -> Iterator[SparseVector]:
        axes = self.axes[p]
        bases = [
            axis.constant_basis() if letter == "C" else axis.mixed_basis()
            for letter, axis in zip(pattern, axes, strict=True)
        ]
        strides = [prod(self.shapes[p][k + 1 :]) for k in range(len(axes))]
        for vectors in product(*bases):
            yield {
                (p, sum(s * unit for s, (unit, _) in zip(strides, entry, strict=True))): Fraction(
                    prod(c for _, c in entry)
                )
                for entry in product(*(v.items() for v in vectors))
            }

    def normal_tests(self) -> tuple[NormalTest, ...]:
        """For each forbidden pattern the products of one vector an axis."""
        tests = []
        for p, axes in self.axes.items():
            for pattern in self._forbidden(p):
                factors = tuple(
                    Factor(
                        f"axis {k}",
                        (k,),
                        (axis.num_blocks if letter == "C" else axis.num_mixed,),
                        axis.expand_vector if letter == "C" else axis.complete_vector,
                    )
                    for k, (letter, axis) in enumerate(zip(pattern, axes, strict=True))
                )
                tests.append(NormalTest(f"{p}:{pattern}", {p: factors}))
        return tuple(tests)

    def normal_part(self, theta: Parameters) -> dict[str, Any]:
        """The parts with forbidden patterns of θ minus the offset, for arrays of numbers.

        Raises:
            ManifoldError: if a parameter is missing or does not fit.
        """
        points = {p: numbers(theta[p]) for p in self.shapes if p in theta}
        leading_shape(points, self.shapes, self.label)
        normal: dict[str, Any] = {}
        for p, axes in self.axes.items():
            point = points[p]
            if self.offset is not None:
                point = point - like(numbers(self.offset[p]), point)
            total: Any = point * 0
            for pattern in self._forbidden(p):
                part = point
                for k, letter in enumerate(pattern):
                    mean = axes[k].block_means(part, k - len(axes))
                    part = mean if letter == "C" else part - mean
                total = total + part
            normal[p] = total
        return normal


def _axis_map(axis: AxisPartition, letter: str) -> AxisMap:
    if letter == "C":
        return AxisMap(axis.expand, axis.block_sums)
    return AxisMap(axis.complete, axis.contrasts)


def _all_patterns(ndim: int) -> frozenset[str]:
    return frozenset("".join(letters) for letters in product("CZ", repeat=ndim))


def _halves(pattern: str, is_source: tuple[bool, ...]) -> tuple[bool, bool]:
    """Whether the pattern has a ``Z`` on its source axes, and on its target axes."""
    mixed = [letter == "Z" for letter in pattern]
    return (
        any(m for m, s in zip(mixed, is_source, strict=True) if s),
        any(m for m, s in zip(mixed, is_source, strict=True) if not s),
    )


def _cloned(
    architecture: Architecture,
    partition: Partition,
    label: str,
    forbidden: frozenset[tuple[bool, bool]],
    offset: Parameters | None = None,
) -> ClonedManifold:
    for axis, size in architecture.sizes.items():
        if axis not in partition or partition[axis].size != size:
            found = f"has {partition[axis].size}" if axis in partition else "is missing"
            raise PartitionError(
                f"axis {axis!r} has {size} units, its partition {found}; "
                "make_partition covers all axes"
            )
    axes = {p: tuple(partition[a] for a in names) for p, names in architecture.parameters.items()}
    if forbidden == _ALL_BUT_CONSTANT:  # whatever is source or target
        constant = {p: frozenset({"C" * len(own)}) for p, own in axes.items()}
        return ClonedManifold(label, axes, constant, offset)
    # IE∩OE says the same of sources and of targets, so a tied weight may be both.
    is_symmetric = (_FORWARD in forbidden) == (_BACKWARD in forbidden)
    graph = architecture.unfrozen().graph()
    sources = contracted_axes(graph, up_to_exchange=is_symmetric)
    allowed = {
        p: frozenset(
            c for c in _all_patterns(len(axes[p])) if _halves(c, sources[p]) not in forbidden
        )
        for p in axes
    }
    return ClonedManifold(label, axes, allowed, offset)


_FORWARD = (False, True)  # constant on the sources, mixed on the targets
_BACKWARD = (True, False)
_MIXED = (True, True)
_ALL_BUT_CONSTANT = frozenset({_FORWARD, _BACKWARD, _MIXED})


def incoming_equitable(architecture: Architecture, partition: Partition) -> ClonedManifold:
    """IE: Σ_{u∈S_i} w_uv is the same for all v in S_j.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([2, 2, 1])
    >>> incoming_equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]})).codimension
    3
    """
    return _cloned(architecture, partition, "IE", frozenset({_FORWARD}))


def outgoing_equitable(architecture: Architecture, partition: Partition) -> ClonedManifold:
    """OE: Σ_{v∈S_j} w_uv is the same for all u in S_i."""
    return _cloned(architecture, partition, "OE", frozenset({_BACKWARD}))


def equitable(architecture: Architecture, partition: Partition) -> ClonedManifold:
    """IE∩OE, on which clones agree forward and backward (P3, P4).

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([3, 4, 4, 2])
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[0, 1], [2, 3]]})
    >>> equitable(net, clones).dimension
    24
    """
    return _cloned(architecture, partition, "IE∩OE", frozenset({_FORWARD, _BACKWARD}))


def block_constant(architecture: Architecture, partition: Partition) -> ClonedManifold:
    """BC: all entries between two blocks are equal; the linear space of every leaf."""
    return _cloned(architecture, partition, "BC", _ALL_BUT_CONSTANT)


def leaf(architecture: Architecture, partition: Partition, point: Parameters) -> ClonedManifold:
    """The leaf ``point + BC`` through a point of IE∩OE.

    Raises:
        ManifoldError: if the point's shapes do not fit.
    """
    return _cloned(
        architecture,
        partition,
        "leaf",
        _ALL_BUT_CONSTANT,
        {p: np.asarray(point[p]) for p in architecture.parameters if p in point},
    )


def zero(architecture: Architecture, units: Mapping[str, Iterable[int]]) -> ClonedManifold:
    """M_0: at the given units all entries of all parameters are 0, weights and biases (N10).

    It is BC for a partition with these zero units and no clones. Training keeps it if φ(0) = 0.
    Of weights between two zero units any values are kept, as on the leaves of IE∩OE.

    Raises:
        PartitionError: if an axis or a unit is unknown.

    >>> from theory.zoo import mlp
    >>> zero(mlp([3, 4, 4, 2]), {"h1": [2]}).codimension  # fan-in + 1 + fan-out
    8
    """
    partition = make_partition(architecture.sizes, {}, zero=units)
    return _cloned(architecture, partition, "M_0", _ALL_BUT_CONSTANT)
