"""Gradient flow: proved enclosures against integrators without a proof.

The two-unit tanh network 2-2-1 without biases (6 parameters), three samples, mean squared error,
to t = 1 with 50 digits: by `numerics.flow`, by `mpmath.odefun` at the same digits, which
differentiates numerically, and by heyoka.py, compiled, at 176 bits; compilation is not counted.
They must agree to 10^-48 first. Then a tanh network 5-10-5 without biases (100 parameters), 20
samples, to t = 1 with 30 digits.

Run: python -m benchmarks.flow
"""

import sys
from importlib.util import find_spec
from statistics import median

import mpmath
import numpy as np
from mpmath.ctx_mp import MPContext

from benchmarks.measuring import Row, at_most, interleaved, parser, report, seconds_of
from numerics.flow.solution import Flow
from numerics.flow.solver import flow
from numerics.losses import MSE
from numerics.tasks import Task
from theory.zoo import mlp

DIGITS, BITS = 50, 176
AGREEMENT = mpmath.mpf(10) ** -48


def problem(widths, samples, seed):
    rng = np.random.default_rng(seed)
    net = mlp(widths, "tanh", bias=False)
    start = {p: rng.normal(size=s) / np.sqrt(s[0]) for p, s in net.parameter_shapes.items()}
    data = Task(
        "normal", rng.normal(size=(samples, widths[0])), rng.normal(size=(samples, widths[-1]))
    )
    return net, start, data


def slopes(theta, data, number, tanh):
    """-∇L of the network 2-2-1 for numbers of any kind."""
    first, last = (theta[:2], theta[2:4]), theta[4:]
    found = [number(0)] * 6
    for x, target in zip(data.x, data.y[:, 0], strict=True):
        x = [number(v) for v in x]
        h = [tanh(x[0] * first[0][j] + x[1] * first[1][j]) for j in range(2)]
        residual = (h[0] * last[0] + h[1] * last[1] - number(target)) / number(len(data.x))
        for j in range(2):
            inner = residual * last[j] * (number(1) - h[j] * h[j])
            found[4 + j] = found[4 + j] - residual * h[j]
            for i in range(2):
                found[2 * i + j] = found[2 * i + j] - inner * x[i]
    return found


def by_mpmath(start, data):
    context = MPContext()
    context.dps = DIGITS
    number = lambda v: context.mpf(float(v))  # noqa: E731
    initial = [number(v) for a in start.values() for v in a.ravel()]
    solution = context.odefun(
        lambda t, theta: slopes(theta, data, number, context.tanh), 0, initial
    )
    return solution(1)


def by_heyoka(start, data):
    """A function that integrates once more."""
    import heyoka as hy

    number = lambda v: hy.real(float(v), BITS)  # noqa: E731
    variables = hy.make_vars(*(f"theta{k}" for k in range(6)))
    system = list(zip(variables, slopes(variables, data, number, hy.tanh), strict=True))
    initial = [number(v) for a in start.values() for v in a.ravel()]
    integrator = hy.taylor_adaptive(system, initial, fp_type=hy.real, prec=BITS)

    def run():
        integrator.time = number(0)
        integrator.state[:] = initial
        integrator.propagate_until(number(1))
        return [str(v) for v in integrator.state]

    return run


def check(values, found, name):
    with mpmath.workdps(DIGITS + 10):
        balls = [x for a in found(1).values() for x in a.ravel()]
        for x, v in zip(balls, values, strict=True):
            difference = mpmath.mpf(str(v)) - mpmath.mpf(x.mid().str(DIGITS + 10, radius=False))
            if abs(difference) > AGREEMENT:
                raise RuntimeError(f"{name} differs by {mpmath.nstr(difference, 3)}")


def rows(rounds):
    net, start, data = problem([2, 2, 1], 3, 0)
    solve = lambda: flow(net, MSE, data, start, 1, digits=DIGITS)  # noqa: E731
    found = solve()
    if not isinstance(found, Flow):
        raise RuntimeError(found.message)
    functions = {"flow": solve}
    if find_spec("heyoka"):
        functions["heyoka"] = by_heyoka(start, data)
        check(functions["heyoka"](), found, "heyoka")
    else:
        print("heyoka is not installed: pip install heyoka", file=sys.stderr)
    seconds = interleaved(functions, rounds)
    own = median(seconds["flow"])
    values = []
    reference = seconds_of(lambda: values.extend(by_mpmath(start, data)))
    check(values, found, "mpmath.odefun")
    ratio = reference / own
    yield Row("enclosed flow, 6 parameters, 50 digits", f"{1e3 * own:.0f} ms")
    yield Row("mpmath.odefun, 50 digits, no proof", f"{reference:.1f} s")
    yield Row("mpmath.odefun / enclosed flow", f"{ratio:.0f}", "≥ 200", ratio >= 200)
    if "heyoka" in seconds:
        pairs = zip(seconds["flow"], seconds["heyoka"], strict=True)
        yield Row("heyoka.py, 176 bits, no proof", f"{1e3 * median(seconds['heyoka']):.1f} ms")
        yield at_most("enclosed flow / heyoka.py", median(a / b for a, b in pairs), 30)
    net, start, data = problem([5, 10, 5], 20, 1)
    large = seconds_of(lambda: flow(net, MSE, data, start, 1, digits=30))
    yield at_most("enclosed flow, 100 parameters, 20 samples, 30 digits", large, 60, " s")


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--rounds", type=int, default=10)
    chosen = options.parse_args()
    return report(rows(chosen.rounds), chosen.json)


if __name__ == "__main__":
    sys.exit(main())
