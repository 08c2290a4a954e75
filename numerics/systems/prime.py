"""Products of prime fields: exact arithmetic at the speed of float64 BLAS.

A number is the tuple of its residues modulo t primes, and all t run together: axis 0 of every
array. Residues are **balanced**, integers |r| <= (p + 1)/2 stored as float64, and each operation
returns such residues: the sums and products below never exceed 2⁵³, where float64 is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Rational
from typing import Any

import flint
import numpy as np
from numpy.typing import NDArray

from numerics.keys import keyed_words
from numerics.systems.exact_arithmetic import check_exact_arithmetic
from numerics.systems.field_element import FieldElement
from numerics.systems.oracle import Oracle
from numerics.systems.system import Array
from theory.activation import Activation
from theory.errors import ShapeError, ValueSystemError

MAX_PRIME = 1 << 23
TILE = 1 << 16  # entries reduced at once, so that every pass stays in the cache


class NoResidueError(ValueSystemError):
    """A number whose denominator one of the primes divides: another prime will do."""


@dataclass(frozen=True)
class PrimeField:
    """GF(p_1) × … × GF(p_t) with function symbols read as keyed random functions.

    Arrays have shape ``(t, ...)``. Axis 0 always has length t, also for constants, so an evaluator
    uses ``lead=1``, or ``lead=2`` for arrays ``(t, trials, ...)``. Operands may be stored in a
    narrower type (float32 holds residues exactly); results are float64.

    Args:
        primes: distinct odd primes below 2²³, best drawn by
            :func:`numerics.primes.random_primes`.
        seed: chooses the functions and the streams of :meth:`random`.

    Raises:
        ValueSystemError: if ``primes`` is empty, or an entry is no odd prime below 2²³ or repeats.
        ArithmeticError: if this machine's floating point is not exact on integers.
        ShapeError: by every operation, if axis 0 of an operand does not run over the components.

    >>> field = PrimeField((101, 103), seed=0)
    >>> third = field.divide(field.array([1]), field.array([3]))
    >>> field.canonical(third).tolist()
    [[34], [69]]
    """

    primes: tuple[int, ...]
    seed: int

    def __post_init__(self) -> None:
        if not self.primes:
            raise ValueSystemError("primes=(): a prime field needs at least one prime")
        for k, p in enumerate(self.primes):
            if not (2 < p < MAX_PRIME and flint.fmpz(p).is_prime()):
                raise ValueSystemError(f"primes[{k}]={p}: an odd prime below {MAX_PRIME} is needed")
            if p in self.primes[:k]:
                raise ValueSystemError(f"primes[{k}]={p} repeats an earlier prime")
        check_exact_arithmetic()

    @property
    def name(self) -> str:
        """The product of fields, ``GF(101) × GF(103)``."""
        return " × ".join(f"GF({p})" for p in self.primes)

    @property
    def num_components(self) -> int:
        """t, the length of axis 0."""
        return len(self.primes)

    @cached_property
    def max_terms(self) -> int:
        """How many products of residues are summed exactly in float64 before a reduction.

        With h = (p + 1)/2: the largest K with K h² + h <= 2⁵³, at least 512 for p < 2²³ and 2048
        for p < 2²². The summand h is for the multiple of p nearest to the sum.
        """
        h = (max(self.primes) + 1) // 2
        return ((1 << 53) - h) // (h * h)

    @cached_property
    def oracle(self) -> Oracle:
        """The random functions that stand for the function symbols."""
        return Oracle(self.primes, self.seed)

    def array(self, values: Any) -> Array:
        """Rational numbers as residues: plain values of shape ``s`` become an array ``(t, *s)``.

        Axis 0 is always added, whatever the shape of ``values``. A float counts as the dyadic
        rational that it is: ``0.1`` is not 1/10.

        Raises:
            ValueSystemError: if an entry is not a finite rational number, or its denominator is
                divisible by one of the primes.

        >>> field = PrimeField((7, 11), seed=0)
        >>> field.canonical(field.array([[-1, 0.5]])).tolist()
        [[[6, 4]], [[10, 6]]]
        """
        # Without dtype=object NumPy would round an integer that stands beside a float.
        plain = values if isinstance(values, np.ndarray) else np.asarray(values, dtype=object)
        if plain.dtype.kind in "biu":
            integers = plain.astype(np.promote_types(plain.dtype, np.uint32))
            moduli = np.array(self.primes, dtype=integers.dtype).reshape((-1,) + (1,) * plain.ndim)
            return self.reduce((integers % moduli).astype(np.float64))
        if plain.dtype.kind == "f" and plain.dtype.itemsize <= 8:
            return self._dyadic(plain.astype(np.float64))
        entries = [_rational(v, k) for k, v in enumerate(plain.ravel().tolist())]
        return self.constant(entries, plain.shape, 1)

    def _dyadic(self, values: Array) -> Array:
        """Residues of x = n 2ᵏ with the integer n of 53 bits."""
        if not np.isfinite(values).all():
            where = tuple(int(k) for k in np.argwhere(~np.isfinite(values))[0])
            raise ValueSystemError(f"entry {where} is {values[where]}: numbers must be finite")
        mantissa, exponent = np.frexp(values)
        integer = self.array(np.ldexp(mantissa, 53).astype(np.int64))
        low, high = int(exponent.min(initial=0)), int(exponent.max(initial=0))
        scales = [[pow(2, k - 53, p) for k in range(low, high + 1)] for p in self.primes]
        scale = np.array(scales, dtype=np.float64)[:, exponent - low]
        return self.multiply(integer, self.reduce(scale))

    def constant(self, values: Sequence[Fraction], shape: tuple[int, ...], lead: int) -> Array:
        """Residues of exact entries, shape ``(t, 1, ..., 1, *shape)`` with ``lead`` leading axes.

        Raises:
            ValueSystemError: if ``lead`` is 0.
            NoResidueError: if a prime divides a denominator.
        """
        if lead < 1:
            raise ValueSystemError(f"lead={lead}: axis 0 holds the components, so lead is >= 1")
        residues = np.array([[_residue(v, p) for v in values] for p in self.primes], np.float64)
        return self.reduce(residues.reshape((len(self.primes),) + (1,) * (lead - 1) + tuple(shape)))

    def canonical(self, a: Array) -> NDArray[np.int64]:
        """The residues in [0, p), as integers: equal numbers have equal ones."""
        self._check(a)
        residues = a.astype(np.int64)
        moduli = np.array(self.primes, dtype=np.int64).reshape((-1,) + (1,) * (a.ndim - 1))
        return np.where(residues < 0, residues + moduli, residues)

    def reduce(self, a: Array) -> Array:
        """Balanced residues of the integers in ``a (t, ...)``, |a| + (p + 1)/2 <= 2⁵³, in place.

        >>> PrimeField((101, 103), seed=0).reduce(np.array([[102.0, -51.0], [102.0, -51.0]]))
        array([[  1.,  50.],
               [ -1., -51.]])
        """
        self._check(a)
        if a.size <= TILE or not a.flags.c_contiguous:
            _reduce_tile(a, self._moduli(a.ndim))
            return a
        flat = a.reshape(self.num_components, -1)
        for i, p in enumerate(self.primes):
            for start in range(0, flat.shape[1], TILE):
                _reduce_tile(flat[i, start : start + TILE], float(p))
        return a

    def random(self, shape: tuple[int, ...], stream: str) -> Array:
        """Independent, exactly uniform residues, shape ``(t, *shape)``.

        The stream is determined by the seed, its name and the component: SFC64 words of 32 bits,
        those not below the largest multiple of p drawn again.

        >>> field = PrimeField((101, 103), seed=0)
        >>> bool((field.random((2, 2), "W") == field.random((2, 2), "W")).all())
        True
        """
        out = np.empty((self.num_components, int(np.prod(shape, dtype=np.int64))))
        for i, p in enumerate(self.primes):
            words = np.random.SFC64(list(keyed_words(4, "stream", self.seed, stream, i)))
            for start in range(0, out.shape[1], TILE):
                tile = out[i, start : start + TILE]
                tile[...] = _words_below((1 << 32) // p * p, tile.size, words)
                _reduce_tile(tile, float(p))
        return out.reshape((self.num_components, *shape))

    def add(self, a: Array, b: Array) -> Array:
        """a + b."""
        return self._elementwise(np.add, a, b)

    def subtract(self, a: Array, b: Array) -> Array:
        """a - b."""
        return self._elementwise(np.subtract, a, b)

    def multiply(self, a: Array, b: Array) -> Array:
        """a b."""
        return self._elementwise(np.multiply, a, b)

    def negative(self, a: Array) -> Array:
        """-a."""
        self._check(a)
        return np.negative(a, dtype=np.float64)

    def divide(self, a: Array, b: Array) -> Array:
        """a b⁻¹.

        Raises:
            ZeroDivisionError: if a residue of ``b`` is 0.
        """
        return self.multiply(a, self.inverse(b))

    def inverse(self, a: Array) -> Array:
        """a⁻¹; what ``a`` repeats by broadcasting is inverted once.

        Raises:
            ZeroDivisionError: if a residue of ``a`` is 0.
        """
        self._check(a)
        stored = a[:, *(slice(None, 1) if n == 0 else slice(None) for n in a.strides[1:])]
        flat = stored.reshape(stored.shape[0], -1).astype(np.float64)
        for p, zeros in zip(self.primes, np.count_nonzero(flat == 0, axis=1), strict=True):
            if zeros:
                raise ZeroDivisionError(f"{zeros} of {flat.shape[1]} divisors are 0 modulo {p}")
        return np.broadcast_to(self._inverse(flat).reshape(stored.shape), a.shape)

    def _inverse(self, a: Array) -> Array:
        """Inverses of the rows of ``(t, n)``: 1/x = y (1/xy) halves the work (Montgomery 1987)."""
        n = a.shape[1]
        if n <= 4:
            pairs = zip(self.primes, a, strict=True)
            rows = [[pow(int(r), -1, p) for r in x] for p, x in pairs]
            return self.reduce(np.array(rows, dtype=np.float64))
        half = n // 2
        x, y = a[:, :half], a[:, half : 2 * half]
        found = self._inverse(np.concatenate([self.multiply(x, y), a[:, 2 * half :]], axis=1))
        joint, odd = found[:, :half], found[:, half:]
        return np.concatenate([self.multiply(y, joint), self.multiply(x, joint), odd], axis=1)

    def power(self, a: Array, exponent: int) -> Array:
        """aⁿ for n >= 1, by repeated squaring."""
        result = a
        for bit in f"{exponent:b}"[1:]:
            result = self.multiply(result, result)
            if bit == "1":
                result = self.multiply(result, a)
        return result

    def sum(self, a: Array, axes: tuple[int, ...]) -> Array:
        """Sum over axes, of at most 2³⁰ terms."""
        self._check(a)
        return self.reduce(np.asarray(np.sum(a, axis=axes, dtype=np.float64)))

    def matmul(self, a: Array, b: Array) -> Array:
        """Stacked matrix product by BLAS, in blocks of :attr:`max_terms` terms."""
        terms, block = a.shape[-1], self.max_terms
        if terms == 1:
            return self.multiply(a, b)
        self._check(a, b)
        total = self.reduce(_product(a[..., :block], b[..., :block, :]))
        for k in range(block, terms, block):
            total += self.reduce(_product(a[..., k : k + block], b[..., k : k + block, :]))
        return total if terms <= block else self.reduce(total)

    def apply(self, activation: Activation, z: Array) -> Array:
        """A symbol by its definition, an atom by its centre and the oracle.

        Raises:
            ZeroDivisionError: if the symbol has a pole at 0, and all residues of an entry are 0.
        """
        law = activation.law
        if law.has_pole_at_zero and not z.any(axis=0).all():
            raise ZeroDivisionError(f"an argument of {activation!r} is 0 in every component")
        element = FieldElement(self, z)
        if law.definition is not None:
            defined: FieldElement = law.definition(element)
            return defined.array
        drawn = self.reduce(self.oracle(activation, self.canonical(z)).astype(np.float64))
        if law.centre is None:
            return drawn
        centred: FieldElement = FieldElement(self, drawn) + law.centre(element)
        return centred.array

    def _moduli(self, ndim: int) -> Array:
        return np.array(self.primes, dtype=np.float64).reshape((-1,) + (1,) * (ndim - 1))

    def _check(self, *operands: Array) -> None:
        for a in operands:
            if a.ndim == 0 or a.shape[0] != self.num_components:
                raise ShapeError(
                    f"an operand has shape {a.shape}: axis 0 must run over the "
                    f"{self.num_components} components; array() makes residues of plain numbers"
                )

    def _elementwise(self, ufunc: np.ufunc, a: Array, b: Array) -> Array:
        self._check(a, b)
        return self.reduce(ufunc(a, b, dtype=np.float64))


def _reduce_tile(r: Array, p: Array | float) -> None:
    """r ← r - p · rint(r / p), in place.

    The quotient is rounded once, by at most |r/p| 2⁻⁵³, so the integer q nearest to it has
    |r - p q| <= p/2 + |r| 2⁻⁵³ <= p/2 + 1, and as p is odd this integer is at most (p + 1)/2. For
    |r| < 2⁵² it is at most (p - 1)/2, which makes it unique. The product p q is exact in float64,
    for |p q| <= |r| + (p + 1)/2 <= 2⁵³.
    """
    q = np.divide(r, p)
    np.rint(q, out=q)
    q *= p
    r -= q


def _product(a: Array, b: Array) -> Array:
    # astype keeps the memory order, so that a transposed operand stays one that BLAS takes
    product: Array = np.matmul(
        a.astype(np.float64, copy=False), b.astype(np.float64, copy=False), order="C"
    )
    return product


def _words_below(limit: int, count: int, words: np.random.SFC64) -> NDArray[np.uint32]:
    drawn = words.random_raw((count + 1) // 2).view(np.uint32)[:count]
    late = np.flatnonzero(drawn >= limit)
    while late.size:
        drawn[late] = words.random_raw(late.size) >> np.uint64(32)
        late = late[drawn[late] >= limit]
    return drawn


def _rational(value: Any, position: int) -> Fraction:
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    if isinstance(value, float | np.floating) and np.isfinite(value):
        return Fraction(*value.as_integer_ratio())
    raise ValueSystemError(
        f"entry {position} is {value!r:.60}: numbers must be finite and rational"
    )


def _residue(value: Fraction, p: int) -> int:
    if value.denominator % p == 0:
        raise NoResidueError(f"{value} modulo {p}: the prime divides the denominator")
    return value.numerator * pow(value.denominator, -1, p) % p
