from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.clones import Side, differences_graph, prove_equal_units
from numerics.evaluate import Evaluator
from numerics.systems.float64 import Float64
from proofs_check.strategies import architectures, partitions
from theory.activation import activation
from theory.architecture import Architecture
from theory.errors import ManifoldError, ValueSystemError
from theory.manifold import (
    ambient,
    block_constant,
    equitable,
    incoming_equitable,
    outgoing_equitable,
)
from theory.partition import make_partition
from theory.zoo import mlp

FEWER = settings(max_examples=settings().max_examples // 4)
SIDES: tuple[Side, Side] = ("forward", "backward")

NET = mlp([2, 3, 2], "tanh")
CLONES = make_partition(NET.sizes, {"h1": [[0, 2]]})


def both(net: Architecture, partition: Any, manifold: Any) -> list[str]:
    return [prove_equal_units(net, partition, manifold, side).verdict for side in SIDES]


@given(st.data())
@FEWER
def test_units_agree_where_the_sums_do(data):
    """P3 and P4: IE forward, IE∩OE both, OE not even backward, for the slopes differ."""
    net = data.draw(architectures(max_depth=2, max_width=4))
    clones = data.draw(partitions(net))
    assert both(net, clones, equitable(net, clones)) == ["holds", "holds"]
    assert both(net, clones, block_constant(net, clones)) == ["holds", "holds"]
    assert both(net, clones, incoming_equitable(net, clones))[0] == "holds"
    assert both(net, clones, outgoing_equitable(net, clones))[0] == "fails"
    assert both(net, clones, ambient(net)) == ["fails", "fails"]


def test_on_one_half_the_other_side_fails():
    net = mlp([2, 4, 4, 1])
    clones = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[0, 2]]})
    assert both(net, clones, incoming_equitable(net, clones)) == ["holds", "fails"]
    assert both(net, clones, outgoing_equitable(net, clones)) == ["fails", "fails"]


def test_another_partition_fails():
    net = mlp([2, 3, 2])
    one, other = ({"h1": [[0, 1]]}, {"h1": [[1, 2]]})
    on = equitable(net, make_partition(net.sizes, one))
    assert both(net, make_partition(net.sizes, other), on) == ["fails", "fails"]


def test_what_fails_is_named_by_its_value_and_axis():
    found = prove_equal_units(NET, CLONES, ambient(NET), "forward")
    kinds = {(name[0], name.partition(" ")[2]) for name in found.failing}
    assert kinds == {("z", "along h1"), ("h", "along h1")}


def by_axis(side: Side) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Values of the differences, what they were given, and the explicit forward pass."""
    graph = differences_graph(NET, CLONES, side, batch=3)
    rng = np.random.default_rng(0)
    given = {name: rng.normal(size=shape) for name, shape in graph.input_shapes.items()}
    found = Evaluator(graph, Float64())(given)
    return {name[0]: value for name, value in found.items()}, given, explicit(given)


def explicit(given: dict[str, Any]) -> dict[str, Any]:
    z = given["x"] @ given["W1"] + given["b1"]
    h = np.tanh(z)
    values = {"z": z, "h": h}
    if "adjoint:y" in given:
        d = given["adjoint:y"] @ given["W2"].T
        values |= {"h": d, "z": d * (1 - h * h)}
    return values


@pytest.mark.parametrize("side", SIDES)
def test_differences_are_those_of_explicit_values(side):
    found, given, values = by_axis(side)
    assert set(found) == {"z", "h"}
    for kind, value in found.items():
        label = next(n for n in given if n.startswith(f"mixed:{kind}")).partition(":")[2]
        samples = given[f"generic:{label}:0"]
        difference = values[kind][:, 0] - values[kind][:, 2]
        expected = samples @ difference * given[f"mixed:{label}"][0]
        assert value == pytest.approx(expected, rel=1e-12)
        assert abs(value) > 1e-3


def test_coupled_samples_take_two():
    """One sample minus its batch mean is 0: all units would agree."""
    phi = activation("phi")

    def forward(p: dict[str, Any], x: Any) -> Any:
        z = x @ p["W"]
        return phi(z - z.mean(axis=0)) @ p["V"]

    net = Architecture(
        forward,
        sizes={"x": 2, "h": 2, "y": 1},
        parameters={"W": ("x", "h"), "V": ("h", "y")},
    )
    clones = make_partition(net.sizes, {"h": [[0, 1]]})
    assert both(net, clones, ambient(net)) == ["fails", "fails"]
    assert prove_equal_units(net, clones, ambient(net), "forward", batch=1).verdict == "holds"
    assert both(net, clones, equitable(net, clones)) == ["holds", "holds"]


def test_an_axis_that_stands_twice_is_compared_at_both_places():
    phi = activation("phi")

    def squared(p: dict[str, Any], x: Any) -> Any:
        z = np.einsum("bi,ij,k->bjk", x, p["W"], p["v"])
        return phi(z).sum(axis=2) @ p["V"]

    net = Architecture(
        squared,
        sizes={"x": 2, "h": 2, "y": 1},
        parameters={"W": ("x", "h"), "v": ("h",), "V": ("h", "y")},
    )
    clones = make_partition(net.sizes, {"h": [[0, 1]]})
    found = prove_equal_units(net, clones, ambient(net), "forward")
    assert {name.partition(" ")[2] for name in found.failing} == {
        "along h (axis 1)",
        "along h (axis 2)",
    }


def test_clones_that_meet_no_function_are_not_claimed_equal():
    net = Architecture(
        lambda p, x: x @ p["W"] @ p["V"],
        sizes={"x": 1, "h": 2, "y": 1},
        parameters={"W": ("x", "h"), "V": ("h", "y")},
    )
    clones = make_partition(net.sizes, {"h": [[0, 1]]})
    for side in SIDES:
        with pytest.raises(ManifoldError, match=r"^axis 'h' has clones, but no function symbol"):
            prove_equal_units(net, clones, ambient(net), side)
    with pytest.raises(ManifoldError, match=r"^axis 'y' has clones"):
        prove_equal_units(NET, make_partition(NET.sizes, {"y": [[0, 1]]}), ambient(NET), "forward")


def test_unreachable_bits_are_refused():
    with pytest.raises(ValueSystemError, match=r"^bits=500: "):
        prove_equal_units(NET, CLONES, equitable(NET, CLONES), "forward", bits=500)


def test_an_axis_that_lost_its_name_is_refused():
    phi, psi = activation("phi"), activation("psi")

    def forward(p: Any, x: Any) -> Any:
        z = x @ p["W"]
        return phi(np.concatenate([psi(z[:, :1]), z[:, 1:]], axis=1)) @ p["V"]

    net = Architecture(
        forward, {"x": 1, "h": 2, "y": 1}, {"W": ("x", "h"), "V": ("h", "y")}, name="mixed"
    )
    clones = make_partition(net.sizes, {"h": [[0, 1]]})
    with pytest.raises(ManifoldError, match="an axis without a name cannot be compared"):
        prove_equal_units(net, clones, equitable(net, clones), "forward")
