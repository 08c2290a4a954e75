"""The transverse spectrum of a cloned network at a block-constant point (N3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numerics.evaluate import Evaluator
from numerics.losses import Loss
from numerics.spectrum.adjoint import output_adjoint
from numerics.spectrum.block import TransverseBlock
from numerics.spectrum.exchange import linked_sites
from numerics.spectrum.normal_space import normal_components
from numerics.spectrum.point import check_block_constant
from numerics.spectrum.probing import probed_blocks
from numerics.systems.float64 import Float64
from numerics.systems.system import NumberSystem
from numerics.tasks import Task
from theory.architecture import Architecture
from theory.partition import Partition


def transverse_blocks(
    architecture: Architecture,
    partition: Partition,
    parameters: Mapping[str, Any],
    task: Task,
    loss: Loss,
    *,
    system: NumberSystem | None = None,
    seed: int = 0,
) -> tuple[TransverseBlock, ...]:
    """The Hessian of the loss on the normal space of IE∩OE at a block-constant point, by blocks.

    One block M_i for each block S_i of clones, which the Hessian repeats n_i - 1 times (N3). The
    mixed directions, zero-sum on source and target axes at once, are exactly null and in no block.

    Args:
        architecture: the network.
        partition: its blocks of clones.
        parameters: a block-constant point; leading axes run over an ensemble.
        task: the data.
        loss: of which only the output adjoint enters (N0).
        system: the numbers to compute in, float64 by default; rational numbers are exact.
        seed: of the test that clones may be exchanged.

    Raises:
        SpectrumError: if the point is not block-constant, the units of an axis are not
            exchangeable, or the partition has mirrored clones or zero units.
        GraphError: if source and target of a parameter are ambiguous.
        ShapeError: if an array is missing or does not fit.
        ValueSystemError: if a number or a function symbol has no value in the system.

    >>> import numpy as np
    >>> from numerics.losses import MSE
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], "tanh", bias=False)  # y = w1 v1 + w2 v2 near 0
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1]]})
    >>> one = Task("one", np.array([[1.0]]), np.array([[1.0]]))
    >>> (block,) = transverse_blocks(net, clones, {"W1": [[0, 0]], "W2": [[0], [0]]}, one, MSE)
    >>> block.units, block.multiplicity, block.eigenvalues()
    ((0, 1), 1, array([-1.,  1.]))
    """
    numbers = Float64() if system is None else system
    components = normal_components(architecture, partition)
    links = linked_sites(architecture, partition, components, seed)
    if len(links.classes) < len(links.heads()):
        components = normal_components(architecture, partition, links.heads())
    theta = {p: numbers.array(parameters[p]) for p in architecture.parameters}
    check_block_constant(architecture, partition, theta, numbers)
    lead = max(theta[p].ndim - len(axes) for p, axes in architecture.parameters.items())
    given = {**theta, "x": numbers.array(task.x)}
    y = Evaluator(architecture.graph(len(task.x)), numbers, lead=lead)(given)["y"]
    adjoint = output_adjoint(loss, y, numbers.array(task.y), numbers)
    return probed_blocks(architecture, components, {**given, "adjoint:y": adjoint}, numbers)
