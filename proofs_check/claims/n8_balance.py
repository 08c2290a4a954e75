"""N8: curved laws of the flow, and by how much a step of gradient descent breaks them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np

from numerics.balance import Balance, Law, balance, rate_graph, step_graph
from numerics.evaluate import Evaluator
from numerics.identity import vanishes
from numerics.systems.objects import exact
from numerics.systems.rational import Rational
from proofs_check.chart import Chart, Series
from proofs_check.claim import Check, Claim, FalseVariant, Settings
from proofs_check.drawing.networks import Choose, draw_network
from proofs_check.evidence import Evidence, Level, Verdict, conjoin, holds, refuted, unknown
from proofs_check.findings import campaign, from_identity
from theory.activation import exp, leaky_relu, relu
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.zoo import mlp

LAW = "the flow keeps ‖w_in‖² + b² - ‖w_out‖², a step of GD adds η² of it at g"
LINEAR = leaky_relu(1)
HOMOGENEOUS = (relu, leaky_relu(), LINEAR)
Graphs = Callable[[Architecture, Law], list[Any]]
Case = tuple[Architecture, list[Law]]

# φ with φ'(z) z = p φ(z), and p
POWERS: Mapping[str, tuple[Callable[[Any], Any], int]] = {
    "relu²": (lambda z: relu(z) * relu(z), 2),
    "z²": (lambda z: z * z, 2),
    "z³": (lambda z: z * z * z, 3),
    "relu³": (lambda z: relu(z) * z * z, 3),
}


def _gated_law(network: Architecture, axis: str, degree: int = 1) -> Balance:
    """The gate's weights G are no incoming weights of φ."""
    law = balance(network, axis, degree)
    return Balance(tuple(p for p in law.incoming if p != "G"), law.outgoing, degree)


def _hidden(network: Architecture) -> list[str]:
    return [axis for axis in network.sizes if axis.startswith("h")]


def _first_degree(choose: Choose) -> Case:
    network = draw_network(choose, activations=HOMOGENEOUS)
    return network, [_gated_law(network, axis) for axis in _hidden(network)]


def _higher_degree(choose: Choose) -> Case:
    """Two hidden layers of different degrees."""
    names = [list(POWERS)[choose(0, len(POWERS) - 1)] for _ in range(2)]
    (first, p), (second, q) = (POWERS[name] for name in names)

    def forward(w: Mapping[str, Any], x: Any) -> Any:
        h = first(x @ w["W1"] + w["b1"])
        return second(h @ w["W2"] + w["b2"]) @ w["W3"]

    sizes = {"x": choose(1, 3), "h1": choose(1, 3), "h2": choose(1, 3), "y": choose(1, 2)}
    parameters = {"W1": ("x", "h1"), "b1": ("h1",), "W2": ("h1", "h2"), "b2": ("h2",)}
    network = Architecture(forward, sizes, {**parameters, "W3": ("h2", "y")}, name=", ".join(names))
    return network, [balance(network, "h1", p), balance(network, "h2", q)]


def _both(network: Architecture, law: Law) -> list[Any]:
    """Constant along the flow, and changed by η² E(g) in a step."""
    return [rate_graph(network, law), step_graph(network, law, law, batch=2)]


def _tested(settings: Settings, name: str, draw: Callable[[Choose], Case]) -> Evidence:
    def test(choose: Choose, bits: float, seed: int) -> Evidence:
        network, laws = draw(choose)
        graphs = [graph for law in laws for graph in _both(network, law)]
        share = bits + np.log2(len(graphs)) + 0.01
        return conjoin(
            from_identity(vanishes(graph, bits=share, seed=seed + k), network.name, "")
            for k, graph in enumerate(graphs)
        )

    count = 200 if settings.full else 25
    return campaign(settings, f"N8 {name}", count, f"networks, {name}, every hidden layer", test)


def first_degree(settings: Settings) -> Evidence:
    """ReLU, leaky ReLU and linear units, with skips, gates and without biases too."""
    return _tested(settings, "ReLU, leaky ReLU or linear", _first_degree)


def higher_degree(settings: Settings) -> Evidence:
    """Units of degree 2 and 3."""
    return _tested(settings, "degrees 2 and 3", _higher_degree)


