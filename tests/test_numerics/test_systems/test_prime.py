"""The arithmetic of prime fields against Python integers, also at the limits of float64."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.primes import random_primes
from numerics.systems.prime import TILE, PrimeField, _words_below
from theory.activation import gelu, tanh
from theory.errors import ShapeError, ValueSystemError

BELOW_22_BITS, BELOW_23_BITS = (1 << 22) - 3, (1 << 23) - 15  # the largest such primes
FIELD = PrimeField(random_primes(3, seed=0), seed=0)
SMALL = PrimeField((3, 5, 7), seed=0)
LARGE = PrimeField((BELOW_23_BITS, BELOW_22_BITS), seed=0)
FIELDS = st.sampled_from([FIELD, SMALL, LARGE])


def residues(p):
    h = p // 2
    return st.one_of(st.sampled_from([0, 1, -1, h, -h, h + 1, -h - 1]), st.integers(-h, h))


@st.composite
def operands(draw, count, length=3):
    """A field and arrays of balanced residues, extreme ones preferred."""
    field = draw(FIELDS)
    lists = [
        [draw(st.lists(residues(p), min_size=length, max_size=length)) for p in field.primes]
        for _ in range(count)
    ]
    return field, *(np.array(entries, dtype=np.float64) for entries in lists)


def integers(a):
    return np.vectorize(int, otypes=[object])(a)


def check(field, found, expected):
    """``found`` is balanced float64 and congruent to the Python integers ``expected``."""
    moduli = np.array(field.primes, dtype=object).reshape((-1,) + (1,) * (found.ndim - 1))
    assert found.dtype == np.float64
    assert (2 * np.abs(found) <= (moduli + 1)).all()
    assert (field.canonical(found) == expected % moduli).all()


@given(operands(2))
def test_sums_differences_and_products(drawn):
    field, a, b = drawn
    x, y = integers(a), integers(b)
    check(field, field.add(a, b), x + y)
    check(field, field.subtract(a, b), x - y)
    check(field, field.multiply(a, b), x * y)
    check(field, field.negative(a), -x)


@given(operands(1), st.integers(1, 40))
def test_powers(drawn, exponent):
    field, a = drawn
    check(field, field.power(a, exponent), integers(a) ** exponent)


@given(operands(1, length=60))
def test_sums_over_axes(drawn):
    field, a = drawn
    cube = a.reshape(-1, 3, 4, 5)
    check(field, field.sum(cube, (-1,)), integers(cube).sum(axis=-1))
    check(field, field.sum(cube, (-3, -1)), integers(cube).sum(axis=(1, 3)))
    check(field, field.sum(cube, (-3, -2, -1)), integers(cube).sum(axis=(1, 2, 3)))


@given(FIELDS, st.integers(0, 40), st.integers(0, 2**32))
def test_inverses_and_quotients(field, length, seed):
    rng = np.random.default_rng(seed)
    a = np.stack(
        [rng.choice([1.0, -1.0], length) * rng.integers(1, p, length) for p in field.primes]
    )
    a = field.multiply(a, field.array(np.ones(length)))
    b = PrimeField(field.primes, seed).random((length,), "b")
    assert (field.canonical(field.multiply(a, field.inverse(a))) == 1).all()
    check(field, field.multiply(field.divide(b, a), a), integers(b))


def test_inverting_a_broadcast_array_keeps_its_shape():
    a = np.broadcast_to(FIELD.random((4, 1), "a"), (3, 4, 1000))
    found = FIELD.inverse(a)
    assert found.shape == a.shape
    assert (FIELD.canonical(FIELD.multiply(found, a)) == 1).all()


def test_a_zero_divisor_is_named():
    one = SMALL.array([1, 1, 1])
    with pytest.raises(ZeroDivisionError, match="2 of 3 divisors are 0 modulo 5"):
        SMALL.divide(one, SMALL.array([5, 10, 1]))


@given(FIELDS, st.data())
def test_rational_numbers_of_any_kind_become_the_same_residues(field, data):
    integer = st.integers(-(2**80), 2**80)
    dyadic = st.floats(allow_nan=False, allow_infinity=False)
    fraction = st.builds(
        Fraction, integer, integer.filter(lambda n: all(n % p for p in field.primes))
    )
    values = data.draw(st.lists(integer | dyadic | fraction, min_size=1, max_size=5))
    exact = [Fraction(v) for v in values]
    expected = [[v.numerator * pow(v.denominator, -1, p) for v in exact] for p in field.primes]
    check(field, field.array(values), np.array(expected, dtype=object))
    check(field, field.constant(exact, (len(exact),), 1), np.array(expected, dtype=object))


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0.5, -3.25, 1e300], [5e-324, 0.0, -0.0]]),
        np.array([1.5, 2.25], dtype=np.float32),
        np.array([1.5, 2.25], dtype=np.float16),
        np.arange(-5, 300),
        np.array([-128, 127], dtype=np.int8),
        np.array([255], dtype=np.uint8),
        np.array([2**64 - 1, 2**63], dtype=np.uint64),
        np.array([-(2**63), 2**63 - 1]),
        np.array([True, False]),
        np.array([Fraction(1, 2), 2**100, 0.25], dtype=object),
        np.float64(0.5),
        np.zeros((0, 3)),
        [],
        7,
    ],
    ids=repr,
)
def test_arrays_of_every_type_are_exact(values):
    plain = np.asarray(values)
    entries = [Fraction(v) for v in plain.ravel().tolist()]
    expected = [[v.numerator * pow(v.denominator, -1, p) for v in entries] for p in LARGE.primes]
    check(LARGE, LARGE.array(values), np.array(expected, dtype=object).reshape(2, *plain.shape))


def test_an_integer_beside_a_float_is_not_rounded():
    found = LARGE.canonical(LARGE.array([2**60 + 1, 0.5]))[:, 0]
    assert found.tolist() == [(2**60 + 1) % p for p in LARGE.primes]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, float("nan")], "entry 1 is nan"),
        (np.array([[1.0, np.inf]]), r"entry \(0, 1\) is inf"),
        ([1, "2"], "entry 1 is '2'"),
        ([[1], [2, 3]], r"entry 0 is \[1\]"),
        ([1j], "entry 0 is 1j"),
        ([Fraction(1, 10)], "1/10 modulo 5: the prime divides the denominator"),
    ],
)
def test_what_is_no_residue_is_refused(values, message):
    with pytest.raises(ValueSystemError, match=message):
        SMALL.array(values)


@pytest.mark.parametrize(
    ("primes", "message"),
    [
        ((), "at least one prime"),
        ((3, 9), r"primes\[1\]=9: an odd prime below 8388608"),
        ((2,), r"primes\[0\]=2"),
        ((8388617,), r"primes\[0\]=8388617"),
        ((3, 5, 3), r"primes\[2\]=3 repeats"),
    ],
)
def test_unusable_primes_are_refused(primes, message):
    with pytest.raises(ValueSystemError, match=message):
        PrimeField(primes, seed=0)


def test_constants_need_the_component_axis():
    assert FIELD.constant([Fraction(1, 2)] * 6, (2, 3), 2).shape == (3, 1, 2, 3)
    with pytest.raises(ValueSystemError, match="lead=0"):
        FIELD.constant([Fraction(1)], (), 0)


@pytest.mark.parametrize(
    "operation",
    [
        lambda a, b: FIELD.add(a, b),
        lambda a, b: FIELD.multiply(b, a),
        lambda a, b: FIELD.matmul(a, b),
        lambda a, b: FIELD.divide(b, a),
        lambda a, b: FIELD.sum(a, (-1,)),
        lambda a, b: FIELD.negative(a),
        lambda a, b: FIELD.apply(tanh, a),
    ],
)
def test_plain_numbers_are_not_taken_for_residues(operation):
    with pytest.raises(ShapeError, match=r"shape \(1, 2, 2\): axis 0 must run over the 3 comp"):
        operation(np.full((1, 2, 2), 0.5), FIELD.random((2, 2), "b"))


@pytest.mark.parametrize(("prime", "terms"), [(BELOW_22_BITS, 2048), (BELOW_23_BITS, 512)])
def test_products_are_exact_at_the_limit_and_beyond(prime, terms):
    field = PrimeField((prime,), seed=0)
    assert field.max_terms == terms
    h = (prime + 1) // 2
    for length in (2, terms - 1, terms, terms + 1, 3 * terms + 5):
        for shape_a, shape_b in (((1, length), (length, 3)), ((4, length), (length, 1))):
            a, b = np.full((1, *shape_a), float(h)), np.full((1, *shape_b), float(-h))
            a[..., ::5] -= 1
            expected = integers(a[0]) @ integers(b[0])
            check(field, field.matmul(a, b), expected[None])
            reverse = field.matmul(b.swapaxes(1, 2), a.swapaxes(1, 2))
            check(field, reverse, expected.T[None])


@pytest.mark.parametrize("prime", [BELOW_22_BITS, BELOW_23_BITS])
def test_the_limit_is_sharp(prime):
    field = PrimeField((prime,), seed=0)
    h, terms = (prime + 1) // 2, field.max_terms + 1
    a, b = np.full((1, 1, terms), float(h)), np.full((1, terms, 1), float(h))
    exact = terms * h * h
    assert exact > 1 << 53
    assert exact % 2 == 1  # beyond 2⁵³ float64 has even integers only
    assert int(np.matmul(a, b)[0, 0, 0]) != exact
    check(field, field.matmul(a, b), np.array([[[exact]]], dtype=object))


@given(FIELDS, st.tuples(*(st.integers(0, 4) for _ in range(3))), st.integers(0, 2**32))
def test_stacked_products(field, lengths, seed):
    m, k, n = lengths
    drawn = PrimeField(field.primes, seed)
    a, b = drawn.random((2, 1, m, k), "a"), drawn.random((1, 3, k, n), "b")
    expected = np.zeros((len(field.primes), 2, 3, m, n), dtype=object)
    for r in range(k):
        expected = expected + integers(a[..., r : r + 1]) * integers(b[..., r : r + 1, :])
    check(field, field.matmul(a, b), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.int32, np.int64])
def test_narrow_storage_gives_the_same_results(dtype):
    a, b = FIELD.random((3, 700), "a"), FIELD.random((700, 5), "b")
    narrow_a, narrow_b = a.astype(dtype), b.astype(dtype)
    np.testing.assert_array_equal(FIELD.matmul(narrow_a, narrow_b), FIELD.matmul(a, b))
    np.testing.assert_array_equal(
        FIELD.matmul(narrow_b.swapaxes(1, 2), narrow_a.swapaxes(1, 2)),
        FIELD.matmul(a, b).swapaxes(1, 2),
    )
    np.testing.assert_array_equal(FIELD.multiply(narrow_a, narrow_a), FIELD.multiply(a, a))
    np.testing.assert_array_equal(FIELD.sum(narrow_a, (-1,)), FIELD.sum(a, (-1,)))
    np.testing.assert_array_equal(FIELD.inverse(narrow_a), FIELD.inverse(a))
    np.testing.assert_array_equal(FIELD.apply(tanh, narrow_a), FIELD.apply(tanh, a))


def test_reduction_in_tiles_and_in_any_memory_order():
    a = FIELD.random((TILE + 3, 2), "a")
    small = FIELD.multiply(a[:, :5], a[:, :5])
    np.testing.assert_array_equal(FIELD.multiply(a, a)[:, :5], small)
    f = np.asfortranarray(a)
    np.testing.assert_array_equal(FIELD.multiply(f, f), FIELD.multiply(a, a))
    t = a.swapaxes(1, 2)
    np.testing.assert_array_equal(FIELD.multiply(t, t).swapaxes(1, 2), FIELD.multiply(a, a))


def test_operands_are_never_changed():
    a, b = FIELD.random((3, 3), "a"), FIELD.random((3, 3), "b")
    kept = a.copy(), b.copy()
    for operation in (FIELD.add, FIELD.multiply, FIELD.divide, FIELD.matmul):
        operation(a, b)
    FIELD.power(a, 1), FIELD.power(a, 5), FIELD.sum(a, ()), FIELD.apply(gelu, a)
    np.testing.assert_array_equal(a, kept[0])
    np.testing.assert_array_equal(b, kept[1])


def test_streams_depend_on_seed_name_and_component():
    a = FIELD.random((1000,), "a")
    np.testing.assert_array_equal(a[:, :10], FIELD.random((10,), "a"))
    others = [FIELD.random((1000,), "b"), PrimeField(FIELD.primes, seed=1).random((1000,), "a")]
    for other in (*others, np.roll(a, 1, axis=0)):
        assert np.count_nonzero(a == other) <= 1
    assert FIELD.random((0, 3), "a").shape == (3, 0, 3)


def test_random_residues_are_uniform():
    field = PrimeField((BELOW_23_BITS, 257), seed=3)
    drawn = field.canonical(field.random((1 << 18,), "u"))
    for residue, p in zip(drawn, field.primes, strict=True):
        assert_uniform(residue * 257 // p, 257)


@pytest.mark.parametrize("count", [0, 1, 1001, 1 << 16])
def test_words_beyond_the_limit_are_drawn_again(count):
    limit = 5 << 28  # eleven words in sixteen are rejected
    words = _words_below(limit, count, np.random.SFC64(0))
    assert words.size == count
    assert (words < limit).all()
    if count == 1 << 16:
        assert_uniform(words.astype(np.int64) * 97 // limit, 97)


def assert_uniform(cells, number):
    counts = np.bincount(cells, minlength=number)
    mean = cells.size / number
    statistic = ((counts - mean) ** 2 / mean).sum()
    assert abs(statistic - (number - 1)) < 5 * np.sqrt(2 * (number - 1))
