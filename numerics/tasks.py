"""Data to train on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from numerics.systems.system import Array


@dataclass(frozen=True, slots=True)
class Task:
    """Inputs ``x (samples, …)`` and targets ``y (samples, outputs)``."""

    name: str
    x: Array
    y: Array


def digits() -> Task:
    """The 1,797 handwritten digits of 8 × 8 pixels that scikit-learn ships, ten classes, one-hot.

    Pixels are scaled to [0, 1]. Source: E. Alpaydin and C. Kaynak, Optical Recognition of
    Handwritten Digits, UCI Machine Learning Repository, 1998 (its test part).

    >>> digits().x.shape
    (1797, 64)
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Task("digits", bunch.data / 16.0, np.eye(10)[bunch.target])