def _one(network: Architecture, law: Law, change: Law, settings: Settings, said: str) -> Evidence:
    """Both identities for one network."""
    graphs = [rate_graph(network, law), step_graph(network, law, change)]
    seed = settings.sub_seed("N8", said)
    return conjoin(
        from_identity(vanishes(graph, bits=61, seed=seed + k), network.name, said)
        for k, graph in enumerate(graphs)
    )


def exponential(settings: Settings) -> Evidence:
    """b - ½‖w_out‖² of units with φ = exp, which a step changes by -½η²‖g_out‖²."""
    return _one(
        mlp([2, 3, 2], exp),
        lambda p: p["b1"] - (p["W2"] * p["W2"]).sum(axis=1) / 2,
        lambda g: -(g["W2"] * g["W2"]).sum(axis=1) / 2,
        settings,
        "b - ½‖w_out‖² is constant along the flow, a step changes it by -½η²‖g_out‖²",
    )


def linear_pairs(settings: Settings) -> Evidence:
    """W1ᵀ W1 + b1ᵀ b1 - W2 W2ᵀ of a linear layer: every pair of units."""

    def law(p: Mapping[str, Any]) -> Any:
        bias = p["b1"].reshape(1, -1)
        return p["W1"].T @ p["W1"] + bias.T @ bias - p["W2"] @ p["W2"].T

    said = "W1ᵀ W1 + b1ᵀ b1 - W2 W2ᵀ is constant along the flow, a step adds η² of it at g"
    return _one(mlp([2, 3, 2], LINEAR), law, law, settings, said)


def rational_descent(settings: Settings) -> Evidence:
    """GD of ReLU networks in rational numbers: E(θ - ηg) - E(θ) = η² E(g), step by step."""
    network, steps = mlp([2, 2, 2], "relu"), 4 if settings.full else 3
    drifts = _descents(network, balance(network, "h1"), steps, settings)
    wrong = [d for d in drifts if d["change"] != d["predicted"]]
    if wrong:
        return refuted(network.name, "a step changes it otherwise", counterexample=_texts(wrong[0]))
    if not any(d["predicted"] for d in drifts):
        return unknown(network.name, "no unit is alive: the run shows nothing")
    live = [d for d in drifts if d["predicted"]]  # a dead unit's E stays
    told, changes = (tuple(abs(float(d[k])) for d in live) for k in ("predicted", "change"))
    ends = (min(told), max(told))
    chart = Chart(
        "Steps of GD in rational numbers",
        "predicted: |η² E(g)|",
        "|change of E|",
        (Series("equal", ends, ends, "dashed"), Series("seen", told, changes, "points")),
        log_x=True,
        log_y=True,
    )
    return holds(
        Level.OBSERVED,
        f"{network.name}, {len(drifts)} steps from random points, exact numbers",
        "in rational numbers each step changes ‖w_in‖² + b² - ‖w_out‖² by η²(‖g_in‖² - ‖g_out‖²)",
        charts=(chart,),
    )


def _descents(
    network: Architecture, law: Law, steps: int, settings: Settings
) -> list[dict[str, Any]]:
    """Changes of the first unit's law in a few runs of GD on half the squared error."""
    random = Random(settings.sub_seed("N8", "descent"))

    def drawn(shape: tuple[int, ...]) -> Any:
        flat = [
            Fraction(random.randint(-5, 5), random.randint(1, 3)) for _ in range(np.prod(shape))
        ]
        return np.array([*flat, None], dtype=object)[:-1].reshape(shape)

    rule = Evaluator(gradient(network.graph(1)), Rational())
    outputs = Evaluator(network.graph(1), Rational())
    found = []
    for _ in range(6):
        theta = {p: drawn(shape) for p, shape in network.parameter_shapes.items()}
        for _ in range(steps):
            x, target, eta = drawn((1, 2)), drawn((1, 2)), Fraction(random.randint(1, 9), 10)
            here = {**theta, "x": x}
            adjoint = _exact(outputs(here)["y"]) - target
            slopes = rule({**here, "adjoint:y": adjoint})
            g = {p: _exact(slopes[f"grad:{p}"]) for p in theta}
            after = {p: theta[p] - eta * g[p] for p in theta}
            found.append(
                {
                    "theta": theta,
                    "x": x,
                    "target": target,
                    "eta": eta,
                    "change": (law(after) - law(theta))[0],
                    "predicted": eta**2 * law(g)[0],
                    "first order": eta * law(g)[0],
                }
            )
            theta = after
    return found


