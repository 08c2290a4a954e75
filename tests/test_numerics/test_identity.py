"""The bound holds: at tiny primes false identities are accepted no more often than it says."""

from math import comb, inf, isqrt, log2, prod, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics import identity
from numerics.evaluate import Evaluator
from numerics.identity import Identity, components_for, error_bound, vanishes
from numerics.primes import LOW, num_primes, random_primes
from numerics.sizes import Divisor, Measured, Size, measure
from numerics.systems.prime import PrimeField
from tests.test_theory.graphs import graphs
from theory.activation import Activation, activation, reciprocal, relu, softplus, tanh
from theory.errors import ValueSystemError
from theory.graph import Graph
from theory.tracing import trace

PHI = activation("phi")
ODD, EVEN = Activation("psi", parity="odd"), Activation("chi", parity="even")
N = num_primes()


def scalars(function, *names: str) -> Graph:
    """A graph whose output should vanish; its arguments are numbers."""
    shapes = dict.fromkeys(names, ())
    return trace(lambda p, x: {"zero": function(*(x[n] for n in names))}, {}, shapes)


def nested(f, depth: int):
    def function(z):
        for _ in range(depth):
            z = f(z)
        return z

    return function


def product_of_roots(count: int) -> Graph:
    return scalars(lambda x, z: prod((x - k * z for k in range(1, count)), start=x), "x", "z")


TRUE = {
    "binomial": scalars(lambda x, z: (x + z) ** 2 - x * x - 2 * x * z - z * z, "x", "z"),
    "odd": scalars(lambda x: ODD(x) + ODD(-x), "x"),
    "odd at zero": scalars(lambda x: ODD(x - x), "x"),
    "even": scalars(lambda x: EVEN(x) - EVEN(-x), "x"),
    "one argument": scalars(lambda x, z: PHI((x + z) / 2) - PHI(x / 2 + z / 2), "x", "z"),
    "softplus": scalars(lambda x: softplus(x) - softplus(-x) - x, "x"),
    "quotient": scalars(lambda x, z: x / z - (x * x) / (x * z), "x", "z"),
    "gate": scalars(lambda x: relu(x) - relu(-x) - x, "x"),
}
FALSE = {
    "commutes": scalars(lambda x, z: PHI(x + z) - PHI(x) - PHI(z), "x", "z"),
    "even": scalars(lambda x: EVEN(x) + EVEN(-x), "x"),
    "parity of an unknown": scalars(lambda x: PHI(x) + PHI(-x), "x"),
    "derivative": scalars(lambda x: PHI(x) - PHI.derivative_symbol()(x), "x"),
    "other function": scalars(lambda x: ODD(x) - tanh(x), "x"),
    "wrong half": scalars(lambda x: softplus(x) - softplus(-x) - x / 2, "x"),
    "nearly": scalars(lambda x, z: x / (z + 1) - x / z, "x", "z"),
    "deep": scalars(lambda x, z: nested(PHI, 6)(x) - nested(PHI, 6)(z), "x", "z"),
}


@pytest.mark.parametrize("name", TRUE)
def test_true_identities_never_fail(name):
    assert {vanishes(TRUE[name], bits=30, seed=seed).verdict for seed in range(20)} == {"holds"}


@pytest.mark.parametrize("name", FALSE)
def test_false_identities_fail(name):
    for seed in range(20):
        found = vanishes(FALSE[name], bits=60, seed=seed)
        assert (found.verdict, found.failing) == ("fails", ("zero",))


def test_only_what_does_not_vanish_is_named():
    graph = trace(lambda p, x: {"a": x["x"] - x["x"], "b": x["x"] * 2}, {}, {"x": (2,)})
    assert vanishes(graph, bits=20, seed=0).failing == ("b",)


# The chance of acceptance, measured at the window of the primes from 101 to 199.


@pytest.fixture
def tiny_window(monkeypatch):
    low, high = 101, 200
    monkeypatch.setattr(identity, "LOW", low)
    monkeypatch.setattr(identity, "HIGH", high)
    monkeypatch.setattr(
        identity, "random_primes", lambda count, seed: random_primes(count, seed, low, high)
    )
    return 21  # primes in it


