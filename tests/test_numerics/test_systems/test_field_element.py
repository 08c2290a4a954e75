from fractions import Fraction

import numpy as np
import pytest

from numerics.systems.field_element import FieldElement
from numerics.systems.prime import PrimeField
from theory.activation import tanh
from theory.errors import ValueSystemError

FIELD = PrimeField((101, 103), seed=0)
THIRD = Fraction(1, 3)


def element(*values):
    return FieldElement(FIELD, FIELD.array(list(values)))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (lambda z: z + 2, (5, 7)),
        (lambda z: 2 + z, (5, 7)),
        (lambda z: z - THIRD, (Fraction(8, 3), Fraction(14, 3))),
        (lambda z: THIRD - z, (Fraction(-8, 3), Fraction(-14, 3))),
        (lambda z: z * z, (9, 25)),
        (lambda z: THIRD * z, (1, Fraction(5, 3))),
        (lambda z: z / 2, (Fraction(3, 2), Fraction(5, 2))),
        (lambda z: 1 / z, (Fraction(1, 3), Fraction(1, 5))),
        (lambda z: -z, (-3, -5)),
    ],
)
def test_python_arithmetic_is_the_system_s(expression, expected):
    found = expression(element(3, 5))
    np.testing.assert_array_equal(
        FIELD.canonical(found.array), FIELD.canonical(FIELD.array(list(expected)))
    )


def test_a_symbol_applies_to_an_element():
    z = element(3, 5)
    np.testing.assert_array_equal(tanh(z).array, FIELD.apply(tanh, z.array))


def test_other_operands_are_refused():
    with pytest.raises(ValueSystemError, match=r"0\.5: a field element combines with"):
        element(1) + 0.5
