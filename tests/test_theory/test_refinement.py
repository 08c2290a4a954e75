"""Colour refinement against all partitions, one by one."""

import re
from fractions import Fraction
from itertools import product
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.drawing.networks import draw_network, draw_partition, draw_rationals
from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.partition import AxisPartition
from theory.refinement import (
    MANIFOLDS,
    coarsest_partition,
    hidden_axes,
    odd_axes,
    vanishing_axes,
)
from theory.zoo import mlp


def set_partitions(n):
    """All partitions of 0..n-1 as owner lists: restricted growth strings."""
    found = [[0]]
    for _ in range(n - 1):
        found = [[*own, k] for own in found for k in range(max(own) + 2)]
    return found


def axis_partitions(n, *, signs, zero):
    """All partitions of an axis, with signs and zero units if asked for; each once."""
    values = [0, 1, -1] if signs else [0, 1] if zero else [1]
    seen = set()
    for owners in set_partitions(n):
        for choice in product(values, repeat=n):
            blocks: dict[int, list[int]] = {}
            for unit, owner in enumerate(owners):
                if choice[unit]:
                    blocks.setdefault(owner, []).append(unit)
            own = [1] * n
            for block in blocks.values():
                for unit in block:
                    own[unit] = choice[unit] * choice[block[0]]
            one = AxisPartition(
                n,
                tuple(sorted(map(tuple, blocks.values()))),
                tuple(own),
                tuple(u for u in range(n) if not choice[u]),
            )
            if one not in seen:
                seen.add(one)
                yield one


def is_finer(p, q):
    """Whether blocks of p lie in blocks of q, or in its zero units, with the same signs."""
    if not set(p.zero) <= set(q.zero):
        return False
    for block in p.blocks:
        if set(block) <= set(q.zero):
            continue
        if len({(q.block_of[u], q.signs[u] * p.signs[u]) for u in block}) > 1:
            return False
    return True


def assert_coarsest(net: Any, theta: Any, kind: Any, signs: Any = False, zero: Any = False) -> Any:
    hidden = [axis for axis in net.sizes if axis.startswith("h")]
    options = {"mirrored": hidden if signs else (), "zero": hidden if zero else ()}
    found = coarsest_partition(net, theta, kind=kind, **options)
    assert found.manifold.squared_distance(theta) == 0
    alone = {axis: AxisPartition(n, tuple((u,) for u in range(n))) for axis, n in net.sizes.items()}
    choices = [list(axis_partitions(net.sizes[a], signs=signs, zero=zero)) for a in hidden]
    valid = 0
    for chosen in product(*choices):
        partition = alone | dict(zip(hidden, chosen, strict=True))
        if MANIFOLDS[kind](net, partition).squared_distance(theta) == 0:
            valid += 1
            assert all(is_finer(partition[a], found.partition[a]) for a in hidden)
    assert valid
    return found


small = st.integers(-1, 1)


def matrix(draw, *shape):
    entries = draw(st.lists(small, min_size=int(np.prod(shape)), max_size=int(np.prod(shape))))
    return np.array(entries).reshape(shape)


@st.composite
def small_parameters(draw, widths):
    net = mlp(widths, "tanh", bias=draw(st.booleans()))
    return net, {p: matrix(draw, *shape) for p, shape in net.parameter_shapes.items()}


@pytest.mark.parametrize("kind", MANIFOLDS)
@given(small_parameters([1, 5, 1]))
@settings(max_examples=12)
def test_coarsest_of_all_partitions_of_five_units(kind, drawn):
    assert_coarsest(drawn[0], drawn[1], kind)


@pytest.mark.parametrize("kind", MANIFOLDS)
@given(small_parameters([1, 3, 3, 1]))
@settings(max_examples=12)
def test_coarsest_of_all_pairs_of_partitions(kind, drawn):
    assert_coarsest(drawn[0], drawn[1], kind)


@pytest.mark.parametrize("kind", MANIFOLDS)
@given(small_parameters([1, 4, 1]), st.booleans())
@settings(max_examples=6)
def test_coarsest_of_all_signed_partitions(kind, drawn, signs):
    assert_coarsest(drawn[0], drawn[1], kind, signs=signs, zero=True)


