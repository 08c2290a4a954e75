"""The Hessian on an affine functional LoP manifold (N0), proved for every loss.

Let τ be tangent and n normal, J the network's Jacobian and Q the loss's Hessian in the outputs. On
the manifold ``J n = 0``; hence ``nᵀ H τ = 0`` for the full Hessian ``H = Jᵀ Q J + Σ adjoint ∇²y``,
and the Gauss-Newton part of ``n'ᵀ H n`` vanishes, so the normal Hessian is linear in the adjoint.
"""

from __future__ import annotations

import numpy as np

from numerics.generic import normal_factors, num_samples, outer, pair, total
from numerics.identity import Identity, vanishes
from theory.architecture import Architecture
from theory.backprop import gradient, pushforward
from theory.graph import Builder, Graph
from theory.manifold.base import Manifold
from theory.manifold.coordinates import in_coordinates
from theory.primitives import Input
from theory.rewrite import reassociate, substitute
from theory.tracing import Traced, as_traced, record


def prove_normal_hessian(
    architecture: Architecture,
    manifold: Manifold,
    *,
    bits: float = 60,
    seed: int = 0,
    batch: int | None = None,
) -> Identity:
    """Whether J n, nᵀ H τ and the Gauss-Newton part of n'ᵀ H n vanish on an affine manifold.

    For all points, tangent τ and normal n, all data, adjoints and output Hessians. The outputs are
    named ``J n:…``, ``n H t:…`` and ``n JQJ n:…``, with the family of normal vectors.

    Args:
        architecture: the network.
        manifold: where the parameters lie; τ is tangent and n normal to it.
        bits: the error is at most 2^-bits.
        seed: chooses primes, points and functions.
        batch: number of samples, by default 1, or 2 where samples are coupled; their outputs'
            Hessian Q may couple them.

    Raises:
        ValueSystemError: if the error cannot be reached.
    """
    if batch is None:
        batch = num_samples(architecture)
    graph = normal_hessian_graph(architecture, manifold, batch)
    return vanishes(in_coordinates(graph, manifold), bits=bits, seed=seed)


def normal_hessian_graph(architecture: Architecture, manifold: Manifold, batch: int) -> Graph:
    """The three families of products that must vanish."""
    forward = architecture.graph(batch)
    y = forward.nodes[forward.outputs["y"]].shape
    builder = Builder()
    free = {
        name: record(builder, Input(f"tangent vector:{name}", shape))
        for name, shape in manifold.free_shapes.items()
    }
    origin = manifold.embed({name: np.zeros(f.shape, dtype=int) for name, f in free.items()})
    moved = manifold.embed(free)
    tau = {p: as_traced(builder, moved[p] - origin[p]) for p in moved}
    along = _derivative(builder, forward, tau, bends=True)
    residuals: dict[str, Traced] = {}
    for test in manifold.normal_tests():
        first = normal_factors(builder, test, "normal")
        shapes = forward.parameter_shapes
        n = {p: outer(first[p]) if p in first else _zero(builder, shapes[p]) for p in shapes}
        second = normal_factors(builder, test, "second normal")
        across, flat = (_derivative(builder, forward, n, bends=b) for b in (True, False))
        adjoint = record(builder, Input("adjoint:y", y))
        residuals[f"J n:{test.label}"] = pair(across["y"], [(tuple(range(len(y))), adjoint)])
        residuals[f"n H t:{test.label}"] = total(
            builder, [pair(along[p], f) for p, f in first.items() if p in shapes]
        )
        residuals[f"n JQJ n:{test.label}"] = total(
            builder, [pair(across[p] - flat[p], f) for p, f in second.items() if p in shapes]
        )
    return reassociate(builder.finish({name: v.number for name, v in residuals.items()}))


def _zero(builder: Builder, shape: tuple[int, ...]) -> Traced:
    return as_traced(builder, 0).broadcast_to(shape)


def _derivative(
    builder: Builder, forward: Graph, v: dict[str, Traced], *, bends: bool
) -> dict[str, Traced]:
    """J v as ``y``, and H v by parameter; without ``bends`` the adjoint does not move, Q = 0."""
    moves = {f"tangent:{p}": value for p, value in v.items()}
    pushed = substitute(builder, pushforward(forward), moves)["tangent:y"]
    reverse = gradient(forward)
    second = pushforward(reverse, wrt=[*forward.parameter_shapes, "adjoint:y"])
    if bends:
        size = pushed.size
        q = record(builder, Input("output Hessian", (size, size)))
        bend = ((q + q.T) @ pushed.reshape(size)).reshape(pushed.shape)
    else:
        bend = _zero(builder, pushed.shape)
    found = substitute(builder, second, {**moves, "tangent:adjoint:y": bend})
    return {"y": pushed, **{p: found[f"tangent:grad:{p}"] for p in forward.parameter_shapes}}
