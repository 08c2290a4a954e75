"""The plasticity dimension: known traps, upper bounds by known manifolds, honest levels."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics.plasticity.dimension import plasticity_dimension
from numerics.plasticity.functionals import Functional, prove_conserved
from numerics.plasticity.spectrum import numerical_plasticity
from proofs_check.strategies import architectures, partitions
from theory.activation import activation, relu
from theory.architecture import Architecture
from theory.conserved import conserved_groups
from theory.errors import ArchitectureError, ManifoldError, ShapeError, ValueSystemError
from theory.manifold import ambient, block_constant, equitable, trap
from theory.manifold.affine import AffineManifold
from theory.manifold.base import Constraint
from theory.partition import make_partition
from theory.zoo import mlp

FEWER = settings(max_examples=max(5, settings().max_examples // 10))
NET = mlp([3, 4, 4, 2])
CLONES = make_partition(NET.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[0, 1], [2, 3]]})


def kinds(net, **options):
    found = plasticity_dimension(net, **options)
    assert found.is_proved
    return {(g.kind, g.dimension) for g in conserved_groups(found.conserved, net.parameters,
                                                            net.sizes)}  # fmt: skip


@pytest.mark.parametrize(
    ("units", "dimension"),
    [
        ([], 46),
        ([("h1", 0)], 38),
        ([("h2", 0)], 39),
        ([("h1", 0), ("h1", 2)], 30),
        ([("h1", 0), ("h2", 1)], 32),
        ([("h2", k) for k in range(4)], 2),
    ],
)
@pytest.mark.parametrize("seed", [0, 3])
def test_dead_units(units, dimension, seed):
    net = NET
    for axis, unit in units:
        net = net.freeze(axis, unit)
    found = plasticity_dimension(net, seed=seed)
    assert found.is_proved
    assert found.bits is not None
    assert found.bits >= 60
    assert found.dimension == found.upper == dimension


@pytest.mark.parametrize("manifold", [equitable, block_constant])
def test_clones_move_as_the_base_network(manifold):
    found = plasticity_dimension(NET, manifold(NET, CLONES))
    assert found.is_proved
    assert found.dimension == mlp([3, 2, 2, 2]).num_parameters == 20


@given(st.data())
@FEWER
def test_gradients_from_a_leaf_stay_in_block_constant_directions(data):
    net = data.draw(architectures(max_depth=2, max_width=3))
    clones = data.draw(partitions(net))
    found = plasticity_dimension(net, equitable(net, clones))
    assert found.dimension <= block_constant(net, clones).dimension
    assert found.dimension <= plasticity_dimension(net).dimension


def test_the_trap_around_a_unit_frozen_at_a_constant():
    net = NET.freeze("h1", 0, Fraction(3, 2))
    assert plasticity_dimension(net).dimension == trap(net).dimension
    assert kinds(net) == {("never learns", 3), ("never learns", 1), ("trap", 4)}


def test_the_logit_shift_needs_restricted_adjoints():
    net = mlp([2, 3, 4])
    assert kinds(net) == set()
    assert kinds(net, adjoints="cross-entropy") == {("shift", 3), ("shift", 1)}
    scalar = Architecture(lambda p, x: x @ p["w"], {"x": 2}, {"w": ("x",)})
    with pytest.raises(ArchitectureError, match="no axis of classes"):
        plasticity_dimension(scalar, adjoints="cross-entropy")


def test_two_samples_of_batch_statistics_are_degenerate():
    """Two samples normalise to x̂ and -x̂: more has to be drawn to see all dimensions."""

    def forward(p, x):
        z = x @ p["W"] + p["b"]
        centred = z - z.mean(0)
        return np.tanh(centred / np.sqrt((centred**2).mean(0) + Fraction(1, 9))) @ p["V"]

    net = Architecture(forward, {"x": 2, "h": 2, "y": 1},
                       {"W": ("x", "h"), "b": ("h",), "V": ("h", "y")})  # fmt: skip
    found = plasticity_dimension(net)
    assert found.batch == 4
    assert found.is_proved
    assert found.dimension == 6
    assert kinds(net) == {("never learns", 2)}
    assert plasticity_dimension(net, batch=2).dimension <= 6


def test_one_point_of_curved_laws():
    """At one θ of a ReLU network a law a unit holds among gradients; no affine one does."""
    net = mlp([2, 2, 1], "relu")
    rows = tuple(
        Constraint({(p, e): Fraction(1)}, Fraction(k + 2 * e + 1), "")
        for k, (p, s) in enumerate(net.parameter_shapes.items())
        for e in range(int(np.prod(s)))
    )
    point = AffineManifold("point", net.parameter_shapes, rows)
    assert plasticity_dimension(net, point).dimension == net.num_parameters


def test_what_depends_on_the_value_of_a_function_is_observed_only():
    """A unit without inputs is φ(1): w - φ(1) b is conserved, for one φ and not for all."""
    phi = activation("phi")

    def forward(p, x):
        constant = phi(x[:, :1] * 0 + 1)
        return (x @ p["v"])[:, None] + constant * p["w"] + p["b"]

    net = Architecture(forward, {"x": 2, "y": 1}, {"v": ("x",), "w": ("y",), "b": ("y",)})
    found = plasticity_dimension(net)
    assert found.dimension == 3
    assert found.upper == 4
    assert not found.is_proved
    assert "observed; not more than 4" in found.summary()


def test_what_a_known_function_alone_satisfies_is_not_met():
    """relu(2z) = 2 relu(z), so b - 2a is conserved; a generic gate does not know."""
    net = Architecture(
        lambda p, x: p["a"] * relu(x * p["w"]) + p["b"] * relu(2 * x * p["w"]),
        {"x": 1, "y": 1},
        {"w": ("x",), "a": ("y",), "b": ("y",)},
    )
    theta = {p: np.array([0.5]) for p in net.parameters}
    assert numerical_plasticity(net, theta).dimension == 2
    found = plasticity_dimension(net)
    assert (found.dimension, found.known_functions) == (3, ("relu",))
    assert "from the algebra of relu, whose other identities may lower it" in found.summary()
    assert "algebra" not in plasticity_dimension(NET).summary()


def test_false_functionals_are_left_out_and_true_ones_stay():
    net = NET.freeze("h1", 0)
    one = (Fraction(1),)
    none = np.empty(0, dtype=np.intp)
    true, false = Functional(0, none, ()), Functional(1, none, ())
    wrong = Functional(2, np.array([3]), one)
    held, bits = prove_conserved(net, ambient(net), [true, false, wrong], batch=1)
    assert held == (true,)
    assert bits >= 60


def test_restricting_the_error_takes_more_primes():
    assert (plasticity_dimension(NET, bits=90).bits or 0) >= 90


def test_a_divisor_that_is_zero_everywhere():
    net = Architecture(lambda p, x: (x @ p["W"]) / (p["b"] - p["b"]), {"x": 2, "y": 1},
                       {"W": ("x", "y"), "b": ("y",)})  # fmt: skip
    with pytest.raises(ValueSystemError, match="divisor"):
        plasticity_dimension(net)


def test_a_manifold_of_another_network():
    with pytest.raises(ManifoldError, match="different parameters"):
        plasticity_dimension(NET, ambient(mlp([1, 1, 1])))


def test_progress_is_reported():
    told = []
    plasticity_dimension(NET, on_progress=lambda *now: told.append(now))
    assert told[-1] == (46, 46)


@pytest.mark.parametrize("phi", ["tanh", "sigmoid"])
def test_the_spectrum_of_smooth_networks_falls_behind_the_same_dimension(phi):
    net = mlp([3, 4, 4, 2], phi)
    rng = np.random.default_rng(2)
    theta = {p: rng.normal(size=s) for p, s in net.parameter_shapes.items()}
    assert numerical_plasticity(net, theta).dimension == 46
    cloned = equitable(net, CLONES).project(theta)
    found = numerical_plasticity(net, cloned, rng.normal(size=(200, 3)))
    assert found.dimension == 20
    assert found.gap > 1e3
    assert len(found.singular_values) == 46
    assert "20 of 46" in found.summary()


def test_real_gates_occupy_regions():
    """A unit that is dead on the data met takes what its field model would not."""
    net = mlp([2, 3, 1], "relu")
    theta = {"W1": np.ones((2, 3)), "b1": np.array([-100.0, 0.5, 1.0]), "W2": np.ones((3, 1)),
             "b2": np.zeros(1)}  # fmt: skip
    assert plasticity_dimension(net).dimension == 13
    theta["W1"][0] = [1, -2, 0.5]
    assert numerical_plasticity(net, theta).dimension < 13


def test_spectrum_of_unfit_weights():
    with pytest.raises(ShapeError, match=r"parameters\['W1'\]"):
        numerical_plasticity(NET, {})
    theta = {p: np.zeros(s) for p, s in NET.parameter_shapes.items()}
    with pytest.raises(ShapeError, match="data"):
        numerical_plasticity(mlp([3, 4, 4, 2], "tanh"), theta, np.zeros((5, 7)))
