from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.exact import prove_invariance
from numerics.generic import (
    UniformPoint,
    generic_factors,
    normal_factors,
    num_samples,
    outer,
    pair,
    total,
)
from numerics.primes import random_primes
from numerics.systems.prime import PrimeField
from numerics.systems.rational import Rational
from theory.activation import activation
from theory.architecture import Architecture
from theory.graph import Builder
from theory.manifold import (
    AffineManifold,
    Constraint,
    Manifold,
    ambient,
    block_constant,
    equitable,
    frozen,
    incoming_equitable,
    intersect,
    leaf,
    outgoing_equitable,
    trap,
)
from theory.partition import make_partition
from theory.primitives import Input
from theory.tracing import Traced, record
from theory.zoo import mlp

NET = mlp([2, 4, 3, 1])
CLONES = make_partition(NET.sizes, {"h1": [[0, 2], [1, 3]], "h2": [[0, 1]]})
FROZEN = mlp([2, 2, 2, 1]).freeze("h1", 0, 3).freeze("h2", 1, Fraction(1, 2))


def point_of(manifold: Manifold, scale: Any) -> dict[str, Any]:
    free = {
        name: (np.arange(prod(shape), dtype=object) - 2).reshape(shape) * scale
        for name, shape in manifold.free_shapes.items()
    }
    return manifold.embed(free)


ON = equitable(NET, CLONES)
PINNED = {("W1", 0): Fraction(5, 3), ("W2", 1): Fraction(10**20)}
MANIFOLDS: dict[str, Manifold] = {
    "all": ambient(NET),
    "IE": incoming_equitable(NET, CLONES),
    "OE": outgoing_equitable(NET, CLONES),
    "IE∩OE": ON,
    "BC": block_constant(NET, CLONES),
    "explicit rows": intersect(ON, ON),
    "leaf": leaf(NET, CLONES, point_of(ON, 7)),
    "leaf far away": leaf(NET, CLONES, point_of(ON, 10**25)),
    "leaf at fractions": leaf(NET, CLONES, point_of(ON, Fraction(3, 7))),
    "leaf at floats": leaf(
        NET, CLONES, {p: a.astype(np.float64) / 8 for p, a in point_of(ON, 1).items()}
    ),
    "frozen": frozen(FROZEN),
    "trap": trap(FROZEN, PINNED),
    "point": AffineManifold(
        "point",
        {"w": (2,)},
        tuple(Constraint({("w", k): Fraction(1)}, Fraction(k), f"{k}") for k in range(2)),
    ),
    "no constraint but a scale": AffineManifold(
        "scaled",
        {"w": (3,)},
        (Constraint({("w", 0): Fraction(10**9), ("w", 1): Fraction(-3)}, Fraction(1), "steep"),),
    ),
}


def residue(number: Any, p: int) -> int:
    exact = Fraction(number)
    return exact.numerator * pow(exact.denominator, -1, p) % p


@pytest.mark.parametrize("name", MANIFOLDS)
def test_uniform_points_lie_on_the_manifold(name):
    manifold = MANIFOLDS[name]
    field = PrimeField(random_primes(3, 0), 0)
    point = UniformPoint(manifold)(field)
    assert {p: a.shape for p, a in point.items()} == {
        p: (3, *s) for p, s in manifold.shapes.items()
    }
    flat = {p: field.canonical(a).reshape(3, -1) for p, a in point.items()}
    for row in manifold.constraints():
        for k, p in enumerate(field.primes):
            left = sum(residue(c, p) * int(flat[w][k, e]) for (w, e), c in row.terms.items())
            assert left % p == residue(row.value, p), row.label


@pytest.mark.parametrize("name", MANIFOLDS)
def test_uniform_points_are_chosen_by_the_seed(name):
    manifold = MANIFOLDS[name]
    draws = [UniformPoint(manifold)(PrimeField((6291469,), seed)) for seed in (0, 0, 1)]
    moved = [not np.array_equal(draws[0][p], draws[2][p]) for p in manifold.shapes]
    assert all(np.array_equal(draws[0][p], draws[1][p]) for p in manifold.shapes)
    assert any(moved) is (manifold.dimension > 0)


def test_a_point_covers_a_plane_evenly():
    row = Constraint({("w", k): Fraction(1) for k in range(3)}, Fraction(2), "sum")
    plane = AffineManifold("plane", {"w": (3,)}, (row,))
    counts: dict[tuple[int, ...], int] = {}
    for seed in range(1800):
        w = PrimeField((3,), seed).canonical(UniformPoint(plane)(PrimeField((3,), seed))["w"])
        counts[tuple(w[0])] = counts.get(tuple(w[0]), 0) + 1
    assert len(counts) == 9
    assert sum((n - 200) ** 2 / 200 for n in counts.values()) < 40  # χ² with 8 degrees of freedom


