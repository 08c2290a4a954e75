"""``lop stability``: what it finds, says and writes, and that bad input costs one line."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from flint import arb

from numerics.losses import MSE
from numerics.spectrum import transverse_blocks
from numerics.systems.ball import Ball
from numerics.tasks import Task
from numerics.transverse.escape import transverse_eigenvalues
from proofs_check.cli import main
from proofs_check.stability.classification import expected_seconds, stability
from proofs_check.stability.exact_zeros import known_nullity
from proofs_check.stability.question import make_stability_question
from proofs_check.stability.words import lines
from theory.architecture import Architecture
from theory.manifold import equitable
from theory.stability_class import StabilityClass
from theory.zoo import from_name

CLONES = ["h1=0,1/2,3", "h2=0,1,2"]


def asked(name="mlp:3-4-4-2:tanh", clones=CLONES, **options):
    return stability(make_stability_question(from_name(name), clones, **options))


def dense(found):
    """Eigenvalues of the whole Hessian on the normal space, by another route."""
    q = found.question
    manifold = equitable(q.architecture, q.partition)
    return transverse_eigenvalues(q.architecture, q.task, q.parameters, manifold, q.loss)


@pytest.mark.parametrize("name", ["mlp:3-4-4-2:tanh", "mlp:3-4-4-2:relu", "mlp:3-4-4-2:gelu"])
def test_blocks_are_the_dense_normal_hessian(name):
    found = asked(name)
    repeated = [v.eigenvalues for v in found.blocks for _ in range(v.block.multiplicity)]
    expected = dense(found)
    assert np.allclose(np.sort(np.concatenate(repeated)), expected, atol=1e-13)
    size = np.abs(expected).max()
    assert found.inertia.negative == int(np.sum(expected < -1e-10 * size))
    assert found.inertia.positive == int(np.sum(expected > 1e-10 * size))
    assert found.level == ("proved" if "relu" in name else "enclosed")
    assert found.num_mixed == 4
    decay = found.critical_decay
    assert float(decay.low) - 1e-12 < -expected[0] < float(decay.high) + 1e-12
    assert found.escape.rate.midpoint == pytest.approx(-expected[0])


def test_decay_above_the_critical_one_attracts_and_below_it_does_not():
    critical = asked().critical_decay
    above = asked(decay=str(critical.high))
    below = asked(decay=str(critical.low))
    assert above.classes == (StabilityClass.ATTRACTING,)
    assert above.escape is None
    assert below.classes == (StabilityClass.SADDLE,)
    assert below.critical_decay == critical


def test_steps_are_judged_at_the_limit_of_the_method():
    """Just below the largest step size that keeps attraction, and just above."""
    strong = asked(decay="2")
    top = strong.largest.high + 2
    for momentum in ("0", "9/10"):
        limit = 2 * (1 + Fraction(momentum)) / top
        slow = asked(decay="2", rate=str(limit), momentum=momentum)
        fast = asked(decay="2", rate=str(limit * Fraction(101, 100)), momentum=momentum)
        assert slow.steps.negative == slow.steps.zero == 0
        assert fast.steps.negative > 0


def test_steps_beyond_the_limit_free_what_the_flow_holds():
    found = asked(decay="3", rate="100")
    assert found.classes == (StabilityClass.ATTRACTING,)
    assert found.steps.negative == found.inertia.size
    told = " ".join(found.freed_by())
    assert "the steps of gd" in told
    assert "nothing small" not in told


@pytest.mark.parametrize(("bias", "kinks"), [(0.0, 2), (0.25, 0)])
def test_kinks_are_counted_and_named(tmp_path, bias, kinks):
    """At x = 0 without a bias both clones are at the kink of ReLU."""
    weights = save(tmp_path / "w.npz", "mlp:2-2-1:relu", b1=np.full(2, bias))
    data = str(tmp_path / "d.npz")
    np.savez(data, x=np.array([[0.0, 0.0], [1.0, 0.5]]), y=np.ones((2, 1)))
    found = asked("mlp:2-2-1:relu", ["h1=0,1"], parameters=weights, data=data)
    assert found.kinks == found.as_json()["kinks"] == kinks
    assert ("kinks" in found.head()) == any("no Hessian" in line for line in lines(found))
    assert ("kinks" in found.head()) == bool(kinks)


def test_dead_units_are_degenerate_and_attract_under_decay(tmp_path):
    weights = save(tmp_path / "w.npz", "mlp:2-2-1:relu", b1=np.full(2, -100.0))
    dead = asked("mlp:2-2-1:relu", ["h1=0,1"], parameters=weights)
    assert dead.classes == (StabilityClass.DEGENERATE,)
    assert (dead.critical_decay.low, dead.critical_decay.high) == (0, 0)
    decayed = asked("mlp:2-2-1:relu", ["h1=0,1"], parameters=weights, decay="1/100")
    assert decayed.classes == (StabilityClass.ATTRACTING,)


def test_the_escape_direction_is_unit_and_ordered():
    escape = asked().escape
    shares = [share for _, share in escape.shares]
    assert sum(shares) == pytest.approx(1)
    assert shares == sorted(shares, reverse=True)
    # In [[B, G], [Gᵀ, 0]] the outgoing part of an eigenvector is Gᵀ u / λ, and never the whole.
    assert 0 < escape.incoming < 1


def test_large_questions_are_observed_and_say_why(monkeypatch):
    certified = asked()
    monkeypatch.setattr("proofs_check.stability.classification.MAX_SECONDS", 0.0)
    found = asked()
    assert (certified.level, found.level) == ("enclosed", "observed")
    assert found.inertia == certified.inertia
    assert "--samples" in found.reason
    assert any("observed" in line for line in lines(found))


def test_the_time_is_foreseen_within_reason():
    """What takes minutes is not begun: 1,797 digits through convolutions in balls."""
    small = make_stability_question(from_name("mlp:64-8-10:tanh"), ["h1=0,1"], data="digits")
    large = make_stability_question(from_name("cnn:8x8:1-4-4:10:tanh"), ["c2=0,1"], data="digits")
    seconds = []
    for question in (small, large):
        net, data = question.architecture, question.task
        two = Task("two", data.x[:2], data.y[:2])  # the rows do not depend on the data
        blocks = transverse_blocks(net, question.partition, question.parameters, two, MSE)
        seconds.append(expected_seconds(net, blocks, len(data.x)))
    assert seconds[0] < 10
    assert seconds[1] > 100


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("mlp:6-4-3:tanh", "cross-entropy"),
        ("mlp:6-4-4-3:tanh", "cross-entropy"),
        ("mlp:6-4-3:tanh", "mse"),
        ("vit:4x4:2:1-1-4-2-4:3", "cross-entropy"),
    ],
)
@pytest.mark.parametrize("samples", [1, 3, 8])
def test_zeros_known_for_a_reason_are_zeros(name, loss, samples):
    """Never more than are small in float64; for dense layers exactly those."""
    axis = "m1" if "vit" in name else "h1"
    found = asked(name, [f"{axis}=0,1"], loss=loss, samples=samples)
    for verdict in found.blocks:
        size = np.abs(verdict.eigenvalues).max()
        small = int(np.sum(np.abs(verdict.eigenvalues) < 1e-12 * size))
        assert verdict.inertia.zero <= small
        if axis == "h1":
            assert verdict.inertia.zero == small
            assert verdict.inertia.undecided == 0


def test_balls_around_zero_are_not_zeros():
    """A form of wide balls that hold 0 has no eigenvalue that is known to be 0."""
    asked_for = make_stability_question(from_name("mlp:2-2-1:tanh"), ["h1=0,1"], samples=8)
    net, data = asked_for.architecture, asked_for.task
    (block,) = transverse_blocks(
        net, asked_for.partition, asked_for.parameters, data, MSE, system=Ball(64)
    )
    vague = replace(block, source=block.form * 0 + arb(0, 1))
    assert known_nullity(net, block, 8, MSE) == 0
    assert known_nullity(net, vague, 8, MSE) == 0


def test_json_and_words_agree(tmp_path):
    path = tmp_path / "answer.json"
    arguments = ["stability", "mlp:3-4-4-2:relu", "--clone", CLONES[0], "--json", str(path)]
    assert main(arguments) == 0
    found = json.loads(path.read_text())
    assert {"blocks", "class", "escape_rate", "critical_weight_decay"} <= set(found)
    for block in found["blocks"]:
        counts = block["negative"] + block["zero"] + block["positive"] + block["undecided"]
        assert counts == len(block["eigenvalues"])
        assert block["level"] == "proved"
    assert found["class"] == "saddle"
    assert found["escape_rate"] == pytest.approx(found["critical_weight_decay"])


def test_a_table_for_notebooks():
    html = asked()._repr_html_()
    assert "saddle" in html
    assert html.count("<tr>") == 4


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture_is_drawn(tmp_path, suffix):
    path = tmp_path / f"spectrum.{suffix}"
    arguments = ["stability", "mlp:3-4-2:relu", "--clone", "h1=0,1/2,3", "--rate", "1/10"]
    assert main([*arguments, "--picture", str(path)]) == 0
    assert path.stat().st_size > 1000
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def save(path, name="mlp:2-2-1:tanh", **changes):
    """Block-constant weights in a file."""
    shapes = from_name(name).parameter_shapes
    weights = {p: np.full(s, 0.5) for p, s in shapes.items()} | changes
    np.savez(path, **{p: w for p, w in weights.items() if w is not None})
    return str(path)


def test_weights_and_data_from_files(tmp_path, capsys):
    weights = save(tmp_path / "w.npz")
    data = str(tmp_path / "d.npz")
    np.savez(data, x=np.ones((3, 2)), y=np.zeros((3, 1)))
    arguments = ["stability", "mlp:2-2-1:tanh", "--clone", "h1=0,1", "--json", "-"]
    assert main([*arguments, "--parameters", weights, "--data", data]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["point"] == f"the weights in {weights}"
    assert "3 samples" in found["data"]


def test_classes_as_targets_are_one_hot(tmp_path):
    data = str(tmp_path / "d.npz")
    np.savez(data, x=np.ones((3, 2)), y=np.array([0, 1, 1]))
    asked_for = make_stability_question(
        from_name("mlp:2-2-2:tanh"), ["h1=0,1"], data=data, loss="cross-entropy"
    )
    assert asked_for.task.y.tolist() == [[1, 0], [0, 1], [0, 1]]


TANH = "mlp:2-2-1:tanh"
BAD = [
    ([TANH], "give clones"),
    ([TANH, "--clone", "h1=0"], "no two units are clones"),
    ([TANH, "--clone", "h9=0,1"], "unknown axis 'h9'"),
    ([TANH, "--clone", "y=0,1"], "unit 1 is not in 0..0"),
    (["mlp:2-2-1", "--clone", "h1=0,1"], "any function"),
    ([TANH, "--clone", "h1=0,1", "--weight-decay=-1"], "a strength λ is a number >= 0"),
    ([TANH, "--clone", "h1=0,1", "--weight-decay", "nan"], "expected a number"),
    ([TANH, "--clone", "h1=0,1", "--weight-decay", "1e400"], "between 1e-100 and 1e+100"),
    ([TANH, "--clone", "h1=0,1", "--rate", "1e999999999"], "between 1e-100 and 1e+100"),
    ([TANH, "--clone", "h1=0,1", "--rate", "1e-101"], "between 1e-100 and 1e+100"),
    ([TANH, "--clone", "h1=0,1", "--rate", "1e-999999999"], "a step size η is a number > 0"),
    (["mlp:2-2-1:log", "--clone", "h1=0,1"], "not finite in float64"),
    ([TANH, "--clone", "h1=0,1", "--rate", "0"], "a step size η is a number > 0"),
    ([TANH, "--clone", "h1=0,1", "--rate", "1", "--momentum", "1"], "momentum β is in [0, 1)"),
    ([TANH, "--clone", "h1=0,1", "--momentum", "0.9"], "give --rate too"),
    ([TANH, "--clone", "h1=0,1", "--loss", "hinge"], "there are mse, cross-entropy"),
    ([TANH, "--clone", "h1=0,1", "--data", "digits"], "64 inputs and 10 outputs"),
    ([TANH, "--clone", "h1=0,1", "--data", "images"], "random, digits, or a file"),
    ([TANH, "--clone", "h1=0,1", "--data", "none.npz"], "No such file"),
    ([TANH, "--clone", "h1=0,1", "--samples", "0"], "at least one sample"),
    ([TANH, "--clone", "h1=0,1", "--samples", "1000000000"], "random data have at most"),
    ([TANH, "--clone", "h1=0,1", "--picture", "a.gif"], "the name ends in"),
    ([TANH, "--clone", "h1=0,1", "--zero", "h1:0"], "No such option"),
    (["decoder:8-4-1-4-1-4", "--clone", "d=0,1"], "one axis of outputs"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_bad_input_is_one_line(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["stability", *arguments, "--json", "answer.json"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


WEIGHTS = [
    ({"W1": np.array([[0.5, 0.6], [0.5, 0.5]])}, "not block-constant"),
    ({"W1": None}, "the parameter 'W1' is missing"),
    ({"W1": np.ones((3, 2))}, "'W1' has shape (3, 2)"),
    ({"W1": np.full((2, 2), np.nan)}, "'W1' is not finite"),
    ({"W7": np.ones(2)}, "'W7' is no parameter"),
]


@pytest.mark.parametrize(("changes", "message"), WEIGHTS)
def test_weights_that_do_not_fit(changes, message, tmp_path, capsys):
    weights = save(tmp_path / "w.npz", **changes)
    assert main(["stability", TANH, "--clone", "h1=0,1", "--parameters", weights]) == 2
    assert message in capsys.readouterr().err


DATA = [
    ({"x": np.ones((3, 2))}, "the array 'y' is missing"),
    ({"x": np.ones((3, 3)), "y": np.ones((3, 1))}, "x has shape (3, 3)"),
    ({"x": np.ones((3, 2)), "y": np.ones((2, 1))}, "y (2, 1)"),
    ({"x": np.ones((0, 2)), "y": np.ones((0, 1))}, "x has shape (0, 2)"),
    ({"x": np.full((1, 2), np.inf), "y": np.ones((1, 1))}, "'x' is not finite"),
]


@pytest.mark.parametrize(("arrays", "message"), DATA)
def test_data_that_do_not_fit(arrays, message, tmp_path, capsys):
    np.savez(tmp_path / "d.npz", **arrays)
    data = str(tmp_path / "d.npz")
    assert main(["stability", TANH, "--clone", "h1=0,1", "--data", data]) == 2
    assert message in capsys.readouterr().err


def test_numbers_too_large_for_floats(tmp_path, capsys):
    np.savez(tmp_path / "d.npz", x=np.full((1, 2), 1e300), y=np.ones((1, 1)))
    weights = save(tmp_path / "w.npz", "mlp:2-2-1:relu")
    files = ["--data", str(tmp_path / "d.npz"), "--parameters", weights]
    assert main(["stability", "mlp:2-2-1:relu", "--clone", "h1=0,1", *files]) == 2
    printed = capsys.readouterr().err
    assert "not finite in float64" in printed
    assert len(printed.splitlines()) == 1


def test_rounded_distributions_are_targets(tmp_path):
    """0.1 + 0.2 + 0.7 is not 1 for these floats; one zero at the logits is known all the same."""
    data = str(tmp_path / "d.npz")
    np.savez(data, x=np.array([[1.0, 0.5], [-0.3, 2]]), y=np.tile([0.1, 0.2, 0.7], (2, 1)))
    found = asked("mlp:2-2-3:tanh", ["h1=0,1"], data=data, loss="cross-entropy")
    expected = dense(found)
    assert found.inertia.is_decided
    assert found.inertia.negative == int(np.sum(expected < -1e-12))
    assert found.inertia.positive == int(np.sum(expected > 1e-12))


def test_targets_of_cross_entropy_are_distributions(tmp_path, capsys):
    data = str(tmp_path / "d.npz")
    np.savez(data, x=np.ones((1, 2)), y=np.array([[1.0, 1.0]]))
    arguments = ["stability", "mlp:2-2-2:tanh", "--clone", "h1=0,1", "--loss", "cross-entropy"]
    assert main([*arguments, "--data", data]) == 2
    assert "distributions" in capsys.readouterr().err


def test_rounding_of_trained_clones_is_taken_away(tmp_path):
    off = np.full((2, 2), 0.5)
    off[0, 1] += 1e-15
    weights = save(tmp_path / "w.npz", W1=off)
    found = stability(make_stability_question(from_name(TANH), ["h1=0,1"], parameters=weights))
    assert 0 < found.moved < 1e-14
    assert found.level == "enclosed"


def test_an_architecture_of_ones_own():
    net = Architecture(
        lambda p, x: np.maximum(x @ p["W"], 0) @ p["V"],
        sizes={"x": 2, "h": 4, "y": 1},
        parameters={"W": ("x", "h"), "V": ("h", "y")},
    )
    found = stability(make_stability_question(net, ["h=0,1"]))
    assert found.level == "proved"
