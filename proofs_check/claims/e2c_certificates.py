"""E2c: certificates of frozen units on networks, and what training does to dead units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

from numerics.bounds import Box, Data
from numerics.evaluate import Evaluator
from numerics.frozen import (
    FrozenCertificate,
    NotFrozen,
    ReluUnits,
    frozen_certificate,
    held_radius,
    persistent_units,
)
from numerics.losses import MSE
from numerics.metrics import signals
from numerics.systems.ball import Ball
from numerics.systems.objects import exact
from numerics.systems.rational import Rational
from numerics.systems.system import Array, NumberSystem
from numerics.tasks import Task
from numerics.train import Weights, initial_parameters, train
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted, unknown
from theory.architecture import Architecture
from theory.graph import Graph
from theory.optimizer import sgd
from theory.zoo import mlp

DEEP = mlp([2, 4, 4, 1], "relu")
CHAIN = mlp([1, 1, 1, 1], "relu")
UNIT = ("h2", 0)


def _values(net: Architecture, weights: Mapping[str, Any], x: Array, system: NumberSystem) -> Array:
    """Pre-activations of axis h2, ``(samples, units)``."""
    graph = net.graph(len(x))
    ((node, _),) = ReluUnits(net).pre_activations(graph, "h2")
    return Evaluator(Graph(graph.nodes, {"z": node}), system)({**weights, "x": x})["z"]


def _largest(net: Architecture, weights: Mapping[str, Any], x: Array, unit: int) -> Fraction:
    """The largest exact pre-activation of a unit of h2 on samples."""
    return max(exact(z) for z in _values(net, weights, x, Rational())[:, unit])


def _drawn(seed: int) -> tuple[Weights, Box, Array]:
    """A deep network in which dead units are common, a box of inputs, and samples in it."""
    rng = np.random.default_rng(seed)
    weights = initial_parameters(DEEP, seed)
    for p in ("b1", "b2"):
        weights[p] = rng.normal(size=4) - 0.3
    low = rng.normal(size=2)
    box = Box(low, low + rng.uniform(0, 1.5, size=2))
    share = rng.uniform(size=(16, 2))
    share[:8] = np.round(share[:8])
    return weights, box, np.clip(low + share * (box.high - low), low, box.high)


def outcomes(settings: Settings) -> Evidence:
    """Outcomes in random networks against exact values."""
    count = 200 if settings.full else 12
    kinds: Counter[str] = Counter()
    scope = f"{count} random ReLU networks 2-4-4-1, a unit of the second layer, boxes of inputs"
    for trial in range(count):
        seed = settings.sub_seed("E2c.domain", trial)
        weights, box, x = _drawn(seed)
        outcome = frozen_certificate(DEEP, weights, UNIT, box, bisections=2)
        largest = _largest(DEEP, weights, x, UNIT[1])
        if isinstance(outcome, FrozenCertificate):
            kinds["frozen"] += 1
            if largest > Fraction(outcome.bound):
                return refuted(scope, f"seed {seed}: z = {float(largest)} > {outcome.bound}")
        elif isinstance(outcome, NotFrozen):
            kinds["not frozen"] += 1
            z = _largest(DEEP, weights, outcome.counterexample[None], UNIT[1])
            if z <= 0 or z != outcome.exact:
                return refuted(scope, f"seed {seed}: z = {float(z)} at the counterexample")
        else:
            kinds["unknown"] += 1
    if min(kinds["frozen"], kinds["not frozen"]) < 2:
        return unknown(scope, f"too few of a kind: {dict(kinds)}")
    detail = ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items()))
    return holds(Level.ENCLOSED, scope, f"{detail}; none contradicted in rational numbers")


def dead_at_corners(_: Settings) -> Evidence:
    """A unit of a deep network that is dead at all corners of a box."""
    net = mlp([1, 2, 1, 1], "relu")
    weights = initial_parameters(net, 0)
    weights |= {"W1": np.array([[1.0, -1.0]]), "W2": -np.ones((2, 1)), "b2": np.array([0.5])}
    corners = _largest(net, weights, np.array([[-1.0], [1.0]]), 0)
    outcome = frozen_certificate(net, weights, UNIT, Box(-1.0, 1.0))
    if corners < 0 and isinstance(outcome, NotFrozen):
        found = {"x": outcome.counterexample.tolist(), "z": str(outcome.exact)}
        detail = f"z ≤ {corners} at the corners; {outcome}"
        return refuted("ReLU network 1-2-1-1 on [-1, 1]", detail, counterexample=found)
    return unknown("ReLU network 1-2-1-1", f"{outcome}")


def without_signs(settings: Settings) -> Evidence:
    """z ≤ b + Σ w · (upper bound of h), whatever the signs of w."""
    for trial in range(20):
        weights, box, x = _drawn(settings.sub_seed("without signs", trial))
        # |x| is at most that at a corner, so h is at most this
        reach = np.maximum(np.abs(box.low), np.abs(box.high))
        upper = np.maximum(reach @ np.abs(weights["W1"]) + weights["b1"], 0)
        bound = upper @ weights["W2"][:, 0] + weights["b2"][0]
        largest = _largest(DEEP, weights, x, 0)
        if largest > Fraction(bound) + 1:
            found = {"z": float(largest), "bound": float(bound), "trial": trial}
            detail = f"z = {float(largest):.4f} at a sample, the bound says {bound:.4f}"
            return refuted("ReLU networks 2-4-4-1", detail, counterexample=found)
    return unknown("ReLU networks 2-4-4-1", "no network exceeds the bound")


def lasts(settings: Settings) -> Evidence:
    """GD in balls for as many steps as the radius promises."""
    members = 8 if settings.full else 2
    x = np.linspace(-1, 1, 6).reshape(3, 2)
    data = Task("three samples", x, np.array([[1.0], [-1.0], [0.5]]))
    scope = f"{members} random ReLU networks 2-4-4-1, three samples, GD in balls"
    promised = []
    for trial in range(members):
        weights = initial_parameters(DEEP, settings.sub_seed("E2c.radius", trial))
        weights["b2"][0] -= float(_largest(DEEP, weights, x, 0)) + 0.1
        outcome = frozen_certificate(DEEP, weights, UNIT, Data(x))
        if not isinstance(outcome, FrozenCertificate):
            return unknown(scope, str(outcome))
        radius = min(outcome.radius, 1.0)  # infinite for a unit that is frozen for ever
        rule = sgd().with_hyperparameters(rate="1/64")
        run = train(DEEP, rule, MSE, weights, data, steps=24, record=1, system=Ball())
        path = run.trajectory
        update = max(_distance(a, b) for a, b in pairwise(path))
        steps = int(radius / update)
        promised.append(min(steps, len(path) - 1))
        for theta in path[: steps + 1]:
            z = _values(DEEP, theta, x, Ball())[:, 0]
            own = [theta["W2"][k, 0] == weights["W2"][k, 0] for k in range(4)]
            if not (all(v <= 0 for v in z) and all(own)):
                return unknown(scope, f"z ≤ 0 is not certain within {steps} steps: {outcome}")
    if min(promised) < 2:
        return unknown(scope, f"the radii promise {promised} steps, too few to be a test")
    detail = f"dead, its weights unmoved, for the {promised} steps that r/‖update‖ promises"
    return holds(Level.ENCLOSED, scope, detail)


def _distance(a: Mapping[str, Any], b: Mapping[str, Any]) -> float:
    """An upper bound of the largest change of an entry."""
    return max(
        float(abs(y - x).upper()) for p in a for x, y in zip(a[p].flat, b[p].flat, strict=True)
    )


def sharp(_: Settings) -> Evidence:
    """In a chain the radius found is the largest but for one percent."""
    return _chain(0.99, 1.0)


def ten_percent_more(_: Settings) -> Evidence:
    """A radius ten percent larger."""
    return _chain(1.1, 1.1)


def margin_over_weights(_: Settings) -> Evidence:
    """r = margin/Σ|w|: as if only the last layer's sources moved, by r each."""
    return _chain(2.0, 2.0)


