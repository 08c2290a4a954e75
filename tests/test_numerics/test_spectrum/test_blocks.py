"""Transverse blocks against the theorem written out, exact numbers and directions."""

import numpy as np
import pytest

from numerics.evaluate import Evaluator
from numerics.flow.field import field
from numerics.losses import CROSS_ENTROPY, MSE
from numerics.spectrum import SpectrumError, transverse_blocks
from numerics.spectrum.normal_space import normal_components
from numerics.spectrum.point import point_of
from numerics.spectrum.probing import probed_blocks
from numerics.systems.ball import Ball, contains
from numerics.systems.float64 import Float64
from numerics.systems.objects import exact
from numerics.systems.rational import Rational
from numerics.tasks import Task
from tests.test_numerics.test_spectrum.dense import (
    dense_vectors,
    full_hessian,
    normal_spectrum,
    repeated,
)
from theory.architecture import Architecture
from theory.axis_roles import contracted_axes
from theory.backprop import pushforward
from theory.errors import ManifoldError, PartitionError, ShapeError
from theory.layers import layer_norm
from theory.manifold import block_constant, equitable
from theory.partition import make_partition
from theory.zoo import mlp

NET = mlp([4, 10, 15, 3], "tanh")
PARTITION = make_partition(
    NET.sizes, {"h1": [[0, 1, 2], [3, 4], [5, 6, 7]], "h2": [[0, 7, 14], [1, 2], [3, 5, 9, 11]]}
)


def problem(net, partition, samples=20, seed=0, loss=MSE):
    rng = np.random.default_rng(seed)
    manifold = block_constant(net, partition)
    theta = manifold.embed({k: rng.normal(size=s) for k, s in manifold.free_shapes.items()})
    x = rng.normal(size=(samples, *net.input_shape))
    y = rng.normal(size=(samples, *net.output_shape))
    if loss is CROSS_ENTROPY:
        y = np.eye(y.shape[1])[rng.integers(y.shape[1], size=samples)]
    return theta, Task("normal", x, y)


@pytest.mark.parametrize("loss", [MSE, CROSS_ENTROPY])
@pytest.mark.parametrize("samples", [1, 3, 20])
def test_the_cloned_network_of_263_parameters(loss, samples):
    theta, task = problem(NET, PARTITION, samples, loss=loss)
    blocks = transverse_blocks(NET, PARTITION, theta, task, loss)
    expected, _ = normal_spectrum(NET, PARTITION, theta, task, loss, Float64())
    found = repeated(blocks)
    assert NET.num_parameters == 263
    assert len(found) == equitable(NET, PARTITION).codimension
    assert np.abs(found - expected).max() <= 1e-12 * np.abs(expected).max()
    assert [b.multiplicity for b in blocks] == [2, 1, 2, 2, 1, 3]


def written_out(theta, task, site, *, root=np.sqrt, bias=True):
    """M of a block of h1, by loops, for NET; the loss is MSE."""
    blocks = {axis: PARTITION[axis].blocks for axis in PARTITION}
    v = site[0]
    size = len(blocks["x"]) + bias
    inner = np.zeros((size, size))
    coupling = np.zeros((size, len(blocks["h2"])))
    for x, target in zip(task.x, task.y, strict=True):
        h1 = np.tanh(x @ theta["W1"] + theta["b1"])
        h2 = np.tanh(h1 @ theta["W2"] + theta["b2"])
        y = h2 @ theta["W3"] + theta["b3"]
        delta2 = (theta["W3"] @ (y - target)) * (1 - h2**2) / len(task.x)
        d = theta["W2"][v] @ delta2
        slope, bend = 1 - h1[v] ** 2, -2 * h1[v] * (1 - h1[v] ** 2)
        h = np.array([root(len(b)) * x[b[0]] for b in blocks["x"]] + [1.0] * bias)
        delta = np.array([root(len(b)) * delta2[b[0]] for b in blocks["h2"]])
        inner += d * bend * np.outer(h, h)
        coupling += slope * np.outer(h, delta)
    zero = np.zeros((len(blocks["h2"]),) * 2)
    return np.block([[inner, coupling], [coupling.T, zero]])


