"""The steps of a proof as a reader would want them.

Every formula is printed from the canonical forms that the check itself compared. Of a long family,
the entries of one tensor say, a few representatives are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import sympy

from theory.activation import Activation
from theory.invariance.canonical import Element, ValueNumbering
from theory.invariance.parametrisation import Parametrisation
from theory.manifold.base import Constraint
from theory.proof_step import Step
from theory.symbolic.gradient_field import GradientField

NUM_SHOWN = 4  # formulas of one family
LONGEST = 400  # characters of LaTeX of one side of a formula


def hypotheses(field: GradientField, *, divides: bool) -> tuple[str, ...]:
    """For which functions, losses and data a derivation holds."""
    found = dict.fromkeys(layer.activation for layer in field.layers)
    listed = [_about(activation) for activation in found]
    samples = f"all data, {len(field.x)} sample{'s' if len(field.x) > 1 else ''} at a time"
    compared = "the output and a target" if field.y.size == 1 else "all outputs together"
    listed += [samples, f"every differentiable loss of {compared}"]
    for axis, units in field.architecture.frozen.items():
        held = ", ".join(f"unit {unit} at {value}" for unit, value in units.items())
        listed.append(f"data on which {axis} is frozen: {held}")
    if divides:
        listed.append("all points at which no divisor is 0")
    return tuple(listed)


_DOMAIN = dict.fromkeys(("relu", "leaky_relu", "step"), " away from its kink")
_DOMAIN |= dict.fromkeys(("log", "sqrt", "rsqrt"), " of positive numbers")
_DOMAIN["reciprocal"] = " away from 0"


def _about(activation: Activation) -> str:
    if activation.is_known:
        return f"{activation!r}{_DOMAIN.get(activation.name, '')}"
    parity = f"{activation.parity} " if activation.parity else ""
    return f"every {parity}differentiable function {activation!r}"


def steps(
    field: GradientField,
    parametrisation: Parametrisation,
    canonical: ValueNumbering,
    rows: Sequence[Constraint],
) -> tuple[Step, ...]:
    """Parametrisation, forward pass, gradient entries and residuals, in that order."""
    names: dict[Element, str] = {}
    gradient = [_gradient(field, p, canonical, names) for p in field.parameters]
    return (
        Step(
            "On the manifold the parameters are functions of free coordinates:",
            _shown(_parameters(field, p, parametrisation) for p in field.parameters),
        ),
        Step(
            "Forward pass: units that receive the same sum have the same value.",
            _shown(_layer(field, place, canonical) for place in range(len(field.layers))),
        ),
        Step("By the chain rule the gradient entries are, after substitution,", _shown(gradient)),
        Step(
            f"The gradient is orthogonal to each of the {len(rows)} normal vectors:",
            _shown(_residuals(field, p, canonical, rows, names) for p in field.parameters),
        ),
    )


def _shown(families: Iterable[Iterable[str]]) -> tuple[str, ...]:
    shown: list[str] = []
    for family in families:
        formulas = list(family)
        shown += formulas[:NUM_SHOWN]
        if (left_out := len(formulas) - NUM_SHOWN) > 0:
            shown.append(rf"&\;\;\vdots \quad\text{{({left_out} more like these)}}")
    return tuple(shown)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else r"\cdots"


def _equal(names: list[str]) -> str:
    shown = names if len(names) <= NUM_SHOWN else [*names[:2], r"\dots", names[-1]]
    return " = ".join(shown)


def _parameters(field: GradientField, p: str, parametrisation: Parametrisation) -> Iterator[str]:
    groups: dict[Any, list[str]] = {}
    pairs = zip(field.parameters[p].flat, parametrisation.theta[p].flat, strict=True)
    for symbol, value in pairs:
        groups.setdefault(value, []).append(sympy.latex(symbol))
    for value, names in groups.items():
        yield f"{_equal(names)} &= {_short(sympy.latex(value))}"


def _layer(field: GradientField, place: int, canonical: ValueNumbering) -> Iterator[str]:
    layer = field.layers[place]
    groups: dict[Element, list[str]] = {}
    arguments: dict[Element, Element] = {}
    for index in np.ndindex(*layer.h.shape):
        value = canonical(layer.h[index])
        arguments[value] = canonical(layer.z[index])
        unit = ",".join(str(k + 1) for k in (index[1:] if len(field.x) == 1 else index))
        groups.setdefault(value, []).append(f"h^{{({place + 1})}}_{{{unit}}}")
    for value, names in groups.items():
        formula = f"{_equal(names)} &= {_short(canonical.latex(value))}"
        if (name := canonical.arguments.get(arguments[value])) is not None:
            formula += rf", \quad {name} = {_short(canonical.latex(arguments[value]))}"
        yield formula


def _gradient(
    field: GradientField, p: str, canonical: ValueNumbering, names: dict[Element, str]
) -> list[str]:
    """One line for each different value; it is given a name, unless it is 0."""
    groups: dict[Element, list[str]] = {}
    for symbol, entry in zip(field.parameters[p].flat, field.gradient[p].flat, strict=True):
        groups.setdefault(canonical(entry), []).append(_partial(symbol))
    formulas = []
    for value, partials in groups.items():
        if value and value not in names:
            names[value] = f"g_{{{len(names) + 1}}}"
        named = f" = {names[value]}" if value else ""
        formulas.append(f"{_equal(partials)}{named} &= {_short(canonical.latex(value))}")
    return formulas


def _residuals(
    field: GradientField,
    p: str,
    canonical: ValueNumbering,
    rows: Sequence[Constraint],
    names: dict[Element, str],
) -> Iterator[str]:
    """The products with normal vectors that begin in the tensor p."""
    for row in rows:
        if next(iter(row.terms))[0] != p:
            continue
        left, right = [], []
        for (q, e), c in row.terms.items():
            left.append((c, _partial(field.parameters[q].flat[e])))
            right.append((c, names.get(canonical(field.gradient[q].flat[e]), "0")))
        product = _signed((c, name) for c, name in right if name != "0")
        yield f"{_short(_signed(left))} &= {f'{_short(product)} = ' if product else ''}0"


def _signed(terms: Iterable[tuple[Any, str]]) -> str:
    text = ""
    for c, name in terms:
        size = "" if abs(c) == 1 else rf"{sympy.latex(sympy.sympify(abs(c)))}\,"
        text += f" {'-' if c < 0 else '+'} {size}{name}"
    return text.removeprefix(" + ").strip()


def _partial(symbol: sympy.Symbol) -> str:
    return rf"\frac{{\partial \ell}}{{\partial {sympy.latex(symbol)}}}"
