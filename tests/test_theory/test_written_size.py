"""The budget of derivations: what is too long to be written out is unknown at once."""

from time import perf_counter

import numpy as np
import pytest
import sympy

from theory.architecture import Architecture
from theory.invariance import check_invariance
from theory.layers import softmax
from theory.manifold import block_constant, equitable
from theory.partition import make_partition
from theory.symbolic.gradient_field import gradient_field
from theory.symbolic.written_size import written_size
from theory.zoo import from_name

SOFTMAX = Architecture(
    lambda p, x: softmax(x @ p["W"]) @ p["V"],
    sizes={"x": 2, "h": 3, "y": 2},
    parameters={"W": ("x", "h"), "V": ("h", "y")},
)


def asked(net, axis, **options):
    clones = make_partition(net.sizes, {axis: [[0, 1]]})
    tangent = block_constant(net, clones)
    return check_invariance(net, equitable(net, clones), tangent=tangent, **options)


@pytest.mark.parametrize("name", ["decoder:5-2-1-4-2-4:gelu", "vit:2x2:2:1-1-2-1-2:2:gelu"])
def test_a_network_with_softmax_is_unknown_at_once(name):
    start = perf_counter()
    found = asked(from_name(name), "m1")
    assert perf_counter() - start < 10
    assert found.verdict == "unknown"
    assert "the budget is 1.0e+06" in found.reason


def test_a_large_network_is_not_even_read():
    start = perf_counter()
    found = asked(from_name("mlp:300-300-300-300"), "h1")
    assert perf_counter() - start < 10
    assert found.verdict == "unknown"


def test_a_larger_budget_is_used():
    size = written_size(SOFTMAX, 1, 10**9)
    assert asked(SOFTMAX, "h", budget=size - 1).verdict == "unknown"
    assert asked(SOFTMAX, "h", budget=size).verdict == "proved"


@pytest.mark.parametrize("name", ["mlp:2-3-2", "mlp:2-3-3-1:relu", "rnn:2-2-1-2:tanh", "softmax"])
def test_what_sympy_writes_is_no_longer(name):
    """SymPy joins nested sums and products, so its trees have at most as many nodes."""
    net = SOFTMAX if name == "softmax" else from_name(name)
    written = sum(sum(1 for _ in sympy.preorder_traversal(y)) for y in gradient_field(net).y.flat)
    counted = written_size(net, 1, 10**9) // net.num_parameters
    assert written / 3 < counted
    assert counted < 3 * written


def test_constants_of_zero_cost_nothing():
    net = Architecture(
        lambda p, x: x @ (p["W"] * np.array([0, 1])), {"x": 1, "h": 2}, {"W": ("x", "h")}
    )
    # a number, and x w: a product of two symbols
    assert written_size(net, 1, 1000) == 2 * (1 + 3)
