import numpy as np
import pytest

from numerics.evaluate import Evaluator
from numerics.systems.float64 import Float64
from theory.activation import Activation, leaky_relu, tanh
from theory.errors import ArchitectureError, LopError
from theory.zoo import from_name, mlp


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("widths", [(3, 2), (2, 4, 1), (1, 3, 2, 5)])
def test_an_mlp_is_its_layers(widths, bias):
    net = mlp(widths, tanh, bias=bias)
    rng = np.random.default_rng(0)
    theta = {p: rng.normal(size=s) for p, s in net.parameter_shapes.items()}
    x = h = rng.normal(size=(6, widths[0]))
    for k in range(1, len(widths)):
        h = h @ theta[f"W{k}"] + (theta[f"b{k}"] if bias else 0)
        h = np.tanh(h) if k < len(widths) - 1 else h
    found = Evaluator(net.graph(6), Float64())({"x": x, **theta})["y"]
    # The same products, in the same order but for the order of sums: a few roundings of entries.
    np.testing.assert_allclose(found, h, rtol=1e-12, atol=1e-12)


def test_axes_and_counts():
    net = mlp([3, 4, 5, 2])
    assert net.sizes == {"x": 3, "h1": 4, "h2": 5, "y": 2}
    assert net.parameters == {
        "W1": ("x", "h1"),
        "b1": ("h1",),
        "W2": ("h1", "h2"),
        "b2": ("h2",),
        "W3": ("h2", "y"),
        "b3": ("y",),
    }
    assert net.num_parameters == 3 * 4 + 4 + 4 * 5 + 5 + 5 * 2 + 2
    assert mlp([3, 4, 4, 2]).num_parameters == 46


@pytest.mark.parametrize(
    ("name", "phi"),
    [
        ("mlp:3-4-2", Activation("phi")),
        ("mlp:3-4-2:tanh", tanh),
        ("mlp:3-4-2:leaky_relu", leaky_relu()),
    ],
)
def test_names_are_read(name, phi):
    assert from_name(name).graph() == mlp([3, 4, 2], phi).graph()


@pytest.mark.parametrize("phi", ["phi", "tanh"])
def test_a_name_is_read_back(phi):
    net = mlp([3, 4, 2], phi)
    assert from_name(net.name).name == net.name == f"mlp:3-4-2:{phi}"


@pytest.mark.parametrize("name", ["mlp", "mlp:", "mlp:3--2", "mlp:3-x", "mlp:0-2", "net:3-2", ""])
def test_other_names_are_refused(name):
    with pytest.raises(ArchitectureError, match=r"an example is mlp:3-4-4-2:tanh"):
        from_name(name)


@pytest.mark.parametrize("name", ["mlp:3", "mlp:3-2:no name", "mlp:3-2:tanh:relu"])
def test_other_parts_are_refused(name):
    with pytest.raises(LopError):
        from_name(name)


def test_an_mlp_has_inputs_and_outputs():
    with pytest.raises(ArchitectureError, match=r"widths=\[3\]"):
        mlp([3])
    with pytest.raises(ArchitectureError, match=r"sizes\['h1'\]=0"):
        mlp([3, 0, 2])


def test_a_misspelt_activation_is_not_an_arbitrary_function():
    with pytest.raises(ArchitectureError, match="unknown activation 'thanh'; there are phi, tanh"):
        from_name("mlp:3-4-2:thanh")
