r"""Transverse blocks of layers: channels, heads, gated units, normalised units.

Two cases cover them. Where clones add up, y = Σ_v f(θ_v) + …, the block is M = Σ δ ∇²f. Where they
share statistics too, as in LayerNorm, M has one more term, from the statistics' own sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import sympy

from theory.activation import activation, exp, sqrt
from theory.architecture import Architecture
from theory.layers import attention, batch_norm, conv2d, glu, layer_norm, rms_norm
from theory.stability.exchange import ExchangeableLayer, own_term
from theory.stability.explicit_loss import Entry, ExplicitLoss, derivative
from theory.symbolic.functions import applied

PHI = activation("phi")
EPSILON = 1


def convolution_channels() -> ExchangeableLayer:
    """Two channels between two convolutions of width 2, on four places in a row.

    Places are summed as samples are: B and G have the formulas of dense units, with patches for
    inputs.
    """

    def forward(p: dict[str, Any], x: Any) -> Any:
        return conv2d(PHI(conv2d(x, p["K1"]) + p["b1"]), p["K2"])

    sizes = {"row": 1, "place": 4, "c0": 1, "one": 1, "k": 2, "c1": 2, "y": 1}
    axes = {"K1": ("one", "k", "c0", "c1"), "b1": ("c1",), "K2": ("one", "k", "c1", "y")}
    network = Architecture(forward, sizes, axes, inputs=("row", "place", "c0"), name="convolutions")
    clones = tuple(
        (("K1", v), ("K1", 2 + v), ("b1", v), ("K2", v), ("K2", 2 + v)) for v in range(2)
    )

    def formula(loss: ExplicitLoss) -> sympy.Matrix:
        kernel = [loss.symbol(e) for e in clones[0]]
        x = list(loss.x.flat)
        patches = [(x[t], x[t + 1], sympy.Integer(1)) for t in range(3)]
        z = [
            sympy.Add(*(k * h for k, h in zip(kernel[:3], patch, strict=True))) for patch in patches
        ]
        deltas = _slopes(loss)
        matrix = sympy.zeros(5, 5)
        for t, patch in enumerate(patches):  # d_t = Σ_m K2_m δ_{t-m}
            seen = [(m, deltas[t - m]) for m in range(2) if 0 <= t - m < 2]
            d = sympy.Add(*(kernel[3 + m] * delta for m, delta in seen))
            for j, h in enumerate(patch):
                for k, other in enumerate(patch):
                    matrix[j, k] += d * derivative(PHI, 2, z[t]) * h * other
                for m, delta in seen:
                    matrix[j, 3 + m] += derivative(PHI, 1, z[t]) * h * delta
                    matrix[3 + m, j] = matrix[j, 3 + m]
        return matrix

    formulas = (
        r"B_{jl} = \textstyle\sum_t d_t\, \varphi''(z_t)\, x_{t+j} x_{t+l}, \quad "
        r"d_t = \sum_m a_m \delta_{t-m}",
        r"G_{jm} = \textstyle\sum_t \varphi'(z_t)\, x_{t+j}\, \delta_{t-m}",
    )
    return ExchangeableLayer("convolution channels", network, clones, formula, formulas)


def attention_heads() -> ExchangeableLayer:
    """Two causal heads of width 1 over two tokens of width 1: M from cumulants of the attention.

    With P_t the attention of token t and ∂s the derivative of its scores, ∂⟨v⟩ = Cov(∂s, v) and
    ∂∂'⟨v⟩ = κ₃(∂s, ∂'s, v) + Cov(∂∂'s, v).
    """

    def forward(p: dict[str, Any], x: Any) -> Any:
        q, k, v = (np.einsum("btd,dhk->bthk", x, p[name]) for name in ("Q", "K", "V"))
        return np.einsum("bthk,hkd->btd", attention(q, k, v, causal=True, scale=1), p["O"])

    axes = dict.fromkeys(("Q", "K", "V"), ("d", "head", "k")) | {"O": ("head", "k", "d")}
    sizes = {"t": 2, "d": 1, "head": 2, "k": 1}
    network = Architecture(forward, sizes, axes, inputs=("t", "d"), name="attention")
    clones = tuple(tuple((name, v) for name in ("Q", "K", "V", "O")) for v in range(2))

    def formula(loss: ExplicitLoss) -> sympy.Matrix:
        q, k, v, o = (loss.symbol(e) for e in clones[0])
        tokens = list(loss.x.flat)
        matrix = sympy.zeros(4, 4)
        for t, (x, delta) in enumerate(zip(tokens, _slopes(loss), strict=True)):
            seen = tokens[: t + 1]
            mean, variance, third = _cumulants([q * x * k * s for s in seen], seen)
            matrix[0, 0] += delta * o * v * (k * x) ** 2 * third
            matrix[0, 1] += delta * o * v * (q * k * x**2 * third + x * variance)
            matrix[1, 1] += delta * o * v * (q * x) ** 2 * third
            matrix[0, 2] += delta * o * k * x * variance
            matrix[1, 2] += delta * o * q * x * variance
            matrix[0, 3] += delta * v * k * x * variance
            matrix[1, 3] += delta * v * q * x * variance
            matrix[2, 3] += delta * mean
        return _symmetric(matrix)

    cumulants = r"\bar x_t,\ \operatorname{Var}_t,\ \kappa_t \text{ of the tokens seen under } P_t"
    formulas = (
        rf"P_t = \operatorname{{softmax}}_s(q k\, x_t x_s), \quad {cumulants}",
        r"M_{qq} = \textstyle\sum_t \delta_t\, o v\, (k x_t)^2 \kappa_t, \quad "
        r"M_{kk} = \sum_t \delta_t\, o v\, (q x_t)^2 \kappa_t",
        r"M_{qk} = \textstyle\sum_t \delta_t\, o v\, (q k\, x_t^2 \kappa_t + x_t "
        r"\operatorname{Var}_t)",
        r"M_{qv} = \textstyle\sum_t \delta_t\, o k\, x_t \operatorname{Var}_t, \quad "
        r"M_{kv} = \sum_t \delta_t\, o q\, x_t \operatorname{Var}_t",
        r"M_{qo} = \textstyle\sum_t \delta_t\, v k\, x_t \operatorname{Var}_t, \quad "
        r"M_{ko} = \sum_t \delta_t\, v q\, x_t \operatorname{Var}_t",
        r"M_{vo} = \textstyle\sum_t \delta_t\, \bar x_t, \quad M_{vv} = M_{oo} = 0",
    )
    return ExchangeableLayer("attention heads", network, clones, formula, formulas)


def _cumulants(
    scores: Sequence[sympy.Expr], values: Sequence[sympy.Expr]
) -> tuple[sympy.Expr, sympy.Expr, sympy.Expr]:
    """Mean, variance and third cumulant of values under the softmax of scores, by raw moments."""
    centre = sympy.Add(*scores) / len(scores)
    weights = [applied(exp, score - centre) for score in scores]
    total = sympy.Add(*weights)
    first, second, third = (
        sympy.Add(*(w * v**n for w, v in zip(weights, values, strict=True))) / total
        for n in (1, 2, 3)
    )
    return first, second - first**2, third - 3 * first * second + 2 * first**3


def glu_units(copies: int = 3) -> ExchangeableLayer:
    """Gated units a (w·x) φ(g·x) with two inputs: the products of w and g replace B.

    Args:
        copies: number of clones.
    """

    def forward(p: dict[str, Any], x: Any) -> Any:
        return glu(x @ p["W"], x @ p["G"], PHI) @ p["A"]

    axes = {"W": ("x", "h"), "G": ("x", "h"), "A": ("h", "y")}
    network = Architecture(forward, {"x": 2, "h": copies, "y": 1}, axes, name="gated units")
    names = ("W", "G")
    clones = tuple(
        (*((name, j * copies + v) for name in names for j in range(2)), ("A", v))
        for v in range(copies)
    )

    def formula(loss: ExplicitLoss) -> sympy.Matrix:
        w, g, a = (
            [loss.symbol(e) for e in part]
            for part in (clones[0][:2], clones[0][2:4], clones[0][4:])
        )
        x, (delta,) = list(loss.x.flat), _slopes(loss)
        value, gate = (sympy.Add(*(c * h for c, h in zip(s, x, strict=True))) for s in (w, g))
        d = a[0] * delta
        matrix = sympy.zeros(5, 5)
        for j in range(2):
            for m in range(2):
                matrix[j, 2 + m] = d * derivative(PHI, 1, gate) * x[j] * x[m]
                matrix[2 + j, 2 + m] = d * value * derivative(PHI, 2, gate) * x[j] * x[m]
            matrix[j, 4] = delta * derivative(PHI, 0, gate) * x[j]
            matrix[2 + j, 4] = delta * value * derivative(PHI, 1, gate) * x[j]
        return _symmetric(matrix)

    formulas = (
        r"u = w^\top x, \quad s = g^\top x, \quad d = \delta a",
        r"M_{ww} = 0, \quad M_{wg} = \textstyle\sum d\, \varphi'(s)\, x x^\top, \quad "
        r"M_{gg} = \sum d\, u\, \varphi''(s)\, x x^\top",
        r"M_{wa} = \textstyle\sum \delta\, \varphi(s)\, x, \quad "
        r"M_{ga} = \sum \delta\, u\, \varphi'(s)\, x, \quad M_{aa} = 0",
    )
    return ExchangeableLayer("gated units", network, clones, formula, formulas)


def normalised_units(kind: Literal["rms", "layer"] = "rms") -> ExchangeableLayer:
    """Two clones among three units behind RMSNorm or LayerNorm: a φ(γ ẑ), ẑ normalised.

    The clones share the statistics; their curvature is that of z², times ∂L/∂(mean of squares).

    Args:
        kind: ``rms`` or ``layer``.
    """

    def forward(p: dict[str, Any], x: Any) -> Any:
        z = x @ p["W"]
        normal = (rms_norm if kind == "rms" else layer_norm)(z, p["gain"], eps=EPSILON)
        return PHI(normal) @ p["A"]

    axes = {"W": ("x", "h"), "gain": ("h",), "A": ("h", "y")}
    network = Architecture(forward, {"x": 1, "h": 3, "y": 1}, axes, name=f"{kind} norm")
    clones = tuple((("W", v), ("gain", v), ("A", v)) for v in range(2))

    def formula(loss: ExplicitLoss) -> sympy.Matrix:
        units = range(3)
        w, gain, a = ([loss.symbol((p, v)) for v in units] for p in ("W", "gain", "A"))
        x, (delta,) = loss.x.flat[0], _slopes(loss)
        z = [c * x for c in w]
        mean = sympy.Add(*z) / 3 if kind == "layer" else sympy.Integer(0)
        spread = sympy.Add(*((s - mean) ** 2 for s in z)) / 3 + EPSILON
        root = applied(sqrt, spread)
        normal = [(s - mean) / root for s in z]
        arguments = [g * n for g, n in zip(gain, normal, strict=True)]
        d = [delta * c for c in a]
        slopes = [derivative(PHI, 1, u) for u in arguments]
        # ∂L/∂spread = Σ_v d_v φ'_v γ_v ∂ẑ_v/∂spread, ∂ẑ/∂spread = -ẑ/(2 spread)
        adjoint = -sympy.Add(*(d[v] * slopes[v] * arguments[v] for v in units)) / (2 * spread)
        u, n, bent = arguments[0], normal[0], derivative(PHI, 2, arguments[0])
        matrix = sympy.zeros(3, 3)
        matrix[0, 0] = d[0] * bent * (gain[0] * x / root) ** 2
        matrix[0, 0] += sympy.Rational(2, 3) * adjoint * x**2
        matrix[0, 1] = d[0] * (bent * u + slopes[0]) * x / root
        matrix[1, 1] = d[0] * bent * n**2
        matrix[0, 2] = delta * slopes[0] * gain[0] * x / root
        matrix[1, 2] = delta * slopes[0] * n
        return _symmetric(matrix)

    formulas = (
        r"\hat z = (z - \mu)/\sqrt q, \quad u = \gamma \hat z, \quad d = \delta a, \quad "
        r"\rho = \partial L/\partial q = -\tfrac{1}{2q} \textstyle\sum_v d_v \varphi'(u_v) u_v",
        r"M_{ww} = \left(d\, \varphi''(u)\, \gamma^2 / q + \tfrac{2}{N} \rho\right) x x^\top",
        r"M_{w\gamma} = d\, (\varphi''(u)\, u + \varphi'(u))\, x/\sqrt q, \quad "
        r"M_{\gamma\gamma} = d\, \varphi''(u)\, \hat z^2",
        r"M_{wa} = \delta\, \varphi'(u)\, \gamma\, x/\sqrt q, \quad "
        r"M_{\gamma a} = \delta\, \varphi'(u)\, \hat z, \quad M_{aa} = 0",
    )
    name = "RMSNorm units" if kind == "rms" else "LayerNorm units"
    return ExchangeableLayer(name, network, clones, formula, formulas)


def batch_norm_units() -> ExchangeableLayer:
    """Two clones behind BatchNorm with the batch's own statistics, on two samples.

    Statistics are the unit's own, so clones add up and M = Σ δ ∇²f, f through its statistics.
    """

    def forward(p: dict[str, Any], x: Any) -> Any:
        return PHI(batch_norm(x @ p["W"], p["gain"], p["bias"], eps=EPSILON)) @ p["A"]

    axes = {"W": ("x", "h"), "gain": ("h",), "bias": ("h",), "A": ("h", "y")}
    network = Architecture(forward, {"x": 1, "h": 2, "y": 1}, axes, name="batch norm")
    clones = tuple((("W", v), ("gain", v), ("bias", v), ("A", v)) for v in range(2))
    return additive("BatchNorm units", network, clones, batch=2)


def additive(
    name: str, network: Architecture, clones: tuple[tuple[Entry, ...], ...], batch: int = 1
) -> ExchangeableLayer:
    """A layer whose clones add up in the outputs, with the formula M = Σ δ ∇²f.

    Args:
        name: of the layer.
        network: y = Σ_v f(θ_v) + what has no clones.
        clones: the parameter entries of every clone.
        batch: number of samples.
    """
    formulas = (r"y = \textstyle\sum_v f(\theta_v) + \dots, \quad M = \sum \delta\, \nabla^2 f",)

    def formula(loss: ExplicitLoss) -> sympy.Matrix:
        return own_term(clones[0])(loss)

    return ExchangeableLayer(name, network, clones, formula, formulas, batch)


LAYERS: dict[str, Callable[[], ExchangeableLayer]] = {
    "convolution": convolution_channels,
    "attention": attention_heads,
    "glu": glu_units,
    "rms_norm": normalised_units,
    "layer_norm": lambda: normalised_units("layer"),
    "batch_norm": batch_norm_units,
}


def _slopes(loss: ExplicitLoss) -> list[sympy.Expr]:
    """δ_k = ∂ℓ/∂y_k of every output."""
    return [loss.value.fdiff(k + 1) for k in range(loss.y.size)]


def _symmetric(upper: sympy.Matrix) -> sympy.Matrix:
    return sympy.Matrix(upper.rows, upper.cols, lambda i, j: upper[min(i, j), max(i, j)])
