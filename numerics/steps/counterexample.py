"""A start and one step that leave a set, in numbers that anyone can recompute (E7).

Small networks are tried in order, each at small integer coordinates: the first step that breaks a
law of the set is the counterexample. Numbers are rational, so the broken law is exact; where the
rule takes a root they are balls, and the ball that encloses the law's value excludes 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.steps.invariance import Kind, Start
from numerics.systems.ball import Ball
from numerics.systems.rational import Rational
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.errors import ValueSystemError
from theory.graph import Graph
from theory.manifold import Constraint, Manifold, ambient, block_constant, equitable, frozen, zero
from theory.optimizer import Optimizer, step_graph
from theory.optimizer.step import NEXT, SCALAR
from theory.partition import AxisPartition, make_partition
from theory.zoo import mlp
from theory.zoo.masked import masked_mlp

Numbers = Mapping[str, Array]  # of int or Fraction

WIDTHS: tuple[tuple[int, ...], ...] = ((1, 2, 1), (1, 2, 2, 1), (1, 2, 3, 1), (2, 2, 1))
IDLE_WIDTHS: tuple[tuple[int, ...], ...] = ((1, 1, 1), (1, 2, 1))
IDLE = 0  # of the first layer: the frozen or zero unit
TRIALS = 20
BITS = 512
RATIONAL = Rational({"phi": (0, 0, 1), "update": (1, 1, 1), "memory": (0, 1)})
BALL = Ball(BITS, {"phi": lambda z: z * z, "phi'": lambda z: 2 * z})


@dataclass(frozen=True)
class Counterexample:
    """A start from which one step leaves a set.

    Attributes:
        optimizer: whose first step.
        architecture: an MLP with φ(z) = z².
        is_masked: whether every second hidden unit is dropped.
        kind: of set; a law of a leaf and of M_F is one of θ' - θ.
        theta: the parameters, in the set.
        state: of the optimizer.
        law: the broken law, a linear form that should be 0.
        value: its value, a rational number or a ball without 0.
        is_exact: whether it is a rational number.
    """

    optimizer: Optimizer
    architecture: Architecture
    is_masked: bool
    kind: Kind
    theta: Numbers
    state: Numbers
    law: Constraint
    value: str
    is_exact: bool

    def replay(self) -> str:
        """The value of the law, computed again from the numbers."""
        network = self.architecture
        graph = step_graph(_trained(network, self.is_masked), self.optimizer, 1)
        values = _laws(self.optimizer, network, graph, self.kind, self.theta, self.state)
        return next(value for law, value, _ in values if law.terms == self.law.terms)

    def form(self) -> str:
        """The broken law, ``W2[0, 0] - W2[0, 1]``."""
        shapes = self.architecture.parameter_shapes
        text = ""
        for (p, e), c in self.law.terms.items():
            index = ", ".join(str(int(k)) for k in np.unravel_index(e, shapes[p]))
            size = "" if abs(c) == 1 else f"{abs(c)} "
            text += f" {'-' if c < 0 else '+'} {size}{p}[{index}]"
        return text.removeprefix(" + ").strip()

    def __str__(self) -> str:
        what = "the step's" if self.kind in ("leaf", "frozen") else "after the step"
        return f"{self.architecture.name}: {what} {self.form()} = {self.value}"

    def to_json(self) -> dict[str, Any]:
        """All numbers, as strings."""
        return {
            "network": self.architecture.name,
            "phi": "z^2",
            "optimizer": self.optimizer.name,
            "hyperparameters": {k: str(v) for k, v in self.optimizer.scalars(1).items()},
            "x": [str(n) for n in range(1, 1 + self.architecture.input_shape[0])],
            **({"masks": [str(n) for n in _masks(self.architecture)]} if self.is_masked else {}),
            "adjoint": "1",
            "parameters": _strings(self.theta),
            "state": _strings(self.state),
            "law of": "the step" if self.kind in ("leaf", "frozen") else "the new parameters",
            "law": self.form(),
            "should be": "0",
            "value": self.value,
        }


def _strings(arrays: Numbers) -> dict[str, Any]:
    return {name: np.vectorize(str, otypes=[object])(a).tolist() for name, a in arrays.items()}


def find_counterexample(
    optimizer: Optimizer, kind: Kind, start: Start = "tied", *, is_masked: bool = False
) -> Counterexample | None:
    """The first start, in order of size, from which one step leaves the set, or ``None``.

    Args:
        optimizer: whose step.
        kind: of set.
        start: of the state.
        is_masked: whether every second hidden unit is dropped.

    >>> from theory.optimizer import sgd_l2
    >>> print(find_counterexample(sgd_l2(), "leaf"))
    mlp:1-2-2-1:phi: the step's W2[0, 0] - W2[0, 1] - W2[1, 0] + W2[1, 1] = -1/1250
    """
    choice = IDLE_WIDTHS if kind in ("frozen", "zero") else WIDTHS
    if kind == "frozen" and is_masked:
        choice = IDLE_WIDTHS[1:]  # the weights of the only unit would have no use
    for widths in choice:
        network = mlp(widths, bias=False)
        if kind == "frozen":
            network = network.freeze("h1", IDLE, 1)
        graph = step_graph(_trained(network, is_masked), optimizer, 1)
        for theta in _points(network, kind):
            state = _state(optimizer, network, theta, start)
            for law, value, is_exact in _laws(optimizer, network, graph, kind, theta, state):
                if value != "0":
                    return Counterexample(
                        optimizer, network, is_masked, kind, theta, state, law, value, is_exact
                    )
    return None


def _trained(network: Architecture, is_masked: bool) -> Architecture:
    """The network, with masks if it has some."""
    if not is_masked:
        return network
    return masked_mlp(tuple(network.sizes.values()), bias=False, frozen=network.frozen)


def _sample(network: Architecture, is_masked: bool) -> Array:
    """One sample, 1, 2, …, and its masks."""
    counted = range(1, 1 + network.input_shape[0])
    return np.array([[*counted, *(_masks(network) if is_masked else ())]])


def _masks(network: Architecture) -> list[int]:
    """1, 0, 1, … in each hidden layer."""
    hidden = [n for axis, n in network.sizes.items() if axis.startswith("h")]
    return [1 - unit % 2 for n in hidden for unit in range(n)]


def _partition(network: Architecture) -> dict[str, AxisPartition]:
    hidden = {a: [list(range(n))] for a, n in network.sizes.items() if a.startswith("h")}
    return make_partition(network.sizes, hidden)


def _set(network: Architecture, kind: Kind) -> Manifold:
    """The set, for a leaf and M_F that of increments."""
    match kind:
        case "frozen":
            return frozen(network)
        case "zero":
            return zero(network, {"h1": [IDLE]})
        case "equitable":
            return equitable(network, _partition(network))
        case _:
            return block_constant(network, _partition(network))


def _points(network: Architecture, kind: Kind) -> Iterator[Numbers]:
    manifold: Manifold
    match kind:
        case "frozen":
            manifold = ambient(network)
        case "leaf":
            manifold = _set(network, "equitable")
        case _:
            manifold = _set(network, kind)
    rng = np.random.default_rng(0)
    for trial in range(TRIALS):
        free = {
            name: np.ones(shape, dtype=int) if trial == 0 else rng.integers(-2, 4, size=shape)
            for name, shape in manifold.free_shapes.items()
        }
        yield manifold.embed(free)


def _state(
    optimizer: Optimizer,
    network: Architecture,
    theta: Numbers,
    start: Start,
) -> Numbers:
    state: dict[str, Array] = {}
    flat = equitable(network.unfrozen(), _partition(network))
    mixed = flat.embed({name: np.full(s, int("Z" in name)) for name, s in flat.free_shapes.items()})
    for p, w in theta.items():
        for slot in optimizer.slots(w.ndim):
            shape = slot.shape(w.shape)
            counted = np.arange(1, 1 + int(np.prod(shape))).reshape(shape)
            value = np.zeros(shape, dtype=int)
            if slot.role == "noise" or start == "free":
                value = counted
            elif start == "equitable" and slot.role in ("momentum", "anchor"):
                value = mixed[p]
            if slot.role == "statistics":
                damping = optimizer.hyperparameters["damping"]
                line = np.arange(1, 1 + shape[0]) * int(start == "free")
                value = np.eye(shape[0], dtype=int) * damping + np.outer(line, line)
            state[f"{slot.name}:{p}"] = value + w if slot.role == "anchor" else value
    return state


def _laws(
    optimizer: Optimizer,
    network: Architecture,
    graph: Graph,
    kind: Kind,
    theta: Numbers,
    state: Numbers,
) -> Iterator[tuple[Constraint, str, bool]]:
    """The laws of the set with their values after the step, "0" where they hold or may hold."""
    given: dict[str, Any] = {**theta, **state}
    for name, value in optimizer.scalars(1).items():
        given[f"{SCALAR}:{name}"] = np.array(value, dtype=object)
    for name, shape in graph.input_shapes.items():
        if name == "x":
            given[name] = _sample(network, shape[-1] > network.input_shape[0])
        elif name.startswith("adjoint:"):
            given[name] = np.ones(shape, dtype=int)
    needed = {*graph.input_shapes, *graph.parameter_shapes}
    given = {name: np.asarray(given[name], dtype=object) for name in needed}
    try:
        after, is_exact = Evaluator(graph, RATIONAL)(given), True
    except ZeroDivisionError:
        return
    except ValueSystemError:
        after, is_exact = Evaluator(graph, BALL)(given), False
    is_step = kind in ("leaf", "frozen")
    numbers = RATIONAL if is_exact else BALL
    for law in _set(network, kind).constraints():
        entries = {p: after[f"{NEXT}:{p}"] for p in theta}
        if is_step:
            before = {p: numbers.array(w) for p, w in theta.items()}
            entries = {p: numbers.subtract(w, before[p]) for p, w in entries.items()}
        terms = list(law.terms.items())
        row = numbers.array([[c for _, c in terms]])
        column = np.array([[entries[p].flat[e]] for (p, e), _ in terms], dtype=object)
        value = numbers.matmul(row, column)[0, 0]
        yield law, _shown(value, is_exact), is_exact


def _shown(value: Any, is_exact: bool) -> str:
    if is_exact:
        return str(value)
    return "0" if value.contains(0) or not value.is_finite() else str(value.str(15))
