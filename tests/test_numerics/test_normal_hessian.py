"""N0 against a dense Hessian by SymPy."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.normal_hessian import normal_hessian_graph, prove_normal_hessian
from numerics.systems.float64 import Float64
from proofs_check.strategies import architectures, partitions
from theory.activation import activation
from theory.architecture import Architecture
from theory.manifold import (
    AffineManifold,
    Constraint,
    block_constant,
    equitable,
    frozen,
    incoming_equitable,
    leaf,
    outgoing_equitable,
    trap,
)
from theory.partition import make_partition
from theory.zoo import mlp

FEWER = settings(max_examples=settings().max_examples // 5)

NET = mlp([2, 2, 2], "tanh")
CLONES = make_partition(NET.sizes, {"h1": [[0, 1]]})
ENTRIES = [(p, e) for p, s in NET.parameter_shapes.items() for e in range(int(np.prod(s)))]


class Dense:
    """y, its Jacobian and its second derivatives at a point, by SymPy."""

    def __init__(self, given: dict[str, Any]) -> None:
        symbols = {
            p: np.array(sympy.symbols(f"{p}_:{int(np.prod(s))}")).reshape(s)
            for p, s in NET.parameter_shapes.items()
        }
        z = given["x"] @ symbols["W1"] + symbols["b1"]
        y = np.vectorize(sympy.tanh, otypes=[object])(z) @ symbols["W2"] + symbols["b2"]
        theta = [s for p in symbols for s in symbols[p].ravel()]
        point = [v for p in symbols for v in np.ravel(given.get(p, np.zeros(symbols[p].shape)))]
        outputs = sympy.Matrix(y.ravel())
        at = dict(zip(theta, point, strict=True))
        self.jacobian = self._numbers(outputs.jacobian(theta), at)
        self.bends = [self._numbers(sympy.hessian(f, theta), at) for f in outputs]

    @staticmethod
    def _numbers(matrix: Any, at: dict[Any, Any]) -> Any:
        return np.array(matrix.subs(at).evalf(30).tolist(), dtype=np.float64)


def flat(vectors: dict[str, Any]) -> Any:
    parts = (np.ravel(vectors.get(p, np.zeros(s))) for p, s in NET.parameter_shapes.items())
    return np.concatenate(list(parts))


def normal_vector(test: Any, given: dict[str, Any], name: str) -> Any:
    vectors = {}
    for p, factors in test.factors.items():
        total: Any = np.ones(())
        for f in factors:
            total = np.multiply.outer(total, f.embed(given[f"{name}:{test.label}:{f.name}"]))
        vectors[p] = total
    return flat(vectors)


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("make", [equitable, block_constant])
def test_products_are_those_of_the_dense_hessian(make, batch):
    """At any point, also where nothing vanishes: N0 is tested off the manifold for its values."""
    manifold = make(NET, CLONES)
    graph = normal_hessian_graph(NET, manifold, batch)
    rng = np.random.default_rng(batch)
    given = {name: rng.normal(size=shape) for name, shape in graph.input_shapes.items()}
    found = Evaluator(graph, Float64())(given)
    dense = Dense(given)
    adjoint = given["adjoint:y"].ravel()
    q = given["output Hessian"] + given["output Hessian"].T
    gauss_newton = dense.jacobian.T @ q @ dense.jacobian
    hessian = gauss_newton + sum(a * b for a, b in zip(adjoint, dense.bends, strict=True))
    free = {n: given[f"tangent vector:{n}"] for n in manifold.free_shapes}
    tau = flat(manifold.embed(free))
    for test in manifold.normal_tests():
        first = normal_vector(test, given, "normal")
        second = normal_vector(test, given, "second normal")
        expected = {
            "J n": adjoint @ dense.jacobian @ first,
            "n H t": first @ hessian @ tau,
            "n JQJ n": second @ gauss_newton @ first,
        }
        for name, value in expected.items():
            assert found[f"{name}:{test.label}"] == pytest.approx(value, rel=1e-9, abs=1e-11)
            assert abs(value) > 1e-8


def failing(net: Architecture, manifold: Any) -> set[str]:
    return {name.partition(":")[0] for name in prove_normal_hessian(net, manifold).failing}


@given(st.data())
@FEWER
def test_it_holds_on_invariant_manifolds(data):
    net = data.draw(architectures(max_depth=2, max_width=3))
    clones = data.draw(partitions(net))
    for make in (equitable, block_constant):
        manifold = make(net, clones)
        found = prove_normal_hessian(net, manifold)
        assert (found.verdict, found.failing) == ("holds", ())
        assert found.bound.bits >= 60


def test_it_fails_on_one_half():
    net = mlp([2, 3, 3, 1])
    clones = make_partition(net.sizes, {"h1": [[0, 1]], "h2": [[1, 2]]})
    assert failing(net, incoming_equitable(net, clones)) == {"J n", "n H t", "n JQJ n"}
    assert failing(net, outgoing_equitable(net, clones)) == {"J n", "n H t", "n JQJ n"}


def test_it_holds_on_affine_manifolds():
    """Tangent vectors are differences of points: an offset does not matter."""
    on = equitable(NET, CLONES)
    point = on.embed({n: np.full(s, 5) for n, s in on.free_shapes.items()})
    assert prove_normal_hessian(NET, leaf(NET, CLONES, point)).verdict == "holds"
    row = {("W1", 0): Fraction(1), ("W1", 1): Fraction(-1)}
    shifted = AffineManifold(
        "shifted", NET.parameter_shapes, (Constraint(row, Fraction(3), "not invariant"),)
    )
    assert prove_normal_hessian(NET, shifted).verdict == "fails"


def test_an_offset_is_no_tangent_vector():
    """At w = 1 the gradient in w vanishes, although nᵀ H w does not."""
    net = Architecture(
        lambda p, x: ((p["w"] - 1) ** 2 + 1) * (x @ p["V"]),
        sizes={"x": 2, "y": 1},
        parameters={"w": (), "V": ("x", "y")},
    )
    one = Constraint({("w", 0): Fraction(1)}, Fraction(1), "w = 1")
    assert prove_normal_hessian(net, AffineManifold("1", net.parameter_shapes, (one,))).verdict == (
        "holds"
    )
    two = Constraint({("w", 0): Fraction(1)}, Fraction(2), "w = 2")
    assert prove_normal_hessian(net, AffineManifold("2", net.parameter_shapes, (two,))).verdict == (
        "fails"
    )


@pytest.mark.parametrize("widths", [[2, 3, 2], [2, 1, 2], [1, 2, 2, 1]])
@pytest.mark.parametrize("value", [0, 3])
def test_it_holds_in_frozen_networks(widths, value):
    net = mlp(widths).freeze("h1", 0, value)
    pinned = {("W1", 0): Fraction(7, 2)}
    assert prove_normal_hessian(net, frozen(net, pinned)).verdict == "holds"
    assert prove_normal_hessian(net, trap(net, pinned)).verdict == "holds"


def test_coupled_samples_take_two():
    phi = activation("phi")

    def forward(p: dict[str, Any], x: Any) -> Any:
        z = x @ p["W"]
        return phi(z - z.mean(axis=0)) @ p["V"]

    net = Architecture(
        forward, sizes={"x": 2, "h": 2, "y": 1}, parameters={"W": ("x", "h"), "V": ("h", "y")}
    )
    kept = AffineManifold(
        "kept", net.parameter_shapes, (Constraint({("W", 0): Fraction(1)}, Fraction(0), "w"),)
    )
    assert prove_normal_hessian(net, kept).verdict == "fails"
    assert prove_normal_hessian(net, kept, batch=1).verdict == "holds"
