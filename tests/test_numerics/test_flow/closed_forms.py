"""Initial value problems of gradient flow whose solutions are known by other means.

A unit y = f(w x) with output adjoint c follows z' = -c x² f'(z) for z = w x, so ∫ dz / f'(z) is
linear in time: an equation F(z) = F(z₀) - c x² t with F monotone, which a ball of z can be tested
against without solving it. A linear map of several inputs follows θ' = b - A θ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from random import Random

import flint
import numpy as np
from flint import arb, arb_mat, fmpq

from numerics.flow.solution import Flow, FlowFailure
from numerics.flow.solver import flow
from numerics.losses import MSE
from numerics.tasks import Task
from theory import activation as symbols
from theory.architecture import Architecture
from theory.zoo import mlp

BITS = 600

# f, F, and whether z must stay positive
UNITS: dict[str, tuple[Callable, Callable, bool]] = {
    "tanh": (symbols.tanh, lambda z: z / 2 + (2 * z).sinh() / 4, False),
    "sigmoid": (symbols.sigmoid, lambda z: 2 * z + 2 * z.sinh(), False),
    "softplus": (symbols.softplus, lambda z: z - (-z).exp(), False),
    "minus_exp": (lambda z: -symbols.exp(z), lambda z: (-z).exp(), False),
    "log": (symbols.log, lambda z: z * z / 2, True),
    "sqrt": (symbols.sqrt, lambda z: 4 * z * z.sqrt() / 3, True),
    "minus_rsqrt": (lambda z: -symbols.rsqrt(z), lambda z: 4 * z * z * z.sqrt() / 5, True),
    "minus_reciprocal": (lambda z: -1 / z, lambda z: z * z * z / 3, True),
    "square": (lambda z: z**2, lambda z: z.log() / 2, True),
    "cube": (lambda z: z**3, lambda z: -1 / (3 * z), True),
}


@dataclass(frozen=True)
class Problem:
    """What to solve, and whether an answer contains the solution."""

    name: str
    solve: Callable[[], Flow | FlowFailure]
    holds: Callable[[Flow], bool]


def rational(random: Random, low: int, high: int) -> Fraction:
    """A number between low/8 and high/8, not always dyadic."""
    return Fraction(random.randint(low, high) or 1, random.choice((8, 9, 11)))


def unit_problem(random: Random) -> Problem:
    name = random.choice(sorted(UNITS))
    f, F, is_positive = UNITS[name]
    w, x = rational(random, 4 if is_positive else -12, 16), rational(random, 4, 12)
    c, digits = -rational(random, 1, 8), random.randint(5, 40)
    t = Fraction(random.randint(1, 20), 16)
    if name == "cube":  # z' = 3 |c| x² z² is infinite at t = 1 / (3 |c| x² z)
        t = min(t, Fraction(1) / (5 * -c * x * x * w * x))
    net = Architecture(
        lambda p, x: f(x @ p["w"]), sizes={"x": 1, "y": 1}, parameters={"w": ("x", "y")}
    )
    data = Task("one", np.array([[x]], dtype=object), np.zeros((1, 1)))

    def holds(found: Flow) -> bool:
        with flint.ctx.workprec(BITS):
            z = found(t)["w"][0, 0] * _ball(x)
            right = F(_ball(w * x)) - _ball(c * x * x * t)
            below, above = F(z.lower()) - right, F(z.upper()) - right
            return not (below > 0 and above > 0) and not (below < 0 and above < 0)

    def solve() -> Flow | FlowFailure:
        return flow(net, lambda y, target: 0 * y + c, data, {"w": [[w]]}, t, digits=digits)

    return Problem(f"{name} w={w} x={x} c={c} t={t} digits={digits}", solve, holds)


def linear_problem(random: Random) -> Problem:
    n, samples, digits = random.randint(1, 3), random.randint(1, 4), random.randint(5, 40)
    draw = lambda *shape: np.array(  # noqa: E731
        [rational(random, -12, 12) for _ in range(int(np.prod(shape)))], dtype=object
    ).reshape(shape)
    x, y, theta = draw(samples, n), draw(samples, 1), draw(n, 1)
    t = Fraction(random.randint(1, 24), 8)

    def holds(found: Flow) -> bool:
        with flint.ctx.workprec(BITS):
            X, Y = _matrix(x), _matrix(y)
            rate = X.transpose() * X * (arb(-1) / samples) * _ball(t)
            force = X.transpose() * Y * (_ball(t) / samples)
            joint = arb_mat(n + 1, n + 1)
            for i in range(n):
                joint[i, n] = force[i, 0]
                for j in range(n):
                    joint[i, j] = rate[i, j]
            end = joint.exp() * arb_mat(n + 1, 1, [*(_ball(a) for a in theta.ravel()), arb(1)])
            return all(found(t)["W1"][i, 0].overlaps(end[i, 0]) for i in range(n))

    def solve() -> Flow | FlowFailure:
        net = mlp([n, 1], bias=False)
        return flow(net, MSE, Task("linear", x, y), {"W1": theta}, t, digits=digits)

    return Problem(f"linear {n} {samples} digits={digits}", solve, holds)


def problems(seed: int, count: int) -> list[Problem]:
    random = Random(seed)
    return [
        random.choice((unit_problem, unit_problem, linear_problem))(random) for _ in range(count)
    ]


def _ball(value: Fraction) -> arb:
    return arb(fmpq(value.numerator, value.denominator))


def _matrix(a: np.ndarray) -> arb_mat:
    return arb_mat(a.shape[0], a.shape[1], [_ball(v) for v in a.ravel()])
