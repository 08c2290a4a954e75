"""P1: where the gradient is tangent, training stays.

The one hypothesis to add to the paper's text concerns the flow: a loss that is only C¹ may have
several flow lines through a point, and some of them may leave; see the last false variant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import sympy

from numerics.evaluate import Evaluator
from numerics.systems.objects import exact
from numerics.systems.rational import Rational
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.evidence import Evidence, Level, Verdict, holds, refuted, unknown
from theory.activation import relu
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.manifold import Constraint, Manifold, block_constant, equitable, incoming_equitable
from theory.partition import make_partition
from theory.zoo import mlp

Parameters = dict[str, Any]
_Functions = Mapping[str, tuple[Any, ...]]
QUADRATIC: _Functions = {"phi": ("1/2", -1, "1/3")}  # ascending coefficients of φ


def steps_by_algebra(_: Settings) -> Evidence:
    """A (θ - η g) - b = 0 from A θ = b and A g = 0, with symbols for matrices of any size."""
    a, b, theta, g = sympy.symbols("A b theta g", commutative=False)
    eta = sympy.Symbol("eta")
    residual = sympy.expand(a * (theta - eta * g) - b).subs(a * theta, b)
    if residual == 0:
        return unknown("", "the derivation does not use that the gradient is tangent")
    if residual.subs(a * g, 0) != 0:
        return unknown("", f"the residual does not vanish: {residual}")
    return holds(
        Level.PROVED,
        "GD and SGD on affine M, any step sizes and order of batches",
        "A(θ - ηg) - b = (Aθ - b) - ηAg = 0 for one step, and by induction for all",
    )


def flow_by_algebra(_: Settings) -> Evidence:
    """In coordinates M is a graph v = c(u), and the flow of u alone, lifted, is a flow line."""
    slope, field_u, field_v = sympy.symbols("Dc F_u F_v", commutative=False)
    u_dot = field_u  # u' = F_u(u, c(u)) defines u(t); the lifted curve is (u(t), c(u(t)))
    residual = slope * u_dot - field_v
    if residual == 0 or residual.subs(field_v, slope * field_u) != 0:
        return unknown("", f"the lifted curve is no flow line: {residual}")
    return holds(
        Level.PROVED,
        "gradient flow on closed M with a locally Lipschitz gradient",
        "the curve lifted to M solves the flow, c(u)' - F_v = Dc F_u - F_v = 0 by tangency, and "
        "the solution is unique by the theorem of Picard and Lindelöf",
    )


def rational_sgd(settings: Settings) -> Evidence:
    """SGD in rational numbers from a point of IE∩OE off BC, random batches and step sizes."""
    widths, steps = ([2, 4, 4, 1], 4) if settings.full else ([2, 4, 2, 1], 3)
    network = mlp(widths)
    clones = make_partition(network.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[0, 1]]})
    run = _descend(network, equitable(network, clones), steps, settings.sub_seed("P1", "sgd"))
    tangent = tuple(block_constant(network, clones).constraints())
    if any(_apply(row, g) != 0 for g in run.gradients for row in tangent):
        return unknown("", "the hypothesis fails: a gradient is not tangent")
    moved = [_apply(row, run.path[-1]) - _apply(row, run.path[0]) for row in tangent]
    if any(moved):
        return refuted("", "a step left the leaf", counterexample=run.as_json())
    if not all(np.any(g["W1"] != 0) for g in run.gradients):
        return unknown("", "the gradient vanishes: the run shows nothing")
    return holds(
        Level.OBSERVED,
        f"{network.name} with φ = 1/2 - z + z²/3, one cloned start off BC, exact numbers",
        "SGD in rational numbers keeps every constraint of the leaf exactly",
        figures={
            "steps": steps,
            "constraints": len(tangent),
            "bits of a numerator": max(
                v.numerator.bit_length() for p in run.path[-1].values() for v in np.ravel(p)
            ),
        },
    )


def leaves_wrong_set(settings: Settings) -> Evidence:
    """One step from IE alone, where outgoing weights of clones differ."""
    network = mlp([1, 2, 1])
    forward_half = incoming_equitable(network, make_partition(network.sizes, {"h1": [[0, 1]]}))
    run = _descend(network, forward_half, 1, settings.sub_seed("P1", "IE"))
    broken = [r for r in forward_half.constraints() if _apply(r, run.path[-1]) != r.value]
    if not broken:
        return holds(Level.OBSERVED, "", "one step stayed in IE")
    return refuted(
        network.name,
        f"one step of GD leaves IE: {', '.join(sorted({row.label for row in broken}))}",
        counterexample=run.as_json(),
    )


def leaves_curved_level(settings: Settings) -> Evidence:
    """One step on a level set of ‖w_in‖² - ‖w_out‖², to which the gradient is tangent."""
    network = mlp([2, 1, 2], relu, bias=False)
    theta = {"W1": _fractions([[1], [2]]), "W2": _fractions([[1, -1]])}
    batch = _Batch(_fractions([[1, 1]]), _fractions([[1, 1]]), Fraction(1, 2))
    run = _train(network, theta, [batch], {})
    (g,), (before, after) = run.gradients, run.path
    normal = _square(before, before, "W1") - _square(before, before, "W2")
    inward = _square(before, g, "W1") - _square(before, g, "W2")
    change = _square(after, after, "W1") - _square(after, after, "W2") - normal
    law = batch.step_size**2 * (_square(g, g, "W1") - _square(g, g, "W2"))
    if inward != 0 or change != law:
        return unknown("", f"⟨normal, g⟩ = {inward}, change {change}, expected 0 and {law}")
    if change == 0:
        return holds(Level.OBSERVED, "", "one step stayed on the level set")
    return refuted(
        network.name,
        "the gradient is tangent, and one step of GD changes ‖w_in‖² - ‖w_out‖² "
        f"by η²(‖g_in‖² - ‖g_out‖²) = {change}",
        counterexample={**run.as_json(), "level": str(normal), "change": str(change)},
    )


def leaves_without_uniqueness(_: Settings) -> Evidence:
    """L = -⅔|x|^{3/2} is C¹, ∇L(0) = 0 is tangent to M = {0}, and x = t²/4 flows out of it."""
    t, x = sympy.symbols("t x", positive=True)
    descent = -sympy.diff(-sympy.Rational(2, 3) * x ** sympy.Rational(3, 2), x)
    curve = t**2 / 4
    if sympy.expand(sympy.diff(curve, t) - descent.subs(x, curve)) != 0:
        return unknown("", "x = t²/4 is no flow line")
    if sympy.limit(descent, x, 0) != 0 or curve.subs(t, 0) != 0 or curve.subs(t, 1) == 0:
        return unknown("", "the curve does not start tangent to M and leave it")
    return refuted(
        "one parameter",
        "the gradient vanishes on M = {0} and a flow line leaves M",
        counterexample={"loss": "-(2/3)|x|^(3/2)", "manifold": "x = 0", "flow": "x(t) = t^2/4"},
    )


@dataclass(frozen=True, slots=True)
class _Batch:
    x: Any
    target: Any
    step_size: Fraction


@dataclass(frozen=True, slots=True)
class _Run:
    """A path of SGD on ½ · mean squared error, with the gradients along it."""

    network: str
    functions: _Functions
    path: tuple[Parameters, ...]
    gradients: tuple[Parameters, ...]
    batches: tuple[_Batch, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "network": self.network,
            "functions": {name: [str(c) for c in cs] for name, cs in self.functions.items()},
            "start": {p: _texts(v) for p, v in self.path[0].items()},
            "batches": [
                {"x": _texts(b.x), "target": _texts(b.target), "step_size": str(b.step_size)}
                for b in self.batches
            ],
        }


def _descend(network: Architecture, manifold: Manifold, steps: int, seed: int) -> _Run:
    random = Random(seed)

    def drawn(shape: tuple[int, ...]) -> Any:
        flat = [Fraction(random.randint(1, 5), random.randint(1, 3)) for _ in range(np.prod(shape))]
        signs = [random.choice((-1, 1)) for _ in flat]
        return _fractions([s * f for s, f in zip(signs, flat, strict=True)]).reshape(shape)

    theta = manifold.embed({name: drawn(shape) for name, shape in manifold.free_shapes.items()})
    batches = []
    for _ in range(steps):
        size = random.randint(1, 2)
        x, target = drawn((size, *network.input_shape)), drawn((size, *network.output_shape))
        batches.append(_Batch(x, target, Fraction(random.randint(1, 9), random.randint(1, 9))))
    return _train(network, theta, batches, QUADRATIC)


def _train(
    network: Architecture, theta: Parameters, batches: list[_Batch], functions: _Functions
) -> _Run:
    path, gradients = [theta], []
    for batch in batches:
        size = len(batch.x)
        forward = network.graph(size)
        system = Rational(functions=functions)
        here = {**path[-1], "x": batch.x}
        adjoint = (_exact(Evaluator(forward, system)(here)["y"]) - batch.target) / size
        found = Evaluator(gradient(forward), system)({**here, "adjoint:y": adjoint})
        g = {p: _exact(found[f"grad:{p}"]) for p in theta}
        gradients.append(g)
        path.append({p: path[-1][p] - batch.step_size * g[p] for p in theta})
    return _Run(network.name, functions, tuple(path), tuple(gradients), tuple(batches))


def _exact(array: Any) -> Any:
    return _fractions([exact(v) for v in np.ravel(array)]).reshape(np.shape(array))


def _fractions(nested: list[Any]) -> Any:
    array = np.array(nested, dtype=object)
    array[...] = np.frompyfunc(Fraction, 1, 1)(array)
    return array


def _texts(array: Any) -> Any:
    return np.frompyfunc(str, 1, 1)(array).tolist()


def _apply(row: Constraint, theta: Parameters) -> Fraction:
    return sum((c * theta[p].flat[e] for (p, e), c in row.terms.items()), Fraction(0))


def _square(one: Parameters, other: Parameters, p: str) -> Fraction:
    return Fraction(np.sum(one[p] * other[p]))


CLAIMS: tuple[Claim, ...] = (
    Claim(
        id="P1",
        title="tangency implies invariance",
        statement=(
            r"Let $\nabla L(\theta) \in T_\theta M$ for all $\theta \in M$. If $M$ is closed and "
            r"$\nabla L$ locally Lipschitz, gradient flow that starts in $M$ stays in $M$. If $M$ "
            r"is affine and this holds for the loss of every batch, gradient descent and SGD stay "
            r"in $M$ for all step sizes and all orders of batches."
        ),
        hypotheses=(
            "the gradient of every batch loss is tangent to M at every point of M",
            "for steps: M is affine",
            "for the flow: M is a closed C¹ submanifold and the gradient is locally Lipschitz",
        ),
        where="Definition 2.1 and the remark after it; the Lipschitz hypothesis is added",
        expected=Verdict.PROVED,
        checks=(
            Check("algebra of a step", steps_by_algebra, part="steps"),
            Check("SGD in rational numbers", rational_sgd, part="steps"),
            Check("flow in local coordinates", flow_by_algebra, part="flow"),
        ),
        false_variants=(
            FalseVariant(
                "steps on a curved M",
                "a tangent step leaves a curved set at second order in the step size",
                leaves_curved_level,
            ),
            FalseVariant(
                "an affine set without a tangent gradient",
                "on IE without OE the clones receive different adjoints",
                leaves_wrong_set,
            ),
            FalseVariant(
                "flow of a loss that is only C¹",
                "without a Lipschitz gradient the flow line is not unique",
                leaves_without_uniqueness,
            ),
        ),
    ),
)