def _chain(least: float, factor: float) -> Evidence:
    """z = b + v h, h = relu(w x + c), at x = 1: W1 and b1 both move, so r is half the margin."""
    weights = {p: np.ones(shape) for p, shape in CHAIN.parameter_shapes.items()}
    weights["b1"], weights["b2"] = np.zeros(1), np.array([-3.0])
    found = held_radius(CHAIN, weights, UNIT, Box(0.0, 1.0), bisections=12)
    scope = "ReLU chain 1-1-1-1 on [0, 1], z = -3 + relu(w x + c), w = 1, c = 0"
    radius = found * factor
    moved = weights | {"W1": weights["W1"] + radius, "b1": weights["b1"] + radius}
    z = _largest(CHAIN, moved, np.array([[1.0]]), 0)
    detail = f"r = {radius:.5f}; with both moved by it z = {float(z):.5f}"
    if z > 0:
        counterexample = {"r": radius, "z": str(z)}
        return refuted(scope, detail, counterexample=counterexample)
    if radius < least:
        return unknown(scope, f"r = {radius} where 1 is the largest")
    return holds(Level.ENCLOSED, scope, detail)


@lru_cache(maxsize=1)
def _trained(settings: Settings) -> tuple[int, Array, Weights, Task, Chart]:
    """Members, which of them revived h2[0] and h2[1], the start, the data, and how many by when.

    Both units are dead on the data at the start, by a margin of 0.05. The weights and the bias of
    h2[1] are not positive: it has a certificate, and h2[0] has none.
    """
    members = 256 if settings.full else 32
    net = mlp([2, 6, 6, 1], "relu")
    rng = np.random.default_rng(settings.sub_seed("E2c.revived"))
    x = rng.uniform(-1, 1, size=(32, 2))
    data = Task("wave", x, np.sin(3 * x[:, :1]) * np.cos(2 * x[:, 1:]))
    start = initial_parameters(net, settings.sub_seed("E2c.revived", "weights"), (members,))
    start["W2"][..., 0] = np.abs(start["W2"][..., 0])  # no certificate by chance
    top = signals(net, start, data, MSE, "h2").z[..., 0].max(axis=-1)
    start["b2"][:, 0] = -top - 0.05
    start["W2"][..., 1] = -np.abs(start["W2"][..., 1])
    start["b2"][:, 1] = -0.05
    alive = np.zeros((members, 2), dtype=bool)
    counts: dict[int, list[int]] = {}

    def watch(step: int, weights: Weights) -> None:
        if step % 25 == 0:
            z = signals(net, weights, data, MSE, "h2").z[..., :2]
            alive[...] |= (z > 0).any(axis=-2)
            counts[step] = alive.sum(axis=0).tolist()

    rule = sgd().with_hyperparameters(rate="1/10")
    train(net, rule, MSE, start, data, steps=800, watch=watch)
    curves = tuple(
        Series(name, tuple(map(float, counts)), tuple(float(n[unit]) for n in counts.values()))
        for unit, name in enumerate(("without a certificate", "with one"))
    )
    title, y_label = "Units dead at the start, revived by GD", f"units revived, of {members}"
    return members, alive, start, data, Chart(title, "steps", y_label, curves)


