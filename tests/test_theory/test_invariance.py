"""What holds is proved, what fails is refuted by numbers that replay, and the rest is unknown."""

import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy

from tests.test_theory.direct_route import directly_tangent
from tests.test_theory.rational_values import closed_form
from theory.activation import activation
from theory.architecture import Architecture
from theory.errors import ManifoldError
from theory.invariance import (
    Proof,
    Refutation,
    Unknown,
    check_invariance,
    refute,
    smallest_refutation,
)
from theory.invariance.canonical import UndefinedOnManifoldError, ValueNumbering
from theory.invariance.jet import Jet, NoRationalValueError, directional_derivative
from theory.manifold import (
    AffineManifold,
    Constraint,
    ambient,
    block_constant,
    equitable,
    frozen,
    incoming_equitable,
    leaf,
    outgoing_equitable,
    trap,
)
from theory.partition import make_partition
from theory.symbolic.functions import applied
from theory.zoo import mlp

PAIR = {"h1": [[0, 1]]}
TWO = [[0, 1], [2, 3]]


def partitioned(network, blocks):
    return network, make_partition(network.sizes, blocks)


def refuted(network, manifold, tangent=None, batch=1):
    """The counterexample, after it was replayed from its JSON text."""
    found = check_invariance(network, manifold, tangent=tangent, batch=batch)
    assert isinstance(found, Refutation), found
    assert found.value != 0
    text = json.dumps(found.to_json())
    again = Refutation.from_json(json.loads(text), network, manifold, tangent)
    assert again.replay() == found.value
    assert again.to_json() == found.to_json()
    return found


def counterexample(network, manifold) -> Refutation:
    found = refute(network, manifold)
    assert found is not None
    return found


def proved(network, manifold, tangent=None, batch=1):
    found = check_invariance(network, manifold, tangent=tangent, batch=batch)
    assert isinstance(found, Proof), found
    # No counterexample may exist where there is a proof.
    assert refute(network, manifold, tangent, batch=batch) is None
    return found


P5 = {
    "2-2-1": (mlp([2, 2, 1]), PAIR),
    "3-4-4-1": (mlp([3, 4, 4, 1]), {"h1": TWO, "h2": TWO}),
    "unequal blocks": (mlp([2, 4, 3, 2]), {"h1": [[0, 1, 2]], "h2": [[0, 1]]}),
    "blocks apart": (mlp([2, 4, 1]), {"h1": [[0, 2], [1, 3]]}),
    "without biases": (mlp([2, 2, 2, 1], bias=False), {"h1": [[0, 1]], "h2": [[0, 1]]}),
    "odd": (mlp([2, 2, 1], activation("phi", parity="odd")), PAIR),
    "tanh": (mlp([2, 2, 2, 1], "tanh"), {"h1": [[0, 1]], "h2": [[0, 1]]}),
    "relu": (mlp([2, 2, 1], "relu"), PAIR),
    "gelu": (mlp([2, 2, 1], "gelu"), PAIR),
    "softplus": (mlp([2, 2, 1], "softplus"), PAIR),
}


@pytest.mark.parametrize("name", P5)
def test_clones_stay_clones_on_every_leaf(name):
    network, partition = partitioned(*P5[name])
    manifold = equitable(network, partition)
    proved(network, manifold)
    proved(network, manifold, block_constant(network, partition))


def test_two_samples_at_once():
    network, partition = partitioned(mlp([1, 2, 1]), PAIR)
    proved(network, equitable(network, partition), block_constant(network, partition), batch=2)


def test_a_leaf_through_a_point_of_its_own():
    network, partition = partitioned(mlp([1, 2, 2, 1]), {"h1": [[0, 1]], "h2": [[0, 1]]})
    manifold = equitable(network, partition)
    free = {name: np.full(shape, Fraction(1, 3)) for name, shape in manifold.free_shapes.items()}
    proved(network, leaf(network, partition, manifold.embed(free)))


