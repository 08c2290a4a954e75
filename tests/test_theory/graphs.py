"""Small graphs for tests: one for each primitive, and random ones that shrink."""

from collections.abc import Callable
from fractions import Fraction
from math import prod
from string import ascii_lowercase, ascii_uppercase
from typing import Any

import numpy as np
from hypothesis import strategies as st

from theory.activation import LAWS, Activation, activation, leaky_relu
from theory.graph import Builder, Graph
from theory.lowering import scatter
from theory.primitives import (
    Add,
    Apply,
    Broadcast,
    Concatenate,
    Constant,
    Divide,
    Einsum,
    Input,
    Multiply,
    Negative,
    Parameter,
    Power,
    Primitive,
    Reshape,
    Scatter,
    Shape,
    Subtract,
    Sum,
    Take,
    Transpose,
)
from theory.tracing import trace

MAX_SIZE = 8  # entries of a value in a random graph

PHI = activation("phi")
SMOOTH = tuple(
    Activation(name)
    for name, law in LAWS.items()
    if name not in ("step", "relu", "leaky_relu") and law is not None
)
GATED = (activation("step"), activation("relu"), leaky_relu("1/3"))
UNKNOWN = (PHI, Activation("psi", parity="odd"), Activation("chi", parity="even"))


def _arithmetic(p, x):
    a, b, c = p["a"], p["b"], p["c"]
    y = (a * b - c / b) * a - (-c) ** 3 + a * a
    return {"y": y / (b + a) + x["x"] * c}


def _dense(p, x):
    h = np.tanh(x["x"] @ p["W"] + p["b"])
    h = PHI(h @ p["W"] - p["b"])
    return {"y": h @ p["V"]}


def _activations(p, x):
    z = x["x"] * p["w"]
    return {"y": sum(f(z * (k + 1)) for k, f in enumerate((*SMOOTH, *GATED, *UNKNOWN)))}


def _structure(p, x):
    a = np.transpose(p["a"], (1, 2, 0)) * x["x"]
    b = np.transpose(a.reshape(4, 2)).reshape(2, 4) * p["b"]
    taken = b[:, [3, 0, 0, 1]] * x["v"]
    moved = scatter(taken * p["b"], 1, (2, 0, 2, 1), 4)
    return {"y": moved + taken, "z": a.sum(axis=1) + p["a"].sum(axis=(0, 2)).reshape(2, 1)}


def _concatenation(p, x):
    a, b = PHI(p["a"]), p["b"]
    return {"y": np.concatenate([a * b, b, a, b * b], axis=1) * x["x"]}


def _products(p, x):
    scores = np.einsum("bij,bkj->bik", x["x"] @ p["Q"], x["x"] @ p["K"])
    outer = np.einsum("i,j->ij", p["u"], p["u"] * p["v"])
    return {"y": PHI(scores) @ (x["x"] @ outer), "z": np.einsum("ij,jk,ki->", outer, p["Q"], outer)}


def _broadcasting(p, x):
    centred = x["x"] - x["x"].mean(axis=1, keepdims=True) * p["s"]
    scale = np.var(centred * p["g"], axis=0, keepdims=True) + 1
    return {"y": centred / np.sqrt(scale) + p["g"] * p["s"]}


COVERING: dict[str, Graph] = {
    "arithmetic": trace(_arithmetic, {"a": (2,), "b": (2,), "c": (2,)}, {"x": (2,)}),
    "dense": trace(_dense, {"W": (3, 3), "b": (3,), "V": (3, 2)}, {"x": (3, 3)}),
    "activations": trace(_activations, {"w": (2,)}, {"x": (2,)}),
    "structure": trace(_structure, {"a": (2, 2, 2), "b": (2, 4)}, {"x": (2, 2, 2), "v": (2, 4)}),
    "concatenation": trace(_concatenation, {"a": (2, 2), "b": (2, 2)}, {"x": (2, 8)}),
    "products": trace(
        _products, {"Q": (2, 2), "K": (2, 2), "u": (2,), "v": (2,)}, {"x": (2, 2, 2)}
    ),
    "broadcasting": trace(_broadcasting, {"s": (1,), "g": (3,)}, {"x": (2, 3)}),
}


@st.composite
def graphs(draw: Any, functions: tuple[Activation, ...] = UNKNOWN, max_nodes: int = 8) -> Graph:
    """A random graph with outputs ``y`` and, sometimes, ``z``; divisors are squares plus 1."""
    builder = Builder()
    shapes = st.lists(st.integers(1, 3), max_size=2).map(tuple)
    values = [builder.add(Parameter("w", draw(shapes)))]
    values.append(builder.add(Parameter("v", draw(shapes))))
    values.append(builder.add(Input("x", draw(shapes))))
    steps = {kind: _STEPS[kind] for kind in _STEPS if functions or kind is not Apply}
    for _ in range(draw(st.integers(1, max_nodes))):
        a = draw(st.sampled_from(values))
        kind = draw(st.sampled_from(sorted(steps, key=lambda k: k.__name__)))
        if kind is Apply:
            found: int | None = builder.add(Apply(draw(st.sampled_from(functions))), a)
        else:
            found = steps[kind](draw, builder, values, a)
        if found is not None and prod(builder.nodes[found].shape) <= MAX_SIZE:
            values.append(found)
    outputs = {"y": values[-1]}
    if draw(st.booleans()):
        outputs["z"] = draw(st.sampled_from(values))
    return builder.finish(outputs)


