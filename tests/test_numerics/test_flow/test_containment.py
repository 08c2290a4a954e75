"""Every ball contains the solution, where it is known by other means."""

from dataclasses import replace

import flint
import numpy as np
import pytest

from numerics.flow.remainder import Weights
from numerics.flow.solution import Flow
from tests.test_numerics.test_flow.closed_forms import problems


def missed(seed: int, count: int) -> list[str]:
    """The problems whose solution is not in the ball, or not as narrow as asked for."""
    names = []
    for problem in problems(seed, count):
        found = problem.solve()
        assert isinstance(found, Flow), (problem.name, found)
        largest = max(x.rad() for a in found(found.end).values() for x in a.ravel())
        assert largest <= flint.arb(10) ** -found.digits, problem.name
        if not problem.holds(found):
            names.append(problem.name)
    return names


def test_balls_contain_known_solutions():
    assert missed(seed=1, count=100) == []


@pytest.mark.slow
def test_balls_contain_five_hundred_known_solutions():
    assert missed(seed=2, count=500) == []


def test_a_dropped_remainder_is_caught(monkeypatch):
    proved = Weights.remainder

    def dropped(self, radius):
        found = proved(self, radius)
        return found and replace(
            found, bounds={p: np.full_like(a, 1e-250) for p, a in found.bounds.items()}
        )

    monkeypatch.setattr(Weights, "remainder", dropped)
    assert len(missed(seed=3, count=20)) >= 10


def test_a_forgotten_initial_distance_is_caught(monkeypatch):
    from numerics.flow import solver

    centred = solver._centred
    monkeypatch.setattr(solver, "_centred", lambda v: (centred(v)[0], flint.arb(0)))
    assert len(missed(seed=4, count=20)) >= 5
