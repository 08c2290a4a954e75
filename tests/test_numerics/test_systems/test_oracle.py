"""The oracle against a second implementation with Python integers, and its statistics."""

from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.primes import random_primes
from numerics.systems.oracle import TILE, Oracle
from theory.activation import activation, normal_pdf, sigmoid, tanh

WORD = (1 << 64) - 1
PRIMES = random_primes(3, seed=0)
PHI = activation("phi")
ODD, EVEN = activation("phi", parity="odd"), activation("phi", parity="even")


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & WORD
    return z ^ (z >> 31)


def key(*labels):
    return int.from_bytes(blake2b(repr(labels).encode(), digest_size=8).digest(), "little")


def reference(primes, seed, symbol, z):
    """The value of a symbol at one tuple of canonical residues."""
    minus = tuple(-r % p for r, p in zip(z, primes, strict=True))
    parity = symbol.value_parity
    if parity == "odd" and not any(z):
        return z
    u = min(z, minus) if parity else z
    label = ("oracle", seed, symbol.name, symbol.order, symbol.parity)
    a, b = key(*label, 0), key(*label, 1)
    for r in u:
        a, b = mix(a ^ r), mix(b ^ r)
    value = [mix(mix(a ^ key(*label, 2 + i)) + b & WORD) % p for i, p in enumerate(primes)]
    if parity == "odd" and u != z:
        value = [-v % p for v, p in zip(value, primes, strict=True)]
    return tuple(value)


def column(z):
    return np.array(z, dtype=np.int64)[:, None]


def arguments(n, seed=0, primes=PRIMES):
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, p, n) for p in primes])


SYMBOLS = [PHI, PHI.derivative_symbol(), ODD, ODD.derivative_symbol(), EVEN, tanh, normal_pdf]
residues = st.tuples(*(st.sampled_from([0, 1, p // 2, p // 2 + 1, p - 1]) for p in PRIMES))


@given(st.sampled_from(SYMBOLS), residues, st.integers(-(2**70), 2**70))
def test_the_oracle_equals_its_description(symbol, z, seed):
    found = Oracle(PRIMES, seed)(symbol, column(z))
    assert tuple(found[:, 0].tolist()) == reference(PRIMES, seed, symbol, z)


def test_golden_values():
    oracle = Oracle((8388593, 8388587), seed=7)
    z = np.array([[1, 8388592, 0, 5], [2, 8388585, 0, 0]])
    assert oracle(tanh, z).tolist() == [
        [6822936, 1565657, 0, 436375],
        [5269934, 3118653, 0, 4199523],
    ]
    assert oracle(PHI, z[:, :1]).tolist() == [[1506496], [95756]]


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_values_do_not_depend_on_place_or_neighbours(symbol):
    oracle = Oracle(PRIMES, seed=1)
    z = arguments(2 * TILE + 5)
    values = oracle(symbol, z)
    order = np.random.default_rng(1).permutation(z.shape[1])
    np.testing.assert_array_equal(oracle(symbol, z[:, order]), values[:, order])
    np.testing.assert_array_equal(oracle(symbol, z[:, TILE:][:, :1]), values[:, TILE:][:, :1])
    cube = z[:, :30].reshape(-1, 2, 3, 5)
    np.testing.assert_array_equal(oracle(symbol, cube).reshape(-1, 30), values[:, :30])


def test_parity_is_joint_over_the_components():
    oracle = Oracle(PRIMES, seed=2)
    moduli = np.array(PRIMES)[:, None]
    z = arguments(1000)
    z[0, :300] = 0  # the sign is then decided by a later component
    z[1, :100] = 0
    minus = -z % moduli
    np.testing.assert_array_equal(oracle(ODD, minus), -oracle(ODD, z) % moduli)
    np.testing.assert_array_equal(oracle(EVEN, minus), oracle(EVEN, z))
    assert not (oracle(PHI, minus) == oracle(PHI, z)).any(axis=0).any()
    mixed = z.copy()  # the sign of one component alone makes another argument
    mixed[2] = minus[2]
    assert not (oracle(EVEN, mixed) == oracle(EVEN, z))[:, 100:].any()


def test_odd_functions_vanish_at_zero_and_only_there():
    oracle = Oracle(PRIMES, seed=2)
    z = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert oracle(ODD, z)[:, 0].tolist() == [0, 0, 0]
    assert oracle(ODD, z)[:, 1:].all()
    assert oracle(EVEN, z).all()


@pytest.mark.parametrize("changed", range(3))
def test_one_changed_component_changes_all_components_of_the_value(changed):
    oracle = Oracle(PRIMES, seed=3)
    z = arguments(20000)
    other = z.copy()
    other[changed] = (other[changed] + 1) % PRIMES[changed]
    # Independent values coincide with probability 1/p each: 0.01 coincidences are expected.
    assert np.count_nonzero(oracle(PHI, z) == oracle(PHI, other)) <= 1


def test_symbols_orders_parities_and_seeds_have_unrelated_values():
    z = arguments(1000)
    tables = [Oracle(PRIMES, seed=4)(symbol, z) for symbol in (*SYMBOLS, sigmoid)]
    tables.append(Oracle(PRIMES, seed=5)(PHI, z))
    for k, one in enumerate(tables):
        for other in tables[:k]:
            assert np.count_nonzero(one == other) <= 1


def excess(observed, expected, freedom):
    """The chi-square statistic, standardised: nearly normal for many degrees of freedom."""
    statistic = ((observed - expected) ** 2 / expected).sum()
    return float((statistic - freedom) / np.sqrt(2 * freedom))


def dependence(x, p, y, q):
    """Of two sequences of residues, in a 16 x 16 contingency table."""
    cell = 16 * (16 * x // p) + 16 * y // q
    table = np.bincount(cell, minlength=256).reshape(16, 16)
    table = table[table.any(axis=1)]
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    return excess(table, expected, (len(table) - 1) * 15)


@pytest.mark.parametrize("symbol", [PHI, ODD, EVEN])
def test_values_are_uniform_and_independent(symbol):
    p, q = 251, 257
    z = np.stack(np.divmod(np.arange(1, p * q), q))
    if symbol.value_parity:
        z = z[:, : z.shape[1] // 2]  # one of each pair z, -z
    x, y = Oracle((p, q), seed=6)(symbol, z)
    found = [
        excess(np.bincount(x, minlength=p), x.size / p, p - 1),
        excess(np.bincount(y, minlength=q), y.size / q, q - 1),
        dependence(x, p, y, q),  # between components
        dependence(z[0], p, x, p),  # on the argument
        dependence(z[1], q, x, p),
        dependence(x[1:], p, x[:-1], p),  # between neighbouring arguments
        dependence(y[q:], q, y[:-q], q),
    ]
    assert max(abs(value) for value in found) < 5
