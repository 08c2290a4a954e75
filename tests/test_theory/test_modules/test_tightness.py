"""Stronger rules would be false: for each, tensors whose result has the part in question."""

import numpy as np
import pytest
import sympy

from tests.test_theory.test_modules.spaces import is_member
from theory.activation import activation
from theory.graph import Node
from theory.modules.block_structure import BlockStructure, Factor, along_axes, zero
from theory.modules.labelling import labels
from theory.modules.rules import infer
from theory.primitives import (
    Add,
    Apply,
    Concatenate,
    Einsum,
    Multiply,
    Reshape,
    Scatter,
    Sum,
    Take,
    result_shape,
)

PAIRS, CROSSED, ONE = [0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 0, 0]
VALUE = {"C": np.array([3, 3, 5, 5]), "Z": np.array([1, -1, 2, -2])}
ROWS = np.array([[1, 1], [-1, -1]])  # zero-sum in the blocks of ``joint``


def space(own, letters="C"):
    shape = (len(own),)
    return along_axes([labels(own)], shape, frozenset("CZ".index(c) for c in letters))


def joint(letters):
    """Two axes labelled together: rows 0, 1 and 1, 0."""
    own = Factor((0, 1), labels([[0, 1], [1, 0]]))
    return BlockStructure((2, 2), (own,), frozenset("CZ".index(c) for c in letters))


def result(primitive, *spaces, nodes=None):
    shape = result_shape(primitive, tuple(s.shape for s in spaces))
    return infer(Node(primitive, tuple(nodes or range(len(spaces))), shape), spaces, {})


# A primitive, its operands' spaces, what its result would be by a stronger rule, and a result.
STRONGER = {
    "Z times Z is not zero-sum": (
        (Multiply(), space(PAIRS, "Z"), space(PAIRS, "Z")),
        space(PAIRS, "Z"),
        VALUE["Z"] * VALUE["Z"],
    ),
    "other blocks are refined": (
        (Add(), space(PAIRS), space(CROSSED)),
        space(PAIRS),
        VALUE["C"] + np.array([1, 2, 1, 2]),
    ),
    "a zero-sum part is not kept by split blocks": (
        (Multiply(), space(PAIRS, "Z"), space(CROSSED)),
        space(PAIRS, "Z"),
        VALUE["Z"] * np.array([1, 2, 1, 2]),
    ),
    "a function does not keep zero sums": (
        (Apply(activation("phi")), space(PAIRS, "Z")),
        space(PAIRS, "Z"),
        VALUE["Z"] ** 2,
    ),
    "half a block is not zero-sum": (
        (Take(0, (0, 2)), space(PAIRS, "Z")),
        space([0, 0], "Z"),
        VALUE["Z"][[0, 2]],
    ),
    "unequal numbers of terms": (
        (Scatter(0, (0, 1, 0, 2), 3), space(ONE)),
        space([0, 0, 0]),
        np.array([6, 3, 3]),
    ),
    "places without a term": (
        (Scatter(0, (0, 1, 2, 3), 5), space(ONE)),
        space([0] * 5),
        np.array([3, 3, 3, 3, 0]),
    ),
    "two values are not equal": (
        (Concatenate(0), space([0, 0]), space([0, 0])),
        space(ONE),
        np.array([1, 1, 2, 2]),
    ),
    "rows of different blocks": (
        (Reshape((2, 2)), space([0, 1, 1, 1])),
        along_axes([labels([0, 0]), None], (2, 2), frozenset([0])),
        np.array([[1, 2], [2, 2]]),
    ),
    "zero-sum over blocks of two axes, constant along one": (
        (Reshape((2, 2)), space(ONE, "Z")),
        along_axes([labels([0, 0])] * 2, (2, 2), frozenset([3])),
        np.array([[1, 1], [-1, -1]]),
    ),
    "rows of a joint zero sum": (
        (Sum((1,)), joint("Z")),
        zero((2,)),
        ROWS.sum(axis=1),
    ),
    "products along one of two joint axes": (
        (Einsum("ab,b->a"), joint("Z"), space([0, 0])),
        space([0, 0]),
        ROWS @ np.array([1, 1]),
    ),
}


@pytest.mark.parametrize("name", STRONGER)
def test_a_stronger_rule_would_be_false(name):
    (primitive, *spaces), stronger, value = STRONGER[name]
    assert not is_member(stronger, value)
    assert is_member(result(primitive, *spaces), value)


def test_rows_are_zero_sum():
    assert is_member(joint("Z"), ROWS)


def test_what_the_rules_keep():
    """The other side: nothing weaker than this is claimed."""
    c, z = space(PAIRS), space(PAIRS, "Z")
    assert result(Multiply(), c, z) == z
    assert result(Add(), c, c) == c
    assert result(Einsum("a,a->"), c, z).patterns == frozenset()
    assert result(Take(0, (2, 3, 1, 0)), z) == z
    assert result(Scatter(0, (0, 1, 2, 3), 4), z) == z
    assert result(Concatenate(0), space([0, 1]), space([0, 1]), nodes=(7, 7)) == space(CROSSED)
    assert result(Reshape((4,)), result(Reshape((2, 2)), c)) == c


def test_groups_with_other_profiles_come_back_whole():
    """Blocks inside groups need not be alike: the labels of the pair of axes are kept."""
    own = space([0, 0, 1, 2])
    split = result(Reshape((2, 2)), own)
    assert [f.axes for f in split.factors] == [(0, 1)]
    assert result(Reshape((4,)), split) == own


@pytest.mark.parametrize("masks", [{0}, {1}, {2}, {0, 3}, {0, 1}, {3}])
def test_functions_by_sympy(masks):
    """φ of a generic member has exactly the equal entries that the rule says."""
    own = along_axes([labels([0, 0, 1]), labels([0, 0])], (3, 2), frozenset(masks))
    total = sympy.zeros(3, 2)
    ends = {
        0: (sympy.Matrix([[1, 0], [1, 0], [0, 1]]), sympy.Matrix([[1], [-1], [0]])),
        1: (sympy.Matrix([[1], [1]]), sympy.Matrix([[1], [-1]])),
    }
    for mask in masks:
        left, right = ends[0][mask & 1], ends[1][mask >> 1 & 1]
        free = sympy.Matrix(
            left.cols, right.cols, sympy.symbols(f"t{mask}_:{left.cols * right.cols}")
        )
        total += left * free * right.T
    value = total.applyfunc(sympy.Function("phi"))
    found: BlockStructure = result(Apply(activation("phi")), own)
    assert found.is_constant
    for axis in (0, 1):
        (factor,) = (f for f in found.factors if axis in f.axes)
        lines = [
            list(value.row(k) if axis == 0 else value.col(k)) for k in range(value.shape[axis])
        ]
        equal = [[a == b for b in lines] for a in lines]
        own_labels = list(range(len(lines))) if factor.labels is None else factor.labels.array
        assert equal == [[a == b for b in own_labels] for a in own_labels]
