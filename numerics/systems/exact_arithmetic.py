"""A test that float64 matrix products of small integers are exact on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from numerics.systems.system import Array


@lru_cache
def check_exact_arithmetic(matmul: Callable[[Array, Array], Array] = np.matmul) -> None:
    """Compare products of near-maximal 23-bit residues with integer arithmetic.

    Sums of 512 products of integers |r| <= 2²² stay within 2⁵³, so that IEEE double precision gets
    them right in any order of summation. A BLAS that computes in another precision, or by a fast
    algorithm that forms larger intermediate values, does not. Matrices, vectors and transposed
    operands are tried, as each has a kernel of its own; so is the rounding of a quotient. A few
    milliseconds, once.

    Raises:
        ArithmeticError: if a product or a rounded quotient is wrong.

    >>> check_exact_arithmetic()
    """
    terms, largest = 512, 1 << 22
    position = np.arange(96 * terms).reshape(96, terms)
    a = largest - position % 7
    b = largest - position % 11
    b[1::3, ::2] *= -1
    for rows in (1, 5, 96):
        for columns in (1, 5, 96):
            left, right = a[:rows], b[:columns].T
            expected = left @ right  # NumPy multiplies integers without BLAS
            for order in ("C", "F"):
                x, y = (np.asarray(m, dtype=np.float64, order=order) for m in (left, right))
                wrong = np.argwhere(matmul(x, y) != expected)
                if len(wrong):
                    where = tuple(int(k) for k in wrong[0])
                    raise ArithmeticError(
                        f"matrix product ({rows}, {terms}) @ ({terms}, {columns}): entry {where} "
                        f"should be {expected[where]}: the BLAS of this NumPy does not compute in "
                        "IEEE double precision, and nothing exact can be built on it"
                    )
    divisor = (1 << 22) - 3
    for remainder in (1, divisor // 2 - 1, 1 - divisor // 2, -1):
        for quotient in ((1 << 31) - 7, 7 - (1 << 31)):
            found = np.rint(np.float64(quotient * divisor + remainder) / np.float64(divisor))
            if found != quotient:
                raise ArithmeticError(
                    f"rint({quotient * divisor + remainder} / {divisor}) is {found} instead of "
                    f"{quotient}: the processor does not round to nearest"
                )
