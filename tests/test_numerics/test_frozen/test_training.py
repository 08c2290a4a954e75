"""Training revives dead units that have no certificate, and never those that have one."""

import itertools

import numpy as np
import pytest

from numerics.bounds import Box, Data
from numerics.frozen import FrozenCertificate, frozen_certificate, persistent_units
from numerics.losses import MSE
from numerics.metrics import dead_units, signals
from numerics.tasks import Task
from numerics.train import initial_parameters, train
from theory.optimizer import adam, heavy_ball, noisy_sgd, sgd, sgd_l2
from theory.zoo import mlp

MEMBERS, NET = 16, mlp([2, 6, 6, 1], "relu")


def wave():
    x = np.random.default_rng(0).uniform(-1, 1, size=(32, 2))
    return Task("wave", x, np.sin(3 * x[:, :1]) * np.cos(2 * x[:, 1:]))


def start():
    """h2[0] is dead on the data by a margin; h2[1] by non-positive weights and a bias below 0."""
    weights = initial_parameters(NET, 1, (MEMBERS,))
    top = signals(NET, weights, wave(), MSE, "h2").z[..., 0].max(axis=-1)
    weights["b2"][:, 0] = -top - 0.05
    weights["W2"][..., 1] = -np.abs(weights["W2"][..., 1])
    weights["b2"][:, 1] = -0.05
    return weights


def revived(optimizer, steps=600):
    """Which members' h2[0] and h2[1] have been alive on a sample at one of the steps."""
    alive = np.zeros((MEMBERS, 2), dtype=bool)

    def watch(step, weights):
        if step % 10 == 0:
            z = signals(NET, weights, wave(), MSE, "h2").z
            alive[...] |= (z[..., :2] > 0).any(axis=-2)

    train(NET, optimizer, MSE, start(), wave(), steps=steps, watch=watch)
    return alive


@pytest.mark.parametrize(
    "optimizer",
    [
        sgd().with_hyperparameters(rate="0.1"),
        heavy_ball().with_hyperparameters(rate="0.02"),
        adam().with_hyperparameters(rate="0.01"),
        sgd_l2().with_hyperparameters(rate="0.1", decay="0.001"),
    ],
    ids=lambda optimizer: optimizer.name,
)
def test_only_units_without_a_certificate_are_revived(optimizer):
    alive = revived(optimizer)
    assert alive[:, 0].sum() >= 3
    assert not alive[:, 1].any()


def test_noise_revives_what_gradients_do_not():
    assert revived(noisy_sgd().with_hyperparameters(rate="0.1", noise="1.0"), 300)[:, 1].any()


def test_both_look_dead_and_the_certificate_tells_them_apart():
    weights, data = start(), wave()
    assert dead_units(signals(NET, weights, data, MSE, "h2").h)[:, :2].all()
    for member in range(4):
        own = {p: w[member] for p, w in weights.items()}
        found = persistent_units(NET, own, Data(data.x))
        assert ("h2", 1) in found
        assert ("h2", 0) not in found


def test_a_radius_lasts_as_long_as_it_says():
    weights, data = {p: w[0] for p, w in start().items()}, wave()
    rate = 2.0**-9
    certificate = frozen_certificate(NET, weights, ("h2", 0), Data(data.x))
    assert isinstance(certificate, FrozenCertificate)
    assert certificate.grade == "radius"
    rule = sgd().with_hyperparameters(rate=rate)
    run = train(NET, rule, MSE, weights, data, steps=400, record=1)
    path = run.trajectory
    updates = [max(np.abs(b[p] - a[p]).max() for p in a) for a, b in itertools.pairwise(path)]
    promised = int(certificate.steps(max(updates)))
    assert promised >= 3
    for reached in path[: promised + 1]:
        assert (signals(NET, reached, data, MSE, "h2").z[:, 0] <= 0).all()
        assert max(np.abs(reached[p] - weights[p]).max() for p in weights) <= certificate.radius
        np.testing.assert_array_equal(reached["W2"][:, 0], weights["W2"][:, 0])


def test_dead_on_data_is_not_dead_on_the_box():
    net = mlp([1, 1, 1], "relu")
    weights = {"W1": np.ones((1, 1)), "b1": -np.ones(1), "W2": np.ones((1, 1)), "b2": np.zeros(1)}
    x = np.array([[0.5], [1.0]])
    assert isinstance(frozen_certificate(net, weights, ("h1", 0), Data(x)), FrozenCertificate)
    outcome = frozen_certificate(net, weights, ("h1", 0), Box(0.0, 1.5))
    assert not isinstance(outcome, FrozenCertificate)
