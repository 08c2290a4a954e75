"""The theorems: every machine check holds, displays are whole, and numbers agree."""

import re
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from theory.activation import activation, leaky_relu
from theory.manifold import ambient, outgoing_equitable
from theory.outcome import Outcome, conjoined
from theory.partition import make_partition
from theory.proof_step import Step
from theory.stability import Equation, compare, theorems
from theory.stability.block_theorem import BLOCKS
from theory.stability.critical_decay import HOMOGENEOUS, scaling_form
from theory.stability.emptiness import unchanged
from theory.stability.frozen_units import coupling, frozen_block
from theory.stability.inertia import eliminate
from theory.stability.zero_units import zero_unit
from theory.symbolic.functions import applied
from theory.theorem import Theorem
from theory.zoo import mlp

SLOW = {"N3.exchange", "N3"}  # their layers and networks have tests of their own


@pytest.mark.parametrize("theorem", theorems(), ids=lambda theorem: theorem.id)
def test_every_machine_check_holds(theorem):
    if theorem.id not in SLOW:
        assert theorem.verdict == "proved", str(theorem)
    assert any(step.check is not None for step in theorem.steps)
    assert all(step.scope for step in theorem.steps if step.check is not None) or theorem is BLOCKS


def test_ids_are_unique():
    ids = [theorem.id for theorem in theorems()]
    assert len(set(ids)) == len(ids)


def parts_of(text):
    return re.findall(r"\\begin\{(\w+\*?)\}|\\end\{(\w+\*?)\}", text)


@pytest.mark.parametrize("theorem", theorems(), ids=lambda theorem: theorem.id)
def test_displays_are_whole(theorem):
    if theorem.id in SLOW:
        pytest.skip("its display runs its checks")
    for text in (theorem._repr_latex_(), theorem._repr_html_(), theorem.to_latex()):
        assert text.count("{") == text.count("}")
        assert text.count("$") % 2 == 0
        opened = []
        for begin, end in parts_of(text):
            if begin:
                opened.append(begin)
            else:
                assert opened.pop() == end
        assert not opened
    assert theorem.statement in str(theorem)


def test_a_failed_step_is_seen():
    false = Step("0 = 1", (), lambda: compare([Equation("0", sympy.S.Zero, sympy.S.One)]))
    theorem = Theorem("N0", "false", "0 = 1", (), (Step("trivially"), false))
    assert theorem.verdict == "refuted"
    assert "refuted by SymPy" in theorem.to_latex()
    argument_only = Theorem("N0", "nothing checked", "0 = 1", (), (Step("trivially"),))
    assert argument_only.verdict == "unknown"


def test_a_family_of_nothing_proves_nothing():
    assert compare([]).verdict == "unknown"
    assert conjoined([]).verdict == "unknown"
    assert conjoined([Outcome("proved", "a"), Outcome("unknown", "b")]).detail == "b"


def test_roots_are_compared_exactly():
    x = sympy.Symbol("x")
    half = sympy.Rational(1, 4)
    assert compare([Equation("x", x, 2 * x, half)]).verdict == "proved"
    assert compare([Equation("x", x, x, sympy.Integer(2))]).verdict == "refuted"
    zero = sympy.Integer(0)
    assert compare([Equation("0", zero, zero, sympy.Integer(2))]).verdict == "proved"


def test_a_hidden_identity_is_unknown_and_not_refuted():
    z = sympy.Symbol("z")
    exponential = applied(activation("exp"), z)
    inverse = applied(activation("exp"), -z)
    found = compare([Equation("1", exponential * inverse, sympy.Integer(1))])
    assert found.verdict == "unknown"
    shifted = exponential * inverse + sympy.Rational(1, 10**20)
    assert compare([Equation("1", shifted, sympy.Integer(1))]).verdict == "refuted"


def test_division_by_nothing_is_unknown():
    x = sympy.Symbol("x")
    found = compare([Equation("x", 1 / x, 1 / x)], {x: sympy.Integer(0)})
    assert found.verdict == "unknown"


def test_quotients_that_need_the_field():
    x, y = sympy.symbols("x y")
    left = sympy.Add(x / (x + y), y / (x + y), evaluate=False)
    assert compare([Equation("1", left, sympy.Integer(1))]).verdict == "proved"
    assert compare([Equation("2", left, sympy.Integer(2))]).verdict == "refuted"


