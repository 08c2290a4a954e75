"""N4: perturbations of outgoing weights that change nothing, so no strict stability.

The check is about the function itself, not about its second derivatives: at an arbitrary point of
IE, with arbitrary φ, the outputs at θ + p are compared with those at θ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy

from theory.activation import activation
from theory.architecture import Architecture
from theory.invariance.parametrisation import parametrise
from theory.manifold import Manifold, incoming_equitable
from theory.outcome import Outcome, conjoined
from theory.partition import Partition, make_partition
from theory.proof_step import Step
from theory.stability.adapted_basis import zero_sums
from theory.stability.identity import Equation, compare
from theory.symbolic.forward import Array, forward_values
from theory.symbolic.functions import applied
from theory.symbolic.naming import entries
from theory.theorem import Theorem
from theory.zoo import mlp


def unchanged(
    architecture: Architecture,
    partition: Partition,
    axis: str,
    *,
    point: Manifold | None = None,
    shape: str = "zero sums of sources",
) -> Outcome:
    """Is y(θ + p) = y(θ) for all perturbations p of the weights that leave an axis?

    Args:
        architecture: a small network of units, every weight a matrix (source, target).
        partition: blocks of clones.
        axis: whose outgoing weights are perturbed.
        point: where θ lies, by default IE.
        shape: of p: ``zero sums of sources`` in every block for each target, ``zero sums of
            targets`` for each source, or ``arbitrary``.

    >>> net = mlp([1, 2, 1])
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1]]})
    >>> unchanged(net, clones, "h1").verdict
    'proved'
    >>> unchanged(net, clones, "h1", shape="arbitrary").verdict
    'refuted'
    """
    manifold = incoming_equitable(architecture, partition) if point is None else point
    theta = parametrise(manifold).theta
    moved = dict(theta)
    for p, axes in architecture.parameters.items():
        if len(axes) == 2 and axes[0] == axis:
            change = _perturbation(p, [partition[a].blocks for a in axes], theta[p].shape, shape)
            moved[p] = theta[p] + change
    x = entries("x", "", (1, *architecture.input_shape), sample=True)
    outputs = [_outputs(architecture, values, x) for values in (theta, moved)]
    pairs = enumerate(zip(*(y.flat for y in outputs), strict=True), start=1)
    return compare(
        [Equation(rf"y_{{{k}}}(\theta) = y_{{{k}}}(\theta + p)", a, b) for k, (a, b) in pairs]
    )


def _outputs(architecture: Architecture, theta: Mapping[str, Array], x: Array) -> Array:
    graph = architecture.graph(1)
    return forward_values(graph, {**theta, "x": x}, applied)[graph.outputs["y"]]


def _perturbation(
    p: str, blocks: list[tuple[tuple[int, ...], ...]], shape: tuple[int, ...], kind: str
) -> Array:
    letters = entries(rf"p_{{{p}}}", "", shape)
    if kind == "arbitrary":
        return letters
    along = 0 if kind == "zero sums of sources" else 1
    change: Any = np.full(shape, sympy.Integer(0), dtype=object)
    for other in range(shape[1 - along]):
        for block in blocks[along]:
            for k, vector in enumerate(zero_sums(len(block)), start=1):
                place = (block[k], other) if along == 0 else (other, block[k])
                for unit, c in zip(block, vector, strict=True):
                    index = (unit, other) if along == 0 else (other, unit)
                    change[index] += c * letters[place]
    return np.asarray(change)


def skip_network() -> Architecture:
    """Inputs, first and second hidden layer all reach the output."""

    def forward(p: dict[str, Any], x: Any) -> Any:
        h1 = activation("phi")(x @ p["W1"] + p["b1"])
        h2 = activation("psi")(h1 @ p["W2"] + x @ p["U"])
        return h1 @ p["V"] + h2 @ p["W3"] + x @ p["T"]

    axes = {"W1": ("x", "h1"), "b1": ("h1",), "W2": ("h1", "h2"), "U": ("x", "h2")}
    axes |= {"V": ("h1", "y"), "W3": ("h2", "y"), "T": ("x", "y")}
    return Architecture(forward, {"x": 1, "h1": 3, "h2": 2, "y": 1}, axes, name="skip:1-3-2-1")


def _networks() -> Outcome:
    pairs = {"h1": [[0, 1, 2]], "h2": [[0, 1]]}
    shallow, deep, skip = mlp([1, 3, 2]), mlp([1, 3, 3, 1]), skip_network()
    found = [unchanged(shallow, make_partition(shallow.sizes, {"h1": [[0, 1]]}), "h1")]
    for network in (deep, skip):
        partition = make_partition(network.sizes, pairs)
        found += [unchanged(network, partition, axis) for axis in pairs]
    return conjoined(found)


EMPTINESS = Theorem(
    "N4",
    "the strict categories are empty",
    r"At every point of $IE$, perturbations $p$ of outgoing weights with $\sum_{u\in S_i} p_{uv} = "
    r"0$ for all $v$ leave the function exactly unchanged. So without regularisation no manifold "
    r"with a block of at least two clones is strictly stable or strictly unstable.",
    (
        r"$\theta \in IE$, $\varphi$ arbitrary, any loss and data",
        "some block of at least two clones has targets",
        "for the conclusion on categories: complete pairs, so that $p$ can be chosen normal",
    ),
    (
        Step(
            r"On $IE$ clones have equal values, $h_u = h_i$ for $u \in S_i$ (P3).",
        ),
        Step(
            r"So a target's pre-activation does not see $p$, and no later value does:",
            (
                r"\textstyle\sum_{u\in S_i} (w_{uv} + p_{uv}) h_u = "
                r"\sum_{u\in S_i} w_{uv} h_u + h_i \sum_{u\in S_i} p_{uv} = "
                r"\sum_{u\in S_i} w_{uv} h_u",
                r"y(\theta + p; x) = y(\theta; x)",
            ),
            _networks,
            r"MLPs 1-3-2, 1-3-3-1 and a network with skips, arbitrary $\varphi, \psi$, all of $IE$",
        ),
        Step(
            r"Hence the loss is constant along $\theta + tp$, and every derivative along $p$ is 0.",
            (r"p^\top \nabla^2 L(\theta)\, p = \tfrac{d^2}{dt^2} L(\theta + tp) = 0",),
        ),
        Step(
            r"With $\sum_v c_v = 0$ and a block $S_k$ of targets, $p = c \otimes 1_{S_k}$ is such "
            r"a perturbation and normal to $IE\cap OE$, so the Hessian is neither positive nor "
            r"negative definite on the normal space.",
        ),
        Step(
            r"By the inertia of the blocks (N3b) a point of $BC$ is normally semi-stable exactly "
            r"if all $G_i = 0$ and all $B_i \succeq 0$.",
        ),
    ),
    "P8 leaves it open; new",
)
