"""The coupled problem off BC against the dense Hessian and the formula written out."""

import numpy as np
import pytest

from numerics.losses import MSE
from numerics.spectrum import SpectrumError, TransverseOperator, transverse_blocks
from numerics.systems.float64 import Float64
from numerics.tasks import Task
from proofs_check.drawing.networks import chooser, draw_network, draw_partition
from tests.test_numerics.test_spectrum.dense import by_parity, normal_spectrum, repeated
from theory.activation import activation
from theory.manifold import equitable
from theory.partition import make_partition
from theory.zoo import mlp


def problem(net, partition, seed, samples=4):
    rng = np.random.default_rng(seed)
    manifold = equitable(net, partition)
    theta = manifold.embed({k: 0.7 * rng.normal(size=s) for k, s in manifold.free_shapes.items()})
    x = rng.normal(size=(samples, *net.input_shape))
    return theta, Task("normal", x, rng.normal(size=(samples, *net.output_shape)))


def test_random_networks_on_ie_oe():
    coupled = 0
    for seed in range(40):
        net = draw_network(chooser(seed))
        partition = draw_partition(chooser(seed + 7), net)
        theta, task = problem(net, partition, seed)
        system = by_parity(net.graph(2))
        expected, leak = normal_spectrum(net, partition, theta, task, MSE, system)
        size = max(1.0, np.abs(expected).max())
        assert leak <= 1e-11 * size
        operator = TransverseOperator(net, partition, theta, task, MSE, system=system)
        assert np.abs(np.linalg.eigvalsh(operator.dense()) - expected).max() <= 1e-11 * size
        for pair, k in ((operator.extreme("smallest"), 0), (operator.extreme("largest"), -1)):
            assert abs(pair.values[0] - expected[k]) <= 1e-9 * size
            assert pair.residuals[0] <= 1e-7 * size
        means = equitable(net, partition)
        constant = {p: _constant(net, partition, p, a) for p, a in theta.items()}
        assert means.distance(constant) <= 1e-12
        blocks = transverse_blocks(net, partition, constant, task, MSE, system=system)
        coupled += np.abs(repeated(blocks) - expected).max() > 1e-6 * size
    assert coupled >= 8  # with clones in two layers that follow each other the leaf matters


def _constant(net, partition, p, values):
    for k, axis in enumerate(net.parameters[p]):
        values = partition[axis].block_means(values, k)
    return values


def test_the_coupled_formula():
    """nᵀ H n' = Σ d φ'' ζ ζ' + Σ δ_k φ' (β'_k ζ + β_k ζ'), ζ passed on between the layers."""
    net = mlp([2, 4, 5, 2], "tanh")
    partition = make_partition(net.sizes, {"h1": [[0, 1, 2]], "h2": [[0, 2], [1, 3, 4]]})
    theta, task = problem(net, partition, 3)
    operator = TransverseOperator(net, partition, theta, task, MSE)
    m = operator.shape[0]
    h1 = np.tanh(task.x @ theta["W1"] + theta["b1"])
    h2 = np.tanh(h1 @ theta["W2"] + theta["b2"])
    delta3 = (h2 @ theta["W3"] + theta["b3"] - task.y) / len(task.x)
    d2 = delta3 @ theta["W3"].T
    delta2 = d2 * (1 - h2**2)
    d1 = delta2 @ theta["W2"].T
    slopes, bends = [1 - h**2 for h in (h1, h2)], [-2 * h * (1 - h**2) for h in (h1, h2)]

    def zetas(n, passes_on=1.0):
        first = task.x @ n["W1"] + n["b1"]
        second = h1 @ n["W2"] + n["b2"] + passes_on * (slopes[0] * first) @ theta["W2"]
        return first, second

    def formula(n, other, **reading):
        a, b = zetas(n, **reading), zetas(other, **reading)
        total = (d1 * bends[0] * a[0] * b[0]).sum() + (d2 * bends[1] * a[1] * b[1]).sum()
        for k, (weight, delta) in enumerate((("W2", delta2), ("W3", delta3))):
            total += (delta * ((slopes[k] * a[k]) @ other[weight])).sum()
            total += (delta * ((slopes[k] * b[k]) @ n[weight])).sum()
        return total

    units = [operator.direction(row) for row in np.eye(m)]
    expected = np.array([[formula(n, other) for other in units] for n in units])
    found = operator.dense()
    assert np.abs(found - expected).max() <= 1e-13 * np.abs(found).max()
    apart = np.array([[formula(n, other, passes_on=0.0) for other in units] for n in units])
    assert np.abs(found - apart).max() > 1e-2 * np.abs(found).max()


