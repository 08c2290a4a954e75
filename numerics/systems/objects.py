"""What the number systems on object arrays have in common.

Balls, multiprecision floats and rational numbers carry their arithmetic in Python's operators, so
a NumPy array of them needs only a conversion of entries, a precision to work in, and a product of
matrices.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from fractions import Fraction
from math import prod
from numbers import Rational
from typing import Any

import flint
import numpy as np
from mpmath.ctx_mp_python import _mpf
from mpmath.libmp import to_rational

from numerics.systems.system import Array
from theory.activation import Activation
from theory.errors import ValueSystemError


class ObjectSystem(ABC):
    """A number system whose arrays hold Python objects with arithmetic.

    The abstract methods are what a system says about one number; the others are final. Arrays are
    new on return, of dtype object, and have the system's numbers as entries.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """How the system is called in reports, precision included."""

    @abstractmethod
    def working(self) -> AbstractContextManager[object]:
        """A context in which operators on the system's numbers work in the system's precision."""

    @abstractmethod
    def number(self, value: Any) -> Any:
        """One number of the system; its own numbers are returned as they are.

        Raises:
            TypeError: if ``value`` is no real number.
            ValueError: if it is not finite.
        """

    @abstractmethod
    def raised(self, x: Any, exponent: int) -> Any:
        """xⁿ of one number for an integer n ≥ 2."""

    @abstractmethod
    def product(self, a: Array, b: Array) -> Array:
        """Product of the matrices ``a`` (n, k) and ``b`` (k, m), k ≥ 1."""

    @abstractmethod
    def function(self, activation: Activation) -> Callable[[Any], Any]:
        """A function symbol on one number.

        Raises:
            ValueSystemError: if the system cannot evaluate the symbol.
        """

    def array(self, values: Any) -> Array:
        """Numbers (floats, integers, fractions, decimal strings, nested sequences) as an array.

        A float counts as the rational number that it is, a string as what it spells: ``0.1`` and
        ``"0.1"`` differ.

        Raises:
            ValueSystemError: if an entry is not a finite real number.
        """
        try:
            raw = np.asarray(values).astype(object) if _is_numeric(values) else _objects(values)
        except ValueError as error:
            raise ValueSystemError(f"nested sequences must be rectangular: {error}") from None
        entries: list[Any] = []
        with self.working():
            for k, value in enumerate(raw.ravel().tolist()):
                try:
                    entries.append(self.number(value))
                except (ArithmeticError, TypeError, ValueError) as error:
                    where = tuple(int(n) for n in np.unravel_index(k, raw.shape))
                    raise ValueSystemError(f"entry {where} is {value!r:.60}: {error}") from None
        return filled(entries, raw.shape)

    def constant(self, values: Sequence[Fraction], shape: tuple[int, ...], lead: int) -> Array:
        """Exact entries, row-major, with ``lead`` leading axes of length 1."""
        with self.working():
            return filled([self.number(v) for v in values], (1,) * lead + shape)

    def add(self, a: Array, b: Array) -> Array:
        """a + b."""
        with self.working():
            return _wrapped(np.add(a, b))

    def subtract(self, a: Array, b: Array) -> Array:
        """a - b."""
        with self.working():
            return _wrapped(np.subtract(a, b))

    def multiply(self, a: Array, b: Array) -> Array:
        """a b."""
        with self.working():
            return _wrapped(np.multiply(a, b))

    def divide(self, a: Array, b: Array) -> Array:
        """a / b.

        Raises:
            ZeroDivisionError: if an entry of ``b`` is 0 and the system has no value for that.
        """
        with self.working():
            try:
                return _wrapped(np.divide(a, b))
            except ZeroDivisionError:
                where = tuple(int(k) for k in np.argwhere(b == 0)[0])
                raise ZeroDivisionError(f"divide: entry {where} of the divisor is 0") from None

    def negative(self, a: Array) -> Array:
        """-a."""
        with self.working():
            return _wrapped(np.negative(a))

    def power(self, a: Array, exponent: int) -> Array:
        """aⁿ."""
        with self.working():
            return _wrapped(np.frompyfunc(lambda x: self.raised(x, exponent), 1, 1)(a))

    def sum(self, a: Array, axes: tuple[int, ...]) -> Array:
        """Sum over axes; an empty sum is the system's 0."""
        if not a.size:
            return self._zeros(np.add.reduce(np.empty(a.shape), axis=axes).shape)
        with self.working():
            return _wrapped(np.add.reduce(a, axis=axes))

    def matmul(self, a: Array, b: Array) -> Array:
        """Stacked matrix product."""
        stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        shape = (*stack, a.shape[-2], b.shape[-1])
        if not (a.size and b.size):
            return self._zeros(shape)
        a = np.broadcast_to(a, stack + a.shape[-2:])
        b = np.broadcast_to(b, stack + b.shape[-2:])
        out = np.empty(shape, dtype=object)
        with self.working():
            for position in np.ndindex(stack):
                out[position] = self.product(a[position], b[position])
        return out

    def apply(self, activation: Activation, z: Array) -> Array:
        """A function symbol, elementwise.

        Raises:
            ValueSystemError: if the system cannot evaluate the symbol, or not at an entry of z.
        """
        with self.working():
            return _wrapped(np.frompyfunc(self.function(activation), 1, 1)(z))

    def _zeros(self, shape: tuple[int, ...]) -> Array:
        return filled([self.number(0)] * prod(shape), shape)


