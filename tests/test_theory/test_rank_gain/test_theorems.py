"""The proofs have no gaps, and would have if a formula were wrong."""

from dataclasses import replace
from html import escape

import pytest
import sympy

from theory.proof_step import Step
from theory.rank_gain import (
    collapse_theorem,
    decorrelation_theorem,
    equality_theorem,
    monotone_theorem,
    optimal_theorem,
    rank_gain_theorem,
    sharp_theorem,
    sign_limit_theorem,
)
from theory.rank_gain.proof import Equal, Facts, NonNegative

THEOREMS = [
    collapse_theorem,
    decorrelation_theorem,
    equality_theorem,
    monotone_theorem,
    optimal_theorem,
    rank_gain_theorem,
    sharp_theorem,
    sign_limit_theorem,
]
X, Y = sympy.symbols("x y")


@pytest.mark.parametrize("make", THEOREMS)
def test_no_gaps(make):
    theorem = make()
    assert theorem.gaps() == ()
    assert theorem.num_facts > 0


def spoiled(fact):
    """The same fact with 1 % more on its right, or in its witness."""
    more = sympy.Rational(101, 100)
    if isinstance(fact, Equal):
        return Equal(fact.left, fact.right * more + sympy.Rational(1, 100))
    return NonNegative(fact.expression, fact.witness * more, fact.generators)


@pytest.mark.parametrize("make", THEOREMS)
def test_every_fact_can_fail(make):
    theorem = make()
    for k, step in enumerate(theorem.steps):
        facts = step.check.facts if step.check is not None else ()
        for n, fact in enumerate(facts):
            check = Facts((*facts[:n], spoiled(fact), *facts[n + 1 :]))
            steps = (*theorem.steps[:k], replace(step, check=check), *theorem.steps[k + 1 :])
            gaps = replace(theorem, steps=steps).gaps()
            assert len(gaps) == 1
            assert gaps[0].startswith(f"step {k + 1}:")


def test_witnesses_with_a_negative_coefficient_or_another_function():
    square = {X: X**2}
    assert NonNegative(3 * X**4, 3 * X**2, square).holds
    assert not NonNegative(-3 * X**4, -3 * X**2, square).holds
    assert not NonNegative(sympy.sin(X**2), sympy.sin(X), square).holds
    assert not NonNegative(X**2 * Y, X * Y, square).holds  # Y is no generator


@pytest.mark.parametrize("make", THEOREMS)
def test_as_shown(make):
    theorem = make()
    page, document = theorem._repr_html_(), theorem.to_latex()
    assert page.count("<p><b>") == len(theorem.steps) + 1
    with_formulas = sum(bool(step.formulas) for step in theorem.steps)
    assert page.count("$$") == 2 * with_formulas
    assert document.count(r"\begin{align*}") == document.count(r"\end{align*}") == with_formulas
    for step in theorem.steps:
        assert step.check is None or all(f.latex in step.formulas for f in step.check.facts)
    assert theorem.name in str(theorem)
    assert escape(theorem.statement) in page
    for step in (*theorem.steps, Step(theorem.statement)):
        assert step.sentence.count("$") % 2 == 0
