r"""Clones of a unit of degree p under label noise: attracted for p > 1, repelled for p < 1 (N4c).

Let y = a w^p with one input x = 1 and labels ±s around a mean, w > 0, and w² = p a², the balance
that training keeps. With the error δ of a sample and K = √p δ w^{p-1} a step of SGD multiplies w
and a by the same number 1 - ηK, so the balance holds in discrete time too, and the transverse block

    M = K [[p - 1, √p], [√p, 0]]

has the eigenvalues pK and -K, with fixed eigenvectors: all steps commute. On a path on which ln w
stays bounded the mean of ln(1 - ηK) is 0, and the exponents are the means of ln|1 - ηpK| and of
ln|1 + ηK|. By Bernoulli's inequality, (1 - z)^p > 1 - pz for p > 1, both are negative as long as
ηp|K| < 1; for p < 1 the inequality turns round, and the first is positive; p = 1 is neutral. For
small steps they are -p(p - 1)/2 · η²E K² and -η²E K².
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from numerics.losses import MSE
from numerics.tasks import Task
from numerics.transverse.dynamics import TransverseDynamics, transverse_exponents
from numerics.transverse.lyapunov import LyapunovExponents
from theory.architecture import Architecture
from theory.errors import ValueSystemError
from theory.manifold import equitable
from theory.optimizer import sgd
from theory.partition import make_partition

DEGREES = (0.5, 1.0, 2.0, 3.0)


def _power(z: Any, degree: float) -> Any:
    if degree == 0.5:
        return np.sqrt(z)
    result = z
    for _ in range(int(degree) - 1):
        result = result * z
    return result


def leading_exponents(degree: float, weight: float, noise: float, rate: float) -> tuple[float, ...]:
    """-p(p - 1)/2 · η²E K² and -η²E K² with E K² = p s² w^{2p-2}, the larger one first.

    >>> leading_exponents(2.0, 1.0, 1.0, 0.1)  # p = 2: both are the same
    (-0.020000000000000004, -0.020000000000000004)
    """
    square = degree * noise**2 * weight ** (2 * degree - 2) * rate**2
    return tuple(sorted((-degree * (degree - 1) / 2 * square, -square), reverse=True))


def power_pair_exponents(
    degree: float,
    *,
    weight: float,
    noise: float,
    rate: float,
    steps: int,
    discard: int,
    seeds: Sequence[int],
) -> LyapunovExponents:
    """Both transverse exponents of two clones under SGD with batches of one sample.

    Args:
        degree: p, one of :data:`DEGREES`.
        weight: w at the start, where the mean of the labels is met.
        noise: s.
        rate: η.
        steps: averaged over.
        discard: before them.
        seeds: of the order of the two labels, one path each.

    Raises:
        ValueSystemError: if the degree is another one, or training diverges.
    """
    if degree not in DEGREES:
        raise ValueSystemError(f"degree={degree}: the degrees are {DEGREES}")
    net = Architecture(
        lambda p, x: _power(x @ p["W1"], degree) @ p["W2"],
        sizes={"x": 1, "h1": 2, "y": 1},
        parameters={"W1": ("x", "h1"), "W2": ("h1", "y")},
        name=f"two units of degree {degree:g}",
    )
    clones = equitable(net, make_partition(net.sizes, {"h1": [[0, 1]]}))
    outgoing = weight / sqrt(degree)
    mean = 2 * outgoing * weight**degree
    task = Task("two labels", np.ones((2, 1)), np.array([[mean + noise], [mean - noise]]))
    start = {"W1": np.full((1, 2), weight), "W2": np.full((2, 1), outgoing)}
    rule = sgd().with_hyperparameters(rate=rate)
    dynamics = TransverseDynamics(net, rule, MSE, task, clones, 1)
    return transverse_exponents(dynamics, start, steps=steps, discard=discard, seeds=seeds, count=2)
