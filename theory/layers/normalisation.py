"""Normalisation: (x - mean) / √(variance + ε), then a gain and a bias for each feature.

Features are the last axis. With ε = 0 the quotient is undefined where the variance is 0, for
instance for a LayerNorm over one block of clones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.errors import ShapeError
from theory.scope import layer


def _scaled(x: Any, gain: Any, bias: Any) -> Any:
    if gain is not None:
        x = x * gain
    return x if bias is None else x + bias


def _standardised(x: Any, axes: tuple[int, ...], eps: Any) -> Any:
    deviation = x - np.mean(x, axis=axes, keepdims=True)
    variance = np.mean(deviation * deviation, axis=axes, keepdims=True)
    return deviation / np.sqrt(variance + eps)


@layer
def batch_norm(
    x: Any, gain: Any = None, bias: Any = None, *, eps: Any, mean: Any = None, variance: Any = None
) -> Any:
    """gain · (x - m) / √(v + ε) + bias, with m and v of each feature over all other axes.

    The batch's own statistics (v with divisor n) couple the samples: one sample's output depends
    on the others. With running statistics, given as ``mean`` and ``variance``, it does not.

    Args:
        x: (batch, …, features), traced or numbers.
        gain: (features,), or None for 1.
        bias: (features,), or None for 0.
        eps: added to the variance; 0 is allowed.
        mean: running mean (features,), with ``variance``.
        variance: running variance (features,).

    Raises:
        ShapeError: if one running statistic is given without the other.

    >>> batch_norm(np.array([[1.0, 5.0], [3.0, 5.0]]), eps=1)
    array([[-0.70710678,  0.        ],
           [ 0.70710678,  0.        ]])
    """
    if (mean is None) != (variance is None):
        raise ShapeError("batch_norm: running statistics are a mean and a variance, or neither")
    if mean is None:
        normal = _standardised(x, tuple(range(len(x.shape) - 1)), eps)
    else:
        normal = (x - mean) / np.sqrt(variance + eps)
    return _scaled(normal, gain, bias)


@layer
def layer_norm(x: Any, gain: Any = None, bias: Any = None, *, eps: Any) -> Any:
    """gain · (x - m) / √(v + ε) + bias, with m and v over the last axis (arXiv 1607.06450).

    Args:
        x: (batch, …, features), traced or numbers.
        gain: (features,), or None for 1.
        bias: (features,), or None for 0.
        eps: added to the variance; 0 is allowed.

    >>> layer_norm(np.array([[1.0, 3.0]]), eps=0)
    array([[-1.,  1.]])
    """
    return _scaled(_standardised(x, (len(x.shape) - 1,), eps), gain, bias)


@layer
def rms_norm(x: Any, gain: Any = None, *, eps: Any) -> Any:
    """gain · x / √(mean x² + ε), the mean over the last axis (arXiv 1910.07467).

    Args:
        x: (batch, …, features), traced or numbers.
        gain: (features,), or None for 1.
        eps: added to the mean square; 0 is allowed.

    >>> rms_norm(np.array([[3.0, 4.0]]), eps=3.5)
    array([[0.75, 1.  ]])
    """
    return _scaled(x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps), gain, None)


@layer
def group_norm(x: Any, groups: int, gain: Any = None, bias: Any = None, *, eps: Any) -> Any:
    """gain · (x - m) / √(v + ε) + bias, m and v over places and a group's features, by sample.

    Groups are equally many features in a row (arXiv 1803.08494).

    Args:
        x: (batch, …, features), traced or numbers.
        groups: number of groups, a divisor of the number of features.
        gain: (features,), or None for 1.
        bias: (features,), or None for 0.
        eps: added to the variance; 0 is allowed.

    Raises:
        ShapeError: if the features do not fall into that many groups.

    >>> group_norm(np.array([[1.0, 3.0, 0.0, 8.0]]), 2, eps=0)
    array([[-1.,  1., -1.,  1.]])
    """
    shape = x.shape
    if groups < 1 or shape[-1] % groups:
        raise ShapeError(f"group_norm: {shape[-1]} features do not fall into groups={groups}")
    grouped = np.reshape(x, (shape[0], -1, groups, shape[-1] // groups))
    return _scaled(np.reshape(_standardised(grouped, (1, 3), eps), shape), gain, bias)
