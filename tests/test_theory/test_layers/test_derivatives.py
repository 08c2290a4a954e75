"""Gradients of every layer: both modes agree, and float64 differences agree with them."""

import numpy as np
import pytest

from numerics.evaluate import Evaluator
from numerics.systems.float64 import Float64
from tests.test_theory.channel import channel_agrees
from tests.test_theory.test_layers.instances import INSTANCES
from theory.activation import Activation, tanh
from theory.backprop import gradient
from theory.graph import Graph, Node
from theory.primitives import Apply


def smooth(graph: Graph) -> Graph:
    """The unknown function replaced by one that has values in float64."""
    nodes = tuple(
        Node(Apply(tanh), n.operands, n.shape)
        if isinstance(n.primitive, Apply) and n.primitive.activation == Activation("phi")
        else n
        for n in graph.nodes
    )
    return Graph(nodes, graph.outputs)


@pytest.mark.parametrize("name", INSTANCES)
def test_both_modes_agree(name):
    assert channel_agrees(INSTANCES[name][0].graph(2))


@pytest.mark.parametrize("name", INSTANCES)
def test_gradients_are_limits_of_differences(name):
    graph = smooth(INSTANCES[name][0].graph(2))
    rng = np.random.default_rng(0)
    point = {k: 1 + 0.5 * rng.normal(size=s) for k, s in graph.input_shapes.items()}
    shape = graph.nodes[graph.outputs["y"]].shape
    adjoint = rng.normal(size=shape)
    slopes = Evaluator(gradient(graph), Float64())({**point, "adjoint:y": adjoint})
    run = Evaluator(graph, Float64())
    # A central difference is off by h² f'''/6 and by rounding/h; f''' is below 1e4 here.
    step = 2.0**-17
    for p, own in graph.parameter_shapes.items():
        v = rng.normal(size=own)
        ahead, behind = (
            (run({**point, p: point[p] + s * step * v})["y"] * adjoint).sum() for s in (1, -1)
        )
        expected = (slopes[f"grad:{p}"] * v).sum()
        assert abs((ahead - behind) / (2 * step) - expected) < 1e-6 * (1 + abs(expected))