@pytest.mark.parametrize("signs", [False, True])
@given(small_parameters([1, 2, 3, 1]))
@settings(max_examples=6)
def test_coarsest_of_all_pairs_of_signed_partitions(signs, drawn):
    assert_coarsest(drawn[0], drawn[1], "IE∩OE", signs=signs, zero=True)


def test_the_number_of_partitions_is_right():
    """Bell, and Dowling numbers of the trivial group and of the group of two signs."""
    count = [
        [
            len(list(axis_partitions(n, signs=signs, zero=zero)))
            for signs, zero in ((False, False), (False, True), (True, True))
        ]
        for n in (1, 2, 3, 4)
    ]
    assert count == [[1, 2, 2], [2, 5, 6], [5, 15, 24], [15, 52, 116]]


@st.composite
def planted(draw):
    """A network with a partition, and a point of IE∩OE, IE or BC."""

    def choose(low, high):
        return draw(st.integers(low, high))

    net = draw_network(choose)
    partition = draw_partition(choose, net)
    kind = draw(st.sampled_from(sorted(MANIFOLDS)))
    manifold = MANIFOLDS[kind](net, partition)
    return net, partition, kind, manifold.embed(draw_rationals(choose, manifold.free_shapes))


@given(planted())
def test_planted_clones_are_found(drawn):
    net, partition, kind, theta = drawn
    found = coarsest_partition(net, theta, kind=kind)
    assert found.manifold.squared_distance(theta) == 0
    assert all(is_finer(partition[axis], found.partition[axis]) for axis in net.sizes)


def generic(manifold, seed=0):
    """A point whose coordinates are large random numbers: no other unit agrees by chance."""
    random = np.random.default_rng(seed)
    return manifold.embed(
        {
            name: random.integers(-(10**6), 10**6, shape)
            for name, shape in manifold.free_shapes.items()
        }
    )


@pytest.mark.parametrize("kind", MANIFOLDS)
def test_generic_planted_clones_are_recovered_exactly(kind):
    net = mlp([3, 7, 6, 2], "tanh")
    h1 = AxisPartition(7, ((0, 3, 5), (1, 2)), (1, 1, -1, 1, 1, -1, 1), zero=(4, 6))
    h2 = AxisPartition(6, ((0,), (1, 2, 3), (4, 5)), (1, 1, 1, -1, 1, 1))
    partition = {
        "x": AxisPartition(3, ((0,), (1,), (2,))),
        "h1": h1,
        "h2": h2,
        "y": AxisPartition(2, ((0,), (1,))),
    }
    theta = generic(MANIFOLDS[kind](net, partition))
    found = coarsest_partition(net, theta, kind=kind, mirrored=["h1", "h2"])
    assert found.partition == partition


def test_fractions_and_large_integers_are_exact():
    net = mlp([1, 3, 1], bias=False)
    third = Fraction(1, 3)
    theta = {
        "W1": np.array([[third, third, third + Fraction(1, 10**30)]]),
        "W2": np.array([[10**40], [10**40], [10**40 + 1]], dtype=object),
    }
    assert coarsest_partition(net, theta).partition["h1"].blocks == ((0, 1), (2,))


def test_clones_of_a_deep_network_need_several_rounds():
    """Only the last layer tells the first layer's units apart."""
    net = mlp([1, 4, 4, 4, 2], bias=False)
    one, eye = np.ones((4, 4), dtype=int), np.eye(4, dtype=int)
    last = np.array([[1, 0], [1, 0], [0, 1], [0, 2]])
    theta = {"W1": one[:1], "W2": eye, "W3": one + eye, "W4": last}
    found = coarsest_partition(net, theta)
    assert found.rounds > 2
    blocks = ((0, 1), (2,), (3,))
    assert [found.partition[f"h{k}"].blocks for k in (1, 2, 3)] == [blocks] * 3
    forward = coarsest_partition(net, theta, kind="IE")
    assert forward.partition["h1"].blocks == ((0, 1, 2, 3),)