Step = Callable[[Any, Builder, list[int], int], int | None]


def _binary(kind: type) -> Step:
    def step(draw: Any, builder: Builder, values: list[int], a: int) -> int:
        b = _like(draw, builder, values, a)
        if kind is Divide:
            shape = builder.nodes[b].shape
            one = builder.add(Broadcast(shape), builder.add(Constant((Fraction(1),), ())))
            b = builder.add(Add(), builder.add(Multiply(), b, b), one)
        primitive: Primitive = kind()
        return builder.add(primitive, a, b)

    return step


def _like(draw: Any, builder: Builder, values: list[int], a: int) -> int:
    shape = builder.nodes[a].shape
    number: int = draw(st.sampled_from([k for k in values if builder.nodes[k].shape == shape]))
    return number


def _einsum(draw: Any, builder: Builder, values: list[int], a: int) -> int:
    b = draw(st.sampled_from(values))
    left, right = builder.nodes[a].shape, builder.nodes[b].shape
    own, theirs = ascii_lowercase[: len(left)], ""
    for n, fresh in zip(right, ascii_uppercase, strict=False):
        same = [c for c, m in zip(own, left, strict=True) if m == n and c not in theirs]
        theirs += draw(st.sampled_from([*same, fresh]))
    shared = set(own) & set(theirs)
    out = [c for c in dict.fromkeys(own + theirs) if c not in shared or draw(st.booleans())]
    order = "".join(draw(st.permutations(out)))
    return builder.add(Einsum(f"{own},{theirs}->{order}"), a, b)


def _sum(draw: Any, builder: Builder, values: list[int], a: int) -> int:
    axes = [k for k in range(len(builder.nodes[a].shape)) if draw(st.booleans())]
    return builder.add(Sum(tuple(axes)), a)


def _broadcast(draw: Any, builder: Builder, values: list[int], a: int) -> int:
    shape = builder.nodes[a].shape
    stretched = tuple(draw(st.integers(1, 3)) if n == 1 else n for n in shape)
    added = draw(st.lists(st.integers(1, 2), max_size=1).map(tuple))
    return builder.add(Broadcast(added + stretched), a)


def _reshape(draw: Any, builder: Builder, values: list[int], a: int) -> int:
    size = prod(builder.nodes[a].shape)
    first = draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0]))
    return builder.add(Reshape(draw(st.sampled_from([(size,), (first, size // first)]))), a)


def _transpose(draw: Any, builder: Builder, values: list[int], a: int) -> int:
    order = draw(st.permutations(range(len(builder.nodes[a].shape))))
    return builder.add(Transpose(tuple(order)), a)


def _take(draw: Any, builder: Builder, values: list[int], a: int) -> int | None:
    shape = builder.nodes[a].shape
    if not shape:
        return None
    axis = draw(st.integers(0, len(shape) - 1))
    indices = draw(st.lists(st.integers(0, shape[axis] - 1), min_size=1, max_size=3))
    return builder.add(Take(axis, tuple(indices)), a)


def _scatter(draw: Any, builder: Builder, values: list[int], a: int) -> int | None:
    shape = builder.nodes[a].shape
    if not shape:
        return None
    axis, size = draw(st.integers(0, len(shape) - 1)), draw(st.integers(1, 3))
    n = shape[axis]
    indices = draw(st.lists(st.integers(0, size - 1), min_size=n, max_size=n))
    return builder.add(Scatter(axis, tuple(indices), size), a)


def _concatenate(draw: Any, builder: Builder, values: list[int], a: int) -> int | None:
    shape: Shape = builder.nodes[a].shape
    if not shape:
        return None
    axis = draw(st.integers(0, len(shape) - 1))
    return builder.add(Concatenate(axis), a, _like(draw, builder, values, a))


_STEPS: dict[type, Step] = {
    **{kind: _binary(kind) for kind in (Add, Subtract, Multiply, Divide)},
    Negative: lambda draw, builder, values, a: builder.add(Negative(), a),
    Power: lambda draw, builder, values, a: builder.add(Power(draw(st.integers(2, 3))), a),
    Apply: lambda draw, builder, values, a: None,
    Einsum: _einsum,
    Sum: _sum,
    Broadcast: _broadcast,
    Reshape: _reshape,
    Transpose: _transpose,
    Take: _take,
    Scatter: _scatter,
    Concatenate: _concatenate,
}
