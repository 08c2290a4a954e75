"""E2b: saturation is a property of floating point, not of smooth activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import sympy
from flint import arb, fmpq

from numerics.flow.solution import Flow
from numerics.flow.solver import flow
from numerics.losses import MSE
from numerics.systems.enclosures import FUNCTIONS
from numerics.tasks import Task
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from theory.activation import gelu, sigmoid, silu, tanh
from theory.zoo import mlp

NETWORK = mlp([1, 1, 1], "tanh")
DATASET = Task("two samples", np.array([[0.5], [1.0]]), np.array([[0.0], [1.0]]))
BIAS = 20
START: Mapping[str, Any] = {"W1": [[1]], "b1": [BIAS], "W2": [[Fraction(1, 2)]], "b2": [0]}
SCOPE = f"tanh network 1-1-1, two samples, pre-activations {BIAS}.5 and {BIAS + 1}, t = 1"
BITS = 160

# precision in bits, and the float type
FORMATS = {"float16": 11, "float32": 24, "float64": 53}


def drift(digits: int = 40) -> Any:
    """A ball that contains the change of the unit's bias along the flow until t = 1.

    Raises:
        ArithmeticError: if the flow cannot be enclosed.
    """
    found = flow(NETWORK, MSE, DATASET, START, 1, digits=digits)
    if not isinstance(found, Flow):
        raise ArithmeticError(found.message)
    with flint.ctx.workprec(BITS):
        return found(1)["b1"][0] - BIAS


def drift_bound() -> Any:
    """t · sup|φ'| · sup|w_out| · √(2 L(0)), the suprema over what the flow can reach until t = 1.

    The flow's speed is the gradient's norm, and ∫‖θ'‖² dt = L(0) - L(t): it stays within √(t L(0))
    of its start. There z ≥ z(0) - √(t L(0)) ‖(x, 1)‖, and the mean of |y - target| is at most
    √(2 L) ≤ √(2 L(0)).
    """
    with flint.ctx.workprec(BITS):
        # the errors are at most 1/2 and (1 + ε)/2 with ε = 1 - tanh(21), hence L(0) ≤ 1/8 + ε/2
        loss = (arb(1) / 2 * (1 - (arb(BIAS) + arb(1) / 2).tanh())).abs_upper() + arb(1) / 8
        reach = loss.sqrt()
        lowest = min(
            (BIAS + arb(x) - reach * (1 + arb(x) ** 2).sqrt()).lower() for x in DATASET.x.ravel()
        )
        slope = 1 - lowest.tanh() ** 2
        return (slope * (arb(1) / 2 + reach) * (2 * loss).sqrt()).upper()


def moves(_: Settings) -> Evidence:
    """The bias moves, by less than the bound."""
    return _drifts_within(Fraction(1))


def far_below_the_bound(_: Settings) -> Evidence:
    """The bias moves by less than a thousandth of the bound."""
    return _drifts_within(Fraction(1, 1000))


def _drifts_within(part: Fraction) -> Evidence:
    moved = drift()
    with flint.ctx.workprec(BITS):
        bound = drift_bound() * fmpq(part.numerator, part.denominator)
        detail = f"the bias moves by {moved.str(6)}; the bound is {bound.str(3, radius=False)}"
        figures = {"drift": float(moved), "bound": float(bound)}
        if moved != 0 and abs(moved) < bound:
            return holds(Level.ENCLOSED, SCOPE, detail, figures=figures)
        if abs(moved) > bound:
            return refuted(SCOPE, detail, counterexample=figures, level=Level.ENCLOSED)
    return unknown(SCOPE, detail)


def stands_still(_: Settings) -> Evidence:
    """The bias does not move at all."""
    moved = drift()
    if moved != 0:
        found = {"change of the bias": moved.str(10)}
        detail = f"the bias moves by {moved.str(6)}"
        return refuted(SCOPE, detail, counterexample=found, level=Level.ENCLOSED)
    return unknown(SCOPE, f"the bias moves by {moved.str(6)}")


def never_zero(_: Settings) -> Evidence:
    """tanh' = 4 / (e^z + e^-z)² and σ' = e^-z / (1 + e^-z)²: positive for every real z."""
    z = sympy.Symbol("z", real=True)
    forms = {
        tanh: 4 / (sympy.exp(z) + sympy.exp(-z)) ** 2,
        sigmoid: sympy.exp(-z) / (1 + sympy.exp(-z)) ** 2,
    }
    for activation, form in forms.items():
        slope = sympy.diff(tanh_as_powers(activation(z)), z)
        if sympy.simplify(slope - form) != 0:
            return unknown(repr(activation), f"its derivative was not shown to be {form}")
        if form.is_positive is not True:
            return unknown(repr(activation), f"{form} was not shown to be positive")
    return holds(
        Level.PROVED,
        "tanh and sigmoid on the real line",
        "tanh' = 4/(e^z + e^-z)² and σ' = e^-z/(1 + e^-z)² are positive",
    )


def tanh_as_powers(expression: sympy.Expr) -> sympy.Expr:
    """The same by exponential functions.

    >>> z = sympy.Symbol("z")
    >>> tanh_as_powers(sympy.tanh(z))
    (exp(z) - exp(-z))/(exp(z) + exp(-z))
    """
    return expression.rewrite(sympy.exp)


def one_zero(_: Settings) -> Evidence:
    """SiLU' and GELU' change sign once, from - to +, and vanish nowhere else."""
    return conjoin([_one_zero_of_silu(), _one_zero_of_gelu()])


def _one_zero_of_silu() -> Evidence:
    z = sympy.Symbol("z", real=True)
    growing = sympy.exp(z) + 1 + z
    factor = sympy.exp(z) / (1 + sympy.exp(z)) ** 2
    slope = sympy.diff(silu(z), z)
    if sympy.simplify(slope - factor * growing) != 0 or factor.is_positive is not True:
        return unknown("silu", "its derivative was not factored")
    ends = [sympy.limit(growing, z, end) for end in (-sympy.oo, sympy.oo)]
    if sympy.diff(growing, z).is_positive is not True or ends != [-sympy.oo, sympy.oo]:
        return unknown("silu", f"{growing} was not shown to grow from -∞ to ∞")
    return holds(
        Level.PROVED,
        "SiLU on the real line",
        "SiLU' = (e^z + 1 + z) e^z/(1 + e^z)², and e^z + 1 + z grows from -∞ to ∞",
    )


def _one_zero_of_gelu() -> Evidence:
    z = sympy.Symbol("z", real=True)
    slope = sympy.diff(gelu(z), z)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    if sympy.simplify(sympy.diff(slope, z) - density * (2 - z**2)) != 0:
        return unknown("gelu", "its second derivative was not shown to be (2 - z²) ϕ(z)")
    ends = [sympy.limit(slope, z, end) for end in (-sympy.oo, sympy.oo)]
    if ends != [0, 1]:
        return unknown("gelu", f"its derivative has the limits {ends}")
    return holds(
        Level.PROVED,
        "GELU on the real line",
        "GELU'' = (2 - z²) ϕ(z): GELU' falls from 0 until -√2, grows until √2, falls to 1",
    )


SLOPES: Mapping[str, Callable[[Any], Any]] = {
    "SiLU": lambda z: FUNCTIONS["sigmoid"](z) * (1 + z * FUNCTIONS["sigmoid"](-z)),
    "GELU": lambda z: FUNCTIONS["normal_cdf"](z) + z * FUNCTIONS["normal_pdf"](z),
}


def zero_of(name: str, low: Fraction, high: Fraction) -> Any:
    """A ball of radius 10^-20 that contains the zero of SiLU' or GELU' between two points.

    >>> print(zero_of("SiLU", Fraction(-2), Fraction(-1)).str(6, radius=False))
    -1.27846
    """
    with flint.ctx.workprec(BITS):
        while high - low > Fraction(1, 10**20):
            middle = (low + high) / 2
            value = SLOPES[name](_ball(middle))
            if value > 0:
                high = middle
            elif value < 0:
                low = middle
            else:
                break
        return _ball(low).union(_ball(high))


def _ball(value: Fraction) -> Any:
    return arb(fmpq(value.numerator, value.denominator))


def places(_: Settings) -> Evidence:
    """The zeros are at -1.27846… and -0.75179…, and SiLU', GELU' change sign there."""
    return conjoin(
        _sign_changes(name, place) for name, place in (("SiLU", -127846), ("GELU", -75179))
    )


def same_place(_: Settings) -> Evidence:
    """SiLU' vanishes where GELU' does."""
    return _sign_changes("SiLU", -75179)


def nowhere(_: Settings) -> Evidence:
    """GELU' is positive everywhere."""
    with flint.ctx.workprec(BITS):
        value = SLOPES["GELU"](arb(-1))
        if value < 0:
            found = {"z": -1, "GELU'(z)": value.str(10)}
            detail = f"GELU'(-1) = {value.str(6)}"
            return refuted("GELU", detail, counterexample=found, level=Level.ENCLOSED)
    return unknown("GELU", "no sign was found")