@pytest.mark.parametrize("name", ["2-2-1", "3-4-4-1", "unequal blocks", "relu"])
@pytest.mark.parametrize("half", [incoming_equitable, outgoing_equitable])
def test_one_half_of_equitable_is_not_enough(name, half):
    network, partition = partitioned(*P5[name])
    manifold = half(network, partition)
    refuted(network, manifold)
    refuted(network, manifold, block_constant(network, partition))


@pytest.mark.parametrize("name", ["tanh", "gelu"])
def test_smooth_functions_are_refuted_where_they_are_rational(name):
    network, partition = partitioned(*P5[name])
    refuted(network, incoming_equitable(network, partition))
    # Without IE the clones must differ, so not all of them can sit at the one rational point.
    found = check_invariance(network, outgoing_equitable(network, partition))
    assert isinstance(found, Unknown)
    assert f"unknown function in place of {name}" in found.reason


def mixed_network():
    """Unit 0 applies φ, unit 1 applies ψ."""

    def forward(p, x):
        z = x @ p["W1"] + p["b1"]
        phi, psi = activation("phi"), activation("psi")
        return np.concatenate([phi(z[:, :1]), psi(z[:, 1:])], axis=1) @ p["W2"]

    return Architecture(
        forward,
        sizes={"x": 2, "h1": 2, "y": 1},
        parameters={"W1": ("x", "h1"), "b1": ("h1",), "W2": ("h1", "y")},
        name="phi beside psi",
    )


def test_units_of_a_block_share_their_activation():
    network, partition = partitioned(mixed_network(), PAIR)
    found = refuted(network, block_constant(network, partition))
    assert set(found.functions) == {"phi", "psi"}
    proved(network, ambient(network))


def test_units_of_a_block_share_their_bias():
    network, partition = partitioned(mlp([2, 2, 1]), PAIR)
    rows = [r for r in equitable(network, partition).constraints() if "b1" not in r.label]
    free_bias = AffineManifold("IE∩OE but for b1", network.parameter_shapes, tuple(rows))
    refuted(network, free_bias)
    apart = Constraint({("b1", 0): Fraction(1), ("b1", 1): Fraction(-1)}, Fraction(1), "b1 apart")
    apart_by_one = AffineManifold("biases 1 apart", network.parameter_shapes, (*rows, apart))
    refuted(network, apart_by_one)


def test_the_tangent_space_of_another_partition():
    network = mlp([2, 3, 1])
    one = make_partition(network.sizes, {"h1": [[0, 1]]})
    other = make_partition(network.sizes, {"h1": [[0, 2]]})
    refuted(network, equitable(network, one), block_constant(network, other))


def test_inputs_are_no_clones():
    network, partition = partitioned(mlp([2, 2, 1]), {"x": [[0, 1]]})
    refuted(network, equitable(network, partition))


def test_frozen_unit_and_its_trap():
    for unit, c in ((("h1", 0), 0), (("h2", 3), 0), (("h1", 1), Fraction(3, 2)), (("h2", 0), -1)):
        network = mlp([3, 4, 4, 2]).freeze(*unit, c)
        for tangent in (frozen(network), trap(network)):
            proof = proved(network, ambient(network), tangent)
            assert any(f"unit {unit[1]} at {c}" in h for h in proof.hypotheses)


def test_frozen_units_in_both_layers():
    network = mlp([2, 2, 2, 1], "tanh").freeze("h1", 0, 1).freeze("h2", 1, -1)
    proved(network, trap(network))


def test_the_trap_needs_the_value_at_which_the_unit_is_frozen():
    network = mlp([3, 4, 4, 2])
    right, wrong = network.freeze("h1", 0, 2), network.freeze("h1", 0, 3)
    found = refuted(right, ambient(right), trap(wrong))
    assert found.law == "W2 from a unit frozen at 3"
    assert found.to_json()["frozen"] == {"h1": {"0": "2"}}


def test_a_living_unit_is_not_frozen():
    network = mlp([3, 4, 4, 2])
    refuted(network, frozen(network.freeze("h1", 0)))


