"""Function symbols and their derivative chains.

An :class:`Activation` is a *symbol*: nothing here evaluates a number. A named symbol carries the
algebra that every number system shares, and a proof may use: its derivative in terms of itself,
its parity about a centre, for some its definition from simpler symbols. An unknown symbol,
``activation("phi")``, has no algebra but its chain φ, φ', φ'', …: what is proved with it holds for
every smooth function.

The rules are written once, over any operands with arithmetic: traced arrays, SymPy expressions,
field elements. ``f(z)`` on such an operand is dispatched by :func:`apply`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import singledispatch
from types import MappingProxyType
from typing import Any, Literal

import sympy

from theory.errors import TraceError, ValueSystemError

Parity = Literal["odd", "even"]
Rule = Callable[[Any, Any], Any]  # (z, f(z)) to an expression


@dataclass(frozen=True, slots=True)
class Activation:
    """A function symbol ℝ → ℝ: its name, and for an unknown φ the order ``k`` of φ⁽ᵏ⁾.

    Args:
        name: a key of :data:`LAWS`, or any identifier for an unknown function.
        order: how often an unknown function was differentiated; 0 for a named one.
        parity: of an unknown φ itself (order 0): ``"odd"``, ``"even"`` or ``None``.
        slope: of ``leaky_relu`` on the negative side.

    Raises:
        ValueSystemError: if a named symbol is given an order or a parity of its own, or a slope
            is missing or misplaced.

    >>> phi = Activation("phi", parity="odd")
    >>> phi.derivative_symbol(), phi.derivative_symbol().value_parity
    (phi', 'even')
    """

    name: str
    order: int = 0
    parity: Parity | None = None
    slope: Fraction | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ValueSystemError(f"activation name={self.name!r}: a name must be an identifier")
        if self.order < 0:
            raise ValueSystemError(f"activation order={self.order}: an order is at least 0")
        if self.parity not in (None, "odd", "even"):
            raise ValueSystemError(f"activation parity={self.parity!r}: odd, even or None")
        if self.name in LAWS and (self.order or self.parity):
            raise ValueSystemError(f"{self.name} is a known function: it has no order or parity")
        if (self.slope is not None) != (self.name == "leaky_relu"):
            raise ValueSystemError(f"slope={self.slope}: leaky_relu needs one, others have none")

    def __repr__(self) -> str:
        slope = "" if self.slope is None else f"[{self.slope}]"
        return self.name + slope + "'" * self.order

    def __call__(self, z: Any) -> Any:
        """Apply the symbol to a traced array or a SymPy expression."""
        return apply(z, self)

    @property
    def is_known(self) -> bool:
        """Whether the symbol has a law of its own."""
        return self.name in LAWS

    @property
    def law(self) -> Law:
        """The algebra of the symbol; an unknown φ has parity and chain only."""
        if self.slope is not None:
            return _leaky_relu_law(self.slope)
        known = LAWS.get(self.name)
        if known is not None:
            return known
        return Law(derivative=lambda z, f: self.derivative_symbol()(z), parity=self.value_parity)

    @property
    def value_parity(self) -> Parity | None:
        """Parity of this very symbol about its centre: differentiation flips an unknown φ's."""
        if self.is_known:
            return self.law.parity
        if self.parity is None or self.order % 2 == 0:
            return self.parity
        return "even" if self.parity == "odd" else "odd"

    def derivative_symbol(self) -> Activation:
        """The next link of an unknown function's chain, φ⁽ᵏ⁺¹⁾.

        Raises:
            ValueSystemError: for a known function, whose derivative is an expression.
        """
        if self.is_known:
            raise ValueSystemError(f"{self.name}: its derivative is law.derivative")
        return replace(self, order=self.order + 1)

    def _repr_latex_(self) -> str:
        return f"${self.latex()}$"

    def latex(self) -> str:
        """The symbol as LaTeX."""
        greek = {"phi": r"\varphi", "psi": r"\psi", "sigma": r"\sigma"}
        head = greek.get(self.name, rf"\operatorname{{{self.name.replace('_', ' ')}}}")
        return head + "'" * self.order


@dataclass(frozen=True, slots=True)
class Law:
    """The algebra of a function symbol.

    Attributes:
        derivative: ``(z, f(z))`` to f'(z), in terms of z, the value and other symbols.
        definition: z to f(z) from simpler symbols; ``None`` for an atom.
        parity: of ``f - centre``, away from a kink.
        centre: ``z`` to the part of f that is not odd or even, e.g. ½ for the sigmoid.
        closed_form: z to the SymPy expression, the reference for the chain.
        jumps_at_zero: whether f(0) is a convention between two limits. Proofs leave it open, so
            they hold for each.
        has_pole_at_zero: whether f(0) is a division by zero, in exact systems too.
    """

    derivative: Rule
    definition: Callable[[Any], Any] | None = None
    parity: Parity | None = None
    centre: Callable[[Any], Any] | None = None
    closed_form: Callable[[Any], sympy.Expr] | None = None
    jumps_at_zero: bool = False
    has_pole_at_zero: bool = False


@singledispatch
def apply(z: object, activation: Activation) -> Any:
    """Apply a function symbol to one operand; each kind of operand registers its own way.

    Raises:
        TraceError: if ``z`` is neither a traced array nor a SymPy expression.
    """
    raise TraceError(
        f"{activation!r}({type(z).__name__}): function symbols apply to traced arrays and SymPy "
        "expressions; numbers are evaluated by numerics.evaluate"
    )


@apply.register(sympy.Expr)
def _apply_to_expression(z: sympy.Expr, activation: Activation) -> sympy.Expr:
    closed_form = activation.law.closed_form
    if closed_form is None:
        return sympy.Function(repr(activation))(z)
    return closed_form(z)


def _leaky_relu_law(slope: Fraction) -> Law:
    def slope_at(z: Any) -> Any:
        gate = step(z)
        return gate + (1 - gate) * slope

    return Law(
        derivative=lambda z, f: slope_at(z),
        definition=lambda z: z * slope_at(z),
        closed_form=lambda z: sympy.Piecewise((z, z > 0), (sympy.sympify(slope) * z, True)),
    )


# A symbol's derivative never mentions the symbol's own definition, so a chain is checked
# against the closed forms by SymPy's differentiation (tests/test_theory/test_activation.py).
LAWS: Mapping[str, Law | None] = MappingProxyType(
    {
        "tanh": Law(derivative=lambda z, f: 1 - f * f, parity="odd", closed_form=sympy.tanh),
        "sigmoid": Law(
            derivative=lambda z, f: f * (1 - f),
            parity="odd",
            centre=lambda z: Fraction(1, 2),
            closed_form=lambda z: 1 / (1 + sympy.exp(-z)),
        ),
        "softplus": Law(
            derivative=lambda z, f: sigmoid(z),
            parity="even",
            centre=lambda z: z * Fraction(1, 2),
            closed_form=lambda z: sympy.log(1 + sympy.exp(z)),
        ),
        "silu": Law(
            derivative=lambda z, f: sigmoid(z) + f * (1 - sigmoid(z)),
            definition=lambda z: z * sigmoid(z),
            closed_form=lambda z: z / (1 + sympy.exp(-z)),
        ),
        "exp": Law(derivative=lambda z, f: f, closed_form=sympy.exp),
        "log": Law(derivative=lambda z, f: 1 / z, closed_form=sympy.log),
        # f / 2z, not 1 / 2f: a divisor that is 0 where the function has no derivative
        "sqrt": Law(derivative=lambda z, f: f / (2 * z), closed_form=sympy.sqrt),
        "rsqrt": Law(derivative=lambda z, f: -f / (2 * z), closed_form=lambda z: 1 / sympy.sqrt(z)),
        "reciprocal": Law(
            derivative=lambda z, f: -f * f,
            parity="odd",
            closed_form=lambda z: 1 / z,
            has_pole_at_zero=True,
        ),
        "step": Law(
            derivative=lambda z, f: 0 * z,
            parity="odd",
            centre=lambda z: Fraction(1, 2),
            closed_form=lambda z: sympy.Heaviside(z, 0),
            jumps_at_zero=True,
        ),
        "relu": Law(
            derivative=lambda z, f: step(z),
            definition=lambda z: z * step(z),
            closed_form=lambda z: sympy.Piecewise((z, z > 0), (0, True)),
        ),
        "leaky_relu": None,  # its law depends on the slope
        "normal_cdf": Law(
            derivative=lambda z, f: normal_pdf(z),
            parity="odd",
            centre=lambda z: Fraction(1, 2),
            closed_form=lambda z: (1 + sympy.erf(z / sympy.sqrt(2))) / 2,
        ),
        "normal_pdf": Law(
            derivative=lambda z, f: -z * f,
            parity="even",
            closed_form=lambda z: sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi),
        ),
        "gelu": Law(
            derivative=lambda z, f: normal_cdf(z) + z * normal_pdf(z),
            definition=lambda z: z * normal_cdf(z),
            closed_form=lambda z: z * (1 + sympy.erf(z / sympy.sqrt(2))) / 2,
        ),
    }
)

