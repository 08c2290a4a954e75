"""The transverse blocks: derived for many networks, against a dense Hessian, false neighbours."""

from fractions import Fraction

import numpy as np
import pytest
import sympy

from tests.test_theory.test_stability.second_order import at, hessian
from theory.activation import activation
from theory.architecture import Architecture
from theory.errors import ArchitectureError, PartitionError
from theory.invariance.parametrisation import parametrise
from theory.layers import glu
from theory.manifold import ambient, block_constant, equitable, incoming_equitable
from theory.partition import make_partition
from theory.stability import BlockFormula, derive, derive_off_bc
from theory.stability.adapted_basis import adapted_basis
from theory.stability.formula import OTHER_SIGN, WITHOUT_BIAS, WITHOUT_ROOTS
from theory.zoo import mlp

CASES = [
    (mlp([1, 3, 1]), {"h1": [[0, 1, 2]]}, 1),
    (mlp([2, 3, 1]), {"h1": [[0, 2]]}, 1),
    (mlp([1, 4, 1]), {"h1": [[0, 1], [2, 3]]}, 1),
    (mlp([1, 2, 2]), {"h1": [[0, 1]]}, 2),
    (mlp([1, 2, 2, 1], "tanh"), {"h1": [[0, 1]], "h2": [[0, 1]]}, 1),
    (mlp([1, 2, 2, 1], bias=False), {"h1": [[0, 1]], "h2": [[0, 1]]}, 1),
]


@pytest.mark.parametrize(("network", "blocks", "batch"), CASES)
def test_formula_is_derived(network, blocks, batch):
    found = derive(network, make_partition(network.sizes, blocks), batch=batch)
    assert found.verdict == "proved", found.outcome
    sizes = {(a, k): len(b) for a, bs in blocks.items() for k, b in enumerate(bs)}
    assert sorted(b.multiplicity for b in found.blocks) == sorted(n - 1 for n in sizes.values())


def test_decay_shifts_every_block():
    network = mlp([1, 2, 2, 1])
    partition = make_partition(network.sizes, {"h1": [[0, 1]], "h2": [[0, 1]]})
    with_decay = derive(network, partition, decay=True)
    assert with_decay.verdict == "proved"
    for plain, shifted in zip(derive(network, partition).blocks, with_decay.blocks, strict=True):
        shift = shifted.matrix - plain.matrix
        assert shift.applyfunc(sympy.expand) == sympy.Symbol("lambda") * sympy.eye(shift.rows)


@pytest.mark.parametrize("formula", [WITHOUT_ROOTS, WITHOUT_BIAS, OTHER_SIGN, BlockFormula(2)])
def test_false_formulas_are_refuted_by_numbers(formula):
    network = mlp([1, 2, 2, 1])
    partition = make_partition(network.sizes, {"h1": [[0, 1]], "h2": [[0, 1]]})
    found = derive(network, partition, formula=formula).outcome
    assert found.verdict == "refuted"
    assert found.counterexample is not None
    assert found.counterexample["left"] != found.counterexample["right"]
    assert {"phi(z)", "loss", "x_{1}"} <= set(found.counterexample)


def test_roots_are_invisible_where_no_neighbour_has_clones():
    network = mlp([1, 3, 1])
    partition = make_partition(network.sizes, {"h1": [[0, 1, 2]]})
    assert derive(network, partition, formula=WITHOUT_ROOTS).verdict == "proved"


def test_blocks_couple_off_bc():
    network = mlp([1, 2, 2, 1])
    partition = make_partition(network.sizes, {"h1": [[0, 1]], "h2": [[0, 1]]})
    found = derive(network, partition, point=equitable(network, partition))
    assert found.verdict == "refuted"
    verdicts = [step.outcome.verdict for step in found.steps if step.outcome is not None]
    # block entries, blocks against each other, mixed directions, tangent against normal
    assert verdicts[2:] == ["proved", "proved"]
    assert "refuted" in verdicts[:2]


def test_coupled_formula_holds_off_bc_and_nowhere_else():
    network = mlp([1, 2, 2, 1])
    partition = make_partition(network.sizes, {"h1": [[0, 1]], "h2": [[0, 1]]})
    assert derive_off_bc(network, partition, batch=2).verdict == "proved"
    for manifold in (ambient(network), incoming_equitable(network, partition)):
        assert derive_off_bc(network, partition, point=manifold).verdict == "refuted"


def rational_point(network, partition):
    """Small distinct numbers for the coordinates of BC and for the data."""
    parametrisation = parametrise(block_constant(network, partition))
    coordinates = [s for array in parametrisation.coordinates.values() for s in array.flat]
    values = (sympy.Rational((-1) ** k * (k % 4 + 1), k % 3 + 2) for k in range(len(coordinates)))
    numbers = dict(zip(coordinates, values, strict=True))
    theta = []
    for k in range(1, 1 + sum(p.startswith("W") for p in network.parameters)):
        w, b = (
            [
                [e.subs(numbers) for e in row]
                for row in parametrisation.theta[p].reshape(-1, parametrisation.theta[p].shape[-1])
            ]
            for p in (f"W{k}", f"b{k}")
        )
        theta.append(
            (
                [[Fraction(int(v.p), int(v.q)) for v in row] for row in w],
                [Fraction(int(v.p), int(v.q)) for v in b[0]],
            )
        )
    return numbers, theta


