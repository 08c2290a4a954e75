r"""Layers of random units in float64: what the infinite width's kernel says of finite widths.

A layer of n units with standard normal weights sees pre-activations of correlation C; the Gram
matrix of its activations, G = (1/n) φ(aZ + b)ᵀ φ(aZ + b), has expectation Q(C) for every width,
Q(r) = Σ_{k≥0} a_k² r^k. Its effective rank is lower than that of Q(C), by order 1/n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from theory.activation import Activation
from theory.errors import ShapeError

_UNITS = 2_000_000  # pre-activations held at once


@dataclass(frozen=True, slots=True)
class MeanWithInterval:
    """Means over independent layers, with Student's intervals.

    Attributes:
        mean: of any shape.
        radius: half the width of each interval.
        confidence: that all entries of the true mean lie in their intervals together.
    """

    mean: Array
    radius: Array
    confidence: float

    def contains(self, value: Any) -> bool:
        """Whether every entry lies in its interval."""
        return bool(np.all(np.abs(self.mean - value) <= self.radius))

    def __str__(self) -> str:
        return f"mean ± {np.max(self.radius):.2g} (all at {self.confidence:.4%})"


def layer_grams(
    activation: Activation,
    correlations: Any,
    width: int,
    trials: int,
    *,
    seed: int,
    scale: float = 1.0,
    shift: float = 0.0,
) -> Array:
    """Gram matrices (trials, d, d) of independent random layers.

    Args:
        activation: φ.
        correlations: C (d, d), positive semidefinite with unit diagonal.
        width: n.
        trials: how many layers.
        seed: of the weights.
        scale: a.
        shift: b.

    Raises:
        ShapeError: if C is not a square matrix, or width or trials are less than 1.

    >>> from theory.activation import tanh
    >>> layer_grams(tanh, np.eye(3), 10, 4, seed=0).shape
    (4, 3, 3)
    """
    c = np.asarray(correlations, dtype=np.float64)
    if c.ndim != 2 or c.shape[0] != c.shape[1]:
        raise ShapeError(f"correlations {c.shape}: a square matrix")
    if width < 1 or trials < 1:
        raise ShapeError(f"width={width}, trials={trials}: both are at least 1")
    values, vectors = np.linalg.eigh(c)
    root = vectors * np.sqrt(np.maximum(values, 0))
    system, rng = Float64(), np.random.default_rng(seed)
    together = max(1, _UNITS // (width * len(c)))
    found = []
    for start in range(0, trials, together):
        number = min(together, trials - start)
        z = rng.standard_normal((number, width, len(c))) @ root.T
        h = system.apply(activation, scale * z + shift)
        found.append(h.swapaxes(1, 2) @ h / width)
    return np.concatenate(found)


def mean_with_interval(samples: Array, *, confidence: float = 0.9999) -> MeanWithInterval:
    """The mean over the first axis; the intervals hold together, by Bonferroni.

    Raises:
        ShapeError: if there are fewer than two samples.

    >>> found = mean_with_interval(np.array([1.0, 2.0, 3.0]), confidence=0.95)
    >>> found.mean, round(float(found.radius), 4)
    (np.float64(2.0), 2.4841)
    """
    number = len(samples)
    if number < 2:
        raise ShapeError(f"{number} samples: an interval needs two")
    entries = max(1, int(np.prod(samples.shape[1:])))
    quantile = stats.t.ppf(1 - (1 - confidence) / (2 * entries), number - 1)
    radius = quantile * samples.std(axis=0, ddof=1) / np.sqrt(number)
    return MeanWithInterval(samples.mean(axis=0), np.asarray(radius), confidence)


def effective_ranks(grams: Array) -> tuple[Array, Array]:
    """er₂ = (tr M)² / ‖M‖_F² and the Shannon rank exp(H(λ/tr M)) of symmetric matrices (..., d, d).

    >>> second, shannon = effective_ranks(np.eye(3))
    >>> round(float(second), 12), round(float(shannon), 12)
    (3.0, 3.0)
    """
    trace = np.trace(grams, axis1=-2, axis2=-1)
    second = trace**2 / np.sum(grams * grams, axis=(-2, -1))
    share = np.maximum(np.linalg.eigvalsh(grams), 0) / trace[..., None]
    terms = np.where(share > 0, share * np.log(np.where(share > 0, share, 1)), 0)
    return second, np.exp(-terms.sum(axis=-1))
