"""Kinds of conserved functionals: the groups span what was given, and say what it is."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Matrix

from theory.conserved import conserved_groups
from theory.entry_sets import IndexedTensor
from theory.errors import ManifoldError

AXES = {"W": ("x", "h"), "b": ("h",)}
SIZES = {"x": 2, "h": 3}
ENTRIES = [*(("W", e) for e in range(6)), *(("b", e) for e in range(3))]


def groups(rows):
    return conserved_groups(rows, AXES, SIZES)


def described(rows):
    return [(g.kind, g.text) for g in groups(rows)]


def row(**terms):
    """``W0=1`` is coefficient 1 at flat entry 0 of W."""
    return {(name[0], int(name[1:])): Fraction(c) for name, c in terms.items()}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([row(b0=1), row(b1=1), row(b2=1)], [("never learns", "b (all 3 entries)")]),
        ([row(W1=1), row(W4=1)], [("never learns", "W[:, 1]")]),
        ([row(b0=-1, b2=1)], [("cloned", "b: equal steps inside blocks of h: {0, 2}")]),
        ([row(b0=1, b2=1)], [("mirror", "b[2] + b[0]")]),
        ([row(W0=2, b1=3)], [("trap", "W[0, 0] + 3/2 b[1]")]),
        ([row(b0=-3, W3=1), row(b1=-3, W4=1), row(b2=-3, W5=1)],
         [("trap", "W[1, :] - 3 b (all 3 entries)")]),
        ([row(W0=1, W1=1, W2=1), row(W3=1, W4=1, W5=1)], [("shift", "Σ_h W[x, h] for every x")]),
        ([row(W0=1, W1=1, W2=1)], [("shift", "Σ_h W[x, h] for 1 of the 2 x")]),
        ([{("W", e): Fraction(1) for e in range(6)}], [("shift", "Σ_{x, h} W[x, h]")]),
        ([row(W0=1, W4=1), row(W1=1, W3=1)], [("mirror", "W[1, 1] + W[0, 0]"),
                                              ("mirror", "W[1, 0] + W[0, 1]")]),
        ([row(W0=1, W1=2, b0=Fraction(-1, 2))], [("other", "2 W[0, 0] + 4 W[0, 1] - b[0]")]),
    ],
)  # fmt: skip
def test_kinds(rows, expected):
    assert described(rows) == expected


def test_twin_tensors_are_clones():
    """Two biases of one sum: only the sum of them acts."""
    rows = [{("b", e): Fraction(1), ("c", e): Fraction(-1)} for e in range(2)]
    (found,) = conserved_groups(rows, {"b": ("h",), "c": ("h",)}, {"h": 2})
    assert (found.kind, found.text, found.dimension) == (
        "cloned",
        "b (all 2 entries) - c (all 2 entries)",
        2,
    )


def test_a_sum_over_an_axis_of_two_is_a_shift():
    found = conserved_groups([row(c0=1, c1=1)], {"c": ("y",)}, {"y": 2})
    assert [(g.kind, g.text) for g in found] == [("shift", "c[1] + c[0]")]


@given(st.data())
def test_groups_span_exactly_what_was_given(data):
    """Random functionals in reduced form: same span, dimensions that add up."""
    leaders = data.draw(st.sets(st.sampled_from(range(9)), min_size=1, max_size=8))
    others = [k for k in range(9) if k not in leaders]
    coefficient = st.sampled_from([0, 0, 0, 1, -1, 2, Fraction(1, 2)])
    rows = []
    for leader in sorted(leaders):
        terms = {ENTRIES[leader]: Fraction(1)}
        for k in others:
            if c := data.draw(coefficient):
                terms[ENTRIES[k]] = Fraction(c)
        rows.append(terms)
    found = [f for g in groups(rows) for f in g.functionals]
    assert len(found) == len(rows)

    def matrix(functionals):
        return Matrix([[f.get(e, 0) for e in ENTRIES] for f in functionals])

    rank = len(rows)
    assert matrix(found).rank() == rank == matrix([*rows, *found]).rank()


def test_functionals_without_an_entry_of_their_own():
    with pytest.raises(ManifoldError, match="none leads"):
        groups([row(b0=1, b1=1), row(b0=1, b1=-1)])


def test_index_sets_in_words():
    tensor = IndexedTensor("W", ("x", "h"), (2, 6))
    assert tensor.text([0, 1, 2, 4]) == "W[0, {0:3, 4}]"
    assert tensor.text([6, 7, 8]) == "W[1, 0:3]"
    assert tensor.text([0, 7]) == "{W[0, 0], W[1, 1]}"
