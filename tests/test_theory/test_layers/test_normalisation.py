"""Normalisations against loops over the slices that share their statistics."""

from itertools import product
from typing import Any

import numpy as np
import pytest

from tests.test_theory.test_layers.running import assert_close, normal, run
from theory.axes import couples_samples
from theory.errors import ShapeError
from theory.layers import batch_norm, group_norm, layer_norm, rms_norm
from theory.tracing import trace

SHAPES = [(5, 4), (3, 2, 4), (2, 3, 2, 4)]


def by_slices(x: Any, slices: list[Any], eps: float) -> Any:
    y = np.empty_like(x)
    for key in slices:
        entries = x[key].ravel().tolist()
        mean = sum(entries) / len(entries)
        variance = sum((v - mean) ** 2 for v in entries) / len(entries)
        y[key] = (x[key] - mean) / (variance + eps) ** 0.5
    return y


def indices(*lengths: int) -> Any:
    return product(*map(range, lengths))


@pytest.mark.parametrize("eps", [0, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_statistics_are_shared_as_they_should(shape, eps):
    x, gain, bias = normal(0, *shape), normal(1, 4), normal(2, 4)
    slices = {
        batch_norm: [(..., c) for c in range(4)],
        layer_norm: list(indices(*shape[:-1])),
        lambda x, *a, eps: group_norm(x, 2, *a, eps=eps): [
            (b, ..., slice(2 * g, 2 * g + 2)) for b, g in indices(shape[0], 2)
        ],
    }
    for layer, own in slices.items():
        expected = by_slices(x, own, eps) * gain + bias
        found = run(lambda x, g, b, layer=layer: layer(x, g, b, eps=eps), x=x, g=gain, b=bias)
        assert_close(found, expected, 100)
        assert_close(layer(x, gain, bias, eps=eps), expected, 100)
        assert_close(
            run(lambda x, layer=layer: layer(x, eps=eps), x=x), by_slices(x, own, eps), 100
        )


@pytest.mark.parametrize("eps", [0, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_a_mean_square_is_over_the_features(shape, eps):
    x, gain = normal(0, *shape), normal(1, 4)
    expected = np.empty_like(x)
    for key in indices(*shape[:-1]):
        square = sum(v * v for v in x[key]) / 4
        expected[key] = x[key] / (square + eps) ** 0.5 * gain
    assert_close(run(lambda x, g: rms_norm(x, g, eps=eps), x=x, g=gain), expected, 10)


def test_running_statistics_are_used_as_they_are():
    x, mean, variance = normal(0, 3, 4), normal(1, 4), normal(2, 4) ** 2
    found = run(lambda x, m, v: batch_norm(x, eps=0.1, mean=m, variance=v), x=x, m=mean, v=variance)
    assert_close(found, (x - mean) / np.sqrt(variance + 0.1), 10)


@pytest.mark.parametrize(
    ("layer", "couples"),
    [
        (lambda x, p: batch_norm(x, p["g"], eps=1), True),
        (lambda x, p: batch_norm(x, eps=1, mean=p["g"], variance=p["g"]), False),
        (lambda x, p: layer_norm(x, p["g"], eps=1), False),
        (lambda x, p: rms_norm(x, p["g"], eps=1), False),
        (lambda x, p: group_norm(x, 2, p["g"], eps=1), False),
    ],
)
@pytest.mark.parametrize("places", [(), (3,), (2, 3), (2,)])
def test_batch_statistics_alone_couple_samples(layer, couples, places):
    shape = (2, *places, 4)
    graph = trace(lambda p, x: {"y": layer(x["x"], p)}, {"g": (4,)}, {"x": shape})
    names = ("batch", *(f"n{k}" for k in range(len(places))), "c")
    assert couples_samples(graph, {"x": names, "g": ("c",)}) is couples


@pytest.mark.parametrize("groups", [0, 3])
def test_groups_divide_the_features(groups):
    with pytest.raises(ShapeError, match=f"4 features do not fall into groups={groups}"):
        group_norm(np.zeros((2, 4)), groups, eps=1)


def test_one_running_statistic_alone_is_refused():
    with pytest.raises(ShapeError, match="running statistics are a mean and a variance"):
        batch_norm(np.zeros((2, 4)), eps=1, mean=np.zeros(4))
