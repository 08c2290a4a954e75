"""Ball arithmetic: every value is an enclosure of the real number it stands for.

A ball [m ± r] holds the true value whatever was rounded, so a conclusion drawn from balls is a
proof. Arithmetic is total: a quotient by a ball that contains 0, or a logarithm of one that is not
positive, is FLINT's ``nan``, which stands for "nothing is known" and stays so through every
operation. :func:`bounds` refuses it at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf, isfinite, nextafter
from typing import Any

import flint
import numpy as np
from flint import arb, arb_mat, fmpq
from numpy.typing import NDArray

from numerics.systems.enclosures import FUNCTIONS, leaky, raised
from numerics.systems.objects import ObjectSystem, exact, flint_product, unknown
from numerics.systems.system import Array
from theory.activation import Activation
from theory.errors import ValueSystemError

BallFunction = Callable[[Any], Any]


@dataclass(frozen=True)
class Ball(ObjectSystem):
    """FLINT's real balls at a working precision.

    The precision is set around each operation and restored; FLINT's is one per process, so run
    balls in processes and not in threads.

    Args:
        bits: of the midpoints.
        functions: enclosures of the unknown symbols, by their printed name:
            ``{"phi": lambda z: z.sin()}``.

    Raises:
        ValueSystemError: if ``bits`` is less than 2.

    >>> ball = Ball(bits=64)
    >>> third = ball.divide(ball.array([1]), ball.array([3]))
    >>> bool(contains(third, Fraction(1, 3))[0]), bool(contains(third, 1 / 3)[0])
    (True, False)
    """

    bits: int = 128
    functions: Mapping[str, BallFunction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.bits < 2:
            raise ValueSystemError(f"bits={self.bits}: at least 2")

    @property
    def name(self) -> str:
        """``balls of p bits``."""
        return f"balls of {self.bits} bits"

    def working(self) -> AbstractContextManager[object]:
        """FLINT's precision set to ``bits`` and restored after."""
        manager: AbstractContextManager[object] = flint.ctx.workprec(self.bits)
        return manager

    def number(self, value: Any) -> Any:
        """An exact ball for a float or a short integer, an enclosure of anything else.

        Raises:
            TypeError: if ``value`` is no real number.
            ValueError: if it is not finite.
        """
        if isinstance(value, arb):
            return value
        if type(value) is float and isfinite(value):
            return arb(value)
        return arb(fmpq(*exact(value).as_integer_ratio()))

    def raised(self, x: Any, exponent: int) -> Any:
        """xⁿ."""
        return raised(x, exponent)

    def product(self, a: Array, b: Array) -> Array:
        """Product of two matrices."""
        return flint_product(arb_mat, a, b)

    def function(self, activation: Activation) -> BallFunction:
        """An enclosure of a known function, or what ``functions`` says of an unknown one.

        The gate of a ball of undecided sign is [0, 1]; step(0) = 0.

        Raises:
            ValueSystemError: for an unknown symbol without a function.
        """
        if activation.slope is not None:
            return leaky(self.number(activation.slope))
        scalar = FUNCTIONS.get(activation.name) or self.functions.get(repr(activation))
        if scalar is None:
            raise unknown("Ball", activation, "lambda z: z.sin()")
        return lambda z: self.number(scalar(z))


def bounds(enclosures: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest doubles below and the smallest above every ball.

    Raises:
        ValueSystemError: if a ball is not finite: somewhere before, a divisor or an argument was
            not separated from a pole, and more bits or smaller balls are needed.

    >>> low, high = bounds(Ball().array(["0.1", 1]))
    >>> low < [0.1, 1], high <= [0.1, 1]
    (array([ True, False]), array([ True,  True]))
    """
    low = np.empty(enclosures.shape)
    high = np.empty(enclosures.shape)
    with flint.ctx.workprec(53):
        for where, x in np.ndenumerate(enclosures):
            if not x.is_finite():
                raise ValueSystemError(f"entry {where} is {x}: an enclosure must be finite")
            low[where] = _below(x.lower())
            high[where] = -_below(-x.upper()) + 0.0  # not -0.0
    return low, high


def contains(enclosures: Array, values: Any) -> NDArray[np.bool_]:
    """Whether each ball holds the given exact number, decided exactly.

    A float counts as the rational number that it is. A ball that is not finite holds everything.

    Raises:
        TypeError: if a value is no real number.
        ValueError: if a value is not finite.
    """
    pairs = np.broadcast(enclosures, np.asarray(values, dtype=object))
    return np.array([_holds(x, exact(v)) for x, v in pairs], dtype=np.bool_).reshape(pairs.shape)


def _holds(x: Any, value: Fraction) -> bool:
    if not x.is_finite():
        return True
    return abs(exact(x.mid().fmpq()) - value) <= exact(x.rad().fmpq())


def _below(x: Any) -> float:
    """The nearest double not above an exact ball: out of range, ``float`` rounds anywhere."""
    nearest = float(x)
    return nextafter(nearest, -inf) if arb(nearest) > x else nearest
