"""Embedding of tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.errors import ShapeError
from theory.scope import layer
from theory.value import Value


@layer
def embedding(x: Any, table: Any) -> Any:
    """The row of ``table`` for each token, or x @ table for tokens given as vectors.

    Vectors over the vocabulary are more general than tokens: a one-hot vector is a token, any
    other a mixture, and what holds for all vectors holds for all token patterns.

    Args:
        x: integers (batch, T) known while tracing, or an array (batch, T, vocab).
        table: (vocab, d), traced or numbers.

    Returns:
        An array (batch, T, d).

    Raises:
        ShapeError: if a token is not in the vocabulary, or vectors have another length.

    >>> embedding(np.array([[2, 0]]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    array([[[5., 6.],
            [1., 2.]]])
    """
    vocab = table.shape[0]
    if isinstance(x, Value) or np.asarray(x).dtype.kind not in "iu":
        if not x.shape or x.shape[-1] != vocab:
            raise ShapeError(f"embedding: x has shape {x.shape}, expected (..., {vocab})")
        return x @ table
    tokens = np.asarray(x)
    if tokens.size and (tokens.min() < 0 or tokens.max() >= vocab):
        raise ShapeError(
            f"embedding: tokens {tokens.min()}..{tokens.max()} are not in 0..{vocab - 1}"
        )
    return np.take(table, tokens, axis=0)
