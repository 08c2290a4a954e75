"""Whole graphs: at every node an exact value lies in the space that was derived for it."""

from math import prod
from random import Random
from typing import Any

import numpy as np
import pytest

from proofs_check.drawing.layered_networks import draw_layered
from proofs_check.drawing.networks import chooser
from tests.test_theory.test_modules.spaces import draw_structure, draw_tensor, is_member
from tests.test_theory.test_modules.test_rules import numpy_value
from theory.backprop import gradient
from theory.graph import Node
from theory.manifold import equitable
from theory.modules.block_structure import CONSTANT, along_axes
from theory.modules.deviation import deviate
from theory.modules.elementwise import fixes_zero
from theory.modules.known_point import points
from theory.modules.labelling import labels
from theory.modules.rules import structures
from theory.modules.support import product_on, restricted, supports
from theory.primitives import Apply, Constant, Divide, Input, Multiply, Parameter
from theory.tracing import trace

P = 2**31 - 1
NUM_NETWORKS = 40


def _residues(array):
    def residue(v):
        return v.numerator * pow(v.denominator, -1, P) % P

    return np.vectorize(residue, otypes=[object])(array) if array.size else array


def _inverse(v):
    if v % P == 0:
        raise ZeroDivisionError
    return pow(v, -1, P)


def _value(node, operands, given):
    """The value of a node modulo P; function symbols are arbitrary functions, 0 at 0 if need be."""
    match node.primitive:
        case Parameter(name) | Input(name):
            return given[name]
        case Constant(values, shape):
            return _residues(np.array(values, dtype=object).reshape(shape))
        case Divide():
            return operands[0] * np.vectorize(_inverse, otypes=[object])(operands[1]) % P
        case Apply(activation):
            shift = 0 if fixes_zero(activation) else 12345
            return (operands[0] ** 5 + (len(repr(activation)) + 1) * operands[0] + shift) % P
    return numpy_value(node.primitive, operands) % P


def _evaluated(graph, given):
    found: list[Any] = []
    for node in graph.nodes:
        value = _value(node, [found[j] for j in node.operands], given)
        found.append(np.asarray(value, dtype=object).reshape(node.shape))
    return found


def _check_nodes(graph, own, rng):
    """Every value in its space, and 0 outside its support; nothing if a divisor vanishes."""
    given = {p: draw_tensor(rng, space) for p, space in own.items()}
    for node in graph.nodes:
        if isinstance(node.primitive, Input):
            entries = [rng.randrange(P) for _ in range(prod(node.shape))]
            given[node.primitive.name] = np.array(entries, dtype=object).reshape(node.shape)
    try:
        values = _evaluated(graph, given)
    except ZeroDivisionError:
        return
    places = supports(graph)
    for value, space, support in zip(values, structures(graph, own), places, strict=True):
        assert is_member(space, value, modulus=P)
        for axis, reached in support.items():
            apart = [k for k in range(value.shape[axis]) if k not in reached]
            assert not np.any(np.take(value, apart, axis=axis))


@pytest.mark.parametrize("seed", range(NUM_NETWORKS))
def test_every_node_of_a_layered_network_is_where_it_should_be(seed):
    network = draw_layered(chooser(seed), max_layers=2)
    rng = Random(seed)
    graph = gradient(network.architecture.graph(2))
    own = points(equitable(network.architecture, network.partition))
    _check_nodes(graph, own, rng)


FUNCTIONS = {
    "sum along the mean": lambda x: (x - x.mean(axis=0)).sum(axis=0),
    "sum along another axis": lambda x: (x - x.mean(axis=0)).sum(axis=1),
    "mean on another axis": lambda x: (x - x.mean(axis=1)).sum(axis=1),
    "mean of the transpose": lambda x: x.T - x.mean(axis=1),
    "sum along a partial mean": lambda x: (x - x[:2].mean(axis=0)).sum(axis=0),
    "a mean added": lambda x: x + x.mean(axis=0),
    "twice the mean": lambda x: x - 2 * x.mean(axis=0),
    "a mean and a rest": lambda x: (x * x - (x - x.mean(axis=0, keepdims=True))).sum(axis=0),
    "a mean of the negative": lambda x: -x - (-x).mean(axis=1, keepdims=True),
    "a difference of means": lambda x: x.T - x - x.mean(axis=0),
    "zeros and something": lambda x: np.pad(x[:1], ((1, 1), (0, 0))) + x,
    "zeros, stretched": lambda x: np.pad(x[:1, :1], ((0, 1), (0, 0)))[1:] * x,
    "zeros at two places": lambda x: (
        np.pad(x[:1], ((1, 1), (0, 0))) * np.pad(x[:, :2], ((0, 0), (1, 0)))
    ),
    "zeros over something": lambda x: np.pad(x[1:], ((1, 0), (0, 0))) / x,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_node_of_a_function_is_where_it_should_be(name):
    graph = gradient(trace(lambda p, _: {"y": FUNCTIONS[name](p["x"])}, {"x": (3, 3)}, {}))
    for seed in range(10):
        rng = Random(seed)
        _check_nodes(graph, {"x": draw_structure(rng, (3, 3))}, rng)
    equal = along_axes([labels([0, 0, 0])] * 2, (3, 3), CONSTANT)
    _check_nodes(graph, {"x": equal}, Random(0))


def _drawn(seed):
    rng = Random(seed)
    shape = tuple(rng.randint(1, 4) for _ in range(rng.randint(1, 3)))
    space = draw_structure(rng, shape)
    return rng, shape, space, draw_tensor(rng, space)


@pytest.mark.parametrize("start", range(0, 600, 100))
def test_deviations_of_exact_tensors(start):
    for seed in range(start, start + 100):
        rng, shape, space, value = _drawn(seed)
        axes = tuple(sorted(rng.sample(range(len(shape)), rng.randint(1, len(shape)))))
        share = [rng.randrange(shape[axes[0]]) for _ in range(rng.randint(1, 4))]
        some = np.take(value, share, axis=axes[0])
        for part, is_partial in ((value, False), (some, True)):
            count = prod(part.shape[k] for k in axes)
            result = deviate(space, axes, is_partial)
            if result is not None:
                assert is_member(result, count * value - part.sum(axis=axes, keepdims=True))


@pytest.mark.parametrize("start", range(0, 400, 100))
def test_products_with_zeros(start):
    for seed in range(start, start + 100):
        rng, shape, space, value = _drawn(seed)
        axis = rng.randrange(len(shape))
        reached = frozenset(k for k in range(shape[axis]) if rng.random() < 0.6)
        mask = np.array([int(k in reached) for k in range(shape[axis])], dtype=object)
        mask = mask.reshape([-1 if k == axis else 1 for k in range(len(shape))])
        if is_member(space, value * mask):
            assert is_member(restricted(space, {axis: reached}), value * mask)
            other = draw_structure(rng, shape)
            factor = draw_tensor(rng, other)
            for primitive in (Multiply(), Divide()):
                if isinstance(primitive, Divide) and np.any(factor == 0):
                    continue
                node = Node(primitive, (0, 1), shape)
                result = product_on(node, space, other, {axis: reached})
                assert is_member(result, numpy_value(primitive, [value * mask, factor]))
