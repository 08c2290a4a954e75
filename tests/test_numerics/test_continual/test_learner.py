"""The learner's steps are those of the gradient graph; members do not meet."""

import numpy as np
import pytest

from numerics.continual.backprop import Replacement
from numerics.continual.learner import OnlineLearner
from numerics.losses import MSE
from numerics.tasks import Task
from numerics.train import loss_and_gradient
from theory.errors import ShapeError, ValueSystemError
from theory.zoo import mlp


def stream(steps, members, inputs, outputs, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(steps, members, inputs)), rng.normal(size=(steps, members, outputs))


@pytest.mark.parametrize("phi", ["relu", "tanh"])
@pytest.mark.parametrize("widths", [[3, 4, 1], [3, 5, 4, 2]])
def test_steps_are_those_of_the_gradient_graph(phi, widths):
    members, rate = 2, 0.1
    learner = OnlineLearner(widths, phi, rate, seeds=range(members))
    net = mlp(widths, phi)
    weights = learner.parameters
    x, y = stream(8, members, widths[0], widths[-1])
    losses = learner.learn(x, y)
    for t in range(len(x)):
        for e in range(members):
            own = {p: w[e] for p, w in weights.items()}
            value, slopes = loss_and_gradient(net, MSE, own, Task("", x[t, [e]], y[t, [e]]))
            assert losses[t, e] == pytest.approx(float(value), rel=1e-12)
            for p in own:
                weights[p][e] -= rate * slopes[p]
    for p, w in learner.parameters.items():
        np.testing.assert_allclose(w, weights[p], rtol=1e-12, atol=1e-13)


def test_a_member_depends_on_its_own_seed_alone_and_not_on_interruptions():
    rule = Replacement(rate=0.01, maturity=5)
    x, y = stream(400, 4, 3, 1)
    together = OnlineLearner([3, 6, 5, 1], "relu", 0.05, seeds=[7, 8, 9, 10])
    together.replace_units(rule)
    losses = together.learn(x, y)
    alone = OnlineLearner([3, 6, 5, 1], "relu", 0.05, seeds=[9])
    alone.replace_units(rule)
    parts = []
    for part in (slice(0, 150), slice(150, 400)):
        parts.append(alone.learn(x[part, 2:3], y[part, 2:3]))
        alone = OnlineLearner([3, 6, 5, 1], "relu", 0.05, seeds=[9], state=alone.state)
        alone.replace_units(rule)
    assert np.array_equal(losses[:, 2], np.concatenate(parts)[:, 0])
    assert not np.array_equal(losses[:, 2], losses[:, 3])


def test_without_continual_backprop_units_are_never_replaced():
    x, y = stream(200, 1, 3, 1)
    plain = OnlineLearner([3, 6, 1], "relu", 0.05, seeds=[0])
    replacing = OnlineLearner([3, 6, 1], "relu", 0.05, seeds=[0])
    replacing.replace_units(Replacement(rate=0.0))
    assert np.array_equal(plain.learn(x, y), replacing.learn(x, y))
    replacing = OnlineLearner([3, 6, 1], "relu", 0.05, seeds=[0])
    replacing.replace_units(Replacement(rate=0.01, maturity=10))
    assert not np.array_equal(plain.learn(x, y), replacing.learn(x, y))


@pytest.mark.parametrize(("widths", "seeds"), [([3, 1], [0]), ([3, 4, 1], [])])
def test_a_learner_has_a_hidden_layer_and_members(widths, seeds):
    with pytest.raises(ShapeError, match="a learner has inputs"):
        OnlineLearner(widths, "relu", 0.1, seeds=seeds)


def test_data_must_fit():
    learner = OnlineLearner([3, 4, 1], "relu", 0.1, seeds=[0])
    with pytest.raises(ShapeError, match=r"expected \(5, 1, 3\), \(5, 1, 1\)"):
        learner.learn(np.ones((5, 2, 3)), np.ones((5, 2, 1)))


@pytest.mark.parametrize("replacing", [False, True])
def test_divergence_is_said(replacing):
    learner = OnlineLearner([3, 4, 1], "relu", 1e3, seeds=[0])
    if replacing:
        learner.replace_units(Replacement(rate=0.01, maturity=3))
    with pytest.raises(ValueSystemError, match="is not finite after 300 steps: lower the rate"):
        learner.learn(*stream(300, 1, 3, 1))