def sparse_pair():
    """Blocks {u, u'} → {v, v'} without the edge u' → v' (E5b)."""

    def forward(p, x):
        phi = activation("phi")
        h, e = phi(x @ p["a"]), p["e"]
        v = phi(h[:, 0] * e[0] + h[:, 1] * e[2])
        w = phi(h[:, 0] * e[1])
        return np.stack([v, w], axis=1) @ p["c"]

    return Architecture(
        forward,
        sizes={"x": 1, "h": 2, "edge": 3, "g": 2, "y": 1},
        parameters={"a": ("x", "h"), "e": ("edge",), "c": ("g", "y")},
        name="three edges between two pairs",
    )


def test_a_pair_that_is_not_biregular():
    network = sparse_pair()
    one = Fraction(1)
    rows = (
        Constraint({("a", 0): one, ("a", 1): -one}, Fraction(0), "a"),
        Constraint({("c", 0): one, ("c", 1): -one}, Fraction(0), "c"),
        Constraint({("e", 0): one, ("e", 2): one, ("e", 1): -one}, Fraction(0), "IE"),
        Constraint({("e", 0): one, ("e", 1): one, ("e", 2): -one}, Fraction(0), "OE"),
    )
    manifold = AffineManifold("IE∩OE", network.parameter_shapes, rows)
    # The common sum is forced to 0 here (e_0 = 0, e_1 = e_2), yet the gradient is not tangent.
    refuted(network, manifold)


def test_mirror_units_need_an_odd_activation():
    rows = [({("W1", 0): 1, ("W1", 1): 1}, "in"), ({("W2", 0): 1, ("W2", 1): 1}, "out")]
    for parity in ("odd", None):
        network = mlp([1, 2, 1], activation("phi", parity=parity), bias=False)
        mirrored = AffineManifold(
            "mirror",
            network.parameter_shapes,
            tuple(
                Constraint({e: Fraction(c) for e, c in row.items()}, Fraction(0), label)
                for row, label in rows
            ),
        )
        (proved if parity else refuted)(network, mirrored)


SPACES = [equitable, incoming_equitable, outgoing_equitable, block_constant]
DIRECT = [
    *(([1, 2, 1], PAIR, space) for space in SPACES),
    *(([2, 3, 1], {"h1": [[0, 2]]}, space) for space in SPACES),
    *(([1, 2, 2, 1], {"h1": [[0, 1]], "h2": [[0, 1]]}, space) for space in SPACES[::3]),
]


@pytest.mark.parametrize(("widths", "blocks", "space"), DIRECT)
def test_the_direct_route_agrees(widths, blocks, space):
    network, partition = partitioned(mlp(widths), blocks)
    manifold, tangent = space(network, partition), block_constant(network, partition)
    for inside in (manifold, tangent):
        verdict = check_invariance(network, manifold, tangent=inside).verdict
        assert (verdict == "proved") == directly_tangent(network, manifold, inside)


def test_the_direct_route_agrees_on_closed_forms():
    network, partition = partitioned(mlp([1, 2, 1], "tanh"), PAIR)
    assert directly_tangent(network, equitable(network, partition))
    assert not directly_tangent(network, incoming_equitable(network, partition))


def test_division():
    def forward(p, x):
        h = activation("phi")(x @ p["W1"])
        return (h / np.sum(h, axis=1, keepdims=True)) @ p["W2"]

    axes = {"W1": ("x", "h1"), "W2": ("h1", "y")}
    network = Architecture(forward, sizes={"x": 1, "h1": 3, "y": 1}, parameters=axes)
    network, partition = partitioned(network, {"h1": [[0, 1]]})
    proof = proved(network, equitable(network, partition))
    assert "all points at which no divisor is 0" in proof.hypotheses
    refuted(network, incoming_equitable(network, partition))


def test_a_divisor_that_vanishes_on_the_manifold():
    def forward(p, x):
        h = x @ p["W1"]
        return h / (h - np.mean(h, axis=1, keepdims=True)) @ p["W2"]

    axes = {"W1": ("x", "h1"), "W2": ("h1", "y")}
    network = Architecture(forward, sizes={"x": 1, "h1": 2, "y": 1}, parameters=axes)
    network, partition = partitioned(network, PAIR)
    found = check_invariance(network, equitable(network, partition))
    assert isinstance(found, Unknown)
    assert "divisor" in found.reason