def _sign_changes(name: str, place: int) -> Evidence:
    """Whether the derivative has a zero with the decimals place/10⁵…, truncated."""
    below, above = Fraction(place - 1, 10**5), Fraction(place, 10**5)
    with flint.ctx.workprec(BITS):
        left, right = (SLOPES[name](_ball(end)) for end in (below, above))
        if left < 0 < right:
            zero = zero_of(name, below, above).str(18)
            return holds(Level.ENCLOSED, name, f"{name}' vanishes at {zero}")
        detail = f"{name}' is {left.str(6)} at {float(below)} and {right.str(6)} at {float(above)}"
        if left * right > 0:  # one zero in all, so an even number of them means none
            found = {str(below): left.str(10), str(above): right.str(10)}
            return refuted(name, detail, counterexample=found, level=Level.ENCLOSED)
    return unknown(name, detail)


def ideal_threshold(bits: int) -> Any:
    """From which z on a tanh rounded to ``bits`` binary digits is 1: atanh(1 - 2^-(bits+1)).

    >>> [ideal_threshold(bits).str(3, radius=False) for bits in (11, 24, 53)]
    ['4.51', '9.01', '19.1']
    """
    with flint.ctx.workprec(BITS):
        return (1 - arb(2) ** -(bits + 1)).atanh()


