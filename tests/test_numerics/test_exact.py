"""The exact check agrees with brute force, and never proves what is false."""

from collections.abc import Callable
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.exact import CHANNEL, ExactResult, prove_invariance, tangency_graph
from numerics.identity import REDRAWS
from numerics.primes import random_primes
from numerics.systems.prime import PrimeField
from proofs_check.drawing.networks import draw_partition
from proofs_check.strategies import architectures, partitions
from tests.test_numerics.dense_gradients import is_tangent
from tests.test_theory.planted import MUTANTS, plant
from theory.activation import Activation, activation, relu
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import ManifoldError, ValueSystemError
from theory.lowering import scatter
from theory.manifold import (
    AffineManifold,
    Constraint,
    ambient,
    block_constant,
    equitable,
    incoming_equitable,
    intersect,
    outgoing_equitable,
)
from theory.partition import AxisPartition, make_partition
from theory.zoo import mlp

FEWER = settings(max_examples=settings().max_examples // 3)

PHI = activation("phi")
MAKERS = (incoming_equitable, outgoing_equitable, equitable, block_constant)

NET = mlp([3, 4, 4, 2])
PAIRS = [[0, 1], [2, 3]]
CLONES = make_partition(NET.sizes, {"h1": PAIRS, "h2": PAIRS})


def verdict(*args: Any, **kwargs: Any) -> str:
    return prove_invariance(*args, **kwargs).verdict


# Against brute force.


@given(data=st.data())
@FEWER
def test_verdicts_are_those_of_brute_force(data):
    net = data.draw(architectures(max_depth=2, max_width=3))
    one, other = data.draw(partitions(net)), data.draw(partitions(net))
    here, there = data.draw(st.sampled_from(MAKERS)), data.draw(st.sampled_from(MAKERS))
    manifold, tangent = here(net, one), there(net, data.draw(st.sampled_from([one, other])))
    found = prove_invariance(net, manifold, tangent=tangent)
    expected = is_tangent(net, manifold, tangent, seed=0)
    event(f"{manifold.name} to {tangent.name}: {found.verdict}")
    assert found.verdict == ("proved" if expected else "refuted")


@given(data=st.data())
@FEWER
def test_affine_manifolds_agree_with_brute_force(data):
    """The same sets by explicit rows, which take another route through the graph."""
    net = data.draw(architectures(max_depth=2, max_width=3))
    clones = data.draw(partitions(net))
    makers = data.draw(st.lists(st.sampled_from(MAKERS), min_size=2, max_size=2))
    manifold = intersect(*(make(net, clones) for make in makers))
    found = prove_invariance(net, manifold)
    expected = is_tangent(net, manifold, manifold, seed=0)
    event(found.verdict)
    assert found.verdict == ("proved" if expected else "refuted")


# What the paper claims, and near it what is false.


@given(data=st.data())
@FEWER
def test_clones_stay_clones(data):
    net = data.draw(architectures())
    clones = data.draw(partitions(net))
    on = equitable(net, clones)
    found = prove_invariance(net, on, tangent=block_constant(net, clones))
    assert (found.verdict, found.error_bits >= 60) == ("proved", True)
    assert verdict(net, on) == verdict(net, block_constant(net, clones)) == "proved"


@given(data=st.data())
@FEWER
def test_one_half_is_not_enough(data):
    """IE alone and OE alone fail: the first hidden axis has inputs on one side."""
    net = data.draw(architectures())
    clones = data.draw(partitions(net))
    assert verdict(net, incoming_equitable(net, clones)) == "refuted"
    half = outgoing_equitable(net, clones)
    assert verdict(net, half) == "refuted"


@given(data=st.data())
@FEWER
def test_another_partition_is_refuted(data):
    """The gradients on one partition's IE∩OE do not keep a partition that joins more units."""
    net = data.draw(architectures())
    size = net.sizes["h1"]
    one = {axis: AxisPartition(n, tuple((k,) for k in range(n))) for axis, n in net.sizes.items()}
    joined = one | {"h1": AxisPartition(size, (tuple(range(size)),))}
    assert verdict(net, equitable(net, joined)) == "proved"
    assert verdict(net, equitable(net, one), tangent=equitable(net, joined)) == "refuted"


def perturbed(manifold: Any, number: int) -> AffineManifold:
    """The manifold with another right side in one row."""
    rows = list(manifold.constraints())
    row = rows[number % len(rows)]
    rows[number % len(rows)] = Constraint(row.terms, row.value + 1, row.label)
    return AffineManifold("perturbed", manifold.shapes, tuple(rows))


@given(st.integers(0, 60))
@FEWER
def test_a_wrong_constant_is_refuted(number):
    assert verdict(NET, perturbed(equitable(NET, CLONES), number)) == "refuted"


@pytest.mark.parametrize("batch", [1, 2])
def test_clones_with_unequal_activations_are_refuted(batch):
    def forward(p: dict[str, Any], x: Any) -> Any:
        z = x @ p["W"] + p["b"]
        return np.concatenate([PHI(z[:, :1]), np.tanh(z[:, 1:])], axis=1) @ p["V"]

    net = Architecture(
        forward,
        sizes={"x": 2, "h": 2, "y": 1},
        parameters={"W": ("x", "h"), "b": ("h",), "V": ("h", "y")},
    )
    clones = make_partition(net.sizes, {"h": [[0, 1]]})
    assert verdict(net, equitable(net, clones), batch=batch) == "refuted"


@pytest.mark.parametrize("symbol", [activation("phi", parity="odd"), activation("tanh"), relu])
def test_mirrored_units_need_the_parity(symbol):
    """Incoming and outgoing weights with opposite signs stay so for an odd φ."""
    net = mlp([1, 2, 1], symbol)
    signs = [(("W1", 0), ("W1", 1)), (("b1", 0), ("b1", 1)), (("W2", 0), ("W2", 1))]
    rows = [Constraint({a: Fraction(1), b: Fraction(1)}, Fraction(0), "mirror") for a, b in signs]
    mirror = AffineManifold("mirror", net.parameter_shapes, tuple(rows))
    expected = "refuted" if symbol == relu else "proved"
    assert verdict(net, mirror) == expected
    assert verdict(mlp([1, 2, 1], PHI), mirror) == "refuted"


# Samples.


def centred(p: dict[str, Any], x: Any) -> Any:
    z = x @ p["W"]
    return PHI(z - z.mean(axis=0)) @ p["V"]


COUPLED = Architecture(
    centred, sizes={"x": 2, "h": 2, "y": 1}, parameters={"W": ("x", "h"), "V": ("h", "y")}
)


def test_coupled_samples_take_two():
    """With one sample a batch mean would leave nothing, and everything would be invariant."""
    clones = make_partition(COUPLED.sizes, {"h": [[0, 1]]})
    half = incoming_equitable(COUPLED, clones)
    assert (verdict(COUPLED, half), verdict(COUPLED, half, batch=3)) == ("refuted", "refuted")
    found = prove_invariance(COUPLED, equitable(COUPLED, clones))
    assert (found.verdict, found.batch) == ("proved", 2)
    assert "for batches of 2 samples" in found.summary()
    # the constraint on V that one sample cannot see: its gradient is φ(0) alone
    kept = AffineManifold(
        "kept",
        COUPLED.parameter_shapes,
        (Constraint({("W", 0): Fraction(1)}, Fraction(0), "kept"),),
    )
    assert verdict(COUPLED, kept) == "refuted"
    assert verdict(COUPLED, kept, batch=1) == "proved"


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_more_samples_change_no_verdict(batch):
    on, half = equitable(NET, CLONES), incoming_equitable(NET, CLONES)
    found = prove_invariance(NET, on, batch=batch)
    assert (found.verdict, found.batch, found.error_bits >= 60) == ("proved", batch, True)
    assert verdict(NET, half, batch=batch) == "refuted"


# A wrong gradient proves nothing.


def _all_primitives(p: dict[str, Any], x: Any) -> Any:
    h: Any = np.tanh(x @ p["W"] + p["b"]) * p["s"]
    h = h - np.mean(h, axis=1, keepdims=True)
    h = h / (1 + np.mean(h**3, axis=1, keepdims=True))
    h = np.concatenate([h[:, [3, 2, 2]], -h[:, :2]], axis=1)
    h = h[:, :4] + scatter(h[:, 1:], 1, (1, 0, 2, 1), 4)
    k = PHI(h @ p["U"] - p["c"]) * h
    heads = np.transpose(k).reshape(2, 2, -1)[[1, 0]]
    return np.transpose(heads, (2, 0, 1)).reshape(-1, 4) @ p["V"]


GENERAL = Architecture(
    _all_primitives,
    sizes={"x": 2, "h": 4, "k": 4, "y": 2},
    parameters={
        "W": ("x", "h"),
        "b": ("h",),
        "s": (),
        "U": ("h", "k"),
        "c": ("k",),
        "V": ("k", "y"),
    },
)
SMALL = mlp([2, 2, 1], "tanh")
NETWORKS = (GENERAL, NET, SMALL, mlp([1, 2, 1], "gelu"))


def slopes(net: Architecture, batch: int) -> list[Any]:
    field = PrimeField((4194301,), 0)
    graph = gradient(net.graph(batch))
    given = {name: field.random(shape, name) for name, shape in graph.input_shapes.items()}
    values = Evaluator(graph, field, lead=1)(given)
    return [field.canonical(values[f"grad:{p}"]) for p in net.parameters]


RIGHT = {(net, batch): slopes(net, batch) for net in NETWORKS for batch in (1, 2)}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_bug_is_never_a_proof(mutant, monkeypatch):
    plant(monkeypatch, mutant)
    wrong = 0
    for (net, batch), right in RIGHT.items():
        is_right = all(np.array_equal(a, b) for a, b in zip(slopes(net, batch), right, strict=True))
        found = prove_invariance(net, ambient(net), batch=batch)
        assert found.verdict == ("proved" if is_right else "unknown")
        wrong += not is_right
    assert wrong


def test_a_symmetric_bug_is_unknown_on_clones(monkeypatch):
    """Half of every slope is as symmetric as the whole."""
    plant(monkeypatch, "slope_omitted")
    found = prove_invariance(NET, equitable(NET, CLONES))
    assert (found.verdict, found.failing) == ("unknown", (CHANNEL,))
    assert found.summary().startswith("unknown: the second derivative channel fails")


# Divisors.


def normalised(p: dict[str, Any], x: Any) -> Any:
    h = PHI(x @ p["W"])
    c = h - h.mean(axis=1, keepdims=True)
    return c / (c * c).sum(axis=1, keepdims=True) @ p["V"]


NORMALISED = Architecture(
    normalised, sizes={"x": 2, "h": 3, "y": 2}, parameters={"W": ("x", "h"), "V": ("h", "y")}
)


def test_a_divisor_that_vanishes_on_the_manifold_is_undefined():
    all_equal = make_partition(NORMALISED.sizes, {"h": [[0, 1, 2]]})
    found = prove_invariance(NORMALISED, equitable(NORMALISED, all_equal))
    assert (found.verdict, found.failing) == ("undefined", ())
    assert found.summary() == "undefined: a divisor vanishes on IE∩OE"


def test_a_divisor_elsewhere_is_defined():
    two = make_partition(NORMALISED.sizes, {"h": [[0, 1]]})
    found = prove_invariance(NORMALISED, equitable(NORMALISED, two))
    assert (found.verdict, found.error_bits >= 60) == ("proved", True)
    assert verdict(NORMALISED, incoming_equitable(NORMALISED, two)) == "refuted"


# What a result says.


def test_results_are_reproducible():
    on = equitable(NET, CLONES)
    found = [prove_invariance(NET, on, seed=seed) for seed in (3, 3, 4)]
    assert found[0] == found[1]
    assert found[0].primes != found[2].primes
    assert (found[0].seed, len(found[0].primes)) == (3, found[0].bound.components)


def test_a_result_counts_dimensions_and_names_what_fails():
    on, half = equitable(NET, CLONES), incoming_equitable(NET, CLONES)
    found = prove_invariance(NET, half, tangent=on)
    assert isinstance(found, ExactResult)
    assert (found.manifold, found.tangent) == ("IE", "IE∩OE")
    assert (found.dimension, found.num_parameters) == (half.dimension, 46)
    assert found.failing == ("normal:W1:CZ", "normal:b1:Z", "normal:W2:CZ", "normal:b2:Z")
    assert found.summary().startswith("refuted: not everywhere the gradient on IE is tangent to")
    assert "normal:W2:CZ" in found.summary()


@pytest.mark.parametrize("bits", [1, 20, 60, 100, 110])
def test_the_error_is_at_most_what_was_asked_for(bits):
    assert prove_invariance(SMALL, ambient(SMALL), bits=bits).error_bits >= bits


def test_more_bits_than_the_oracle_has_are_refused():
    with pytest.raises(ValueSystemError, match=r"^bits=200: up to 40 components reach"):
        prove_invariance(NET, ambient(NET), bits=200)


@pytest.mark.parametrize("swapped", [False, True])
def test_other_parameters_are_refused(swapped):
    other = ambient(mlp([3, 4, 4, 3]))
    both = (ambient(NET), other) if swapped else (other, ambient(NET))
    with pytest.raises(ManifoldError, match=r" and mlp:3-4-4-2:phi have different parameters$"):
        prove_invariance(NET, both[0], tangent=both[1])


@pytest.mark.parametrize("known", [1, 2, REDRAWS])
def test_primes_that_divide_a_denominator_are_drawn_again(known):
    """The denominator is the product of the first primes that the next seeds draw."""
    number = Fraction(1, prod(random_primes(1, seed=seed)[0] for seed in range(known)))
    net = Architecture(lambda p, x: x @ p["W"] * number, {"x": 1, "y": 1}, {"W": ("x", "y")})
    if known == REDRAWS:
        with pytest.raises(ValueSystemError, match=r"the prime divides the denominator$"):
            prove_invariance(net, ambient(net), seed=0)
    else:
        found = prove_invariance(net, ambient(net), seed=0)
        assert (found.verdict, found.error_bits >= 60) == ("proved", True)
        assert found.primes == random_primes(len(found.primes), seed=known)


def test_no_large_tensor_is_formed():
    """Gradients of weight matrices are contracted as products of vectors."""
    net = mlp([50, 60, 70, 40])
    clones = make_partition(net.sizes, {"h1": [[0, 1]], "h2": [[2, 3]]})
    graph = tangency_graph(net, equitable(net, clones), 1)
    weights = {n for n in graph.nodes if len(n.shape) == 2 and min(n.shape) > 2}
    allowed = {(50, 60), (60, 70), (70, 40)}
    assert {n.shape for n in weights} <= allowed | {s[::-1] for s in allowed}
    assert all(not n.operands or n.shape in allowed for n in weights)


def chosen(values: list[int]) -> Callable[[int, int], int]:
    remaining = iter(values)
    return lambda low, high: min(max(next(remaining, low), low), high)


def test_partitions_of_uneven_blocks():
    net = mlp([2, 5, 3, 1], Activation("phi", parity="even"))
    clones = draw_partition(chosen([1, 3, 1, 1, 1]), net)
    assert sorted(len(b) for b in clones["h1"].blocks) == [2, 3]
    assert verdict(net, equitable(net, clones)) == "proved"
