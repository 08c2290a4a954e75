"""How far training in floating point leaves the sets that exact steps keep (E7).

One ensemble of four networks is trained on the same mini-batches: one from IE∩OE off BC, one from
BC, one with a dead unit, one with a zero unit. What is measured is relative: the part of the step
from the start that is normal to the leaf, the normal part of the parameters for IE∩OE and BC, the
largest move of a parameter into the dead unit, the largest parameter of the zero unit.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from numerics.losses import MSE
from numerics.steps.invariance import Kind, Start
from numerics.systems.system import Array
from numerics.tasks import Task
from numerics.train import Weights, initial_parameters, initial_state, train
from theory.architecture import Architecture
from theory.manifold import block_constant, equitable
from theory.optimizer import Optimizer
from theory.partition import AxisPartition, make_partition
from theory.zoo import mlp
from theory.zoo.masked import masked_mlp

SAMPLES, BATCH, SPREAD = 64, 8, 4
DEAD, ZERO = 0, 4  # of the first layer, in the third network and in the fourth
DROPPED = 0.2  # of all hidden units


def network() -> tuple[Architecture, dict[str, AxisPartition]]:
    """An MLP 4-7-6-2 with ReLU, and blocks of three and two clones.

    >>> network()[0].num_parameters
    97
    """
    net = mlp([4, 7, 6, 2], "relu")
    return net, make_partition(net.sizes, {"h1": [[1, 3, 5], [2, 6]], "h2": [[0, 2, 4], [1, 5]]})


def task() -> Task:
    """Random inputs in [-1, 1] and the outputs of a random network of other widths."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(SAMPLES, 4))
    return Task("teacher", x, np.tanh(x @ rng.normal(size=(4, 9))) @ rng.normal(size=(9, 2)))


def masked_task(steps: int, seed: int) -> Task:
    """The data of :func:`task` again and again, each time with fresh masks."""
    data, rng = task(), np.random.default_rng((seed, 3))
    chosen = rng.integers(SAMPLES, size=steps * BATCH)
    hidden = sum(n for axis, n in network()[0].sizes.items() if axis.startswith("h"))
    masks = (rng.random((steps * BATCH, hidden)) >= DROPPED) / (1 - DROPPED)
    return Task("teacher", np.concatenate([data.x[chosen], masks], axis=1), data.y[chosen])


def starts(seed: int) -> Weights:
    """The four networks, stacked along a leading axis."""
    net, clones = network()
    drawn = initial_parameters(net, seed, ensemble=(SPREAD,))
    for w in drawn.values():  # biases are drawn as 0
        w += 0.1 * np.sin(np.arange(w[0].size)).reshape(w[0].shape)
    constant = block_constant(net, clones).project(drawn)
    found = equitable(net, clones).project(drawn)
    for p in found:
        found[p][1] = constant[p][1]
        found[p][2:] = drawn[p][2:]
    # inputs are bounded by 1, so the bias settles the sign of the pre-activation
    found["b1"][2, DEAD] = -1.0 - np.abs(found["W1"][2, :, DEAD]).sum()
    for entries in _of_zero_unit(found):
        entries[...] = 0
    return found


def _of_zero_unit(parameters: Weights) -> tuple[Array, ...]:
    own = _member(parameters, 3)
    return own["W1"][..., ZERO], own["b1"][..., ZERO], own["W2"][..., ZERO, :]


def float_drift(
    optimizer: Optimizer,
    start: Start = "tied",
    *,
    steps: int = 1000,
    seed: int = 0,
    is_masked: bool = False,
) -> dict[Kind, float]:
    """Relative distances from the five sets after training from points of them.

    Args:
        optimizer: by which rule.
        start: of the state; see :mod:`numerics.steps.invariance`.
        steps: number of mini-batches.
        seed: of weights, order and noise.
        is_masked: whether hidden units are dropped, with fresh masks for each sample of each step.

    Raises:
        ValueSystemError: if training diverges.

    >>> from theory.optimizer import sgd
    >>> max(float_drift(sgd(), steps=10).values()) < 1e-12
    True
    """
    net, clones = network()
    before = starts(seed)
    state = initial_state(optimizer, before, lead=1)
    for name, value in _untied(optimizer, start, seed).items():
        state[name] = state[name] + value
    trained = masked_mlp(tuple(net.sizes.values()), "relu") if is_masked else net
    data = masked_task(steps, seed) if is_masked else task()
    run = train(
        *(trained, optimizer, MSE, before, data),
        steps=steps,
        batch_size=BATCH,
        seed=seed,
        state=state,
    )
    after = run.parameters
    constant, flat = block_constant(net, clones), equitable(net, clones)
    step = {p: after[p] - before[p] for p in after}
    into = max(float(np.abs(step[p][2][..., DEAD]).max()) for p in ("W1", "b1"))
    return {
        "leaf": _share(constant.normal_part(_member(step, 0)), _member(step, 0)),
        "equitable": _share(flat.normal_part(_member(after, 0)), _member(after, 0)),
        "constant": _share(constant.normal_part(_member(after, 1)), _member(after, 1)),
        "frozen": into,
        "zero": max(float(np.abs(entries).max()) for entries in _of_zero_unit(after)),
    }


def _untied(optimizer: Optimizer, start: Start, seed: int) -> Weights:
    """What is added to the state so that it starts untied."""
    net, clones = network()
    rng = np.random.default_rng((seed, 2))
    flat = equitable(net, clones)
    found: Weights = {}
    for p, shape in net.parameter_shapes.items():
        for slot in optimizer.slots(len(shape)):
            draw = 0.1 * rng.normal(size=slot.shape(shape))
            if start == "free" and slot.role != "noise":
                is_square = slot.role in ("scale", "statistics")
                product = draw @ draw.T if slot.role == "statistics" else draw * draw
                found[f"{slot.name}:{p}"] = product if is_square else draw
            elif start == "equitable" and slot.role in ("momentum", "anchor"):
                others = {q: np.zeros(s) for q, s in net.parameter_shapes.items()}
                found[f"{slot.name}:{p}"] = flat.project({**others, p: draw})[p]
    return found


def _member(arrays: Mapping[str, Array], k: int) -> Weights:
    return {p: a[k] for p, a in arrays.items()}


def _share(part: Mapping[str, Array], whole: Mapping[str, Array]) -> float:
    return _norm(part) / _norm(whole)


def _norm(arrays: Mapping[str, Array]) -> float:
    return sqrt(sum(float(np.sum(a * a)) for a in arrays.values()))
