import mpmath
import pytest

from numerics.systems.multiprecision import MultiPrecision
from theory.activation import Activation
from theory.errors import ValueSystemError


def test_digits_beyond_the_global_context_are_right():
    system = MultiPrecision(60)
    third = system.divide(system.array([1]), system.array([3]))
    assert str(third[0]) == "0." + "3" * 60
    assert mpmath.mp.dps == 15


def test_two_precisions_live_side_by_side():
    coarse, fine = MultiPrecision(10), MultiPrecision(40)
    value = fine.array(coarse.array(["1/3"]))
    assert str(value[0]).startswith("0.33333333333")
    assert value[0] != fine.array(["1/3"])[0]


def test_a_function_that_answers_in_the_global_context_is_refused():
    system = MultiPrecision(40, functions={"phi": mpmath.sin})
    with pytest.raises(ValueSystemError, match="another context"):
        system.apply(Activation("phi"), system.array([1]))


@pytest.mark.parametrize(("name", "z"), [("log", -1), ("log", 0), ("sqrt", -1), ("rsqrt", 0)])
def test_an_argument_outside_the_domain_is_refused(name, z):
    system = MultiPrecision(20)
    with pytest.raises(ValueSystemError, match=rf"{name}\({z}.0\) is no finite real"):
        system.apply(Activation(name), system.array([z]))


def test_too_few_digits_are_refused():
    with pytest.raises(ValueSystemError, match="digits=0"):
        MultiPrecision(digits=0)
