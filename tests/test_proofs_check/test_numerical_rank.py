"""``lop discover --parameters``: the numerical rank beside the generic dimension."""

import json
from typing import Any

import numpy as np
import pytest

from numerics.train import initial_parameters
from proofs_check.cli import main
from proofs_check.discover import discover
from proofs_check.errors import ArraysError, OptionError
from proofs_check.files import read_array, read_arrays
from theory.architecture import Architecture
from theory.zoo import mlp

TANH = mlp([3, 4, 2], "tanh")


def weights(net, seed=0):
    """Normal weights and biases."""
    rng = np.random.default_rng(seed)
    return {p: rng.normal(size=shape) for p, shape in net.parameter_shapes.items()}


def at_weights(net, *conditions, **options):
    found = discover(net, *conditions, **options).at_weights
    assert found is not None
    return found


def test_generic_weights_have_the_generic_dimension():
    found = at_weights(TANH, parameters=weights(TANH))
    assert (found.spectrum.dimension, found.generic, found.reasons) == (26, 26, ())
    assert found.is_clear
    assert found.lines()[-1] == "  as at generic weights: 26"


def test_a_dead_relu_costs_its_parameters_and_those_it_feeds():
    """Unit 0 is shut wherever the data go: no gradient at its 4 incoming and 2 outgoing weights."""
    net = mlp([3, 4, 2], "relu")
    theta = weights(net)
    theta["b1"][0] = -100.0
    found = at_weights(net, parameters=theta)
    assert (found.spectrum.dimension, found.generic) == (26 - 6, 26)
    text = "\n".join(found.lines())
    assert "that is not the generic 26" in text
    assert "gates of relu" in text
    assert " | " in text


def test_saturated_units_are_named():
    theta = weights(TANH)
    theta["b1"][0] = 1e3
    found = at_weights(TANH, parameters=theta)
    assert found.spectrum.dimension < 26
    assert any("saturated: tanh" in reason for reason in found.reasons)


def test_exp_has_an_addition_law_that_the_field_does_not_know():
    """e^(a+b) - e^a e^b is 0, but not by E' = E: in the field it trains w, b and c too."""

    def forward(p, x):
        z = x @ p["w"]
        return x @ p["u"] + (np.exp(z + p["b"]) - np.exp(z) * np.exp(p["b"])) * p["c"]

    axes = {"u": ("x", "y"), "w": ("x", "y"), "b": ("y",), "c": ("y",)}
    net = Architecture(forward, {"x": 2, "y": 1}, axes)
    found = at_weights(net, parameters=weights(net))
    assert (found.spectrum.dimension, found.generic) == (2, 6)
    assert any("addition law of exp" in reason for reason in found.reasons)


def test_few_data_are_a_reason():
    found = at_weights(TANH, parameters=weights(TANH), data=np.zeros((2, 3)))
    assert found.spectrum.dimension <= 26 - 12  # nothing reaches the 12 weights of the inputs
    assert any("2 samples of the data" in reason for reason in found.reasons)


def test_weights_that_are_no_clones_are_told():
    net = mlp([3, 4, 2], "tanh")
    theta = weights(net)
    found = at_weights(net, ["h1=0,1"], parameters=theta)
    assert not found.is_on_points
    assert any("not on       IE∩OE" in line for line in found.lines())
    for p, index in (("W1", (slice(None), 1)), ("b1", 1), ("W2", 1)):
        source = (*index[:-1], 0) if isinstance(index, tuple) else 0
        theta[p][index] = theta[p][source]
    on = at_weights(net, ["h1=0,1"], parameters=theta)
    assert on.is_on_points
    assert (on.spectrum.dimension, on.generic) == (20, 20)


def test_the_command_line(tmp_path, capsys):
    theta: dict[str, Any] = dict(initial_parameters(TANH, 0))
    np.savez(tmp_path / "w.npz", **theta)
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).normal(size=(50, 3)))
    arguments = ["discover", "mlp:3-4-2:tanh", "--json", "-", "--parameters", f"{tmp_path}/w.npz"]
    assert main([*arguments, "--data", f"{tmp_path}/d.npz"]) == 0
    answer = json.loads(capsys.readouterr().out)
    here = answer["at_weights"]
    assert answer["plasticity_dimension"] == here["dimension"] == 26
    assert here["level"] == "observed"
    assert len(here["singular_values"]) == 26
    assert (here["differs"], here["data"]) == (False, 50)
    assert main(arguments[:4]) == 0
    assert json.loads(capsys.readouterr().out)["at_weights"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"W1": None}, "W1"),
        ({"W1": np.zeros((4, 3))}, r"W1.*shape \(4, 3\), expected \(3, 4\)"),
        ({"W1": np.full((3, 4), np.nan)}, "is nan"),
        ({"W9": np.zeros(2)}, "'W9'.*the network's parameters are W1, b1, W2, b2"),
    ],
)
def test_weights_that_do_not_fit(change, message):
    theta = {p: a for p, a in (weights(TANH) | change).items() if a is not None}
    with pytest.raises(ArraysError, match=message):
        discover(TANH, parameters=theta)


@pytest.mark.parametrize("shape", [(0, 3), (5, 2), (3,), ()])
def test_data_that_do_not_fit(shape):
    with pytest.raises(ArraysError, match="data"):
        discover(TANH, parameters=weights(TANH), data=np.zeros(shape))


def test_an_unknown_function_has_no_rank():
    net = mlp([3, 4, 2])
    with pytest.raises(ArraysError, match="phi, which stands for any function"):
        discover(net, parameters=weights(net))


def test_data_need_weights():
    with pytest.raises(OptionError, match="give --parameters too"):
        discover(TANH, data=np.zeros((2, 3)))


def test_files_that_hold_no_arrays(tmp_path):
    (tmp_path / "text.npz").write_text("weights")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04")
    np.save(tmp_path / "one.npy", np.zeros(3))
    np.savez(tmp_path / "words.npz", x=np.array(["a"]))
    np.savez(tmp_path / "objects.npz", x=np.array([None], dtype=object))
    np.savez(tmp_path / "good.npz", y=np.zeros(2))
    for name in ("text.npz", "cut.npz", "one.npy", "words.npz", "objects.npz", "missing.npz", ""):
        with pytest.raises(ArraysError):
            read_arrays(tmp_path / name)
    with pytest.raises(ArraysError, match="the array 'x' is missing; there are y"):
        read_array(tmp_path / "good.npz", "x")
