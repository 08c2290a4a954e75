"""Two lines around a function over an interval: what makes linear bounds of a network possible.

On ``[l, u]`` a function lies between ``a z + c`` and ``b z + d``. Slopes are any doubles, for which
the intercepts are computed with outward rounding, so the lines are proved whatever the slopes are.

- ReLU, undecided: above, the chord, valid at both ends and so in between, since ReLU is convex;
  below, 0 or z, whichever leaves the smaller area (Singh et al. 2019).
- A function with ``φ' ≥ λ`` on the interval: ``φ - λz`` does not decrease, so that
  ``φ(l) + λ(z - l) ≤ φ(z) ≤ φ(u) + λ(z - u)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.bounds.functions import function_range
from numerics.bounds.interval import Interval, down, hull, up
from numerics.evaluate import Evaluator
from numerics.systems.system import Array
from theory.activation import Activation
from theory.backprop import gradient
from theory.tracing import trace

# Lipschitz symbols, differentiable but for a kink; the others jump or have poles.
LIPSCHITZ = frozenset(
    {"tanh", "sigmoid", "softplus", "silu", "gelu", "exp", "leaky_relu", "normal_cdf", "normal_pdf"}
)

Numbers = tuple[Array, Array, Array, Array]  # slope and intercept below, slope and intercept above


@dataclass(frozen=True, slots=True)
class Lines:
    """``lower_slope z + lower ≤ φ(z) ≤ upper_slope z + upper`` where ``exist``, elementwise."""

    lower_slope: Array
    lower: Array
    upper_slope: Array
    upper: Array
    exist: Array


def lines(activation: Activation, z: Array) -> Lines | None:
    """Lines around a function symbol over intervals; ``None`` for a symbol without such lines.

    >>> from theory.activation import relu
    >>> found = lines(relu, hull([-1.0], [3.0]))
    >>> float(found.upper_slope[0]), float(found.upper[0]) >= 0.75, float(found.lower_slope[0])
    (0.75, True, 1.0)
    """
    with np.errstate(all="ignore"):
        if activation.name == "relu":
            found = _relu(z["low"], z["high"])
        elif activation.name in LIPSCHITZ:
            found = _parallel(activation, z)
        else:
            return None
    exist = np.asarray(np.isfinite([z["low"], z["high"], *found]).all(axis=0))
    lower_slope, lower, upper_slope, upper = np.where(exist, found, 0.0)
    return Lines(lower_slope, lower, upper_slope, upper, exist)


def _relu(low: Array, high: Array) -> Numbers:
    is_active = low >= 0
    undecided = (low < 0) & (high > 0)
    chord = np.where(undecided, high / np.where(undecided, high - low, 1.0), 0.0)
    at_low = up(-chord * low)
    at_high = up(high - down(chord * high))
    upper_slope = np.where(is_active, 1.0, chord)
    upper = np.where(undecided, np.maximum(at_low, at_high), 0.0)
    lower_slope = np.where(is_active | (undecided & (high > -low)), 1.0, 0.0)
    return lower_slope, np.zeros_like(low), upper_slope, upper


def _parallel(activation: Activation, z: Array) -> Numbers:
    system = Interval()
    chain = gradient(
        trace(lambda _, x: {"h": activation(x["z"])}, {}, {"z": z.shape}), ["z"], ["h"]
    )
    ones = np.ones(z.shape)
    slope = np.array(Evaluator(chain, system)({"z": z, "adjoint:h": ones})["grad:z"]["low"])
    at_low = function_range(activation, z["low"], z["low"])[0]
    at_high = function_range(activation, z["high"], z["high"])[1]
    falls = [
        system.subtract(hull(value, value), system.multiply(hull(slope, slope), hull(end, end)))
        for value, end in ((at_low, z["low"]), (at_high, z["high"]))
    ]
    return slope, falls[0]["low"], slope, falls[1]["high"]
