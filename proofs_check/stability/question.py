"""Where ``lop stability`` looks: a network, its clones, a block-constant point, data and a loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf, nan, prod
from pathlib import Path
from typing import Any

import numpy as np

from numerics.losses import CROSS_ENTROPY, MSE, Loss
from numerics.systems.system import Array
from numerics.tasks import Task, digits
from numerics.train import initial_parameters
from proofs_check.errors import ArraysError, OptionError
from proofs_check.files import read_arrays
from proofs_check.question import Conditions, function_symbols, make_conditions
from theory.architecture import Architecture
from theory.partition import AxisPartition, Partition
from theory.quotient import quotient
from theory.widening import widen

LOSSES: Mapping[str, Loss] = {loss.name: loss for loss in (MSE, CROSS_ENTROPY)}
RANDOM_SAMPLES = 32
RANDOM_NUMBERS = 10**7
SIZES = 1e-100, 1e100  # of numbers other than 0


@dataclass(frozen=True)
class StabilityQuestion:
    """A point at which the transverse spectrum is asked for.

    Attributes:
        architecture: the network.
        partition: its blocks of clones.
        parameters: float64 arrays; block-constant but for rounding.
        where: how the point was chosen, in words.
        task: the data.
        loss: the loss.
        decay: λ ≥ 0, of every parameter.
        rate: η of a discrete method, or ``None`` for the flow.
        momentum: β of the heavy ball, or 0.
        conditions: what the options said.
    """

    architecture: Architecture
    partition: Partition
    parameters: Mapping[str, Array]
    where: str
    task: Task
    loss: Loss
    decay: Fraction
    rate: Fraction | None
    momentum: Fraction
    conditions: tuple[str, ...]


def make_stability_question(
    architecture: Architecture,
    clones: Sequence[str],
    *,
    data: str = "random",
    samples: int | None = None,
    parameters: str | None = None,
    loss: str = "mse",
    decay: str = "0",
    rate: str | None = None,
    momentum: str | None = None,
    seed: int = 0,
) -> StabilityQuestion:
    """The question that the options of ``lop stability`` ask.

    Args:
        architecture: the network, of functions that have values.
        clones: ``h=0,1/2,3``, one axis each, at least one pair of clones in all.
        data: ``random``, ``digits`` or the name of a file with arrays x and y.
        samples: the first so many samples alone; of random data, so many.
        parameters: a file of arrays by name; by default random ones on BC.
        loss: ``mse`` or ``cross-entropy``.
        decay: λ as a decimal or a fraction.
        rate: η.
        momentum: β.
        seed: of random data and parameters.

    Raises:
        OptionError: if an option is malformed or out of its range.
        ArraysError: if data or parameters cannot be read or do not fit the network.
        PartitionError: if blocks overlap, leave their axis, or the axis is unknown.
        ManifoldError: if the network has no such clones.

    >>> from theory.zoo import from_name
    >>> asked = make_stability_question(from_name("mlp:3-4-2:tanh"), ["h1=0,1"], decay="1/10")
    >>> asked.decay, asked.task.x.shape, asked.parameters["W1"].shape
    (Fraction(1, 10), (32, 3), (3, 4))
    """
    if not clones:
        raise OptionError("nothing to ask: give clones, --clone h=0,1/2,3")
    if loss not in LOSSES:
        raise OptionError(f"--loss {loss!r}: there are {', '.join(LOSSES)}")
    strength = _number("--weight-decay", decay)
    if strength < 0:
        raise OptionError(f"--weight-decay {decay}: a strength λ is a number >= 0")
    eta = None if rate is None else _number("--rate", rate)
    if eta is not None and eta <= 0:
        raise OptionError(f"--rate {rate}: a step size η is a number > 0")
    beta = Fraction(0) if momentum is None else _number("--momentum", momentum)
    if not 0 <= beta < 1:
        raise OptionError(f"--momentum {momentum}: momentum β is in [0, 1)")
    if momentum is not None and eta is None:
        raise OptionError("--momentum: it is of a discrete method: give --rate too")
    if samples is not None and samples < 1:
        raise OptionError(f"--samples {samples}: at least one sample")
    conditions = make_conditions(architecture, clones)
    if not any(axis.num_mixed for axis in conditions.partition.values()):
        raise OptionError(
            f"--clone {' '.join(clones)}: no two units are clones; a block has two or more"
        )
    if arbitrary := sorted(n for n, known in function_symbols(architecture).items() if not known):
        raise OptionError(
            f"{architecture.name} holds {arbitrary[0]}, which stands for any function, so it has "
            "no values: name one, as in mlp:3-4-4-2:tanh"
        )
    if len(architecture.output_shape) != 1:
        raise OptionError(
            f"{architecture.name}: outputs of shape {architecture.output_shape}: losses are for "
            "one axis of outputs a sample"
        )
    task = _task(architecture, data, samples, LOSSES[loss], seed)
    if parameters is None:
        theta = widen(architecture, conditions.partition, _base(architecture, conditions, seed))
        where = f"random weights of the quotient, seed {seed}, widened onto BC"
    else:
        theta = _read_parameters(architecture, parameters)
        where = f"the weights in {parameters}"
    return StabilityQuestion(
        architecture,
        conditions.partition,
        {p: np.asarray(theta[p], dtype=np.float64) for p in architecture.parameters},
        where,
        task,
        LOSSES[loss],
        strength,
        eta,
        beta,
        conditions.words,
    )


def _base(architecture: Architecture, conditions: Conditions, seed: int) -> dict[str, Array]:
    """Random weights of the base network; biases and gains too, for at 0 much vanishes."""
    base = quotient(architecture, conditions.partition).base
    rng = np.random.default_rng((seed, 2))
    found = initial_parameters(base, seed)
    return {p: w if w.any() else rng.normal(size=w.shape) / 2 for p, w in found.items()}


def first_clones(
    architecture: Architecture, partition: Mapping[str, AxisPartition], theta: Mapping[str, Array]
) -> dict[str, Array]:
    """The block-constant parameters in which every entry is that of the first clones.

    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([1, 2, 1], bias=False)
    >>> clones = make_partition(net.sizes, {"h1": [[0, 1]]})
    >>> given = {"W1": np.array([[1.0, 1.1]]), "W2": np.array([[3.0], [3.0]])}
    >>> first_clones(net, clones, given)["W1"]
    array([[1., 1.]])
    """
    found = {}
    for p, names in architecture.parameters.items():
        values = theta[p]
        for k, axis in enumerate(names):
            blocks = partition[axis].blocks
            values = np.take(values, [blocks[i][0] for i in partition[axis].block_of], axis=k)
        found[p] = values
    return found


def _number(option: str, text: str) -> Fraction:
    try:
        size = abs(float(Fraction(text) if "/" in text else text))  # 1e999999999 has no short time
    except OverflowError:
        size = inf
    except (ValueError, ZeroDivisionError):
        size = nan
    if size and not SIZES[0] <= size <= SIZES[1]:
        raise OptionError(
            f"{option} {text!r}: expected a number like 0.01, 1e-3 or 1/100, 0 or between "
            f"{SIZES[0]:g} and {SIZES[1]:g} in modulus"
        )
    return Fraction(text) if size else Fraction(0)


def _task(
    architecture: Architecture, data: str, samples: int | None, loss: Loss, seed: int
) -> Task:
    shape, outputs = architecture.input_shape, architecture.output_shape
    if data == "random":
        rng = np.random.default_rng((seed, 1))
        count = RANDOM_SAMPLES if samples is None else samples
        if count * prod(shape) > RANDOM_NUMBERS:
            raise OptionError(
                f"--samples {samples}: {count * prod(shape):,} numbers; random data have at most "
                f"{RANDOM_NUMBERS:,}"
            )
        x = rng.normal(size=(count, *shape))
        if loss is CROSS_ENTROPY:
            y = np.eye(outputs[0])[rng.integers(outputs[0], size=count)]
        else:
            y = rng.normal(size=(count, *outputs))
        return Task(f"{count} random samples, seed {seed}", x, y)
    if data == "digits":
        task = digits()
        if prod(shape) != task.x.shape[1] or outputs != task.y.shape[1:]:
            raise ArraysError(
                f"--data digits: 64 inputs and 10 outputs, but {architecture.name} has inputs of "
                f"shape {shape} and outputs of shape {outputs}"
            )
        x, y, name = task.x.reshape(-1, *shape), task.y, "handwritten digits"
    elif Path(data).suffix == ".npz":
        x, y = _read_data(data, loss, outputs)
        name = data
    else:
        raise OptionError(f"--data {data!r}: random, digits, or a file of numpy.savez, data.npz")
    if x.shape[1:] != shape or y.shape != (len(x), *outputs) or not len(x):
        raise ArraysError(
            f"--data {data}: x has shape {x.shape} and y {y.shape}; {architecture.name} needs "
            f"{('samples', *shape)} and {('samples', *outputs)}".replace("'", "")
        )
    if loss is CROSS_ENTROPY and ((y < 0).any() or not np.allclose(y.sum(axis=1), 1)):
        raise ArraysError(
            f"--data {data}: the targets of cross-entropy are distributions over the classes, or "
            "one class number a sample"
        )
    if samples is not None and samples > len(x):
        raise OptionError(f"--samples {samples}: the data have {len(x)}")
    count = len(x) if samples is None else samples
    return Task(
        f"{'' if count == len(x) else 'the first '}{count} samples of {name}", x[:count], y[:count]
    )


def _read_data(file: str, loss: Loss, outputs: tuple[int, ...]) -> tuple[Array, Array]:
    arrays = read_arrays(file)
    for name in ("x", "y"):
        if name not in arrays:
            there = ", ".join(arrays) or "none"
            raise ArraysError(f"{file}: the array {name!r} is missing; there are {there}")
        if not np.isfinite(arrays[name]).all():
            raise ArraysError(f"{file}: {name!r} is not finite")
    x, y = arrays["x"].astype(np.float64), arrays["y"]
    if loss is CROSS_ENTROPY and y.ndim == 1 and y.dtype.kind in "iu":
        if ((y < 0) | (y >= outputs[0])).any():
            raise ArraysError(f"{file}: classes in y are 0..{outputs[0] - 1}")
        return x, np.eye(outputs[0])[y]
    return x, y.astype(np.float64)


def _read_parameters(architecture: Architecture, file: str) -> dict[str, Any]:
    arrays = read_arrays(file)
    shapes = architecture.parameter_shapes
    for p, shape in shapes.items():
        if p not in arrays:
            there = ", ".join(arrays) or "none"
            raise ArraysError(f"{file}: the parameter {p!r} is missing; there are {there}")
        if arrays[p].shape != shape:
            raise ArraysError(
                f"{file}: {p!r} has shape {arrays[p].shape}, the parameter has {shape}"
            )
        if not np.isfinite(arrays[p]).all():
            raise ArraysError(f"{file}: {p!r} is not finite")
    if unknown := sorted(set(arrays) - set(shapes)):
        raise ArraysError(f"{file}: {unknown[0]!r} is no parameter; there are {', '.join(shapes)}")
    return arrays
