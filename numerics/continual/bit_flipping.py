"""The bit-flipping stream: a slowly changing part of the input, and a fixed random target.

Of m input bits f are slow: every T steps one of them, chosen at random, flips. The others are drawn
afresh in every step. The target is a network of linear threshold units with weights ±1, too large
for the learner to represent: what is best changes with the slow bits, so the learner has to go on
learning (Dohare et al., Nature 632, 2024: "slowly-changing regression").

Every member of an ensemble has a stream and a target of its own. All draws between two flips come
from one generator, keyed by the member's seed and the number of flips, so the stream can be entered
anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from numerics.systems.system import Array
from theory.errors import ShapeError

_TARGET, _SLOW, _FAST = 1, 2, 3  # what a generator is for


@dataclass(frozen=True)
class BitFlipping:
    """Streams for an ensemble.

    Args:
        bits: m.
        slow: f, of them slow.
        period: T, steps between two flips.
        units: threshold units of the target.
        threshold: β: a unit is on where its input exceeds (m + 1)β minus the number of its
            weights -1.
        seeds: one a member.

    Raises:
        ShapeError: if there are more slow bits than bits, or none.

    >>> stream = BitFlipping(bits=4, slow=3, period=5, units=6, seeds=(0, 1))
    >>> x, y = stream.samples(0)
    >>> x.shape, y.shape, bool((x[0, :, :3] == x[4, :, :3]).all())
    ((5, 2, 4), (5, 2, 1), True)
    """

    bits: int
    slow: int
    period: int
    units: int
    seeds: Sequence[int]
    threshold: float = 0.7

    def __post_init__(self) -> None:
        if not 1 <= self.slow <= self.bits:
            raise ShapeError(f"slow={self.slow}: it needs 1 <= slow <= bits={self.bits}")

    @cached_property
    def _target(self) -> tuple[Array, Array, Array]:
        """Weights of the threshold units, what their sums have to exceed, weights of the output."""
        rngs = [np.random.default_rng((seed, _TARGET)) for seed in self.seeds]
        hidden = np.stack(
            [rng.choice([-1.0, 1.0], size=(self.bits + 1, self.units)) for rng in rngs]
        )
        top = np.stack([rng.choice([-1.0, 1.0], size=(self.units, 1)) for rng in rngs])
        negative = (hidden < 0).sum(axis=1, keepdims=True)
        limits = (self.bits + 1) * self.threshold - negative - hidden[:, -1:]
        return hidden[:, :-1], limits, top

    def slow_bits(self, flips: int) -> Array:
        """The slow bits after so many flips, ``(members, slow)``."""
        found = []
        for seed in self.seeds:
            rng = np.random.default_rng((seed, _SLOW))
            bits = rng.integers(0, 2, size=self.slow)
            chosen = rng.integers(0, self.slow, size=flips)
            found.append((bits + np.bincount(chosen, minlength=self.slow)) % 2)
        return np.array(found, dtype=float)

    def targets(self, x: Array) -> Array:
        """The target's outputs, ``(members, samples, bits)`` to ``(members, samples, 1)``."""
        hidden, limits, top = self._target
        return np.asarray((x @ hidden > limits).astype(float) @ top)

    def samples(self, flips: int) -> tuple[Array, Array]:
        """All samples between two flips, after so many of them.

        Returns:
            x ``(period, members, bits)`` and y ``(period, members, 1)``.
        """
        fast = self.bits - self.slow
        x = np.empty((len(self.seeds), self.period, self.bits))
        x[:, :, : self.slow] = self.slow_bits(flips)[:, None]
        for e, seed in enumerate(self.seeds):
            rng = np.random.default_rng((seed, _FAST, flips))
            x[e, :, self.slow :] = rng.integers(0, 2, size=(self.period, fast))
        y = self.targets(x)
        return x.transpose(1, 0, 2), y.transpose(1, 0, 2)
