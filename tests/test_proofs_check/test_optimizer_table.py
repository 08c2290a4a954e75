from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

from numerics.losses import MSE
from numerics.steps.counterexample import find_counterexample
from numerics.steps.invariance import KINDS
from numerics.tasks import Task
from numerics.train import train
from proofs_check.claim import Settings
from proofs_check.claims.e7_optimizers import CLAIMS, changed, in_float64
from proofs_check.claims.p7_optimizers import KEPT, UPDATES, broken_law
from proofs_check.evidence import Verdict
from proofs_check.optimizer_table import CELLS, MARKS, ROWS, kept_cell, left_cell, markdown
from theory import optimizer as rules
from theory.optimizer.continual_backprop import least_useful, utility
from theory.zoo import mlp

IDLE = ("frozen", "zero")
BY_ID = {row.id: row for row in ROWS}


def test_every_cell_is_a_claim_and_every_row_a_line_of_the_table():
    cells = [(row, kind) for row in ROWS for kind in KINDS if row.mark(kind) != "-"]
    assert [claim.id for claim in CLAIMS] == [f"E7.{row.id}.{CELLS[k]}" for row, k in cells]
    for claim, (row, kind) in zip(CLAIMS, cells, strict=True):
        assert (claim.expected is Verdict.PROVED) == (kind in row.kept)
    assert len(BY_ID) == len(ROWS)
    lines = markdown().splitlines()
    for row in ROWS:
        marks = " | ".join(MARKS[mark] for mark in row.marks)
        assert f"| {row.title} | {marks} |" in lines
        assert len(row.marks) == len(KINDS)
        assert set(row.marks) <= set(MARKS)


@pytest.mark.parametrize(
    "name",
    ["sgd-l2", "lamb", "sgd-l1", "asam", "agc", "dropout", "continual-backprop", "lion.equitable"],
)
def test_cells_are_as_marked(name):
    row = BY_ID[name]
    assert all(kept_cell(row, kind, 0).verdict is Verdict.PROVED for kind in row.kept)
    assert all(left_cell(row, kind, 0).verdict is Verdict.REFUTED for kind in row.left)


def test_a_wrong_mark_is_seen():
    wrong = replace(BY_ID["sgd-l1"], marks="xkkxk")
    assert kept_cell(wrong, "equitable", 0).verdict is Verdict.REFUTED
    enclosed = replace(BY_ID["sgd-l1"], marks="xekxk")
    assert left_cell(enclosed, "equitable", 0).verdict is Verdict.UNKNOWN
    too_bad = replace(BY_ID["noisy-sgd"], optimizer=rules.sgd_l2())
    assert left_cell(too_bad, "equitable", 0).verdict is Verdict.PROVED


def test_amplified_rounding_is_named_where_it_is_seen():
    details = [in_float64(BY_ID[name], Settings()).detail for name in ("muon", "sgd")]
    assert ["amplified" in detail for detail in details] == [True, False]


def test_rounding_that_is_not_rounding_is_seen():
    wrong = replace(BY_ID["noisy-sgd"], marks="kxxxx", id="sgd")
    assert in_float64(wrong, Settings()).verdict is Verdict.REFUTED


@pytest.mark.parametrize(("make", "moves"), [(rules.sgd, False), (rules.sam, True)])
def test_sam_moves_a_unit_that_is_dead_at_the_weights_alone(make, moves):
    net = mlp([1, 1, 2, 1], "relu")
    start = {p: np.ones(shape) for p, shape in net.parameter_shapes.items()}
    start |= {"b1": np.zeros(1), "b2": np.array([0.0, -1.01]), "b3": np.zeros(1)}
    data = Task("one sample", np.ones((1, 1)), np.zeros((1, 1)))
    after = train(net, make(), MSE, start, data, steps=1).parameters
    assert (after["b2"][1] != start["b2"][1]) == moves  # z = -0.01 before the step
    if moves:
        hypotheses = {c.id: c.hypotheses for c in CLAIMS}["E7.sam.frozen"]
        assert any("perturbed" in h for h in hypotheses)


def test_classes_keep_what_they_should_and_no_more():
    for (_, update), kinds in zip(UPDATES, KEPT, strict=True):
        law = partial(broken_law, update)
        assert tuple(k for k in KINDS if k not in IDLE and law(k) is None) == kinds


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["sgd", "adam", "muon", "span"])
def test_every_false_variant_is_refuted(name, kind):
    changes = (rules.own_pulls, rules.noisy_gradients)
    if kind not in IDLE:
        changes = (rules.entrywise_rates, rules.noisy_gradients)
    for change in changes:
        assert changed(BY_ID[name], kind, change, Settings()).verdict is Verdict.REFUTED


def test_centralised_gradients_revive_a_zero_unit():
    """Its outgoing weights get minus the mean gradient of the other sources."""
    found = find_counterexample(rules.centralised_sgd(), "zero")
    assert found is not None
    w1, w2 = found.theta["W1"], found.theta["W2"]
    assert w1[0, 0] == w2[0, 0] == 0
    slope = w1[0, 1] ** 2  # of the other outgoing weight; x and the adjoint are 1, φ(z) = z²
    assert Fraction(found.value) == Fraction("0.02") * slope / 2


def test_the_unit_that_continual_backprop_replaces_is_of_least_utility():
    for kind in KINDS:
        found = find_counterexample(rules.replacing_sgd(), kind)
        assert found is not None
        h = (np.array([[1]]) @ found.theta["W1"]) ** 2
        if kind == "frozen":
            h[..., 0] = 1
        before = np.zeros(h.shape[-1], dtype=int)
        u = utility(before, h, found.theta["W2"], Fraction(0))
        mask = least_useful(u, np.ones(h.shape[-1], dtype=bool), np.array(1))
        assert mask.tolist() == [1] + [0] * (len(mask) - 1)
        assert found.replay() == found.value


def test_masks_are_in_the_counterexample_of_dropout():
    found = find_counterexample(rules.sgd(), "constant", is_masked=True)
    assert found is not None
    assert found.to_json()["masks"] == ["1", "0"]
    # the dropped clone has no gradient, the other one has 2 w x v
    w, v = found.theta["W1"][0, 0], found.theta["W2"][0, 0]
    assert Fraction(found.value) == -Fraction("0.02") * 2 * w * v
    assert find_counterexample(rules.sgd(), "frozen", is_masked=True) is None
