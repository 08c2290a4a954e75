r"""The architecture-free form of the transverse blocks, proved for every loss.

Let ξ be block-constant in all axes but one, the parameters of one clone, and z a zero-sum vector
over the clones of a block S. At a block-constant point, for the Hessian of any loss,

.. math:: (z' ⊗ ξ')^T H (z ⊗ ξ) = ⟨z', z⟩ \; ξ'^T (∇^2_{11} L - ∇^2_{12} L) ξ.

The network's Jacobian vanishes on z ⊗ ξ, so the loss's second derivative in the outputs cancels on
both sides, and the adjoint may be held.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from numerics.generic import num_samples, total
from numerics.identity import Identity, vanishes
from numerics.spectrum.errors import SpectrumError
from theory.architecture import Architecture
from theory.backprop import gradient, pushforward
from theory.graph import Builder
from theory.manifold import block_constant
from theory.manifold.coordinates import in_coordinates
from theory.partition import Partition
from theory.primitives import Input
from theory.rewrite import reassociate, substitute
from theory.tracing import Traced, as_traced, record


def prove_clone_form(
    architecture: Architecture,
    partition: Partition,
    axis: str,
    *,
    seed: int = 0,
    bits: float = 60,
    has_cross: bool = True,
    is_zero_sum: bool = True,
) -> Identity:
    """Whether the Hessian where clones part is ∇²₁₁L - ∇²₁₂L, at all block-constant points.

    That, and J (z ⊗ ξ) = 0, for all data and output adjoints, and the first block of the axis that
    has clones.

    Args:
        architecture: the network.
        partition: its blocks.
        axis: along which the clones are; no parameter has it twice.
        seed: chooses primes, points and functions.
        bits: the error is at most 2^-bits.
        has_cross: whether ∇²₁₂L is subtracted; without it the statement is false.
        is_zero_sum: whether z and z' are; for others the statement is false.

    Raises:
        SpectrumError: if the axis has no clones, or a parameter has it twice.
        ValueSystemError: if the error cannot be reached.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 3, 2, 1])
    >>> pair = make_partition(net.sizes, {"h1": [[0, 2]]})
    >>> [prove_clone_form(net, pair, "h1", has_cross=c).verdict for c in (True, False)]
    ['holds', 'fails']
    """
    clones = next((b for b in partition[axis].blocks if len(b) > 1), ())
    own = {p: names.index(axis) for p, names in architecture.parameters.items() if axis in names}
    if not clones or any(architecture.parameters[p].count(axis) > 1 for p in own):
        raise SpectrumError(f"axis {axis!r}: it has clones, and no parameter has it twice")
    builder = Builder()
    forward = architecture.graph(num_samples(architecture))
    second = pushforward(gradient(forward), wrt=own)

    def one_clone(name: str) -> dict[str, Traced]:
        """ξ by parameter, without the axis of the clones."""
        found = {}
        for p, place in own.items():
            rest = [partition[a] for k, a in enumerate(architecture.parameters[p]) if k != place]
            shape = tuple(blocks.num_blocks for blocks in rest)
            array = record(builder, Input(f"{name}:{p}", shape))
            for k, blocks in enumerate(rest):
                array = blocks.expand(array, k)
            found[p] = array
        return found

    def weights(name: str) -> Traced:
        count = len(clones)
        free = record(builder, Input(name, (count - 1 if is_zero_sum else count,)))
        if not is_zero_sum:
            return free
        return as_traced(builder, np.concatenate([free, -free.sum(keepdims=True)]))

    def along(vector: Traced, xi: Mapping[str, Traced]) -> dict[str, Traced]:
        """Vector ⊗ ξ; the vector runs over the clones."""
        found = {}
        for p, place in own.items():
            size = architecture.parameter_shapes[p][place]
            unit = np.zeros((len(clones), size), dtype=int)
            unit[np.arange(len(clones)), list(clones)] = 1
            column = as_traced(builder, vector @ unit)
            shape = (size,) + (1,) * (xi[p].ndim - place)
            found[p] = column.reshape(shape) * np.expand_dims(xi[p], place)
        return found

    def moved(v: Mapping[str, Traced]) -> tuple[dict[str, Traced], Traced]:
        found = substitute(builder, second, {f"tangent:{p}": v[p] for p in own})
        return {p: found[f"tangent:grad:{p}"] for p in own}, found["tangent:y"]

    def paired(v: Mapping[str, Traced], w: Mapping[str, Traced]) -> Traced:
        return total(builder, [(v[p] * w[p]).sum() for p in own])

    xi, other_xi = one_clone("one"), one_clone("other")
    z, other_z = weights("z"), weights("other z")
    basis = [as_traced(builder, row) for row in np.eye(len(clones), dtype=int)[:2]]
    bent, pushed = moved(along(z, xi))
    left = paired(bent, along(other_z, other_xi))
    first, _ = moved(along(basis[0], xi))
    form = paired(first, along(basis[0], other_xi))
    if has_cross:
        form = form - paired(first, along(basis[1], other_xi))
    residual = left - (z * other_z).sum() * form
    still = (pushed * record(builder, Input("output covector", pushed.shape))).sum()
    graph = reassociate(builder.finish({"n' H n": residual.number, "J n": still.number}))
    manifold = block_constant(architecture, partition)
    return vanishes(in_coordinates(graph, manifold), bits=bits, seed=seed)
