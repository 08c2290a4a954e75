"""E11: the numbers α, K'(0) and κ of common activations, in both conventions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import Any

import flint
import sympy
from flint import arb

from numerics.rank.correlation_kernel import (
    ClosedKernel,
    Kernel,
    SeriesKernel,
    strongest_decorrelation,
)
from numerics.rank.expression import enclosed
from numerics.rank.hermite import HermiteSeries, hermite_series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from theory.rank_gain import exact_hermite
from theory.rank_gain.hermite import R

# α as printed, α with the variance, K'(0), κ over [0, 1]
STATED: Mapping[str, tuple[str, str, str, str]] = {
    "relu": ("0.00000000", "0.46694221", "0.7334711", "0.08886766"),
    "tanh": ("0.17780723", "0.17780723", "0.93046992", "0.03816885"),
    "gelu": ("0.072031598", "0.31884497", "0.72328752", "0.08417327"),
    "sigmoid": ("-0.84717", "0.033592390", "0.98416717", "0.00811448"),
}
NAMES = ("α as printed", "α", "K'(0)", "κ")
CLOSED = ("relu", "elu", "gelu", "erf", "sin", "sign", "step", "normal_cdf")


@cache
def series(name: str) -> HermiteSeries:
    """To 30 digits."""
    return hermite_series(name)


@cache
def numbers(name: str) -> tuple[Any, Any, Any, Any]:
    """The four quantities, enclosed."""
    found = series(name)
    closed = exact_hermite("relu").kernel() if name == "relu" else None
    kernel: Kernel = SeriesKernel(found) if closed is None else ClosedKernel(closed, R)
    peak = strongest_decorrelation(kernel, tolerance=1e-10).value
    return found.uncentred_decorrelation, found.decorrelation, found.first_weight, peak


def rounds_to(ball: Any, text: str) -> bool | None:
    """Whether all numbers of a ball are within half a unit of the last digit; ``None``: some."""
    places = len(text.partition(".")[2])
    with flint.ctx.workprec(160):
        gap, half = abs(ball - arb(text)), arb(10) ** -places / 2
        return True if gap < half else False if gap > half else None


def values(name: str, _: Settings) -> Evidence:
    """The stated digits of one activation."""
    figures: dict[str, float | int | str] = {}
    for what, ball, text in zip(NAMES, numbers(name), STATED[name], strict=True):
        figures[f"{what} of {name}"] = ball.str(12, radius=bool(ball.contains(0)))
        is_right = rounds_to(ball, text)
        if is_right is None:
            return unknown(name, f"{what}: {ball.str(12)} is not told from {text}")
        if not is_right:
            example = {what: ball.str(12), "stated": text}
            detail = f"{what} is {ball.str(10)}, not {text}"
            return refuted(name, detail, counterexample=example, level=Level.ENCLOSED)
    return holds(Level.ENCLOSED, name, "all stated digits", figures=figures)


def all_values(settings: Settings) -> Evidence:
    """All four activations."""
    return conjoin(values(name, settings) for name in STATED)


def relu_exactly(_: Settings) -> Evidence:
    """0, 1/(π - 1) and π/(2(π - 1)) in SymPy."""
    found = exact_hermite("relu")
    exact = {
        "α as printed": (found.uncentred_decorrelation(), sympy.Integer(0)),
        "α": (found.decorrelation(), 1 / (sympy.pi - 1)),
        "K'(0)": (found.weight(1), sympy.pi / (2 * (sympy.pi - 1))),
    }
    for what, (value, stated) in exact.items():
        if sympy.simplify(value - stated) != 0:
            return refuted("ReLU", f"{what} is {value}", counterexample={what: str(value)})
    return holds(Level.PROVED, "ReLU", "closed forms in SymPy")


def closed_forms(settings: Settings) -> Evidence:
    """Closed forms lie in the enclosures of the integrals, which are far narrower than 10^-25."""
    degree = 40 if settings.full else 12
    scope = f"{', '.join(CLOSED)}, degrees up to {degree}"
    for name in CLOSED:
        exact, found = exact_hermite(name), series(name)
        pairs = [(f"a_{k}", exact.coefficient(k), found.coefficients[k]) for k in range(degree + 1)]
        pairs += [("E φ²", exact.second_moment, found.second_moment)]
        if found.slope_moment is not None:
            pairs += [("a² E φ'²", exact.slope_moment, found.slope_moment)]
        for what, expression, ball in pairs:
            closed = enclosed(expression, bits=160)
            if not closed.overlaps(ball):
                example = {"closed form": closed.str(12), "integral": ball.str(12)}
                return refuted(scope, f"{what} of {name}", counterexample=example)
            if not (closed.rad() < 1e-25 and ball.rad() < 1e-25):
                return unknown(scope, f"{what} of {name} is only known as {ball.str(12)}")
    return holds(Level.ENCLOSED, scope, "closed forms and integrals agree to 25 digits")


def quoted(name: str, text: str, _: Settings) -> Evidence:
    """An early figure, to four digits, as α in either convention."""
    printed, centred, *_others = numbers(name)
    agree = [rounds_to(ball, text) for ball in (printed, centred)]
    detail = f"α of {name} is {printed.str(8)} as printed and {centred.str(8)} centred, not {text}"
    if agree == [False, False]:
        example = {"printed": printed.str(10), "centred": centred.str(10), "quoted": text}
        return refuted(name, detail, counterexample=example, level=Level.ENCLOSED)
    return unknown(name, f"{text} is α in one convention, or cannot be told from it")


CLAIMS = (
    Claim(
        id="E11",
        title="decorrelation strengths in numbers",
        statement=(
            r"$\alpha = E\varphi'^2/E\varphi^2 - 1$ as printed is 0 for ReLU, 0.17780723 for tanh, "
            r"0.072031598 for GELU and -0.84717 for sigmoid; with the variance in the denominator "
            r"it is $1/(\pi - 1) = 0.46694221$, 0.17780723, 0.31884497, 0.033592390. $K'(0)$ is "
            r"$\pi/(2(\pi - 1)) = 0.7334711$, 0.93046992, 0.72328752, 0.98416717, and $\kappa$ "
            r"over $[0, 1]$ is 0.08886766, 0.03816885, 0.08417327, 0.00811448."
        ),
        hypotheses=("standard normal pre-activations",),
        where="corrects the quoted 0.5, 0.6667, 0.5449",
        expected=Verdict.PROVED,
        checks=(
            Check("values", all_values, "values"),
            Check("ReLU exactly", relu_exactly, "ReLU"),
            Check("closed forms against integrals", closed_forms, "coefficients"),
        ),
        false_variants=tuple(
            FalseVariant(
                f"{text} for {name}",
                "it is α in neither convention",
                partial(quoted, name, text),
            )
            for name, text in (("relu", "0.5000"), ("tanh", "0.6667"), ("gelu", "0.5449"))
        ),
        about_numbers=True,
    ),
)