def test_entries_are_those_of_the_theorem():
    theta, task = problem(NET, PARTITION)
    for block in transverse_blocks(NET, PARTITION, theta, task, MSE)[:3]:
        expected = written_out(theta, task, block.units)
        size = np.abs(expected).max()
        assert np.abs(block.matrix - expected).max() <= 1e-13 * size
        assert block.inner is not None
        assert block.coupling is not None
        assert np.array_equal(block.matrix[:5, :5], block.inner)
        assert np.array_equal(block.matrix[:5, 5:], block.coupling)
        without_roots = written_out(theta, task, block.units, root=lambda n: 1.0)
        assert np.abs(block.matrix - without_roots).max() > 1e-2 * size
        shorter = np.linalg.eigvalsh(written_out(theta, task, block.units, bias=False))
        own = block.eigenvalues()
        assert max(np.abs(shorter - value).min() for value in own) > 1e-3 * size


def test_probing_gives_the_same_blocks():
    theta, task = problem(NET, PARTITION)
    point = point_of(NET, theta, task, MSE, Float64())
    components = normal_components(NET, PARTITION, contracted_axes(point.graph))
    probed = {b.units: b for b in probed_blocks(NET, components, point, Float64())}
    for block in transverse_blocks(NET, PARTITION, theta, task, MSE):
        other = probed[block.units]
        assert np.abs(block.matrix - other.matrix).max() <= 1e-13 * np.abs(block.matrix).max()
        assert other.inner is None


def test_labels_name_the_rows():
    theta, task = problem(NET, PARTITION)
    block = transverse_blocks(NET, PARTITION, theta, task, MSE)[0]
    names = [str(label) for label in block.labels]
    assert names[:6] == [
        *(f"W1[{k}; ±0,1,2]" for k in range(4)),
        "b1[±0,1,2]",
        "W2[±0,1,2; 0,7,14]",
    ]
    assert block.gram.tolist()[:8] == [1, 1, 1, 1, 1, 3, 2, 4]


def test_rational_blocks_are_the_exact_hessian():
    """ReLU and integers: nᵣᵀ H nₛ of all pairs of rows, of the loss's own graph, exactly."""
    net = mlp([2, 4, 3, 2], "relu")
    partition = make_partition(net.sizes, {"h1": [[0, 1, 3]], "h2": [[0, 2]]})
    rng = np.random.default_rng(1)
    manifold = block_constant(net, partition)
    theta = manifold.embed(
        {k: rng.integers(-3, 4, size=s) for k, s in manifold.free_shapes.items()}
    )
    task = Task("integers", rng.integers(-3, 4, (5, 2)), rng.integers(-3, 4, (5, 2)))
    q = Rational()
    graph = pushforward(field(net, MSE, 5), list(net.parameter_shapes))
    blocks = transverse_blocks(net, partition, theta, task, MSE, system=q)
    balls = transverse_blocks(net, partition, theta, task, MSE, system=Ball(64))
    floats = transverse_blocks(net, partition, theta, task, MSE)
    count = 0
    for block, ball, near in zip(blocks, balls, floats, strict=True):
        rows = []
        for panel in block.component.panels:
            for r in range(panel.size):
                direction = {p: np.zeros(s, dtype=int) for p, s in net.parameter_shapes.items()}
                unit = np.zeros(panel.size, dtype=int)
                unit[r] = 1
                panel.add(unit, direction[panel.parameter])
                rows.append(direction)
        for r, row in enumerate(rows):
            moves = {f"tangent:{p}": a for p, a in row.items()}
            bent = Evaluator(graph, q)({**theta, "x": task.x, "target": task.y, **moves})
            for s, other in enumerate(rows):
                value = -sum(
                    (bent[f"tangent:rate:{p}"] * q.array(a)).sum() for p, a in other.items()
                )
                assert value == 2 * block.form[r, s]
                count += value != 0
        values = np.vectorize(exact, otypes=[object])(block.form)
        assert contains(ball.form, values).all()
        assert np.allclose(block.eigenvalues(), near.eigenvalues(), atol=1e-10)
        with pytest.raises(SpectrumError, match="use form and gram"):
            _ = block.matrix
    assert count > 10


def test_balls_enclose_cross_entropy():
    theta, task = problem(NET, PARTITION, 3, loss=CROSS_ENTROPY)
    balls = transverse_blocks(NET, PARTITION, theta, task, CROSS_ENTROPY, system=Ball(128))
    floats = transverse_blocks(NET, PARTITION, theta, task, CROSS_ENTROPY)
    for ball, near in zip(balls, floats, strict=True):
        mid = np.vectorize(float, otypes=[float])(ball.matrix)
        assert np.abs(mid - near.matrix).max() <= 1e-13 * np.abs(near.matrix).max()
        assert max(float(entry.rad()) for entry in ball.matrix.flat) < 1e-30


