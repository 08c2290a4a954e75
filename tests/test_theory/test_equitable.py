"""The criterion of E5b against brute force: gradients at random points of IE∩OE."""

from collections import Counter
from random import Random

import pytest
from hypothesis import settings

from numerics.exact import prove_invariance
from proofs_check.drawing.random_networks import random_dag
from tests.test_theory.dag_reference import Functions, P, random_point, residuals, run
from theory.activation import (
    LAWS,
    Activation,
    activation,
    exp,
    gelu,
    normal_pdf,
    relu,
    sigmoid,
    softplus,
    step,
    tanh,
)
from theory.dag import Dag
from theory.equitable import has_zero_slope, is_constant, is_zero_at_zero, keeps_equitable
from theory.manifold import units

PHI, EVEN, ODD = Activation("phi"), Activation("e", parity="even"), Activation("o", parity="odd")
NUM_NETWORKS = 10 * settings().max_examples


def observe(dag, partition, manifold, rng, trials=2):
    """Does a gradient leave the manifold; which blocks have h, and which have δ, always 0?"""
    functions = Functions(rng)
    leaves = False
    zero_values = set(range(partition.num_blocks))
    zero_errors = set(range(partition.num_blocks))
    for _ in range(trials):
        theta = random_point(rng, manifold)
        x, adjoint = ([rng.randrange(P) for _ in u] for u in (dag.inputs, dag.outputs))
        w, b = theta.get("w", []), theta.get("b", [])
        h, delta, grad_w, grad_b = run(dag, w, b, x, adjoint, functions)
        leaves |= any(residuals(manifold, {"w": grad_w, "b": grad_b}))
        zero_values = {k for k in zero_values if h[partition.blocks[k][0]] == 0}
        zero_errors = {k for k in zero_errors if delta[partition.blocks[k][0]] == 0}
    return leaves, zero_values, zero_errors


def test_the_criterion_agrees_with_brute_force(record_property):
    """A point is missed with probability below 2^-50: degrees are small, the field has 2^61."""
    count: Counter = Counter()
    for seed in range(NUM_NETWORKS):
        rng = Random(seed)
        dag, partition = random_dag(rng)
        verdict = keeps_equitable(dag, partition)
        leaves, zero_values, zero_errors = observe(
            dag, partition, units.equitable(dag, partition), rng
        )
        assert verdict.is_invariant == (not leaves), f"seed={seed}: {verdict}"
        for one in verdict.pairs:
            assert one.is_target_zero == (one.pair.target in zero_errors), f"seed={seed}: {one}"
            assert one.is_source_zero == (one.pair.source in zero_values), f"seed={seed}: {one}"
        if leaves:
            count["not invariant"] += 1
        elif all(one.pair.is_biregular for one in verdict.pairs):
            count["invariant, biregular"] += 1
        else:
            count["invariant, not biregular"] += 1
    record_property("networks", dict(count))
    assert len(count) == 3
    assert min(count.values()) > NUM_NETWORKS // 20


