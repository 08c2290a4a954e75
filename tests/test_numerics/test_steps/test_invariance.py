from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.steps.counterexample import find_counterexample
from numerics.steps.drift import float_drift
from numerics.steps.invariance import KINDS, prove_kept, residuals_of
from proofs_check.drawing.networks import chooser, draw_network, draw_partition
from theory import optimizer as rules
from theory.activation import activation
from theory.errors import ManifoldError, OptimizerError
from theory.manifold import block_constant, equitable, incoming_equitable, leaf
from theory.optimizer import Optimizer
from theory.partition import make_partition
from theory.zoo import mlp

NET = mlp([2, 3, 4, 2])
BLOCKS = make_partition(NET.sizes, {"h1": [[0, 2]], "h2": [[0, 1, 3]]})
SMALL = mlp([2, 3, 2], activation("phi", parity="odd"))
FROZEN = mlp([2, 3, 2]).freeze("h1", 1, 1)
SUBJECTS = {
    "frozen": (FROZEN, {}),
    "zero": (SMALL, make_partition(SMALL.sizes, {}, zero={"h1": [1]})),
}


def kept(optimizer: Optimizer, **options: Any) -> str:
    """Of the five sets, which are kept."""
    found = ""
    for kind in KINDS:
        network, partition = SUBJECTS.get(kind, (NET, BLOCKS))
        is_kept = prove_kept(network, optimizer, partition, kind, **options).is_kept
        found += "k" if is_kept else "-"
    return found


@given(st.integers(0, 2**32), st.booleans())
def test_residuals_vanish_exactly_on_the_manifold(seed, is_inside):
    choose = chooser(seed)
    network = draw_network(choose)
    blocks = draw_partition(choose, network)
    rng = np.random.default_rng(seed)
    for make in (equitable, block_constant, incoming_equitable):
        manifold = make(network, blocks)
        theta = {p: rng.normal(size=s) for p, s in manifold.shapes.items()}
        if is_inside:
            theta = manifold.project(theta)
        residual = max((abs(r).max(initial=0) for _, r in residuals_of(manifold, theta)), default=0)
        assert (residual < 1e-12) == (float(manifold.distance(theta)) < 1e-12)


def test_residuals_are_of_linear_sets():
    point = equitable(NET, BLOCKS).embed(
        {k: np.ones(s, dtype=int) for k, s in equitable(NET, BLOCKS).free_shapes.items()}
    )
    with pytest.raises(OptimizerError, match=r"^leaf: a set of increments is linear"):
        list(residuals_of(leaf(NET, BLOCKS, point), point))


def test_the_state_must_stay_where_it_starts():
    """A memory of the weights: the first step is tangent, the second is not."""

    def rule(w, g, s, h):
        return w - h["rate"] * (g + s["m"]), {"m": w}

    remembering = replace(rules.heavy_ball(), name="remembering", rule=rule)
    assert kept(remembering) == "-kk-k"
    assert prove_kept(NET, remembering, BLOCKS, "equitable").state == "equitable"


def test_blocks_of_two_keep_what_blocks_of_three_do_not():
    """Between blocks of two, IE∩OE is c ± a in a checkerboard, which any function keeps."""
    twos = make_partition(NET.sizes, {"h1": [[0, 2]], "h2": [[0, 1], [2, 3]]})
    for optimizer in (rules.sgd_l1(), rules.asam()):
        assert prove_kept(NET, optimizer, twos, "equitable").is_kept
        assert not prove_kept(NET, optimizer, BLOCKS, "equitable").is_kept


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sgd", "kkkkk"),
        ("adamw", "-kk-k"),
        ("adam_l2", "--k-k"),
        ("noisy_sgd", "-----"),
        ("sam", "kkkkk"),
    ],
)
def test_known_cells(name, expected):
    assert kept(getattr(rules, name)()) == expected


def test_untied_states():
    assert kept(rules.adam(), start="free") == "-----"
    assert kept(rules.heavy_ball(), start="equitable")[:3] == "-k-"
    assert kept(rules.lion(), start="equitable")[:3] == "---"


@pytest.mark.parametrize("change", [rules.entrywise_rates, rules.noisy_gradients])
def test_clones_that_are_treated_differently_part(change):
    for optimizer in (rules.sgd(), rules.adam(), rules.any_muon(4)):
        assert kept(change(optimizer))[:3] == "---"


def test_shampoo_keeps_leaves_for_every_function_of_its_statistics():
    assert kept(rules.any_shampoo(4)) == "kkkkk"

    def growing(w, g, s, h):
        ramp = np.diag(np.arange(len(w)))
        return w - h["rate"] * g, {k: v + (ramp if k == "left" else 0) for k, v in s.items()}

    assert kept(replace(rules.any_shampoo(4), rule=growing))[0] == "-"


def test_a_frozen_set_needs_a_frozen_unit():
    with pytest.raises(ManifoldError, match="no unit is frozen"):
        prove_kept(NET, rules.sgd(), BLOCKS, "frozen")


def test_a_counterexample_is_right_by_other_arithmetic():
    """SGD with L1 on the network 1-2-3-1 with φ(z) = z², in Python's fractions."""
    found = find_counterexample(rules.sgd_l1(), "equitable")
    assert found is not None
    assert found.is_exact
    w = {p: np.vectorize(Fraction, otypes=[object])(v) for p, v in found.theta.items()}
    flat = equitable(found.architecture, _all_clones(found.architecture))
    assert flat.squared_distance(w) == 0
    h1 = w["W1"] ** 2
    z2 = h1 @ w["W2"]
    delta2 = 2 * z2 * w["W3"].T
    slopes = {"W3": (z2**2).T, "W2": h1.T @ delta2}
    slopes["W1"] = 2 * w["W1"] * (delta2 @ w["W2"].T)
    rate, decay = Fraction("0.02"), Fraction("0.01")
    after = {p: v - rate * (slopes[p] + decay * np.sign(v.astype(float)).astype(int))
             for p, v in w.items()}  # fmt: skip
    value = sum(c * after[p].flat[e] for (p, e), c in found.law.terms.items())
    assert str(value) == found.value == found.replay()
    assert Fraction(found.to_json()["value"]) != 0


def _all_clones(network: Any) -> Any:
    hidden = {a: [list(range(n))] for a, n in network.sizes.items() if a.startswith("h")}
    return make_partition(network.sizes, hidden)


def test_no_counterexample_where_there_is_none():
    assert find_counterexample(rules.sgd_l2(), "equitable") is None
    assert find_counterexample(rules.heavy_ball(), "frozen") is None


def test_an_enclosed_counterexample_excludes_zero_and_replays():
    found = find_counterexample(rules.adam_l2(), "equitable")
    assert found is not None
    assert not found.is_exact
    assert found.replay() == found.value
    assert found.form() in str(found)


def test_drift_tells_kept_from_left():
    assert max(float_drift(rules.adam(), steps=60).values()) < 1e-12
    assert min(float_drift(rules.noisy_sgd(), steps=60).values()) > 1e-4
    untied = float_drift(rules.heavy_ball(), "equitable", steps=60)
    assert untied["equitable"] < 1e-12 < 1e-4 < untied["leaf"]
    assert min(float_drift(rules.heavy_ball(), "free", steps=60).values()) > 1e-4
