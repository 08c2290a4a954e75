import flint
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.systems.float64 import Float64
from tests.test_numerics.test_systems.laws import (
    CASES,
    EXACT,
    MAGNITUDE,
    NONZERO,
    RATIONALS,
    arrays,
    polynomial_graphs,
    roundings,
)
from theory.activation import LAWS, Activation, activation
from theory.errors import ValueSystemError
from theory.tracing import trace

ALL = pytest.mark.parametrize("case", CASES, ids=lambda case: case.system.name[:24])
# A prime field has a random function for every symbol, and gates about 1/2.
REAL = pytest.mark.parametrize(
    "case", [case for case in CASES if not case.lead], ids=lambda case: case.system.name
)
TRIPLES = st.tuples(*(arrays((3,)) for _ in range(3)))

IDENTITIES = {
    "a + b = b + a": lambda s, a, b, c: (s.add(a, b), s.add(b, a)),
    "a b = b a": lambda s, a, b, c: (s.multiply(a, b), s.multiply(b, a)),
    "(a + b) + c = a + (b + c)": lambda s, a, b, c: (s.add(s.add(a, b), c), s.add(a, s.add(b, c))),
    "(a b) c = a (b c)": lambda s, a, b, c: (
        s.multiply(s.multiply(a, b), c),
        s.multiply(a, s.multiply(b, c)),
    ),
    "(a + b) c = a c + b c": lambda s, a, b, c: (
        s.multiply(s.add(a, b), c),
        s.add(s.multiply(a, c), s.multiply(b, c)),
    ),
    "a - b = a + (-b)": lambda s, a, b, c: (s.subtract(a, b), s.add(a, s.negative(b))),
    "(a b)³ = a³ b³": lambda s, a, b, c: (
        s.power(s.multiply(a, b), 3),
        s.multiply(s.power(a, 3), s.power(b, 3)),
    ),
}


@ALL
@given(triple=TRIPLES)
def test_both_sides_of_a_ring_law_agree_with_the_exact_value(case, triple):
    converted = [case.system.array(a) for a in triple]
    sizes = [MAGNITUDE.array(a) for a in triple]
    for name, identity in IDENTITIES.items():
        expected, other = identity(EXACT, *triple)
        assert (expected == other).all(), name
        sides = identity(case.system, *converted)
        for side, magnitude in zip(sides, identity(MAGNITUDE, *sizes), strict=True):
            case.check(side, expected, magnitude, 13)  # a³ b³: 2 (3 + 3) + 1


@ALL
@given(a=arrays((3,)), b=arrays((3,), NONZERO))
def test_a_quotient_agrees_with_the_exact_one(case, a, b):
    value = case.system.divide(case.system.array(a), case.system.array(b))
    # Three roundings, and 1/(1 - u) < (1 + u)² for the divisor's.
    case.check(value, EXACT.divide(a, b), np.abs(EXACT.divide(a, b)), 4)


@ALL
@given(data=st.data())
def test_a_stacked_product_agrees_with_the_exact_one(case, data):
    n, k, m = (data.draw(st.integers(0, 4)) for _ in range(3))
    a = data.draw(arrays((2, 1, n, k)))
    b = data.draw(arrays((3, k, m)))
    value = case.system.matmul(case.system.array(a), case.system.array(b)[..., None, :, :, :])
    case.check(value, EXACT.matmul(a, b), EXACT.matmul(np.abs(a), np.abs(b)), k + 3)


@ALL
def test_a_product_large_enough_for_a_matrix_type_agrees_with_the_exact_one(case):
    rng = np.random.default_rng(5)
    a, b = (EXACT.array(rng.integers(-9, 10, (12, 12))) / 7 for _ in range(2))
    value = case.system.matmul(case.system.array(a), case.system.array(b))
    case.check(value, EXACT.matmul(a, b), EXACT.matmul(np.abs(a), np.abs(b)), 15)


