"""A second way to compute the gradient of a Dag: unit by unit, over the integers modulo a prime.

Nothing is shared with tracing, backprop or the evaluators; functions are polynomials.
"""

from dataclasses import dataclass

P = 2**61 - 1


@dataclass
class Functions:
    """Values and slopes of the symbols at integers modulo P, drawn from ``rng``."""

    def __init__(self, rng):
        self.rng = rng
        self.coefficients = {}
        self.drawn = {}

    def __call__(self, symbol, z):
        """φ(z) and φ'(z)."""
        if symbol is None:
            return z, 1
        if symbol.name == "tanh":
            return self._tanh(z)
        if symbol not in self.coefficients:
            kept = {"odd": (1, 3, 5), "even": (0, 2, 4)}.get(symbol.parity, range(6))
            self.coefficients[symbol] = {k: self.rng.randrange(1, P) for k in kept}
        terms = self.coefficients[symbol].items()
        value = sum(c * pow(z, k, P) for k, c in terms) % P
        slope = sum(k * c * pow(z, k - 1, P) for k, c in terms if k) % P
        return value, slope

    def _tanh(self, z):
        """Any odd function with T' = 1 - T² pointwise."""
        key = min(z, -z % P)
        if key not in self.drawn:
            self.drawn[key] = self.rng.randrange(P) if key else 0
        value = self.drawn[key] if key == z else -self.drawn[key] % P
        return value, (1 - value * value) % P


def run(dag, w, b, x, adjoint, functions):
    """Values h, errors δ and the gradients with respect to w and b."""
    h = [0] * dag.num_units
    slope = [0] * dag.num_units
    bias = dict(zip(dag.biased, b, strict=True))
    data = dict(zip(dag.inputs, x, strict=True))
    for v in range(dag.num_units):
        if v in data:
            h[v], slope[v] = data[v], 1
            continue
        z = bias.get(v, 0)
        for k, (source, target) in enumerate(dag.edges):
            if target == v:
                z += w[k] * h[source]
        h[v], slope[v] = functions(dag.activations[v], z % P)
    d = [0] * dag.num_units
    for unit, a in zip(dag.outputs, adjoint, strict=True):
        d[unit] = a
    delta = [0] * dag.num_units
    for v in reversed(range(dag.num_units)):
        delta[v] = d[v] * slope[v] % P
        for k, (source, target) in enumerate(dag.edges):
            if target == v:
                d[source] = (d[source] + w[k] * delta[v]) % P
    grad_w = [h[u] * delta[v] % P for u, v in dag.edges]
    grad_b = [delta[v] for v in dag.biased]
    return h, delta, grad_w, grad_b


def random_point(rng, manifold):
    """A uniform point modulo P, by way of the free coordinates."""
    import numpy as np

    free = {
        name: np.array([rng.randrange(P) for _ in range(shape[0])], dtype=object)
        for name, shape in manifold.free_shapes.items()
    }
    return {p: [int(v) % P for v in values] for p, values in manifold.embed(free).items()}


def residuals(manifold, gradient):
    """⟨row, gradient⟩ modulo P for every row of the constraints."""
    return [
        sum(int(c) * gradient[p][k] for (p, k), c in row.terms.items()) % P
        for row in manifold.constraints()
    ]
