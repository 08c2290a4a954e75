"""N0: what an affine functional LoP manifold does to the Jacobian and to the Hessian."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import sympy

from numerics.normal_hessian import prove_normal_hessian
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose, draw_network, draw_partition
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted
from proofs_check.findings import campaign, from_identity
from theory.architecture import Architecture
from theory.manifold import Manifold, equitable, incoming_equitable
from theory.manifold.base import SparseVector
from theory.partition import make_partition
from theory.zoo import mlp

STATEMENT = "J n = 0, nᵀ H τ = 0, and the Gauss-Newton part of n'ᵀ H n vanishes"


def hessian_exactly(settings: Settings) -> Evidence:
    """The three products vanish on IE∩OE, in random networks, for every loss."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network = draw_network(choose, max_depth=2, max_width=4)
        manifold = equitable(network, draw_partition(choose, network))
        found = prove_normal_hessian(network, manifold, bits=bits, seed=seed)
        return from_identity(found, network.name, STATEMENT)

    count = 200 if settings.full else 20
    return campaign(settings, "N0", count, "networks with random partitions", test)


@dataclass(frozen=True)
class _Dense:
    """The Hessian of ½ |y - target|² in a network 2-2-2 with φ = z³ - z² + 2z, by SymPy."""

    network: Architecture
    manifold: Manifold
    hessian: sympy.Matrix

    def form(self, n: SparseVector, m: SparseVector) -> sympy.Expr:
        """The value nᵀ H m."""
        place = self._places()
        terms = (
            c * d * self.hessian[place[e], place[f]] for e, c in n.items() for f, d in m.items()
        )
        return sympy.Add(*(sympy.nsimplify(t) for t in terms))

    def _places(self) -> Mapping[tuple[str, int], int]:
        entries = ((p, k) for p, s in self.manifold.shapes.items() for k in range(int(np.prod(s))))
        return {entry: k for k, entry in enumerate(entries)}


@lru_cache
def _symbolic() -> tuple[tuple[sympy.Symbol, ...], sympy.Matrix, tuple[sympy.Expr, ...]]:
    shapes = mlp([2, 2, 2]).parameter_shapes
    theta = {
        p: np.array([sympy.Symbol(f"{p}_{k}") for k in range(int(np.prod(s)))]).reshape(s)
        for p, s in shapes.items()
    }
    z = np.array([1, 2]) @ theta["W1"] + theta["b1"]
    y = (z**3 - z**2 + 2 * z) @ theta["W2"] + theta["b2"]
    targets = sympy.symbols("t_0 t_1")
    loss = sum((a - t) ** 2 for a, t in zip(y, targets, strict=True)) / 2
    symbols = tuple(s for array in theta.values() for s in array.flat)
    return symbols, sympy.hessian(loss, symbols), tuple(y)


def _dense(offset: tuple[int, int]) -> _Dense:
    """At one point of IE∩OE, with the output adjoint ``y - target = offset``."""
    network = mlp([2, 2, 2])
    manifold = equitable(network, make_partition(network.sizes, {"h1": [[0, 1]]}))
    coordinates = {
        name: np.arange(1, 1 + int(np.prod(shape)), dtype=object).reshape(shape)
        for name, shape in manifold.free_shapes.items()
    }
    point = manifold.embed(coordinates)
    symbols, hessian, outputs = _symbolic()
    values = dict(zip(symbols, (v for p in manifold.shapes for v in point[p].flat), strict=True))
    at = {s: sympy.Integer(int(v)) for s, v in values.items()}
    targets = sympy.symbols("t_0 t_1")
    at |= {t: y.subs(at) - d for t, y, d in zip(targets, outputs, offset, strict=True)}
    return _Dense(network, manifold, hessian.subs(at))


def _first_nonzero(
    dense: _Dense, left: Iterable[SparseVector], right: Iterable[SparseVector]
) -> sympy.Expr:
    right = tuple(right)
    values = (dense.form(n, m) for n in left for m in right)
    return next((v for v in values if v != 0), sympy.Integer(0))


