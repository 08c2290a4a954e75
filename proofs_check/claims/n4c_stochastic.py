"""N4c: gradient noise attracts to cloned manifolds."""

from __future__ import annotations

from collections.abc import Callable
from math import log, sqrt

import numpy as np
import sympy

from numerics.transverse.escape import transverse_eigenvalues
from numerics.transverse.lyapunov import LyapunovExponents
from numerics.transverse.multiplicative_noise import (
    linear_exponent,
    linear_paths,
    quartic_well_mean_square,
    quartic_well_paths,
    step_exponent,
)
from numerics.transverse.noisy_pair import LABEL_NOISE, NoisyPair, noisy_pair
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown

SURE = 4.5  # standard errors: a chance of 7e-6 for a normal variable
RATE, BATCH = 0.2, 1
SMALL, FELL, LEFT = 1e-3, 1e-4, 0.3  # distances from the set
ITO = "SymPy: Itô's formula, dW of mean 0 and square dt"


def _ito(drift: sympy.Expr, noise: sympy.Expr, v: sympy.Symbol) -> tuple[sympy.Expr, sympy.Expr]:
    """Drift and noise of ln v for dv = drift dt + noise dW."""
    first = sympy.log(v).diff(v)
    drifted = first * drift + first.diff(v) * noise**2 / 2
    return sympy.simplify(drifted), sympy.simplify(first * noise)


def linear_law(_: Settings) -> Evidence:
    """d ln|v| has constant coefficients, so the exponent is its drift."""
    v, h, zeta = sympy.symbols("v h zeta", positive=True)
    drift, noise = _ito(-h * v, zeta * v, v)
    if sympy.expand(drift + h + zeta**2 / 2) != 0 or noise != zeta:
        return refuted("dv = -h v dt + ζ v dW", f"d ln v = ({drift}) dt + ({noise}) dW")
    return holds(
        Level.PROVED,
        "dv = -h v dt + ζ v dW",
        f"{ITO}: d ln|v| = (-h - ζ²/2) dt + ζ dW, and W(t)/t → 0",
    )


def _simulated(settings: Settings, name: str, cases: tuple[tuple[float, float], ...]) -> Evidence:
    """Whether means over Euler-Maruyama paths are as the named law says for each h and ζ."""
    laws: dict[str, Callable[[float, float], float]] = {
        "-h - ζ²/2": linear_exponent,
        "-h": lambda h, _: -h,
    }
    time, steps, paths = 8.0, 4000, 4000 if settings.full else 1000
    figures: dict[str, float] = {}
    for h, zeta in cases:
        seed = settings.sub_seed("N4c", f"{h} {zeta}")
        found = linear_paths(h, zeta, time=time, steps=steps, paths=paths, seed=seed % 2**32)
        mean, error = float(found.mean()), float(found.std(ddof=1) / sqrt(paths))
        # the scheme's own: its ln(1 + x) has terms of fourth order, (h² + 3ζ⁴/2 + 2|h|ζ²) dt
        bias = (h * h + 1.5 * zeta**4 + 2 * abs(h) * zeta**2) * time / steps
        figures[f"h = {h}, ζ = {zeta}: mean of ln|v(t)|/t"] = mean
        if abs(mean - laws[name](h, zeta)) > SURE * error + bias:
            detail = f"h = {h}, ζ = {zeta}: {mean:.4f} ± {error:.4f}, not {laws[name](h, zeta)}"
            return refuted(f"{paths} paths", detail, level=Level.OBSERVED, figures=figures)
    detail = f"means of ln|v(t)|/t agree with {name} up to {SURE} standard errors"
    return holds(Level.OBSERVED, f"{paths} paths, t = {time}", detail, figures=figures)


CASES = ((-0.5, 1.5), (0.5, 0.5), (-0.25, 0.5))


def linear_simulated(settings: Settings) -> Evidence:
    """Attraction where h < 0, too."""
    return _simulated(settings, "-h - ζ²/2", CASES)


def without_ito(settings: Settings) -> Evidence:
    """The exponent of the mean, -h."""
    return _simulated(settings, "-h", CASES)