def normalised(p, x):
    h = layer_norm(np.tanh(x @ p["W1"] + p["b1"]), eps=1)
    return np.tanh(h @ p["W2"] + p["b2"]) @ p["W3"] + p["b3"]


@pytest.mark.parametrize("is_normalised", [False, True])
def test_ensembles_are_their_members(is_normalised):
    net = mlp([2, 4, 4, 2], "tanh")
    if is_normalised:
        net = Architecture(normalised, net.sizes, net.parameters)
    partition = make_partition(net.sizes, {"h1": [[0, 1, 2]], "h2": [[1, 3]]})
    members = [problem(net, partition, 40, seed) for seed in range(3)]
    task = members[0][1]
    theta = {p: np.stack([member[p] for member, _ in members]) for p in net.parameters}
    together = transverse_blocks(net, partition, theta, task, MSE)
    for k, (member, _) in enumerate(members):
        for block, one in zip(
            together, transverse_blocks(net, partition, member, task, MSE), strict=True
        ):
            assert np.allclose(block.eigenvalues()[k], one.eigenvalues(), atol=1e-13, rtol=1e-13)


@pytest.mark.parametrize("samples", [2, 20])
def test_eigenvectors_are_directions_of_the_full_hessian(samples):
    theta, task = problem(NET, PARTITION, samples)
    hessian = full_hessian(NET, theta, task, MSE, Float64())
    tangent = dense_vectors(equitable(NET, PARTITION).tangent_basis(), NET.parameter_shapes)
    for block in transverse_blocks(NET, PARTITION, theta, task, MSE):
        values, vectors = block.eigenvectors()
        for clones in ((0, 1), (0, len(block.units) - 1)):
            directions = block.direction(vectors.T, clones)
            flat = np.concatenate(
                [
                    directions.get(p, np.zeros((len(values), *s))).reshape(len(values), -1)
                    for p, s in NET.parameter_shapes.items()
                ],
                axis=1,
            )
            assert np.allclose(flat @ flat.T, np.eye(len(values)), atol=1e-12)
            assert np.abs(flat @ tangent.T).max() < 1e-12
            assert (
                np.abs(flat @ hessian - values[:, None] * flat).max()
                < 1e-12 * np.abs(hessian).max()
            )


def test_points_off_bc_are_refused_with_their_distance():
    theta, task = problem(NET, PARTITION)
    theta["W2"] = theta["W2"].copy()
    theta["W2"][0, 0] += 0.25
    with pytest.raises(SpectrumError, match=r"'W2': .* differ by 0.25, .*not block-constant"):
        transverse_blocks(NET, PARTITION, theta, task, MSE)
    exactly = {p: np.round(64 * a).astype(int) for p, a in theta.items()}
    with pytest.raises(SpectrumError, match="not block-constant"):
        transverse_blocks(NET, PARTITION, exactly, task, MSE, system=Ball(64))


def layer_between(operation):
    return Architecture(
        lambda p, x: operation(np.tanh(x @ p["W"])) @ p["V"],
        sizes={"x": 2, "h": 3, "y": 2},
        parameters={"W": ("x", "h"), "V": ("h", "y")},
    )


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda h: h * np.array([1, 2, 3]), "exchanging the clones of h"),
        (lambda h: h * np.roll(h, 1, axis=-1), "exchanging the clones of h"),
        (lambda h: h + np.maximum(h[:, :1], h[:, 1:2]), "kink"),
    ],
)
def test_clones_that_are_none_are_refused(operation, message):
    net = layer_between(operation)
    partition = make_partition(net.sizes, {"h": [[0, 1]]})
    theta, task = problem(net, partition, 5)
    with pytest.raises(SpectrumError, match=message):
        transverse_blocks(net, partition, theta, task, MSE)


def test_mirrored_clones_and_zero_units_have_no_blocks():
    theta, task = problem(NET, PARTITION)
    for own in (
        make_partition(NET.sizes, {"h1": [[0, 1]]}, signs={"h1": {1: -1}}),
        make_partition(NET.sizes, {}, zero={"h1": [0]}),
    ):
        with pytest.raises(SpectrumError, match="mirrored clones or zero units"):
            transverse_blocks(NET, own, theta, task, MSE)