def test_what_the_canonical_form_cannot_see_is_unknown():
    # step² = step holds but is no law of the canonical form, and there is no counterexample.
    def forward(p, x):
        gate = activation("step")(x)
        return (gate * gate - gate) * p["w"]

    network = Architecture(forward, sizes={"x": 1}, parameters={"w": ("x",)})
    row = Constraint({("w", 0): Fraction(1)}, Fraction(0), "w")
    found = check_invariance(network, AffineManifold("w = 0", network.parameter_shapes, (row,)))
    assert isinstance(found, Unknown)
    assert "step" in found.reason
    assert str(found).startswith("architecture on w = 0: unknown: ")


def test_hypotheses_name_the_domain_of_a_known_function():
    for name, domain in (("relu", "away from its kink"), ("rsqrt", "of positive numbers")):
        network, partition = partitioned(mlp([1, 2, 1], name), PAIR)
        found = check_invariance(network, block_constant(network, partition))
        assert isinstance(found, Proof)
        assert f"{name} {domain}" in found.hypotheses


def test_the_smallest_refuted_architecture():
    def candidate(widths):
        network = mlp(widths)
        return network, incoming_equitable(network, make_partition(network.sizes, PAIR)), None

    found = smallest_refutation(map(candidate, ([3, 2, 2], [1, 2, 1], [2, 2, 1])))
    assert found is not None
    assert found.architecture.name == "mlp:1-2-1:phi"
    true = mlp([1, 2, 1])
    assert smallest_refutation([(true, ambient(true), None)]) is None


def test_the_counterexample_is_small_and_always_the_same():
    network, partition = partitioned(mlp([2, 2, 1]), PAIR)
    manifold = outgoing_equitable(network, partition)
    one, two = (counterexample(network, manifold) for _ in range(2))
    assert one.to_json() == two.to_json()
    assert one.to_json() == {
        "architecture": "mlp:2-2-1:phi",
        "frozen": {},
        "manifold": "OE",
        "tangent": "OE",
        "functions": {"phi": ["0", "1"]},
        "parameters": {
            "W1": [["0", "0"], ["0", "0"]],
            "b1": ["1", "-1"],
            "W2": [["0"], ["0"]],
            "b2": ["0"],
        },
        "x": [["0", "0"]],
        "adjoint": [["1"]],
        "normal": [["W2", [0, 0], "1"], ["W2", [1, 0], "-1"]],
        "law": "W2:ZC",
        "value": "2",
    }


def test_a_changed_counterexample_does_not_replay():
    network, partition = partitioned(mlp([2, 2, 1]), PAIR)
    manifold = outgoing_equitable(network, partition)
    found = counterexample(network, manifold)
    theta = dict(found.theta) | {"W2": np.array([[1], [0]], dtype=object)}
    with pytest.raises(ManifoldError, match="theta is not on OE: W2:ZC is 1, expected 0"):
        replace(found, theta=theta).replay()
    with pytest.raises(ManifoldError, match="not normal to OE"):
        replace(found, normal={("b2", 0): Fraction(1)}).replay()
    data = found.to_json() | {"manifold": "IE"}
    with pytest.raises(ManifoldError, match="manifold='IE': replayed on 'OE'"):
        Refutation.from_json(data, network, manifold)
    assert "∂ℓ/∂W2[0,0] - ∂ℓ/∂W2[1,0] = 2, not 0" in str(found)


def test_the_proof_can_be_read():
    network, partition = partitioned(mlp([3, 4, 4, 1]), {"h1": TWO, "h2": TWO})
    tangent = block_constant(network, partition)
    proof = proved(network, equitable(network, partition), tangent)
    assert proof.num_laws == tangent.codimension == 24
    text = proof.to_latex()
    assert r"h^{(1)}_{1} = h^{(1)}_{2} &= \varphi(z_{1})" in text
    assert (
        r"z_{3} = \bar{b}^{(2)}_{1} + 2 \bar{w}^{(2)}_{11} \varphi(z_{1})"
        r" + 2 \bar{w}^{(2)}_{21} \varphi(z_{2})" in text
    )
    assert r"= g_{15} &= \ell'(y, t) \varphi(z_{3})" in text
    assert r"&= g_{1} - g_{1} = 0" in text
    assert text.count(r"\begin{align*}") == text.count(r"\end{align*}") == len(proof.steps) == 4
    assert len(text) < 12_000
    assert "<b>Statement.</b>" in proof._repr_html_()
    assert proof._repr_latex_().startswith("$$")
    assert "every differentiable function phi" in str(proof)


