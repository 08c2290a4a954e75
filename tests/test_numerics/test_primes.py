import flint
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.primes import HIGH, LOW, num_primes, random_primes
from theory.errors import ValueSystemError


@given(st.integers(2, 10**10), st.integers(1, 300))
def test_the_sieve_agrees_with_proved_primality(low, length):
    expected = sum(flint.fmpz(n).is_prime() for n in range(low, low + length))
    assert num_primes(low, low + length) == expected


@pytest.mark.parametrize(("power", "count"), [(10, 172), (16, 6542), (20, 82025), (23, 564163)])
def test_the_sieve_gives_the_known_values_of_pi(power, count):
    assert num_primes(2, 1 << power) == count


def test_drawn_primes_are_distinct_primes_of_the_window():
    primes = random_primes(50, seed=1)
    assert len(set(primes)) == 50
    assert all(LOW <= p < HIGH and flint.fmpz(p).is_prime() for p in primes)


def test_drawn_primes_depend_on_the_seed_alone():
    assert random_primes(4, seed=0) == random_primes(6, seed=0)[:4]
    assert random_primes(4, seed=0) != random_primes(4, seed=1)


def test_a_window_can_be_exhausted_but_not_exceeded():
    assert sorted(random_primes(4, seed=0, low=2, high=10)) == [2, 3, 5, 7]
    with pytest.raises(ValueSystemError, match="count=5: the window 2 <= p < 10 holds 4 primes"):
        random_primes(5, seed=0, low=2, high=10)


@pytest.mark.parametrize(("low", "high"), [(1, 5), (5, 5), (7, 3)])
def test_an_impossible_window_is_refused(low, high):
    with pytest.raises(ValueSystemError, match=f"window {low} <= p < {high}"):
        num_primes(low, high)


def test_every_prime_of_a_window_is_drawn_equally_often():
    primes = [p for p in range(100, 200) if flint.fmpz(p).is_prime()]
    draws = [random_primes(1, seed, 100, 200)[0] for seed in range(4200)]
    counts = np.array([draws.count(p) for p in primes])
    statistic = float(((counts - 200) ** 2 / 200).sum())
    # 20 degrees of freedom: the statistic exceeds 60 with probability below 10^-5.
    assert statistic < 60