def exact(value: Any) -> Fraction:
    """The rational number that a Python, NumPy, FLINT or mpmath number is, or that a string spells.

    Raises:
        TypeError: if it is no real number.
        ValueError: if it is not finite, or the string spells no number.

    >>> exact(0.5), exact("0.1"), exact(0.1) == exact("0.1")
    (Fraction(1, 2), Fraction(1, 10), False)
    """
    if isinstance(value, Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    if isinstance(value, float | np.floating):
        if not np.isfinite(value):
            raise ValueError("numbers must be finite")
        return Fraction(*value.as_integer_ratio())
    if isinstance(value, str):
        return Fraction(value)
    if isinstance(value, flint.fmpz):
        return Fraction(int(value))
    if isinstance(value, flint.fmpq):
        return Fraction(int(value.p), int(value.q))
    if isinstance(value, _mpf):
        if not value.context.isfinite(value):
            raise ValueError("numbers must be finite")
        return Fraction(*(int(n) for n in to_rational(value._mpf_)))
    raise TypeError("not a real number")


def filled(entries: Iterable[Any], shape: tuple[int, ...]) -> Array:
    """An object array of the given entries, row-major."""
    out = np.empty(prod(shape), dtype=object)
    out[:] = list(entries)
    return out.reshape(shape)


def flint_product(matrix: Callable[[int, int, list[Any]], Any], a: Array, b: Array) -> Array:
    """Product by FLINT's matrix type, where it repays the conversion of every entry."""
    (n, k), m = a.shape, b.shape[1]
    # Seen at 128 bits: a conversion costs about as much as two object products.
    if n * k * m <= 2 * (n * k + k * m + n * m):
        return _wrapped(a @ b)
    result = matrix(n, k, a.ravel().tolist()) * matrix(k, m, b.ravel().tolist())
    return filled(result.entries(), (n, m))


def unknown(system: str, activation: Activation, example: str) -> ValueSystemError:
    """The error for an unknown symbol that has been given no function."""
    return ValueSystemError(
        f"{activation!r} is an unknown function: name it, e.g. "
        f"{system}(functions={{{repr(activation)!r}: {example}}})"
    )


def _is_numeric(values: Any) -> bool:
    return isinstance(values, np.ndarray) and values.dtype != object


def _objects(values: Any) -> Array:
    return np.asarray(values, dtype=object)


def _wrapped(result: Any) -> Array:
    """NumPy hands a 0-d object array back as its bare entry."""
    return result if isinstance(result, np.ndarray) else filled([result], ())