def revived(settings: Settings) -> Evidence:
    """How many dead units GD revives, with and without a certificate."""
    members, alive, start, data, chart = _trained(settings)
    net, domain = mlp([2, 6, 6, 1], "relu"), Data(data.x)
    scope = f"{members} ReLU networks 2-6-6-1, GD on 32 samples, 800 steps"
    for member in range(32 if settings.full else 8):
        found = persistent_units(net, {p: w[member] for p, w in start.items()}, domain)
        if ("h2", 1) not in found or ("h2", 0) in found:
            return unknown(scope, f"member {member}: certified are {sorted(found)}")
    without, with_certificate = (int(n) for n in alive.sum(axis=0))
    detail = (
        f"of units dead on all data without a certificate {without} of {members} were revived, "
        f"of those with one {with_certificate}"
    )
    if with_certificate:
        return refuted(scope, detail, level=Level.OBSERVED)
    if 2 * without < members:
        return unknown(scope, f"{detail}: not most of them")
    share = without / members
    figures = {"share of dead units revived": share}
    return holds(Level.OBSERVED, scope, detail, figures=figures, charts=(chart,))


def none_is_revived(settings: Settings) -> Evidence:
    """No dead unit is revived."""
    return _said_of_revivals(settings, 0, "revived although dead on all data", is_alive=True)


