"""Second derivatives of a loss by numbers a + b s + c t + d st with s² = t² = 0.

No graph and no differentiation: forward passes are plain loops over rational numbers. The function
is φ(z) = z + 2z² - z³ and the loss ½ Σ y² + ½ (Σ y)² + Σ k y_k of all outputs.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import sympy

from theory.symbolic.functions import FunctionSymbol, LossSymbol

COEFFICIENTS = (0, 1, 2, -1)


@dataclass(frozen=True)
class Dual:
    """a + b s + c t + d st."""

    a: Fraction
    b: Fraction = Fraction(0)
    c: Fraction = Fraction(0)
    d: Fraction = Fraction(0)

    def __add__(self, other):
        o = other if isinstance(other, Dual) else Dual(Fraction(other))
        return Dual(self.a + o.a, self.b + o.b, self.c + o.c, self.d + o.d)

    def __mul__(self, other):
        o = other if isinstance(other, Dual) else Dual(Fraction(other))
        return Dual(
            self.a * o.a,
            self.a * o.b + self.b * o.a,
            self.a * o.c + self.c * o.a,
            self.a * o.d + self.d * o.a + self.b * o.c + self.c * o.b,
        )

    __radd__ = __add__
    __rmul__ = __mul__


def phi(z):
    """By Horner's rule."""
    total = Fraction(0)
    for coefficient in reversed(COEFFICIENTS):
        total = total * z + coefficient if isinstance(total, Dual) else z * total + coefficient
    return total


def mlp_loss(weights, biases, samples):
    """The loss of an MLP at lists of numbers or duals."""
    outputs = []
    for x in samples:
        h = [Fraction(v) for v in x]
        for depth, (w, b) in enumerate(zip(weights, biases, strict=True)):
            z = [
                sum((h[u] * w[u][v] for u in range(len(h))), start=b[v] + Fraction(0))
                for v in range(len(b))
            ]
            h = z if depth == len(weights) - 1 else [phi(v) for v in z]
        outputs += h
    linear = sum((y * (k + 1) for k, y in enumerate(outputs)), start=Dual(Fraction(0)))
    total = sum(outputs, start=Dual(Fraction(0)))
    squares = sum((y * y for y in outputs), start=total * total)
    return linear + squares * Fraction(1, 2)


def hessian(theta, samples):
    """The dense Hessian, entries in the order W1, b1, W2, b2, …, row by row.

    ``theta`` is a list of (matrix, vector) of rational numbers.
    """
    places = [
        (layer, kind, index)
        for layer, (w, b) in enumerate(theta)
        for kind, indices in (
            ("w", product(range(len(w)), range(len(b)))),
            ("b", ((v,) for v in range(len(b)))),
        )
        for index in indices
    ]

    def value(place, i, j):
        layer, kind, index = place
        w, b = theta[layer]
        a = w[index[0]][index[1]] if kind == "w" else b[index[0]]
        return Dual(Fraction(a), Fraction(place == places[i]), Fraction(place == places[j]))

    def entry(i, j):
        moved = {place: value(place, i, j) for place in places}
        weights, biases = [], []
        for layer, (w, b) in enumerate(theta):
            weights.append(
                [[moved[layer, "w", (u, v)] for v in range(len(b))] for u in range(len(w))]
            )
            biases.append([moved[layer, "b", (v,)] for v in range(len(b))])
        return mlp_loss(weights, biases, samples).d

    n = len(places)
    rows = [[Fraction(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i, n):
            rows[i][j] = rows[j][i] = entry(i, j)
    return sympy.Matrix(
        n, n, lambda i, j: sympy.Rational(rows[i][j].numerator, rows[i][j].denominator)
    )


def at(expression, numbers):
    """A SymPy expression of the derivations at numbers, with this φ and this loss."""
    z = sympy.Symbol("z")
    polynomial = sympy.Add(*(c * z**k for k, c in enumerate(COEFFICIENTS)))

    def function(e):
        order = type(e).activation.order
        return sympy.diff(polynomial, z, order).subs(z, e.args[0])

    def loss(e):
        orders = list(type(e).orders)
        # One output is compared with a target t, the second argument.
        size = len(orders) - 1 if e.args[-1] == sympy.Symbol("t") else len(orders)
        y = sympy.symbols(f"y1:{size + 1}")
        total = sympy.Add(*y)
        value = sympy.Add(*(k * v for k, v in enumerate(y, start=1)))
        value += (sympy.Add(*(v**2 for v in y)) + total**2) / 2
        for v, order in zip(y, orders, strict=False):
            value = sympy.diff(value, v, order)
        return value.subs(dict(zip(y, e.args, strict=False)), simultaneous=True)

    plain = expression.replace(lambda e: isinstance(e, LossSymbol), loss)
    plain = plain.replace(lambda e: isinstance(e, FunctionSymbol), function)
    return plain.subs(numbers)
