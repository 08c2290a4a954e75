import pytest

from numerics.steps.span_methods import METHODS, distance_from_leaf
from theory.errors import OptimizerError


@pytest.mark.parametrize("method", METHODS)
def test_combinations_of_gradients_keep_the_leaf_and_those_with_decay_leave_it(method):
    assert distance_from_leaf(method) < 1e-9
    assert distance_from_leaf(method, decay=0.01) > 1e-5


def test_methods_are_named():
    with pytest.raises(OptimizerError, match=r"^method='Newton': one of steepest descent, CG"):
        distance_from_leaf("Newton")
