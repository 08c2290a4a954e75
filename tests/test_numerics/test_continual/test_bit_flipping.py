"""The stream: which bits flip when, and what the target computes."""

import numpy as np
import pytest

from numerics.continual.bit_flipping import BitFlipping
from theory.errors import ShapeError


def test_one_slow_bit_flips_between_periods():
    stream = BitFlipping(bits=6, slow=4, period=3, units=5, seeds=(1, 2, 3))
    before = stream.slow_bits(0)
    for flips in range(1, 20):
        after = stream.slow_bits(flips)
        assert (np.abs(after - before).sum(axis=1) == 1).all()
        before = after


def test_samples_are_bits_with_constant_slow_ones():
    stream = BitFlipping(bits=6, slow=4, period=400, units=5, seeds=(1, 2))
    x, y = stream.samples(7)
    assert set(np.unique(x)) == {0.0, 1.0}
    assert (x[:, :, :4] == stream.slow_bits(7)).all()
    assert (np.abs(x[:, :, 4:].mean(axis=0) - 0.5) < 0.15).all()  # six deviations
    np.testing.assert_array_equal(y.transpose(1, 0, 2), stream.targets(x.transpose(1, 0, 2)))


def test_the_target_counts_bits():
    """A unit is on where more than β of the m + 1 inputs, bias included, are as its weights ask."""
    stream = BitFlipping(bits=5, slow=2, period=2, units=7, seeds=(4,))
    rng = np.random.default_rng((4, 1))
    weights = rng.choice([-1, 1], size=(6, 7))
    top = rng.choice([-1, 1], size=7)
    every = np.array([[int(b) for b in f"{k:05b}"] for k in range(32)], dtype=float)
    for x, y in zip(every, stream.targets(every[None])[0, :, 0], strict=True):
        expected = 0
        for w, v in zip(weights.T, top, strict=True):
            asked = sum(1 for bit, sign in zip([*x, 1], w, strict=True) if bit == (sign > 0))
            expected += v * (asked > 0.7 * 6)
        assert y == expected


def test_members_have_streams_of_their_own():
    together = BitFlipping(bits=6, slow=4, period=3, units=5, seeds=(1, 2, 3))
    alone = BitFlipping(bits=6, slow=4, period=3, units=5, seeds=(2,))
    for both, own in zip(together.samples(5), alone.samples(5), strict=True):
        assert np.array_equal(both[:, 1], own[:, 0])


@pytest.mark.parametrize("slow", [0, 7])
def test_slow_bits_are_some_of_the_bits(slow):
    with pytest.raises(ShapeError, match=f"slow={slow}: it needs 1 <= slow <= bits=6"):
        BitFlipping(bits=6, slow=slow, period=3, units=5, seeds=(1,))