@pytest.mark.parametrize(
    ("widths", "blocks", "samples"),
    [
        ([1, 3, 2, 1], {"h1": [[0, 1, 2]], "h2": [[0, 1]]}, [[2]]),
        ([1, 3, 2], {"h1": [[0, 1]]}, [[1], [-2]]),
        ([2, 4, 1], {"h1": [[0, 1], [2, 3]]}, [[1, -1]]),
    ],
)
def test_characteristic_polynomial_is_that_of_the_dense_normal_hessian(widths, blocks, samples):
    network = mlp(widths)
    partition = make_partition(network.sizes, blocks)
    numbers, theta = rational_point(network, partition)
    dense = hessian(theta, samples)
    columns = []
    entries = [(p, e) for p, s in network.parameter_shapes.items() for e in range(sympy.prod(s))]
    for row in equitable(network, partition).normal_basis():
        terms = {key: sympy.Rational(c.numerator, c.denominator) for key, c in row.items()}
        columns.append([terms.get(entry, 0) for entry in entries])
    normal = sympy.Matrix(columns).T
    t = sympy.Symbol("t")
    within = (normal.T * normal).inv() * normal.T * dense * normal
    expected = within.charpoly(t).as_expr()
    derivation = derive(network, partition, batch=len(samples))
    shown = {f"x_{{{k + 1}}}": v for k, v in enumerate(samples[0])}
    if len(samples) > 1:
        shown = {
            f"x_{{{s + 1},{k + 1}}}": v for s, x in enumerate(samples) for k, v in enumerate(x)
        }
    values = {**numbers, **{sympy.Symbol(name): v for name, v in shown.items()}}
    found = sympy.Integer(1)
    for block in derivation.blocks:
        matrix = block.matrix.applyfunc(lambda e: at(e, values))
        found *= matrix.charpoly(t).as_expr() ** block.multiplicity
    assert sympy.expand(found - expected) == 0


def test_basis_is_orthogonal_and_complete():
    network = mlp([2, 4, 3, 1])
    partition = make_partition(network.sizes, {"h1": [[0, 1, 2]], "h2": [[0, 2]]})
    basis = adapted_basis(network, partition)
    assert len(basis) == network.num_parameters
    for k, u in enumerate(basis):
        for v in basis[:k]:
            shared = set(u.direction.terms) & set(v.direction.terms)
            assert sum(u.direction.terms[e] * v.direction.terms[e] for e in shared) == 0


def test_shown_in_full():
    network = mlp([1, 2, 1])
    found = derive(network, make_partition(network.sizes, {"h1": [[0, 1]]}))
    for text in (found._repr_latex_(), found._repr_html_(), found.to_latex(), str(found)):
        assert text.count("{") == text.count("}")
        assert text.count("$") % 2 == 0
    assert r"\begin{aligned}" in found._repr_latex_()
    assert "proved by SymPy" in str(found)
    assert "pmatrix" in found.to_latex()


def test_unusable_input_is_refused():
    network = mlp([1, 2, 1])
    with pytest.raises(PartitionError, match="at least one"):
        derive(network, make_partition(network.sizes, {}))
    wide = mlp([2, 2, 1])
    with pytest.raises(PartitionError, match="inputs and outputs"):
        derive(wide, make_partition(wide.sizes, {"x": [[0, 1]]}))
    signed = make_partition(network.sizes, {"h1": [[0, 1]]}, signs={"h1": {1: -1}})
    with pytest.raises(PartitionError, match="plain clones"):
        derive(network, signed)

    def gated(p, x):
        return glu(x @ p["W"], x @ p["G"], activation("phi")) @ p["A"]

    axes = {"W": ("x", "h"), "G": ("x", "h"), "A": ("h", "y")}
    gates = Architecture(gated, {"x": 1, "h": 2, "y": 1}, axes, name="gates")
    with pytest.raises(ArchitectureError, match="Multiply"):
        derive(gates, make_partition(gates.sizes, {"h": [[0, 1]]}))
    turned = Architecture(
        lambda p, x: np.einsum("bx,hx->bh", x, p["W"]) @ p["A"],
        {"x": 1, "h": 2, "y": 1},
        {"W": ("h", "x"), "A": ("h", "y")},
        name="turned",
    )
    with pytest.raises(ArchitectureError, match="source axis first"):
        derive(turned, make_partition(turned.sizes, {"h": [[0, 1]]}))
    tied = Architecture(
        lambda p, x: activation("phi")(activation("phi")(x @ p["W"]) @ p["W"].T) @ p["A"],
        {"x": 2, "h": 2, "y": 1},
        {"W": ("x", "h"), "A": ("x", "y")},
        name="tied",
    )
    with pytest.raises(ArchitectureError):
        derive(tied, make_partition(tied.sizes, {"h": [[0, 1]]}))