def test_the_criterion_agrees_with_the_exact_prover():
    """By tracing, reverse mode and prime fields; smooth functions only, see the test of kinks."""
    smooth = (None, PHI, EVEN, tanh, sigmoid, softplus, gelu, normal_pdf, exp)
    for seed in range(NUM_NETWORKS // 20):
        dag, partition = random_dag(Random(seed), symbols=smooth)
        verdict = keeps_equitable(dag, partition)
        found = prove_invariance(dag.architecture(), units.equitable(dag, partition), seed=seed)
        expected = "proved" if verdict.is_invariant else "refuted"
        assert found.verdict == expected, f"seed={seed}: {verdict}"


def chain(*, symbol=PHI, edges=((1, 3), (1, 4), (2, 4)), biased=(), more=()):
    """An input, blocks {1, 2} → {3, 4} with the given edges, and an output."""
    return Dag(
        num_units=6,
        inputs=(0,),
        outputs=(5,),
        edges=((0, 1), (0, 2), *edges, (3, 5), (4, 5), *more),
        activations=(None, symbol, symbol, symbol, symbol, None),
        biased=biased,
    )


def verdict_of(dag):
    return keeps_equitable(dag, dag.partition([[1, 2], [3, 4]]))


def test_the_smallest_counterexample():
    """E5b: one absent edge between two blocks of two."""
    verdict = verdict_of(chain())
    assert not verdict.is_invariant
    (failing,) = verdict.failing
    assert str(verdict) == (
        "IE∩OE is not invariant; S_1 -> S_2 (units 1, 2 -> 3, 4): not biregular: "
        "units 3 and 4 receive 1 and 2"
    )
    assert failing.has_gradient
    assert failing.pair.can_carry


def test_complete_and_matched_blocks_are_kept():
    for edges in (((1, 3), (1, 4), (2, 3), (2, 4)), ((1, 3), (2, 4)), ((1, 4), (2, 3))):
        verdict = verdict_of(chain(edges=edges))
        assert verdict.is_invariant
        assert str(verdict) == "IE∩OE is invariant"
        assert all(v.is_kept for v in verdict.pairs)


def test_a_star_forces_zero_sums():
    """Unit 2 has no edge, so all sums of the pair are 0 and only constants pass."""
    edges = ((1, 3), (1, 4))
    assert verdict_of(chain(symbol=EVEN, edges=edges)).is_invariant  # φ'(0) = 0
    assert not verdict_of(chain(symbol=ODD, edges=edges)).is_invariant
    assert not verdict_of(chain(symbol=EVEN, edges=edges, biased=(3, 4))).is_invariant
    text = str(
        next(
            v
            for v in verdict_of(chain(symbol=EVEN, edges=edges)).pairs
            if v.is_target_zero and not v.pair.is_biregular
        )
    )
    assert text.endswith("not biregular, but δ of S_2 is 0 on IE∩OE")


def test_a_block_that_reaches_no_output_is_kept():
    dead_end = Dag(
        num_units=6,
        inputs=(0,),
        outputs=(5,),
        edges=((0, 1), (0, 2), (1, 3), (1, 4), (2, 4), (1, 5), (2, 5)),
        activations=(None, PHI, PHI, PHI, PHI, None),
    )
    verdict = verdict_of(dead_end)
    assert verdict.is_invariant
    assert [v.is_target_zero for v in verdict.pairs] == [False, True, False]


def test_a_source_of_zeros_is_kept():
    """Without a sum into {1, 2}, an odd φ gives h = 0, and what h feeds has no gradient."""
    for symbol, is_kept in ((ODD, True), (PHI, False)):
        dag = Dag(
            num_units=6,
            inputs=(0,),
            outputs=(5,),
            edges=((1, 3), (1, 4), (2, 4), (3, 5), (4, 5), (0, 5)),
            activations=(None, symbol, symbol, symbol, symbol, None),
        )
        verdict = verdict_of(dag)
        assert verdict.is_invariant == is_kept
        assert verdict.pairs[0].is_source_zero == is_kept


def test_edges_inside_a_block_carry_nothing():
    dag = Dag(
        num_units=4,
        inputs=(0,),
        outputs=(3,),
        edges=((0, 1), (0, 2), (1, 2), (1, 3), (2, 3)),
        activations=(None, PHI, PHI, None),
    )
    verdict = keeps_equitable(dag, dag.partition([[1, 2]]))
    inside = next(v for v in verdict.pairs if v.pair.source == v.pair.target)
    assert not inside.pair.can_carry
    assert not inside.is_kept


@pytest.mark.parametrize("symbol", [relu, step])
def test_a_kink_at_zero_has_slope_zero(symbol):
    """Where z is always 0 the slope is a convention; step(0) = 0 makes such a unit dead."""
    assert verdict_of(chain(symbol=symbol, edges=((1, 3), (1, 4)))).is_invariant


def test_leaf_labels():
    """E5c."""
    complete = tuple((u, v) for u in (1, 2, 3) for v in (4, 5, 6, 7))
    for edges, blocks, labels in (
        (complete, [[1, 2, 3], [4, 5, 6, 7]], 2 * 3),
        (tuple((u, v) for u in (1, 2, 3) for v in (4, 5, 6)), [[1, 2, 3], [4, 5, 6]], 2 * 2),
        (((1, 4), (1, 5), (2, 5), (2, 6), (3, 6), (3, 4)), [[1, 2, 3], [4, 5, 6]], 6 - 6 + 1),
        (((1, 4), (2, 5), (3, 6)), [[1, 2, 3], [4, 5, 6]], 3 - 6 + 3),
    ):
        targets = blocks[1]
        dag = Dag(
            num_units=9,
            inputs=(0,),
            outputs=(8,),
            edges=(*((0, u) for u in (1, 2, 3)), *edges, *((v, 8) for v in targets)),
            activations=(None, *(PHI,) * 7, None),
        )
        partition = dag.partition(blocks)
        verdict = keeps_equitable(dag, partition)
        assert verdict.is_invariant
        assert verdict.num_labels == labels
        manifolds = units.equitable(dag, partition), units.block_constant(dag, partition)
        assert manifolds[0].dimension - manifolds[1].dimension == labels


def test_a_pair_without_gradient_keeps_its_sum_too():
    dag = Dag(
        num_units=4,
        inputs=(0,),
        outputs=(3,),
        edges=((0, 1), (0, 2), (0, 3)),
        activations=(None, PHI, PHI, None),
    )
    verdict = keeps_equitable(dag, dag.partition([[1, 2]]))
    assert [v.num_labels for v in verdict.pairs] == [1, 0]


@pytest.mark.parametrize("name", [n for n in sorted(LAWS) if n not in ("log", "rsqrt", "sqrt")])
def test_values_and_slopes_at_zero(name):
    """Against SymPy's derivative of the closed form, at 0 or from the left, where kinks have 0."""
    import sympy

    symbol = activation(name)
    z = sympy.Symbol("z", real=True)
    closed = symbol.law.closed_form(z)  # type: ignore[misc]
    assert is_zero_at_zero(symbol) == (closed.subs(z, 0) == 0)
    slope = sympy.limit(sympy.diff(closed.rewrite(sympy.Piecewise), z), z, 0, "-")
    assert has_zero_slope(symbol) == (slope == 0)
    assert is_constant(symbol) == (name == "step")
