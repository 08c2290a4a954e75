"""Function symbols over the real systems, against SymPy's closed forms and against each other."""

from fractions import Fraction

import flint
import numpy as np
import pytest
import sympy
from flint import arb
from hypothesis import assume, given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.systems.ball import Ball, bounds, contains
from numerics.systems.float64 import Float64
from numerics.systems.multiprecision import MultiPrecision
from numerics.systems.objects import exact
from theory.activation import LAWS, Activation, activation, leaky_relu
from theory.tracing import trace

SYMBOLS = [activation(name) for name in sorted(LAWS)] + [leaky_relu("3/2"), leaky_relu(-1)]
EACH = pytest.mark.parametrize("symbol", SYMBOLS, ids=repr)
POSITIVE = ("log", "sqrt", "rsqrt")
INCREASING = ("tanh", "sigmoid", "softplus", "exp", "log", "sqrt", "relu", "step", "normal_cdf")
POINTS = [
    Fraction(n, d) for n, d in ((-37, 1), (-9, 4), (-1, 1024), (1, 3), (1, 1), (5, 2), (29, 1))
]


def domain(symbol: Activation) -> list[Fraction]:
    return [z for z in POINTS if z > 0 or symbol.name not in POSITIVE]


def closed_form_values(symbol: Activation, digits: int) -> list[Fraction]:
    values = [symbol(sympy.Rational(z.numerator, z.denominator)) for z in domain(symbol)]
    # A rational value stays exact; a small difference of large terms needs more working digits.
    kept = [v if v.is_Rational else v.evalf(digits, maxn=10_000) for v in values]
    return [exact(MultiPrecision(digits + 5).array(str(v))[()]) for v in kept]


@EACH
def test_floats_and_multiprecision_agree_with_the_closed_form(symbol):
    expected = closed_form_values(symbol, 80)
    # A few units in the last place for each library, and |z f'(z)/f(z)| <= 2000 for the argument.
    for system, unit in ((Float64(), 2.0**-53), (MultiPrecision(40), 1e-40)):
        found = system.apply(symbol, system.array(domain(symbol)))
        for z, value, true in zip(domain(symbol), found, expected, strict=True):
            assert abs(exact(value) - true) <= 2010 * Fraction(unit) * abs(true), (z, value)


@EACH
@pytest.mark.parametrize("bits", [30, 64, 150])
def test_balls_contain_the_closed_form_and_are_small(symbol, bits):
    expected = closed_form_values(symbol, 80)
    # Widened by the error of the 80 digits, which is far below a radius that is not 0.
    slack = arb(0, arb(10) ** -78)
    ball = Ball(bits)
    found = ball.apply(symbol, ball.array(domain(symbol)))
    for z, value, true in zip(domain(symbol), found, expected, strict=True):
        widened = value * (1 + slack)
        assert contains(np.array([widened]), [true])[0], (z, value)
        # A few roundings, of which those of the argument count |z f'(z)/f(z)| <= 2000 times.
        radius = exact(value.rad().fmpq())
        assert radius <= abs(true) * Fraction(2) ** (14 - bits), (z, value)


@EACH
@given(data=st.data())
def test_a_wide_ball_contains_the_value_at_every_point_of_it(symbol, data):
    least = 0.001 if symbol.name in POSITIVE else -40.0
    ends = sorted(data.draw(st.floats(least, 40.0)) for _ in range(2))
    point = data.draw(st.floats(ends[0], ends[1]))
    assume(point or not symbol.law.has_pole_at_zero)
    wide = arb(ends[0]).union(arb(ends[1]))
    # FLINT's radius may be as small as 1 - Φ(40) = 4e-350, and the reference must be finer.
    fine = MultiPrecision(400)
    value = fine.apply(symbol, fine.array([point]))
    enclosure = Ball(64).apply(symbol, np.array([wide]))
    assert contains(enclosure, [exact(value[0])])[0]


