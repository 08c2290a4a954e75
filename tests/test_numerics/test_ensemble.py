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


@pytest.mark.parametrize(("members", "threads"), [(7, 2), (7, 1), (2, 3)])
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
