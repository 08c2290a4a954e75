"""Multiprecision floating point: an observation at p digits, never a proof."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from mpmath.ctx_mp import MPContext
from mpmath.ctx_mp_python import _mpf
from mpmath.libmp import from_rational

from numerics.systems.objects import ObjectSystem, exact, filled, unknown
from numerics.systems.system import Array
from theory.activation import Activation
from theory.errors import ValueSystemError

MpfFunction = Callable[[Any], Any]


@dataclass(frozen=True)
class MultiPrecision(ObjectSystem):
    """mpmath's floats, in a context of the system's own.

    ``mpmath.mp`` is neither read nor changed. A number knows its context, and a function of an
    unknown symbol must take it from there: ``mpmath.sin`` would answer in the digits of
    ``mpmath.mp``.

    Args:
        digits: decimal digits carried by every operation.
        functions: what the unknown symbols are, by their printed name:
            ``{"phi": lambda z: z.context.sin(z)}``.

    Raises:
        ValueSystemError: if ``digits`` is not positive.

    >>> m = MultiPrecision(digits=30)
    >>> m.name, str(m.apply(Activation("tanh"), m.array([1]))[0])
    ('observed at 30 digits', '0.761594155955764888119458282605')
    """

    digits: int = 50
    functions: Mapping[str, MpfFunction] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.digits < 1:
            raise ValueSystemError(f"digits={self.digits}: at least 1")

    @property
    def name(self) -> str:
        """``observed at p digits``."""
        return f"observed at {self.digits} digits"

    @property
    def context(self) -> Any:
        """The mpmath context of the system's numbers; its precision is not to be changed."""
        return _context(self.digits)

    def working(self) -> AbstractContextManager[None]:
        """Nothing: the numbers carry their precision."""
        return nullcontext()

    def number(self, value: Any) -> Any:
        """The nearest float of the system.

        Raises:
            TypeError: if ``value`` is no real number.
            ValueError: if it is not finite.
        """
        if isinstance(value, self.context.mpf):
            if not self.context.isfinite(value):
                raise ValueError("numbers must be finite")
            return value
        numerator, denominator = exact(value).as_integer_ratio()
        nearest = from_rational(numerator, denominator, self.context.prec, "n")
        return self.context.make_mpf(nearest)

    def raised(self, x: Any, exponent: int) -> Any:
        """xⁿ."""
        return x**exponent

    def product(self, a: Array, b: Array) -> Array:
        """Product of two matrices, each entry rounded once."""
        columns = [column.tolist() for column in b.T]
        dot = self.context.fdot
        return filled((dot(row, c) for row in a.tolist() for c in columns), (len(a), len(columns)))

    def function(self, activation: Activation) -> MpfFunction:
        """A known function, or what ``functions`` says of an unknown one.

        Raises:
            ValueSystemError: for an unknown symbol without a function.
        """
        scalar = _known(self.context, activation) or self.functions.get(repr(activation))
        if scalar is None:
            raise unknown("MultiPrecision", activation, "lambda z: z.context.sin(z)")

        def checked(z: Any) -> Any:
            value = scalar(z)
            if isinstance(value, _mpf) and not isinstance(value, self.context.mpf):
                raise ValueSystemError(
                    f"{activation!r}({z}) is an mpf of another context: compute it in z.context"
                )
            try:
                return self.number(value)
            except (TypeError, ValueError):
                raise ValueSystemError(f"{activation!r}({z}) is no finite real number") from None

        return checked


@cache
def _context(digits: int) -> Any:
    context = MPContext()
    context.dps = digits
    return context


def _known(c: Any, activation: Activation) -> MpfFunction | None:
    slope = activation.slope
    if slope is not None:
        factor = c.mpf(slope.numerator) / slope.denominator
        return lambda z: z if z > 0 else factor * z
    known: dict[str, MpfFunction] = {
        "tanh": c.tanh,
        "sigmoid": lambda z: 1 / (1 + c.exp(-z)),
        "softplus": lambda z: c.log1p(c.exp(z)),
        "silu": lambda z: z / (1 + c.exp(-z)),
        "exp": c.exp,
        "log": c.log,
        "sqrt": c.sqrt,
        "rsqrt": lambda z: 1 / c.sqrt(z) if z else c.inf,
        "reciprocal": lambda z: 1 / z if z else c.inf,
        "step": lambda z: 1 if z > 0 else 0,
        "relu": lambda z: z if z > 0 else 0,
        "normal_cdf": c.ncdf,
        "normal_pdf": c.npdf,
        "gelu": lambda z: z * c.ncdf(z),
    }
    return known.get(activation.name)
