r"""N3 off BC: the Hessian on the normal space at any point of IE∩OE.

A direction u moves the pre-activation of unit v by ζ_v, propagated through the network. At a point
of IE∩OE normal directions are invisible to first order, so only two kinds of second derivatives are
left: the curvature of units that move, and the products of a moved weight and a moved source,

    uᵀ ∇²L u' = Σ_data [ Σ_v d_v φ''_v ζ_v ζ'_v + Σ_{v→t} δ_t (u_vt φ'_v ζ'_v + u'_vt φ'_v ζ_v) ].

For an incoming direction the second sum vanishes, since ζ is zero-sum in every block; outgoing ones
have ζ = 0. On BC ζ stays inside the block of the direction, and the formula is that of the blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement

import sympy

from theory.architecture import Architecture
from theory.invariance.parametrisation import parametrise
from theory.manifold import Manifold, equitable
from theory.outcome import Outcome, conjoined
from theory.partition import Partition, make_partition
from theory.proof_step import Step
from theory.stability.adapted_basis import Adapted, adapted_basis
from theory.stability.explicit_loss import Signals, explicit_loss, signals
from theory.stability.identity import Equation, compare
from theory.symbolic.forward import Array
from theory.theorem import Theorem
from theory.zoo import mlp


def derive_off_bc(
    architecture: Architecture,
    partition: Partition,
    *,
    batch: int = 1,
    point: Manifold | None = None,
) -> Outcome:
    """Compare the formula with SymPy's Hessian, for all pairs of normal directions.

    Args:
        architecture: a small network of units.
        partition: plain blocks; inputs and outputs are singletons.
        batch: number of samples; the loss is an arbitrary function of all their outputs.
        point: where θ lies, by default IE∩OE.

    Raises:
        ArchitectureError: if the network does not consist of units, weights and biases.
        PartitionError: if there are signs or zero units.

    >>> net = mlp([1, 2, 1])
    >>> derive_off_bc(net, make_partition(net.sizes, {"h1": [[0, 1]]})).verdict
    'proved'
    """
    basis = adapted_basis(architecture, partition)
    of, probes = signals(architecture, batch)
    loss = explicit_loss(architecture, batch)
    theta = parametrise(equitable(architecture, partition) if point is None else point).theta
    substitution = {
        symbol: value
        for p, symbols in loss.parameters.items()
        for symbol, value in zip(symbols.flat, theta[p].flat, strict=True)
    }
    normal = [
        _Moved(v, architecture, of, loss.parameters) for v in basis if v.kind in ("in", "out")
    ]
    equations = [
        Equation(
            rf"{u.vector.direction.name}^\top H\, {v.vector.direction.name}",
            loss.form(u.vector.direction, v.vector.direction),
            _predicted(u, v, of),
        )
        for u, v in combinations_with_replacement(normal, 2)
    ]
    return compare(equations, {**substitution, **probes})


class _Moved:
    """A direction, with ζ of every unit and sample."""

    def __init__(
        self,
        vector: Adapted,
        architecture: Architecture,
        of: Mapping[str, Signals],
        parameters: Mapping[str, Array],
    ) -> None:
        self.vector, self.architecture = vector, architecture
        terms = vector.direction.terms
        symbols = {(p, e): parameters[p].flat[e] for p, e in terms}
        self.zeta = {
            axis: [
                [
                    sympy.Add(*(sympy.sympify(c) * z.diff(symbols[e]) for e, c in terms.items()))
                    for z in row
                ]
                for row in signal.z
            ]
            for axis, signal in of.items()
            if signal.activation is not None
        }

    def products(self, other: _Moved, of: Mapping[str, Signals]) -> sympy.Expr:
        """Σ δ_t u_vt φ'_v ζ'_v over the weights that this direction moves."""
        terms = []
        for (p, e), c in self.vector.direction.terms.items():
            axes = self.architecture.parameters[p]
            if len(axes) == 1 or axes[0] not in other.zeta:
                continue
            source, target = divmod(e, self.architecture.sizes[axes[1]])
            for s, row in enumerate(other.zeta[axes[0]]):
                slope = of[axes[0]].derivative(1, s, source)
                terms.append(sympy.sympify(c) * of[axes[1]].delta[s, target] * slope * row[source])
        return sympy.Add(*terms)


def _predicted(u: _Moved, v: _Moved, of: Mapping[str, Signals]) -> sympy.Expr:
    bent = (
        of[axis].d[s, k] * of[axis].derivative(2, s, k) * zeta * v.zeta[axis][s][k]
        for axis, rows in u.zeta.items()
        for s, row in enumerate(rows)
        for k, zeta in enumerate(row)
    )
    return sympy.Add(*bent, u.products(v, of), v.products(u, of))


def _networks() -> Outcome:
    deep, wide = mlp([1, 2, 2, 1]), mlp([1, 3, 2, 1])
    pairs = {"h1": [[0, 1]], "h2": [[0, 1]]}
    return conjoined(
        (
            derive_off_bc(deep, make_partition(deep.sizes, pairs)),
            derive_off_bc(wide, make_partition(wide.sizes, {**pairs, "h1": [[0, 1, 2]]})),
        )
    )


OFF_BC = Theorem(
    "N3.off-bc",
    "normal Hessian off BC",
    r"At any point of $IE\cap OE$ the Hessian on the normal space is, with $\zeta_v$ the change of "
    r"$z_v$ along a direction, $u^\top\nabla^2L\,u' = \sum \big[\sum_v d_v \varphi''_v \zeta_v "
    r"\zeta'_v + \sum_{v\to t} \delta_t \varphi'_v (u_{vt} \zeta'_v + u'_{vt} \zeta_v)\big]$.",
    ("complete pairs of blocks", "any smooth $\\varphi$, loss and data"),
    (
        Step(
            r"Normal directions are invisible to first order (N0), so the Gauss-Newton part "
            r"vanishes, and second derivatives of the outputs remain, weighted by adjoints: a "
            r"unit that both directions move bends, $d_v\varphi''_v\zeta_v\zeta'_v$; a weight "
            r"moved by one multiplies a source moved by the other.",
        ),
        Step(
            "SymPy's Hessian of the explicit loss has these entries:",
            (
                r"u^\top\nabla^2L\,u' = \textstyle\sum d_v \varphi''_v \zeta_v \zeta'_v + "
                r"\sum \delta_t \varphi'_v (u_{vt} \zeta'_v + u'_{vt} \zeta_v)",
            ),
            _networks,
            "MLPs 1-2-2-1 and 1-3-2-1 at every point of $IE\\cap OE$",
        ),
        Step(
            r"An outgoing direction has $\zeta = 0$, since $\sum_u c_u h_u = 0$; for two incoming "
            r"ones the second sum is 0, since $\zeta'$ is zero-sum in the block of sources. On "
            r"$BC$ $\zeta$ stays in the block of its direction, which gives N3.",
        ),
    ),
)
