from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.test_theory.interpreter import interpret
from theory.activation import Activation
from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.manifold import block_constant, equitable
from theory.partition import make_partition
from theory.widening import source_counts, target_counts, widen
from theory.zoo import mlp

WIDE = mlp([2, 5, 3, 1])
CLONES = make_partition(WIDE.sizes, {"h1": [[0, 3, 4], [1, 2]], "h2": [[0, 1, 2]]})
BASE = mlp([2, 2, 1, 1])


def parameters(net: Architecture, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    numbers = np.vectorize(Fraction, otypes=[object])
    return {p: numbers(rng.integers(-9, 10, s)) for p, s in net.parameter_shapes.items()}


def outputs(net: Architecture, point: dict[str, Any]) -> Any:
    def cubic(activation: Activation, z: Fraction) -> Fraction:
        return z**3 - 2 * z + 1

    x = np.array([[Fraction(2), Fraction(-1, 3)]], dtype=object)
    return interpret(net.graph(), {**point, "x": x}, cubic, Fraction)["y"].tolist()


@given(st.integers(0, 2**32))
def test_the_wide_network_computes_the_base_exactly(seed):
    base = parameters(BASE, seed)
    assert outputs(WIDE, widen(WIDE, CLONES, base)) == outputs(BASE, base)


@given(st.integers(0, 2**32))
def test_zero_sum_parts_keep_the_outputs(seed):
    base = parameters(BASE, seed)
    point = widen(WIDE, CLONES, base)
    on = equitable(WIDE, CLONES)
    rng = np.random.default_rng(seed)
    free = {n: (rng.integers(-9, 10, s) * ("Z" in n)) for n, s in on.free_shapes.items()}
    moved = {p: point[p] + part for p, part in on.embed(free).items()}
    assert outputs(WIDE, moved) == outputs(BASE, base)


def test_entries_are_the_base_divided_by_the_number_of_source_clones():
    point = widen(WIDE, CLONES, {p: np.full(s, 6.0) for p, s in BASE.parameter_shapes.items()})
    assert {p: sorted(set(a.ravel().tolist())) for p, a in point.items()} == {
        "W1": [6.0],  # inputs are not cloned
        "b1": [6.0],
        "W2": [2.0, 3.0],  # from blocks of three and of two
        "b2": [6.0],
        "W3": [2.0],
        "b3": [6.0],
    }
    assert point["W2"][:, 0].tolist() == [2, 3, 3, 2, 2]


def test_the_point_is_block_constant():
    point = widen(WIDE, CLONES, parameters(BASE, 1))
    assert block_constant(WIDE, CLONES).squared_distance(point) == 0


def test_counts_of_sources_and_targets():
    assert {p: n.tolist() for p, n in source_counts(WIDE, CLONES).items()} == {
        "W1": [[1], [1]],
        "b1": [1],
        "W2": [[3], [2]],
        "b2": [1],
        "W3": [[3]],
        "b3": [1],
    }
    assert {p: n.tolist() for p, n in target_counts(WIDE, CLONES).items()} == {
        "W1": [[3, 2]],
        "b1": [3, 2],
        "W2": [[3]],
        "b2": [3],
        "W3": [[1]],
        "b3": [1],
    }


def test_counts_multiply_over_several_source_axes():
    net = Architecture(
        lambda p, x: np.einsum("bij,ijk->bk", np.tanh(x[:, :, None] * p["w"]), p["T"]),
        sizes={"x": 2, "h": 4, "y": 2},
        parameters={"w": ("h",), "T": ("x", "h", "y")},
    )
    clones = make_partition(net.sizes, {"x": [[0, 1]], "h": [[0, 1, 2]], "y": [[0, 1]]})
    assert source_counts(net, clones)["T"].tolist() == [[[6], [2]]]
    assert target_counts(net, clones)["T"].tolist() == [[[2]]]


def test_leading_axes_are_kept():
    members = [parameters(BASE, seed) for seed in range(3)]
    stacked = {p: np.stack([m[p] for m in members]) for p in BASE.parameters}
    together = widen(WIDE, CLONES, stacked)
    for k, member in enumerate(members):
        alone = widen(WIDE, CLONES, member)
        assert all(np.array_equal(together[p][k], alone[p]) for p in alone)


def test_frozen_networks_are_widened_as_if_free():
    base = parameters(BASE, 0)
    frozen = WIDE.freeze("h1", 0, 2)
    one, other = widen(frozen, CLONES, base), widen(WIDE, CLONES, base)
    assert all(np.array_equal(one[p], other[p]) for p in one)


def test_a_base_of_another_shape_is_refused():
    wrong = parameters(BASE, 0) | {"W2": np.zeros((2, 3))}
    with pytest.raises(ManifoldError, match=r"^base\['W2'\] has shape \(2, 3\), expected \(2, 1\)"):
        widen(WIDE, CLONES, wrong)
