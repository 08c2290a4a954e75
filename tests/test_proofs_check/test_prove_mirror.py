"""``lop prove`` with mirrored clones and zero units."""

import re

import pytest

from proofs_check.cli import main
from proofs_check.errors import OptionError
from proofs_check.prove import answer
from proofs_check.question import make_question, parse_zero
from theory.errors import PartitionError
from theory.zoo import from_name


def asked(name, **options):
    return answer(make_question(from_name(name), **options)).as_json()


@pytest.mark.parametrize(
    ("name", "options", "verdict", "dimension"),
    [
        ("mlp:3-4-4-2:tanh", {"mirrors": ["h1=0,-1/2,3"]}, "proved", 30),
        ("mlp:3-4-4-2:tanh", {"clones": ["h1=0,1/2,3"]}, "proved", 30),
        ("mlp:3-4-4-2:gelu", {"mirrors": ["h1=0,-1/2,3"]}, "refuted", 30),
        ("mlp:3-4-4-2:gelu", {"mirrors": ["h1=0,1/2,3"]}, "proved", 30),
        ("mlp:3-4-4-2:tanh", {"mirrors": ["y=0,-1"]}, "refuted", 41),
        ("mlp:3-4-4-2:gelu", {"zeros": ["h1:3"]}, "proved", 38),
        ("mlp:3-4-4-2:sigmoid", {"zeros": ["h1:3"]}, "refuted", 38),
        ("mlp:3-4-4-2", {"zeros": ["h1:3"]}, "refuted", 38),
        # 16 parameters at the two units, one of them at both
        ("mlp:3-4-4-2:relu", {"zeros": ["h1:3", "h2:0"]}, "proved", 46 - 8 - 7 + 1),
        ("mlp:3-4-4-2:tanh", {"mirrors": ["h1=0,-1"], "zeros": ["h1:3"]}, "proved", 30),
        (
            "mlp:3-4-4-2:tanh",
            {"mirrors": ["h1=0,-1"], "clones": ["h2=0,1"]},
            "proved",
            46 - 4 - 6 - 3,
        ),
    ],
)
def test_verdicts_and_dimensions(name, options, verdict, dimension):
    found = asked(name, **options)
    assert (found["verdict"], found["manifold_dimension"]) == (verdict, dimension)


def test_mirrored_clones_are_frozen_at_opposite_values():
    net = from_name("mlp:3-4-4-2:tanh")
    question = make_question(net, freezes=["h1:0=1", "h1:1=-1"], mirrors=["h1=0,-1"])
    assert answer(question).as_json()["verdict"] == "proved"
    with pytest.raises(OptionError, match="mirrored ones opposite values"):
        make_question(net, freezes=["h1:0=1", "h1:1=1"], mirrors=["h1=0,-1"])
    with pytest.raises(OptionError, match="mirrored ones opposite values"):
        make_question(net, freezes=["h1:0=0"], mirrors=["h1=0,-1"])


def test_a_zero_unit_is_frozen_at_0_only():
    net = from_name("mlp:3-4-4-2:relu")
    question = make_question(net, freezes=["h1:0=0"], zeros=["h1:0"])
    assert answer(question).as_json()["verdict"] == "proved"
    with pytest.raises(OptionError, match="unit 0 is a zero unit, so it cannot be frozen at 1/2"):
        make_question(net, freezes=["h1:0=1/2"], zeros=["h1:0"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, OptionError, "--mirror h=0,-1, --zero h:3"),
        ({"clones": ["h1=0,1"], "mirrors": ["h1=2,-3"]}, OptionError, "has blocks already"),
        ({"mirrors": ["h1=0,-1", "h1=2,-3"]}, OptionError, "--mirror 'h1=2,-3': axis 'h1' has"),
        ({"clones": ["h1=0,-1"]}, PartitionError, "blocks are written h=0,1/2,3, units from 0"),
        ({"mirrors": ["h1=0,--1"]}, PartitionError, "blocks are written h=0,-1/2,3"),
        ({"mirrors": ["h1=0,-0"]}, PartitionError, "unit 0 is in blocks[0] too"),
        ({"mirrors": ["h1=-2"]}, OptionError, "holds for all 46 parameters"),
        ({"zeros": ["h1:2", "h1:2"]}, OptionError, "unit 2 of 'h1' is zero already"),
        ({"zeros": ["h1:1"], "clones": ["h1=0,1"]}, OptionError, "unit 1 of 'h1' is a clone"),
        ({"zeros": ["h1:4"]}, PartitionError, "axis 'h1': zero=(4,): unit 4 is not in 0..3"),
        ({"zeros": ["h9:4"]}, PartitionError, "unknown axis 'h9'"),
    ],
)
def test_what_cannot_be_asked(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make_question(from_name("mlp:3-4-4-2:tanh"), **options)


@pytest.mark.parametrize("text", ["h", ":3", "h:", "h:-1", "h:a", "h=3", "h:²"])
def test_zero_units_in_another_form_are_refused(text):
    with pytest.raises(OptionError, match=re.escape(repr(text))):
        parse_zero(text)


def test_the_command_line_takes_both(capsys):
    assert main(["prove", "mlp:2-3-1:tanh", "--mirror", "h1=0,-1", "--zero", "h1:2"]) == 0
    shown = capsys.readouterr().out
    assert "mirrored clones h1=0,-1; zero h1:2" in " ".join(shown.split())
