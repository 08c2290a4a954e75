"""Activations as analytic functions with proved bounds, on a strip or on two half-lines.

A smooth activation is analytic on a strip |Im u| < d about the real axis and grows at most linearly
there, |f(u)| ≤ A + B|Re u|. That is what the trapezoidal rule needs for a proved error. One with a
kink or a jump at 0 is given by the entire functions that it equals on either side.

The bounds: |tanh(x + iy)|² = (cosh 2x - cos 2y) / (cosh 2x + cos 2y) ≤ 1 for |y| ≤ π/4, and
σ(u) = (1 + tanh(u/2))/2 doubles the strip; Φ, erf and softplus move by at most |y| sup |f'| on the
vertical line to the real axis; |ϕ(x + iy)| = ϕ(x) e^(y²/2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any, Literal

from flint import acb, arb

from theory.activation import Activation
from theory.errors import ValueSystemError

Function = Callable[[Any], Any]  # of a real or a complex ball


@dataclass(frozen=True, slots=True)
class Growth:
    """|f(u)| ≤ constant + linear |Re u|."""

    constant: Fraction
    linear: Fraction = Fraction(0)

    def along(self, scale: Fraction, shift: Fraction) -> Growth:
        """The bound of z ↦ f(az + b)."""
        return Growth(self.constant + self.linear * abs(shift), self.linear * scale)


@dataclass(frozen=True, slots=True)
class Symmetry:
    """φ(u) - centre is odd, or φ(u) - centre·u is even."""

    parity: Literal["odd", "even"]
    centre: Fraction = Fraction(0)

    def moment(self, k: int, scale: Fraction) -> Fraction | None:
        """E φ(aZ) He_k(Z) where the symmetry decides it.

        >>> relu = Symmetry("even", Fraction(1, 2))
        >>> relu.moment(0, Fraction(1)), relu.moment(1, Fraction(3)), relu.moment(5, Fraction(3))
        (None, Fraction(3, 2), Fraction(0, 1))
        """
        if (k % 2 == 0) == (self.parity == "even"):
            return None
        return self.centre * (scale if k else 1) if k < 2 else Fraction(0)


@dataclass(frozen=True, slots=True)
class Smooth:
    """An activation that is analytic on a strip.

    Attributes:
        value: φ.
        slope: φ'.
        strip: d, so that the bounds hold for |Im u| ≤ d.
        growth: of φ on the strip.
        slope_growth: of φ' on the strip.
        symmetry: of φ up to an affine function, if it has one.
    """

    value: Function
    slope: Function
    strip: Fraction
    growth: Growth
    slope_growth: Growth
    symmetry: Symmetry | None = None


@dataclass(frozen=True, slots=True)
class Kinked:
    """An activation that is one entire function for u < 0 and another for u > 0.

    Attributes:
        left, right: the two functions.
        left_slope, right_slope: their derivatives.
        growth: of φ on the real line.
        slope_growth: of φ' on the real line; ``None`` if φ jumps, so that E φ'² is infinite.
        symmetry: of φ up to an affine function, if it has one.
    """

    left: Function
    right: Function
    left_slope: Function
    right_slope: Function
    growth: Growth
    slope_growth: Growth | None
    symmetry: Symmetry | None = None


Analytic = Smooth | Kinked


def _bound(constant: str | Fraction | int, linear: str | Fraction | int = 0) -> Growth:
    return Growth(Fraction(constant), Fraction(linear))


def _one(u: Any) -> Any:
    return 0 * u + 1


def _zero(u: Any) -> Any:
    return 0 * u


def _identity(u: Any) -> Any:
    return u


def _sigmoid(u: Any) -> Any:
    return (1 + (u / 2).tanh()) / 2


def _sigmoid_slope(u: Any) -> Any:
    return (1 - (u / 2).tanh() ** 2) / 4


def _normal_pdf(u: Any) -> Any:
    return (-u * u / 2).exp() / (2 * arb.pi()).sqrt()


def _normal_cdf(u: Any) -> Any:
    return (-u / arb(2).sqrt()).erfc() / 2


_LINE = _bound(0, 1)
TABLE: Mapping[str, Analytic] = MappingProxyType(
    {
        "tanh": Smooth(
            value=lambda u: u.tanh(),
            slope=lambda u: 1 - u.tanh() ** 2,
            strip=Fraction("0.785"),
            growth=_bound(1),
            slope_growth=_bound(2),
            symmetry=Symmetry("odd"),
        ),
        "sigmoid": Smooth(
            value=_sigmoid,
            slope=_sigmoid_slope,
            strip=Fraction("1.57"),
            growth=_bound(1),
            slope_growth=_bound("1/2"),
            symmetry=Symmetry("odd", Fraction(1, 2)),
        ),
        "softplus": Smooth(
            value=lambda u: u.exp().log1p() if u < 0 else u + (-u).exp().log1p(),
            slope=_sigmoid,
            strip=Fraction("1.57"),
            growth=_bound("2.28", 1),
            slope_growth=_bound(1),
            symmetry=Symmetry("even", Fraction(1, 2)),
        ),
        "silu": Smooth(
            value=lambda u: u * _sigmoid(u),
            slope=lambda u: _sigmoid(u) + u * _sigmoid_slope(u),
            strip=Fraction("1.57"),
            growth=_bound("1.58", 1),
            slope_growth=_bound("1.79", "1/2"),
            symmetry=Symmetry("even", Fraction(1, 2)),
        ),
        "gelu": Smooth(
            value=lambda u: u * _normal_cdf(u),
            slope=lambda u: _normal_cdf(u) + u * _normal_pdf(u),
            strip=Fraction(1),
            growth=_bound("1.66", "1.66"),
            slope_growth=_bound("2.32", "0.66"),
            symmetry=Symmetry("even", Fraction(1, 2)),
        ),
        "normal_cdf": Smooth(
            value=_normal_cdf,
            slope=_normal_pdf,
            strip=Fraction(1),
            growth=_bound("1.66"),
            slope_growth=_bound("0.66"),
            symmetry=Symmetry("odd", Fraction(1, 2)),
        ),
        "erf": Smooth(
            value=lambda u: u.erf(),
            slope=lambda u: 2 * (-u * u).exp() / arb.pi().sqrt(),
            strip=Fraction(1),
            growth=_bound("2.66"),
            slope_growth=_bound("3.07"),
            symmetry=Symmetry("odd"),
        ),
        "sin": Smooth(
            value=lambda u: u.sin(),
            slope=lambda u: u.cos(),
            strip=Fraction(1),
            growth=_bound("1.55"),
            slope_growth=_bound("1.55"),
            symmetry=Symmetry("odd"),
        ),
        "relu": Kinked(
            _zero, _identity, _zero, _one, _LINE, _bound(1), Symmetry("even", Fraction(1, 2))
        ),
        "elu": Kinked(
            left=lambda u: u.exp() - 1,
            right=_identity,
            left_slope=lambda u: u.exp(),
            right_slope=_one,
            growth=_LINE,
            slope_growth=_bound(1),
        ),
        "step": Kinked(_zero, _one, _zero, _zero, _bound(1), None, Symmetry("odd", Fraction(1, 2))),
        "sign": Kinked(lambda u: -_one(u), _one, _zero, _zero, _bound(1), None, Symmetry("odd")),
    }
)


def analytic(activation: Activation | str) -> Analytic:
    """The analytic description of an activation, by symbol or by name.

    ``erf``, ``sin``, ``elu`` and ``sign`` are known by their names.

    Raises:
        ValueSystemError: if the function is not in :data:`TABLE`.

    >>> analytic("tanh").strip < 0.7854, analytic("relu").slope_growth
    (True, Growth(constant=Fraction(1, 1), linear=Fraction(0, 1)))
    """
    slope = activation.slope if isinstance(activation, Activation) else None
    if slope is not None:
        return _leaky(slope)
    name = activation.name if isinstance(activation, Activation) else activation
    if name == "leaky_relu":
        return _leaky(Fraction(1, 100))
    found = TABLE.get(name)
    if found is None:
        known = ", ".join([*TABLE, "leaky_relu"])
        raise ValueSystemError(f"activation {name!r}: no bounds are known; there are {known}")
    return found


def _leaky(slope: Fraction) -> Kinked:
    largest = max(Fraction(1), abs(slope))

    def level(u: Any) -> Any:
        return 0 * u + acb(slope.numerator) / slope.denominator

    return Kinked(
        left=lambda u: u * slope.numerator / slope.denominator,
        right=_identity,
        left_slope=level,
        right_slope=_one,
        growth=Growth(Fraction(0), largest),
        slope_growth=Growth(largest),
        symmetry=Symmetry("even", (1 + slope) / 2),
    )
