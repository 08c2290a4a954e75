"""Widening a trained network, with a receipt for what it keeps (P5, E8).

A wider network may have equal clones and yet compute another function: a mean over blocks of
unequal sizes weighs the units differently, a softmax over clones sums them, a score over a wider
head grows. So equality among clones and parity with the base are separate questions, and
:func:`clone` answers the second one with a :class:`ParityReceipt`: exactly, for all parameters and
data at once, and by numbers for the parameters at hand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import index
from typing import Any, Literal

import numpy as np

from numerics.evaluate import Evaluator
from numerics.generic import num_samples
from numerics.identity import Identity
from numerics.parity import base_gradient_scales, prove_parity
from numerics.systems.float64 import Float64
from numerics.systems.system import Array
from theory.architecture import Architecture
from theory.axes import axis_names
from theory.backprop import gradient
from theory.errors import ArchitectureError, ManifoldError, PartitionError
from theory.html_table import html_table
from theory.manifold import ClonedManifold, equitable
from theory.manifold.base import leading_shape
from theory.partition import AxisPartition, Partition, make_partition
from theory.widening import Scales, widen

ROUNDING = 2.0**-40
"""Relative difference below which two float64 evaluations count as equal but for rounding."""


@dataclass(frozen=True)
class ParityReceipt:
    """What a widening keeps of its base network.

    Attributes:
        exact: the identity "equal outputs, and gradients up to the known factors" over all base
            parameters, all leaves, all data and adjoints.
        outputs: largest difference of outputs at the given parameters on random data, relative to
            the largest output.
        gradients: the same for the gradient of every parameter, against the base's times its
            known factor, relative to the largest entry of all.
    """

    exact: Identity
    outputs: float
    gradients: Mapping[str, float]

    @property
    def verdict(self) -> Literal["proved", "observed", "refuted", "undefined"]:
        """``proved`` for all parameters; ``observed`` at these, to rounding; or refuted.

        ``undefined`` if nothing is proved and some numbers are not finite: 0/0, an overflow.
        """
        if self.exact.verdict == "holds":
            return "proved"
        differences = [self.outputs, *self.gradients.values()]
        if not np.isfinite(differences).all():
            return "undefined"
        return "observed" if max(differences) <= ROUNDING else "refuted"

    def __str__(self) -> str:
        worst = max(self.gradients.values())
        numbers = f"outputs differ by {self.outputs:.1e}, gradients by {worst:.1e}"
        match self.verdict:
            case "proved":
                bits = int(self.exact.bound.bits)
                return f"parity proved with error ≤ 2^-{bits} for all parameters; here {numbers}"
            case "observed":
                return f"parity observed at these parameters alone: {numbers}"
            case "undefined":
                return "parity undefined: outputs or gradients have no finite values here"
            case _:
                return f"no parity: {numbers}; it fails in {', '.join(self.exact.failing)}"

    def _repr_html_(self) -> str:
        rows = [("outputs", f"{self.outputs:.1e}")]
        rows += [(f"∂ℓ/∂{p}", f"{error:.1e}") for p, error in self.gradients.items()]
        return html_table(str(self), ("relative difference", ""), rows, len(rows))


@dataclass(frozen=True)
class Clone:
    """A widened network.

    Attributes:
        architecture: with the wider axes.
        parameters: of the wide network; leading axes of the base's are kept.
        manifold: IE∩OE of the partition, on which the parameters lie.
        receipt: what is kept of the base network.
    """

    architecture: Architecture
    parameters: dict[str, Array]
    manifold: ClonedManifold
    receipt: ParityReceipt

    def _repr_html_(self) -> str:
        return str(self.architecture._repr_html_()) + self.receipt._repr_html_()


def clone(
    architecture: Architecture,
    parameters: Mapping[str, Array],
    partition: Mapping[str, AxisPartition | Sequence[Sequence[int]]],
    *,
    leaf: int | None = None,
    scales: Scales | None = None,
    bits: float = 60,
    seed: int = 0,
) -> Clone:
    """Widen a network by clones: block k of a partitioned axis stands for unit k of the base.

    The block-constant widening divides weights by the number of *source* clones, w_uv = w̃_ij / n_i
    (E5d). Blocks need not be contiguous or equally large.

    Args:
        architecture: the base. Its forward function reads all lengths off its arrays, so that it
            computes the wider network too.
        parameters: of the base, shape ``(*lead, *shape)``.
        partition: of the wider axes; axes left out stay as they are. Blocks may be lists, such as
            ``[[0, 4], [2, 3]]``, where units left out stand alone.
        leaf: a seed, to move to a random leaf of IE∩OE by zero-sum parts as large as the weights.
        scales: further factors of parameters, arrays that broadcast against the base's. Heads
            that are widened inside need rescaled queries
            (:func:`theory.widening.query_scales`).
        bits: the exact receipt's error is at most 2^-bits.
        seed: of the exact receipt and of the data for the numbers.

    Raises:
        ManifoldError: if an axis of the partition is unknown or one of the data or outputs, or
            does not have one block for each unit of the base.
        PartitionError: if lists are no blocks of an axis.
        ArchitectureError: if a parameter is missing or no array of numbers, or the forward
            function does not follow the wider axes.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> base = mlp([2, 2, 1], "tanh")
    >>> weights = {p: np.ones(shape) for p, shape in base.parameter_shapes.items()}
    >>> blocks = make_partition({"h1": 5}, {"h1": [[0, 3, 4], [1, 2]]})
    >>> wide = clone(base, weights, blocks)
    >>> wide.architecture.sizes["h1"], wide.receipt.verdict
    (5, 'proved')
    """
    wide, blocks = _widened(
        architecture, {axis: _blocks(axis, given) for axis, given in partition.items()}
    )
    parameters = {p: _array(p, parameters) for p in architecture.parameters}
    manifold = equitable(wide, blocks)
    point = widen(wide, blocks, parameters, scales)
    if leaf is not None:
        rng = np.random.default_rng(leaf)
        lead = leading_shape(parameters, architecture.parameter_shapes, architecture.name)
        mixed = {
            name: rng.normal(size=(*lead, *shape))
            if "Z" in name.rpartition(":")[2]
            else np.zeros(shape)
            for name, shape in manifold.free_shapes.items()
        }
        offset = manifold.embed(mixed)
        point = {p: w + np.std(w) * offset[p] for p, w in point.items()}
    exact = prove_parity(architecture, wide, blocks, scales=scales, bits=bits, seed=seed)
    outputs, gradients = _differences(architecture, parameters, wide, point, blocks, scales, seed)
    return Clone(wide, point, manifold, ParityReceipt(exact, outputs, gradients))


def _blocks(axis: str, given: AxisPartition | Sequence[Sequence[int]]) -> AxisPartition:
    """Blocks in the order of the base's units.

    Lists in the order of their first units may omit singletons, for these have one place.
    """
    if isinstance(given, AxisPartition):
        return given
    try:
        lists = [sorted(map(index, block)) for block in given]
    except TypeError:
        raise PartitionError(
            f"axis {axis!r}: {given!r:.60}: expected an AxisPartition or blocks like [[0, 4], [1]]"
        ) from None
    size = max((unit for block in lists for unit in block), default=-1) + 1
    if lists == sorted(lists):
        return make_partition({axis: size}, {axis: lists})[axis]
    try:
        return AxisPartition(size, tuple(map(tuple, lists)))
    except PartitionError as error:
        raise PartitionError(f"axis {axis!r}: {error}") from None


def _array(name: str, parameters: Mapping[str, Any]) -> Array:
    if name not in parameters:
        raise ArchitectureError(
            f"parameters: {name!r} is missing; there are {', '.join(parameters) or 'none'}"
        )
    try:
        array = np.asarray(parameters[name])
    except ValueError as error:
        raise ArchitectureError(f"parameters[{name!r}]: {error}") from None
    if array.dtype.kind not in "iufO":
        raise ArchitectureError(
            f"parameters[{name!r}] holds {array.dtype}, expected an array of real numbers"
        )
    return array


def _widened(
    base: Architecture, partition: Mapping[str, AxisPartition]
) -> tuple[Architecture, Partition]:
    for axis, blocks in partition.items():
        if axis not in base.sizes:
            known = ", ".join(base.sizes)
            raise ManifoldError(f"partition: unknown axis {axis!r}; the axes are {known}")
        if base.sizes[axis] != blocks.num_blocks:
            raise ManifoldError(
                f"axis {axis!r}: the base has {base.sizes[axis]} units, the partition "
                f"{blocks.num_blocks} blocks; block k stands for unit k"
            )
    graph = base.graph()
    outputs = axis_names(graph, base.declared_axes)[graph.outputs["y"]]
    for axis, blocks in partition.items():
        if blocks.size > blocks.num_blocks and axis in (*base.inputs, *outputs):
            raise ManifoldError(f"axis {axis!r}: inputs and outputs have no clones")
    sizes = {
        axis: partition[axis].size if axis in partition else n for axis, n in base.sizes.items()
    }
    wide = replace(base, sizes=sizes, name=f"{base.name}, widened")
    return wide, {**make_partition(sizes, {}), **partition}


def _differences(
    base: Architecture,
    parameters: Mapping[str, Array],
    wide: Architecture,
    point: Mapping[str, Array],
    partition: Partition,
    scales: Scales | None,
    seed: int,
) -> tuple[float, dict[str, float]]:
    """Relative differences in float64 on a few random samples."""
    rng = np.random.default_rng(seed)
    batch = num_samples(base) + 1
    lead = len(leading_shape(parameters, base.parameter_shapes, base.name))
    data = {
        "x": rng.normal(size=(batch, *base.input_shape)),
        "adjoint:y": rng.normal(size=(batch, *base.output_shape)),
    }
    narrow, broad = (
        Evaluator(gradient(net.graph(batch)), Float64(), lead)({**theta, **data})
        for net, theta in ((base, parameters), (wide, point))
    )
    factors = base_gradient_scales(wide, partition, scales)
    expected = {}
    for p, axes in wide.parameters.items():
        expected[p] = narrow[f"grad:{p}"] * factors[p].astype(np.float64)
        for k, axis in enumerate(axes):
            expected[p] = partition[axis].expand(expected[p], k - len(axes))
    largest = max(_largest(slope) for slope in expected.values()) or 1.0
    gradients = {p: _largest(broad[f"grad:{p}"] - g) / largest for p, g in expected.items()}
    return _largest(broad["y"] - narrow["y"]) / (_largest(narrow["y"]) or 1.0), gradients


def _largest(values: Array) -> float:
    return float(np.abs(values).max())
