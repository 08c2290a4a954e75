"""N12.prediction and N4b.prediction: escape times and critical decay against training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
from scipy.special import stdtrit

from numerics.losses import MSE
from numerics.systems.system import Array
from numerics.transverse.escape_time import escape_steps, escape_time, linear_escape_steps
from numerics.transverse.resting_clones import RestingClones, resting_clones
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from theory.optimizer import l2_init, sgd

RATE = 0.2
NEAR, FAR = 1e-6, 1e-3  # distances from the manifold
NETWORKS = 240
CORRELATED = 0.9
EXACT = 1e-3  # relative; terms of second order are of the size of FAR
PAIRS = {"h1": [[0, 1], [2, 3]]}


@dataclass(frozen=True, slots=True)
class Times:
    """Steps until the escape of many networks.

    Attributes:
        seen: by training; infinity beyond the last step.
        rough: ln(far/near) / ln(1 + η|λ_min|).
        linear: of the linearised steps.
        tangent: the rough time of the most negative tangent eigenvalue in place of λ_min.
    """

    seen: Array
    rough: Array
    linear: Array
    tangent: Array


@lru_cache(maxsize=4)
def _times(depth: int, members: int, seed: int, most: int) -> Times:
    shapes = {
        1: ([2, 2, 2], PAIRS),
        2: ([2, 2, 2, 2], {"h1": [[0, 1], [2, 3]], "h2": [[0, 1, 2], [3]]}),
    }
    widths, blocks = shapes[depth]
    drawn = resting_clones(
        widths, blocks, "tanh", members=members, samples=16, errors=1.5, seed=seed
    )
    lowest = np.linalg.eigvalsh(drawn.normal_hessians())[:, 0]
    # rounding grows along the manifold: it has to cover thirteen decades while errors cover three
    clones = drawn.chosen(drawn.tangent_eigenvalues()[:, 0] > 2 * lowest)
    start, directions = clones.perturbed(NEAR, seed + 1)
    hessians = clones.normal_hessians()
    lowest = np.linalg.eigvalsh(hessians)[:, 0]
    along = clones.tangent_eigenvalues()[:, 0]
    seen = escape_steps(
        clones.wide,
        sgd().with_hyperparameters(rate=RATE),
        MSE,
        start,
        clones.x,
        clones.target,
        clones.space,
        threshold=FAR,
        most=most,
    )
    return Times(
        seen.steps,
        _rough(lowest),
        linear_escape_steps(hessians, directions, rate=RATE, threshold=FAR, most=most),
        _rough(along),
    )


def _rough(eigenvalues: Array) -> Array:
    return np.array([escape_time(np.log(max(1 - RATE * e, 1.0)), NEAR, FAR) for e in eigenvalues])


def _populations(settings: Settings) -> list[Times]:
    seed = settings.sub_seed("N12 prediction") % 2**31
    if settings.full:
        return [_times(1, 1000, seed, 4000), _times(2, 400, seed, 8000)]
    return [_times(1, NETWORKS, seed, 2500)]


def slope(x: Array, y: Array) -> tuple[float, float]:
    """Least squares of y on x with a constant: the slope and half its 95 % interval.

    >>> round(slope(np.arange(5.0), 2 * np.arange(5.0))[0], 9)
    2.0
    """
    centred = x - x.mean()
    found = float(centred @ y / (centred @ centred))
    residuals = y - y.mean() - found * centred
    error = sqrt(float(residuals @ residuals) / (len(x) - 2) / float(centred @ centred))
    return found, float(stdtrit(len(x) - 2, 0.975)) * error


def _correlated(times: Times, predicted: Array, name: str) -> Evidence:
    """Whether ln(time) seen and predicted are correlated as they should be."""
    escaped = np.isfinite(times.seen) & np.isfinite(predicted)
    seen, told = times.seen[escaped], predicted[escaped]
    scope = f"{len(times.seen)} random tanh networks at rest, η = {RATE}, {NEAR:g} to {FAR:g}"
    if escaped.sum() < len(times.seen) / 2:
        return unknown(scope, f"only {escaped.sum()} have both times")
    correlation = float(np.corrcoef(np.log(told), np.log(seen))[0, 1])
    linear, half = slope(told, seen)
    figures = {
        f"{name}: networks": len(times.seen),
        f"{name}: escaped": int(escaped.sum()),
        f"{name}: correlation of logarithms": correlation,
        f"{name}: correlation": float(np.corrcoef(told, seen)[0, 1]),
        f"{name}: slope": linear,
        f"{name}: half of its 95 % interval": half,
        f"{name}: median of seen / predicted": float(np.median(seen / told)),
    }
    detail = (
        f"{name}: {escaped.sum()} escape, correlation of logarithms {correlation:.3f}, slope "
        f"{linear:.3f} ± {half:.3f}"
    )
    if correlation < CORRELATED:
        return refuted(scope, detail, level=Level.OBSERVED, figures=figures)
    chart = _scatter(f"Escape of {len(seen)} networks, {name}", told, seen)
    return holds(Level.OBSERVED, scope, detail, figures=figures, charts=(chart,))


def _scatter(title: str, predicted: Array, seen: Array) -> Chart:
    """Steps seen against steps predicted, and the line on which they are equal."""
    ends = (float(predicted.min()), float(predicted.max()))
    told, found = (tuple(float(t) for t in times) for times in (predicted, seen))
    series = Series("equal", ends, ends, "dashed"), Series("seen", told, found, "points")
    return Chart(
        title, "predicted step of escape", "step of escape", series, log_x=True, log_y=True
    )


def rough_times(settings: Settings) -> Evidence:
    """ln(far/near) / ln(1 + η|λ_min|), which knows no direction."""
    return conjoin(_correlated(t, t.rough, "by λ_min") for t in _populations(settings))


def tangent_times(settings: Settings) -> Evidence:
    """The same by the most negative tangent eigenvalue."""
    return conjoin(_correlated(t, t.tangent, "by the tangent") for t in _populations(settings))


def _exact(settings: Settings, factor: float) -> Evidence:
    """Whether each network escapes when its linearised steps do, times a factor."""
    figures: dict[str, float] = {}
    charts = []
    for times in _populations(settings):
        escaped = np.isfinite(times.seen) & np.isfinite(times.linear)
        ratio = times.seen[escaped] / (factor * times.linear[escaped])
        scope = f"{len(times.seen)} random tanh networks at rest, η = {RATE}"
        low, middle, high = (float(q) for q in np.quantile(ratio, [0.05, 0.5, 0.95]))
        figures |= {
            f"{len(times.seen)} networks: {q} % of seen / predicted": v
            for q, v in ((5, low), (50, middle), (95, high))
        }
        linear, half = slope(times.linear[escaped], times.seen[escaped])
        detail = (
            f"seen / predicted is between {low:.6f} and {high:.6f} for 90 % of the networks, "
            f"slope {linear:.6f} ± {half:.1e}"
        )
        if abs(middle - 1) > EXACT:
            return refuted(scope, detail, level=Level.OBSERVED, figures=figures)
        agree = np.isfinite(times.seen) == np.isfinite(times.linear)
        if max(1 - low, high - 1) > 0.05 or agree.mean() < 0.98:
            return unknown(scope, detail, figures=figures)
        title = f"Escape of {escaped.sum()} networks, by the linearised steps"
        charts.append(_scatter(title, times.linear[escaped], times.seen[escaped]))
    return holds(Level.OBSERVED, scope, detail, figures=figures, charts=tuple(charts))


def linear_times(settings: Settings) -> Evidence:
    """Σ c_i² (1 - ηλ_i)^{2t} = far²."""
    return _exact(settings, 1.0)


def doubled_rate(settings: Settings) -> Evidence:
    """Half of the time."""
    return _exact(settings, 0.5)


CRITICAL = 1.0  # λ*, for all networks: errors are scaled, and the normal Hessian with them
STEPS = 900


@lru_cache(maxsize=2)
def _critical(members: int, seed: int) -> RestingClones:
    """Networks whose λ* is CRITICAL, at rest, and stable along the manifold."""
    drawn = resting_clones(
        [2, 2, 2], PAIRS, "tanh", members=members, samples=16, errors=1.5, seed=seed
    )
    lowest = np.linalg.eigvalsh(drawn.normal_hessians())[:, 0]
    clones = drawn.scaled(-CRITICAL / lowest)
    along = clones.tangent_eigenvalues()
    stable = (along[:, 0] > -0.8 * CRITICAL) & (along[:, -1] < 1.5 / RATE)
    return clones.chosen(stable)


def _under_decay(settings: Settings, factor: float) -> tuple[Array, Array, int]:
    """Distances before and after training with a pull λ(θ - rest), and how many networks left."""
    seed = settings.sub_seed("N4b prediction") % 2**31
    clones = _critical(1000 if settings.full else 250, seed)
    start, _ = clones.perturbed(NEAR, seed + 1)
    found = escape_steps(
        clones.wide,
        l2_init().with_hyperparameters(rate=RATE, decay=factor * CRITICAL),
        MSE,
        start,
        clones.x,
        clones.target,
        clones.space,
        threshold=FAR,
        most=STEPS,
        state={f"start:{p}": w for p, w in clones.rest.items()},
    )
    return np.full(len(clones), NEAR), found.distances, int(np.isfinite(found.steps).sum())


def _bracket(settings: Settings, below: float, above: float) -> Evidence:
    """Whether all networks leave under λ = below · λ* and none under above · λ*."""
    figures: dict[str, float] = {}
    _, left_at, left = _under_decay(settings, below)
    before, stayed_at, strayed = _under_decay(settings, above)
    count = len(before)
    scope = f"{count} random tanh networks at rest, η = {RATE}, {STEPS} steps"
    figures = {
        "networks": count,
        f"left at λ = {below} λ*": left,
        f"left at λ = {above} λ*": strayed,
        f"largest distance at λ = {above} λ*": float(stayed_at.max()),
        f"smallest distance at λ = {below} λ*": float(left_at.min()),
    }
    detail = f"{left} of {count} leave at {below} λ*, {strayed} at {above} λ*"
    if left == count and strayed == 0 and (stayed_at < before).all():
        ranks = tuple(float(k) for k in range(1, count + 1))
        series = (
            Series(f"after training, λ = {below} λ*", ranks, _sorted(left_at), "points"),
            Series(f"after training, λ = {above} λ*", ranks, _sorted(stayed_at), "points"),
            Series("at the start", (1.0, float(count)), (NEAR, NEAR), "dashed"),
        )
        chart = Chart(
            "Decay below and above the critical one",
            "network, by rank",
            "distance from BC",
            series,
            log_y=True,
        )
        return holds(Level.OBSERVED, scope, detail, figures=figures, charts=(chart,))
    return refuted(scope, detail, level=Level.OBSERVED, figures=figures)


def _sorted(values: Array) -> tuple[float, ...]:
    return tuple(float(v) for v in np.sort(values))


def bracket(settings: Settings) -> Evidence:
    """0.9 λ* and 1.1 λ*."""
    return _bracket(settings, 0.9, 1.1)


def twice(settings: Settings) -> Evidence:
    """λ* is twice as large."""
    return _bracket(settings, 1.8, 2.2)


def half(settings: Settings) -> Evidence:
    """λ* is half as large."""
    return _bracket(settings, 0.45, 0.55)


CLAIMS = (
    Claim(
        id="N12.prediction",
        title="escape times are predicted",
        statement=(
            "Random cloned networks at rest on BC, moved by $10^{-6}$ in a random normal direction "
            "and trained by gradient descent, are $10^{-3}$ away after a number of steps whose "
            "logarithm is correlated with that of "
            "$\\ln(10^3) / \\ln(1 + \\eta|\\lambda_{min}|)$, with a coefficient above 0.9, and "
            "which is that of the linearised steps, "
            "$\\sum_i c_i^2 (1 - \\eta\\lambda_i)^{2t} = 10^{-6}$, up to $10^{-3}$ in the median."
        ),
        hypotheses=(
            "targets are chosen so that the point has no gradient",
            "tanh MLPs with two outputs, each with its own data",
            "the point stands still: errors grow at most twice as fast along the manifold",
        ),
        where="new: a prediction, tested",
        expected=Verdict.UNKNOWN,
        checks=(
            Check("by the lowest eigenvalue", rough_times, "rough"),
            Check("by all eigenvalues and the direction", linear_times, "linear"),
        ),
        false_variants=(
            FalseVariant(
                "by the lowest tangent eigenvalue",
                "errors across the manifold do not see the curvature along it",
                tangent_times,
            ),
            FalseVariant("in half of the time", "errors grow like 1 + η|λ|", doubled_rate),
        ),
    ),
    Claim(
        id="N4b.prediction",
        title="critical decay is bracketed",
        statement=(
            "At points of rest that decay does not move, $\\lambda(\\theta - \\theta_{rest})$, "
            "gradient descent leaves from $10^{-6}$ beside BC for $\\lambda = 0.9\\lambda^*$ and "
            "returns for $1.1\\lambda^*$, with $\\lambda^* = -\\lambda_{min}(M)$, in every network."
        ),
        hypotheses=(
            "the decay pulls to the point of rest, so that the point stays where it is",
            "along the manifold the point is stable with 0.8 λ* already",
        ),
        where="new: a prediction, tested",
        expected=Verdict.UNKNOWN,
        checks=(Check("training on both sides", bracket),),
        false_variants=(
            FalseVariant("λ* is 2|λ_min|", "decay adds λ to each eigenvalue", twice),
            FalseVariant("λ* is |λ_min| / 2", "decay adds λ to each eigenvalue", half),
        ),
    ),
)
