"""Each experiment at a tiny scale; what decides can come out the other way."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from numerics.cloning import clone
from numerics.losses import CROSS_ENTROPY
from numerics.tasks import Task
from numerics.train import initial_parameters, loss_and_gradient
from proofs_check.cli import main
from proofs_check.errors import OptionError
from proofs_check.experiments import Verdict, bit_flipping, cloning, continual, find, load, run
from proofs_check.experiments.noise import masked_mlp, proportional_noise, with_masks
from proofs_check.experiments.normalised import he_weights, normalised_mlp, shrink_and_perturb
from theory.optimizer import sgd
from theory.zoo import mlp

TINY: dict[str, Any] = {
    "cloning": replace(cloning.QUICK, seeds=2, epochs=1, width=4, samples=64),
    "bit-flipping": replace(
        bit_flipping.QUICK, seeds=3, samples=3_200, period=200, target_units=20, hidden=(6, 5)
    ),
    "continual": replace(
        continual.QUICK, seeds=2, tasks=5, epochs=1, samples=64, hidden=(6, 5)
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def results():
    return {name: run(find(name), settings, seed=3) for name, settings in TINY.items()}


def values_of(result):
    return {(c.panel, c.series): c.values.copy() for c in result.curves}


def verdicts(experiment, settings, values):
    return {f.claim: f.verdict for f in experiment.findings(settings, values)}


@pytest.mark.parametrize("name", TINY)
def test_curves_are_over_all_seeds(results, name):
    result = results[name]
    for curve in result.curves:
        assert curve.values.shape == (len(curve.x), TINY[name].seeds)
        assert np.isfinite(curve.values).all()
    assert len({(c.panel, c.series) for c in result.curves}) == len(result.curves)
    assert len({f.claim for f in result.findings}) == len(result.findings)
    json.dumps(result.as_json(), allow_nan=False)


@pytest.mark.parametrize("name", TINY)
def test_it_can_be_run_again_from_what_was_saved(results, name, tmp_path):
    results[name].save(tmp_path)
    saved = load(tmp_path)
    settings = find(name).settings_from(saved.settings)
    assert settings == TINY[name]


def test_bit_flipping_in_processes_and_with_other_seeds_beside(results):
    more = run(find("bit-flipping"), replace(TINY["bit-flipping"], seeds=4), seed=3, processes=2)
    for one, other in zip(results["bit-flipping"].curves, more.curves, strict=True):
        assert np.array_equal(one.values, other.values[:, :3])


def test_what_decides_on_clones(results):
    experiment, settings = find("cloning"), TINY["cloning"]
    values = values_of(results["cloning"])
    found = verdicts(experiment, settings, values)
    for job in cloning.EXACT:
        assert found[f"clones stay clones under {job}"] is Verdict.REPRODUCED
        claim = f"the base at the quotient's rates follows the clones under {job}"
        assert found[claim] is Verdict.REPRODUCED
    part = values[cloning.FORWARD, "SGD, clone"]
    part[-1, 0] = 1e-5
    values[cloning.LOSS, "Adam, base at the quotient's rates"][-1, 1] *= 1 + 1e-4
    values[cloning.DISTANCE, "dropout, clone"][:] = 1e-15
    found = verdicts(experiment, settings, values)
    assert found["clones stay clones under SGD"] is Verdict.NOT_REPRODUCED
    claim = "the base at the quotient's rates follows the clones under Adam"
    assert found[claim] is Verdict.NOT_REPRODUCED
    assert found["clones leave IE∩OE under dropout"] is Verdict.NOT_REPRODUCED


def flipping(early, late, end_sgd, end_switched):
    settings = TINY["bit-flipping"]
    periods = settings.periods
    spread = 1 + 0.01 * np.arange(settings.seeds)
    ramp = np.concatenate([np.linspace(early, late, periods // 2), np.full(periods // 2, end_sgd)])
    values = {
        (panel, arm): curve[:, None] * spread
        for panel in (bit_flipping.LOSS, bit_flipping.RANK)
        for arm, curve in (
            (bit_flipping.SGD, ramp),
            (bit_flipping.SWITCHED, np.full(periods // 2, end_switched)),
        )
    }
    return verdicts(find("bit-flipping"), settings, values)


def test_what_decides_on_bit_flipping():
    rises = flipping(1.0, 2.0, 2.0, 1.0)  # as a loss does where the claims hold
    falls = flipping(2.0, 1.0, 1.0, 2.0)  # as an effective rank does
    loss, rank = (
        "the loss rises under SGD: plasticity is lost",
        "the effective rank falls under SGD",
    )
    better = "the loss recovers under Continual Backprop"
    fuller = "the effective rank recovers under Continual Backprop"
    assert rises[loss] is Verdict.REPRODUCED
    assert rises[better] is Verdict.REPRODUCED
    assert falls[rank] is Verdict.REPRODUCED
    assert falls[fuller] is Verdict.REPRODUCED
    assert rises[rank] is Verdict.NOT_REPRODUCED
    assert falls[loss] is Verdict.NOT_REPRODUCED
    assert rises[fuller] is Verdict.NOT_TESTABLE
    assert falls[better] is Verdict.NOT_TESTABLE
    assert flipping(1.0, 2.0, 2.0, 2.0)[better] is Verdict.NOT_REPRODUCED
    # a loss that SGD would have got down as well is no recovery by the rule
    assert flipping(1.0, 2.0, 1.0, 1.0)[better] is Verdict.NOT_REPRODUCED


def test_what_decides_on_sequences(results):
    experiment, settings = find("continual"), TINY["continual"]
    values = values_of(results["continual"])
    for (panel, variant), curve in values.items():
        falls = panel.endswith((continual.ACCURACY, continual.RANK))
        slope = 0.1 if variant == continual.PLAIN else 0.02
        ramp = slope * np.arange(len(curve)) * (-1 if falls else 1)
        curve[:] = 0.9 + ramp[:, None] + 1e-3 * np.arange(settings.seeds)
    assert set(verdicts(experiment, settings, values).values()) == {Verdict.REPRODUCED}
    turned = {name: curve[::-1] for name, curve in values.items()}
    for claim, verdict in verdicts(experiment, settings, turned).items():
        expected = Verdict.NOT_TESTABLE if "slows" in claim else Verdict.NOT_REPRODUCED
        assert verdict is expected


def test_no_mask_is_no_dropout():
    net = mlp([3, 4, 5, 2], "relu")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), np.eye(2)[rng.integers(0, 2, size=7)]
    weights = initial_parameters(net, 0, (2,))
    masked = Task("", with_masks(x, 9, 0.0, (0,)), y)
    expected = loss_and_gradient(net, CROSS_ENTROPY, weights, Task("", x, y))
    found = loss_and_gradient(masked_mlp(net), CROSS_ENTROPY, weights, masked)
    np.testing.assert_allclose(found[0], expected[0])
    for p, slope in expected[1].items():
        np.testing.assert_allclose(found[1][p], slope, atol=1e-15)


def test_masks_keep_the_mean_and_drop_the_share():
    masks = with_masks(np.zeros((4000, 1)), 5, 0.2, (1,))[:, 1:]
    assert set(np.unique(masks)) == {0.0, 1.25}
    assert abs((masks == 0).mean() - 0.2) < 6 * np.sqrt(0.16 / masks.size)


@pytest.mark.parametrize(("by_entry", "ratio"), [(True, 0.01 * 20), (False, 0.01)])
def test_noise_is_as_long_as_the_convention_says(by_entry, ratio):
    rule = proportional_noise(by_entry).with_hyperparameters(rate=1, fade=1)
    rng = np.random.default_rng(0)
    g = rng.normal(size=(20, 20))
    lengths = []
    for _ in range(200):
        moved, _ = rule.rule(0 * g, g, {"xi": rng.normal(size=g.shape)}, rule.scalars(3))
        lengths.append(np.linalg.norm(moved + g) / np.linalg.norm(g))
    # the length of 400 normal numbers has a relative deviation of 1/√800
    assert np.mean(lengths) == pytest.approx(ratio, rel=6 / np.sqrt(800 * 200) + 1 / 1600)


def test_shrink_and_perturb_is_a_step_and_both():
    rule = shrink_and_perturb(sgd())
    w, g, xi = np.array([2.0, -1.0]), np.array([1.0, 3.0]), np.array([0.5, -0.5])
    numbers = {name: float(value) for name, value in rule.scalars(1).items()}
    moved, _ = rule.rule(w, g, {"xi": xi}, numbers)
    np.testing.assert_allclose(moved, w - 0.02 * g - 0.001 * w + 0.003 * xi)


@pytest.mark.parametrize("norm", ["none", "batch", "layer"])
def test_weights_fit_the_normalised_network(norm):
    net = normalised_mlp([3, 400, 2], norm)
    weights = he_weights(net, [1, 2, 3])
    assert {p: w.shape[1:] for p, w in weights.items()} == net.parameter_shapes
    assert np.array_equal(he_weights(net, [2])["W2"][0], weights["W2"][1])
    deviation = weights["W2"].std()
    assert deviation == pytest.approx(np.sqrt(2 / 400), rel=6 / np.sqrt(2 * weights["W2"].size))


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        (cloning.QUICK, {"duplicates": 1}, "duplicates=1: clones are at least 2 a unit"),
        (cloning.QUICK, {"samples": 9}, "samples=9: from batch=32 to 1797"),
        (continual.QUICK, {"tasks": 3}, "tasks=3: the curves need at least 4"),
        (continual.QUICK, {"samples": 900}, "samples=900: from batch=32 to 880"),
        (bit_flipping.QUICK, {"groups": 0}, "groups=0: at least 1 is needed"),
    ],
)
def test_settings_mean_something(settings, changes, message):
    with pytest.raises(OptionError, match=message):
        replace(settings, **changes)


def test_base_weights_are_cloned_with_parity():
    settings = TINY["cloning"]
    net = mlp([64, settings.width, settings.width, 10], "relu")
    blocks = cloning.clone_blocks(settings)
    wide = clone(net, initial_parameters(net, 0), blocks)
    assert wide.receipt.verdict == "proved"
    assert wide.architecture.sizes["h2"] == settings.width * settings.duplicates


class TestCommand:
    def test_a_run_is_saved_and_shown(self, tmp_path, capsys):
        given = ["experiment", "bit-flipping", "--seeds", "2", "--samples", "16000"]
        out, file = tmp_path / "out", tmp_path / "answer.json"
        assert main([*given, "--jobs", "1", "--out", str(out), "--json", str(file)]) == 0
        ran = capsys.readouterr()
        assert "[2/2] bit-flipping group 2" in ran.err
        assert main(["experiment", "bit-flipping", "--from", str(out), "--json", "-"]) == 0
        assert json.loads(capsys.readouterr().out) == json.loads(file.read_text())
        assert main(["experiment", "bit-flipping", "--from", str(out)]) == 0
        assert capsys.readouterr().out == ran.out

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["flipping"], "no experiment 'flipping': cloning, bit-flipping, continual"),
            (["cloning", "--resume"], "--resume: it needs --out"),
            (["cloning", "--from", "nowhere"], "no such file or folder"),
            (["cloning", "--from", "x", "--seeds", "3"], "no options of a run beside it"),
            (["cloning", "--seeds", "0"], "seeds=0: at least 1 is needed"),
            (["bit-flipping", "--epochs", "2"], "--epochs: experiment bit-flipping has --seeds"),
        ],
    )
    def test_unusable_input(self, capsys, arguments, message):
        assert main(["experiment", *arguments]) == 2
        assert message in capsys.readouterr().err