def well_law(_: Settings) -> Evidence:
    """ζ² > 2μ: ln θ lies below a walk with negative drift; ζ² < 2μ: an integrable density."""
    theta, mu, zeta = sympy.symbols("theta mu zeta", positive=True)
    drift, noise = _ito(mu * theta - theta**3, zeta * theta, theta)
    upper = sympy.expand(mu - zeta**2 / 2 - drift)  # what the drift lies below a constant
    density = theta ** (2 * mu / zeta**2 - 2) * sympy.exp(-(theta**2) / zeta**2)
    flux = (mu * theta - theta**3) * density - (zeta**2 * theta**2 * density).diff(theta) / 2
    power = sympy.Symbol("power", positive=True)  # 2μ/ζ² - 1, positive iff ζ² < 2μ
    mass = sympy.integrate(theta ** (power - 1) * sympy.exp(-(theta**2)), (theta, 0, sympy.oo))
    square = sympy.integrate(theta ** (power + 1) * sympy.exp(-(theta**2)), (theta, 0, sympy.oo))
    mean = sympy.gammasimp(zeta**2 * square / mass).subs(power, 2 * mu / zeta**2 - 1)
    facts = (
        upper == theta**2,
        noise == zeta,
        sympy.simplify(flux) == 0,
        sympy.gammasimp(mass - sympy.gamma(power / 2) / 2) == 0,
        sympy.expand(mean - mu + zeta**2 / 2) == 0,
    )
    scope = "dθ = (μθ - θ³) dt + ζθ dW, θ(0) > 0"
    if not all(facts):
        return refuted(scope, f"not all of the five equations hold: {facts}")
    return holds(
        Level.PROVED,
        scope,
        f"{ITO}: d ln θ = (μ - ζ²/2 - θ²) dt + ζ dW, so θ → 0 almost surely if ζ² > 2μ; "
        "θ^(2μ/ζ² - 2) exp(-θ²/ζ²) has no flux and is integrable at 0 iff ζ² < 2μ, with "
        "E θ² = μ - ζ²/2 (the scale function diverges at both ends: paths are recurrent)",
    )


def _well(settings: Settings, threshold: float) -> Evidence:
    """Whether paths with ζ² = c μ collapse exactly for c > threshold."""
    mu, paths = 1.0, 400 if settings.full else 100
    figures: dict[str, float] = {}
    ratios, means, errors = (1.0, 1.5, 2.5, 3.0), [], []
    for ratio in ratios:
        zeta, time = sqrt(ratio * mu), 160.0
        seed = settings.sub_seed("N4c well", str(ratio)) % 2**32
        ends = quartic_well_paths(
            mu, zeta, start=1.0, time=time, steps=4000, paths=paths, seed=seed
        )
        expected = quartic_well_mean_square(mu, zeta)
        # a collapsing path has ln θ ≈ (μ - ζ²/2) t ± ζ √t; another one is O(1)
        collapsed = bool(np.median(ends) < -10)
        figures[f"ζ²/μ = {ratio}: median of ln θ({time:g})"] = float(np.median(ends))
        squares = np.exp(2 * ends)
        error = squares.std(ddof=1) / sqrt(paths)
        means.append(float(squares.mean()))
        errors.append(float(error))
        figures[f"ζ²/μ = {ratio}: mean of θ²"] = means[-1]
        if collapsed != (ratio > threshold):
            detail = f"ζ² = {ratio} μ: the median of ln θ is {np.median(ends):.1f}"
            return refuted(f"{paths} paths", detail, level=Level.OBSERVED, figures=figures)
        if not collapsed and abs(means[-1] - expected) > SURE * error + 0.01:
            detail = f"ζ² = {ratio} μ: E θ² = {means[-1]:.3f}, not {expected:.3f}"
            return refuted(f"{paths} paths", detail, level=Level.OBSERVED, figures=figures)
    detail = "θ collapses for ζ²/μ = 2.5 and 3, not for 1 and 1.5, where E θ² = μ - ζ²/2"
    law = Series("μ - ζ²/2, or 0", (0.5, 2.0, 3.0), (0.75, 0.0, 0.0), "dashed")
    seen = Series("seen ± standard error", ratios, tuple(means), "points", y_error=tuple(errors))
    chart = Chart("Collapse in the quartic well, μ = 1", "ζ²/μ", "mean of θ²", (law, seen))
    scope = f"{paths} paths, t = 160"
    return holds(Level.OBSERVED, scope, detail, figures=figures, charts=(chart,))


def well_simulated(settings: Settings) -> Evidence:
    """On both sides of ζ² = 2μ."""
    return _well(settings, 2.0)


def low_threshold(settings: Settings) -> Evidence:
    """ζ² > μ, where the mode moves to 0 and the mass does not."""
    return _well(settings, 1.2)