@given(st.integers(1, 3), st.integers(1, 3), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_inertia_is_that_of_eigenvalues(sources, targets, random):
    def integers(rows, columns):
        return sympy.Matrix(rows, columns, lambda i, j: random.randint(-2, 2))

    inner, gain = integers(sources, sources), integers(sources, targets)
    inner = inner + inner.T
    whole = sympy.BlockMatrix([[inner, gain], [gain.T, sympy.zeros(targets, targets)]])
    numbers = np.linalg.eigvalsh(np.array(sympy.Matrix(whole).tolist(), dtype=float))
    kernel = gain.T.nullspace()
    rest = sympy.zeros(0, 0)
    if kernel:
        z = sympy.Matrix.hstack(*kernel)
        rest = z.T * inner * z
    inside = np.linalg.eigvalsh(np.array(rest.tolist(), dtype=float).reshape(rest.shape))
    negative = gain.rank() + int(np.sum(inside < -1e-9))
    assert int(np.sum(numbers < -1e-9)) == negative
    positive = gain.rank() + int(np.sum(inside > 1e-9))
    assert int(np.sum(numbers > 1e-9)) == positive


def test_false_congruences_are_refuted():
    for share in (Fraction(0), Fraction(1), Fraction(1, 3)):
        assert eliminate(share).verdict == "refuted"


@pytest.mark.parametrize("axis", ["h1", "h2"])
def test_only_zero_sums_of_sources_on_ie_change_nothing(axis):
    network = mlp([1, 2, 2, 1])
    clones = make_partition(network.sizes, {"h1": [[0, 1]], "h2": [[0, 1]]})
    assert unchanged(network, clones, axis).verdict == "proved"
    assert unchanged(network, clones, axis, shape="arbitrary").verdict == "refuted"
    for manifold in (outgoing_equitable(network, clones), ambient(network)):
        assert unchanged(network, clones, axis, point=manifold).verdict == "refuted"


@pytest.mark.parametrize("case", HOMOGENEOUS[::2], ids=lambda case: case[0])
def test_another_degree_is_refuted(case):
    name, phi, degree = case
    assert scaling_form(name, phi, degree + 1).verdict == "refuted"


def test_functions_without_a_degree_are_refuted():
    for name in ("phi", "tanh"):
        assert scaling_form(name, activation(name), 1).verdict == "refuted"
    assert scaling_form("linear", leaky_relu(1), 1).verdict == "proved"


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_regularised_critical_point_has_the_predicted_eigenvalues(degree):
    # y = Σ a_v w_v^p with two clones, x = 1 and loss ½ (y - t)²: a = 1 and w² = p is critical
    # for the right target, with residual -λ w / (p a w^(p-1)).
    weights = sympy.symbols("w_1 w_2")
    outgoing = sympy.symbols("a_1 a_2")
    decay, target = sympy.Rational(1, 7), sympy.Symbol("t")
    y = sympy.Add(*(a * w**degree for a, w in zip(outgoing, weights, strict=True)))
    symbols = (*weights, *outgoing)
    loss = (y - target) ** 2 / 2
    whole = loss + decay / 2 * sympy.Add(*(s**2 for s in symbols))
    root = sympy.sqrt(degree)
    at = {**dict.fromkeys(weights, root), **dict.fromkeys(outgoing, sympy.Integer(1))}
    residual = -decay * root / (degree * root ** (degree - 1))
    at[target] = y.subs(at) - residual
    gradient = [sympy.simplify(sympy.diff(whole, s).subs(at)) for s in symbols]
    assert gradient == [0, 0, 0, 0]
    hessian = sympy.hessian(loss, symbols).subs(at)
    contrast = sympy.Matrix([[1, -1, 0, 0], [0, 0, 1, -1]]).T / sympy.sqrt(2)
    block = (contrast.T * hessian * contrast).applyfunc(sympy.simplify)
    eigenvalues = {sympy.nsimplify(sympy.simplify(v)) for v in block.eigenvals()}
    assert eigenvalues == {-degree * decay, decay}


def test_zero_units_need_a_function_that_vanishes_at_zero():
    assert zero_unit(vanishes_at_zero=False).verdict == "refuted"


def test_frozen_units_decouple_only_where_nothing_reaches_them():
    assert frozen_block().verdict == "proved"
    assert coupling(constant_input=False).verdict == "refuted"
