"""Proof that the units of a block agree: forward (P3) and backward (P4).

Every value along a partitioned axis, before and after a function symbol, is contracted with a
generic vector whose entries sum to zero in each block. For the backward half the adjoint of a value
is the gradient with respect to a zero that is added to it.
"""

from __future__ import annotations

from typing import Literal

from numerics.generic import generic_factors, num_samples, pair
from numerics.identity import Identity, vanishes
from theory.architecture import Architecture
from theory.axes import axis_names
from theory.backprop import gradient
from theory.errors import ManifoldError
from theory.graph import Builder, Graph
from theory.manifold.base import Manifold
from theory.manifold.coordinates import in_coordinates
from theory.partition import Partition
from theory.primitives import Apply, Input
from theory.rewrite import reassociate, replace_values, substitute
from theory.tracing import Traced, as_traced, record

Side = Literal["forward", "backward"]


def prove_equal_units(
    architecture: Architecture,
    partition: Partition,
    manifold: Manifold,
    side: Side,
    *,
    bits: float = 60,
    seed: int = 0,
    batch: int | None = None,
) -> Identity:
    """Whether units of one block have equal z and h (forward) or d and δ (backward) on a manifold.

    For all parameters on the manifold, all data and output adjoints. On IE the forward half holds
    (P3), on IE∩OE both do (P4). Equal means up to the partition's signs, and 0 for zero units (N9).

    Args:
        architecture: the network.
        partition: whose blocks are compared.
        manifold: where the parameters lie.
        side: which half.
        bits: the error is at most 2^-bits.
        seed: chooses primes, point and functions.
        batch: number of samples, by default 1, or 2 where samples are coupled.

    Raises:
        ManifoldError: if an axis with clones meets no function symbol, so that nothing is compared.
        ValueSystemError: if the error cannot be reached.

    >>> from theory.manifold import incoming_equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([2, 4, 4, 1])
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[0, 2]]})
    >>> on_ie = incoming_equitable(net, clones)
    >>> [prove_equal_units(net, clones, on_ie, side).verdict for side in ("forward", "backward")]
    ['holds', 'fails']
    """
    if batch is None:
        batch = num_samples(architecture)
    graph = differences_graph(architecture, partition, side, batch)
    return vanishes(in_coordinates(graph, manifold), bits=bits, seed=seed)


def differences_graph(
    architecture: Architecture, partition: Partition, side: Side, batch: int
) -> Graph:
    """The differences within blocks of every value along a partitioned axis, or of its adjoint.

    Raises:
        ManifoldError: if an axis with clones meets no function symbol, or a symbol acts along an
            axis whose name was lost, so that clones there would not be compared.
    """
    forward = architecture.graph(batch)
    names = axis_names(forward, architecture.declared_axes)
    watched = {}
    for k, node in enumerate(forward.nodes):
        if isinstance(node.primitive, Apply):
            if any(name is None and n > 1 for name, n in zip(names[k], node.shape, strict=True)):
                symbol = node.primitive.activation
                raise ManifoldError(
                    f"{architecture.name}: {symbol!r} acts on shape {node.shape} with axes "
                    f"{names[k]}: an axis without a name cannot be compared"
                )
            watched[node.operands[0]] = f"z{node.operands[0]}"
            watched[k] = f"h{k}"
    builder = Builder()
    if side == "forward":
        probed = Graph(forward.nodes, {label: k for k, label in watched.items()})
        values = substitute(builder, probed, {})
    else:

        def add_zero(k: int, value: Traced) -> Traced:
            if k not in watched:
                return value
            return value + record(value.builder, Input(watched[k], value.shape))

        pulled = gradient(replace_values(forward, add_zero), wrt=watched.values())
        zeros = {
            label: as_traced(builder, 0).broadcast_to(forward.nodes[k].shape)
            for k, label in watched.items()
        }
        found = substitute(builder, pulled, zeros)
        values = {label: found[f"grad:{label}"] for label in watched.values()}
    residuals = {}
    unmet = {axis for axis, blocks in partition.items() if blocks.num_mixed}
    for k, label in watched.items():
        for position, axis in enumerate(names[k]):
            blocks = partition.get(axis or "")
            if blocks is not None and blocks.num_mixed:
                shape = values[label].shape
                factors = list(generic_factors(builder, f"generic:{label}", shape))
                free = record(builder, Input(f"mixed:{label}", (blocks.num_mixed,)))
                factors[position] = ((position,), blocks.complete_vector(free))
                place = f" (axis {position})" if names[k].count(axis) > 1 else ""
                residuals[f"{label} along {axis}{place}"] = pair(values[label], factors).number
                unmet.discard(axis or "")
    if unmet:
        raise ManifoldError(
            f"axis {min(unmet)!r} has clones, but no function symbol acts along it: there is "
            "nothing to compare"
        )
    return reassociate(builder.finish(residuals))