@pytest.mark.parametrize("name", MANIFOLDS)
def test_sizes_bound_the_entries_as_functions_of_the_coordinates(name):
    """The l1 norm of an affine function is the largest value at coordinates ±1, over the lcm."""
    manifold = MANIFOLDS[name]
    sizes = UniformPoint(manifold).sizes()
    zero = {n: np.zeros(s, dtype=object) for n, s in manifold.free_shapes.items()}
    origin = manifold.embed(zero)
    norms = {p: abs(np.vectorize(Fraction, otypes=[object])(a)) for p, a in origin.items()}
    for n, shape in manifold.free_shapes.items():
        for index in np.ndindex(*shape):
            unit = {**zero, n: zero[n].copy()}
            unit[n][index] = 1
            for p, a in manifold.embed(unit).items():
                norms[p] = norms[p] + abs(a - origin[p])
    for p, norm in norms.items():
        entries = [Fraction(v) for v in np.ravel(norm)]
        common = int(np.lcm.reduce([v.denominator for v in entries]))
        bound = 2.0 ** (sizes[p].norm + 1e-9)
        assert max(float(v * common) for v in entries) <= bound
        assert common <= 2.0 ** (sizes[p].denominator_norm + 1e-9)
        assert sizes[p].denominator_degree == 0
        assert sizes[p].degree == (0 if manifold.dimension == 0 else 1) or not np.ravel(norm).any()


# Generic tensors.


def evaluated(builder: Builder, values: dict[str, Traced], given: dict[str, Any]) -> dict[str, Any]:
    graph = builder.finish({name: v.number for name, v in values.items()})
    return Evaluator(graph, Rational())(given)


@given(st.lists(st.integers(1, 3), max_size=3), st.sampled_from(["sum", "turned", "difference"]))
def test_pairing_is_the_inner_product_with_the_outer_product(lengths, form):
    shape = tuple(lengths)
    builder = Builder()
    a, b = (record(builder, Input(name, shape)) for name in "ab")
    factors = generic_factors(builder, "generic", shape[::-1] if form == "turned" else shape)
    value = {"sum": a + -b, "turned": a.transpose(), "difference": a - b * 2}[form]
    rng = np.random.default_rng(0)
    given = {
        node.primitive.name: rng.integers(-9, 9, node.shape)
        for node in builder.nodes
        if isinstance(node.primitive, Input)
    }
    tensor = outer(factors)
    found = evaluated(builder, {"pair": pair(value, factors), "t": tensor, "value": value}, given)
    assert found["t"].shape == tensor.shape == value.shape
    assert found["pair"] == np.sum(np.asarray(found["t"] * found["value"]))


def test_a_generic_tensor_is_the_product_of_its_vectors():
    builder = Builder()
    tensor = outer(generic_factors(builder, "g", (2, 3)))
    given = {"g:0": np.array([1, 2]), "g:1": np.array([3, 4, 5])}
    found = evaluated(builder, {"t": tensor}, given)["t"]
    assert found.tolist() == np.outer([1, 2], [3, 4, 5]).tolist()


def test_a_generic_scalar_is_a_variable():
    builder = Builder()
    ((axes, value),) = generic_factors(builder, "g", ())
    assert (axes, value.shape) == ((), ())
    assert evaluated(builder, {"t": outer([(axes, value)])}, {"g": 7})["t"] == 7


@pytest.mark.parametrize("name", [n for n in MANIFOLDS if MANIFOLDS[n].codimension])
def test_normal_vectors_are_normal_and_span(name):
    """Generic members of all families have the rank of the codimension, and are normal."""
    manifold = MANIFOLDS[name]
    tangents = list(manifold.tangent_basis())
    rng = np.random.default_rng(1)
    rows = []
    for test in manifold.normal_tests():
        for _ in range(manifold.codimension + 1):
            builder = Builder()
            normal = {p: outer(f) for p, f in normal_factors(builder, test, "n").items()}
            given = {
                node.primitive.name: rng.integers(-9, 9, node.shape)
                for node in builder.nodes
                if isinstance(node.primitive, Input)
            }
            found = evaluated(builder, normal, given)
            flat = {
                p: np.ravel(found[p]) if p in found else np.zeros(prod(s), dtype=object)
                for p, s in manifold.shapes.items()
            }
            for tangent in tangents:
                assert sum(Fraction(str(flat[p][e])) * c for (p, e), c in tangent.items()) == 0
            rows.append(np.concatenate([flat[p] for p in manifold.shapes]).astype(float))
    assert np.linalg.matrix_rank(np.array(rows)) == manifold.codimension


def test_the_sum_of_no_terms_is_zero():
    builder = Builder()
    x = record(builder, Input("x", ()))
    found = evaluated(
        builder, {"none": total(builder, []), "two": total(builder, [x, x])}, {"x": 4}
    )
    assert (found["none"], found["two"]) == (0, 8)


@pytest.mark.parametrize(("power", "samples"), [(0, 1), (1, 2)])
def test_samples_are_two_where_they_are_coupled(power, samples):
    phi = activation("phi")
    net = Architecture(
        lambda p, x: phi(x @ p["W"] - power * (x @ p["W"]).mean(axis=0)),
        sizes={"x": 2, "y": 2},
        parameters={"W": ("x", "y")},
    )
    assert num_samples(net) == samples


def test_a_forward_function_that_reads_the_number_of_samples_is_proved_for_two():
    """For one sample the numbers added here are 0, so clones would stay clones."""
    net = Architecture(
        lambda p, x: np.tanh(x @ p["W"] + (len(x) - 1) * np.arange(2)) @ p["V"],
        sizes={"x": 2, "h": 2, "y": 1},
        parameters={"W": ("x", "h"), "V": ("h", "y")},
    )
    clones = make_partition(net.sizes, {"h": [[0, 1]]})
    assert num_samples(net) == 2
    assert prove_invariance(net, equitable(net, clones)).verdict == "refuted"
    assert prove_invariance(net, equitable(net, clones), batch=1).verdict == "proved"
