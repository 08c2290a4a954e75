"""The transverse form of theorem N3 in its own words, to be compared with the gradient graph's.

The formula is evaluated on traced arrays from one forward and one backward pass written out here,
so it shares nothing with the Hessian-vector product it is compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np

from numerics.generic import total
from numerics.identity import Identity, vanishes
from theory.activation import Activation, activation
from theory.architecture import Architecture
from theory.backprop import gradient, pushforward
from theory.graph import Builder
from theory.manifold import ClonedManifold, block_constant, equitable
from theory.partition import Partition, make_partition
from theory.primitives import Input
from theory.rewrite import substitute
from theory.tracing import Traced, as_traced, record

PHI = activation("phi")


@dataclass(frozen=True, slots=True)
class Reading:
    """How the theorem is read; the defaults are the theorem, every other reading is false.

    Attributes:
        has_scales: whether ĥ_j = √n_j h_j and δ̂_k = √n_k δ_k, or h_j and δ_k alone.
        has_bias: whether the bias has a row.
        bend: factor of B.
        coupling: factor of G.
        is_propagated: whether tangents pass on to later layers, as they do off BC.
    """

    has_scales: bool = True
    has_bias: bool = True
    bend: int = 1
    coupling: int = 1
    is_propagated: bool = False


@dataclass(frozen=True)
class Network:
    """A feed-forward network with biases, and at times a skip from the first hidden layer to y.

    Blocks have 1 or 4 units, so that √n is whole.
    """

    widths: tuple[int, ...]
    has_skip: bool
    blocks: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def axes(self) -> list[str]:
        """Names of the axes, from x to y."""
        return ["x", *(f"h{k}" for k in range(1, len(self.widths) - 1)), "y"]

    def architecture(self) -> Architecture:
        """As a function."""
        last = len(self.widths) - 1
        parameters: dict[str, tuple[str, ...]] = {}
        for k in range(1, last + 1):
            parameters |= {f"W{k}": (self.axes[k - 1], self.axes[k]), f"b{k}": (self.axes[k],)}
        if self.has_skip:
            parameters["S"] = ("h1", "y")

        def forward(p: Mapping[str, Any], x: Any) -> Any:
            return self.signals(p, x, PHI)[0][-1]

        words = " with a skip" if self.has_skip else ""
        return Architecture(
            forward,
            dict(zip(self.axes, self.widths, strict=True)),
            parameters,
            name="-".join(map(str, self.widths)) + words,
        )

    def partition(self) -> Partition:
        """Of all axes."""
        sizes = dict(zip(self.axes, self.widths, strict=True))
        return make_partition(sizes, dict(zip(self.axes[1:-1], self.blocks, strict=True)))

    def signals(self, p: Mapping[str, Any], x: Any, phi: Activation) -> tuple[list[Any], list[Any]]:
        """The values h_0 … h_L, y, and the pre-activations."""
        h, z = [x], [None]
        last = len(self.widths) - 1
        for k in range(1, last + 1):
            z.append(h[k - 1] @ p[f"W{k}"] + p[f"b{k}"])
            h.append(phi(z[k]) if k < last else z[k])
        if self.has_skip:
            h[last] = h[last] + h[1] @ p["S"]
        return h, z


def _block_forms(
    network: Network,
    p: Mapping[str, Any],
    x: Any,
    adjoint: Any,
    vectors: tuple[Mapping[str, Any], Mapping[str, Any]],
    reading: Reading,
) -> Any:
    """Σ over blocks, their clones v and rows: n'ᵀ M_i n, from one forward and backward pass."""
    partition, axes = network.partition(), network.axes
    h, z = network.signals(p, x, PHI)
    slope_symbol = PHI.derivative_symbol()
    last = len(axes) - 1
    slope = [None, *(slope_symbol(z[k]) for k in range(1, last))]
    bend = [None, *(slope_symbol.derivative_symbol()(z[k]) for k in range(1, last))]
    delta: dict[int, Any] = {last: adjoint}
    d: dict[int, Any] = {}
    for k in range(last - 1, 0, -1):
        d[k] = delta[k + 1] @ p[f"W{k + 1}"].T
        if network.has_skip and k == 1:
            d[k] = d[k] + adjoint @ p["S"].T
        delta[k] = d[k] * slope[k]

    def hat(values: Any, axis: str) -> Any:
        """√n_j times the value of any unit of block j."""
        blocks = partition[axis].blocks
        first = np.take(values, [block[0] for block in blocks], axis=-1)
        return first * _roots(blocks) if reading.has_scales else first

    def rows(array: Any, axis: str, place: int) -> Any:
        """Orthonormal coordinates along 1_j/√n_j."""
        sums = partition[axis].block_sums(array, place)
        roots = _roots(partition[axis].blocks)
        return sums / (roots[:, None] if place == 0 else roots)

    def received(n: Mapping[str, Any]) -> list[Any]:
        """Tangents ζ_v, Σ_j ĥ_j α_j(v) and what earlier layers pass on."""
        found: list[Any] = [None]
        for k in range(1, last):
            zeta = hat(h[k - 1], axes[k - 1]) @ rows(n[f"W{k} in"], axes[k - 1], 0)
            if reading.has_bias:
                zeta = zeta + n[f"b{k} in"]
            if reading.is_propagated and k > 1:
                zeta = zeta + (slope[k - 1] * found[k - 1]) @ p[f"W{k}"]
            found.append(zeta)
        return found

    def sent(n: Mapping[str, Any], k: int) -> Any:
        """Σ_k δ̂_k β_k(v)."""
        target = axes[k + 1]
        found = hat(delta[k + 1], target) @ rows(n[f"W{k + 1} out"], target, 1).T
        if network.has_skip and k == 1:
            found = found + hat(adjoint, "y") @ rows(n["S out"], "y", 1).T
        return found

    one, other = (received(n) for n in vectors)
    form: Any = 0
    for k in range(1, last):
        inner = (d[k] * bend[k] * one[k] * other[k]).sum()
        crossed = (slope[k] * (one[k] * sent(vectors[1], k) + other[k] * sent(vectors[0], k))).sum()
        form = form + reading.bend * inner + reading.coupling * crossed
    return form


