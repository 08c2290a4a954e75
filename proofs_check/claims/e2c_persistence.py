"""E2c: dead on all data now, dead for ever, and what tells the two apart."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import sympy
from flint import arb

from numerics.bounds import Box, Data
from numerics.bounds.functions import minimum
from numerics.exact import prove_invariance
from numerics.frozen import FrozenCertificate, NotFrozen, frozen_certificate, persistent_units
from numerics.losses import MSE
from numerics.systems.enclosures import FUNCTIONS
from numerics.systems.rational import Rational
from numerics.systems.system import Array
from numerics.tasks import Task
from numerics.train import initial_parameters, train
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from proofs_check.findings import campaign, derived, from_exact
from theory.activation import Activation, activation, leaky_relu, sigmoid, softplus, tanh
from theory.architecture import Architecture
from theory.manifold import ambient, frozen
from theory.optimizer import sgd
from theory.zoo import mlp

DOMAIN = Box(-1.0, 1.0)
SLACK = 1e-6

# lower bound -m of the sources' values, by activation
LOWER: Mapping[str, float] = {"relu": 0.0, "softplus": 0.0, "gelu": 0.17, "silu": 0.2785}
BOUNDED: Mapping[str, tuple[float, float]] = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}


def two_layers(phi: Activation, width: int = 3) -> Architecture:
    """Sources with activation φ on axis ``h``, ReLU units on axis ``k``, one output."""

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = phi(x @ p["W"] + p["b"])
        return np.maximum(h @ p["V"] + p["c"], 0) @ p["U"]

    return Architecture(
        forward,
        sizes={"x": 2, "h": width, "k": 2, "y": 1},
        parameters={"W": ("x", "h"), "b": ("h",), "V": ("h", "k"), "c": ("k",), "U": ("k", "y")},
        name=f"{phi!r} sources, ReLU units",
    )


def one_step_revives(_: Settings) -> Evidence:
    """An MLP 1-1-2-1, one sample, one step of GD in rational numbers."""
    return _after_one_step(expected_alive=True)


def dead_stays_dead(_: Settings) -> Evidence:
    """The same unit, said to stay dead."""
    return _after_one_step(expected_alive=False)


def _after_one_step(*, expected_alive: bool) -> Evidence:
    net = mlp([1, 1, 2, 1], "relu")
    start = {"W1": [[1]], "b1": [0], "W2": [[1, -1]], "b2": [0, "1/2"], "W3": [[1], [1]], "b3": [0]}
    weights = {p: np.array(w, dtype=object) for p, w in start.items()}
    data = Task("one sample", np.array([[1]]), np.array([[0]]))
    rule = sgd().with_hyperparameters(rate="1/3")
    run = train(net, rule, MSE, weights, data, steps=1, record=1, system=Rational())
    before, after = (_second_layer(theta)[1] for theta in run.trajectory)
    scope = "MLP 1-1-2-1, x = 1, y = 0, one step of GD with rate 1/3, in rational numbers"
    detail = f"z of h2[1] is {before} before the step and {after} after it"
    if (before < 0 < after) == expected_alive:
        return holds(Level.PROVED, scope, detail)
    found = {"parameters": start, "z before": str(before), "z after": str(after)}
    return refuted(scope, detail, counterexample=found)


def _second_layer(theta: Mapping[str, Array]) -> Any:
    """Pre-activations of the second layer at x = 1."""
    h = [max(z, 0 * z) for z in theta["W1"][0] + theta["b1"]]
    return np.array(h, dtype=object) @ theta["W2"] + theta["b2"]


def ranges(_: Settings) -> Evidence:
    """a - s a tanh(t) > 0 for a > 0, s = ±1; 0 < σ < 1; softplus > 0."""
    t, a = sympy.Symbol("t", real=True), sympy.Symbol("a", positive=True)
    positive = {
        "|w| - w tanh, w > 0": a * (1 - tanh(t)),
        "|w| - w tanh, w < 0": a * (1 + tanh(t)),
        "sigmoid": sigmoid(t),
        "1 - sigmoid": 1 - sigmoid(t),
        "softplus": softplus(t),
    }
    for name, expression in positive.items():
        if sympy.factor(sympy.simplify(expression.rewrite(sympy.exp))).is_positive is not True:
            return unknown(name, f"{expression} was not shown to be positive")
    detail = (
        "|w| - w tanh(t), σ(t), 1 - σ(t) and softplus(t) are positive for all real t, so "
        "w h ≤ |w|, w h ≤ max(w, 0), and w h ≤ m |w| for w ≤ 0 and h ≥ -m"
    )
    return holds(Level.PROVED, "all sources, all weights", detail)


def no_gradient(_: Settings) -> Evidence:
    """A unit that is 0 on all data has no gradient, derived for an MLP 1-2-2-1."""
    network = mlp([1, 2, 2, 1]).freeze("h2", 0)
    return derived(network, ambient(network), frozen(network))


def no_gradient_exactly(settings: Settings) -> Evidence:
    """The same in random MLPs, over prime fields."""

    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        widths = [choose(1, 4) for _ in range(choose(3, 5))]
        layer = choose(1, len(widths) - 2)
        network = mlp(widths).freeze(f"h{layer}", choose(0, widths[layer] - 1))
        result = prove_invariance(
            network, ambient(network), tangent=frozen(network), bits=bits, seed=seed
        )
        return from_exact(result, network.name)

    count = 200 if settings.full else 12
    return campaign(settings, "E2c", count, "MLPs with a dead unit", test)


def conditions(settings: Settings) -> Evidence:
    """Random networks a little inside the conditions are certified, a little outside are not."""
    count = 40 if settings.full else 4
    return conjoin(
        _condition(name, settings.sub_seed("E2c", name, trial))
        for name in (*BOUNDED, *LOWER)
        for trial in range(count)
    )


def _condition(name: str, seed: int) -> Evidence:
    net = two_layers(activation(name))
    rng = np.random.default_rng(seed)
    weights = initial_parameters(net, seed)
    if name in BOUNDED:
        low, high = BOUNDED[name]
        weights["V"] = rng.normal(size=weights["V"].shape)
        largest = np.maximum(weights["V"] * low, weights["V"] * high).sum(axis=0)
    else:
        weights["V"] = -np.abs(rng.normal(size=weights["V"].shape))
        largest = -LOWER[name] * weights["V"].sum(axis=0)
    # GELU and SiLU do not quite reach -0.17 and -0.2785
    outside = 0.05 if name in ("gelu", "silu") else SLACK
    weights["c"] = -largest + np.array([-SLACK, outside])
    found = persistent_units(net, weights, DOMAIN)
    scope = "random ReLU units with tanh, sigmoid, ReLU, softplus, GELU, SiLU sources"
    if ("k", 0) in found and ("k", 1) not in found:
        return holds(
            Level.ENCLOSED,
            scope,
            "own gradients are enclosed by {0} for all other parameters and all adjoints",
        )
    return unknown(scope, f"{name}, seed {seed}: certified are {sorted(found)}")


def bounded_by_signed_sum(_: Settings) -> Evidence:
    """tanh sources, b + |Σ w| ≤ 0."""
    net = two_layers(tanh, 2)
    weights = initial_parameters(net, 0)
    weights |= {"W": np.array([[2.0, -2.0], [0, 0]]), "V": np.array([[1.0, 1], [-1, -1]])}
    return _said_to_be_frozen(net, weights | {"c": np.array([-0.5, -0.5])})


def cone_with_any_sources(_: Settings) -> Evidence:
    """w ≤ 0 and b < 0, but sources that may be negative."""
    net = two_layers(leaky_relu("1/2"), 2)
    weights = initial_parameters(net, 0)
    weights |= {"W": np.eye(2), "V": -np.ones((2, 2)), "c": np.array([-0.5, -0.5])}
    return _said_to_be_frozen(net, weights)


def _said_to_be_frozen(net: Architecture, weights: Mapping[str, Array]) -> Evidence:
    outcome = frozen_certificate(net, weights, ("k", 0), DOMAIN)
    if not isinstance(outcome, NotFrozen):
        return unknown(net.name, str(outcome))
    found: dict[str, Any] = {p: w.tolist() for p, w in weights.items()}
    found |= {"x": outcome.counterexample.tolist(), "z at least": outcome.pre_activation}
    if outcome.exact is not None:
        found["z"] = str(outcome.exact)
    level = Level.ENCLOSED if outcome.exact is None else Level.PROVED
    return refuted(net.name, str(outcome), counterexample=found, level=level)


def dead_on_data_is_enough(_: Settings) -> Evidence:
    """A unit dead on its samples, said to be dead on a box that holds them."""
    net = two_layers(leaky_relu("1/2"), 2)
    weights = initial_parameters(net, 0)
    weights |= {"W": np.eye(2), "V": np.ones((2, 2)), "c": np.array([-1.0, -1.0])}
    on_data = frozen_certificate(net, weights, ("k", 0), Data(np.array([[0.5, 0.25]])))
    if not isinstance(on_data, FrozenCertificate):
        return unknown(net.name, str(on_data))
    return _said_to_be_frozen(net, weights)


def minima(_: Settings) -> Evidence:
    """The minima of GELU, SiLU and ELU."""
    return _bounded_below({"gelu": Fraction(17, 100), "silu": Fraction(279, 1000)})


def sixteen_percent(_: Settings) -> Evidence:
    """GELU ≥ -0.16."""
    return _bounded_below({"gelu": Fraction(16, 100)})


def gelu_for_silu(_: Settings) -> Evidence:
    """SiLU ≥ -0.17."""
    return _bounded_below({"silu": Fraction(17, 100)})


def _bounded_below(bounds: Mapping[str, Fraction]) -> Evidence:
    found = []
    for name, m in bounds.items():
        place, lowest = minimum(name)
        with flint.ctx.workprec(100):
            value = FUNCTIONS[name](arb(place[0]))
            if value < -arb(m.numerator) / m.denominator:
                counterexample = {"z": place[0], "value": value.str(10)}
                detail = f"{name}({place[0]:.8f}) = {value.str(8)} < -{float(m)}"
                return refuted(name, detail, counterexample=counterexample, level=Level.ENCLOSED)
        if not Fraction(lowest) >= -m:
            return unknown(name, f"only ≥ {lowest} was proved")
        found.append(f"{name} ≥ {lowest:.9f}")
    z = sympy.Symbol("z", negative=True)
    if (sympy.exp(z) - 1 + 1).is_positive is not True:
        return unknown("ELU", "e^z - 1 > -1 was not shown")
    return holds(Level.ENCLOSED, "the real line", ", ".join(found) + ", ELU = e^z - 1 > -1")


CLAIMS = (
    Claim(
        id="E2c",
        title="frozen now is not frozen for ever",
        statement=(
            "A ReLU unit that is dead on all data can be revived by one step of GD on the other "
            "parameters. It is frozen for ever, for every loss, if z ≤ 0 on the domain whatever "
            "values the other parameters take."
        ),
        hypotheses=(
            "φ'(0) = 0",
            "updates that vanish with the gradient: no momentum left over, no noise, no decay "
            "(for decay see E7d)",
        ),
        where="sharpens the persistence of the paper's frozen units",
        expected=Verdict.PROVED,
        checks=(
            Check("one step in rational numbers", one_step_revives, "revived"),
            Check("no gradient where z ≤ 0", no_gradient, "for ever"),
            Check("the same in random networks", no_gradient_exactly, "for ever"),
        ),
        false_variants=(
            FalseVariant("a dead unit stays dead", "its sources go on training", dead_stays_dead),
            FalseVariant(
                "dead on data is dead on the domain",
                "another input of the domain may revive it",
                dead_on_data_is_enough,
            ),
        ),
    ),
    Claim(
        id="E2c.persistent",
        title="certificates for ever",
        statement=(
            r"z = b + Σ w h ≤ 0 for all values of the sources' parameters if: sources are inputs "
            r"of a domain on which it holds; or tanh with b + Σ|w| ≤ 0, sigmoid with "
            r"b + Σ max(w, 0) ≤ 0; or sources ≥ 0 (ReLU, softplus, sigmoid), all w ≤ 0 and b ≤ 0; "
            r"or sources ≥ -m, all w ≤ 0 and b + m Σ|w| ≤ 0. Then the unit's own parameters have "
            r"no gradient."
        ),
        hypotheses=("as in E2c",),
        where="new: which frozen units stay frozen",
        expected=Verdict.PROVED,
        checks=(
            Check("ranges of the sources", ranges, "z ≤ 0"),
            Check("no gradient where z ≤ 0", no_gradient_exactly, "gradient"),
            Check("enclosures in random networks", conditions, "gradient"),
        ),
        false_variants=(
            FalseVariant(
                "b + |Σ w| ≤ 0", "sources of opposite signs add up", bounded_by_signed_sum
            ),
            FalseVariant(
                "w ≤ 0, b < 0 for any sources",
                "a negative source has a positive contribution",
                cone_with_any_sources,
            ),
        ),
    ),
    Claim(
        id="E2c.minima",
        title="lower bounds of GELU, SiLU and ELU",
        statement="GELU ≥ -0.17, SiLU ≥ -0.279, ELU > -1 on the real line.",
        hypotheses=(),
        where="constants of E2c.persistent",
        expected=Verdict.PROVED,
        checks=(Check("enclosed minima", minima),),
        false_variants=(
            FalseVariant("GELU ≥ -0.16", "its minimum is -0.16997", sixteen_percent),
            FalseVariant("SiLU ≥ -0.17", "its minimum is -0.27846", gelu_for_silu),
        ),
        about_numbers=True,
    ),
)
