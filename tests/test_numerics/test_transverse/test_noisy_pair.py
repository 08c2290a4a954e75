"""The pair that gradient descent leaves and SGD falls back to, and why ReLU has none."""

import numpy as np
import pytest

from numerics.losses import MSE
from numerics.tasks import Task
from numerics.train import initial_parameters, loss_and_gradient, train
from numerics.transverse.dynamics import TransverseDynamics
from numerics.transverse.escape import transverse_eigenvalues
from numerics.transverse.homogeneous_clones import contrast, prove_homogeneous_clones
from numerics.transverse.noisy_pair import WEIGHTS, noisy_pair
from theory.errors import PartitionError
from theory.manifold import block_constant, equitable
from theory.optimizer import heavy_ball_l2, sgd, sgd_l2
from theory.partition import make_partition
from theory.zoo import gated_mlp, mlp


def test_point_of_rest():
    pair = noisy_pair()
    _, slopes = loss_and_gradient(pair.wide, MSE, pair.rest, pair.task)
    assert max(np.abs(g).max() for g in slopes.values()) < 1e-15
    assert np.linalg.eigvalsh(pair.base_hessian)[0] > 0.05
    found = transverse_eigenvalues(pair.wide, pair.task, pair.rest, pair.manifold)
    assert found[0] < -0.02
    assert abs(found[1]) < 1e-15  # G = 0: one output, a critical point


def test_label_noise_is_invisible_to_gradient_descent():
    pair, quiet = noisy_pair(), noisy_pair(0.0)
    start = pair.beside(1e-2, 3, 0)
    ends = [p.trained(start, 0.2, None, steps=50) for p in (pair, quiet)]
    assert all(np.allclose(ends[0][p], ends[1][p], atol=1e-13) for p in start)


def test_descent_leaves_and_sgd_falls_back():
    pair = noisy_pair()
    start = pair.beside(1e-3, 4, 1)
    assert np.allclose(pair.distances(start), 1e-3)
    left = pair.trained(start, 0.2, None, steps=1500)
    assert pair.distances(left).min() > 0.3
    assert pair.distances(pair.trained(start, 0.2, 1, steps=1000, seed=2)).max() < 1e-4
    assert pair.distances(pair.trained(left, 0.2, 1, steps=1500, seed=2)).max() < 1e-2


def test_exponents_have_the_signs_of_training():
    pair = noisy_pair()
    low, high = pair.exponents(0.2, 1, steps=400, seeds=range(12)).pooled().interval(0.999)
    assert high[0] < 0
    low, high = pair.exponents(0.2, 2, steps=400, seeds=range(12)).pooled().interval(0.999)
    assert low[0] > 0


@pytest.mark.parametrize("phi", ["relu", "leaky_relu"])
def test_homogeneous_units_hold(phi):
    net = mlp([2, 4, 3, 2], phi)
    blocks = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[0, 1, 2]]})
    for axis in ("h1", "h2"):
        assert prove_homogeneous_clones(net, blocks, axis).verdict == "holds"


@pytest.mark.parametrize("phi", ["tanh", "silu", "gelu", "sigmoid"])
def test_other_units_fail(phi):
    net = mlp([2, 4, 2], phi)
    blocks = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]]})
    assert prove_homogeneous_clones(net, blocks, "h1").verdict == "fails"


def test_gated_units_have_degree_two():
    net = gated_mlp([2, 4, 2], "relu")
    blocks = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]]})
    assert prove_homogeneous_clones(net, blocks, "h1").verdict == "fails"


@pytest.mark.parametrize("rule", [sgd_l2(), heavy_ball_l2()])
def test_relu_units_carry_their_own_direction(rule):
    """Along SGD with decay and momentum the product maps ε ⊗ θ_v(0) to ε ⊗ θ_v(t)."""
    net = mlp([2, 4, 3, 2], "relu")
    blocks = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[0, 1, 2]]})
    manifold = equitable(net, blocks)
    rng = np.random.default_rng(0)
    task = Task("t", rng.normal(size=(16, 2)), rng.normal(size=(16, 2)))
    start = block_constant(net, blocks).project(initial_parameters(net, 4))
    rule = rule.with_hyperparameters(rate=0.05, decay=0.01)
    dynamics = TransverseDynamics(net, rule, MSE, task, manifold, 4)
    epsilon = np.array(contrast(blocks, "h2"))

    def direction(theta):
        zeros = {p: np.zeros_like(w) for p, w in theta.items()}
        own = {"W2": theta["W2"] * epsilon, "b2": theta["b2"] * epsilon}
        own["W3"] = theta["W3"] * epsilon[:, None]
        return dynamics.space.flat(zeros | own, 0) @ dynamics.space.basis

    frame = np.zeros((1, dynamics.dimension, 1))
    frame[0, : dynamics.space.codimension, 0] = direction(start)
    for step in dynamics.maps(start, 60, (3,)):
        frame = step(frame)
    end = train(net, rule, MSE, start, task, steps=60, batch_size=4, seed=3).parameters
    expected = direction(end)
    assert np.allclose(frame[0, : dynamics.space.codimension, 0], expected, atol=1e-12)
    assert np.linalg.norm(expected - direction(start)) > 0.05


def test_a_contrast_needs_a_block_of_two():
    with pytest.raises(PartitionError, match="two units"):
        contrast(make_partition({"h1": 2}, {}), "h1")


def test_gradient_descent_of_the_single_unit_finds_the_point_of_rest():
    pair = noisy_pair()
    rule = sgd().with_hyperparameters(rate=0.2)
    for w, a in ((0.7, 1.2), (1.4, 2.5), (0.3, 0.3)):
        start = {"W1": np.array([[w]]), "W2": np.array([[a]])}
        end = train(pair.base, rule, MSE, start, pair.task, steps=3000).parameters
        assert end["W1"][0, 0] == pytest.approx(WEIGHTS[0], abs=1e-9)
        assert end["W2"][0, 0] == pytest.approx(WEIGHTS[1], abs=1e-9)