tanh: Activation = Activation("tanh")
sigmoid: Activation = Activation("sigmoid")
softplus: Activation = Activation("softplus")
silu: Activation = Activation("silu")
exp: Activation = Activation("exp")
log: Activation = Activation("log")
sqrt: Activation = Activation("sqrt")
rsqrt: Activation = Activation("rsqrt")
reciprocal: Activation = Activation("reciprocal")
step: Activation = Activation("step")
relu: Activation = Activation("relu")
normal_cdf: Activation = Activation("normal_cdf")
normal_pdf: Activation = Activation("normal_pdf")
gelu: Activation = Activation("gelu")


def leaky_relu(slope: Fraction | int | float | str = Fraction(1, 100)) -> Activation:
    """Leaky ReLU with an exact slope: z for z > 0, slope·z otherwise.

    Raises:
        ValueSystemError: if ``slope`` is no finite number.

    >>> leaky_relu("0.01")
    leaky_relu[1/100]
    """
    try:
        exact = Fraction(slope)
    except (ArithmeticError, ValueError):
        raise ValueSystemError(f"slope={slope!r}: a slope is a finite number") from None
    return Activation("leaky_relu", slope=exact)


def activation(name: str, parity: Parity | None = None) -> Activation:
    """The function symbol of that name: a known one, or an arbitrary smooth φ.

    Raises:
        ValueSystemError: if ``name`` is no identifier, or a known function is given a parity.

    >>> activation("tanh") == tanh, activation("phi").is_known
    (True, False)
    """
    if name == "leaky_relu" and parity is None:
        return leaky_relu()
    return Activation(name, parity=parity)
