"""What an answer of ``lop prove`` may and may not say."""

import numpy as np
import pytest

from proofs_check.cli import main
from proofs_check.errors import OptionError
from proofs_check.prove import answer
from proofs_check.question import make_question
from theory.activation import Activation, activation
from theory.architecture import Architecture
from theory.errors import ArchitectureError
from theory.invariance import check_invariance, refute
from theory.manifold import equitable
from theory.partition import make_partition
from theory.zoo import from_name

SIZES = {"x": 2, "h": 2, "y": 1}
PARAMETERS = {"W": ("x", "h"), "V": ("h", "y")}


def asked(forward, clones=("h=0,1",)):
    return answer(make_question(Architecture(forward, SIZES, PARAMETERS), clones)).as_json()


def test_coupled_samples_are_proved_for_the_size_of_the_batch_that_was_tested():
    def forward(p, x):
        z = x @ p["W"]
        skew = ((z - z.mean(axis=0)) ** 3).mean(axis=0)  # 0 for two samples, not for three
        return (activation("phi")(z) + skew * np.array([1, 0])) @ p["V"]

    assert asked(forward)["scope"].startswith("every batch of 2 inputs and labels,")


def test_a_frozen_unit_restricts_the_data():
    found = answer(make_question(from_name("mlp:2-2-1:relu"), freezes=["h1:0=0"])).as_json()
    assert found["scope"].startswith("every input and label on which h1[0] is constantly 0,")


def test_normalising_one_block_by_a_root_is_undefined():
    def forward(p, x):
        h = activation("phi")(x @ p["W"])
        centred = h - h.mean(axis=1, keepdims=True)
        return (centred / np.sqrt((centred**2).mean(axis=1, keepdims=True))) @ p["V"]

    found = asked(forward)
    assert (found["verdict"], found["detail"][:9]) == ("unknown", "undefined")
    net = Architecture(forward, SIZES, PARAMETERS)
    clones = equitable(net, make_partition(net.sizes, {"h": [[0, 1]]}))
    assert check_invariance(net, clones).verdict == "unknown"


@pytest.mark.parametrize("freezes", [["h1:0=0"], ["h1:0=0", "h1:1=1"]])
def test_clones_are_frozen_together_or_not_at_all(freezes):
    with pytest.raises(OptionError, match=r"^axis 'h1': of the clones 0, 1 some are frozen"):
        make_question(from_name("mlp:2-2-1:relu"), ["h1=0,1"], freezes)


def test_clones_frozen_alike_are_proved():
    question = make_question(from_name("mlp:2-2-1:relu"), ["h1=0,1"], ["h1:0=0", "h1:1=0"])
    assert answer(question).as_json()["verdict"] == "proved"


def test_an_axis_may_not_be_named_like_the_samples():
    with pytest.raises(ArchitectureError, match=r"^sizes\['batch'\]"):
        Architecture(lambda p, x: x @ p["W"], {"x": 2, "batch": 3}, {"W": ("x", "batch")})


def test_two_functions_of_one_name_get_no_common_polynomial():
    odd, free = Activation("phi", parity="odd"), Activation("phi")
    net = Architecture(
        lambda p, x: odd(x @ p["W"]) @ p["V"] + free(x @ p["U"]),
        sizes=SIZES,
        parameters={**PARAMETERS, "U": ("x", "y")},
    )
    half = equitable(net, make_partition(net.sizes, {"x": [[0, 1]]}))
    assert refute(net, half) is None


@pytest.mark.parametrize(
    ("network", "unit", "words"),
    [
        ("vit:4x4:4:1-1-2-1-2:2:gelu", "m1:0=0", "as by a convolution"),
        ("decoder:3-2-1-2-1-2:gelu", "m1:0=0", "in layer_norm units are added without weights"),
    ],
)
def test_frozen_units_of_layered_networks_are_left_to_discover(network, unit, words, capsys):
    assert main(["prove", network, "--freeze", unit]) == 2
    (told,) = capsys.readouterr().err.splitlines()
    assert words in told
    hint = f"lop discover TARGET --freeze {unit}"
    assert hint in told
    assert main([*hint.replace("TARGET", network).split()[1:], "--bits", "20"]) == 0
    assert "never learns" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("network", "unit", "words"),
    [
        ("gated_mlp:3-4-2:silu", "h1:0=0", "meet Multiply after their function symbol"),
        ("rnn:3-4-2-3:tanh", "h:0=0", "which of them is the unit's output is ambiguous"),
    ],
)
def test_where_a_constant_unit_means_nothing_discover_is_not_advised(network, unit, words, capsys):
    for command in ("prove", "discover"):
        assert main([command, network, "--freeze", unit]) == 2
        assert words in capsys.readouterr().err
