"""Steps are those of :func:`numerics.train.train`; members do not meet; state goes on."""

import numpy as np
import pytest

from numerics.continual.training import ContinualTraining
from numerics.losses import CROSS_ENTROPY
from numerics.metrics import activations
from numerics.tasks import Task
from numerics.train import initial_parameters, train
from theory.errors import ShapeError, ValueSystemError
from theory.optimizer import adam, noisy_sgd, sgd
from theory.zoo import mlp

NET = mlp([3, 4, 5, 2], "relu")


def data(members, samples, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(members, samples, 3))
    return x, np.eye(2)[rng.integers(0, 2, size=(members, samples))]


def training(seeds, rule=None, batch_size=4, **given):
    start = initial_parameters(NET, 0, (3,))
    chosen = {p: w[: len(seeds)] for p, w in start.items()}
    return ContinualTraining(
        NET, rule or adam(), CROSS_ENTROPY, given.pop("parameters", chosen),
        batch_size=batch_size, seeds=seeds, **given,
    )  # fmt: skip


def test_with_all_samples_in_a_batch_it_is_train():
    x, y = data(2, 6)
    ours = training([5, 6], batch_size=6)
    start = {p: w.copy() for p, w in ours.parameters.items()}
    ours.learn(x, y, task=0, epochs=7)
    for e in range(2):
        own = {p: w[e] for p, w in start.items()}
        expected = train(NET, adam(), CROSS_ENTROPY, own, Task("", x[e], y[e]), steps=7)
        for p, w in expected.parameters.items():
            np.testing.assert_allclose(ours.parameters[p][e], w, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", [adam(), noisy_sgd()])
def test_members_do_not_meet_and_state_goes_on(rule):
    x, y = data(3, 10)
    together = training([1, 2, 3], rule)
    start = {p: w[1:2] for p, w in together.parameters.items()}
    alone = training([2], rule, parameters=start)
    for task in range(2):
        together.learn(x, y, task=task, epochs=2)
        alone = training(
            [2], rule, parameters=alone.parameters, state=alone.state, steps=alone.steps
        )
        alone.learn(x[1:2], y[1:2], task=task, epochs=2)
    for p, w in together.parameters.items():
        np.testing.assert_allclose(w[1], alone.parameters[p][0], rtol=1e-12, atol=1e-14)
        assert not np.allclose(w[1], w[2])


def test_what_is_observed_is_the_network():
    x, _ = data(2, 6)
    ours = training([0, 1])
    seen = ours.observe(x, ["h1", "h2"])
    assert seen.y.shape == (2, 6, 2)
    for e in range(2):
        own = {p: w[e] for p, w in ours.parameters.items()}
        for axis, h in seen.hidden.items():
            np.testing.assert_allclose(h[e], activations(NET, own, x[e], axis), atol=1e-13)


def test_input_is_checked():
    x, y = data(1, 3)
    with pytest.raises(ValueSystemError, match="batch_size=4: it needs 1 <= size <= 3"):
        training([0]).learn(x, y, task=0, epochs=1)
    with pytest.raises(ShapeError, match=r"2 seeds for parameters of \[3\] members"):
        training([0, 1], parameters=initial_parameters(NET, 0, (3,)))
    wild = training([0], sgd().with_hyperparameters(rate=1e200), batch_size=3)
    with pytest.raises(ValueSystemError, match="is not finite after"):
        wild.learn(*data(1, 3), task=0, epochs=30)
