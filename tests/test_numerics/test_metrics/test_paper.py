"""The paper's metrics by their definitions, and against networks whose true state is certified."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.cloning import clone
from numerics.losses import CROSS_ENTROPY, MSE
from numerics.metrics import (
    activations,
    clone_units,
    cloning_r2,
    dead_units,
    duplicate_units,
    effective_rank,
    flat_units,
    incoming_cosine,
    saturated_units,
    signals,
    stable_rank,
)
from numerics.refinement import approximate_partition
from numerics.tasks import Task
from numerics.train import initial_parameters, loss_and_gradient
from theory.errors import ArchitectureError, PartitionError, ShapeError
from theory.partition import AxisPartition
from theory.zoo import cnn, gated_mlp, mlp

RNG = np.random.default_rng


def task(samples, inputs, outputs, seed=0):
    rng = RNG(seed)
    return Task("random", rng.normal(size=(samples, inputs)), rng.normal(size=(samples, outputs)))


@pytest.mark.parametrize("phi", ["relu", "tanh", "gelu"])
@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY])
def test_signals_are_those_of_backpropagation(phi, loss):
    net, data = mlp([3, 5, 4, 2], phi), task(7, 3, 2)
    weights = initial_parameters(net, 1, (6,))
    slopes = loss_and_gradient(net, loss, weights, data)[1]
    first, second = (signals(net, weights, data, loss, axis) for axis in ("h1", "h2"))
    np.testing.assert_allclose(first.z, data.x @ weights["W1"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(second.z, first.h @ weights["W2"], rtol=1e-12, atol=1e-12)
    # ∂ℓ/∂w_uv = Σ h_u δ_v
    expected = first.h.swapaxes(-1, -2) @ second.delta
    np.testing.assert_allclose(slopes["W2"], expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(slopes["b1"], first.delta.sum(axis=-2), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(first.d, second.delta @ weights["W2"].swapaxes(-1, -2), atol=1e-12)


def test_places_of_an_image_are_samples():
    net = cnn((3, 4), (1, 2), 2, "relu")
    weights = initial_parameters(net, 0)
    x = RNG(0).normal(size=(5, 3, 4, 1))
    h = activations(net, weights, x, "c1")
    assert h.shape == (5 * 3 * 4, 2)
    centre = np.einsum("bijc,ijcd->bd", x[:, :3, :3], weights["K1"])  # place (1, 1)
    np.testing.assert_allclose(h.reshape(5, 3, 4, 2)[:, 1, 1], np.maximum(centre, 0), atol=1e-12)


def test_several_symbols_are_told_apart():
    net = cnn((4, 4), (1, 2, 2), 2, "relu", pool="max")
    weights = initial_parameters(net, 0)
    x = RNG(0).normal(size=(2, 4, 4, 1))
    with pytest.raises(ArchitectureError, match="several function symbols"):
        activations(net, weights, x, "c1")
    assert activations(net, weights, x, "c1", place=0).shape == (32, 2)


def test_which_symbol_must_be_said():
    net = gated_mlp([2, 3, 1], "silu")
    weights = initial_parameters(net, 0)
    assert activations(net, weights, np.ones((4, 2)), "h1").shape == (4, 3)
    with pytest.raises(ArchitectureError, match="no function symbol"):
        activations(net, weights, np.ones((4, 2)), "x")
    with pytest.raises(ArchitectureError, match="place=5"):
        activations(net, weights, np.ones((4, 2)), "h1", place=5)
    with pytest.raises(ArchitectureError, match="overridden"):
        activations(mlp([2, 3, 1]).freeze("h1", 0), weights, np.ones((4, 2)), "h1")


def test_leading_axes_are_kept():
    net, data = mlp([3, 6, 2], "relu"), task(20, 3, 2)
    weights = initial_parameters(net, 0, (2, 3))
    weights["b1"] = weights["b1"] - 0.5
    found = signals(net, weights, data, MSE, "h1")
    blocks = [[0, 1], [2, 3], [4, 5]]
    metrics = (
        dead_units,
        duplicate_units,
        effective_rank,
        stable_rank,
        clone_units,
        lambda h: cloning_r2(h, blocks),
        lambda h: saturated_units(h, h),
    )
    for metric in metrics:
        together = metric(found.h)
        for where in np.ndindex(2, 3):
            np.testing.assert_allclose(together[where], metric(found.h[where]), rtol=1e-9)


def test_ranks_of_known_matrices():
    rng = RNG(0)
    basis = np.linalg.qr(rng.normal(size=(40, 6)))[0]
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    values = np.array([4.0, 2.0, 1.0, 1.0, 0.0, 0.0])
    p = values[:4] / 8
    assert effective_rank(basis * values @ turn) == pytest.approx(np.exp(-(p * np.log(p)).sum()))
    centred = basis - basis.mean(axis=0)
    centred = np.linalg.qr(centred)[0]  # spans the same space: still orthogonal to ones
    square = values**2
    expected = square.sum() ** 2 / (square**2).sum()
    assert stable_rank(7 + centred * values @ turn) == pytest.approx(expected)
    assert effective_rank(np.zeros((3, 2))) == stable_rank(np.ones((3, 2))) == 0
    assert stable_rank(rng.normal(size=(5, 30))).shape == ()  # fewer samples than units


@given(st.integers(0, 2**20), st.integers(2, 4), st.sampled_from([None, 1]))
@settings(max_examples=8)
def test_clones_are_seen_by_all(seed, copies, leaf):
    base = mlp([3, 3, 2], "tanh")
    weights = initial_parameters(base, seed)
    weights["b1"] = RNG(seed).normal(size=3)
    blocks = [[k * copies + j for j in range(copies)] for k in range(3)]
    wide = clone(base, weights, {"h1": blocks}, leaf=leaf, bits=20)
    found = signals(wide.architecture, wide.parameters, task(30, 3, 2, seed), MSE, "h1")
    assert duplicate_units(found.h).all()
    assert (clone_units(found.h) == 1).all()
    for values in (found.h, found.z, found.d, found.delta):
        assert cloning_r2(values, blocks) == pytest.approx(1, abs=1e-12)
    partition = approximate_partition(wide.architecture, wide.parameters, tolerance=1e-9).partition
    assert all(len(block) % copies == 0 for block in partition["h1"].blocks)


def test_independent_units_pass_for_duplicates():
    net = mlp([4, 4, 1], "relu")
    weights = {"W1": np.eye(4), "b1": np.full(4, 6.0), "W2": np.ones((4, 1)), "b2": np.zeros(1)}
    weights["W2"][:, 0] = [1, 2, 3, 4]
    h = activations(net, weights, RNG(0).normal(size=(400, 4)), "h1")
    found = approximate_partition(net, weights, tolerance=0.5, kind="IE").partition["h1"]
    assert found.num_blocks == 4  # the certificate: no two units are clones
    assert duplicate_units(h).all()  # the paper's metric: all are
    assert not clone_units(h).any()
    off_diagonal = incoming_cosine(net, weights | {"b1": np.zeros(4)}, "h1")[~np.eye(4, dtype=bool)]
    assert (off_diagonal == 0).all()


def test_anti_clones_and_silent_clones_are_missed():
    odd = mlp([2, 2, 1], "tanh", bias=False)
    weights = {"W1": np.array([[1.0, -1.0], [2.0, -2.0]]), "W2": np.array([[1.0], [-1.0]])}
    h = activations(odd, weights, RNG(0).normal(size=(50, 2)), "h1")
    found = approximate_partition(odd, weights, tolerance=1e-12, mirrored=["h1"]).partition["h1"]
    assert found.signs == (1, -1)
    assert not duplicate_units(h).any()
    assert (clone_units(h) == -1).all()
    assert incoming_cosine(odd, weights, "h1")[0, 1] == pytest.approx(-1)

    silent = mlp([1, 2, 1], "relu")
    start = {"W1": np.ones((1, 2)), "b1": np.full(2, -9.0), "W2": np.ones((2, 1)), "b2": np.ones(1)}
    h = activations(silent, start, RNG(0).uniform(-1, 1, size=(50, 1)), "h1")
    found = approximate_partition(silent, start, tolerance=0).partition["h1"]
    assert found.num_blocks == 1  # clones, by their parameters
    assert not duplicate_units(h).any()
    assert not clone_units(h).any()
    assert incoming_cosine(silent, start, "h1")[0, 1] == pytest.approx(1)


def test_dead_depends_on_scale_and_flat_does_not():
    net, data = mlp([2, 3, 1], "relu"), task(60, 2, 1)
    weights = initial_parameters(net, 0)
    weights["b1"] = np.array([0.0, 0.0, -100.0])
    tiny = {**weights, "W1": weights["W1"] * 1e-9, "b1": weights["b1"] * 1e-9}
    tiny["W2"] = weights["W2"] * 1e9  # the same function: ReLU is homogeneous
    before, after = (signals(net, w, data, MSE, "h1") for w in (weights, tiny))
    np.testing.assert_array_equal(dead_units(before.h), [False, False, True])
    np.testing.assert_array_equal(dead_units(after.h), [True, True, True])
    for found in (before, after):
        np.testing.assert_array_equal(flat_units(found.slope), [False, False, True])
    saturated = mlp([2, 1, 1], "tanh")
    stuck = initial_parameters(saturated, 0) | {"b1": np.array([30.0])}
    found = signals(saturated, stuck, data, MSE, "h1")
    assert not dead_units(found.h).any()
    assert flat_units(found.slope).all()


def test_saturation_depends_on_the_batch_size():
    net = mlp([2, 4, 1], "tanh")
    weights, data = initial_parameters(net, 3), task(4, 2, 1)
    many = Task("repeated", np.tile(data.x, (20_000, 1)), np.tile(data.y, (20_000, 1)))
    few, lots = (signals(net, weights, one, MSE, "h1") for one in (data, many))
    assert not saturated_units(few.h, few.d).any()
    assert saturated_units(lots.h, lots.d).all()  # the same samples, and the same mean loss
    assert not flat_units(few.slope).any()
    assert not flat_units(lots.slope).any()


def test_thresholds_are_strict():
    h = np.array([[1e-7], [0.0]] + [[0.0]] * 18)
    assert not dead_units(h)[0]  # 95 %, not more
    assert dead_units(np.concatenate([h, [[0.0]]]))[0]
    pair = np.array([[1.0, 0.95], [0.0, np.sqrt(1 - 0.95**2)]])
    assert not duplicate_units(pair, threshold=0.9500001).any()
    assert duplicate_units(pair, threshold=0.9499999).all()


@pytest.mark.parametrize("values", [np.ones(3), np.ones((0, 3)), np.ones((3, 0))])
def test_shapes_are_checked(values):
    for metric in (dead_units, duplicate_units, effective_rank, stable_rank, clone_units):
        with pytest.raises(ShapeError, match="samples, units"):
            metric(values)
    with pytest.raises(ShapeError, match="equal shapes"):
        saturated_units(np.ones((2, 2)), np.ones((2, 3)))
    with pytest.raises(ShapeError, match="blocks"):
        cloning_r2(np.ones((2, 3)), AxisPartition(2, ((0, 1),)))
    with pytest.raises(PartitionError, match="unit 2 is in no block"):
        cloning_r2(np.ones((2, 3)), [[0, 1]])
