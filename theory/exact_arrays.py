"""NumPy arrays of exact numbers."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def numbers(values: Any) -> Array:
    """An array of numbers in which division is exact wherever they are.

    Integers become fractions, since NumPy divides them to floats; other numbers are kept.

    >>> numbers([[1, 2]]) / 4
    array([[Fraction(1, 4), Fraction(1, 2)]], dtype=object)
    """
    array = np.asarray(values)
    if array.dtype.kind in "iub":
        array = array.astype(object)
    if array.dtype == object:
        array = np.asarray(_fractions(array), dtype=object).reshape(array.shape)
    return array


_fractions = np.frompyfunc(lambda v: Fraction(v) if isinstance(v, int) else v, 1, 1)


def like(values: Array, example: Any) -> Array:
    """Rational entries as floats if the example is an array of floats, as they are otherwise."""
    is_float = isinstance(example, np.ndarray) and example.dtype.kind == "f"
    return values.astype(example.dtype) if is_float else values