def test_a_mirrored_unit_with_equal_sums_is_zero():
    """Its signature is its own negative; what its weights to clones sum to does not matter."""
    net = mlp([1, 4, 2], "tanh", bias=False)
    theta = {"W1": np.array([[1, -1, 0, 0]]), "W2": np.array([[1, 2], [-1, -2], [0, 0], [3, 0]])}
    found = coarsest_partition(net, theta, mirrored=["h1"]).partition["h1"]
    assert found == AxisPartition(4, ((0, 1), (3,)), (1, -1, 1, 1), zero=(2,))
    assert found.zero == (2,)


def test_axes_of_inputs_and_outputs_are_never_clones():
    net = mlp([2, 2, 2], bias=False)
    theta = {"W1": np.ones((2, 2), dtype=int), "W2": np.ones((2, 2), dtype=int)}
    found = coarsest_partition(net, theta).partition
    assert hidden_axes(net) == {"h1"}
    assert [found[axis].num_blocks for axis in ("x", "h1", "y")] == [2, 1, 2]


def test_axes_with_odd_and_vanishing_symbols():
    assert odd_axes(mlp([1, 2, 1])) == vanishing_axes(mlp([1, 2, 1])) == frozenset()
    for name in ("relu", "gelu", "silu", "leaky_relu"):
        net = mlp([1, 2, 1], name)
        assert not odd_axes(net)
        assert vanishing_axes(net) == {"h1"}
    for name in ("sigmoid", "softplus", "step", "exp"):
        assert vanishing_axes(mlp([1, 2, 1], name)) == frozenset()
    assert odd_axes(mlp([1, 2, 1], "tanh")) == {"h1"}


def test_the_three_kinds_differ():
    net = mlp([2, 2, 1], bias=False)
    theta = {"W1": np.ones((2, 2), dtype=int), "W2": np.array([[1], [2]])}
    blocks = {
        k: coarsest_partition(net, theta, kind=cast(Any, k)).partition["h1"].num_blocks
        for k in MANIFOLDS
    }
    assert blocks == {"IE∩OE": 2, "IE": 1, "BC": 2}


def test_off_bc_a_leaf_has_the_same_clones():
    net = mlp([1, 2, 2, 1], bias=False)
    theta = {"W1": np.ones((1, 2)), "W2": np.array([[3, 1], [1, 3]]), "W3": np.ones((2, 1))}
    theta = {p: value.astype(int) for p, value in theta.items()}
    found = {
        k: coarsest_partition(net, theta, kind=cast(Any, k)).partition["h2"].num_blocks
        for k in MANIFOLDS
    }
    assert found == {"IE∩OE": 1, "IE": 1, "BC": 2}


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"W1": None}, {}, "parameters['W1']: an array of shape (1, 2) is expected"),
        ({"W1": np.ones((2, 1))}, {}, "parameters['W1']: an array of shape (1, 2)"),
        ({"W1": np.ones((1, 2))}, {}, "parameters['W1']: entries are integers or fractions"),
        ({}, {"mirrored": ["y"]}, "axis 'y' has no mirrored or zero units: the hidden axes are h1"),
        ({}, {"zero": ["k"]}, "axis 'k' has no mirrored or zero units"),
    ],
)
def test_what_cannot_be_refined(change, options, message):
    net = mlp([1, 2, 1], bias=False)
    theta = {"W1": np.ones((1, 2), dtype=int), "W2": np.ones((2, 1), dtype=int)} | change
    theta = {p: value for p, value in theta.items() if value is not None}
    with pytest.raises(ManifoldError, match=re.escape(message)):
        coarsest_partition(net, theta, **options)


def test_an_output_without_names_is_refused():
    net = Architecture(
        lambda p, x: (x @ p["W"]).reshape(x.shape[0], 2, 2),
        sizes={"x": 1, "y": 4},
        parameters={"W": ("x", "y")},
    )
    with pytest.raises(ManifoldError, match="an axis of the output has no name"):
        coarsest_partition(net, {"W": np.ones((1, 4), dtype=int)})