def accepted(graph: Graph, bits: float, trials: int) -> tuple[int, float]:
    """How many of the trials accept a false identity, and how many the bound allows."""
    found = [vanishes(graph, bits=bits, seed=1000 * seed) for seed in range(trials)]
    assert {f.verdict for f in found} <= {"holds", "fails"}
    return sum(f.verdict == "holds" for f in found), trials * 2.0 ** -found[0].bound.bits


@pytest.mark.parametrize(
    ("name", "graph", "bits"),
    [
        ("a product of linear factors", product_of_roots(12), 1),
        ("the same, over two primes", product_of_roots(12), 3),
        ("true modulo one prime", scalars(lambda x: 101 * x, "x"), 3),
        ("true modulo five", scalars(lambda x: 101 * 103 * 113 * 127 * 199 * x, "x"), 1),
        (
            "true modulo five, two primes",
            scalars(lambda x: 101 * 103 * 113 * 127 * 199 * x, "x"),
            3,
        ),
        ("a collision", scalars(lambda x, z: PHI(x) - PHI(z), "x", "z"), 4),
        ("opposite arguments collide", scalars(lambda x, z: EVEN(x) - EVEN(z), "x", "z"), 3),
        ("nested", scalars(lambda x, z: nested(PHI, 3)(x) - nested(PHI, 3)(z), "x", "z"), 2),
        ("few defined points", scalars(lambda x: x / ((x - 1) * (x - 2) * (x - 3)), "x"), 4),
    ],
)
def test_false_identities_are_accepted_as_often_as_the_bound_allows(name, graph, bits, tiny_window):
    trials = 600
    count, allowed = accepted(graph, bits, trials)
    assert 0 < allowed < trials
    assert count <= allowed + 5 * sqrt(allowed) + 5


@pytest.mark.parametrize(
    ("graph", "bits"),
    [
        (product_of_roots(12), 1),
        (scalars(lambda x: 101 * 103 * 113 * 127 * 199 * x, "x"), 1),
        (scalars(lambda x, z: EVEN(x) - EVEN(z), "x", "z"), 3),
    ],
)
def test_the_bound_is_nearly_reached(graph, bits, tiny_window):
    """So the test above has the power to refute a bound that is too small."""
    count, allowed = accepted(graph, bits, 600)
    assert count >= allowed / 6


@pytest.mark.parametrize(("degree", "primes"), [(20, (101,)), (40, (101, 103)), (60, (101, 103))])
def test_products_of_linear_factors_reach_the_schwartz_zippel_rate(degree, primes):
    """Exactly D of p points are roots: (D/p)ᵗ, the bound's main term, is attained."""
    trials = 100_000
    field = PrimeField(primes, seed=degree)
    graph = trace(lambda p, x: {"zero": prod(x["x"] - k for k in range(degree))}, {}, {"x": ()})
    values = Evaluator(graph, field, lead=2)({"x": field.random((trials,), "x")})["zero"]
    rate = prod(degree / p for p in primes)
    count = int((values == 0).all(axis=0).sum())
    assert abs(count - trials * rate) <= 5 * sqrt(trials * rate)


def test_collisions_compose_in_all_components_at_once():
    """Six nested functions: seven chances for (1/p)ᵗ, not for each component of its own.

    Independent functions modulo each prime would accept with probability near 49/p², ten times as
    often as the limit here.
    """
    trials, depth = 40_000, 6
    graph = scalars(lambda x, z: nested(PHI, depth)(x) - nested(PHI, depth)(z), "x", "z")
    count = 0
    for seed in range(10):
        field = PrimeField((101, 103), seed)
        given = {name: field.random((trials,), name) for name in "xz"}
        values = Evaluator(graph, field, lead=2)(given)["zero"]
        count += int((values == 0).all(axis=0).sum())
    once = 10 * trials / (101 * 103)
    pairs = comb(2 * depth, 2)
    assert count <= (pairs + 1) * once
    assert once <= count <= (depth + 1) * once + 5 * sqrt((depth + 1) * once)