def test_a_tail_below_the_working_precision_is_enclosed():
    point, fine = 23.35093655260286, MultiPrecision(400)  # 1 - Φ = 7e-121
    value = fine.apply(activation("normal_cdf"), fine.array([point]))
    enclosure = Ball(64).apply(activation("normal_cdf"), np.array([arb(point)]))
    assert contains(enclosure, [exact(value[0])])[0]


@pytest.mark.parametrize("name", INCREASING)
def test_the_enclosure_of_an_increasing_function_is_the_hull_of_its_ends(name):
    symbol, ball = activation(name), Ball(64)
    low, high = Fraction(1, 4), Fraction(15, 4)
    enclosure = ball.apply(symbol, np.array([arb(2, 1.75)]))
    ends = MultiPrecision(30).apply(symbol, MultiPrecision(30).array([low, high]))
    slack = Fraction(1, 2**25)  # a radius has 30 bits
    assert bounds(enclosure)[0][0] >= exact(ends[0]) - slack * exact(ends[1])
    assert bounds(enclosure)[1][0] <= exact(ends[1]) * (1 + slack)


@pytest.mark.parametrize("name", ["silu", "gelu"])
def test_an_enclosure_near_a_minimum_is_of_second_order(name):
    # f' vanishes near the point; z g(z) alone has a radius of about r (|g| + |z g'|) ≈ 0.5 r.
    at = {"silu": -1.27846454276107, "gelu": -0.751791524693564}[name]
    r = 2.0**-20
    value = Ball(64).apply(activation(name), np.array([arb(at, r)]))
    assert value[0].rad() < 4 * r * r


@EACH
@pytest.mark.parametrize("z", POINTS)
def test_the_derivative_encloses_the_difference_quotient(symbol, z):
    # Mean value theorem: (f(z + h) - f(z)) / h lies in f'([z, z + h]) away from a kink.
    if z <= 0 and symbol.name in POSITIVE:
        return
    h = Fraction(1, 2**30)
    graph = trace(
        lambda p, x: {
            "f": symbol(x["z"]),
            "slope": symbol.law.derivative(x["z"], symbol(x["z"])),
        },
        {},
        {"z": (2,)},
    )
    run = Evaluator(graph, Ball(bits=300))
    ends = run({"z": [z, z + h]})["f"]
    with flint.ctx.workprec(300):
        whole = arb(flint.fmpq(z.numerator, z.denominator)).union(
            arb(flint.fmpq((z + h).numerator, (z + h).denominator))
        )
        quotient = (ends[1] - ends[0]) / arb(2) ** -30
    slope = run({"z": np.array([whole, whole])})["slope"][0]
    assert slope.overlaps(quotient)
    # h moves the slope by less than this: |f''| <= 10 |f'| + 1 at these points, 2 |f'|/|z| of 1/z.
    bend = float(2 / abs(z)) if symbol.law.has_pole_at_zero else 10
    assert slope.rad() <= (abs(slope.mid()) * 4 * bend + 4) * 2.0**-30
    assert quotient.rad() <= (abs(slope.mid()) + 1) * 2.0**-200


def test_unknown_functions_are_named_as_printed():
    phi = Activation("phi")
    graph = trace(
        lambda p, x: {"y": phi(x["z"]), "slope": phi.law.derivative(x["z"], None)},
        {},
        {"z": (1,)},
    )
    systems = (
        Float64(functions={"phi": np.sin, "phi'": np.cos}),
        Ball(functions={"phi": lambda z: z.sin(), "phi'": lambda z: z.cos()}),
        MultiPrecision(
            functions={"phi": lambda z: z.context.sin(z), "phi'": lambda z: z.context.cos(z)}
        ),
    )
    for system in systems:
        found = Evaluator(graph, system)({"z": [1]})
        assert abs(float(found["y"][0]) - 0.8414709848078965) < 1e-15
        assert abs(float(found["slope"][0]) - 0.5403023058681398) < 1e-15