def test_lanczos_on_a_larger_network():
    net = mlp([5, 24, 24, 3], "tanh")
    blocks = [[k, k + 1] for k in range(0, 24, 2)]
    partition = make_partition(net.sizes, {"h1": blocks, "h2": blocks})
    theta, task = problem(net, partition, 0, samples=10)
    operator = TransverseOperator(net, partition, theta, task, MSE)
    assert operator.shape[0] > 400
    expected = np.linalg.eigvalsh(operator.dense())
    pairs = (operator.extreme("smallest", 3), operator.extreme("largest", 3))
    for found, own in zip(pairs, (expected[:3], expected[-3:]), strict=True):
        assert np.abs(found.values - own).max() <= 1e-10 * np.abs(expected).max()
        assert found.residuals.max() <= 1e-7 * np.abs(expected).max()
        directions = operator.direction(found.vectors.T)
        lengths = sum((a**2).reshape(3, -1).sum(1) for a in directions.values())
        assert np.allclose(lengths, 1)
        normal = equitable(net, partition).normal_part(directions)
        assert max(np.abs(normal[p] - directions[p]).max() for p in normal) < 1e-12


@pytest.mark.parametrize(
    "given",
    [
        {"blocks": {"h1": [[0, 1, 2]]}, "signs": {"h1": {1: -1}}},
        {"blocks": {"h1": [[0, 1]]}, "zero": {"h1": [2]}},
    ],
)
def test_mirrored_clones_and_zero_units(given):
    odd = activation("phi", parity="odd")
    net = mlp([2, 4, 2], odd, bias=False)
    partition = make_partition(net.sizes, **given)
    theta, task = problem(net, partition, 1)
    system = Float64({"phi": np.sin, "phi'": np.cos, "phi''": lambda z: -np.sin(z)})
    expected, leak = normal_spectrum(net, partition, theta, task, MSE, system)
    operator = TransverseOperator(net, partition, theta, task, MSE, system=system)
    assert leak < 1e-12
    assert np.abs(np.linalg.eigvalsh(operator.dense()) - expected).max() <= 1e-12


def test_points_off_the_manifold_and_counts_are_refused():
    net = mlp([2, 4, 2], "tanh")
    partition = make_partition(net.sizes, {"h1": [[0, 1]]})
    theta, task = problem(net, partition, 1)
    operator = TransverseOperator(net, partition, theta, task, MSE)
    with pytest.raises(SpectrumError, match="the normal space has dimension 5"):
        operator.extreme("smallest", 6)
    theta["W1"] = theta["W1"] + np.array([[1.0, 0, 0, 0], [0, 0, 0, 0]])
    with pytest.raises(SpectrumError, match=r"0\.707 away from IE∩OE"):
        TransverseOperator(net, partition, theta, task, MSE)


def test_without_clones_there_is_nothing():
    net = mlp([2, 4, 2], "tanh")
    partition = make_partition(net.sizes, {})
    theta, task = problem(net, partition, 1)
    assert transverse_blocks(net, partition, theta, task, MSE) == ()
    with pytest.raises(SpectrumError, match="no clones"):
        TransverseOperator(net, partition, theta, task, MSE)
