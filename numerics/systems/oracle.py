"""Random functions that stand for function symbols in a product of prime fields.

The oracle is **joint**: the value of φ at z depends on the residues of z modulo all primes at once.
Separate random functions modulo each prime would let accidental collisions of arguments in one
component pass through composed symbols independently of the other components, and the error of a
test would not shrink as it should when primes are added.

A symbol is keyed by the seed, its name and its place in its derivative chain, never by where it
stands in a network. Two distinct arguments get independent values as far as the mixing below is
pseudo-random: that is an assumption, the only one (it is a statistical mixer, not a cryptographic
one, so the seed must be chosen independently of the claim). Arguments are absorbed into 128 bits of
state, so m arguments share a state by accident with probability C(m, 2) · 2⁻¹²⁸.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from numerics.keys import keyed_words
from theory.activation import Activation

Residues = NDArray[np.int64]  # canonical: component i in [0, p_i)
Words = NDArray[np.uint64]

TILE = 1 << 13  # arguments mixed at once, so that every pass stays in the cache


@dataclass(frozen=True)
class Oracle:
    """Keyed random functions on tuples of residues, odd or even where a symbol is.

    Args:
        primes: one odd prime per component.
        seed: chooses the functions.

    >>> from theory.activation import tanh
    >>> oracle = Oracle((101, 103), seed=0)
    >>> z = np.array([[5, 96, 0], [7, 96, 0]])
    >>> (oracle(tanh, z)[:, 0] + oracle(tanh, z)[:, 1]).tolist(), oracle(tanh, z)[:, 2].tolist()
    ([101, 103], [0, 0])
    """

    primes: tuple[int, ...]
    seed: int

    def __call__(self, symbol: Activation, z: Residues) -> Residues:
        """The part of ``symbol(z)`` that is odd, even or of no parity, without its centre.

        With F the random function of the symbol, and u the one of z and -z whose first non-zero
        residue is at most (p - 1)/2: F(u) for an even symbol; F(u), -F(u) or 0 for an odd one where
        z is u, -u or 0; F(z) without parity, and F(0) for a symbol that jumps at 0.

        Args:
            symbol: an atom: a symbol whose law has no definition.
            z: canonical residues, shape ``(t, ...)``; the result has the same shape.
        """
        flat = z.reshape(len(self.primes), -1)
        parity = symbol.value_parity
        negative = self._is_negative(flat) if parity else np.zeros(flat.shape[1], dtype=bool)
        value = _random_function(
            self.primes,
            _keys(len(self.primes), self.seed, symbol.name, symbol.order, symbol.parity),
            np.where(negative, self._negated(flat), flat).astype(np.uint64),
        ).astype(np.int64)
        if parity == "odd":
            value = np.where(negative, self._negated(value), value)
            if not symbol.law.jumps_at_zero:
                value[:, ~flat.any(axis=0)] = 0
        return value.reshape(z.shape)

    @cached_property
    def _moduli(self) -> Residues:
        return np.array(self.primes, dtype=np.int64)[:, None]

    def _negated(self, z: Residues) -> Residues:
        return np.where(z == 0, z, self._moduli - z)

    def _is_negative(self, z: Residues) -> NDArray[np.bool_]:
        """Whether -z comes before z lexicographically; z and -z first differ where z is not 0."""
        first = np.argmax(z != 0, axis=0)[None]
        leading = np.take_along_axis(z, first, axis=0)
        late: NDArray[np.bool_] = leading[0] > self._moduli[first[0], 0] // 2
        return late


@lru_cache
def _keys(components: int, seed: int, name: str, order: int, parity: str | None) -> tuple[int, ...]:
    return keyed_words(2 + components, "oracle", seed, name, order, parity)


def _random_function(primes: tuple[int, ...], keys: tuple[int, ...], z: Words) -> Words:
    """The function itself, on columns of ``z``, shape ``(t, n)``.

    The state starts at (a, b) = (keys[0], keys[1]) and absorbs z_1, …, z_t by a ← mix(a ⊕ z_i),
    b ← mix(b ⊕ z_i). Component i of the value is mix(mix(a ⊕ keys[2 + i]) + b) mod p_i, where no
    residue is favoured by more than p_i · 2⁻⁶⁴. All words have 64 bits.
    """
    out = np.empty_like(z)
    for start in range(0, z.shape[1], TILE):
        tile = z[:, start : start + TILE]
        a = np.full(tile.shape[1], keys[0], dtype=np.uint64)
        b = np.full(tile.shape[1], keys[1], dtype=np.uint64)
        for residues in tile:
            a ^= residues
            b ^= residues
            _mix(a)
            _mix(b)
        for i, p in enumerate(primes):
            word = a ^ np.uint64(keys[2 + i])
            _mix(word)
            word += b
            _mix(word)
            # word % p, but NumPy divides by a fixed number with vector instructions
            out[i, start : start + TILE] = word - word // np.uint64(p) * np.uint64(p)
    return out


def _mix(z: Words) -> None:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014; constants by Stafford), in place."""
    z ^= z >> np.uint64(30)
    z *= np.uint64(0xBF58476D1CE4E5B9)
    z ^= z >> np.uint64(27)
    z *= np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
