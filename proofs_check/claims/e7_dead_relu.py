"""E7d: decay moves a dead ReLU and leaves it dead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from numerics.generic import num_samples
from numerics.identity import vanishes
from numerics.losses import MSE
from numerics.tasks import Task
from numerics.train import Weights, train
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted
from proofs_check.findings import from_identity
from theory.graph import Builder, Graph
from theory.optimizer import (
    Optimizer,
    adam_l2,
    adamw,
    heavy_ball_l2,
    lion_decay,
    sgd_l2,
)
from theory.optimizer.base import Arrays, Scalars
from theory.optimizer.step import gradient_function, scalar_inputs
from theory.primitives import Input, Parameter
from theory.tracing import record
from theory.zoo import mlp

KEEPERS: tuple[Callable[[], Optimizer], ...] = (sgd_l2, adamw, lion_decay)
UNIT = 0
BITS = 60
STEPS = 1000
TASK = Task("ramp", np.linspace(1.6, 2, 8)[:, None], np.linspace(-1, 1, 8)[:, None])


def dead_on_every_input(optimizer: Optimizer) -> Graph:
    """What vanishes if a step multiplies the unit's pre-activations by 1 - ηλ, on all inputs.

    Its parameters have no gradient, and its part of the state is 0 before the step and after it.
    """
    network = mlp([2, 3, 2]).freeze("h1", UNIT)
    builder, shapes = Builder(), network.parameter_shapes
    theta = {p: record(builder, Parameter(p, shape)) for p, shape in shapes.items()}
    alive = np.arange(shapes["b1"][0]) != UNIT
    into = ("W1", "b1")
    state = {}
    for name, shape in optimizer.state_shapes(shapes).items():
        drawn = record(builder, Input(name, shape))
        state[name] = drawn * alive.astype(int) if name.endswith(into) else drawn
    scalars = scalar_inputs(builder, optimizer)
    slopes = gradient_function(builder, network, num_samples(network))
    moved, kept = optimizer.step(theta, state, slopes, scalars)
    inputs = record(builder, Input("inputs", (1, shapes["W1"][0])))
    shrink = 1 - scalars["rate"] * scalars["decay"]
    residuals = {"z": _pre_activation(moved, inputs) - shrink * _pre_activation(theta, inputs)}
    residuals |= {name: kept[name][..., UNIT] for name in kept if name.endswith(into)}
    return builder.finish({name: value.number for name, value in residuals.items()})


def _pre_activation(theta: Arrays, inputs: Any) -> Any:
    return inputs @ theta["W1"][:, [UNIT]] + theta["b1"][[UNIT]]


def exactly(optimizer: Optimizer, settings: Settings, bits: float = BITS) -> Evidence:
    """Over prime fields, for arbitrary weights, data, adjoints and hyperparameters."""
    seed = settings.sub_seed("E7d", optimizer.name)
    found = vanishes(dead_on_every_input(optimizer), bits=bits, seed=seed)
    statement = f"a step of {optimizer.name} multiplies pre-activations of a dead unit by 1 - ηλ"
    return from_identity(found, "mlp:2-3-2 with a dead unit", statement)


def all_exactly(settings: Settings) -> Evidence:
    """SGD with L2, AdamW and Lion with decay, errors added."""
    return conjoin([exactly(make(), settings, BITS + 2) for make in KEEPERS])


def run(optimizer: Optimizer, _: Settings) -> Evidence:
    """A ReLU unit that is dead on eight samples, trained with much decay in float64."""
    start = {
        "W1": np.array([[-1.0, 0.5, 1.0]]),
        "b1": np.array([1.5, 0.0, -0.5]),
        "W2": np.array([[1.0], [-0.5], [0.5]]),
        "b2": np.zeros(1),
    }
    rule = optimizer.with_hyperparameters(rate="0.01", decay="0.5")
    woken: list[tuple[int, float]] = []

    def watch(step: int, weights: Weights) -> None:
        highest = float(_pre_activation(weights, TASK.x).max())
        if highest > 0 and not woken:
            woken.append((step, highest))

    train(mlp([1, 3, 1], "relu"), rule, MSE, start, TASK, steps=STEPS, watch=watch)
    scope = f"{rule.name}, mlp:1-3-1:relu, η = 0.01, λ = 0.5, {STEPS} steps in float64"
    if woken:
        step, highest = woken[0]
        numbers = {"w": "-1", "b": "3/2", "inputs": "8/5 to 2", "step": step, "z": highest}
        detail = f"the unit wakes at step {step}: z = {highest:.3g}"
        return refuted(scope, detail, counterexample=numbers, level=Level.OBSERVED)
    return holds(Level.OBSERVED, scope, "z < 0 on all samples after every step")


def all_run(settings: Settings) -> Evidence:
    """The same three rules."""
    return conjoin([run(make(), settings) for make in KEEPERS])


def decay_of_weights_only() -> Optimizer:
    """SGD with L2 on matrices; biases do not decay."""
    plain = sgd_l2()

    def rule(w: Any, g: Any, s: Arrays, h: Scalars) -> tuple[Any, Arrays]:
        return (w - h["rate"] * g, s) if w.ndim < 2 else plain.rule(w, g, s, h)

    return replace(plain, name="SGD with L2 of weights only", rule=rule)


WAKES: tuple[tuple[Optimizer, str], ...] = (
    (decay_of_weights_only(), "w shrinks, b does not, and a positive b is left"),
    (adam_l2(), "the decay is divided by its own size: w and b lose equal amounts, not shares"),
    (heavy_ball_l2(), "the decay's momentum carries w and b through 0, and z changes its sign"),
)

CLAIMS = (
    Claim(
        id="E7d",
        title="decay leaves a dead ReLU dead",
        statement=(
            "If a ReLU unit of the first layer is dead on a set of inputs, a step of SGD with L2, "
            "AdamW or Lion with decay multiplies its pre-activation by $1 - \\eta\\lambda$ on "
            "every input: with $\\eta\\lambda \\le 1$ it is dead on that set forever, though its "
            "weights move."
        ),
        hypotheses=(
            "weights and bias decay at the same rate",
            "the unit's part of the optimizer's state is 0",
            "the certificate z ≤ 0 on the set is scale-invariant, as that of tanh, |z| large, is "
            "not",
        ),
        where="adds to the remark on optimizers what M_F loses under decay",
        expected=Verdict.PROVED,
        checks=(
            Check("one generic step over prime fields", all_exactly),
            Check("a dead unit in float64", all_run),
        ),
        false_variants=tuple(
            FalseVariant(optimizer.name, why, partial(run, optimizer)) for optimizer, why in WAKES
        ),
    ),
)
