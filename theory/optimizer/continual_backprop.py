"""Continual Backprop: units that contribute little are replaced by fresh ones.

Beside any optimizer, each step measures the utility of the hidden units; of those older than a
maturity threshold, a small share with the least utility is replaced: new incoming weights from the
initial distribution, outgoing weights 0, so that the network's function changes by what the unit
contributed and no more (Dohare et al., "Loss of plasticity in deep continual learning", Nature 632,
2024, algorithm 1).

The rule is written for arrays of any numbers. Units are the last axis of activations, utilities,
ages and masks; axes before them are samples or members of an ensemble.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from theory.optimizer.base import Arrays, Optimizer, Scalars, exact_numbers, like


def utility(before: Any, activations: Any, outgoing: Any, decay: Any) -> Any:
    """u' = ρ u + (1 - ρ) mean over samples of |h_v| · Σ_k |w_vk|.

    Args:
        before: u, ``(*lead, n)``.
        activations: h, ``(*lead, samples, n)``.
        outgoing: w, ``(*lead, n, targets)``.
        decay: ρ.

    >>> utility(np.zeros(2), np.array([[1, -2], [3, 0]]), np.array([[1, 1], [-3, 0]]), 0.5)
    array([2. , 1.5])
    """
    size = np.sum(np.abs(activations), axis=-2) / activations.shape[-2]
    return decay * before + (1 - decay) * size * np.sum(np.abs(outgoing), axis=-1)


def due(waiting: Any, num_mature: Any, rate: Any) -> tuple[Any, Any]:
    """How many units are replaced now, and the share of a unit that is left for later.

    Each step adds ``rate · num_mature``; whole units are due.

    >>> due(0.75, 10, 0.05)
    (1.0, 0.25)
    """
    total = waiting + rate * num_mature
    count = total // 1
    return count, total - count


def least_useful(utilities: Any, is_mature: Any, count: Any) -> Any:
    """A mask, 1 at the ``count`` mature units with the least utility; the first of equal ones.

    Args:
        utilities: ``(*lead, n)``.
        is_mature: whether a unit is older than the threshold, ``(*lead, n)``.
        count: ``(*lead,)``.

    >>> least_useful(np.array([3, 1, 0, 2]), np.array([True, True, False, True]), np.array(2))
    array([0, 1, 0, 1])
    """
    order = np.argsort(utilities, axis=-1, kind="stable")
    mature_in_order = np.take_along_axis(is_mature, order, axis=-1)
    mature_first = np.argsort(~mature_in_order, axis=-1, kind="stable")
    order = np.take_along_axis(order, mature_first, axis=-1)
    rank = np.argsort(order, axis=-1, kind="stable")
    return (is_mature & (rank < np.asarray(count)[..., None])).astype(int)


def replace(incoming: Any, outgoing: Any, fresh: Any, mask: Any) -> tuple[Any, Any]:
    """Masked units get fresh incoming weights and outgoing weights 0.

    Arrays of an optimizer's state that belong to these weights are replaced by the same function,
    with 0 for ``fresh``; so are ages and utilities, by ``(1 - mask) u``.

    Args:
        incoming: ``(*lead, sources, n)``; a bias is ``(*lead, 1, n)``.
        outgoing: ``(*lead, n, targets)``.
        fresh: drawn like initial weights, in the shape of ``incoming``, or a number.
        mask: 1 at replaced units, 0 at others, ``(*lead, n)``.

    >>> w, v = np.array([[1, 2]]), np.array([[3], [4]])
    >>> w, v = replace(w, v, fresh=np.array([[7, 8]]), mask=np.array([0, 1]))
    >>> w.tolist(), v.tolist()
    ([[1, 8]], [[3], [0]])
    """
    column = mask[..., None, :]
    return incoming * (1 - column) + fresh * column, outgoing * (1 - mask[..., :, None])


def corrected_bias(bias: Any, outgoing: Any, mean_activation: Any, mask: Any) -> Any:
    """b_k + Σ over replaced v of h̄_v w_vk: what targets lose on average, given to their bias.

    Args:
        bias: of the targets, ``(*lead, targets)``.
        outgoing: before the replacement, ``(*lead, n, targets)``.
        mean_activation: h̄, ``(*lead, n)``.
        mask: 1 at replaced units, ``(*lead, n)``.

    >>> corrected_bias(np.zeros(1), np.array([[3], [4]]), np.array([1, 2]), np.array([0, 1]))
    array([8.])
    """
    return bias + np.sum((mask * mean_activation)[..., :, None] * outgoing, axis=-2)


def replacing_sgd(unit: int = 0) -> Optimizer:
    """A step of SGD after which one unit of the first hidden layer of an MLP is replaced.

    The step of Continual Backprop at which a unit is due, with the names of
    :func:`theory.zoo.mlp`; fresh weights are the state ``fresh``, a fresh bias is 0.
    """

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return w - h["rate"] * g, s

    def finish(theta: Arrays, state: Arrays) -> Arrays:
        found = dict(theta)
        mask = np.eye(theta["W1"].shape[-1], dtype=int)[unit]
        found["W1"], found["W2"] = replace(theta["W1"], theta["W2"], state["fresh:W1"], mask)
        if "b1" in theta:
            found["b1"] = theta["b1"] * (1 - mask)
        return found

    slots = like("noise", "fresh")
    return Optimizer("Continual Backprop", exact_numbers(rate="0.02"), rule, slots, finish=finish)
