from fractions import Fraction

import numpy as np
import pytest

from theory.errors import ManifoldError
from theory.manifold import AffineManifold, Constraint, ambient, equitable, intersect
from theory.partition import make_partition
from theory.zoo import mlp


def row(terms, value=0):
    return Constraint({e: Fraction(c) for e, c in terms.items()}, Fraction(value), "law")


def test_whole_coordinates_give_whole_points():
    law = row({("w", 0): 2, ("w", 1): 3, ("w", 2): -5})
    found = AffineManifold("plane", {"w": (3,)}, (law,)).embed({"bound": np.array([1, 1])})
    assert all(type(v) is int for v in found["w"])
    assert 2 * found["w"][0] + 3 * found["w"][1] == 5 * found["w"][2]


def test_float_coordinates_give_float_points():
    law = row({("w", 0): 2, ("w", 1): 3}, 1)
    found = AffineManifold("line", {"w": (3,)}, (law,)).embed(
        {"w": np.array([0.5]), "bound": np.array([0.25])}
    )
    assert found["w"].dtype == np.float64
    assert found["w"] @ [2, 3, 0] == pytest.approx(1, abs=1e-15)


def test_contradicting_rows_are_refused():
    rows = (row({("w", 0): 1}), row({("w", 0): 2}, 1))
    with pytest.raises(ManifoldError, match=r"rows\[1\] \(law\) contradicts"):
        AffineManifold("empty", {"w": (3,)}, rows)


@pytest.mark.parametrize("entry", [("v", 0), ("w", 3), ("w", -1)])
def test_a_row_names_entries_that_exist(entry):
    with pytest.raises(ManifoldError, match=rf"rows\[0\] \(law\): no entry {entry[1]} of a"):
        AffineManifold("odd", {"w": (3,)}, (row({entry: 1}),))


def test_integer_points_are_projected_exactly():
    law = row({("w", 0): 1, ("w", 1): 1, ("w", 2): 1})
    nearest = AffineManifold("plane", {"w": (3,)}, (law,)).project({"w": np.array([1, 0, 0])})
    assert nearest["w"].tolist() == [Fraction(2, 3), Fraction(-1, 3), Fraction(-1, 3)]


def test_an_intersection_has_the_constraints_of_both():
    net = mlp([2, 4, 1])
    one, other = (
        equitable(net, make_partition(net.sizes, {"h1": blocks}))
        for blocks in ([[0, 1], [2, 3]], [[1, 2], [0, 3]])
    )
    both = intersect(one, other)
    whole = equitable(net, make_partition(net.sizes, {"h1": [[0, 1, 2, 3]]}))
    point = whole.embed({n: np.ones(s, dtype=int) for n, s in whole.free_shapes.items()})
    assert both.squared_distance(point) == 0
    assert both.name == "IE∩OE ∩ IE∩OE"


def test_manifolds_of_different_parameters_do_not_intersect():
    with pytest.raises(ManifoldError, match="different parameters"):
        intersect(ambient(mlp([2, 2, 1])), ambient(mlp([2, 3, 1])))
