"""N6: the plasticity dimension, and the traps that it finds untold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.plasticity.dimension import PlasticityResult, plasticity_dimension
from numerics.plasticity.span import gradient_graph, gradient_rank
from numerics.plasticity.spectrum import numerical_plasticity
from numerics.systems.float64 import Float64
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import chooser, draw_partition
from proofs_check.evidence import Evidence, Level, Verdict, added_errors, holds, refuted, unknown
from theory.architecture import Architecture
from theory.layers import attention, batch_norm, layer_norm
from theory.manifold import Constraint, Manifold, block_constant, equitable
from theory.manifold.affine import AffineManifold
from theory.partition import make_partition
from theory.zoo import mlp

Steps = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
Case = tuple[str, Architecture, Manifold | None, bool, int]  # bool: cross-entropy

NET = mlp([3, 4, 4, 2])
PAIRS = make_partition(NET.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[0, 1], [2, 3]]})
EPS = Fraction(1, 100)


def _batch_norm(p: dict[str, Any], x: Any) -> Any:
    z = batch_norm(x @ p["W"] + p["b"], p["gain"], p["shift"], eps=EPS)
    return np.tanh(z) @ p["V"]


def _layer_norm(p: dict[str, Any], x: Any) -> Any:
    return np.tanh(layer_norm(x @ p["W"] + p["b"], eps=EPS)) @ p["V"]


def _attention(p: dict[str, Any], x: Any) -> Any:
    q, k, v = ((x @ p[f"W{n}"] + p[f"b{n}"])[:, :, None, :] for n in "qkv")
    return attention(q, k, v)[:, :, 0, :]


NORMED = {"x": 3, "h": 4, "y": 2}
BATCH_NORM = Architecture(
    _batch_norm,
    NORMED,
    {"W": ("x", "h"), "b": ("h",), "gain": ("h",), "shift": ("h",), "V": ("h", "y")},
    name="a bias in front of BatchNorm",
)
LAYER_NORM = Architecture(
    _layer_norm,
    NORMED,
    {"W": ("x", "h"), "b": ("h",), "V": ("h", "y")},
    name="a mean shift in front of LayerNorm",
)
ATTENTION = Architecture(
    _attention,
    {"t": 3, "d": 3, "k": 3},
    {f"{kind}{n}": (("d", "k") if kind == "W" else ("k",)) for n in "qkv" for kind in "Wb"},
    inputs=("t", "d"),
    name="a key bias in softmax attention",
)


def _dead(*units: tuple[str, int]) -> Architecture:
    network = NET
    for axis, unit in units:
        network = network.freeze(axis, unit)
    return network


CASES: tuple[Case, ...] = (
    ("generic", NET, None, False, 46),
    ("clones, any leaf", NET, equitable(NET, PAIRS), False, 20),
    ("clones, BC", NET, block_constant(NET, PAIRS), False, 20),
    ("dead in layer 1", _dead(("h1", 0)), None, False, 38),
    ("dead in layer 2", _dead(("h2", 0)), None, False, 39),
    ("two dead in layer 1", _dead(("h1", 0), ("h1", 2)), None, False, 30),
    ("dead in both layers", _dead(("h1", 0), ("h2", 0)), None, False, 32),
    ("all of layer 2 dead", _dead(*(("h2", k) for k in range(4))), None, False, 2),
    ("logits under cross-entropy", NET, None, True, 41),
    (BATCH_NORM.name, BATCH_NORM, None, False, 32 - 4),
    (LAYER_NORM.name, LAYER_NORM, None, False, 24 - 4),
    (ATTENTION.name, ATTENTION, None, False, 36 - 3),
)


def _conjoined(results: list[PlasticityResult], scope: str, detail: str) -> Evidence:
    """All were proved; the errors add up."""
    bits = [r.bits for r in results if r.bits is not None and r.bits != inf]
    return holds(
        Level.PROVED_WITH_ERROR, scope, detail, error_bits=added_errors(bits) - 1e-6, figures={}
    )


def _judge(name: str, found: PlasticityResult, expected: int) -> Evidence | None:
    """What is wrong with a result, if anything."""
    if found.is_proved and found.dimension == expected:
        return None
    said = f"{name}: {found.summary()}; the theory says {expected}"
    # a dimension is never overestimated, and an upper bound is proved
    if found.dimension > expected or found.upper < expected:
        return refuted(name, said, level=Level.OBSERVED)
    return unknown(name, said)


def known_traps(settings: Settings) -> Evidence:
    """Dimensions of an MLP 3-4-4-2 and of three layers with traps from birth."""
    results = []
    for name, network, manifold, is_restricted, expected in CASES:
        found = plasticity_dimension(
            network,
            manifold,
            adjoints="cross-entropy" if is_restricted else "all",
            bits=70,
            seed=settings.sub_seed("N6", name),
        )
        if wrong := _judge(name, found, expected):
            return wrong
        results.append(found)
    listed = "; ".join(f"{name} {expected}" for name, *_, expected in CASES)
    return _conjoined(results, f"{len(CASES)} networks", f"plasticity dimensions: {listed}")


def clones_move_as_the_base(settings: Settings) -> Evidence:
    """From any leaf of cloned units in random MLPs, the base network's parameters are left."""
    results = []
    count = 60 if settings.full else 12
    for trial in range(count):
        choose = chooser(settings.sub_seed("N6", "clones", trial))
        widths = [choose(1, 3), *(choose(2, 5) for _ in range(choose(1, 2))), choose(1, 3)]
        network = mlp(widths)
        partition = draw_partition(choose, network)
        base = mlp([partition[axis].num_blocks for axis in network.sizes])
        found = plasticity_dimension(
            network,
            equitable(network, partition),
            bits=70,
            seed=settings.sub_seed("N6", "base", trial),
        )
        if wrong := _judge(network.name, found, base.num_parameters):
            return wrong
        results.append(found)
    return _conjoined(
        results, f"{count} random MLPs", "the dimension is the base network's parameter count"
    )


