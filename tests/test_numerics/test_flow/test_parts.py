"""The parts of a step: polynomial systems, series, remainders, separation."""

from fractions import Fraction
from math import factorial

import flint
import numpy as np
import pytest
from flint import arb, arb_series
from hypothesis import given
from hypothesis import strategies as st

from numerics.flow.polynomial import NotSmoothError, polynomial_system
from numerics.flow.remainder import Weights
from numerics.flow.separation import Separation, largest_eigenvalue
from numerics.flow.series import Series
from numerics.systems.ball import Ball
from theory import activation as symbols
from theory.primitives import Apply, Divide, Power
from theory.tracing import trace

BALL = Ball(bits=200)

# f and its power series, by FLINT: an independent route
FUNCTIONS = {
    "tanh": (symbols.tanh, lambda z: 1 - 2 / (1 + (2 * z).exp())),
    "sigmoid": (symbols.sigmoid, lambda z: 1 / (1 + (-z).exp())),
    "softplus": (symbols.softplus, lambda z: (1 + z.exp()).log()),
    "silu": (symbols.silu, lambda z: z / (1 + (-z).exp())),
    "gelu": (symbols.gelu, lambda z: z * (1 + (z / arb(2).sqrt()).erf()) / 2),
    "exp": (symbols.exp, lambda z: z.exp()),
    "log": (symbols.log, lambda z: z.log()),
    "sqrt": (symbols.sqrt, lambda z: z.sqrt()),
    "rsqrt": (symbols.rsqrt, lambda z: 1 / z.sqrt()),
    "quotient": (lambda z: z / (1 + z * z), lambda z: z / (1 + z * z)),
    "fifth power": (lambda z: z**5, lambda z: z * z * z * z * z),
    "nested": (
        lambda z: symbols.tanh(1 / symbols.exp(z)),
        lambda z: 1 - 2 / (1 + (2 * (-z).exp()).exp()),
    ),
}


def system_of(f):
    """w' = f(w)."""
    return polynomial_system(trace(lambda p, x: {"rate:w": f(p["w"])}, {"w": ()}, {}))


def expanded(f, start, order):
    series = Series(system_of(f), BALL, {})
    theta = {"w": BALL.array(start)}
    return series, series.expand(series.initial(theta, {}), order, Fraction(1))


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_series_agree_with_flint(name):
    f, by_flint = FUNCTIONS[name]
    order = 20
    _, expansion = expanded(f, Fraction(3, 4), order)
    found = list(expansion.unknowns["w"])
    cap = flint.ctx.cap
    try:
        flint.ctx.cap = order
        with flint.ctx.workprec(200):
            composed = by_flint(arb_series(found[:order], order))
            for k in range(order):
                assert (found[k + 1] * (k + 1)).overlaps(composed[k])
                assert found[k + 1].rad() < 1e-15
    finally:
        flint.ctx.cap = cap


def test_a_polynomial_system_has_products_only():
    for f, _ in FUNCTIONS.values():
        rates = system_of(f).rates
        live = {k for k, n in enumerate(rates.nodes) if k in Series(system_of(f), BALL, {}).live}
        kinds = (Apply, Divide, Power)
        assert not any(isinstance(rates.nodes[k].primitive, kinds) for k in live)


@pytest.mark.parametrize("f", [symbols.relu, symbols.leaky_relu(), symbols.step, abs])
def test_kinks_are_refused(f):
    with pytest.raises(NotSmoothError, match="jumps"):
        system_of(f)


@pytest.mark.parametrize("radius", [0.25, 0.5, 1.0, 2.0])
def test_a_remainder_bounds_the_rest_of_the_exponential(radius):
    order = 12
    series, expansion = expanded(lambda w: w, 1, order)
    found = Weights(series, expansion).remainder(radius)
    assert found is not None
    assert found.order == order + 1
    rest = sum(radius**k / factorial(k) for k in range(order + 1, 60))
    assert rest <= found.bounds["w"] <= 2 * rest


def test_a_remainder_bounds_the_rest_of_a_geometric_series():
    order = 20
    series, expansion = expanded(lambda w: w * w, 1, order)  # 1 / (1 - t)
    weights = Weights(series, expansion)
    for radius in (0.3, 0.5, 0.7):
        found = weights.remainder(radius)
        assert found is not None
        rest = radius ** (order + 1) / (1 - radius)
        assert rest <= found.bounds["w"] <= 10 * rest
    assert weights.remainder(1.0) is None  # the solution is infinite at 1
    assert weights.remainder(1.5) is None


@given(st.integers(1, 6), st.integers(0, 2**32), st.sampled_from([0.0, 1e-6, 0.1]))
def test_the_eigenvalue_bound_holds_for_matrices_in_the_balls(size, seed, radius):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(size, size))
    a = a + a.T - 3 * rng.integers(0, 2) * np.eye(size)
    balls = np.frompyfunc(lambda v: arb(v, radius), 1, 1)(a).reshape(size, size)
    bound = float(largest_eigenvalue(balls))
    signs = rng.choice([-1.0, 1.0], size=(size, size))
    corner = a + radius * np.triu(signs) + radius * np.triu(signs, 1).T
    assert np.linalg.eigvalsh(corner)[-1] <= bound + 1e-12
    assert bound <= np.linalg.eigvalsh(a)[-1] + size * radius + 1e-6


def test_the_separation_of_a_box_covers_its_points():
    graph = trace(
        lambda p, x: {"rate:w": -symbols.tanh(p["w"]) * p["v"], "rate:v": -_log_cosh(p["w"])},
        {"w": (), "v": ()},
        {},
    )
    separation = Separation(graph, {"w": (), "v": ()}, {})
    box = {"w": np.array(arb(0.5, 0.25)), "v": np.array(arb(-1, 0.5))}
    bound = float(separation(box))
    largest = -np.inf
    for w in np.linspace(0.25, 0.75, 9):
        for v in np.linspace(-1.5, -0.5, 9):
            slope = 1 - np.tanh(w) ** 2
            jacobian = -np.array([[slope * v, np.tanh(w)], [np.tanh(w), 0]])
            largest = max(largest, np.linalg.eigvalsh(jacobian)[-1])
    assert largest <= bound <= largest + 1.5


def _log_cosh(w):
    """Whose derivative is tanh: -∇(v log cosh w) is a gradient field."""
    return symbols.log((symbols.exp(w) + symbols.exp(-w)) / 2)


def test_a_box_with_a_pole_has_no_bound():
    graph = trace(lambda p, x: {"rate:w": symbols.log(p["w"])}, {"w": ()}, {})
    assert not Separation(graph, {"w": ()}, {})({"w": np.array(arb(0, 1))}).is_finite()
