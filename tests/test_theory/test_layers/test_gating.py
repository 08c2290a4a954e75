import numpy as np
from scipy import special

from tests.test_theory.test_layers.running import assert_close, normal, run
from theory.activation import gelu
from theory.layers import dropout, glu, prelu


def test_prelu_is_linear_on_either_side():
    z, slope = normal(0, 5, 4), normal(1, 4)
    expected = [[v if v > 0 else a * v for v, a in zip(row, slope, strict=True)] for row in z]
    assert_close(run(prelu, z=z, slope=slope), expected, 2)


def test_a_gated_unit_multiplies():
    a, b = normal(0, 5, 4), normal(1, 5, 4)
    assert_close(run(glu, a=a, b=b), a / (1 + np.exp(-b)), 4)
    assert_close(run(lambda a, b: glu(a, b, gelu), a=a, b=b), a * b * special.ndtr(b), 4)


def test_dropout_masks():
    x = normal(0, 2, 3)
    assert (run(dropout, x=x, mask=np.array([2.0, 0.0, 2.0])) == x * [2, 0, 2]).all()
