"""An ensemble of multilayer perceptrons that learn from a stream, one sample a step.

With one sample a step the arithmetic is small and the calls are what takes time. So all members
move together, arrays are allocated once, a layer's bias is the last row of its weights, and a step
is some twenty calls of NumPy. The numbers are those of the gradient graph
(:func:`theory.backprop.gradient`) to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from numerics.continual.backprop import Replacement, Turnover, keyed_draws
from numerics.systems.system import Array
from theory.errors import ShapeError, ValueSystemError

Phi = Literal["relu", "tanh"]

GAINS: Mapping[str, float] = {"relu": 2**0.5, "tanh": 1.0}


class OnlineLearner:
    """MLPs with ½ · squared error, by SGD or Continual Backprop.

    Args:
        widths: of inputs, hidden layers and outputs, at least one hidden layer.
        phi: activation of the hidden layers.
        rate: η.
        seeds: one a member; a member's run depends on its own seed alone.
        state: what :attr:`state` was, to go on from there.

    Attributes:
        weights: of each layer ``(members, sources + 1, targets)``, biases in the last row.
        replacement: of Continual Backprop; ``None`` is SGD.

    Raises:
        ShapeError: if there is no hidden layer or no member.

    >>> learner = OnlineLearner([2, 3, 1], "tanh", 0.1, seeds=[0, 1])
    >>> learner.learn(np.ones((5, 2, 2)), np.zeros((5, 2, 1))).shape
    (5, 2)
    """

    def __init__(
        self,
        widths: Sequence[int],
        phi: Phi,
        rate: float,
        seeds: Sequence[int],
        state: Mapping[str, Array] | None = None,
    ) -> None:
        if len(widths) < 3 or not len(seeds):
            raise ShapeError(
                f"widths={list(widths)}, {len(seeds)} seeds: a learner has inputs, at least one "
                "hidden layer and outputs, and at least one member"
            )
        self.widths, self.phi, self.rate, self.seeds = tuple(widths), phi, rate, tuple(seeds)
        self.replacement: Replacement | None = None
        members = len(seeds)
        pairs = list(pairwise(widths))
        self._draws = [
            keyed_draws(seeds, layer, m, n, GAINS[phi] if layer < len(pairs) - 1 else 1.0)
            for layer, (m, n) in enumerate(pairs)
        ]
        self._turnovers: list[Turnover] = []
        if state is None:
            self.weights: list[Array] = [np.zeros((members, m + 1, n)) for m, n in pairs]
            for w, draw in zip(self.weights, self._draws, strict=True):
                for e in range(members):
                    w[e, :-1] = draw(e, 0)
        else:
            self.weights = [np.array(state[f"W{k}"]) for k in range(len(pairs))]
        self._kept = dict(state or {})
        self._z: list[Array] = [np.empty((members, 1, n)) for n in widths[1:]]
        self._h: list[Array] = [np.ones((members, 1, n + 1)) for n in widths[1:-1]]
        self._delta: list[Array] = [np.empty((members, 1, n)) for n in widths[1:]]
        self._slope: list[Array] = [np.empty((members, 1, n)) for n in widths[1:-1]]
        self._change: list[Array] = [np.empty_like(w) for w in self.weights]

    def replace_units(self, replacement: Replacement) -> None:
        """From now on Continual Backprop; utilities start at 0 unless the state has them."""
        self.replacement = replacement
        members = len(self.seeds)
        self._turnovers = []
        for layer, n in enumerate(self.widths[1:-1]):
            kept = {
                name.partition(":")[2]: value
                for name, value in self._kept.items()
                if name.startswith(f"turnover{layer}:")
            }
            draw = self._draws[layer]
            self._turnovers.append(Turnover(replacement, members, n, draw, kept or None))

    @property
    def state(self) -> dict[str, Array]:
        """Copies of what a later run needs to go on."""
        found = {f"W{k}": w.copy() for k, w in enumerate(self.weights)}
        for layer, turnover in enumerate(self._turnovers):
            found |= {f"turnover{layer}:{name}": a for name, a in turnover.state.items()}
        return found

    @property
    def parameters(self) -> dict[str, Array]:
        """The weights under the names of :func:`theory.zoo.mlp`."""
        found: dict[str, Array] = {}
        for k, w in enumerate(self.weights, start=1):
            found |= {f"W{k}": w[:, :-1].copy(), f"b{k}": w[:, -1].copy()}
        return found

    def learn(self, x: Array, y: Array) -> Array:
        """One step for each sample; the losses before each step, ``(steps, members)``.

        Args:
            x: ``(steps, members, inputs)``.
            y: ``(steps, members, outputs)``.

        Raises:
            ShapeError: if the data do not fit.
            ValueSystemError: if training diverges.
        """
        steps, members = len(x), len(self.seeds)
        expected = ((steps, members, self.widths[0]), (steps, members, self.widths[-1]))
        if (x.shape, y.shape) != expected:
            raise ShapeError(f"x {x.shape} and y {y.shape}: expected {expected[0]}, {expected[1]}")
        inputs = np.ones((steps, members, 1, self.widths[0] + 1))
        inputs[:, :, 0, :-1] = x
        targets = y[:, :, None, :]
        errors = np.empty_like(targets)
        layers = self._layers()
        with np.errstate(over="ignore", invalid="ignore"):
            for step in range(steps):
                self._step(layers, inputs[step], targets[step], errors[step])
        for k, w in enumerate(self.weights, start=1):
            if not np.isfinite(w).all():
                raise ValueSystemError(f"W{k} is not finite after {steps} steps: lower the rate")
        losses: Array = 0.5 * np.square(errors[:, :, 0]).sum(axis=-1)
        return losses

    def hidden(self, x: Array) -> list[Array]:
        """Values of each hidden layer, ``(members, samples, units)``.

        Args:
            x: ``(members, samples, inputs)``.
        """
        found = []
        for w in self.weights[:-1]:
            z = x @ w[:, :-1] + w[:, -1:]
            x = np.maximum(z, 0) if self.phi == "relu" else np.tanh(z)
            found.append(x)
        return found

    def _layers(self) -> list[tuple[Array, ...]]:
        """Views, made once for many steps: transposed weights, values without and with the 1."""
        last = len(self.weights) - 1
        return [
            (
                w,
                w[:, :-1].transpose(0, 2, 1),
                self._change[k],
                self._z[k],
                self._delta[k],
                self._delta[k].transpose(0, 2, 1),
                *((self._h[k], self._h[k][:, :, :-1], self._slope[k]) if k < last else ()),
            )
            for k, w in enumerate(self.weights)
        ]

    def _step(self, layers: list[tuple[Array, ...]], x: Array, target: Array, error: Array) -> None:
        is_relu = self.phi == "relu"
        h = x
        for layer in layers[:-1]:
            z = np.matmul(h, layer[0], out=layer[3])
            h = layer[6]
            if is_relu:
                np.maximum(z, 0, out=layer[7])
            else:
                np.tanh(z, out=layer[7])
        top = layers[-1]
        y = np.matmul(h, top[0], out=top[3])
        np.subtract(y, target, out=error)
        np.multiply(error, self.rate, out=top[4])
        for k in range(len(layers) - 1, -1, -1):
            w, transposed, change, _, delta, *_ = layers[k]
            if k:
                below = layers[k - 1]
                h, values, slope = below[6], below[7], below[8]
                np.matmul(delta, transposed, out=below[4])
                if is_relu:
                    np.greater(values, 0, out=slope, casting="unsafe")
                else:
                    np.multiply(values, values, out=slope)
                    np.subtract(1, slope, out=slope)
                np.multiply(below[4], slope, out=below[4])
            else:
                h = x
            np.multiply(h.transpose(0, 2, 1), delta, out=change)
            np.subtract(w, change, out=w)
        for k, turnover in enumerate(self._turnovers):
            w, above = layers[k][0], layers[k + 1][0]
            turnover.step(layers[k][7], w[:, :-1], w[:, -1], above[:, :-1])
