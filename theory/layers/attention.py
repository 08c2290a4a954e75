"""Softmax and attention."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np

from theory.errors import ShapeError
from theory.scope import layer


@layer
def softmax(z: Any, axis: int = -1, *, mask: Any = None) -> Any:
    """E(z - m) / Σ E(z - m), with m the mean of the unmasked z and masked entries exactly 0.

    The shift m changes no value, and keeps numbers small on paper: in the model of exp, which
    knows E' = E and no addition law, it makes a softmax invariant under a shift of all z. Unlike
    the maximum it is no bound: a double overflows where a logit exceeds the mean by 709.

    Args:
        z: logits, traced or numbers.
        axis: the axis that sums to 1.
        mask: numbers 0 and 1 that broadcast to ``z``, 1 where an entry counts.

    Raises:
        ShapeError: if the mask has other entries, does not fit, or leaves nothing to sum.

    >>> softmax(np.array([0.0, 0.0, 9.0]), mask=np.array([1, 1, 0]))
    array([0.5, 0.5, 0. ])
    """
    if mask is None:
        weights = np.exp(z - np.mean(z, axis=axis, keepdims=True))
    else:
        counts = _checked(mask, z.shape, axis)
        number = np.sum(counts, axis=axis, keepdims=True)
        if not np.all(number):
            raise ShapeError(f"softmax: the mask leaves no entry along axis {axis}")
        shift = np.sum(z * counts, axis=axis, keepdims=True) / number
        weights = np.exp((z - shift) * counts) * counts
    return weights / np.sum(weights, axis=axis, keepdims=True)


def _checked(mask: Any, shape: tuple[int, ...], axis: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The mask with all axes, stretched along ``axis`` only, so that the constant is small."""
    counts = np.asarray(mask)
    if not np.isin(counts, (0, 1)).all():
        raise ShapeError("softmax: a mask consists of 0 and 1")
    aligned = counts.reshape((1,) * (len(shape) - counts.ndim) + counts.shape).astype(np.int64)
    if len(shape) != aligned.ndim or any(
        n not in (1, m) for n, m in zip(aligned.shape, shape, strict=True)
    ):
        raise ShapeError(f"softmax: mask {counts.shape} does not fit logits {shape}")
    own = list(aligned.shape)
    own[axis] = shape[axis]
    return np.broadcast_to(aligned, own)


@layer
def attention(q: Any, k: Any, v: Any, *, causal: bool = False, scale: Any = None) -> Any:
    """Σ_s softmax_s(scale · ⟨q_t, k_s⟩) v_s for every head (arXiv 1706.03762).

    The width of queries and keys is read off their shape, so the default scale follows a network
    that is widened inside heads, which is why its function changes unless queries are rescaled.

    Args:
        q: queries (batch, T, heads, width), traced or numbers.
        k: keys (batch, S, heads, width).
        v: values (batch, S, heads, width of values).
        causal: whether position t sees positions s ≤ t only; then S = T.
        scale: by default 1/√width: exact for a perfect square, else the nearest double.

    Returns:
        An array (batch, T, heads, width of values).

    Raises:
        ShapeError: if queries, keys and values do not fit.

    >>> one = np.ones((1, 2, 1, 4))
    >>> attention(one, one, np.arange(2.0).reshape(1, 2, 1, 1), causal=True).ravel()
    array([0. , 0.5])
    """
    fits = len(q.shape) == len(k.shape) == len(v.shape) == 4
    fits = fits and (q.shape[0], *q.shape[2:]) == (k.shape[0], *k.shape[2:])
    if not fits or k.shape[:3] != v.shape[:3] or (causal and q.shape[1] != k.shape[1]):
        raise ShapeError(
            f"attention: q {q.shape}, k {k.shape}, v {v.shape}: expected (batch, T, heads, width)"
        )
    scores = np.einsum("bthk,bshk->bhts", q, k)
    width = q.shape[3]
    if scale is not None:
        scores = scores * scale
    elif isqrt(width) ** 2 == width:
        scores = scores / isqrt(width)
    else:
        scores = scores * width**-0.5
    mask = np.tril(np.ones((q.shape[1],) * 2, dtype=np.int64)) if causal else None
    return np.einsum("bhts,bshk->bthk", softmax(scores, mask=mask), v)
