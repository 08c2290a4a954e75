"""Random small networks for tests, far from multilayer perceptrons but quick to differentiate."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from theory.activation import Activation, activation
from theory.architecture import Architecture

UNKNOWN = (activation("phi"), Activation("psi", parity="odd"), Activation("chi", parity="even"))
KNOWN = tuple(activation(name) for name in ("tanh", "sigmoid", "relu", "silu", "exp"))


def _reversed(f, z):
    both = np.concatenate([f(z), z], axis=-1)
    return both[:, ::-1][:, : z.shape[-1]]


LAYERS = {
    "dense": lambda f, z: f(z),
    "product": lambda f, z: f(z) * z,
    "quotient": lambda f, z: f(z) / (1 + z * z),
    "power": lambda f, z: f(z) ** 3 - z,
    "centred": lambda f, z: f(z) - np.mean(z, axis=-1, keepdims=True),
    "reversed": _reversed,
    "nested": lambda f, z: f(z + f(z)),
    "outer": lambda f, z: np.einsum("bi,bj->bij", f(z), z).sum(axis=1),
}


@st.composite
def networks(draw: Any) -> Architecture:
    """One to three hidden layers, each with a rule and a function symbol of its own."""
    widths = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    rules = [draw(st.sampled_from(sorted(LAYERS))) for _ in widths[1:]]
    symbols = [draw(st.sampled_from([*UNKNOWN, *KNOWN])) for _ in widths[1:]]
    outputs = draw(st.integers(1, 2))
    parameters: dict[str, tuple[str, ...]] = {"V": (f"h{len(widths) - 1}", "y")}
    for k in range(1, len(widths)):
        parameters |= {f"W{k}": (f"h{k - 1}", f"h{k}"), f"b{k}": (f"h{k}",)}

    def forward(p: dict[str, Any], x: Any) -> Any:
        h = x
        for k, (rule, f) in enumerate(zip(rules, symbols, strict=True), start=1):
            h = LAYERS[rule](f, h @ p[f"W{k}"] + p[f"b{k}"])
        return h @ p["V"]

    return Architecture(
        forward,
        sizes={f"h{k}": n for k, n in enumerate(widths)} | {"y": outputs},
        parameters=parameters,
        inputs=("h0",),
        name=f"{widths} {rules} {symbols} {outputs}",
    )
