from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from numerics.losses import CROSS_ENTROPY, MSE, Loss

LOSSES = (MSE, CROSS_ENTROPY)
EPSILON = 2.0**-52

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 5))
NUMBERS = st.floats(-20, 20, width=16)


@st.composite
def batches(draw):
    shape = draw(SHAPES)
    y = draw(arrays(np.float64, shape, elements=NUMBERS))
    labels = draw(arrays(np.int64, shape[:1], elements=st.integers(0, shape[1] - 1)))
    return y, np.eye(shape[1])[labels]


def exact(loss: Loss, y, target):
    """The loss at 50 digits, by its definition."""
    with mpmath.workdps(50):
        total = mpmath.mpf(0)
        for row, wanted in zip(y, target, strict=True):
            row = [mpmath.mpf(v) for v in row]
            if loss is MSE:
                total += sum((v - mpmath.mpf(w)) ** 2 for v, w in zip(row, wanted, strict=True)) / 2
            else:
                norm = mpmath.log(sum(mpmath.exp(v) for v in row))
                total -= sum(mpmath.mpf(w) * (v - norm) for v, w in zip(row, wanted, strict=True))
        return total / len(y)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@given(batches())
def test_values_are_those_of_the_definition(loss, batch):
    y, target = batch
    value = exact(loss, y, target)
    scale = float(abs(value)) + np.abs(y).sum() + 1
    assert abs(float(loss.value(y, target)) - float(value)) <= 100 * EPSILON * scale


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@given(batches())
def test_adjoints_are_central_differences(loss, batch):
    """At 50 digits with step h = 10^-15 the error is below h² times a third derivative <= 1."""
    y, target = batch
    found = loss.adjoint(y, target)
    assert found.shape == y.shape
    with mpmath.workdps(50):
        step = mpmath.mpf(10) ** -15
        for index in np.ndindex(*y.shape):
            above, below = (y.astype(object) for _ in range(2))
            above[index], below[index] = mpmath.mpf(y[index]) + step, mpmath.mpf(y[index]) - step
            slope = (exact(loss, above, target) - exact(loss, below, target)) / (2 * step)
            assert abs(found[index] - float(slope)) <= 100 * EPSILON * (1 + abs(y[index]))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@given(batches(), st.integers(1, 3))
def test_leading_axes_are_separate_losses(loss, batch, trials):
    y, target = batch
    stacked = np.stack([y * k for k in range(trials)])
    values, adjoints = loss.value(stacked, target), loss.adjoint(stacked, target)
    assert values.shape == (trials,)
    for k in range(trials):
        assert values[k] == pytest.approx(loss.value(y * k, target), rel=1e-13, abs=1e-13)
        assert adjoints[k] == pytest.approx(loss.adjoint(y * k, target), rel=1e-13, abs=1e-15)


@given(batches())
def test_cross_entropy_adjoints_sum_to_zero_over_classes(batch):
    adjoint = CROSS_ENTROPY.adjoint(*batch)
    assert np.abs(adjoint.sum(axis=-1)).max() <= 8 * EPSILON


def test_adjoints_of_rounded_distributions_add_up_to_zero_too():
    """0.1 + 0.2 + 0.7 is not 1 for the rational numbers that these floats are."""
    y, target = np.array([[1.0, -2.0, 0.5]]), np.array([[0.1, 0.2, 0.7 + 1e-7]])
    adjoint = CROSS_ENTROPY.adjoint(y, target)
    assert abs(adjoint.sum()) <= 8 * EPSILON
    step = 1e-5
    for k, direction in enumerate(step * np.eye(3)):
        ends = [CROSS_ENTROPY.value(y + sign * direction, target) for sign in (1, -1)]
        assert adjoint[0, k] == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-10)


@given(batches(), st.floats(-50, 50, width=16))
def test_a_shift_of_all_outputs_leaves_cross_entropy_alone(batch, shift):
    y, target = batch
    one, other = CROSS_ENTROPY.value(y, target), CROSS_ENTROPY.value(y + shift, target)
    assert other == pytest.approx(one, rel=1e-13, abs=1e-12)


def test_large_outputs_do_not_overflow():
    y, target = np.array([[1e300, 0.0], [-1e300, 0.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])
    assert CROSS_ENTROPY.value(y, target) == 0
    assert CROSS_ENTROPY.adjoint(y, target).tolist() == [[0, 0], [0, 0]]
    assert CROSS_ENTROPY.value(y, target[::-1]) == 1e300


def test_explicit_values():
    y, target = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 2.0], [3.0, 1.0]])
    assert MSE.value(y, target) == Fraction(1 + 16, 4)
    assert MSE.adjoint(y, target).tolist() == [[0.5, 0], [0, 2]]
    assert CROSS_ENTROPY.value(np.zeros((3, 4)), np.eye(4)[:3]) == pytest.approx(np.log(4))