def certified_are_revived(settings: Settings) -> Evidence:
    """Units with a certificate are revived as well."""
    return _said_of_revivals(settings, 1, "not revived, and certified never to be", is_alive=False)


def _said_of_revivals(settings: Settings, unit: int, words: str, *, is_alive: bool) -> Evidence:
    members, alive, *_ = _trained(settings)
    count = int((alive[:, unit] == is_alive).sum())
    if not count:
        return unknown(f"{members} ReLU networks 2-6-6-1", f"no unit was {words}")
    found = {"members": members, "units": count}
    detail = f"{count} of {members} units were {words}"
    scope = "ReLU networks 2-6-6-1"
    return refuted(scope, detail, counterexample=found, level=Level.OBSERVED)


CLAIMS = (
    Claim(
        id="E2c.domain",
        title="frozen on a box of inputs",
        statement=(
            "Of a ReLU unit of a deep network, bounds with outward rounding prove z ≤ 0 for all "
            "inputs of a box, or an input is found at which z > 0 in rational numbers; what is "
            "neither is unknown. No outcome in random networks is contradicted."
        ),
        hypotheses=("the random networks of the check",),
        where="new: certificates on a domain",
        expected=Verdict.PROVED,
        checks=(Check("random networks in rational numbers", outcomes),),
        false_variants=(
            FalseVariant(
                "dead at all corners of the box", "a deep unit is not monotone", dead_at_corners
            ),
            FalseVariant(
                "bounds that ignore the signs of weights",
                "a negative weight is largest where its source is smallest",
                without_signs,
            ),
        ),
        about_numbers=True,
    ),
    Claim(
        id="E2c.radius",
        title="frozen within a radius",
        statement=(
            "If z ≤ 0 on the domain for all other parameters within r of their values, entry by "
            "entry, the unit is frozen for at least r/‖update‖ steps. In a chain the r found by "
            "bounds is the largest one but for one percent."
        ),
        hypotheses=("the networks and data of the checks", "as in E2c"),
        where="new: certificates of a duration",
        expected=Verdict.PROVED,
        checks=(
            Check("GD in balls", lasts, "lasts"),
            Check("a chain whose radius is known", sharp, "sharp"),
        ),
        false_variants=(
            FalseVariant(
                "ten percent more", "the sources can then exceed the margin", ten_percent_more
            ),
            FalseVariant(
                "margin / Σ|w|", "earlier parameters act through all layers", margin_over_weights
            ),
        ),
        about_numbers=True,
    ),
    Claim(
        id="E2c.revived",
        title="training revives dead units",
        statement=(
            "Most units of a second layer that are dead on all data by a margin of 0.05 and have "
            "no certificate are revived by GD on the other parameters; none with a certificate is."
        ),
        hypotheses=("the networks and data of the check",),
        where="demonstrates E2c",
        expected=Verdict.UNKNOWN,
        checks=(Check("an ensemble trained by GD", revived),),
        false_variants=(
            FalseVariant("no dead unit is revived", "its sources go on training", none_is_revived),
            FalseVariant(
                "certified units are revived too",
                "their pre-activations cannot become positive",
                certified_are_revived,
            ),
        ),
    ),
)