@ALL
@given(data=st.data())
def test_a_sum_agrees_with_the_exact_one(case, data):
    shape = data.draw(st.tuples(*(st.integers(0, 3) for _ in range(3))))
    axes = data.draw(st.sampled_from([(-1,), (-2,), (-3, -1), (-3, -2, -1)]))
    a = data.draw(arrays(shape))
    value = case.system.sum(case.system.array(a), axes)
    case.check(value, EXACT.sum(a, axes), EXACT.sum(np.abs(a), axes), a.size + 1)


@ALL
@given(a=arrays((2, 3)), extra=st.integers(0, 2))
def test_a_constant_has_leading_axes_and_its_entries(case, a, extra):
    value = case.system.constant(tuple(a.flat), (2, 3), case.lead + extra)
    assert value.ndim == case.lead + extra + 2
    assert value.shape[case.lead : case.lead + extra] == (1,) * extra
    case.check(value, a, np.abs(a), 1)


@ALL
@given(graph=polynomial_graphs(), x=arrays((2, 2)), w=arrays((2, 2)))
def test_evaluation_is_a_homomorphism_from_the_rational_numbers(case, graph, x, w):
    given_ = {"x": x, "w": w}
    expected = Evaluator(graph, EXACT)(given_)["y"]
    magnitude = Evaluator(graph, MAGNITUDE)({k: np.abs(v) for k, v in given_.items()})["y"]
    converted = {k: case.system.array(v) for k, v in given_.items()}
    value = Evaluator(graph, case.system, case.lead)(converted)["y"]
    case.check(value, expected, magnitude, roundings(graph))


@ALL
@given(a=arrays((2,)))
def test_the_evaluator_converts_exact_numbers_itself(case, a):
    graph = trace(lambda p, x: {"y": x["x"] + 1}, {}, {"x": (2,)})
    for plain in (a, a.tolist()):
        value = Evaluator(graph, case.system, case.lead)({"x": plain})["y"]
        case.check(value, a + 1, np.abs(a) + 1, 2)


@ALL
def test_operations_on_scalars_give_arrays(case):
    s = case.system
    a = s.array(2)
    results = [s.add(a, a), s.multiply(a, a), s.negative(a), s.power(a, 2), s.divide(a, a)]
    results.append(s.sum(s.array([1, 2]), (-1,)))
    for result in results:
        assert np.shape(result) == np.shape(a)


@ALL
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), None, 1j, "x"])
def test_an_entry_that_is_no_finite_number_is_refused_with_its_place(case, bad):
    if isinstance(case.system, Float64):
        bad = float("nan") if not isinstance(bad, float) else bad
    with pytest.raises(ValueSystemError, match="entry"):
        case.system.array([1, bad])


@REAL
def test_an_unknown_function_is_refused_by_name(case):
    with pytest.raises(ValueSystemError, match=r"functions=\{'phi"):
        case.system.apply(Activation("phi"), case.system.array([1]))


EXACT_SYMBOLS = ("reciprocal", "step", "relu", "leaky_relu")


@ALL
@pytest.mark.parametrize("name", sorted(LAWS))
def test_every_known_symbol_has_a_value_or_a_reason(case, name):
    system, symbol = case.system, activation(name)
    z = system.array([3, 2])
    if system.name == "rational numbers" and name not in EXACT_SYMBOLS:
        with pytest.raises(ValueSystemError, match="Ball or MultiPrecision"):
            system.apply(symbol, z)
    else:
        assert system.apply(symbol, z).shape == z.shape


@REAL
@given(a=arrays((3,), RATIONALS))
def test_gates_are_zero_at_zero(case, a):
    a = np.append(a, 0)
    z = case.system.array(a)
    for name, expected in (("step", a > 0), ("relu", a * (a > 0))):
        exact_values = EXACT.array(expected)
        case.check(case.system.apply(activation(name), z), exact_values, exact_values, 1)


@ALL
def test_no_precision_is_left_changed(case):
    before = flint.ctx.prec, mpmath.mp.prec
    z = case.system.array([1, 2])
    case.system.matmul(z[..., None], z[..., None, :])
    with pytest.raises((ValueSystemError, TypeError, ValueError)):
        case.system.array(["nonsense"])
    assert before == (flint.ctx.prec, mpmath.mp.prec)
