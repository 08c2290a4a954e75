r"""Noise that is proportional to the distance from an invariant set attracts to it.

Gradient noise vanishes on an invariant set, so near it a transverse coordinate v obeys
:math:`dv = -h v\,dt + \zeta v\,dW`. By Itô's formula
:math:`d\ln|v| = (-h - \zeta^2/2)\,dt + \zeta\,dW`: the exponent is -h - ζ²/2, and noise attracts
even where the curvature h is negative. In discrete time a step multiplies v by 1 - ηh_t, and the
exponent is E ln|1 - ηh_t|, below ln|1 - η E h_t| by Jensen's inequality where 1 - ηh_t > 0.

The quartic well is the smallest non-linear case: loss (θ² - μ)²/4, whose maximum θ = 0 is
invariant, and noise ζθ. Its origin attracts iff ζ² > 2μ (F. Chen, D. Kunin, A. Yamamura,
S. Ganguli, Stochastic Collapse, NeurIPS 2023, arXiv 2306.04251: L''(0) + D''(0)/2 > 0 with
D = ζ²θ²/2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln

from numerics.systems.system import Array
from theory.errors import ShapeError, ValueSystemError


def linear_exponent(curvature: float, noise: float) -> float:
    """-h - ζ²/2, the exponent of dv = -h v dt + ζ v dW.

    >>> linear_exponent(-1.0, 2.0)
    -1.0
    """
    return -curvature - noise * noise / 2


def step_exponent(rate: float, curvatures: Sequence[float], weights: Sequence[float]) -> float:
    """E ln|1 - ηh| for a finite distribution of curvatures h, in nats a step.

    Args:
        rate: η.
        curvatures: the values of h.
        weights: their probabilities.

    Raises:
        ShapeError: if there are not as many probabilities as values.
        ValueSystemError: if the probabilities are negative or do not add up to 1.

    >>> step_exponent(0.5, [-2.0, 2.0], [0.5, 0.5])  # ln 2 and ln 0
    -inf
    """
    h, p = np.asarray(curvatures, dtype=float), np.asarray(weights, dtype=float)
    if h.shape != p.shape:
        raise ShapeError(f"curvatures have shape {h.shape}, weights {p.shape}")
    if p.min(initial=0) < 0 or abs(p.sum() - 1) > 1e-12:
        raise ValueSystemError(f"weights={list(weights)}: probabilities are ≥ 0 and add up to 1")
    with np.errstate(divide="ignore"):
        return float(p @ np.log(np.abs(1 - rate * h)))


def linear_paths(
    curvature: float, noise: float, *, time: float, steps: int, paths: int, seed: int = 0
) -> Array:
    """(1/t) ln|v(t)/v(0)| at the end of Euler-Maruyama paths of dv = -h v dt + ζ v dW.

    The exponent of the scheme differs from that of the equation by O(time / steps).

    Args:
        curvature: h.
        noise: ζ.
        time: t.
        steps: of the scheme.
        paths: number of them.
        seed: of the noise.
    """
    rng = np.random.default_rng(seed)
    dt = time / steps
    total = np.zeros(paths)
    for _ in range(steps):
        total += np.log(np.abs(1 - curvature * dt + noise * np.sqrt(dt) * rng.normal(size=paths)))
    return total / time


def quartic_well_paths(
    mu: float,
    noise: float,
    *,
    start: float,
    time: float,
    steps: int,
    paths: int,
    seed: int = 0,
) -> Array:
    """ln θ(t) for dθ = (μθ - θ³) dt + ζθ dW from θ(0) > 0.

    A step is half of the exact flow of the drift, the exact noise, and the other half; in ln θ, so
    that nothing underflows.

    Args:
        mu: μ.
        noise: ζ.
        start: θ(0).
        time: t.
        steps: of the scheme.
        paths: number of them.
        seed: of the noise.

    Raises:
        ValueSystemError: if the start or μ is not positive.
    """
    if start <= 0 or mu <= 0:
        raise ValueSystemError(f"start={start}, mu={mu}: both are positive")
    rng = np.random.default_rng(seed)
    dt = time / steps
    log_theta = np.full(paths, np.log(start))

    def drift(u: Array) -> Array:  # the exact flow of θ' = μθ - θ³ for dt/2
        growth = np.expm1(mu * dt)
        moved: Array = u + mu * dt / 2 - np.log1p(np.exp(2 * u) * growth / mu) / 2
        return moved

    for _ in range(steps):
        u = drift(log_theta)
        u = u - noise * noise * dt / 2 + noise * np.sqrt(dt) * rng.normal(size=paths)
        log_theta = drift(u)
    return log_theta


def quartic_well_mean_square(mu: float, noise: float) -> float:
    """E θ² in the stationary state of the quartic well: μ - ζ²/2, and 0 where the origin attracts.

    The stationary density is proportional to θ^(2μ/ζ² - 2) exp(-θ²/ζ²), integrable at 0 iff
    ζ² < 2μ; θ² is Gamma distributed.

    Raises:
        ValueSystemError: if μ is not positive.

    >>> quartic_well_mean_square(1.0, 1.0), quartic_well_mean_square(1.0, 1.5)
    (0.5, 0.0)
    """
    if mu <= 0:
        raise ValueSystemError(f"mu={mu}: it is positive")
    return max(mu - noise * noise / 2, 0.0)


def quartic_well_density(theta: Array, mu: float, noise: float) -> Array:
    """The stationary density on θ > 0.

    Raises:
        ValueSystemError: if the origin attracts: there is none then.
    """
    if noise * noise >= 2 * mu:
        raise ValueSystemError(f"noise={noise}, mu={mu}: ζ² ≥ 2μ, all mass goes to 0")
    power = 2 * mu / noise**2 - 2
    shape = (power + 1) / 2
    norm = np.log(2.0) - gammaln(shape) - shape * np.log(noise * noise)
    found: Array = np.exp(norm + power * np.log(theta) - theta * theta / noise**2)
    return found