def steps_law(_: Settings) -> Evidence:
    """E ln|1 - ηh| for h = h₀ ± s: Jensen's gap is at least η²s²/2, in SymPy and numbers."""
    x, s = sympy.symbols("x s", positive=True)  # 1 - ηh₀ and ηs < x
    gap = sympy.log(x) - (sympy.log(x - s) + sympy.log(x + s)) / 2
    slope = sympy.simplify(gap.diff(s) - s / (x**2 - s**2))
    if slope != 0 or gap.subs(s, 0) != 0:
        return refuted("two curvatures", f"the gap is {gap}")
    rate, mean, spread = 0.5, -0.1, 1.0
    found = step_exponent(rate, [mean - spread, mean + spread], [0.5, 0.5])
    if not found < 0 < log(1 - rate * mean):
        return refuted("h = -0.1 ± 1, η = 0.5", f"the exponent is {found}")
    return holds(
        Level.PROVED,
        "h = h₀ ± s with probability ½, η(|h₀| + s) < 1",
        "ln(1 - ηh₀) - E ln(1 - ηh) has the derivative σ/(x² - σ²) in σ = ηs, x = 1 - ηh₀: it is "
        "0 at s = 0 and grows; for h₀ = -0.1, s = 1, η = ½ descent leaves and the noise attracts",
        figures={"GD": log(1 - rate * mean), "with noise": found},
    )


def large_steps(_: Settings) -> Evidence:
    """The exponent against that of the mean, for h = ±s and ηs up to 4."""
    rate, found = 0.5, 0.0
    for spread in (1.0, 2.5, 4.0, 8.0):
        found = step_exponent(rate, [-spread, spread], [0.5, 0.5])
        if found >= 0:
            return refuted(
                f"h = ±{spread}, η = {rate}",
                f"the exponent is {found:.4f}, that of the mean curvature is 0",
                counterexample={"η": rate, "s": spread, "exponent": found},
                level=Level.OBSERVED,
            )
    return holds(Level.OBSERVED, "h = ±s, ηs up to 4", f"the exponent is {found:.4f} at most")


def _exponents(pair: NoisyPair, settings: Settings, rate: float, batch: int) -> LyapunovExponents:
    steps, paths = (6000, 32) if settings.full else (500, 16)
    seed = settings.sub_seed("N4c pair") % 2**30
    seeds = range(seed, seed + paths)
    return pair.exponents(rate, batch, steps=steps, seeds=seeds).pooled()


def _attracts(settings: Settings, noise: float, rate: float, batch: int) -> Evidence:
    """Whether the top transverse exponent of the pair is negative."""
    found = _exponents(noisy_pair(noise), settings, rate, batch)
    low, high = (float(end[0]) for end in found.interval(0.999))
    scope = f"SiLU pair, labels ± {noise}, η = {rate}, batches of {batch}, {found.steps} steps"
    detail = f"the top transverse exponent is in [{low:.5f}, {high:.5f}] with confidence 99.9 %"
    figures = {"exponent": float(found.values[0]), "standard error": float(found.errors[0])}
    if high < 0:
        return holds(Level.OBSERVED, scope, detail, figures=figures)
    if low > 0:
        return refuted(scope, detail, level=Level.OBSERVED, figures=figures)
    return unknown(scope, detail, figures=figures)


def pair_attracts(settings: Settings) -> Evidence:
    """SGD's exponent is negative where gradient descent's is positive, at a minimum of one unit."""
    pair = noisy_pair()
    lowest = float(np.linalg.eigvalsh(pair.base_hessian)[0])
    escape = transverse_eigenvalues(pair.wide, pair.task, pair.rest, pair.manifold)[0]
    descent = log(1 - RATE * escape)
    found = _attracts(settings, LABEL_NOISE, RATE, BATCH)
    figures: dict[str, float] = {
        **{f"SGD: {k}": float(v) for k, v in found.figures.items()},
        "GD: exponent ln(1 - ηλ_min)": descent,
        "smallest tangent eigenvalue": lowest,
    }
    if lowest <= 0 or descent <= 0:
        return refuted(found.scope, f"λ_min = {escape}, tangent {lowest}", figures=figures)
    if not found.holds:
        return found
    detail = f"{found.detail}; gradient descent has {descent:.5f}"
    rates = tuple(np.linspace(0, 2 * RATE, 21).tolist())
    exponents = tuple(log(1 - rate * escape) for rate in rates)
    value, error = (float(found.figures[k]) for k in ("exponent", "standard error"))
    series = (
        Series("GD: ln(1 - ηλ_min)", rates, exponents, "dashed"),
        Series("SGD ± standard error", (RATE,), (value,), "points", y_error=(error,)),
        Series("0", (rates[0], rates[-1]), (0.0, 0.0), "dashed"),
    )
    title = "Gradient descent leaves, SGD falls back"
    chart = Chart(title, "step size η", "top transverse exponent, a step", series)
    return holds(Level.OBSERVED, found.scope, detail, figures=figures, charts=(chart,))


