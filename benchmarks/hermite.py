"""Hermite weights of activations, enclosed.

Coefficients of orthonormal Hermite polynomials up to degree 40, the moments E φ² and E φ'², and so
the weights, each to 30 digits as a proved enclosure, in fresh processes with imports done. For
comparison mpmath's adaptive quadrature at 40 digits, which proves nothing, computes the odd
coefficients of tanh up to degree 9; the two must agree to 30 digits.

Run: python -m benchmarks.hermite
"""

import json
import sys
from statistics import median

import mpmath

from benchmarks.measuring import Row, at_most, in_fresh_process, run_in_processes, seconds_of

DEGREE, DIGITS, MAX_SECONDS = 40, 30, 10
ACTIVATIONS = ("tanh", "sigmoid", "gelu", "silu", "softplus", "elu", "relu")
FEW = range(1, 10, 2)


def by_mpmath() -> list[mpmath.mpf]:
    with mpmath.workdps(40):

        def integrand(z, k):
            return mpmath.tanh(z) * mpmath.hermite(k, z / mpmath.sqrt(2)) * mpmath.npdf(z)

        return [
            2
            * mpmath.quad(lambda z, k=k: integrand(z, k), [0, 1, 2, 4, 6, 9, 14, 20])
            / mpmath.sqrt(mpmath.mpf(2) ** k * mpmath.factorial(k))
            for k in FEW
        ]


def measured(rounds: int) -> dict[str, float]:
    from numerics.rank.hermite import hermite_series

    found = {}
    for name in ACTIVATIONS:
        series = hermite_series(name, degree=DEGREE, digits=DIGITS)
        for ball in series.coefficients:
            if not ball.is_zero() and ball.rel_accuracy_bits() < DIGITS * 3.33:
                raise RuntimeError(f"{name}: {ball} has fewer than {DIGITS} digits")
        found[name] = median(
            seconds_of(lambda name=name: hermite_series(name, degree=DEGREE, digits=DIGITS))
            for _ in range(rounds)
        )
    tanh = hermite_series("tanh", degree=DEGREE, digits=DIGITS)
    values = []
    found["mpmath"] = seconds_of(lambda: values.extend(by_mpmath()))
    with mpmath.workdps(40):
        for k, value in zip(FEW, values, strict=True):
            middle = mpmath.mpf(tanh.coefficients[k].mid().str(40, radius=False))
            if abs(middle - value) > abs(value) * mpmath.mpf(10) ** -DIGITS:
                raise RuntimeError(f"a_{k} of tanh: {middle} and {value}")
    return found


def rows(processes: int, rounds: int) -> list[Row]:
    arguments = ["-m", "benchmarks.hermite", "--measure", "--rounds", str(rounds)]
    runs = [json.loads(in_fresh_process(arguments)) for _ in range(processes)]
    seconds = {name: median(run[name] for run in runs) for name in runs[0]}
    found = [at_most("tanh, degree 40, 30 digits", seconds["tanh"], MAX_SECONDS, " s")]
    found += [Row(f"{name}, the same", f"{seconds[name]:.3g} s") for name in ACTIVATIONS[1:]]
    found.append(Row("mpmath.quad, tanh, 5 coefficients, no proof", f"{seconds['mpmath']:.2g} s"))
    return found


def main() -> int:
    return run_in_processes(__doc__, measured, rows, processes=3, rounds=3)


if __name__ == "__main__":
    sys.exit(main())