def test_parameters_must_be_those_of_the_architecture():
    small, large = mlp([1, 2, 1]), mlp([2, 2, 1])
    with pytest.raises(ManifoldError, match=r"all parameters has parameters .*mlp:1-2-1:phi has"):
        check_invariance(small, ambient(large))


def test_value_numbering_knows_parity_about_a_centre():
    z = sympy.Symbol("z")
    sigmoid, even = activation("sigmoid"), activation("phi", parity="even")
    identities = [
        applied(sigmoid, -z) + applied(sigmoid, z) - 1,
        applied(activation("softplus"), z) - applied(activation("softplus"), -z) - z,
        applied(even, -z) - applied(even, z),
        applied(activation("tanh"), z * 0),
        applied(even, z).diff(z) + applied(even, -z).diff(z),
        applied(sigmoid, (z + 1) ** 2) - applied(sigmoid, z**2 + 2 * z + 1),
    ]
    canonical = ValueNumbering(identities, {})
    assert [canonical(e) == 0 for e in identities] == [True, True, True, True, False, True]
    first = applied(even, z).diff(z)
    other = first.subs(z, -z)
    canonical = ValueNumbering([first, other], {})
    assert canonical(first + other) == 0


def test_value_numbering_refuses_what_is_not_exact():
    z = sympy.Symbol("z")
    with pytest.raises(UndefinedOnManifoldError, match="not an expression of exact arithmetic"):
        ValueNumbering([sympy.sqrt(z)], {})(sympy.sqrt(z))


def test_jets():
    a = Jet(Fraction(2), Fraction(1))
    assert a / a == Jet(1, 0)
    assert 3 - a == Jet(1, -1)
    assert (1 / a) * a == Jet(1, 0)
    assert a**3 == a * a * a
    assert sum([a, a]) == Jet(4, 2)


@pytest.mark.parametrize(
    ("name", "z", "value", "slope"),
    [
        ("tanh", 0, 0, 1),
        ("sigmoid", 0, Fraction(1, 2), Fraction(1, 4)),
        ("silu", 0, 0, Fraction(1, 2)),
        ("gelu", 0, 0, Fraction(1, 2)),
        ("relu", 2, 2, 1),
        ("relu", -2, 0, 0),
        ("sqrt", Fraction(9, 4), Fraction(3, 2), Fraction(1, 3)),
        ("rsqrt", 4, Fraction(1, 2), Fraction(-1, 16)),
        ("exp", 0, 1, 1),
        ("log", 1, 0, 1),
    ],
)
def test_known_functions_where_they_are_rational(name, z, value, slope):
    network = Architecture(
        lambda p, x: activation(name)(p["w"] + 0 * x), sizes={"x": 1}, parameters={"w": ("x",)}
    )
    point = {"w": np.array([z], dtype=object)}
    x = np.array([[0]], dtype=object)
    moved = directional_derivative(network.graph(), {}, point, x, {("w", 0): 1})
    assert moved.tolist() == [[slope]]
    assert value == closed_form(activation(name), sympy.sympify(z))


def test_known_functions_elsewhere_have_no_rational_value():
    network, partition = partitioned(mlp([1, 2, 1], "softplus"), PAIR)
    manifold = incoming_equitable(network, partition)
    assert refute(network, manifold) is None
    assert isinstance(check_invariance(network, manifold), Unknown)
    graph = mlp([1, 1, 1], "tanh").graph()
    one = {p: np.ones(s, dtype=object) for p, s in graph.parameter_shapes.items()}
    with pytest.raises(NoRationalValueError, match=r"tanh\(2\) is not rational"):
        directional_derivative(graph, {}, one, np.array([[1]], dtype=object), {("W1", 0): 1})