def test_heads_and_units_inside_heads_part_together():
    """A target pattern with two mixed axes is normal, and a block of its own."""
    net = Architecture(
        lambda p, x: (
            np.tanh(np.einsum("bx,xhk->bhk", x, p["W"])).reshape(x.shape[0], 6) @ p["V"]
            + np.tanh(np.einsum("bx,xhk->bhk", x, p["W"])).sum(1) @ p["U"]
        ),
        sizes={"x": 2, "h": 2, "k": 3, "f": 6, "y": 2},
        parameters={"W": ("x", "h", "k"), "V": ("f", "y"), "U": ("k", "y")},
    )
    partition = make_partition(net.sizes, {"h": [[0, 1]], "k": [[0, 1, 2]], "f": [list(range(6))]})
    theta, task = problem(net, partition, 5)
    with pytest.raises(SpectrumError, match="exchanging the clones"):
        transverse_blocks(net, partition, theta, task, MSE)
    simple = Architecture(
        lambda p, x: np.einsum("bhk,hky->by", np.tanh(np.einsum("bx,xhk->bhk", x, p["W"])), p["V"]),
        sizes={"x": 2, "h": 2, "k": 3, "y": 2},
        parameters={"W": ("x", "h", "k"), "V": ("h", "k", "y")},
    )
    partition = make_partition(simple.sizes, {"h": [[0, 1]], "k": [[0, 1, 2]]})
    theta, task = problem(simple, partition, 5)
    blocks = transverse_blocks(simple, partition, theta, task, MSE)
    assert {(b.axis, b.multiplicity) for b in blocks} == {("h", 1), ("k", 2), ("h × k", 2)}
    expected, _ = normal_spectrum(simple, partition, theta, task, MSE, Float64())
    assert np.abs(repeated(blocks) - expected).max() <= 1e-12 * np.abs(expected).max()


def test_flattened_channels_part_together_in_their_order():
    """Two places, three channels that are put in another order before they are flattened."""

    def forward(p, x):
        h = np.tanh(np.einsum("bux,xc->buc", x, p["W"]))
        flat = np.take(h, [2, 0, 1], axis=2).reshape(x.shape[0], 6)
        return np.tanh(flat * p["g"]) @ p["V"] + (h**2).mean(1) @ p["U"]

    net = Architecture(
        forward,
        sizes={"u": 2, "x": 2, "c": 3, "f": 6, "y": 2},
        parameters={"W": ("x", "c"), "g": ("f",), "V": ("f", "y"), "U": ("c", "y")},
        inputs=("u", "x"),
    )
    partition = make_partition(net.sizes, {"c": [[0, 1, 2]], "f": [[0, 1, 2], [3, 4, 5]]})
    theta, task = problem(net, partition, 5)
    (block,) = transverse_blocks(net, partition, theta, task, MSE)
    assert block.multiplicity == 2
    assert block.component.size == 2 + 2 + 2 * (1 + 2)
    expected, _ = normal_spectrum(net, partition, theta, task, MSE, Float64())
    assert np.abs(repeated([block]) - expected).max() <= 1e-12 * np.abs(expected).max()
    hessian = full_hessian(net, theta, task, MSE, Float64())
    values, vectors = block.eigenvectors()
    for clones in ((0, 1), (1, 2)):
        found = block.direction(vectors.T, clones)
        flat = np.concatenate([found[p].reshape(len(values), -1) for p in net.parameters], axis=1)
        assert np.abs(flat @ hessian - values[:, None] * flat).max() <= 1e-12


def test_what_does_not_fit_is_named():
    theta, task = problem(NET, PARTITION)
    with pytest.raises(PartitionError, match="axis 'h2' has 15 units"):
        transverse_blocks(NET, {**PARTITION, "h2": PARTITION["h1"]}, theta, task, MSE)
    with pytest.raises(ManifoldError, match="'b1' is missing"):
        transverse_blocks(NET, PARTITION, {p: a for p, a in theta.items() if p != "b1"}, task, MSE)
    with pytest.raises(ShapeError, match=r"task.y has shape \(20, 1\), the outputs have \(20, 3\)"):
        transverse_blocks(NET, PARTITION, theta, Task("", task.x, task.y[:, :1]), MSE)
    with pytest.raises(ShapeError, match="'x' has shape"):
        transverse_blocks(NET, PARTITION, theta, Task("", task.x[:, :2], task.y), MSE)
