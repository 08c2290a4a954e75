"""Which sets of parameters one step of an optimizer keeps, proved exactly (E7).

A point of the set in the set's coordinates, a state of the optimizer in coordinates of its own,
arbitrary data, output adjoints, hyperparameters and function φ: the graph of one step
(:mod:`theory.optimizer`) is evaluated in prime fields, and the laws of the set must hold for what
comes out, for the parameters and for the state. So one step is enough: what holds for the state
after it is what was assumed before, and all further steps follow.

    leaf        from any θ in IE∩OE: θ' - θ lies in BC
    equitable   IE∩OE
    constant    BC
    frozen      M_F: parameters into a frozen unit do not move
    zero        M_0: all parameters of a zero unit stay 0

A state is *tied* if it is block-constant, so 0 for zero units (for frozen units: 0 where linear in
past gradients);
*equitable* if what is linear in past gradients lies in IE∩OE only; *free* if it is arbitrary.
Shampoo's statistics are tied if they are block-constant up to a multiple of the unit matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, Literal

import numpy as np

from numerics.generic import num_samples
from numerics.identity import Identity, vanishes
from theory.architecture import Architecture
from theory.errors import OptimizerError
from theory.graph import Builder, Graph
from theory.manifold import ClonedManifold, Manifold, block_constant, equitable, frozen
from theory.optimizer import Optimizer, Slot
from theory.optimizer.step import gradient_function, scalar_inputs
from theory.partition import AxisPartition, Partition
from theory.primitives import Input, Parameter, Shape
from theory.rewrite import substitute
from theory.tracing import Traced, record, trace

Kind = Literal["leaf", "equitable", "constant", "frozen", "zero"]
Start = Literal["tied", "equitable", "free"]
KINDS: tuple[Kind, ...] = ("leaf", "equitable", "constant", "frozen", "zero")
ONE = AxisPartition(1, ((0,),))


@dataclass(frozen=True, slots=True)
class Kept:
    """What is known of one optimizer and one set.

    Attributes:
        kind: of set.
        start: of the state.
        state: the set in which the state stays, by which the induction closes; ``None`` if it
            closes for none of those that contain the start.
        found: the identity test for that set, or the one that failed.
    """

    kind: Kind
    start: Start
    state: Start | None
    found: Identity

    @property
    def is_kept(self) -> bool:
        """Whether every step keeps the set."""
        return self.state is not None


def prove_kept(
    architecture: Architecture,
    optimizer: Optimizer,
    partition: Partition,
    kind: Kind,
    *,
    start: Start = "tied",
    plain: Architecture | None = None,
    bits: float = 60,
    seed: int = 0,
) -> Kept:
    """Prove that a step keeps a set, or find that a proof by one step fails.

    Args:
        architecture: with frozen units for ``kind="frozen"``.
        optimizer: whose step.
        partition: blocks of clones, for ``kind="zero"`` zero units; not used for frozen units.
        kind: of set.
        start: in which set the state starts.
        plain: the architecture without masks, if it has some: the sets are those of this one.
        bits: the error is at most 2^-bits.
        seed: chooses primes, point and functions.

    Raises:
        ManifoldError: if the set does not exist in the architecture.
        ValueSystemError: if the error cannot be reached.

    >>> from theory.optimizer import adamw
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 2, 1], bias=False)
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1]], "h2": [[0, 1]]})
    >>> [prove_kept(net, adamw(), clones, kind).is_kept for kind in ("leaf", "equitable")]
    [False, True]
    """
    closing: tuple[Start, ...] = (start,)
    if start == "tied" and kind == "equitable" and has_momentum(optimizer, architecture):
        closing = ("tied", "equitable")
    for state in closing:
        graph = step_residuals(architecture, optimizer, partition, kind, state, plain)
        found = vanishes(graph, bits=bits, seed=seed)
        if found.verdict == "holds":
            return Kept(kind, start, state, found)
    return Kept(kind, start, None, found)


def has_momentum(optimizer: Optimizer, architecture: Architecture) -> bool:
    """Whether a part of the state is linear in past gradients."""
    ndims = {len(shape) for shape in architecture.parameter_shapes.values()}
    return any(slot.role == "momentum" for ndim in ndims for slot in optimizer.slots(ndim))


def step_residuals(
    architecture: Architecture,
    optimizer: Optimizer,
    partition: Partition,
    kind: Kind,
    start: Start,
    plain: Architecture | None = None,
) -> Graph:
    """Everything that must vanish if a step keeps the set and the state stays where it starts."""
    builder = Builder()
    sets = _Sets(plain or architecture, optimizer, partition, kind, start)
    theta = sets.point(builder)
    state = sets.state(builder, theta)
    slopes = gradient_function(builder, architecture, num_samples(architecture))
    moved, kept = optimizer.step(theta, state, slopes, scalar_inputs(builder, optimizer))
    residuals = dict(sets.of_parameters(theta, moved)) | dict(sets.of_state(moved, kept))
    nonempty = {name: value.number for name, value in residuals.items() if value.size}
    return builder.finish(nonempty)


@dataclass(frozen=True)
class _Sets:
    """Coordinates and laws of the parameters and of the state."""

    architecture: Architecture
    optimizer: Optimizer
    partition: Partition
    kind: Kind
    start: Start

    def target(self) -> Manifold:
        """The set itself; for leaves their direction."""
        match self.kind:
            case "frozen":
                return frozen(self.architecture)
            case "equitable":
                return equitable(self.architecture, self.partition)
            case _:
                return block_constant(self.architecture, self.partition)

    def point(self, builder: Builder) -> dict[str, Traced]:
        shapes = self.architecture.parameter_shapes
        if self.kind == "frozen":
            return {p: record(builder, Parameter(p, shape)) for p, shape in shapes.items()}
        make = block_constant if self.kind in ("constant", "zero") else equitable
        return embedded(builder, make(self.architecture, self.partition), "point")

    def of_parameters(
        self, theta: Mapping[str, Traced], moved: Mapping[str, Traced]
    ) -> Iterator[tuple[str, Traced]]:
        target = self.target()
        if isinstance(target, ClonedManifold):
            is_leaf = self.kind == "leaf"
            steps = {p: w - theta[p] if is_leaf else w for p, w in moved.items()}
            yield from residuals_of(target, steps)
            return
        for p, pinned in self._pinned().items():
            yield p, (moved[p] - theta[p]) * pinned

    def _slots(self) -> Iterator[tuple[str, str, Slot]]:
        for p, axes in self.architecture.parameters.items():
            for slot in self.optimizer.slots(len(axes)):
                yield f"{slot.name}:{p}", p, slot

    def state(self, builder: Builder, theta: Mapping[str, Traced]) -> dict[str, Traced]:
        shapes = self.architecture.parameter_shapes
        found: dict[str, Traced] = {}
        for name, p, slot in self._slots():
            shape = slot.shape(shapes[p])
            allowed = None if self.kind == "frozen" else self._patterns(p, slot)
            if allowed is not None:
                found[name] = embedded(builder, self._cloned(name, p, slot, allowed), "state")[name]
            else:
                found[name] = record(builder, Input(f"state:{name}", shape))
            if slot.role == "statistics" and allowed is not None:
                damping = record(builder, Input(f"damping:{name}", ()))
                found[name] = found[name] + damping * np.eye(shape[0], dtype=int)
            if self.kind == "frozen" and (pinned := self._pinned_state(p, slot)) is not None:
                found[name] = found[name] * (1 - pinned)
            if slot.role == "anchor":
                found[name] = found[name] + theta[p]
        return found

    def of_state(
        self, moved: Mapping[str, Traced], kept: Mapping[str, Traced]
    ) -> Iterator[tuple[str, Traced]]:
        for name, p, slot in self._slots():
            value = kept[name] - moved[p] if slot.role == "anchor" else kept[name]
            if self.kind == "frozen":
                if (pinned := self._pinned_state(p, slot)) is not None:
                    yield name, value * pinned
                continue
            allowed = self._patterns(p, slot)
            if allowed is None:
                continue
            manifold = self._cloned(name, p, slot, allowed)
            if slot.role == "statistics":
                yield from _up_to_identity(manifold, name, value)
            else:
                yield from residuals_of(manifold, {name: value})

    def _patterns(self, p: str, slot: Slot) -> frozenset[str] | None:
        """The allowed patterns of an array of the state, ``None`` if it is arbitrary."""
        if slot.role == "noise" or self.start == "free":
            return None
        if self.start == "equitable" and slot.role in ("momentum", "anchor"):
            return equitable(self.architecture, self.partition).allowed[p]
        return frozenset({"C" * len(slot.axes)})

    def _cloned(self, name: str, p: str, slot: Slot, allowed: frozenset[str]) -> ClonedManifold:
        own = self.architecture.parameters[p]
        axes = tuple(ONE if k is None else self.partition[own[k]] for k in slot.axes)
        return ClonedManifold("state", {name: axes}, {name: allowed})

    def _pinned(self) -> dict[str, Any]:
        """1 at the entries that a frozen unit pins, 0 elsewhere, for parameters with some."""
        masks = {p: np.zeros(s, dtype=int) for p, s in self.architecture.parameter_shapes.items()}
        for row in frozen(self.architecture).constraints():
            for p, entry in row.terms:
                masks[p].flat[entry] = 1
        return {p: mask for p, mask in masks.items() if mask.any()}

    def _pinned_state(self, p: str, slot: Slot) -> Any:
        """1 at the entries of the state that are 0 for a frozen unit, ``None`` if there are none.

        These are momenta and distances from an anchor at pinned entries, and statistics between a
        frozen unit and others.
        """
        pinned = self._pinned().get(p)
        if pinned is None or self.start == "free":
            return None
        if slot.role in ("momentum", "anchor"):
            return pinned
        if slot.role != "statistics":
            return None
        (axis,) = set(slot.axes)
        others = tuple(k for k in range(pinned.ndim) if k != axis)
        units = pinned.all(axis=others).astype(int)
        return np.abs(units[:, None] - units[None, :])


def embedded(builder: Builder, manifold: Manifold, name: str) -> dict[str, Traced]:
    """A generic point of a manifold, its coordinates inputs ``name:…``."""
    shapes: Mapping[str, Shape] = manifold.free_shapes
    graph = trace(lambda _, free: manifold.embed(free), {}, shapes)
    free = {k: record(builder, Input(f"{name}:{k}", shape)) for k, shape in shapes.items()}
    return substitute(builder, graph, free)


def residuals_of(manifold: ClonedManifold, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Arrays that vanish exactly if the values lie in the manifold, which has no offset.

    Raises:
        OptimizerError: if the manifold has an offset.
    """
    if manifold.offset is not None:
        raise OptimizerError(f"{manifold.name}: a set of increments is linear, without an offset")
    for p, axes in manifold.axes.items():
        for letters in product("CZ", repeat=len(axes)):
            pattern = "".join(letters)
            if pattern not in manifold.allowed[p]:
                yield f"{p}:{pattern}", _part(axes, pattern, values[p])


def _part(axes: tuple[AxisPartition, ...], pattern: str, value: Any) -> Any:
    lengths = [
        a.num_blocks if c == "C" else a.num_mixed for c, a in zip(pattern, axes, strict=True)
    ]
    if not prod(lengths):
        return value.reshape(-1)[:0]
    for k, (letter, axis) in enumerate(zip(pattern, axes, strict=True)):
        value = axis.block_sums(value, k) if letter == "C" else axis.contrasts(value, k)
    return value


def _up_to_identity(
    manifold: ClonedManifold, name: str, value: Traced
) -> Iterator[tuple[str, Traced]]:
    """Arrays that vanish exactly if the value is block-constant plus a multiple of I."""
    axes = manifold.axes[name]
    for pattern in ("CZ", "ZC"):
        yield f"{name}:{pattern}", _part(axes, pattern, value)
    if axes[0].num_mixed:
        unit = _part(axes, "ZZ", np.eye(axes[0].size, dtype=int))
        mixed = _part(axes, "ZZ", value)
        yield f"{name}:ZZ", int(unit[0, 0]) * mixed - mixed[:1, :1] * unit