def float_spectra(settings: Settings) -> Evidence:
    """The field's dimension against the gap in the float64 spectrum of smooth networks."""
    for trial in range(4):
        choose = chooser(settings.sub_seed("N6", "spectrum", trial))
        widths = [choose(2, 3), choose(2, 4), choose(1, 2)]
        network = mlp(widths, ("tanh", "sigmoid")[trial % 2])
        rng = np.random.default_rng(settings.sub_seed("N6", "weights", trial))
        manifold = equitable(network, draw_partition(choose, network)) if trial else None
        theta = {p: rng.normal(size=s) for p, s in network.parameter_shapes.items()}
        if manifold is not None:
            theta = manifold.project(theta)
        exact = plasticity_dimension(network, manifold, seed=trial)
        seen = numerical_plasticity(network, theta, seed=trial)
        if seen.dimension != exact.dimension:
            return unknown(network.name, f"{exact.summary()}; in float64 {seen.summary()}")
    return holds(
        Level.OBSERVED, "4 smooth MLPs", "the float64 spectrum falls behind the same dimension"
    )


def sgd_conserves(settings: Settings) -> Evidence:
    """Every functional that was found, along 50 steps of SGD on random data."""
    worst = 0.0
    for network in (BATCH_NORM, LAYER_NORM, ATTENTION):
        found = plasticity_dimension(network, seed=settings.sub_seed("N6", network.name))
        moved = _drift(network, found, _sgd, settings.sub_seed("N6", "sgd"))
        worst = max(worst, moved)
    detail = f"functionals move by at most {worst:.1e} of what the parameters move"
    # 50 steps of rounding to 53 bits, in sums of fewer than 100 terms
    if worst > 50 * 100 * 2.0**-53 * 8:
        return refuted("three networks", detail, level=Level.OBSERVED)
    return holds(Level.OBSERVED, "three networks, SGD in float64", detail)


def _sgd(gradients: dict[str, Any], _: dict[str, Any]) -> dict[str, Any]:
    return {p: -0.05 * g for p, g in gradients.items()}


def _adam(gradients: dict[str, Any], state: dict[str, Any]) -> dict[str, Any]:
    steps = {}
    state["t"] = t = state.get("t", 0) + 1
    for p, g in gradients.items():
        m, v = state.get(p, (0.0 * g, 0.0 * g))
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        state[p] = (m, v)
        steps[p] = -0.05 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return steps


