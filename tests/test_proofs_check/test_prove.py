"""Questions that options ask, and answers with the numbers that the theory gives."""

from fractions import Fraction

import pytest

from proofs_check.counterexample import find_counterexample
from proofs_check.errors import OptionError
from proofs_check.evidence import Level, Verdict
from proofs_check.prove import answer
from proofs_check.question import make_question, parse_freeze
from theory.errors import ArchitectureError, LopError, PartitionError
from theory.zoo import from_name

NET = from_name("mlp:3-4-4-2")


def found(network, clones=(), freezes=(), **options):
    return answer(make_question(network, clones, freezes), **options)


@pytest.mark.parametrize(
    ("clones", "freezes", "dimension"),
    [
        (["h1=0,1/2,3", "h2=0,1/2,3"], [], 24),
        ([], ["h1:0=0"], 38),
        ([], ["h2:0=0"], 39),
        ([], ["h1:0=0", "h1:1=0"], 30),
        ([], ["h1:0=0", "h2:0=0"], 32),
        ([], [f"h2:{k}=0" for k in range(4)], 2),
        ([], ["h1:3=-1/2"], 38),
        (["h1=0,1/2,3"], ["h2:1=0"], 25),
    ],
)
def test_what_the_theory_proves(clones, freezes, dimension):
    result = found(NET, clones, freezes)
    assert result.evidence.verdict is Verdict.PROVED
    level = Level.PROVED_WITH_ERROR if freezes else Level.PROVED
    assert result.evidence.level is level
    assert result.as_json()["error_bound"] <= 2.0**-60
    assert 0 < result.as_json()["exact"]["error_bound"] <= 2.0**-60
    assert bool(freezes) == (result.calculus is None)
    assert result.as_json()["manifold_dimension"] == dimension
    assert result.as_json()["parameters"] == 46


@pytest.mark.parametrize("network", ["mlp:3-4-2", "mlp:3-4-2:relu", "mlp:3-4-2:tanh"])
@pytest.mark.parametrize("clones", [["x=0,1"], ["y=0,1"]])
def test_clones_of_inputs_or_outputs_are_refuted_in_rational_numbers(network, clones):
    result = found(from_name(network), clones)
    assert result.evidence.verdict is Verdict.REFUTED
    assert result.evidence.level is Level.PROVED
    assert result.as_json()["counterexample"]["value"] not in ("0", 0)


def test_an_irrational_function_is_refuted_in_balls():
    """Softplus has no rational value at a rational point: log 2 at 0."""
    result = found(from_name("mlp:3-4-2:softplus"), ["y=0,1"])
    assert result.evidence.verdict is Verdict.REFUTED
    assert result.evidence.level is Level.ENCLOSED


@pytest.mark.parametrize("parity", [None, "odd", "even"])
def test_unknown_functions_have_an_enclosure(parity, monkeypatch):
    from theory.activation import activation
    from theory.zoo import mlp

    monkeypatch.setattr("proofs_check.counterexample.MAX_SHRUNK", 0)
    result = found(mlp([3, 4, 2], activation("phi", parity)), ["x=0,1"])
    assert result.evidence.level is Level.ENCLOSED


@pytest.mark.parametrize(
    ("network", "verdict"), [("mlp:3-4-2", Verdict.REFUTED), ("mlp:3-4-2:gelu", Verdict.UNKNOWN)]
)
def test_a_known_function_is_refuted_by_numbers_only(network, verdict, monkeypatch):
    """In the field a known function is any with its algebra; an unknown one is any at all."""
    monkeypatch.setattr("proofs_check.counterexample.MAX_ENCLOSED", 0)
    result = found(from_name(network), ["x=0,1"])
    assert result.counterexample is None
    assert result.evidence.verdict is verdict


def test_a_true_statement_has_no_counterexample():
    question = make_question(from_name("mlp:2-2-1:tanh"), ["h1=0,1"])
    assert (
        find_counterexample(
            question.architecture, question.points, question.tangent, batch=1, seed=0
        )
        is None
    )


def test_more_bits_cost_more_fields_and_give_more():
    assert found(NET, ["h1=0,1"], bits=100, method="exact").evidence.error_bits >= 100


def test_more_bits_than_the_hash_has_are_refused():
    with pytest.raises(LopError, match="bits=200: up to 40 components reach"):
        found(NET, ["h1=0,1"], bits=200)


def test_the_same_seed_gives_the_same_answer():
    one, two = (found(NET, ["x=0,1"], seed=3).as_json() for _ in range(2))
    del one["seconds"], two["seconds"]
    assert one == two


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("h:3=0", ("h", 3, 0)),
        ("h1:0=-1/2", ("h1", 0, Fraction(-1, 2))),
        ("h:3=0.25", ("h", 3, Fraction(1, 4))),
        ("h: 3 = 1e-3", ("h", 3, Fraction(1, 1000))),
    ],
)
def test_frozen_units(text, parsed):
    assert parse_freeze(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "h",
        "h=0",
        "h:=0",
        ":3=0",
        "h:3",
        "h:3=",
        "h:x=0",
        "h:-1=0",
        "h:3=nan",
        "h:3=inf",
        "h:3=1/0",
        "h:3=0=1",
        "h:1.5=0",
        "h:²=0",
    ],
)
def test_malformed_frozen_units(text):
    with pytest.raises(OptionError, match="a frozen unit is written h:3=0"):
        parse_freeze(text)


@pytest.mark.parametrize(
    ("clones", "freezes", "error", "message"),
    [
        ([], [], OptionError, "nothing to prove"),
        (["h1=0,1", "h1=2,3"], [], OptionError, "has blocks already"),
        ([], ["h1:0=0", "h1:0=1"], OptionError, "is frozen already"),
        (["h1=0/1/2/3"], [], OptionError, "--clone h1=0/1/2/3: holds for all 46 parameters"),
        (["h2=1"], [], OptionError, "a block has two units or more"),
        (["q=0,1"], [], PartitionError, "unknown axis 'q'; the axes are x, h1, h2, y"),
        (["h1=0,1/1,2"], [], PartitionError, "unit 1 is in"),
        (["h1=0,9"], [], PartitionError, "unit 9 is not in 0..3"),
        (["h1=0,/2,3"], [], PartitionError, "blocks are written"),
        (["h1"], [], PartitionError, "blocks are written"),
        (["h1="], [], PartitionError, "blocks are written"),
        ([""], [], PartitionError, "blocks are written"),
        ([], ["q:0=0"], ArchitectureError, "unknown axis 'q'"),
        ([], ["h1:9=0"], ArchitectureError, "unit 9 is not in 0..3"),
    ],
)
def test_unusable_options(clones, freezes, error, message):
    with pytest.raises(error, match=message):
        make_question(NET, clones, freezes)


@pytest.mark.parametrize("bits", [0.0, -1.0, float("nan"), float("inf"), 1e9])
def test_unusable_bits(bits):
    with pytest.raises(LopError, match="bits"):
        found(NET, ["h1=0,1"], bits=bits)


def test_negative_seed():
    with pytest.raises(OptionError, match="seed -1"):
        found(NET, ["h1=0,1"], seed=-1)
