r"""What transverse eigenvalues say about a manifold: inertia, classes, and limits on the step.

At a point of an invariant affine manifold let M be the Hessian of the loss on the normal space, and
S ⊆ {-, 0, +} the set of signs of its eigenvalues. arXiv 2510.00304 names three cases, stable (+),
unstable (-) and saddle (both); with zero eigenvalues none of them need hold. The sets S form a
lattice under inclusion, and the signs of a direct sum are the union of the signs of its blocks. No
distinction is made between a saddle with and without zeros: that keeps the union, so the classes
form a join-semilattice, in which the class of a network is the join of the classes of its blocks:

                         saddle
                     /            \
        semi-attracting          semi-repelling        S = {0, +}, {-, 0}
             /       \            /       \
      attracting      degenerate       repelling       S = {+}, {0}, {-}
                           |
                         empty                         no transverse direction

What a sign decides. Let a direction have the eigenvalue μ, and let every parameter decay with
strength λ ≥ 0, so that κ = μ + λ. At a point of rest a small transverse error along it is
multiplied in a unit of time or a step by a number of modulus

    less than 1  iff  0 < κ < limit ,    1  iff  κ = 0 or κ = limit ,    more than 1  otherwise,

where the limit is

    gradient flow    none           exp(-κt)
    GD               2/η            1 - ηκ
    heavy ball       2(1+β)/η       roots of z² - (1+β-ηκ)z + β
    Nesterov         2(1+β)/((1+2β)η)    roots of z² - (1+β)(1-ηκ)z + β(1-ηκ)

for 0 ≤ β < 1: a real quadratic z² - tz + d has both roots inside the unit circle iff |t| < 1 + d
and d < 1 (Jury). For momentum, decay is meant as part of the gradient. The same three cases
(contracting, neutral, expanding) in place of (+, 0, -) give the class of a discrete method.

In a neutral direction linearisation does not decide: higher orders may attract or repel. Two kinds
are to be told apart. Mixed directions, with zero sums over rows and columns between two blocks,
are tangent to IE∩OE and move between its leaves: along them the function of a cloned network does
not change, and decay shrinks them. Zero eigenvalues of M are normal to IE∩OE, and say that nothing
is known there.

With mini-batches the transverse map is a random product, and its top Lyapunov exponent decides,
not the class of the mean Hessian: see :func:`attraction`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import reduce
from typing import Any, Literal

from theory.errors import LopError

Method = Literal["flow", "gd", "heavy ball", "nesterov"]
METHODS: tuple[Method, ...] = ("flow", "gd", "heavy ball", "nesterov")


class StabilityError(LopError):
    """A number of eigenvalues, a step size or a momentum that means nothing."""


@dataclass(frozen=True, slots=True)
class Inertia:
    """How many eigenvalues of a symmetric matrix have which sign.

    Args:
        negative: at least so many are negative.
        zero: at least so many are 0.
        positive: at least so many are positive.
        undecided: so many have a sign that was not decided; 0 makes the other numbers exact.

    Raises:
        StabilityError: if a number is negative.

    >>> Inertia(1, 0, 1) + 2 * Inertia(0, 3, 1), Inertia(1, 0, 1, undecided=2).at_most("negative")
    (Inertia(negative=1, zero=6, positive=3, undecided=0), 3)
    """

    negative: int
    zero: int
    positive: int
    undecided: int = 0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) < 0:
                raise StabilityError(f"inertia: {name}={getattr(self, name)}: a number is >= 0")

    @property
    def size(self) -> int:
        """Number of eigenvalues."""
        return self.negative + self.zero + self.positive + self.undecided

    @property
    def is_decided(self) -> bool:
        """Whether every sign is known."""
        return not self.undecided

    def at_most(self, sign: Literal["negative", "zero", "positive"]) -> int:
        """The largest number of eigenvalues with that sign."""
        return int(getattr(self, sign)) + self.undecided

    def __add__(self, other: Inertia) -> Inertia:
        """The inertia of a direct sum."""
        return Inertia(*(getattr(self, n) + getattr(other, n) for n in self.__slots__))

    def __rmul__(self, copies: int) -> Inertia:
        """The inertia of several copies."""
        return Inertia(*(copies * getattr(self, n) for n in self.__slots__))

    def __neg__(self) -> Inertia:
        """The inertia of the negative."""
        return Inertia(self.positive, self.zero, self.negative, self.undecided)

    def __str__(self) -> str:
        more = f" and {self.undecided} undecided" if self.undecided else ""
        return f"{self.negative} negative, {self.zero} zero, {self.positive} positive{more}"


class StabilityClass(Enum):
    """The set of signs of the transverse eigenvalues, with one class for all saddles.

    >>> StabilityClass.ATTRACTING | StabilityClass.DEGENERATE
    <StabilityClass.SEMI_ATTRACTING: 'semi-attracting'>
    >>> StabilityClass.DEGENERATE <= StabilityClass.SEMI_REPELLING <= StabilityClass.ATTRACTING
    False
    """

    EMPTY = "empty"
    ATTRACTING = "attracting"
    REPELLING = "repelling"
    DEGENERATE = "degenerate"
    SEMI_ATTRACTING = "semi-attracting"
    SEMI_REPELLING = "semi-repelling"
    SADDLE = "saddle"

    @property
    def signs(self) -> frozenset[str]:
        """The signs that occur, or for a saddle may occur."""
        return _SIGNS[self]

    @property
    def words(self) -> str:
        """What the class means, for a flow without decay."""
        return _WORDS[self]

    def __or__(self, other: StabilityClass) -> StabilityClass:
        """The join: the class of a direct sum."""
        return _of_signs(self.signs | other.signs)

    def __le__(self, other: StabilityClass) -> bool:
        """Whether every sign that occurs here may occur there."""
        return self.signs <= other.signs


_SIGNS = {
    StabilityClass.EMPTY: frozenset[str](),
    StabilityClass.ATTRACTING: frozenset("+"),
    StabilityClass.REPELLING: frozenset("-"),
    StabilityClass.DEGENERATE: frozenset("0"),
    StabilityClass.SEMI_ATTRACTING: frozenset("0+"),
    StabilityClass.SEMI_REPELLING: frozenset("-0"),
    StabilityClass.SADDLE: frozenset("-0+"),
}

_WORDS = {
    StabilityClass.EMPTY: "no transverse direction",
    StabilityClass.ATTRACTING: "normally attracting: every small transverse error shrinks",
    StabilityClass.REPELLING: "normally repelling: every small transverse error grows",
    StabilityClass.DEGENERATE: "degenerate: the normal Hessian is 0 and decides nothing",
    StabilityClass.SEMI_ATTRACTING: (
        "semi-stable: attracting or neutral; higher orders decide the neutral directions"
    ),
    StabilityClass.SEMI_REPELLING: (
        "semi-stable: repelling or neutral; almost every small transverse error grows"
    ),
    StabilityClass.SADDLE: "saddle: almost every small transverse error grows",
}


def _of_signs(signs: frozenset[str]) -> StabilityClass:
    if {"-", "+"} <= signs:
        return StabilityClass.SADDLE
    return next(c for c, own in _SIGNS.items() if own == signs)


def join(classes: Iterable[StabilityClass]) -> StabilityClass:
    """The class of a direct sum, ``EMPTY`` for an empty one.

    >>> join([StabilityClass.ATTRACTING, StabilityClass.REPELLING])
    <StabilityClass.SADDLE: 'saddle'>
    """
    return reduce(lambda a, b: a | b, classes, StabilityClass.EMPTY)


def possible_classes(inertia: Inertia) -> tuple[StabilityClass, ...]:
    """The classes that an inertia allows: one, if its signs are decided or do not matter.

    >>> [c.value for c in possible_classes(Inertia(0, 0, 3, undecided=1))]
    ['attracting', 'semi-attracting', 'saddle']
    >>> [c.value for c in possible_classes(Inertia(2, 0, 3, undecided=4))]
    ['saddle']
    """
    known = frozenset(
        sign
        for sign, n in zip("-0+", (inertia.negative, inertia.zero, inertia.positive), strict=True)
        if n
    )
    reached = {known}
    for _ in range(min(inertia.undecided, 3)):
        reached = {signs | {sign} for signs in reached for sign in "-0+"}
    found = {_of_signs(signs) for signs in reached}
    return tuple(c for c in StabilityClass if c in found)


def classify(inertia: Inertia) -> StabilityClass | None:
    """The class, or ``None`` if undecided signs leave several.

    >>> classify(Inertia(0, 2, 0))
    <StabilityClass.DEGENERATE: 'degenerate'>
    """
    classes = possible_classes(inertia)
    return classes[0] if len(classes) == 1 else None


def contraction_limit(
    method: Method, rate: Fraction | None = None, momentum: Fraction | int = 0
) -> Fraction | None:
    """The limit below which a positive eigenvalue κ = μ + λ contracts; ``None`` for the flow.

    Args:
        method: ``flow``, ``gd``, ``heavy ball`` or ``nesterov``.
        rate: η, for all but the flow.
        momentum: β, for the last two.

    Raises:
        StabilityError: if η is missing or not positive, or β is not in [0, 1).

    >>> contraction_limit("heavy ball", Fraction(1, 10), Fraction(9, 10))
    Fraction(38, 1)
    """
    if method not in METHODS:
        raise StabilityError(f"method={method!r}: there are {', '.join(METHODS)}")
    if method == "flow":
        return None
    if rate is None or not rate > 0:
        raise StabilityError(f"rate={rate}: the step size of {method} is a number > 0")
    if not 0 <= momentum < 1:
        raise StabilityError(f"momentum={momentum}: momentum is in [0, 1)")
    match method:
        case "gd":
            return 2 / rate
        case "heavy ball":
            return 2 * (1 + momentum) / rate
        case _:
            return 2 * (1 + momentum) / ((1 + 2 * momentum) * rate)


def step_inertia(at_zero: Inertia, at_limit: Inertia) -> Inertia:
    """How many directions expand (negative), are neutral (zero) or contract (positive) in a step.

    Args:
        at_zero: inertia of K = M + λI.
        at_limit: inertia of K - limit · I.

    Raises:
        StabilityError: if the two matrices differ in size.

    >>> step_inertia(Inertia(1, 0, 3), Inertia(3, 1, 0))  # κ = -1, 1, 1, limit
    Inertia(negative=1, zero=1, positive=2, undecided=0)
    """
    size = at_zero.size
    if at_limit.size != size:
        raise StabilityError(f"at_limit has {at_limit.size} eigenvalues, at_zero {size}")
    expanding = at_zero.negative + at_limit.positive
    neutral = at_zero.zero + at_limit.zero
    contracting = max(0, at_zero.positive + at_limit.negative - size)  # both signs are certain
    return Inertia(expanding, neutral, contracting, size - expanding - neutral - contracting)


def attraction(low: Any, high: Any) -> Literal["attracts", "repels", "undecided"]:
    """Whether noisy training falls back to a manifold, by its top transverse Lyapunov exponent.

    Below 0 almost every small transverse error vanishes exponentially, above 0 almost every one
    grows; a class of the mean Hessian says neither, for gradient noise can make a saddle attract
    (Chen, Kunin, Yamamura, Ganguli, Stochastic collapse, 2023).

    Args:
        low: lower end of an interval that holds the exponent.
        high: its upper end.

    Raises:
        StabilityError: if the interval is empty.

    >>> attraction(-3, -1), attraction(-1, 1), attraction(1, 2)
    ('attracts', 'undecided', 'repels')
    """
    if not low <= high:
        raise StabilityError(f"exponent in [{low}, {high}]: the lower end comes first")
    if high < 0:
        return "attracts"
    return "repels" if low > 0 else "undecided"
