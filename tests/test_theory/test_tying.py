"""Shared parameters: the criterion of E5e against brute force, and where it is only sufficient."""

import re
from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.exact import prove_invariance
from proofs_check.drawing.random_networks import random_dag, random_tying
from tests.test_theory.dag_reference import Functions, P, random_point, residuals, run
from theory.activation import Activation
from theory.dag import Dag
from theory.equitable import keeps_equitable
from theory.errors import GraphError
from theory.manifold import units
from theory.tying import Tying, keeps_equitable_tied

PHI = Activation("phi")
NUM_NETWORKS = 10 * settings().max_examples


def observe(tying, partition, rng, trials=2):
    """Whether IE∩OE is kept, and whether its leaves are, at random points of the tied IE∩OE."""
    dag = tying.dag
    both = tying.pull_back(units.equitable(dag, partition))
    leaf = tying.pull_back(units.block_constant(dag, partition))
    functions = Functions(rng)
    is_kept = are_leaves_kept = True
    for _ in range(trials):
        (theta,) = random_point(rng, both).values()
        entries = [theta[k] for k in tying.families]
        w, b = entries[: dag.num_edges], entries[dag.num_edges :]
        x, adjoint = ([rng.randrange(P) for _ in u] for u in (dag.inputs, dag.outputs))
        _, _, grad_w, grad_b = run(dag, w, b, x, adjoint, functions)
        gradient = [0] * tying.num_families
        for k, g in zip(tying.families, grad_w + grad_b, strict=True):
            gradient[k] = (gradient[k] + g) % P
        is_kept &= not any(residuals(both, {"theta": gradient}))
        are_leaves_kept &= not any(residuals(leaf, {"theta": gradient}))
    return is_kept, is_kept and are_leaves_kept


def test_the_criterion_agrees_with_brute_force(record_property):
    """Always sufficient. Necessary as well on these networks, though not in general (see below)."""
    count: Counter = Counter()
    for seed in range(NUM_NETWORKS):
        rng = Random(seed)
        dag, partition = random_dag(rng)
        tying = random_tying(rng, dag, partition)
        verdict = keeps_equitable_tied(tying, partition)
        found = observe(tying, partition, rng)
        assert (verdict.keeps_equitable, verdict.keeps_leaves) == found, f"seed={seed}: {verdict}"
        count[found] += 1
    record_property("networks", {str(k): n for k, n in count.items()})
    assert min(count[True, True], count[False, False]) > NUM_NETWORKS // 10


@given(st.integers(0, 10**6))
def test_without_shared_parameters_it_is_the_criterion_for_edges(seed):
    dag, partition = random_dag(Random(seed))
    own = Tying(dag, tuple(range(dag.num_edges + len(dag.biased))))
    verdict = keeps_equitable_tied(own, partition)
    assert verdict.keeps_equitable == keeps_equitable(dag, partition).is_invariant
    assert verdict.keeps_leaves == verdict.keeps_equitable


