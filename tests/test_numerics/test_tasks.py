import numpy as np

from numerics.tasks import digits


def test_digits_are_pixels_in_the_unit_interval_and_one_hot_classes():
    task = digits()
    assert (task.name, task.x.shape, task.y.shape) == ("digits", (1797, 64), (1797, 10))
    assert (task.x.min(), task.x.max()) == (0, 1)
    assert np.array_equal(task.x * 16, np.rint(task.x * 16))
    assert set(np.unique(task.y)) == {0, 1}
    assert (task.y.sum(axis=1) == 1).all()
    assert task.y.sum(axis=0).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
