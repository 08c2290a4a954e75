"""A counterexample in rational numbers that anyone can replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from html import escape
from math import prod
from typing import Any, Literal

import numpy as np
import sympy

from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.invariance.jet import Polynomials, directional_derivative, to_text
from theory.manifold.base import Manifold
from theory.symbolic.forward import Array


@dataclass(frozen=True, eq=False)
class Refutation:
    """A point of the manifold where the gradient of some loss leaves the tangent space.

    The violated law is a vector n normal to the tangent space: ⟨∂ℓ/∂θ, n⟩ = ⟨adjoint, J n⟩ is
    ``value``, not 0. The adjoint is ∂ℓ/∂y, and any vector is the adjoint of some loss.

    Attributes:
        architecture: the network.
        manifold: where the point lies.
        tangent: the manifold whose tangent space should hold the gradient.
        functions: unknown activations as polynomials, ascending coefficients.
        theta: the point.
        x: data ``(batch, *inputs)``.
        adjoint: ∂ℓ/∂y ``(batch, …)``.
        normal: the vector n, by (parameter, flat index).
        law: the violated law in words.
        value: ⟨∂ℓ/∂θ, n⟩.
    """

    architecture: Architecture
    manifold: Manifold
    tangent: Manifold
    functions: Polynomials
    theta: Mapping[str, Array]
    x: Array
    adjoint: Array
    normal: Mapping[tuple[str, int], Fraction]
    law: str
    value: Fraction
    verdict: Literal["refuted"] = field(default="refuted", init=False)

    def replay(self) -> Fraction:
        """⟨adjoint, J n⟩, computed again from the data by dual numbers.

        Raises:
            ManifoldError: if θ is not on the manifold, or n is not normal to the tangent space.
        """
        for row in self.manifold.constraints():
            if (found := _paired(row.terms, self.theta)) != row.value:
                raise ManifoldError(
                    f"theta is not on {self.manifold.name}: {row.label} is {found}, "
                    f"expected {row.value}"
                )
        for tangent in self.tangent.tangent_basis():
            if sum(c * self.normal.get(e, 0) for e, c in tangent.items()):
                raise ManifoldError(f"the vector is not normal to {self.tangent.name}")
        graph = self.architecture.graph(len(self.x))
        moved = directional_derivative(graph, self.functions, self.theta, self.x, self.normal)
        return Fraction(sum(a * s for a, s in zip(self.adjoint.flat, moved.flat, strict=True)))

    def to_json(self) -> dict[str, Any]:
        """Plain data: numbers are strings ``a/b``, entries are named by parameter and index."""
        shapes = self.architecture.parameter_shapes
        return {
            "architecture": self.architecture.name,
            "frozen": {
                axis: {str(unit): to_text(c) for unit, c in units.items()}
                for axis, units in self.architecture.frozen.items()
            },
            "manifold": self.manifold.name,
            "tangent": self.tangent.name,
            "functions": {f: [to_text(c) for c in cs] for f, cs in self.functions.items()},
            "parameters": {p: _texts(array) for p, array in self.theta.items()},
            "x": _texts(self.x),
            "adjoint": _texts(self.adjoint),
            "normal": [
                [p, [int(k) for k in np.unravel_index(e, shapes[p])], to_text(c)]
                for (p, e), c in self.normal.items()
            ],
            "law": self.law,
            "value": to_text(self.value),
        }

    @staticmethod
    def from_json(
        data: Mapping[str, Any],
        architecture: Architecture,
        manifold: Manifold,
        tangent: Manifold | None = None,
    ) -> Refutation:
        """The counterexample that :meth:`to_json` wrote, for the objects that it names.

        Raises:
            ManifoldError: if it was written for an architecture or a manifold of another name.
        """
        tangent = manifold if tangent is None else tangent
        for entry, given in (
            ("architecture", architecture.name),
            ("manifold", manifold.name),
            ("tangent", tangent.name),
        ):
            if data[entry] != given:
                raise ManifoldError(f"{entry}={data[entry]!r}: replayed on {given!r}")
        shapes = architecture.parameter_shapes
        return Refutation(
            architecture,
            manifold,
            tangent,
            {f: [Fraction(c) for c in cs] for f, cs in data["functions"].items()},
            {p: _numbers(data["parameters"][p]) for p in shapes},
            _numbers(data["x"]),
            _numbers(data["adjoint"]),
            {(p, _flat(index, shapes[p])): Fraction(c) for p, index, c in data["normal"]},
            data["law"],
            Fraction(data["value"]),
        )

    def __str__(self) -> str:
        lines = [
            f"{self.architecture.name}: the gradient leaves the tangent space of "
            f"{self.tangent.name} at a point of {self.manifold.name}",
            *(f"  {name}(z) = {_polynomial(cs)}" for name, cs in self.functions.items()),
            *(f"  {p} = {_plain(array)}" for p, array in self.theta.items()),
            f"  x = {_plain(self.x)}, ∂ℓ/∂y = {_plain(self.adjoint)}",
            f"  {self._law_text()} = {self.value}, not 0 (law: {self.law})",
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def _law_text(self) -> str:
        shapes = self.architecture.parameter_shapes
        terms = []
        for (p, e), c in self.normal.items():
            index = ",".join(str(int(k)) for k in np.unravel_index(e, shapes[p]))
            size = "" if abs(c) == 1 else f"{abs(c)} "
            terms.append(f"{'-' if c < 0 else '+'} {size}∂ℓ/∂{p}[{index}]")
        return " ".join(terms).removeprefix("+ ")


def _paired(terms: Mapping[tuple[str, int], Fraction], theta: Mapping[str, Array]) -> Fraction:
    return sum((c * theta[p].flat[e] for (p, e), c in terms.items()), Fraction(0))


def _texts(array: Array) -> Any:
    return _map(array.tolist(), to_text)


def _map(nested: Any, function: Any) -> Any:
    return [_map(n, function) for n in nested] if isinstance(nested, list) else function(nested)


def _numbers(nested: Any) -> Array:
    return np.array(_map(nested, Fraction), dtype=object)


def _flat(index: list[int], shape: tuple[int, ...]) -> int:
    return sum(k * prod(shape[axis + 1 :]) for axis, k in enumerate(index))


def _plain(array: Array) -> str:
    return str(_texts(array)).replace("'", "")


def _polynomial(coefficients: Any) -> str:
    z = sympy.Symbol("z")
    terms = (sympy.sympify(c) * z**k for k, c in enumerate(coefficients))
    return str(sympy.Add(*terms))