def _falls(settings: Settings, batch: int | None, *, from_left: bool = False) -> Evidence:
    """Whether training takes clones that are 10^-3 apart, or those that GD separated, together."""
    pair = noisy_pair()
    members, orders = (16, 12) if settings.full else (8, 1)
    seed = settings.sub_seed("N4c falls") % 2**30
    start = pair.beside(SMALL, members, seed)
    steps = 1500
    if from_left:
        start, steps = pair.trained(start, RATE, None, steps=1500), 4000
    ends = [
        pair.distances(pair.trained(start, RATE, batch, steps=steps, seed=seed + k))
        for k in range(orders if batch else 1)
    ]
    least, most = float(np.min(ends)), float(np.max(ends))
    kind = f"batches of {batch}" if batch else "all samples"
    where = "GD's end" if from_left else f"{SMALL:g} off the set"
    scope = f"SiLU pair, η = {RATE}, {kind}, {members} starts at {where}, orders: {len(ends)}"
    detail = f"after {steps:,} steps the distance is between {least:.1e} and {most:.1e}"
    figures = {f"smallest distance, {kind} from {where}": least} | {
        f"largest distance, {kind} from {where}": most
    }
    if most < FELL:
        return holds(Level.OBSERVED, scope, detail, figures=figures)
    if least > LEFT:
        return refuted(scope, detail, level=Level.OBSERVED, figures=figures)
    return unknown(scope, detail, figures=figures)


def pair_falls_back(settings: Settings) -> Evidence:
    """Real training by SGD, from beside the set and from where gradient descent goes."""
    return conjoin(_falls(settings, BATCH, from_left=away) for away in (False, True))


def descent_falls_back(settings: Settings) -> Evidence:
    """Gradient descent from the same starts."""
    return _falls(settings, None)


def without_label_noise(settings: Settings) -> Evidence:
    """The same full-batch gradients, labels without noise."""
    return _attracts(settings, 0.0, RATE, BATCH)


def larger_batches(settings: Settings) -> Evidence:
    """Two samples in a batch."""
    return _attracts(settings, LABEL_NOISE, RATE, 2 * BATCH)


CLAIMS = (
    Claim(
        id="N4c.noise",
        title="multiplicative noise attracts",
        statement=(
            "$dv = -hv\\,dt + \\zeta v\\,dW$ has the exponent $-h - \\zeta^2/2$. In the quartic "
            "well, $d\\theta = (\\mu\\theta - \\theta^3)dt + \\zeta\\theta\\,dW$, the maximum "
            "$\\theta = 0$ attracts almost surely if $\\zeta^2 > 2\\mu$, and if "
            "$\\zeta^2 < 2\\mu$ there is a stationary state with "
            "$E\\theta^2 = \\mu - \\zeta^2/2$. In steps $v \\mapsto (1 - \\eta h)v$ with "
            "$h = h_0 \\pm s$ the exponent $E\\ln|1-\\eta h|$ is below $\\ln(1 - \\eta h_0)$."
        ),
        hypotheses=(
            "Itô's convention",
            "one dimension",
            "for steps: 0 < s and η(|h₀| + s) < 1, each sign with probability ½",
        ),
        where="Chen, Kunin, Yamamura, Ganguli (NeurIPS 2023), on which the paper builds no claim",
        expected=Verdict.PROVED,
        checks=(
            Check("Itô's formula", linear_law, "linear"),
            Check("paths of the linear equation", linear_simulated, "linear"),
            Check("drift, density and mean of the quartic well", well_law, "well"),
            Check("paths in the quartic well", well_simulated, "well"),
            Check("steps with two curvatures", steps_law, "steps"),
        ),
        false_variants=(
            FalseVariant("the exponent is -h", "d ln v has Itô's term -ζ²/2", without_ito),
            FalseVariant("attraction from ζ² > μ on", "mass stays away from 0", low_threshold),
            FalseVariant("steps of any size", "1 - ηh grows with ηs beyond √2 of it", large_steps),
        ),
    ),
    Claim(
        id="N4c.sgd",
        title="SGD falls back where gradient descent leaves",
        statement=(
            "A pair of SiLU clones at a minimum of the single unit, with labels $\\pm 1.5$ around "
            "their means: gradient descent with $\\eta = 0.2$ leaves the cloned manifold, SGD with "
            "batches of one sample and the same step size has a negative top transverse exponent "
            "and falls back to it, from beside it and from where gradient descent ends."
        ),
        hypotheses=("the network and data of numerics.transverse.noisy_pair", "float64"),
        where="new for cloned units; after Chen et al. (NeurIPS 2023)",
        expected=Verdict.UNKNOWN,
        checks=(
            Check("exponents of SGD and gradient descent", pair_attracts, "exponent"),
            Check("real training by SGD", pair_falls_back, "training"),
        ),
        false_variants=(
            FalseVariant(
                "gradient descent falls back", "it does not see the noise", descent_falls_back
            ),
            FalseVariant(
                "so does SGD without noise in the labels",
                "the residuals alone are too small a noise",
                without_label_noise,
            ),
            FalseVariant(
                "and with batches of two",
                "the noise has half the variance, the curvature stays",
                larger_batches,
            ),
        ),
    ),
)
