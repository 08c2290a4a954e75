"""Primes drawn at random, and how many there are to draw from.

A claim that is false over the rationals may hold modulo some primes. Which ones is unknown before
the claim is written down, so primes are drawn afterwards, at random: a non-zero integer of absolute
value at most N has at most log N / log low prime divisors in a window ``[low, high)``, hence a
random prime of the window divides it with probability at most log N / (log low · num_primes).
"""

from __future__ import annotations

from functools import lru_cache
from math import isqrt

import flint
import numpy as np

from numerics.keys import keyed_words
from theory.errors import ValueSystemError

LOW, HIGH = 3 << 21, 1 << 23
"""The default window: 23-bit primes, for which a float64 matrix product sums 512 terms exactly."""


def random_primes(count: int, seed: int, low: int = LOW, high: int = HIGH) -> tuple[int, ...]:
    """``count`` distinct primes drawn uniformly from the window ``low <= p < high``.

    Integers are drawn uniformly and kept if prime, which FLINT proves. The draws are 128-bit hashes
    reduced modulo the length of the window: no integer is favoured by more than length · 2⁻¹²⁸.

    Raises:
        ValueSystemError: if the window holds fewer than ``count`` primes.

    >>> random_primes(3, seed=0, low=2, high=6) in [(2, 3, 5), (2, 5, 3), (3, 2, 5),
    ...                                             (3, 5, 2), (5, 2, 3), (5, 3, 2)]
    True
    """
    available = num_primes(low, high)
    if not 0 <= count <= available:
        raise ValueSystemError(
            f"count={count}: the window {low} <= p < {high} holds {available} primes"
        )
    found: dict[int, None] = {}
    draw = 0
    while len(found) < count:
        upper, lower = keyed_words(2, "prime", seed, low, high, draw)
        candidate = low + ((upper << 64) | lower) % (high - low)
        draw += 1
        if flint.fmpz(candidate).is_prime():
            found[candidate] = None
    return tuple(found)


@lru_cache
def num_primes(low: int = LOW, high: int = HIGH) -> int:
    """The number of primes with ``low <= p < high``, by a segmented sieve of Eratosthenes.

    Takes one byte for each integer of the window and of ``0..sqrt(high)``.

    Raises:
        ValueSystemError: unless ``2 <= low < high``.

    >>> num_primes(2, 100), num_primes()
    (25, 132661)
    """
    if not 2 <= low < high:
        raise ValueSystemError(f"window {low} <= p < {high}: it needs 2 <= low < high")
    is_prime = np.ones(high - low, dtype=bool)
    for q in _primes_upto(isqrt(high - 1)):
        first = max(q * q, -(-low // q) * q)
        is_prime[first - low :: q] = False
    return int(np.count_nonzero(is_prime))


def _primes_upto(bound: int) -> list[int]:
    is_prime = np.ones(bound + 1, dtype=bool)
    is_prime[:2] = False
    for q in range(2, isqrt(bound) + 1):
        if is_prime[q]:
            is_prime[q * q :: q] = False
    found: list[int] = np.flatnonzero(is_prime).tolist()
    return found