def dense_hessian(_: Settings) -> Evidence:
    """SymPy's Hessian of an explicit loss: blocks, linearity in the adjoint, interpolation."""
    for offset in ((1, 0), (0, 1), (0, 0)):
        dense = _dense(offset)
        mixed = _first_nonzero(dense, dense.manifold.normal_basis(), dense.manifold.tangent_basis())
        if mixed != 0:
            return refuted("MLP 2-2-2", f"nᵀ H τ = {mixed} at y - target = {offset}")
    at_rest = _first_nonzero(dense, dense.manifold.normal_basis(), dense.manifold.normal_basis())
    if at_rest != 0:
        return refuted("MLP 2-2-2", f"n'ᵀ H n = {at_rest} at interpolation")
    one, minus = _dense((1, 2)), _dense((-1, -2))
    normal = tuple(one.manifold.normal_basis())
    if any(one.form(n, m) + minus.form(n, m) != 0 for n in normal for m in normal):
        return refuted("MLP 2-2-2", "flipping the adjoint does not flip the normal Hessian")
    return holds(
        Level.OBSERVED,
        "MLP 2-2-2, φ = z³ - z² + 2z, squared error, one point of IE∩OE",
        "SymPy's Hessian maps T to T and N to N, flips on N with the adjoint, and is 0 on N at "
        "interpolation",
    )


def on_half(settings: Settings) -> Evidence:
    """The statement on IE, which is not invariant."""
    network = mlp([1, 2, 1])
    manifold = incoming_equitable(network, make_partition(network.sizes, {"h1": [[0, 1]]}))
    return from_identity(
        prove_normal_hessian(network, manifold, seed=settings.seed), network.name, STATEMENT
    )


def normal_hessian_zero(_: Settings) -> Evidence:
    """The normal Hessian is 0 whatever the adjoint."""
    dense = _dense((1, 0))
    normal = tuple(dense.manifold.normal_basis())
    value = _first_nonzero(dense, normal, normal)
    if value == 0:
        return holds(Level.OBSERVED, "MLP 2-2-2", "the normal Hessian vanishes")
    return refuted(
        "MLP 2-2-2", f"n'ᵀ H n = {value}", counterexample={"adjoint": [1, 0], "value": str(value)}
    )


def tangent_hessian_linear(_: Settings) -> Evidence:
    """The tangent Hessian too is 0 where all adjoints vanish."""
    dense = _dense((0, 0))
    tangent = tuple(dense.manifold.tangent_basis())
    value = _first_nonzero(dense, tangent, tangent)
    if value == 0:
        return holds(Level.OBSERVED, "MLP 2-2-2", "the Hessian vanishes at interpolation")
    return refuted(
        "MLP 2-2-2", f"τ'ᵀ H τ = {value}", counterexample={"adjoint": [0, 0], "value": str(value)}
    )


CLAIMS = (
    Claim(
        id="N0",
        title="Jacobian and Hessian on an affine LoP manifold",
        statement=(
            "On an affine functional LoP manifold with tangent space T and normal space N: J n = 0 "
            "for n in N; the Hessian of every loss maps T to T and N to N; its Gauss-Newton part "
            "vanishes on N, so the normal Hessian is linear in the output adjoint, and 0 where all "
            "adjoints vanish."
        ),
        hypotheses=("φ twice differentiable where it is evaluated", "checked for IE∩OE"),
        where="new; goes beyond Definition 2.1",
        expected=Verdict.PROVED,
        checks=(
            Check("random networks over prime fields", hessian_exactly),
            Check("SymPy's Hessian of an explicit loss", dense_hessian),
        ),
        false_variants=(
            FalseVariant("on IE alone", "IE is not invariant", on_half),
            FalseVariant(
                "the normal Hessian is 0", "the adjoint's part remains", normal_hessian_zero
            ),
            FalseVariant(
                "the tangent Hessian is linear in the adjoint",
                "its Gauss-Newton part remains",
                tangent_hessian_linear,
            ),
        ),
    ),
)
