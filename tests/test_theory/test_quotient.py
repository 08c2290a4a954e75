from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proofs_check.drawing.random_networks import random_dag
from theory.activation import activation
from theory.architecture import Architecture
from theory.block_pair import CONSTANT, block_pairs
from theory.dag import Dag
from theory.errors import ManifoldError, OptimizerError
from theory.manifold.base import Manifold
from theory.optimizer import adam, adam_l2, heavy_ball, l2_init, muon, sgd
from theory.partition import AxisPartition, make_partition
from theory.quotient import Quotient, dag_quotient, quotient
from theory.quotient_laws import base_state, factor_state, law_of, with_factors
from theory.widening import widen
from theory.zoo import mlp

FEWER = settings(max_examples=max(5, settings().max_examples // 4))


@st.composite
def clones(draw: Any) -> tuple[Architecture, dict[str, AxisPartition]]:
    """An MLP with blocks of one to three units, in any order."""
    blocks, widths = {}, [draw(st.integers(1, 2))]
    for axis in ("h1", "h2"):
        sizes = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
        units = iter(draw(st.permutations(range(sum(sizes)))))
        blocks[axis] = [sorted(next(units) for _ in range(n)) for n in sizes]
        widths.append(sum(sizes))
    wide = mlp([*widths, 2], "tanh", bias=draw(st.booleans()))
    return wide, make_partition(wide.sizes, blocks)


def integers(shapes: Any, seed: int) -> dict[str, Any]:
    rng = Random(seed)
    return {
        name: np.array([rng.randint(-9, 9) for _ in range(int(np.prod(s)))], dtype=object).reshape(
            s
        )
        for name, s in shapes.items()
    }


def point(manifold: Manifold, seed: int = 0) -> dict[str, Any]:
    return manifold.embed(integers(manifold.free_shapes, seed))


@given(clones(), st.integers(0, 99))
@FEWER
def test_the_quotient_is_the_sum_over_the_sources_of_every_target(drawn, seed):
    wide, partition = drawn
    found = quotient(wide, partition)
    theta = point(found.equitable, seed)
    base = found(theta)
    for p, axes in wide.parameters.items():
        source, target = (axes[0], axes[1]) if len(axes) == 2 else (None, axes[0])
        for j, targets in enumerate(partition[target].blocks):
            for v in targets:
                if source is None:
                    assert base[p][j] == theta[p][v]
                    continue
                for i, sources in enumerate(partition[source].blocks):
                    assert base[p][i, j] == sum(theta[p][u, v] for u in sources)


@given(clones())
@FEWER
def test_rates_are_source_clones_over_target_clones(drawn):
    wide, partition = drawn
    found = quotient(wide, partition)
    sizes = {axis: [len(block) for block in blocks.blocks] for axis, blocks in partition.items()}
    for p, axes in wide.parameters.items():
        n_j = sizes[axes[-1]]
        n_i = sizes[axes[0]] if len(axes) == 2 else [1]
        rates = [Fraction(a, b) for a in n_i for b in n_j]
        assert found.rates[p].ravel().tolist() == rates


@given(clones(), st.integers(0, 99))
@FEWER
def test_the_quotient_of_a_widening_is_its_base(drawn, seed):
    wide, partition = drawn
    found = quotient(wide, partition)
    base = integers(found.base.parameter_shapes, seed)
    again = found(widen(wide, partition, base))
    assert all((again[p] == base[p]).all() for p in base)


def test_leading_axes_are_kept_and_floats_stay_floats():
    wide = mlp([1, 3, 1])
    found = quotient(wide, make_partition(wide.sizes, {"h1": [[0, 2]]}))
    theta = {p: np.ones((5, *s)) for p, s in wide.parameter_shapes.items()}
    base = found(theta)
    assert base["W2"].shape == (5, 2, 1)
    assert base["W2"].dtype == np.float64
    assert base["W2"][4].tolist() == [[2.0], [1.0]]


def test_rescaled_parameters_count_their_scale_twice():
    wide = mlp([1, 2, 1])
    found = quotient(wide, make_partition(wide.sizes, {"h1": [[0, 1]]}), {"W1": Fraction(1, 2)})
    assert found.rates["W1"].tolist() == [[Fraction(1, 2) * 4]]
    assert found.rates["W2"].tolist() == [[2]]


def test_middle_weights_keep_their_rate_if_every_layer_is_doubled():
    wide = mlp([2, 4, 6, 3])
    pairs = {"h1": [[0, 1], [2, 3]], "h2": [[0, 5], [1, 4], [2, 3]]}
    rates = quotient(wide, make_partition(wide.sizes, pairs)).rates
    distinct = {p: set(r.ravel()) for p, r in rates.items()}
    half = Fraction(1, 2)
    assert distinct == {"W1": {half}, "b1": {half}, "W2": {1}, "b2": {half}, "W3": {2}, "b3": {1}}


@given(st.integers(0, 400))
@settings(max_examples=60)
def test_units_of_a_quotient_are_blocks_in_topological_order(seed):
    dag, partition = random_dag(Random(seed))
    pairs = block_pairs(dag, partition)
    if not all(pair.is_biregular for pair in pairs.values()):
        with pytest.raises(ManifoldError, match="not biregular"):
            dag_quotient(dag, partition)
        return
    found = dag_quotient(dag, partition)
    weights = [pair for (i, _), pair in pairs.items() if i != CONSTANT]
    assert found.base.parameter_shapes.get("w", (0,))[0] == len(weights)
    rates = sorted(found.rates["w"]) if weights else []
    assert rates == sorted(Fraction(len(p.edges), len(p.targets) ** 2) for p in weights)
    theta = point(found.equitable, seed)
    base = found(theta)
    sums = sorted(
        sum(theta["w"][e] for _, e in pair.entries_into(pair.targets[-1])) for pair in weights
    )
    assert sorted(base["w"] if weights else []) == sums


def two_layers(between: tuple[tuple[int, int], ...]) -> tuple[Dag, AxisPartition]:
    phi = activation("phi")
    edges = ((0, 1), (0, 2), *between, (3, 5), (4, 5))
    symbols = (None, phi, phi, phi, phi, None)
    dag = Dag(num_units=6, inputs=(0,), outputs=(5,), edges=edges, activations=symbols)
    return dag, dag.partition([[1, 2], [3, 4]])


def test_sparse_pairs_count_their_edges():
    sparse = dag_quotient(*two_layers(((1, 4), (2, 3))))
    complete = dag_quotient(*two_layers(((1, 3), (1, 4), (2, 3), (2, 4))))
    assert sparse.rates["w"].tolist() == [Fraction(1, 2), Fraction(1, 2), 2]
    assert complete.rates["w"].tolist() == [Fraction(1, 2), 1, 2]
    with pytest.raises(ManifoldError, match="edges from S_1 to S_2 are not biregular"):
        dag_quotient(*two_layers(((1, 3), (1, 4), (2, 4))))


def test_mirrored_and_zero_units_have_no_quotient():
    wide = mlp([1, 2, 1], "tanh")
    signed = make_partition(wide.sizes, {"h1": [[0, 1]]}, signs={"h1": {1: -1}})
    with pytest.raises(ManifoldError, match="axis 'h1': the quotient is by clones"):
        quotient(wide, signed)
    with pytest.raises(ManifoldError, match="without signs and zeros"):
        quotient(wide, make_partition(wide.sizes, {}, zero={"h1": [1]}))


def test_the_table_of_rates():
    wide = mlp([1, 3, 1])
    page = quotient(wide, make_partition(wide.sizes, {"h1": [[0, 2]]}))._repr_html_()
    assert "block rates |E_ij| / n_j²" in page
    assert "<td>W1</td><td>1</td><td>1, 2</td><td>1/2, 1</td>" in page


@pytest.fixture
def doubled() -> Quotient:
    wide = mlp([1, 2, 6, 1], bias=False)
    blocks = {"h1": [[0, 1]], "h2": [[0, 1, 2], [3, 4, 5]]}
    return quotient(wide, make_partition(wide.sizes, blocks))


def test_laws_of_momentum_and_adam(doubled):
    w2 = [law_of(rule).factors(doubled)["W2"] for rule in (heavy_ball(), adam(), adam_l2())]
    values = [{h: f[0, 0] for h, f in own.items()} for own in w2]
    third = Fraction(2, 3)
    assert values == [
        {"rate": third},
        {"rate": 2, "eps": 3},
        {"rate": 2, "eps": 3, "decay": Fraction(3, 2)},
    ]


def test_an_optimizer_that_joins_entries_has_no_law():
    with pytest.raises(OptimizerError, match="no quotient with block hyperparameters"):
        law_of(muon())


def test_states_are_measured_in_gradients_of_the_base(doubled):
    """Clones have 1/3 of the gradients: a third of the momentum, a ninth of the squares."""
    shapes = doubled.wide.parameter_shapes
    state = {f"{s}:{p}": np.ones(shape, dtype=int) for p, shape in shapes.items() for s in "mv"}
    found = base_state(doubled, adam(), state)
    assert found["m:W2"].tolist() == [[3, 3]]
    assert found["v:W2"].tolist() == [[9, 9]]
    anchor = base_state(doubled, l2_init(), {f"start:{p}": np.ones(s) for p, s in shapes.items()})
    assert anchor["start:W2"].tolist() == [[2.0, 2.0]]


def test_factors_multiply_their_hyperparameter_and_stay():
    optimizer = with_factors(sgd(), ("rate",))
    state = factor_state({"w": {"rate": np.array([1.0, 4.0])}})
    theta, slopes = {"w": np.zeros(2)}, {"w": np.ones(2)}
    h = {"rate": 0.5}
    moved, after = optimizer.step(theta, state, lambda _: slopes, h)
    assert moved["w"].tolist() == [-0.5, -2.0]
    assert after["factor rate:w"].tolist() == [1.0, 4.0]