def _drift(network: Architecture, found: PlasticityResult, step: Steps, seed: int) -> float:
    """How far the worst functional drifts, relative to how far the parameters move."""
    rng = np.random.default_rng(seed)
    graph = gradient_graph(network, found.batch, found.adjoints)
    evaluator = Evaluator(graph, Float64())
    theta = {p: rng.normal(size=s) for p, s in network.parameter_shapes.items()}
    start = {p: a.copy() for p, a in theta.items()}
    state: dict[str, Any] = {}
    for _ in range(50):
        data = {
            name: rng.normal(size=shape)
            for name, shape in graph.input_shapes.items()
            if name not in theta
        }
        slopes = evaluator({**theta, **data})
        moves = step({p: slopes[p] for p in theta}, state)
        theta = {p: a + moves[p] for p, a in theta.items()}
    moved = {p: (theta[p] - start[p]).ravel() for p in theta}
    length = max(float(np.abs(a).max()) for a in moved.values())
    drifts = (
        abs(sum(float(c) * moved[p][e] for (p, e), c in functional.items()))
        for functional in found.conserved
    )
    return float(max(drifts) / length)


def rank_at_one_point(settings: Settings) -> Evidence:
    """The rank of gradients at a single θ is the plasticity dimension."""
    network = mlp([2, 2, 1], "relu")
    rng = np.random.default_rng(settings.sub_seed("N6", "point"))
    rows = tuple(
        Constraint({(p, e): Fraction(1)}, Fraction(int(rng.integers(1, 1000))), "a point")
        for p, shape in network.parameter_shapes.items()
        for e in range(int(np.prod(shape)))
    )
    point = AffineManifold("a point", network.parameter_shapes, rows)
    rank = gradient_rank(network, point, seed=settings.seed)
    closure = plasticity_dimension(network, point, seed=settings.seed)
    detail = f"at one θ gradients span {rank} dimensions; {closure.summary()}"
    if rank != closure.dimension:
        return refuted(network.name, detail, level=Level.OBSERVED)
    return holds(Level.OBSERVED, network.name, detail)


def frozen_constant_ignored(settings: Settings) -> Evidence:
    """One dead unit takes its incoming parameters only: 42 dimensions are left."""
    found = plasticity_dimension(_dead(("h1", 0)), seed=settings.sub_seed("N6", "ignored"))
    return _judge("one dead unit", found, 42) or holds(Level.OBSERVED, "", found.summary())


def adam_keeps_the_logits(settings: Settings) -> Evidence:
    """Adam conserves the sum of logit biases under cross-entropy, as SGD does."""
    network = mlp([3, 4, 3], "tanh")
    seed = settings.sub_seed("N6", "adam")
    found = plasticity_dimension(network, adjoints="cross-entropy", seed=seed)
    figures: Mapping[str, float] = {
        "SGD": _drift(network, found, _sgd, seed),
        "Adam": _drift(network, found, _adam, seed),
    }
    detail = f"conserved functionals drift by {figures['Adam']:.1e} of the way"
    if figures["SGD"] < 1e-12 and figures["Adam"] > 1e-3:
        return refuted(network.name, detail, level=Level.OBSERVED, figures=figures)
    return unknown(network.name, detail, figures=figures)


CLAIMS = (
    Claim(
        id="N6",
        title="the plasticity dimension",
        statement=(
            r"The smallest V with \nabla\ell(\theta'; x, a) \in V for all \theta' \in \theta + V, "
            "all inputs x and all output adjoints a has, at generic points, the dimensions that "
            "the checks list: the base network's parameter count on leaves of clones, and fewer "
            "than all parameters where units are dead, in front of normalisation, for key biases, "
            "and for logits under cross-entropy. Its annihilator is conserved by every method "
            "whose steps are combinations of past gradients."
        ),
        hypotheses=("the functions are generic: real ones can have fewer dimensions, not more",),
        where="new; beyond arXiv 2510.00304, Def. 2.1",
        expected=Verdict.PROVED,
        checks=(
            Check("known traps", known_traps, "dimensions"),
            Check("clones move as the base", clones_move_as_the_base, "clones"),
            Check("float64 spectra", float_spectra, "clones"),
            Check("SGD conserves what is found", sgd_conserves, "dimensions"),
        ),
        false_variants=(
            FalseVariant(
                "rank at one point",
                "curved laws, such as |w_in|² - |w_out|² of ReLU, lower it",
                rank_at_one_point,
            ),
            FalseVariant(
                "a dead unit without its outgoing weights",
                "weights from a unit that is 0 have no gradient either",
                frozen_constant_ignored,
            ),
            FalseVariant(
                "Adam keeps the logit shift",
                "its steps are not combinations of past gradients",
                adam_keeps_the_logits,
            ),
        ),
    ),
)
