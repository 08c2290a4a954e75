"""Cloned units over single edges, against the definitions and against the tensors' manifolds."""

from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.exact import prove_invariance
from proofs_check.drawing.random_networks import random_dag
from proofs_check.strategies import points
from tests.test_theory.dag_reference import Functions, P, random_point, run
from tests.test_theory.test_manifold.linear_algebra import rank
from theory import manifold as tensors
from theory.activation import Activation
from theory.block_pair import block_pairs
from theory.dag import Dag
from theory.errors import ManifoldError
from theory.manifold import intersect, units
from theory.partition import make_partition
from theory.zoo import mlp

PHI = Activation("phi")
seeds = st.integers(0, 10**6)


def weight_matrix(dag, point):
    """W[u, v], 0 where there is no edge; the last row is the constant unit."""
    matrix = np.zeros((dag.num_units + 1, dag.num_units), dtype=object)
    for (u, v), value in zip(dag.edges, point.get("w", ()), strict=True):
        matrix[u, v] = value
    for v, value in zip(dag.biased, point.get("b", ()), strict=True):
        matrix[-1, v] = value
    return matrix


def blocks_of(dag, partition):
    """All pairs of blocks, with or without edges."""
    sources = [*partition.blocks, (dag.num_units,)]
    return [(list(one), list(other)) for one in sources for other in partition.blocks]


@given(seeds, st.data())
def test_sums_by_definition(seed, data):
    dag, partition = random_dag(Random(seed))
    for kind, axes in (
        (units.incoming_equitable, (0,)),
        (units.outgoing_equitable, (1,)),
        (units.equitable, (0, 1)),
        (units.row_equitable_as_printed, (1,)),
    ):
        matrix = weight_matrix(dag, data.draw(points(kind(dag, partition))))
        for one, other in blocks_of(dag, partition):
            for axis in axes:
                assert len(set(matrix[np.ix_(one, other)].sum(axis=axis))) == 1


@given(seeds, st.data())
def test_block_constant_by_definition(seed, data):
    dag, partition = random_dag(Random(seed))
    manifold = units.block_constant(dag, partition)
    point = data.draw(points(manifold))
    pairs = block_pairs(dag, partition)
    assert manifold.dimension == len(pairs)
    for pair in pairs.values():
        assert len({point[p][k] for p, k in pair.edges.values()}) == 1


@given(seeds)
def test_dimensions_are_sums_over_pairs(seed):
    dag, partition = random_dag(Random(seed))
    pairs = block_pairs(dag, partition).values()
    both = units.equitable(dag, partition)
    assert both.dimension == sum(pair.dimension for pair in pairs)
    halves = units.incoming_equitable(dag, partition), units.outgoing_equitable(dag, partition)
    normals = [*intersect(*halves).normal_basis(), *both.normal_basis()]
    assert rank(normals, both.shapes) == both.codimension == intersect(*halves).codimension


@given(seeds, st.data())
def test_a_leaf_holds_its_point(seed, data):
    dag, partition = random_dag(Random(seed))
    point = data.draw(points(units.equitable(dag, partition)))
    own = units.leaf(dag, partition, point)
    assert own.squared_distance(point) == 0
    constant = units.block_constant(dag, partition)
    assert own.dimension == constant.dimension
    normals = [*own.normal_basis(), *constant.normal_basis()]
    assert rank(normals, own.shapes) == own.codimension


def test_a_point_that_does_not_fit_has_no_leaf():
    dag, partition = random_dag(Random(0))
    with pytest.raises(ManifoldError, match=r"point\['w'\]: an array of shape"):
        units.leaf(dag, partition, {})
    with pytest.raises(ManifoldError, match=r"point\['w'\]: an array of shape"):
        units.leaf(dag, partition, {"w": [1]})


def mlp_dag(widths):
    """A multilayer perceptron unit by unit, with its edges in the order of W1, W2, …."""
    first = np.cumsum([0, *widths])
    layers = [range(first[k], first[k + 1]) for k in range(len(widths))]
    edges = [(u, v) for k in range(len(widths) - 1) for u in layers[k] for v in layers[k + 1]]
    hidden = range(widths[0], first[-2])
    return Dag(
        num_units=int(first[-1]),
        inputs=tuple(layers[0]),
        outputs=tuple(layers[-1]),
        edges=tuple((int(u), int(v)) for u, v in edges),
        activations=tuple(PHI if u in hidden else None for u in range(first[-1])),
        biased=tuple(range(widths[0], int(first[-1]))),
    )


@pytest.mark.parametrize(
    "kind", ["incoming_equitable", "outgoing_equitable", "equitable", "block_constant"]
)
def test_complete_layers_agree_with_tensors(kind):
    net, dag = mlp([2, 4, 3, 1]), mlp_dag([2, 4, 3, 1])
    blocks = {"h1": [[0, 2], [1, 3]], "h2": [[0, 1, 2]]}
    by_tensor = getattr(tensors, kind)(net, make_partition(net.sizes, blocks))
    by_unit = getattr(units, kind)(dag, dag.partition([[2, 4], [3, 5], [6, 7, 8]]))
    place: dict[tuple[str, int], tuple[str, int]] = {}
    for k in (1, 2, 3):
        for e in range(int(np.prod(net.parameter_shapes[f"W{k}"]))):
            place[f"W{k}", e] = ("w", sum(p[0][0] == "W" for p in place))
        for e in range(net.parameter_shapes[f"b{k}"][0]):
            place[f"b{k}", e] = ("b", sum(p[0][0] == "b" for p in place))
    moved = [{place[e]: c for e, c in row.items()} for row in by_tensor.normal_basis()]
    normals = [*moved, *by_unit.normal_basis()]
    assert by_unit.codimension == by_tensor.codimension == rank(normals, by_unit.shapes)


@given(seeds)
def test_clones_agree_forward_on_incoming_and_backward_on_both(seed):
    """P3 and P4."""
    rng = Random(seed)
    dag, partition = random_dag(rng)
    for manifold, is_both in (
        (units.incoming_equitable(dag, partition), False),
        (units.equitable(dag, partition), True),
    ):
        theta = random_point(rng, manifold)
        x, adjoint = ([rng.randrange(P) for _ in u] for u in (dag.inputs, dag.outputs))
        h, delta, *_ = run(dag, theta.get("w", []), theta.get("b", []), x, adjoint, Functions(rng))
        for block in partition.blocks:
            assert len({h[u] for u in block}) == 1
            assert not is_both or len({delta[u] for u in block}) == 1


def test_the_printed_condition_is_the_backward_half():
    """E5a: on it clones differ already in the smallest network with two of them."""
    dag = Dag(
        num_units=5,
        inputs=(0,),
        outputs=(3, 4),
        edges=((0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (2, 4)),
        activations=(None, PHI, PHI, None, None),
    )
    partition = dag.partition([[1, 2]])
    printed = units.row_equitable_as_printed(dag, partition)
    backward = units.outgoing_equitable(dag, partition)
    assert list(printed.normal_basis()) == list(backward.normal_basis())
    point = {"w": [1, 2, 1, 1, 1, 1]}
    assert printed.squared_distance(point) == 0
    h, *_ = run(dag, point["w"], [], [1], [1, 1], Functions(Random(0)))
    assert h[1] != h[2]
    net = dag.architecture()
    assert prove_invariance(net, printed).verdict == "refuted"
    assert prove_invariance(net, units.equitable(dag, partition)).verdict == "proved"
