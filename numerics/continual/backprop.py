"""Continual Backprop in float64, for an ensemble of networks (Dohare et al., Nature 632, 2024).

:mod:`theory.optimizer.continual_backprop` has the rule. A :class:`Turnover` is its bookkeeping for
one hidden layer: utilities, ages, and the share of a unit that is due. Utilities change in every
step; units are replaced once in a thousand, so only then the rule's masks are formed.

Fresh weights of member e at step t are drawn from a generator of their own, keyed by the member's
seed, the layer and t. So a member's run does not depend on which others run beside it, nor on
whether it was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from numerics.systems.system import Array
from theory.errors import OptimizerError
from theory.optimizer.continual_backprop import due, least_useful, replace

Draw = Callable[[int, int], Array]  # (member, step) to incoming weights (sources, units)

NEVER = 2**62


@dataclass(frozen=True, slots=True)
class Replacement:
    """The hyperparameters of Continual Backprop.

    Args:
        rate: share of the mature units of a layer that is replaced in one step.
        maturity: steps before a fresh unit can be replaced.
        decay: of the running mean of utilities.

    Raises:
        OptimizerError: if the rate or the decay is not in [0, 1), or the maturity is negative.

    >>> Replacement(rate=2)
    Traceback (most recent call last):
    theory.errors.OptimizerError: rate=2: a share needs 0 <= rate < 1
    """

    rate: float = 1e-4
    maturity: int = 100
    decay: float = 0.99

    def __post_init__(self) -> None:
        for name in ("rate", "decay"):
            if not 0 <= getattr(self, name) < 1:
                raise OptimizerError(f"{name}={getattr(self, name)}: a share needs 0 <= {name} < 1")
        if self.maturity < 0:
            raise OptimizerError(f"maturity={self.maturity}: a number of steps is at least 0")


class Turnover:
    """The replacement of units of one hidden layer, for each member of an ensemble.

    Args:
        settings: of Continual Backprop.
        members: of the ensemble.
        units: of the layer.
        draw: incoming weights ``(sources, units)`` of a member at a step.
        state: what :attr:`state` was, to go on from there.

    Attributes:
        utility: u, ``(members, units)``.
        born: the step after which each unit was last replaced; its age is ``steps - born``.
        waiting: the share of a unit that is due, ``(members,)``.
        steps: taken so far.
        replaced: number of replaced units so far, ``(members,)``.
    """

    def __init__(
        self,
        settings: Replacement,
        members: int,
        units: int,
        draw: Draw,
        state: Mapping[str, Array] | None = None,
    ) -> None:
        self.settings = settings
        self.draw = draw
        self.utility: Array = np.zeros((members, units))
        self.born: Array = np.zeros((members, units), dtype=np.int64)
        self.waiting: Array = np.zeros(members)
        self.replaced: Array = np.zeros(members, dtype=np.int64)
        self.steps = 0
        if state is not None:
            self.utility = np.array(state["utility"])
            self.born = np.array(state["born"])
            self.waiting = np.array(state["waiting"])
            self.replaced = np.array(state["replaced"])
            self.steps = int(state["steps"])
        self._size: Array = np.empty((members, units))
        self._reach: Array = np.empty((members, units))
        self._absolute: Array = np.empty((0, 0, 0))
        self._ones: Array = np.empty((0, 1))
        self._count_mature()

    @property
    def state(self) -> dict[str, Array]:
        """Copies of what a later run needs to go on."""
        return {
            "utility": self.utility.copy(),
            "born": self.born.copy(),
            "waiting": self.waiting.copy(),
            "replaced": self.replaced.copy(),
            "steps": np.array(self.steps),
        }

    def step(self, activations: Array, incoming: Array, bias: Array, outgoing: Array) -> None:
        """Update utilities after a step of the optimizer, and replace the units that are due.

        The three arrays of weights are changed in place; biases of fresh units are 0.

        Args:
            activations: h, ``(members, samples, units)``.
            incoming: weights ``(members, sources, units)``.
            bias: of the units, ``(members, units)``.
            outgoing: weights ``(members, units, targets)``.

        >>> rule = Turnover(Replacement(rate=0.5, maturity=0), 1, 2, lambda e, t: np.ones((3, 2)))
        >>> w, b, v = np.zeros((1, 3, 2)), np.zeros((1, 2)), np.array([[[5.0], [1.0]]])
        >>> rule.step(np.ones((1, 4, 2)), w, b, v)
        >>> w[0, 0].tolist(), v.ravel().tolist()
        ([0.0, 1.0], [5.0, 0.0])
        """
        fresh = 1 - self.settings.decay
        if activations.shape[1] == 1:
            np.abs(activations[:, 0], out=self._size)
        else:
            np.mean(np.abs(activations), axis=1, out=self._size)
        if outgoing.shape[2] == 1:
            np.abs(outgoing[:, :, 0], out=self._reach)
        else:
            # a product with ones, in memory kept from step to step, is faster than a sum;
            # one for each member, so that rounding does not depend on how many there are
            if self._absolute.shape != outgoing.shape:
                self._absolute = np.empty(outgoing.shape)
                self._ones = np.ones((outgoing.shape[2], 1))
            np.abs(outgoing, out=self._absolute)
            np.matmul(self._absolute, self._ones, out=self._reach[:, :, None])
        np.multiply(self._size, self._reach, out=self._size)
        np.multiply(self._size, fresh, out=self._size)
        np.multiply(self.utility, self.settings.decay, out=self.utility)
        np.add(self.utility, self._size, out=self.utility)
        self.steps += 1
        if self.steps >= self._next_mature:
            self._count_mature()
        if self.waiting.max() + self._largest_gain < 1:
            np.add(self.waiting, self._gain, out=self.waiting)
        else:
            self._replace(incoming, bias, outgoing)

    def _count_mature(self) -> None:
        ages = self.steps - self.born
        is_mature = ages > self.settings.maturity
        self._num_mature = is_mature.sum(axis=1)
        self._gain: Array = self.settings.rate * self._num_mature
        self._largest_gain = float(self._gain.max())
        young = self.born[~is_mature]
        self._next_mature = int(young.min()) + self.settings.maturity + 1 if young.size else NEVER

    def _replace(self, incoming: Array, bias: Array, outgoing: Array) -> None:
        count, self.waiting = due(self.waiting, self._num_mature, self.settings.rate)
        is_mature = self.steps - self.born > self.settings.maturity
        mask = least_useful(self.utility, is_mature, count)
        for e in np.flatnonzero(mask.any(axis=1)):
            chosen = mask[e]
            drawn = self.draw(int(e), self.steps)
            incoming[e], outgoing[e] = replace(incoming[e], outgoing[e], drawn, chosen)
            bias[e] *= 1 - chosen
            self.utility[e] *= 1 - chosen
            self.born[e, chosen == 1] = self.steps
            self.replaced[e] += chosen.sum()
        self._count_mature()


def keyed_draws(seeds: Sequence[int], layer: int, sources: int, units: int, gain: float) -> Draw:
    """Normal weights with variance gain² / sources, from one generator a member and step.

    >>> draw = keyed_draws([5, 6], 1, 3, 2, 1.0)
    >>> bool((draw(0, 10) == draw(0, 10)).all()), bool((draw(0, 10) == draw(1, 10)).any())
    (True, False)
    """

    def draw(member: int, step: int) -> Array:
        rng = np.random.default_rng((seeds[member], layer, step))
        drawn: Array = rng.normal(size=(sources, units)) * (gain / np.sqrt(sources))
        return drawn

    return draw
