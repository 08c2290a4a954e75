"""Tasks are keyed, of one shape, and what they say they are."""

import numpy as np
import pytest

from numerics.continual.task_sequences import SEQUENCES, SPLIT_CLASSES
from numerics.tasks import digits
from theory.errors import ShapeError


@pytest.mark.parametrize("name", SEQUENCES)
def test_tasks_are_keyed_by_seed_and_number(name):
    sequence = SEQUENCES[name]
    first = sequence.task(1, 2, 50)
    assert first.x.shape == (50, sequence.inputs)
    assert first.y.shape == (50, sequence.classes)
    assert (first.y.sum(axis=1) == 1).all()
    assert np.array_equal(first.x, sequence.task(1, 2, 50).x)
    for other in (sequence.task(2, 2, 50), sequence.task(1, 3, 50)):
        assert not np.array_equal(first.x, other.x)


def test_permuted_tasks_are_the_digits_in_one_other_order():
    task, every = SEQUENCES["permuted"].task(0, 1, 1797), digits()
    assert np.array_equal(
        np.sort(np.sort(task.x, axis=1), axis=0), np.sort(np.sort(every.x, axis=1), axis=0)
    )
    # a column goes with a column: their sorted values agree as sets
    columns = {tuple(np.sort(c)) for c in task.x.T}
    assert columns == {tuple(np.sort(c)) for c in every.x.T}


@pytest.mark.parametrize("number", range(8))
def test_splits_have_as_many_samples_as_promised(number):
    sequence = SEQUENCES["splits"]
    task = sequence.task(3, number, sequence.most)
    assert len(task.x) == sequence.most
    assert (task.y.sum(axis=0) > 0).all()
    assert task.y.shape[1] == SPLIT_CLASSES


def test_every_split_has_enough_samples():
    counts = np.sort(digits().y.sum(axis=0))
    assert counts[:SPLIT_CLASSES].sum() >= SEQUENCES["splits"].most


@pytest.mark.parametrize("samples", [0, 1798])
def test_samples_are_what_there_is(samples):
    with pytest.raises(ShapeError, match=f"samples={samples}: a task of permuted has 1 to 1797"):
        SEQUENCES["permuted"].task(0, 0, samples)
