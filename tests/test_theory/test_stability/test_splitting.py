"""Splitting a unit: against dense Hessians in numbers, N3, and false factors."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

from tests.test_theory.test_stability.second_order import at, hessian
from theory.errors import PartitionError
from theory.partition import make_partition
from theory.stability import derive, splitting
from theory.stability.fukumizu_amari import share_congruence
from theory.zoo import mlp

LAMBDA = sympy.Symbol("lambda")


def counts(matrix):
    values = np.linalg.eigvalsh(np.array(matrix.tolist(), dtype=float))
    scale = max(1.0, np.abs(values).max())
    return int(np.sum(values < -1e-9 * scale)), int(np.sum(values > 1e-9 * scale))


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize(
    "shares",
    [("1/2", "1/2"), ("1/3", "2/3"), ("-1/2", "3/2"), ("0", "1"), ("2/3", "2/3", "-1/3")],
)
def test_inertia_of_the_dense_hessian(outputs, shares):
    shares = [Fraction(s) for s in shares]
    samples = [[1], [-2]]
    w, b = [[Fraction(1, 2)]], [Fraction(-1, 3)]
    a = [[Fraction(k + 1, 2) for k in range(outputs)]]
    c = [Fraction(1, 5)] * outputs
    base = hessian([(w, b), (a, c)], samples)
    copies = len(shares)
    split_theta = [
        ([w[0] * copies], b * copies),
        ([[s * v for v in a[0]] for s in shares], c),
    ]
    found = counts(hessian(split_theta, samples))
    block = splitting(mlp([1, 1, outputs]), batch=2)
    names = {"w^{(1)}_{11}": w[0][0], "b^{(1)}_{1}": b[0], "x_{1,1}": 1, "x_{2,1}": -2}
    names |= {f"w^{{(2)}}_{{1{k + 1}}}": v for k, v in enumerate(a[0])}
    names |= {f"b^{{(2)}}_{{{k + 1}}}": v for k, v in enumerate(c)}
    numbers = {sympy.Symbol(n): sympy.Rational(str(v)) for n, v in names.items()}
    curvature, gain = (m.applyfunc(lambda e: at(e, numbers)) for m in (block.curvature, block.gain))
    kernel = gain.T.nullspace()
    inside = (0, 0)
    if kernel:
        z = sympy.Matrix.hstack(*kernel)
        inside = counts(z.T * curvature * z)
    negative = sum(s < 0 for s in shares)
    positive = sum(s > 0 for s in shares)
    rank = gain.rank()
    own = counts(base)
    expected = tuple(
        own[k] + (copies - 1) * rank + (positive - 1) * inside[k] + negative * inside[1 - k]
        for k in (0, 1)
    )
    assert found == expected


def test_equal_copies_have_the_block_of_n3():
    split = splitting(mlp([1, 1, 1]))
    network = mlp([1, 2, 1])
    (block,) = derive(network, make_partition(network.sizes, {"h1": [[0, 1]]})).blocks
    # Orthonormal coordinates: η = √2 t and ζ = s/√2; the clones' outgoing weights are a/2.
    scale = sympy.diag(sympy.sqrt(2), sympy.sqrt(2), 1 / sympy.sqrt(2))
    found = scale * split.transverse(sympy.Rational(1, 2)) * scale
    numbers = dict(zip(["w", "b", "a", "c", "x"], (2, -1, 3, 1, 5), strict=True))
    base = {
        "w^{(1)}_{11}": "w",
        "b^{(1)}_{1}": "b",
        "w^{(2)}_{11}": "a",
        "b^{(2)}_{1}": "c",
        "x_{1}": "x",
    }
    clones = {
        r"\bar{w}^{(1)}_{11}": "w",
        r"\bar{b}^{(1)}_{1}": "b",
        r"\bar{w}^{(2)}_{11}": "a",
        r"\bar{b}^{(2)}_{1}": "c",
        "x_{1}": "x",
    }
    target = {sympy.Symbol("t"): 0}
    one = found.applyfunc(
        lambda e: at(e, {sympy.Symbol(n): numbers[k] for n, k in base.items()} | target)
    )
    halves = {**numbers, "a": sympy.Rational(numbers["a"], 2)}
    other = block.matrix.applyfunc(
        lambda e: at(e, {sympy.Symbol(n): halves[k] for n, k in clones.items()} | target)
    )
    assert one == other


@pytest.mark.parametrize(
    "factor",
    [LAMBDA, LAMBDA**2, -LAMBDA * (1 - LAMBDA), LAMBDA * (1 - LAMBDA) / 2, sympy.Rational(1, 4)],
)
def test_false_factors_are_refuted(factor):
    found = splitting(mlp([1, 1, 1]), factor=sympy.Matrix([[factor]])).outcome
    assert found.verdict == "refuted"
    assert found.counterexample is not None
    assert "lambda" in found.counterexample


def test_three_copies_need_the_product_of_shares():
    first = sympy.symbols("lambda_1 lambda_2")
    assert splitting(mlp([1, 1, 1]), copies=3).verdict == "proved"
    without = sympy.diag(*first)
    assert splitting(mlp([1, 1, 1]), copies=3, factor=without).verdict == "refuted"
    assert share_congruence(5).verdict == "proved"


def test_a_unit_among_others_and_in_front_of_others():
    assert splitting(mlp([1, 2, 1])).verdict == "proved"
    assert splitting(mlp([1, 1, 1, 1])).verdict == "proved"


def test_shown_and_refused():
    split = splitting(mlp([1, 1, 1]))
    for text in (split._repr_latex_(), split._repr_html_(), split.to_latex(), str(split)):
        assert text.count("{") == text.count("}")
    assert split.shape_factor == sympy.Matrix([[LAMBDA - LAMBDA**2]])
    with pytest.raises(PartitionError, match="at least two"):
        splitting(mlp([1, 1, 1]), copies=1)
    with pytest.raises(PartitionError, match="hidden"):
        splitting(mlp([1, 1, 1]), "y")
    with pytest.raises(PartitionError, match="describes two"):
        splitting(mlp([1, 1, 1]), copies=3).transverse(LAMBDA)