def measured_threshold(dtype: str) -> float:
    """The largest z, in steps of 2^-6, at which NumPy's 1 - tanh(z)² is not 0."""
    z = np.arange(0, 40, 2.0**-6).astype(dtype)  # exact in each format below 32 in float16
    slope = 1 - np.tanh(z) ** 2
    return float(z[np.flatnonzero(slope)[-1]])


def thresholds(_: Settings) -> Evidence:
    """4.505, 9.011, 19.06: where rounded values of tanh become 1, and 1 - tanh² becomes 0."""
    found = {name: ideal_threshold(bits) for name, bits in FORMATS.items()}
    expected = {"float16": "4.505", "float32": "9.011", "float64": "19.06"}
    detail = ", ".join(f"{name} {z.str(8)}" for name, z in found.items())
    for name, z in found.items():
        if not abs(z - arb(expected[name])) < 0.006:
            return refuted("tanh rounded to nearest", detail, level=Level.ENCLOSED)
    return holds(Level.ENCLOSED, "tanh rounded to nearest", f"tanh is 1 from z = {detail}")


def frozen_in_floats(settings: Settings) -> Evidence:
    """Measured: thresholds of NumPy's tanh, and GD that does not change a bit of the unit."""
    measured = {name: measured_threshold(name) for name in FORMATS}
    listed = ", ".join(f"{name} {z}" for name, z in measured.items())
    detail = f"NumPy's 1 - tanh² vanishes beyond {listed}"
    for name, bits in FORMATS.items():
        # with errors below one unit in the last place tanh is not 1 before atanh(1 - 2^-bits)
        if not float(ideal_threshold(bits - 1)) - 2.0**-6 <= measured[name] < 30:
            return unknown("NumPy", f"{detail}: not a matter of one unit in the last place")
    steps = 10_000 if settings.full else 1000
    for name in ("float32", "float64"):
        if not _is_frozen(name, steps, BIAS) or _is_frozen(name, steps, 2):
            return unknown(SCOPE, f"{name}: the unit moved, or one at z = 2.5 did not")
    frozen = f"{steps} steps of GD in float32 and float64 change no bit of the unit's weights"
    words, charts = f"{detail}; {frozen}", (_chart(measured),)
    return holds(Level.OBSERVED, "this machine's NumPy", words, figures=measured, charts=charts)


