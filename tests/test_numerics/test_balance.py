"""Quadratic laws: identities over prime fields against float64 gradients and finite steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.balance import Balance, balance, rate_graph, step_graph
from numerics.evaluate import Evaluator
from numerics.identity import vanishes
from numerics.systems.float64 import Float64
from theory.activation import leaky_relu
from theory.architecture import Architecture
from theory.errors import ArchitectureError
from theory.zoo import mlp

widths = st.lists(st.integers(1, 4), min_size=3, max_size=4)


def random_inputs(graph, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in graph.input_shapes.items()}


@given(widths, st.sampled_from(["relu", leaky_relu("1/3"), leaky_relu(1)]), st.integers(0, 2**20))
def test_homogeneous_units_are_balanced(sizes, phi, seed):
    net = mlp(sizes, phi)
    for axis in [a for a in net.sizes if a.startswith("h")]:
        law = balance(net, axis)
        assert vanishes(rate_graph(net, law, batch=2), bits=60, seed=seed).verdict == "holds"
        assert vanishes(step_graph(net, law, law), bits=60, seed=seed).verdict == "holds"
        graph = step_graph(net, law, law)
        errors = Evaluator(graph, Float64())(random_inputs(graph, seed))["error"]
        assert np.abs(errors).max() < 1e-9  # sums of fewer than 100 products of numbers near 1


@pytest.mark.parametrize("phi", ["tanh", "gelu", "softplus", "sigmoid", "silu", "phi"])
def test_other_units_are_not(phi):
    net = mlp([2, 2, 1], phi)
    assert vanishes(rate_graph(net, balance(net, "h1")), bits=60, seed=0).verdict == "fails"


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        (Balance(("W1", "b1"), ("W2",)), "holds"),
        (Balance(("W1",), ("W2",)), "fails"),
        (Balance(("W1", "b1"), ("W2",), degree=2), "fails"),
        (Balance(("W1", "b1"), ("W2",), degree=-1), "fails"),
    ],
)
def test_every_term_of_the_law_is_needed(law, expected):
    found = vanishes(rate_graph(mlp([2, 3, 2], "relu"), law), bits=60, seed=1)
    assert found.verdict == expected


def test_a_step_changes_the_law_by_its_value_at_the_gradient():
    net = mlp([2, 2, 2], "relu")
    law = balance(net, "h1")
    for change in (lambda g: 0 * law(g), lambda g: 2 * law(g)):
        assert vanishes(step_graph(net, law, change), bits=60, seed=0).verdict == "fails"


def test_values():
    theta = {"W1": np.array([[1, 2], [3, 0]]), "b1": np.array([0, 5]), "W2": np.array([[1], [2]])}
    assert Balance(("W1", "b1"), ("W2",), degree=3)(theta).tolist() == [7, 17]


def test_an_axis_without_weights_out_of_it_is_refused():
    lonely = Architecture(lambda p, x: x @ p["W"], {"x": 1, "y": 1}, {"W": ("x", "y")})
    with pytest.raises(ArchitectureError, match=r"axis 'y'.*there are \['W'\] and \[\]"):
        balance(lonely, "y")
