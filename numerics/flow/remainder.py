"""A bound for the rest of a power series that solves a polynomial system.

Weigh coefficients by powers of a radius R: the norm ‖Σ_k a_k τ^k‖ = Σ_k |a_k| R^k has
‖a b‖ ≤ ‖a‖ ‖b‖. Of every node the first N coefficients are enclosed; its tail, the part of order
≥ N, is bounded from the tails of its operands: for sums by the sum, for a product ab by
Σ_{i+j ≥ N} |a_i b_j| R^{i+j} over known coefficients, plus ‖a‖ tail(b) + tail(a) ‖b‖ +
tail(a) tail(b).

Theorem. Let T(r) be so obtained bounds of the tails of G, from the tails r of the unknowns X. If
|X_N| R^N + R T(r) / (N + 1) ≤ r for every unknown, then the solution of X' = G(X) exists for
|τ| < R, and differs from its Taylor polynomial of degree N by at most
(|τ| / R)^{N+1} · R T(r) / (N + 1).

Proof. There is one formal power series X with X' = G(X). Let r_K be the norm of its part of orders
N..K; r_N = |X_N| R^N ≤ r. If r_K ≤ r, the coefficients N..K of G depend on those up to K of X, so
the norm of this part of G is at most T(r), and integration divides coefficient k by
k + 1 ≥ N + 1: r_{K+1} ≤ |X_N| R^N + R T(r) / (N + 1) ≤ r. By induction all r_K ≤ r: the series
converges for |τ| ≤ R and solves the equation. Its orders > N have the norm
Σ_{k>N} |X_k| R^k ≤ R T(r) / (N + 1), and |τ|^k ≤ R^k (|τ| / R)^{N+1}. ∎

The argument is the one of the radii polynomial approach in a weighted space of coefficients, made
elementary by the triangular form of an initial value problem; cf. A. Hungria, J.-P. Lessard and
J. D. Mireles James, Rigorous numerics for analytic solutions of differential equations: the radii
polynomial approach, Mathematics of Computation 85 (2016), 1427-1459.

All bounds are sums and products of non-negative doubles. Round-to-nearest errs by at most 2^-53 of
each, so a node with fewer than 2^26 operations stays below (1 + 2^-26) of what it computes, and
underflow below 1e-290 in all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from numerics.evaluate import operation
from numerics.flow.series import Expansion, Series, contracted
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from theory.primitives import Einsum, Multiply

Bounds = NDArray[np.float64]
ROUNDING, UNDERFLOW = 1 + 2.0**-26, 1e-290
ATTEMPTS = 8  # of a guess at r


@dataclass(frozen=True)
class Remainder:
    """|X(τ) - Σ_{k≤N} X_k τ^k| ≤ (|τ| / radius)^{N+1} bounds, for |τ| < radius.

    Attributes:
        radius: R, in the unit of the expansion.
        order: N + 1.
        bounds: one number for every entry of every unknown.
    """

    radius: float
    order: int
    bounds: dict[str, Bounds]


def upper(a: Any) -> Bounds:
    """Absolute values of an array of balls, rounded up."""
    return _raised(np.asarray(_magnitudes(a), dtype=np.float64))


_magnitudes = np.frompyfunc(lambda x: float(x.abs_upper()), 1, 1)


def _raised(a: Bounds) -> Bounds:
    result: Bounds = a * ROUNDING + UNDERFLOW
    return np.where(np.isnan(result), inf, result)


class Weights:
    """Magnitudes of the coefficients of an expansion, converted once for all radii."""

    def __init__(self, series: Series, expansion: Expansion) -> None:
        self.series, self.expansion = series, expansion
        self.factors = {k: upper(a) for k, a in expansion.factors.items()}
        self.last = {name: upper(a[-1]) for name, a in expansion.unknowns.items()}
        self.constants = {k: upper(a) for k, a in series.constants.items()}

    def remainder(self, radius: float) -> Remainder | None:
        """The remainder for a radius of convergence that is guessed, if it can be proved."""
        with np.errstate(over="ignore", invalid="ignore"):  # an infinite bound proves nothing
            return self._proved(radius)

    def _proved(self, radius: float) -> Remainder | None:
        order = self.expansion.order
        last = {name: _raised(a * radius**order) for name, a in self.last.items()}
        tails = Tails(self, radius)
        step = radius * float(self.expansion.unit) / (order + 1)
        guess = {name: 2 * a for name, a in last.items()}
        for _ in range(ATTEMPTS):
            rates = tails(guess)
            rest = {name: _raised(a * step) for name, a in rates.items()}
            found = {name: _raised(last[name] + a) for name, a in rest.items()}
            if not all(np.isfinite(a).all() for a in found.values()):
                return None
            if all((found[name] <= guess[name]).all() for name in found):
                return Remainder(radius, order + 1, rest)
            guess = {name: 2 * np.maximum(found[name], guess[name]) for name in found}
        return None


class Tails:
    """T(r): bounds of the parts of order ≥ N of the right-hand sides, at one radius."""

    def __init__(self, weights: Weights, radius: float) -> None:
        self.weights, self.series = weights, weights.series
        powers = radius ** np.arange(weights.expansion.order)
        weighed = {
            k: _raised(a * powers.reshape(-1, *(1,) * (a.ndim - 1)))
            for k, a in weights.factors.items()
        }
        self.norms = {k: _raised(a.sum(axis=0)) for k, a in weighed.items()}
        # entry i of a suffix: the sum of the entries N - i, …, N - 1
        suffixes = {k: _raised(np.cumsum(a[::-1], axis=0)) for k, a in weighed.items()}
        self.crossing: dict[int, Bounds] = {}
        nodes = self.series.nodes
        for k in self.series.live:
            if k in self.series.products:
                a, b = nodes[k].operands
                pair = (weighed[a][1:], suffixes[b][:-1])
                primitive = nodes[k].primitive
                self.crossing[k] = _raised(
                    contracted(primitive, *pair)
                    if isinstance(primitive, Einsum)
                    else (pair[0] * pair[1]).sum(axis=0)
                )
        self._operations = {
            k: operation(nodes[k], self.series.system.rates, MAGNITUDES) for k in self.series.live
        }

    def __call__(self, unknowns: Mapping[str, Bounds]) -> dict[str, Bounds]:
        """T(r) of every unknown's rate."""
        series = self.series
        found = {k: unknowns[name] for name, k in series.leaves.items()}
        still = self.weights.constants
        for k in series.live:
            if k not in found:
                node = series.nodes[k]
                if k in series.products:
                    value = self._product(k, *(found[j] for j in node.operands))
                else:
                    is_factor = isinstance(node.primitive, Multiply | Einsum)
                    constants = (
                        still if is_factor else {j: np.zeros_like(a) for j, a in still.items()}
                    )
                    operands = [found[j] if j in found else constants[j] for j in node.operands]
                    value = self._operations[k](MAGNITUDES, *operands)
                found[k] = _raised(value)
        return {name: found.get(k, np.zeros(())) for name, k in series.rates.items()}

    def _product(self, k: int, a: Bounds, b: Bounds) -> Bounds:
        node = self.series.nodes[k]
        norm_a, norm_b = (self.norms[j] for j in node.operands)
        times = self._operations[k]
        crossing = self.crossing[k]
        return crossing + times(MAGNITUDES, norm_a + a, b) + times(MAGNITUDES, a, norm_b)


class _Magnitudes(Float64):
    """Bounds of absolute values: what is subtracted adds."""

    def subtract(self, a: Array, b: Array) -> Array:
        return a + b

    def negative(self, a: Array) -> Array:
        return a


MAGNITUDES = _Magnitudes()
