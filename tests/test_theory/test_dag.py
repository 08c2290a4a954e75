import re
import time
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.systems.rational import Rational
from proofs_check.drawing.random_networks import random_dag
from tests.test_theory.dag_reference import Functions, P, run
from theory.activation import Activation, tanh
from theory.backprop import gradient
from theory.block_pair import BlockPair, block_pairs
from theory.dag import Dag
from theory.errors import GraphError, PartitionError

PHI = Activation("phi")
POLYNOMIALS = (None, PHI, Activation("psi"), Activation("odd", parity="odd"))


def dag(**changes):
    """Two blocks {1, 2} and {3, 4} between an input and an output, one edge of the pair absent."""
    return Dag(
        **{
            "num_units": 6,
            "inputs": (0,),
            "outputs": (5,),
            "edges": ((0, 1), (0, 2), (1, 3), (1, 4), (2, 4), (3, 5), (4, 5)),
            "activations": (None, PHI, PHI, tanh, tanh, None),
            "biased": (3, 4),
            **changes,
        }
    )


@given(st.integers(0, 10**6))
def test_the_architecture_is_the_recursion_unit_by_unit(seed):
    rng = Random(seed)
    net, _ = random_dag(rng, symbols=POLYNOMIALS, max_blocks=3)
    functions = Functions(rng)
    w = [rng.randint(-2, 2) for _ in net.edges]
    b = [rng.randint(-2, 2) for _ in net.biased]
    x = [rng.randint(-2, 2) for _ in net.inputs]
    adjoint = [rng.randint(-2, 2) for _ in net.outputs]
    for symbol in POLYNOMIALS[1:]:
        powers = (1, 3) if symbol.parity else range(4)
        functions.coefficients[symbol] = {k: rng.randint(-2, 2) for k in powers}
    system = Rational(
        functions={
            s.name: [terms.get(k, 0) for k in range(4)]
            for s, terms in functions.coefficients.items()
        }
    )
    graph = gradient(net.architecture().graph())
    found = Evaluator(graph, system)({"w": w, "b": b, "x": [x], "adjoint:y": [adjoint]})
    h, _, grad_w, grad_b = run(net, w, b, x, adjoint, functions)
    assert [int(v) % P for v in found["y"][0]] == [h[u] for u in net.outputs]
    if net.edges:
        assert [int(v) % P for v in found["grad:w"]] == grad_w
    if net.biased:
        assert [int(v) % P for v in found["grad:b"]] == grad_b


def test_samples_of_a_batch_do_not_meet():
    net = dag(activations=(None, PHI, PHI, PHI, PHI, None)).architecture()
    run_in = Evaluator(net.graph(2), Rational(functions={"phi": (1, 1, 1)}))
    theta = {"w": [1, 2, 3, 4, 5, 6, 7], "b": [1, 2]}
    both = run_in({**theta, "x": [[1], [3]]})["y"]
    swapped = run_in({**theta, "x": [[3], [1]]})["y"]
    assert both.tolist() == swapped[::-1].tolist()


def test_units_without_edges_are_constants():
    net = Dag(
        num_units=4,
        inputs=(0,),
        outputs=(3,),
        edges=((1, 3), (2, 3)),
        activations=(None, PHI, PHI, None),
        biased=(2,),
    )
    system = Rational(functions={"phi": (5, 1)})
    found = Evaluator(net.architecture().graph(), system)({"w": [2, 3], "b": [7], "x": [[11]]})
    assert found["y"].tolist() == [[2 * 5 + 3 * (5 + 7)]]


def test_a_parameter_without_entries_is_left_out():
    assert dag(biased=()).architecture().parameter_shapes == {"w": (7,)}
    only = Dag(
        num_units=2, inputs=(0,), outputs=(1,), edges=(), activations=(None, PHI), biased=(1,)
    )
    assert only.architecture().parameter_shapes == {"b": (1,)}


def test_tracing_a_large_network_is_fast():
    """A few milliseconds; the bound leaves room for a busy machine."""
    rng = Random(0)
    net = max((random_dag(rng)[0] for _ in range(100)), key=lambda d: d.num_units)
    assert net.num_units >= 12
    start = time.perf_counter()
    net.architecture().graph()
    assert time.perf_counter() - start < 0.2


def test_levels_are_sorted_by_activation():
    net = dag(biased=(), activations=(None, PHI, tanh, PHI, tanh, None))
    assert net.levels == ((1, 2), (3, 4), (5,))
    edges = ((0, 1), (0, 2), (0, 3), (1, 4), (2, 4), (3, 5), (4, 5))
    mixed = dag(biased=(), edges=edges, activations=(None, tanh, PHI, tanh, None, None))
    assert mixed.levels == ((2, 1, 3), (4,), (5,))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": ((0, 1), (3, 2))}, "edges[1]=(3, 2): an edge (u, v) needs 0 <= u < v < num"),
        ({"edges": ((0, 6),)}, "edges[0]=(0, 6)"),
        ({"edges": ((-1, 2),)}, "edges[0]=(-1, 2)"),
        ({"edges": ((0, 5), (1, 5), (0, 5))}, "edges[2]=(0, 5) repeats edges[0]"),
        ({"inputs": (0, 0)}, "inputs[1]=0 repeats inputs[0]"),
        ({"outputs": (6,)}, "outputs[0]=6: a unit is in 0..5"),
        ({"biased": (4, 3)}, "biased=(4, 3): biased units stand in increasing order"),
        ({"biased": (3, 3)}, "biased[1]=3 repeats biased[0]"),
        ({"inputs": (0, 3)}, "unit 3 is an input: it has no edge in, bias or activation"),
        ({"activations": (PHI,) * 6}, "unit 0 is an input"),
        ({"activations": (None,) * 5}, "activations has length 5, expected one for each of"),
        ({"outputs": (5, 0)}, "unit 0 is an input and an output"),
        ({"outputs": ()}, "inputs or outputs is ()"),
        ({"inputs": ()}, "inputs or outputs is ()"),
        ({"edges": ((0, 1),)}, "unit 5 is an output without an edge in or a bias"),
    ],
)
def test_networks_are_checked(changes, message):
    with pytest.raises(GraphError, match=re.escape(message)):
        dag(**changes)