def _roots(blocks: tuple[tuple[int, ...], ...]) -> Any:
    return np.array([isqrt(len(block)) for block in blocks], dtype=object)


def _directions(
    builder: Builder, network: Network, name: str, pattern: Mapping[str, str]
) -> dict[str, Traced]:
    """A generic vector with one pattern in each parameter, 0 in those that are not named."""
    net, partition = network.architecture(), network.partition()
    axes = {p: tuple(partition[a] for a in own) for p, own in net.parameters.items()}
    allowed = {
        p: frozenset([pattern[p]]) if p in pattern else frozenset[str]() for p in net.parameters
    }
    space = ClonedManifold(name, axes, allowed)
    free = {
        key: record(builder, Input(f"{name}:{key}", shape))
        for key, shape in space.free_shapes.items()
    }
    return {p: as_traced(builder, a) for p, a in space.embed(free).items()}


def blocks_exactly(network: Network, reading: Reading, *, off: bool, seed: int) -> Identity:
    """Whether normal and mixed products are as read, at generic points of BC or of IE∩OE.

    J n = 0 too, so the adjoint may be held: the loss's second derivative does not enter.
    """
    net, partition = network.architecture(), network.partition()
    builder = Builder()
    manifold = equitable(net, partition) if off else block_constant(net, partition)
    point = {
        key: record(builder, Input(f"point:{key}", shape))
        for key, shape in manifold.free_shapes.items()
    }
    p = {name: as_traced(builder, a) for name, a in manifold.embed(point).items()}
    x = record(builder, Input("x", (1, network.widths[0])))
    adjoint = record(builder, Input("adjoint:y", (1, network.widths[-1])))
    matrices = [name for name, own in net.parameters.items() if len(own) == 2]
    into = dict.fromkeys(matrices, "CZ") | {
        name: "Z" for name in net.parameters if name not in matrices
    }
    vectors = []
    for name in ("first", "second"):
        incoming = _directions(builder, network, f"{name} in", into)
        outgoing = _directions(builder, network, f"{name} out", dict.fromkeys(matrices, "ZC"))
        vectors.append(
            {f"{q} in": a for q, a in incoming.items()}
            | {f"{q} out": a for q, a in outgoing.items()}
            | {q: incoming[q] + outgoing[q] for q in net.parameters}
        )
    mixed = _directions(builder, network, "mixed", dict.fromkeys(matrices, "ZZ"))
    forward = net.graph()
    second = pushforward(gradient(forward), wrt=net.parameters)
    given = {**p, "x": x, "adjoint:y": adjoint}

    def moved(v: Mapping[str, Traced]) -> dict[str, Traced]:
        tangents = {f"tangent:{q}": v[q] for q in net.parameters}
        return substitute(builder, second, {**given, **tangents})

    bent = moved(vectors[0])
    product = total(
        builder, [(bent[f"tangent:grad:{q}"] * vectors[1][q]).sum() for q in net.parameters]
    )
    still = moved(mixed)
    anywhere = {
        q: record(builder, Input(f"any:{q}", shape)) for q, shape in net.parameter_shapes.items()
    }
    residuals = {
        "n' H n - blocks": product
        - _block_forms(network, p, x, adjoint, (vectors[0], vectors[1]), reading),
        "H m": total(
            builder, [(still[f"tangent:grad:{q}"] * anywhere[q]).sum() for q in net.parameters]
        ),
        "J n": (bent["tangent:y"] * adjoint).sum(),
        "J m": (still["tangent:y"] * adjoint).sum(),
    }
    graph = builder.finish({name: as_traced(builder, a).number for name, a in residuals.items()})
    return vanishes(graph, bits=62, seed=seed)
