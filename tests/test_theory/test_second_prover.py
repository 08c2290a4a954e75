"""Tangency as a satisfiability problem, for Z3: an opinion without our canonical forms.

Parameters and data are real numbers, φ, φ' and the partial derivatives of ℓ uninterpreted
functions, the manifold is its equations. "Some residual is not 0" is unsatisfiable for a true
statement and has a model for a false one. The theory is undecidable in general (products of
unknowns), so Z3 may answer ``unknown`` within its time, and a test that needs a verdict fails then.
"""

from typing import Any

import pytest
import z3

from theory.architecture import Architecture
from theory.errors import LopError
from theory.invariance import check_invariance
from theory.manifold import (
    Manifold,
    block_constant,
    equitable,
    incoming_equitable,
    outgoing_equitable,
)
from theory.partition import make_partition
from theory.symbolic import gradient_field
from theory.symbolic.functions import FunctionSymbol, LossSymbol
from theory.zoo import mlp

MILLISECONDS = 20_000
VERDICTS = {"unsat": "proved", "sat": "refuted", "unknown": "unknown"}


def second_opinion(
    architecture: Architecture, manifold: Manifold, tangent: Manifold | None = None
) -> str:
    field = gradient_field(architecture)
    terms = _Terms()
    solver = z3.Solver()
    solver.set("timeout", MILLISECONDS)
    for row in manifold.constraints():
        solver.add(_combination(terms, field.parameters, row.terms) == _number(row.value))
    residuals = [
        _combination(terms, field.gradient, row.terms)
        for row in (tangent or manifold).constraints()
    ]
    solver.add(z3.Or([residual != 0 for residual in residuals]))
    return VERDICTS[str(solver.check())]


def _combination(terms: "_Terms", arrays: Any, row: Any) -> Any:
    return z3.Sum([_number(c) * terms(arrays[p].flat[e]) for (p, e), c in row.items()])


def _number(value: Any) -> Any:
    return z3.RealVal(str(value))


class _Terms:
    """SymPy expressions as Z3 terms; a function symbol becomes an uninterpreted function."""

    def __call__(self, expression: Any) -> Any:
        if expression.is_Symbol:
            return z3.Real(str(expression))
        if expression.is_Rational:
            return _number(expression)
        arguments = [self(a) for a in expression.args]
        if expression.is_Add:
            return z3.Sum(arguments)
        if expression.is_Mul:
            return z3.Product(arguments)
        if isinstance(expression, FunctionSymbol | LossSymbol):
            sorts = [z3.RealSort()] * (len(arguments) + 1)
            return z3.Function(type(expression).__name__, *sorts)(*arguments)
        raise LopError(f"{expression}: not a polynomial in function values")


CASES = [
    ([1, 2, 1], {"h1": [[0, 1]]}),
    ([2, 2, 1], {"h1": [[0, 1]]}),
    ([2, 3, 1], {"h1": [[0, 2]]}),
    ([2, 2, 2], {"h1": [[0, 1]]}),
    ([2, 2, 2, 1], {"h1": [[0, 1]], "h2": [[0, 1]]}),
]


@pytest.mark.parametrize(("widths", "blocks"), CASES)
@pytest.mark.parametrize("space", [equitable, incoming_equitable, outgoing_equitable])
def test_both_provers_agree(widths, blocks, space):
    network = mlp(widths)
    manifold = space(network, make_partition(network.sizes, blocks))
    expected = "proved" if space is equitable else "refuted"
    assert check_invariance(network, manifold).verdict == expected
    assert second_opinion(network, manifold) == expected


@pytest.mark.parametrize(("widths", "blocks"), CASES)
def test_all_leaves(widths, blocks):
    network = mlp(widths)
    partition = make_partition(network.sizes, blocks)
    manifold, tangent = equitable(network, partition), block_constant(network, partition)
    assert check_invariance(network, manifold, tangent=tangent).verdict == "proved"
    assert second_opinion(network, manifold, tangent) == "proved"