@pytest.mark.parametrize(
    ("changes", "blocks", "message"),
    [
        ({}, [[0, 1]], "blocks[0]=(0, 1): unit 0 is an input or output, a singleton"),
        ({}, [[4, 5]], "unit 5 is an input or output"),
        ({}, [[1, 3]], "units 1 and 3 have activations phi and tanh; clones share theirs"),
        ({"biased": (3,)}, [[3, 4]], "one of units 3 and 4 has a bias"),
        ({}, [[1, 2], [2, 3]], "unit 2 is in blocks[1] too"),
        ({}, [[1, 9]], "unit 9 is not in 0..5"),
    ],
)
def test_blocks_suit_the_network(changes, blocks, message):
    with pytest.raises(PartitionError, match=re.escape(message)):
        dag(**changes).partition(blocks)


def test_a_partition_of_another_network_is_refused():
    other = Dag(num_units=2, inputs=(0,), outputs=(1,), edges=((0, 1),), activations=(None, None))
    with pytest.raises(PartitionError, match="a partition of 2 units: the network has 6"):
        block_pairs(dag(), other.partition([]))


@given(st.integers(0, 10**6))
def test_pairs_divide_the_edges(seed):
    net, partition = random_dag(Random(seed))
    pairs = block_pairs(net, partition)
    entries = [entry for pair in pairs.values() for entry in pair.edges.values()]
    weights = [("w", k) for k in range(net.num_edges)]
    assert sorted(entries) == sorted([*weights, *(("b", k) for k in range(len(net.biased)))])
    for (i, j), pair in pairs.items():
        assert (pair.source, pair.target) == (i, j)
        assert all(u in pair.sources and v in pair.targets for u, v in pair.edges)
        into = [e for v in pair.targets for e in pair.entries_into(v)]
        out = [e for u in pair.sources for e in pair.entries_from(u)]
        assert sorted(into) == sorted(out) == sorted(pair.edges.values())
        assert sum(m for m, _ in pair.components) == len(pair.sources)
        assert sum(n for _, n in pair.components) == len(pair.targets)


def pair_of(edges, sources, targets):
    named = {edge: ("w", k) for k, edge in enumerate(edges)}
    return BlockPair(0, 1, tuple(sources), tuple(targets), named)


@pytest.mark.parametrize(
    ("edges", "sides", "expected"),
    [  # complete, biregular, carrying; number of components, of mixed directions
        ("02 03 12 13", ("01", "23"), (True, True, True, 1, 1)),
        ("02 13", ("01", "23"), (False, True, True, 2, 0)),
        ("02 12 13", ("01", "23"), (False, False, True, 1, 0)),
        ("02 03", ("01", "23"), (False, False, False, 2, 0)),
        ("02 12", ("01", "2"), (True, True, True, 1, 0)),
        ("03 14 24", ("012", "34"), (False, False, False, 2, 0)),
        ("03 03 04 05 13 14 15 23 24 25", ("012", "345"), (True, True, True, 1, 4)),
        ("03 04 14 15 25 23", ("012", "345"), (False, True, True, 1, 1)),
    ],
)
def test_pairs_by_hand(edges, sides, expected):
    pair = pair_of(
        dict.fromkeys((int(e[0]), int(e[1])) for e in edges.split()), *(map(int, s) for s in sides)
    )
    found = (pair.is_complete, pair.is_biregular, pair.can_carry)
    assert (*found, pair.num_components, pair.num_mixed) == expected


@given(st.integers(1, 4), st.integers(1, 4), st.randoms(use_true_random=False))
def test_dimensions_of_a_pair_by_dense_algebra(n, m, rng):
    """The equal-sum constraints of one pair, their rank, and whether a sum can be other than 0."""
    edges = [(u, n + v) for u in range(n) for v in range(m) if rng.random() < 0.6] or [(0, n)]
    pair = pair_of(edges, range(n), range(n, n + m))
    into = np.array([[v == t for _, v in edges] for t in pair.targets], dtype=int)
    out = np.array([[u == s for u, _ in edges] for s in pair.sources], dtype=int)
    rows = np.concatenate([into[1:] - into[0], out[1:] - out[0]])
    # Entries are -1, 0, 1 in matrices of at most 16 columns: ranks are safe in floating point.
    rank = np.linalg.matrix_rank(rows) if len(rows) else 0
    with_sum = np.linalg.matrix_rank(np.concatenate([rows, into[:1]]))
    assert pair.dimension == len(edges) - rank
    assert pair.can_carry == (with_sum > rank)