# The formula, written out.


def miss(size: Size, components: int) -> float:
    """δ/p + log G / (N log p): one component of one non-zero numerator."""
    primes = size.norm // log2(LOW)
    return size.degree / LOW + primes / (N - components + 1)


@pytest.mark.parametrize("components", [1, 2, 3, 5])
@pytest.mark.parametrize("parity", [None, "odd"])
def test_the_bound_is_the_formula(components, parity):
    phi = Activation("phi", parity=parity)
    argument, output, divisor = Size(3, 7.0), Size(11, 100.0), Size(2, 30.0)
    met = {5: (6, argument), 9: (4, Size(1, 8.5))}
    measured = Measured({"zero": output, "small": Size(1)}, {phi: met}, ((7, divisor),))
    m = 10
    pairs = m * m if parity else comb(m, 2)
    collisions = pairs * (miss(Size(3, 9.5), components) ** components + 2.0**-128)
    error = collisions + miss(output, components) ** components
    undefined = 7 * components * miss(divisor, components) + collisions
    found = error_bound(measured, components)
    assert found.bits == pytest.approx(-log2(error / (1 - undefined)), rel=1e-9)
    assert (found.components, found.degree, found.arguments) == (components, 11, m)
    assert found.argument_degree == 3


def test_a_difference_of_arguments_is_over_a_common_denominator():
    shared, other = Divisor(2, 25.0, "shared"), Divisor(4, 0.0, "other")
    met = {0: (2, Size(3, 20.0, {shared: 2})), 1: (1, Size(1, 0.0, {shared: 1, other: 1}))}
    found = error_bound(Measured({"zero": Size(1)}, {PHI: met}, ()), 1)
    assert found.argument_degree == 3 + 4
    error = 3 * (miss(Size(3 + 4, 25 + 1), 1) + 2.0**-128) + miss(Size(1), 1)
    assert found.bits == pytest.approx(-log2(error), rel=1e-9)


def test_errors_of_different_symbols_add_up():
    met = {0: (100, Size(2))}
    one = Measured({"zero": Size(1)}, {PHI: met}, ())
    two = Measured({"zero": Size(1)}, {PHI: met, ODD: met}, ())
    share = 2.0 ** -error_bound(one, 2).bits
    assert 2.0 ** -error_bound(two, 2).bits == pytest.approx(share * (1 + 10000 / 4950), rel=1e-3)


def test_a_pole_conditions_on_arguments_that_do_not_collide_with_zero():
    met = {0: (100, Size(2, 5.0))}
    found = error_bound(Measured({"zero": Size(3)}, {reciprocal: met}, ()), 2)
    collisions = 100**2 * (miss(Size(2, 6.0), 2) ** 2 + 2.0**-128)
    error = collisions + miss(Size(3), 2) ** 2
    assert found.bits == pytest.approx(-log2(error / (1 - collisions)), rel=1e-9)


def test_primes_that_divide_a_denominator_are_excluded():
    denominators = 5000 * log2(LOW) + 1
    found = error_bound(Measured({"zero": Size(3)}, {}, (), denominators), 2)
    excluded = 2 * 5000 / (N - 1)
    assert found.bits == pytest.approx(-log2(miss(Size(3), 2) ** 2 / (1 - excluded)), rel=1e-9)
    graph = scalars(lambda x: x / 3 + x / 7 + x / 8 + PHI(x / 7), "x")
    assert measure(graph).denominators == pytest.approx(log2(3) + log2(7))


def test_more_divisors_than_points_leave_no_bound():
    hopeless = Measured({"zero": Size(1)}, {}, ((isqrt(LOW), Size(isqrt(LOW) * 2)),))
    assert error_bound(hopeless, 3).bits == 0


def test_the_state_of_the_oracle_limits_the_bound():
    """C(m, 2) pairs of arguments share 128 bits by accident, whatever the number of primes."""
    m = 1000
    measured = Measured({"zero": Size(1)}, {PHI: {0: (m, Size(1))}}, ())
    assert error_bound(measured, 40).bits == pytest.approx(128 - log2(comb(m, 2)))
    with pytest.raises(ValueSystemError, match=r"^bits=128: up to 40 components reach 2\^-109 at"):
        components_for(measured, 128)


