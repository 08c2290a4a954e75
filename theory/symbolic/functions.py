"""Function symbols as SymPy functions that know their own derivatives.

``sympy.Function("phi")`` differentiates to ``Subs(Derivative(phi(xi), xi), …)``, which is slow and
hard to compare. Here φ, φ', φ'', … and the partial derivatives of the loss are functions with names
of their own, linked by ``fdiff``: SymPy applies the chain rule and never leaves plain expressions.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import sympy

from theory.activation import Activation
from theory.symbolic.forward import rule_value


class FunctionSymbol(sympy.Function):  # type: ignore[misc]  # SymPy has no types
    """An activation at an expression; its derivative is its law's.

    >>> z = sympy.Symbol("z")
    >>> applied(Activation("phi"), z**2).diff(z)
    2*z*phi'(z**2)
    >>> applied(Activation("tanh"), z).diff(z)
    1 - tanh(z)**2
    """

    activation: ClassVar[Activation]

    def fdiff(self, argindex: int = 1) -> Any:
        """f'(z) as an expression in z, f(z) and other symbols."""
        return sympy.sympify(
            rule_value(self.activation, "derivative", self.args[0], applied, f=self)
        )

    def _latex(self, printer: Any, exp: Any = None) -> str:
        inner = printer._print(self.args[0])  # noqa: SLF001  # SymPy's printing protocol
        text = rf"{self.activation.latex()}\left({inner}\right)"
        return text if exp is None else rf"{{{text}}}^{{{exp}}}"


class LossSymbol(sympy.Function):  # type: ignore[misc]  # SymPy has no types
    """An arbitrary differentiable loss of all outputs, or one of its partial derivatives.

    A single output is compared with a target, ℓ(y, t); several outputs y_1, …, y_k are the
    arguments of ℓ(y_1, …, y_k), which covers any target and any sum over samples.
    """

    orders: ClassVar[tuple[int, ...]]  # how often it was differentiated by each argument

    def fdiff(self, argindex: int = 1) -> Any:
        """The next partial derivative, a function of its own."""
        orders = tuple(n + (k == argindex - 1) for k, n in enumerate(self.orders))
        return _loss_class(orders)(*self.args)

    def _latex(self, printer: Any, exp: Any = None) -> str:
        # The arguments are the outputs: their names say as much as pages of nested expressions.
        text = loss_name(self.orders)
        return text if exp is None else rf"{{{text}}}^{{{exp}}}"


def applied(activation: Activation, z: Any) -> Any:
    """The symbol at an expression; a symbol with a definition is written out, relu(z) = z·step(z).

    >>> applied(Activation("relu"), sympy.Symbol("z"))
    z*step(z)
    """
    if activation.law.definition is not None:
        return rule_value(activation, "definition", z, applied)
    return _function_class(activation)(sympy.sympify(z))


def loss_of(outputs: list[sympy.Expr]) -> sympy.Expr:
    """ℓ(y, t) of one output and its target, or ℓ(y_1, …, y_k).

    >>> y = sympy.Symbol("y")
    >>> loss_of([y**2]).diff(y)
    2*y*ell_10(y**2, t)
    """
    arguments = [*outputs, sympy.Symbol("t")] if len(outputs) == 1 else outputs
    return _loss_class((0,) * len(arguments))(*arguments)


def loss_name(orders: tuple[int, ...]) -> str:
    r"""LaTeX of a partial derivative of the loss.

    >>> loss_name((1, 0)), loss_name((0, 1, 0))
    ("\\ell'(y, t)", '\\partial_{y_{2}} \\ell(y)')
    """
    if len(orders) == 2 and orders[1] == 0:
        return rf"\ell{orders[0] * chr(39)}(y, t)"
    partials = "".join(rf"\partial_{{y_{{{k + 1}}}}} " * n for k, n in enumerate(orders))
    return rf"{partials}\ell(y)"


@cache
def _function_class(activation: Activation) -> Any:
    return type(repr(activation), (FunctionSymbol,), {"activation": activation, "nargs": 1})


@cache
def _loss_class(orders: tuple[int, ...]) -> Any:
    name = "ell" if not any(orders) else "ell_" + "".join(map(str, orders))
    return type(name, (LossSymbol,), {"orders": orders, "nargs": len(orders)})
