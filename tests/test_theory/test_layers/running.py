"""Run a layer: traced, then evaluated in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.systems.float64 import Float64
from theory.tracing import trace


def run(layer: Callable[..., Any], **arrays: Any) -> Any:
    """``layer(**arrays)`` through its graph."""
    shapes = {name: np.shape(a) for name, a in arrays.items()}
    graph = trace(lambda p, x: {"y": layer(**x)}, {}, shapes)
    return Evaluator(graph, Float64())(arrays)["y"]


def normal(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).normal(size=shape)


def assert_close(found: Any, expected: Any, terms: int) -> None:
    """Equal up to the rounding of sums of ``terms`` products of numbers of size one.

    A sum of n products of entries below 6 in absolute value is off by less than 36 n² units.
    """
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=36 * terms**2 * 2.0**-52)