def test_the_tied_architecture_has_the_gradient_of_its_families():
    """By the exact prover, which traces and differentiates the tied network."""
    for seed in range(NUM_NETWORKS // 25):
        rng = Random(seed)
        dag, partition = random_dag(rng, symbols=(None, PHI))
        tying = random_tying(rng, dag, partition)
        both = tying.pull_back(units.equitable(dag, partition))
        found = prove_invariance(tying.architecture(), both, seed=seed).verdict
        kept = keeps_equitable_tied(tying, partition).keeps_equitable
        assert found == ("proved" if kept else "refuted"), f"seed={seed}"


SQUARE = Dag(
    num_units=6,
    inputs=(0,),
    outputs=(5,),
    edges=((0, 1), (0, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 5), (4, 5)),
    activations=(None, PHI, PHI, PHI, PHI, None),
)
BLOCKS = [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("families", "keeps_equitable", "keeps_leaves"),
    [
        ((0, 1, 2, 2, 3, 4, 5, 6), False, False),  # w_11 = w_12 alone
        ((0, 1, 2, 3, 3, 2, 4, 5), True, True),  # circulant
        ((0, 0, 1, 2, 2, 1, 3, 3), True, True),
        ((0, 0, 1, 1, 1, 1, 2, 2), True, True),
        ((0, 1, 2, 3, 4, 2, 5, 6), True, False),  # one diagonal tied, one free
    ],
)
def test_a_square_pair(families, keeps_equitable, keeps_leaves):
    tying = Tying(SQUARE, families)
    partition = SQUARE.partition(BLOCKS)
    verdict = keeps_equitable_tied(tying, partition)
    assert (verdict.keeps_equitable, verdict.keeps_leaves) == (keeps_equitable, keeps_leaves)
    assert observe(tying, partition, Random(0)) == (keeps_equitable, keeps_leaves)


def test_the_failing_pair_is_named():
    verdict = keeps_equitable_tied(
        Tying(SQUARE, (0, 1, 2, 2, 3, 4, 5, 6)), SQUARE.partition(BLOCKS)
    )
    assert str(verdict) == (
        "IE∩OE is not kept by each pair alone: the gradient of S_1 -> S_2 enters S_1 -> S_2 "
        "4 times at unit 1 and 2 times at unit 2"
    )
    kept = keeps_equitable_tied(Tying(SQUARE, (0, 1, 2, 3, 3, 2, 4, 5)), SQUARE.partition(BLOCKS))
    assert str(kept) == "IE∩OE and its leaves are invariant"


def test_equal_sums_need_not_be_equal_entries():
    """IE∩OE is kept and a leaf is not: ties along the diagonals of a pair, one used elsewhere."""
    dag = Dag(
        num_units=7,
        inputs=(0,),
        outputs=(5, 6),
        edges=((0, 1), (0, 2), (1, 3), (1, 4), (2, 3), (2, 4), (3, 5), (4, 5), (0, 6)),
        activations=(None, PHI, PHI, PHI, PHI, None, None),
    )
    partition = dag.partition(BLOCKS)
    tying = Tying(dag, (0, 1, 2, 3, 3, 2, 4, 5, 2))
    verdict = keeps_equitable_tied(tying, partition)
    assert (verdict.keeps_equitable, verdict.keeps_leaves) == (True, False)
    assert observe(tying, partition, Random(0)) == (True, False)
    assert "IE∩OE is invariant, its leaves are not kept by each pair alone" in str(verdict)
    assert "times at edge (1, 3) and" in str(verdict)


def test_the_criterion_is_not_necessary():
    """Blocks made equal by ties have equal products: each pair alone breaks IE∩OE, both keep it.

    Units 1 and 2 are singletons with one incoming weight. Family A holds 1 → {3, 4} and 5 → 6,
    family B holds 2 → {3, 4} and 5 → 7: the gradient of 1 → {3, 4} moves w_56 only, that of
    2 → {3, 4}, which is the same number, moves w_57 as much.
    """
    dag = Dag(
        num_units=9,
        inputs=(0,),
        outputs=(8,),
        edges=(
            *((0, 1), (0, 2), (0, 5)),
            *((1, 3), (1, 4), (5, 6)),
            *((2, 3), (2, 4), (5, 7)),
            *((3, 8), (4, 8), (6, 8), (7, 8)),
        ),
        activations=(None, *(PHI,) * 7, None),
    )
    partition = dag.partition([[3, 4], [6, 7]])
    tying = Tying(dag, (0, 0, 1, 2, 2, 2, 3, 3, 3, 4, 5, 6, 7))
    verdict = keeps_equitable_tied(tying, partition)
    assert not verdict.keeps_equitable
    assert observe(tying, partition, Random(0)) == (True, True)
    both = tying.pull_back(units.equitable(dag, partition))
    assert prove_invariance(tying.architecture(), both).verdict == "proved"


@pytest.mark.parametrize(
    ("families", "message"),
    [
        ((0, 1), "families has length 2, expected one for each of 8 edges and 0 biases"),
        ((0, 1, 2, 3, 4, 5, 6, 8), "families: 7 is missing; they are numbered 0, 1, ..."),
        ((0, 1, 2, 3, 4, 5, 6, -1), "families: -1 is not a number of a family"),
    ],
)
def test_families_are_checked(families, message):
    with pytest.raises(GraphError, match=re.escape(message)):
        Tying(SQUARE, families)
