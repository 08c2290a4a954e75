from fractions import Fraction
from typing import get_args

import numpy as np
import pytest
from hypothesis import given

from tests.test_theory.graphs import COVERING, graphs
from tests.test_theory.interpreter import interpret
from theory.activation import activation
from theory.errors import GraphError
from theory.graph import Graph
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
    Constant,
    Divide,
    Einsum,
    Input,
    Negative,
    Parameter,
    Power,
    Primitive,
    Reshape,
    Scatter,
    Sum,
    Take,
    Transpose,
    result_shape,
)


def _zeros(graph: Graph) -> dict[str, np.ndarray]:
    return {name: np.zeros(shape, dtype=object) for name, shape in graph.input_shapes.items()}


@given(graphs())
def test_shape_rules_are_numpys(graph):
    """Every node, evaluated by NumPy, has the shape that its rule says."""
    every = Graph(graph.nodes, {str(k): k for k in range(len(graph.nodes))})
    found = interpret(every, _zeros(every), lambda f, z: Fraction(1))
    assert [found[str(k)].shape for k in range(len(graph.nodes))] == [n.shape for n in graph.nodes]


def test_every_primitive_occurs_in_the_covering_graphs():
    used = {type(node.primitive) for graph in COVERING.values() for node in graph.nodes}
    assert used == set(get_args(Primitive))


@pytest.mark.parametrize(
    ("primitive", "operands", "shape"),
    [
        (Parameter("w", (2, 0)), [], (2, 0)),
        (Constant((Fraction(1),), (1, 1)), [], (1, 1)),
        (Divide(), [(2, 3), (2, 3)], (2, 3)),
        (Apply(activation("phi")), [()], ()),
        (Einsum("bij,bjk->kbi"), [(2, 3, 4), (2, 4, 5)], (5, 2, 3)),
        (Einsum(",->"), [(), ()], ()),
        (Sum((0, 2)), [(2, 3, 4)], (3,)),
        (Broadcast((5, 2, 3)), [(1, 3)], (5, 2, 3)),
        (Reshape((3, 2)), [(6,)], (3, 2)),
        (Transpose((2, 0, 1)), [(2, 3, 4)], (4, 2, 3)),
        (Take(1, (2, 2, 0, 1)), [(2, 3)], (2, 4)),
        (Scatter(0, (4, 4), 5), [(2, 3)], (5, 3)),
        (Concatenate(1), [(2, 3), (2, 1), (2, 0)], (2, 4)),
    ],
)
def test_shapes(primitive, operands, shape):
    assert result_shape(primitive, tuple(operands)) == shape


@pytest.mark.parametrize(
    ("primitive", "operands", "message"),
    [
        (Parameter("w", (-1,)), [], r"Parameter: shape \(-1,\): a length is at least 0"),
        (Input("x", ()), [(2,)], r"Input: 1 operands, expected 0"),
        (Add(), [(2,)], r"Add: 1 operands, expected 2"),
        (Add(), [(2,), (2, 1)], r"Add: shapes \(2,\) and \(2, 1\) must be equal"),
        (Negative(), [], r"Negative: 0 operands, expected 1"),
        (Constant((Fraction(1),), (2,)), [], r"Constant: 1 values do not fill shape \(2,\)"),
        (Power(1), [()], r"Power: exponent=1, an exponent is an integer n >= 2"),
        (Einsum("ij,jk"), [(2, 3), (3, 4)], r"Einsum: 'ij,jk' is not of the form 'ij,jk->ik'"),
        (Einsum("i.,.->i"), [(2, 3), (3,)], r"Einsum: 'i.,.->i' is not of the form"),
        (Einsum("i,j->i\n"), [(2,), (3,)], r"Einsum: 'i,j->i\\n' is not of the form"),
        (Einsum("ii,i->i"), [(2, 2), (2,)], r"Einsum: 'ii,i->i' does not label shape \(2, 2\)"),
        (Einsum("i,j->ij"), [(2, 3), (3,)], r"Einsum: 'i,j->ij' does not label shape \(2, 3\)"),
        (Einsum("ij,jk->ik"), [(2, 3), (4, 5)], r"Einsum: label 'j' has lengths 3 and 4"),
        (Einsum("i,i->ii"), [(2,), (2,)], r"Einsum: 'i,i->ii' repeats or invents an output"),
        (Einsum("i,i->k"), [(2,), (2,)], r"Einsum: 'i,i->k' repeats or invents an output"),
        (Einsum("ij,i->i"), [(2, 3), (2,)], r"Einsum: label 'j' is summed over one operand alo"),
        (Sum((0, 0)), [(2,)], r"Sum: axes \(0, 0\) are not axes of shape \(2,\)"),
        (Sum((-1,)), [(2,)], r"Sum: axes \(-1,\) are not axes of shape \(2,\)"),
        (Broadcast((2, 3)), [(2,)], r"Broadcast: \(2,\) does not stretch to \(2, 3\)"),
        (Broadcast((3,)), [(1, 3)], r"Broadcast: \(1, 3\) does not stretch to \(3,\)"),
        (Reshape((4,)), [(2, 3)], r"Reshape: \(2, 3\) does not fill shape \(4,\)"),
        (Reshape((-2, -3)), [(2, 3)], r"Reshape: shape \(-2, -3\): a length is at least 0"),
        (Transpose((0, 0)), [(2, 3)], r"Transpose: \(0, 0\) does not permute \(2, 3\)"),
        (Take(2, (0,)), [(2, 3)], r"Take: axes \(2,\) are not axes of shape \(2, 3\)"),
        (Take(0, (2,)), [(2, 3)], r"Take: index 2 is not in 0..1"),
        (Scatter(0, (0, -1), 2), [(2,)], r"Scatter: index -1 is not in 0..1"),
        (Scatter(0, (0,), 2), [(2,)], r"Scatter: 1 indices for an axis of length 2"),
        (Scatter(0, (), -1), [(0,)], r"Scatter: shape \(-1,\): a length is at least 0"),
        (Concatenate(0), [], r"Concatenate: no operands"),
        (Concatenate(1), [(2,)], r"Concatenate: axes \(1,\) are not axes of shape \(2,\)"),
        (Concatenate(0), [(2, 3), (2, 4)], r"Concatenate: shapes \(2, 3\) and \(2, 4\) differ off"),
        (Concatenate(0), [(2, 3), (2,)], r"Concatenate: shapes \(2, 3\) and \(2,\) differ off"),
    ],
)
def test_what_does_not_fit_is_named(primitive, operands, message):
    with pytest.raises(GraphError, match="^" + message):
        result_shape(primitive, tuple(operands))