@given(
    st.integers(0, 10**6),
    st.floats(0, 10**5),
    st.integers(1, 10**4),
    st.integers(0, 50),
    st.floats(0, 80),
    st.floats(0, 80),
)
def test_the_number_of_components_is_the_smallest(degree, norm, m, divisor, bits, other):
    measured = Measured(
        {"zero": Size(degree, norm)},
        {PHI: {0: (m, Size(2, 10.0))}},
        ((3, Size(divisor, 5.0)),) if divisor else (),
    )
    found = components_for(measured, bits)
    assert found == error_bound(measured, found.components)
    assert found.bits >= bits
    smaller = range(1, found.components)
    assert all(error_bound(measured, components).bits < bits for components in smaller)
    low, high = sorted((bits, other))
    assert components_for(measured, low).components <= components_for(measured, high).components


@given(graphs(max_nodes=6), st.integers(1, 5))
def test_bounds_of_graphs_are_chances(graph, components):
    found = error_bound(measure(graph), components)
    assert 0 <= found.bits <= inf
    assert found.components == components


def test_small_constants_leave_nothing_to_chance():
    graph = trace(lambda p, x: {"y": x["x"] * 0 + 7}, {}, {"x": (2,)})
    found = vanishes(graph, bits=60, seed=0)
    assert (found.verdict, found.bound.bits, found.bound.components) == ("fails", inf, 1)


# Primes, points and divisors.


def test_what_holds_modulo_one_prime_alone_is_refuted():
    prime = random_primes(1, seed=0)[0]
    graph = scalars(lambda x: prime * x, "x")
    assert all(vanishes(graph, bits=30, seed=seed).verdict == "fails" for seed in range(20))


def test_what_holds_modulo_many_primes_costs_components():
    primes = random_primes(300, seed=5)
    graph = scalars(lambda x: prod(primes) * x, "x")
    found = vanishes(graph, bits=60, seed=5)  # these very primes would be drawn by this seed
    assert found.bound.bits >= 60
    assert (
        found.bound.components > components_for(measure(scalars(lambda x: x, "x")), 60).components
    )
    assert {vanishes(graph, bits=60, seed=seed).verdict for seed in range(6, 20)} == {"fails"}


def test_primes_are_distinct_and_drawn_by_the_seed():
    graph = TRUE["binomial"]
    found = [vanishes(graph, bits=60, seed=seed) for seed in (0, 0, 1)]
    assert found[0] == found[1] != found[2]
    assert len(set(found[0].primes)) == found[0].bound.components == 3


def test_a_divisor_that_vanishes_is_undefined():
    graph = scalars(lambda x, z: z / (x - x * 2 + x), "x", "z")
    found = vanishes(graph, bits=30, seed=0)
    assert (found.verdict, found.failing) == ("undefined", ())


def test_a_point_that_is_rarely_defined_is_drawn_again(tiny_window):
    graph = scalars(lambda x: (x - x) / ((x - 1) * x), "x")
    found = [vanishes(graph, bits=1, seed=9 * seed) for seed in range(300)]
    assert {f.verdict for f in found} == {"holds"}
    attempts = [f.primes[0] != random_primes(1, 9 * k, 101, 200)[0] for k, f in enumerate(found)]
    assert any(attempts)


def test_unreachable_bits_are_refused():
    with pytest.raises(ValueSystemError, match=r"^bits=9000: up to 40 components reach 2\^-\d+ at"):
        vanishes(TRUE["binomial"], bits=9000, seed=0)


@pytest.mark.parametrize("components", [0, -1, N + 1])
def test_an_impossible_number_of_components_is_refused(components):
    with pytest.raises(ValueSystemError, match=f"^components={components}: "):
        error_bound(Measured({"zero": Size(1)}, {}, ()), components)


def test_results_are_values():
    found = vanishes(TRUE["odd"], bits=30, seed=0)
    assert found == Identity(found.verdict, found.failing, found.bound, found.primes)