def _exact(a: Any) -> Any:
    return np.frompyfunc(exact, 1, 1)(a)


def _texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _texts(v) for name, v in value.items()}
    return value.astype(str).tolist() if isinstance(value, np.ndarray) else str(value)


def descent_keeps_it(settings: Settings) -> Evidence:
    """A step of GD keeps the law, as the flow does."""
    return _contradicted(settings, "a step keeps it", lambda _: Fraction(0))


def first_order_drift(settings: Settings) -> Evidence:
    """A step of GD changes it by η E(g)."""
    return _contradicted(settings, "a step changes it by η E(g)", lambda d: d["first order"])


def _contradicted(
    settings: Settings, said: str, predicted: Callable[[dict[str, Any]], Fraction]
) -> Evidence:
    network = mlp([2, 2, 2], "relu")
    for drift in _descents(network, balance(network, "h1"), 1, settings):
        if drift["change"] != predicted(drift):
            return refuted(
                network.name,
                f"not so: {said}; in rational numbers one changes it by {drift['change']}",
                counterexample=_texts(drift),
            )
    return holds(Level.OBSERVED, network.name, said)


def tanh_units(settings: Settings) -> Evidence:
    """tanh in place of ReLU."""
    network = mlp([2, 2, 1], "tanh")
    return _one(
        network, balance(network, "h1"), balance(network, "h1"), settings, f"{LAW}, of tanh units"
    )


def wrong_degree(settings: Settings) -> Evidence:
    """‖w_in‖² + b² - ‖w_out‖² for units of degree 2."""
    network, _ = _higher_degree(lambda low, high: low)  # relu²
    law = balance(network, "h1", 1)
    return _one(network, law, law, settings, f"{LAW}, of units of degree 2")


def without_bias(settings: Settings) -> Evidence:
    """‖w_in‖² - ‖w_out‖² where units have biases."""
    network = mlp([2, 2, 1], "relu")
    law = Balance(("W1",), ("W2",))
    return _one(network, law, law, settings, "‖w_in‖² - ‖w_out‖², of units with biases")


CLAIMS = (
    Claim(
        id="N8",
        title="curved LoP manifolds",
        statement=(
            r"If $\varphi'(z) z = p\,\varphi(z)$ (ReLU, leaky ReLU, linear: p = 1), gradient flow "
            r"keeps $E = \|w_{in}\|^2 + b^2 - p\|w_{out}\|^2$ for every hidden unit, all data and "
            r"all losses, and a step of gradient descent changes it by exactly "
            r"$\eta^2(\|g_{in}\|^2 + g_b^2 - p\|g_{out}\|^2)$. For φ = exp the same holds of "
            r"$b - \frac12\|w_{out}\|^2$, and for linear layers of the matrix "
            r"$W_1^T W_1 + b_1^T b_1 - W_2 W_2^T$."
        ),
        hypotheses=(
            "the flow: away from kinks, where the gradient is locally Lipschitz",
            "all parameters of the unit are trained at one rate, without decay",
        ),
        where="answers the open question of curved LoP manifolds",
        expected=Verdict.PROVED,
        checks=(
            Check("degree 1 over prime fields", first_degree, "degree 1"),
            Check("GD of ReLU in rational numbers", rational_descent, "degree 1"),
            Check("degrees 2 and 3 over prime fields", higher_degree, "other degrees"),
            Check("exponential units", exponential, "exponential"),
            Check("linear layers", linear_pairs, "linear"),
        ),
        false_variants=(
            FalseVariant("tanh", "it is not homogeneous: φ'(z) z is no multiple of φ", tanh_units),
            FalseVariant("p = 1 for units of degree 2", "zδ = 2 h d there", wrong_degree),
            FalseVariant("without the bias", "zδ has the term b δ", without_bias),
            FalseVariant("GD keeps it", "its level sets are curved", descent_keeps_it),
            FalseVariant(
                "a drift of first order", "to first order GD is the flow", first_order_drift
            ),
        ),
    ),
)
