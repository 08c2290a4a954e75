from dataclasses import replace
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.losses import MSE
from numerics.steps.quotient import prove_quotient
from numerics.steps.quotient_training import follow
from numerics.systems.float64 import Float64
from numerics.tasks import Task
from proofs_check.drawing.networks import chooser, draw_network, draw_partition
from proofs_check.drawing.random_networks import random_dag
from theory.backprop import gradient
from theory.block_pair import block_pairs
from theory.optimizer import adam, adam_l2, adamw, heavy_ball, heavy_ball_l2, sgd, sgd_l1, sgd_l2
from theory.partition import make_partition
from theory.quotient import Quotient, dag_quotient, quotient
from theory.quotient_laws import LAWS, law_of
from theory.zoo import mlp

FEWER = settings(max_examples=max(5, settings().max_examples // 6))
BLOCKS = {"h1": [[0, 3, 4], [1, 2]], "h2": [[0, 2]]}


def clones(phi: str = "phi") -> Quotient:
    network = mlp([2, 5, 3, 2], phi)
    return quotient(network, make_partition(network.sizes, BLOCKS))


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.optimizer.name)
def test_every_law_is_proved(law):
    found = prove_quotient(clones(), law)
    assert (found.verdict, found.failing) == ("holds", ())
    assert found.bound.bits >= 60


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.optimizer.name)
def test_every_exponent_matters(law):
    network = mlp([1, 3, 1])
    small = quotient(network, make_partition(network.sizes, {"h1": [[0, 2]]}))
    assert prove_quotient(small, law).verdict == "holds"
    for name, (a, b) in law.exponents.items():
        for other in ((a + 1, b), (a, b + 1)):
            wrong = replace(law, exponents={**law.exponents, name: other})
            assert prove_quotient(small, wrong).verdict == "fails"


@given(st.integers(0, 10_000))
@FEWER
def test_random_networks_and_rules(seed):
    network = draw_network(chooser(seed))
    partition = draw_partition(chooser(seed), network)
    law = LAWS[seed % len(LAWS)]
    assert prove_quotient(quotient(network, partition), law, seed=seed).verdict == "holds"


@given(st.integers(0, 10_000))
@FEWER
def test_random_biregular_networks(seed):
    dag, partition = random_dag(Random(seed))
    if all(pair.is_biregular for pair in block_pairs(dag, partition).values()):
        found = dag_quotient(dag, partition)
        assert prove_quotient(found, law_of(heavy_ball_l2()), seed=seed).verdict == "holds"


@pytest.mark.parametrize("rule", [adam_l2(), sgd_l1()], ids=lambda rule: rule.name)
def test_rules_of_the_third_class_have_a_quotient_on_bc_alone(rule):
    everywhere = replace(law_of(rule), keeps_leaves=True)
    found = prove_quotient(clones(), everywhere)
    assert found.verdict == "fails"
    assert any(name.startswith("W2:") and name.endswith("kept") for name in found.failing)


def test_adam_needs_a_block_constant_state():
    assert prove_quotient(clones(), replace(law_of(adam()), is_linear=True)).verdict == "fails"
    assert (
        prove_quotient(clones(), replace(law_of(heavy_ball()), is_linear=False)).verdict == "holds"
    )


def test_what_fails_is_named():
    chosen = clones()
    rates = {p: {"rate": r if p != "b2" else 2 * r} for p, r in chosen.rates.items()}
    found = prove_quotient(chosen, law_of(sgd()), factors=rates)
    assert (found.verdict, found.failing) == ("fails", ("b2",))


def test_one_step_by_hand():
    """1-2-1 with two clones, φ the identity, x = 1, gradients by the chain rule."""
    network = mlp([1, 2, 1], bias=False)
    found = quotient(network, make_partition(network.sizes, {"h1": [[0, 1]]}))
    a, b, eta, delta = Fraction(2), Fraction(3), Fraction(1, 10), Fraction(5)
    wide = {"W1": np.array([[a, a]]), "W2": np.array([[b / 2], [b / 2]])}
    slopes = {"W1": np.array([[b / 2, b / 2]]) * delta, "W2": np.array([[a], [a]]) * delta}
    after = found({p: w - eta * slopes[p] for p, w in wide.items()})
    assert after["W1"].item() == a - eta * Fraction(1, 2) * b * delta
    assert after["W2"].item() == b - eta * 2 * a * delta


def start(chosen: Quotient, seed: int, ensemble: int = 3) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    shapes = chosen.equitable.free_shapes
    return chosen.equitable.embed(
        {name: rng.normal(size=(ensemble, *shape)) / 2 for name, shape in shapes.items()}
    )


def task() -> Task:
    x = np.random.default_rng(7).normal(size=(12, 2))
    return Task("smooth", x, np.stack([np.sin(x[:, 0]), x[:, 0] * x[:, 1]], axis=1))


@pytest.mark.parametrize(
    "rule",
    [
        sgd_l2().with_hyperparameters(rate="0.02"),
        heavy_ball().with_hyperparameters(rate="0.002"),
        adamw().with_hyperparameters(rate="0.001"),
    ],
    ids=lambda rule: rule.name,
)
@pytest.mark.parametrize("phi", ["tanh", "relu"])
def test_the_base_follows_the_clones(rule, phi):
    chosen = clones(phi)
    run = follow(
        chosen, law_of(rule), MSE, start(chosen, 0), task(), steps=300, batch_size=4, every=50
    )
    assert run.steps == tuple(range(0, 301, 50))
    assert run.differences.shape == (7, 3)
    distances = chosen.equitable.distance(run.clones)
    assert (run.differences.max(axis=0) <= 1e-12 + distances**2).all()
    assert distances.max() < 1e-6
    moved = max(np.abs(run.clones[p] - w).max() for p, w in start(chosen, 0).items())
    assert moved > 1e-2


def test_equal_rates_do_not_follow():
    chosen = clones("tanh")
    plain = {p: {"rate": r * 0 + 1} for p, r in chosen.rates.items()}
    law = law_of(sgd().with_hyperparameters(rate="0.1"))
    run = follow(chosen, law, MSE, start(chosen, 0), task(), steps=50, factors=plain, every=25)
    assert run.differences[0].max() < 1e-15
    assert run.differences[-1].min() > 1e-3


def test_outputs_agree_on_every_leaf():
    chosen = clones("tanh")
    theta = start(chosen, 3)
    x = task().x
    outputs = [
        Evaluator(gradient(net.graph(12)), Float64(), 1)(
            {**w, "x": x, "adjoint:y": np.ones((12, 2))}
        )
        for net, w in ((chosen.wide, theta), (chosen.base, chosen(theta)))
    ]
    assert outputs[0]["y"] == pytest.approx(outputs[1]["y"], abs=1e-13)
    signals = chosen.signals({p: outputs[0][f"grad:{p}"] for p in theta})
    for p, slope in signals.items():
        assert slope == pytest.approx(outputs[1][f"grad:{p}"], abs=1e-12)
