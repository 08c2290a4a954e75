"""Recurrent cells against a loop over samples, steps and units."""

from typing import Any

import numpy as np
import pytest

from tests.test_theory.test_layers.running import assert_close, normal, run
from theory.activation import tanh
from theory.errors import ShapeError
from theory.layers import elman, gru

SHAPES = {"w": (2, 3), "u": (3, 3), "b": (3,)}


def parameters(gate: str, seed: int) -> dict[str, Any]:
    return {f"{name}{gate}": normal(seed + k, *SHAPES[name]) for k, name in enumerate(SHAPES)}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("steps", [1, 4])
def test_an_elman_cell_starts_from_zero(steps):
    x, p = normal(0, 5, steps, 2), parameters("", 1)
    expected = np.empty((5, steps, 3))
    for sample, states in zip(x, expected, strict=True):
        h = np.zeros(3)
        for t, now in enumerate(sample):
            h = np.tanh(now @ p["w"] + h @ p["u"] + p["b"])
            states[t] = h
    assert_close(run(lambda x, w, u, b: elman(x, w, u, b, tanh), x=x, **p), expected, 30)


@pytest.mark.parametrize("steps", [1, 4])
def test_a_gru_mixes_the_last_state_with_the_candidate(steps):
    x = normal(0, 5, steps, 2)
    p = parameters("_update", 1) | parameters("_reset", 4) | parameters("", 7)
    expected = np.empty((5, steps, 3))
    for sample, states in zip(x, expected, strict=True):
        h = np.zeros(3)
        for t, now in enumerate(sample):
            z = sigmoid(now @ p["w_update"] + h @ p["u_update"] + p["b_update"])
            r = sigmoid(now @ p["w_reset"] + h @ p["u_reset"] + p["b_reset"])
            candidate = np.tanh(now @ p["w"] + (r * h) @ p["u"] + p["b"])
            h = h + (1 - z) * (candidate - h)
            states[t] = h
    assert_close(run(gru, x=x, **p), expected, 60)


@pytest.mark.parametrize("shape", [(5, 2), (5, 0, 2)])
def test_a_sequence_has_steps(shape):
    with pytest.raises(ShapeError, match=r"expected \(batch, T, inputs\) with T >= 1"):
        elman(np.zeros(shape), np.zeros((2, 3)), np.zeros((3, 3)), np.zeros(3))
