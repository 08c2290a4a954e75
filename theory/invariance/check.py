"""Is the gradient of every loss tangent to a manifold, at every point of it?

Substitute the manifold's own coordinates into SymPy's gradient, multiply by every vector normal to
the tangent space, and bring the result to canonical form. All zero: a proof. Otherwise a rational
counterexample is looked for, and found or not the answer says so.
"""

from __future__ import annotations

import sympy

from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.invariance.canonical import Element, UndefinedOnManifoldError, ValueNumbering
from theory.invariance.exposition import hypotheses, steps
from theory.invariance.parametrisation import parametrise
from theory.invariance.proof import Proof, Unknown
from theory.invariance.refutation import Refutation
from theory.invariance.search import refute
from theory.manifold.base import Constraint, Manifold
from theory.symbolic.gradient_field import GradientField, gradient_field
from theory.symbolic.written_size import written_size

BUDGET = 1_000_000


def check_invariance(
    architecture: Architecture,
    manifold: Manifold,
    *,
    tangent: Manifold | None = None,
    batch: int = 1,
    budget: int = BUDGET,
) -> Proof | Refutation | Unknown:
    """Prove or refute: ∂ℓ/∂θ ∈ T for every θ in the manifold, all data and every loss ℓ.

    Args:
        architecture: a small network; the gradient is written out in full.
        manifold: where θ lies.
        tangent: the manifold whose tangent space T should hold the gradient, by default the same.
            With ``block_constant`` here and ``equitable`` as the manifold the statement is about
            all leaves at once (P5).
        batch: number of samples; 1 is enough where samples do not meet inside the network.
        budget: the longest network that is written out, as :func:`written_size` counts; beyond it
            the answer is ``Unknown`` at once. The default takes up to a minute, and one attention
            block is a thousand times as long.

    Raises:
        ManifoldError: if a manifold has other parameters than the architecture.

    >>> from theory.manifold import block_constant, equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([2, 2, 1])
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1]]})
    >>> tangent = block_constant(net, clones)
    >>> print(check_invariance(net, equitable(net, clones), tangent=tangent))
    mlp:2-2-1:phi: at every point of IE∩OE the gradient is tangent to BC.
      for every differentiable function phi
      for all data, 1 sample at a time
      for every differentiable loss of the output and a target
      4 normal directions, each orthogonal to the gradient
    """
    tangent = manifold if tangent is None else tangent
    for space in (manifold, tangent):
        if dict(space.shapes) != architecture.parameter_shapes:
            raise ManifoldError(
                f"{space.name} has parameters {dict(space.shapes)}, {architecture.name} has "
                f"{architecture.parameter_shapes}"
            )
    size = written_size(architecture, batch, budget)
    if size > budget:
        return Unknown(
            architecture,
            manifold.name,
            tangent.name,
            f"written out, its outputs have {size:.1e} nodes, counted once for each of "
            f"{architecture.num_parameters} parameters, and the budget is {budget:.1e}; lop prove "
            "and the calculus of theory.modules write nothing out, and refute looks for a "
            "counterexample",
        )
    field = gradient_field(architecture, batch)
    parametrisation = parametrise(manifold)
    substitution = {
        symbol: value
        for p, symbols in field.parameters.items()
        for symbol, value in zip(symbols.flat, parametrisation.theta[p].flat, strict=True)
    }
    canonical = ValueNumbering(_expressions(field), substitution)
    rows = tuple(tangent.constraints())
    try:
        for layer in field.layers:
            for h in layer.h.flat:
                canonical(h)
        violated = [row for row in rows if _residual(field, canonical, row)]
    except UndefinedOnManifoldError as error:
        return Unknown(architecture, manifold.name, tangent.name, str(error))
    if not violated:
        derivation = steps(field, parametrisation, canonical, rows)
        assumed = hypotheses(field, divides=canonical.divides)
        names = (manifold.name, tangent.name)
        return Proof(architecture, *names, assumed, derivation, len(rows))
    found = refute(architecture, manifold, tangent, batch=batch)
    if found is not None:
        return found
    return Unknown(architecture, manifold.name, tangent.name, _reason(field, violated))


def _expressions(field: GradientField) -> list[sympy.Expr]:
    arrays = [array for layer in field.layers for array in (layer.z, layer.h)]
    return [entry for array in (*arrays, *field.gradient.values()) for entry in array.flat]


def _residual(field: GradientField, canonical: ValueNumbering, row: Constraint) -> Element:
    entries = (sympy.sympify(c) * field.gradient[p].flat[e] for (p, e), c in row.terms.items())
    return canonical(sympy.Add(*entries, evaluate=False))


def _reason(field: GradientField, violated: list[Constraint]) -> str:
    known = sorted({repr(x.activation) for x in field.layers if x.activation.is_known})
    laws = f"{len(violated)} residuals, the first of {violated[0].label}"
    if not known:
        return f"{laws}, are not identically 0, but no small rational counterexample was found"
    names = ", ".join(known)
    return (
        f"{laws}, do not vanish by the derivative and parity of {names} alone, and no rational "
        f"counterexample was found; an unknown function in place of {names} decides what holds for "
        "every function"
    )
