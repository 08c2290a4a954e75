import numpy as np
import pytest

from numerics.systems.float64 import Float64


@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 3, 5, 1), (4, 5, 200), (5, 4)])
def test_rows_are_summed_however_many_columns_there_are(shape):
    a = np.random.default_rng(0).normal(size=shape)
    expected = np.array([[sum(column) for column in m.T] for m in a.reshape(-1, *shape[-2:])])
    found = Float64().sum(a, (-2,))
    assert found.shape == (*shape[:-2], shape[-1])
    assert found.ravel() == pytest.approx(expected.ravel(), rel=1e-13, abs=1e-13)
