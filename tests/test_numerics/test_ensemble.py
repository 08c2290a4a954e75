from typing import Any

import numpy as np
import pytest

from numerics.ensemble import train_ensemble
from numerics.losses import CROSS_ENTROPY
from numerics.tasks import Task
from numerics.train import initial_parameters, train
from theory.errors import ShapeError
from theory.optimizer import adam
from theory.zoo import mlp

NET = mlp([3, 5, 2], "tanh")
RNG = np.random.default_rng(0)
TASK = Task("random", RNG.normal(size=(12, 3)), np.eye(2)[RNG.integers(0, 2, 12)])


@pytest.mark.parametrize(("members", "threads"), [(7, 2), (7, 1), (2, 3), (7, None)])
def test_every_member_trains_as_it_does_alone(members, threads):
    start = initial_parameters(NET, seed=2, ensemble=(members,))
    options: Any = {"steps": 6, "batch_size": 4, "seed": 1}
    found = train_ensemble(NET, adam(), CROSS_ENTROPY, start, TASK, threads=threads, **options)
    for k in range(members):
        alone = {p: w[k] for p, w in start.items()}
        expected = train(NET, adam(), CROSS_ENTROPY, alone, TASK, **options).parameters
        for p, w in expected.items():
            assert found[p].shape == (members, *w.shape)
            assert found[p][k] == pytest.approx(w, rel=1e-10, abs=1e-13)


def test_all_parameters_have_the_members_first():
    start = initial_parameters(NET, seed=2, ensemble=(4,))
    start["b1"] = start["b1"][:3]
    with pytest.raises(ShapeError, match="the first axis is that of the members"):
        train_ensemble(NET, adam(), CROSS_ENTROPY, start, TASK, steps=1)


@pytest.mark.parametrize(("members", "parts"), [(2 * 65536 // 60, 1), (1 + 2 * 65536 // 60, 2)])
def test_small_work_stays_on_one_thread(monkeypatch, members, parts):
    """The largest array of a member has 12 samples and 5 units."""
    sizes = []

    def recorded(*arguments: Any, **options: Any) -> Any:
        sizes.append(len(arguments[3]["b1"]))
        return train(*arguments, **options)

    monkeypatch.setattr("numerics.ensemble.train", recorded)
    start = initial_parameters(NET, seed=2, ensemble=(members,))
    train_ensemble(NET, adam(), CROSS_ENTROPY, start, TASK, steps=1)
    assert len(sizes) == parts
    assert sum(sizes) == members
