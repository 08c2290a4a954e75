"""Rational numbers, exact: for replaying a counterexample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from flint import fmpq, fmpq_mat, fmpq_poly

from numerics.systems.objects import ObjectSystem, exact, flint_product, unknown
from numerics.systems.system import Array
from theory.activation import Activation
from theory.errors import ValueSystemError


@dataclass(frozen=True)
class Rational(ObjectSystem):
    """FLINT's rational numbers.

    Exact symbols are ``reciprocal``, the gates (``step`` with step(0) = 0, ``relu``,
    ``leaky_relu``) and unknown functions, read as polynomials: φ⁽ᵏ⁾ is the k-th derivative of the
    polynomial of φ, so one entry gives a whole chain.

    Args:
        functions: ascending coefficients of each unknown function by its name, φ = Σ cᵢ zⁱ:
            ``{"phi": (0, 1, "1/3")}``.

    >>> phi = Activation("phi")
    >>> q = Rational(functions={"phi": (0, 1, "1/3")})
    >>> q.apply(phi, q.array([3])), q.apply(phi.derivative_symbol(), q.array([3]))
    (array([6], dtype=object), array([3], dtype=object))
    """

    functions: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``rational numbers``."""
        return "rational numbers"

    def working(self) -> AbstractContextManager[None]:
        """Nothing: exact arithmetic has no precision."""
        return nullcontext()

    def number(self, value: Any) -> fmpq:
        """The rational number itself.

        Raises:
            TypeError: if ``value`` is no real number.
            ValueError: if it is not finite.
        """
        return value if isinstance(value, fmpq) else fmpq(*exact(value).as_integer_ratio())

    def raised(self, x: Any, exponent: int) -> Any:
        """xⁿ."""
        return x**exponent

    def product(self, a: Array, b: Array) -> Array:
        """Product of two matrices."""
        return flint_product(fmpq_mat, a, b)

    def function(self, activation: Activation) -> Callable[[Any], Any]:
        """A gate, or a derivative of a polynomial.

        Raises:
            ValueSystemError: for a transcendental function, an unknown one without coefficients,
                or coefficients that do not have the parity of their symbol.
        """
        match activation.name:
            case "reciprocal":
                return lambda z: 1 / z
            case "step":
                return lambda z: fmpq(int(z > 0))
            case "relu":
                return lambda z: z if z > 0 else fmpq(0)
            case "leaky_relu":
                slope = self.number(activation.slope)
                return lambda z: z if z > 0 else slope * z
        if activation.is_known:
            raise ValueSystemError(
                f"{activation!r} of a rational number is not rational: evaluate it in Ball or "
                "MultiPrecision, or prove with an unknown function in its place"
            )
        if activation.name not in self.functions:
            raise unknown("Rational", Activation(activation.name), "(0, 1, '1/3')")
        return self._polynomial(activation)

    def _polynomial(self, activation: Activation) -> Callable[[Any], Any]:
        name = activation.name
        coefficients = self.array(list(self.functions[name]))
        if activation.parity is not None:
            forbidden = coefficients[0 if activation.parity == "odd" else 1 :: 2]
            if any(c != 0 for c in forbidden):
                terms = tuple(str(c) for c in coefficients)
                raise ValueSystemError(
                    f"functions[{name!r}]={terms}: {name} is {activation.parity}"
                )
        polynomial = fmpq_poly(coefficients.tolist())
        for _ in range(activation.order):
            polynomial = polynomial.derivative()
        return lambda z: polynomial(z)