def _chart(measured: Mapping[str, float]) -> Chart:
    """From which z on tanh' is 0, as rounding to nearest says and as NumPy has it."""
    bits = tuple(float(b) for b in range(min(FORMATS.values()), max(FORMATS.values()) + 1, 3))
    line = tuple(float(ideal_threshold(int(b))) for b in bits)
    series = (
        Series("atanh(1 - 2^-(p+1))", bits, line, "dashed"),
        Series(
            "NumPy: float16, float32, float64",
            tuple(float(FORMATS[name]) for name in measured),
            tuple(measured.values()),
            "points",
        ),
    )
    return Chart("Where a rounded tanh saturates", "binary digits p", "z", series)


def _is_frozen(dtype: str, steps: int, bias: int) -> bool:
    """Whether W1 and b1 keep every bit."""
    x, target = DATASET.x.astype(dtype), DATASET.y.astype(dtype)
    w, b, v, c = (np.array(START[p], dtype=float).astype(dtype) for p in ("W1", "b1", "W2", "b2"))
    b = np.full_like(b, bias)
    start, eta = (w, b), np.array(0.1, dtype)
    for _ in range(steps):
        h = np.tanh(x @ w + b)
        adjoint = (h @ v + c - target) / np.array(len(x), dtype)
        delta = adjoint @ v.T * (1 - h * h)
        w, b = w - eta * (x.T @ delta), b - eta * delta.sum(axis=0)
        v, c = v - eta * (h.T @ adjoint), c - eta * adjoint.sum(axis=0)
    return np.array_equal(w, start[0]) and np.array_equal(b, start[1])


CLAIMS = (
    Claim(
        id="E2b",
        title="saturation is rounding",
        statement=(
            r"$\varphi'$ of tanh and sigmoid vanishes nowhere; that of SiLU and GELU at one point "
            r"only, $-1.27846\ldots$ and $-0.75179\ldots$ A tanh unit at z = 20.5 that every "
            r"float64 step leaves as it is drifts in exact arithmetic, by $-4.94 \cdot 10^{-19}$ "
            r"in unit time, which is below $t \sup|\varphi'| \sup|w_{out}| \sqrt{2 L(0)}$ over "
            r"what the flow can reach. A tanh rounded to 11, 24, 53 bits is 1 from z = 4.505, "
            r"9.011, 19.06 on, and its derivative $1 - \tanh^2$ is 0 then."
        ),
        hypotheses=("the drift: the network, data and start of the check",),
        where="the paper's units that are saturated for all finite inputs",
        expected=Verdict.PROVED,
        checks=(
            Check("derivatives without zeros", never_zero, "no zero"),
            Check("derivatives with one zero", one_zero, "one zero"),
            Check("where the zeros are", places, "places"),
            Check("drift of a saturated unit", moves, "drift"),
            Check("rounded tanh", thresholds, "thresholds"),
            Check("floating point, measured", frozen_in_floats, "thresholds"),
        ),
        false_variants=(
            FalseVariant("the unit stands still", "tanh' > 0 everywhere", stands_still),
            FalseVariant(
                "a thousandth of the bound", "the bound is of the right size", far_below_the_bound
            ),
            FalseVariant("GELU' > 0", "GELU falls left of -0.75179", nowhere),
            FalseVariant("SiLU' = 0 at -0.75179", "that is GELU's zero", same_place),
        ),
        about_numbers=True,
    ),
)
