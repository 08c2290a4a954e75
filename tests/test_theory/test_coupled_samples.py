"""``False`` is certain: whoever moves one sample then moves that sample's output alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.systems.prime import PrimeField
from theory.activation import activation
from theory.axes import couples_samples
from theory.tracing import trace
from theory.zoo import mlp

PHI = activation("phi")
DECLARED = {"x": ("batch", "x"), "W": ("x", "h"), "P": ("batch", "x")}
SIZES = {"W": (2, 2), "P": (2, 2)}

Step = tuple[Any, ...]

# On square arrays every axis may be taken for the batch. Programs act on a stack of values.
UNARY = {
    "phi": PHI,
    "transposed": np.transpose,
    "rows reversed": lambda a: a[::-1],
    "columns reversed": lambda a: a[:, ::-1],
    "row mean": lambda a: a - a.mean(axis=0),
    "column mean": lambda a: a - a.mean(axis=1, keepdims=True),
    "flattened": lambda a: a.reshape(-1)[[0, 2, 1, 3]].reshape(2, 2),
    "reshaped": lambda a: PHI(a.reshape(4)).reshape(2, 2),
    "by column": lambda a: np.concatenate([a[:, 1:], a[:, :1]], axis=1),
    "by row": lambda a: np.concatenate([a[:1], a[:1]], axis=0),
    "outer": lambda a: np.einsum("ij,ik->ijk", a, a).sum(axis=2),
    "three axes": lambda a: (a[:, :, None] * a[:, None, :]).reshape(4, 2)[1:3],
    "constants": lambda a: a @ np.array([[1, 2], [3, 4]]),
    "constants before": lambda a: np.array([[1, 2], [3, 4]]) @ a,
    "diagonal": lambda a: np.array([[1, 0], [0, 1]]) * a,
}
BINARY = {
    "sum": lambda a, b: a + b,
    "product": lambda a, b: a * b,
    "matrix product": lambda a, b: a @ b,
    "over rows": lambda a, b: np.einsum("ij,ik->jk", a, b),
    "over columns": lambda a, b: np.einsum("ij,kj->ik", a, b),
    "row by row": lambda a, b: np.einsum("ij,ij->ij", a, b),
    "crossed": lambda a, b: np.einsum("ij,ji->ij", a, b),
    "rows of one": lambda a, b: np.einsum("ij,ik->ijk", a, b)[:, 0],
    "joined": lambda a, b: np.concatenate([a, b], axis=1)[:, 1:3],
    "stacked": lambda a, b: np.stack([a, b])[1],
}


@st.composite
def programs(draw: Any) -> list[Step]:
    """Steps (name, places of the operands), the youngest value first."""
    steps: list[Step] = []
    for count in range(3, 3 + draw(st.integers(1, 5))):
        name = draw(st.sampled_from([*UNARY, *BINARY]))
        operands = [draw(st.integers(0, count - 1)) for _ in range(2 if name in BINARY else 1)]
        steps.append((name, *operands))
    return steps


def run(steps: list[Step], p: dict[str, Any], x: Any) -> Any:
    values = [x, p["W"], p["P"]]
    for name, *operands in steps:
        function: Any = {**UNARY, **BINARY}[name]
        values.insert(0, function(*(values[k] for k in operands)))
    return values[0]


def others_move(graph: Any) -> bool:
    """Whether another sample's output changes with sample 0, or with sample 1."""
    field = PrimeField((4194301,), seed=0)
    given = {name: field.random(shape, name) for name, shape in graph.input_shapes.items()}
    if "x" not in given:
        return False
    evaluate = Evaluator(graph, field, lead=1)
    before = evaluate(given)["y"]
    for sample in (0, 1):
        moved = given["x"].copy()
        moved[0, sample] = field.random((2,), "moved")[0]
        after = evaluate({**given, "x": moved})["y"]
        if (after != before)[0, 1 - sample].any():
            return True
    return False


@given(programs())
@example([("transposed", 0), ("constants", 1), ("sum", 0, 1), ("transposed", 0)])
@example([("transposed", 0), ("matrix product", 1, 0)])
@example([("over columns", 2, 0)])
@example([("over rows", 2, 0)])
@example([("transposed", 0), ("joined", 0, 1)])
@example([("transposed", 0), ("crossed", 1, 0)])
def test_false_is_certain(steps):
    graph = trace(lambda p, x: {"y": run(steps, p, x["x"])}, SIZES, {"x": (2, 2)})
    coupled = couples_samples(graph, DECLARED)
    event(f"coupled: {coupled}")
    if not coupled:
        assert not others_move(graph)


def test_a_parameter_along_an_axis_called_batch_hides_nothing():
    """The sum over samples leaves an axis that a parameter names like the batch."""
    graph = trace(lambda p, x: {"y": np.einsum("bi,ci->ci", x["x"], p["P"])}, SIZES, {"x": (2, 2)})
    assert couples_samples(graph, DECLARED)
    assert others_move(graph)


def coupled(function: Any, batch: int = 2) -> bool:
    shapes = {"W": (3, 4), "V": (4, 2), "b": (4,), "q": (3, 3)}
    declared = {"x": ("batch", "x"), "W": ("x", "h"), "V": ("h", "y"), "b": ("h",)}
    graph = trace(lambda p, x: {"y": function(p, x["x"])}, shapes, {"x": (batch, 3)})
    return couples_samples(graph, declared)


@pytest.mark.parametrize("batch", [2, 3])
@pytest.mark.parametrize(
    "function",
    [
        lambda p, x: x - x.mean(axis=0),
        lambda p, x: (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1) @ p["W"],
        lambda p, x: x[::-1],
        lambda p, x: x[[1, 0, *range(2, len(x))]],
        lambda p, x: np.concatenate([x[1:], x[:1]]),
        lambda p, x: x.T.reshape(x.shape),
        lambda p, x: x.reshape(-1)[::-1].reshape(x.shape),
        lambda p, x: np.exp(x @ p["q"] @ x.T) @ x,
        lambda p, x: np.einsum("bi,ci,cj->bj", x, x, x),
        lambda p, x: np.ones((len(x), len(x))) @ x,
        lambda p, x: x + x.sum(),
        lambda p, x: x * x[:1],
        lambda p, x: np.broadcast_to(x[0], x.shape),
        lambda p, x: np.stack([x, x]).sum(axis=1)[[0] * len(x)],
    ],
)
def test_coupled_samples_are_found(function, batch):
    assert coupled(function, batch)


@pytest.mark.parametrize(
    "function",
    [
        lambda p, x: np.tanh(x @ p["W"] + p["b"]) @ p["V"],
        lambda p, x: (x - x.mean(axis=1, keepdims=True)) @ p["W"],
        lambda p, x: np.einsum("bi,bj->bij", x, x).reshape(len(x), 9),
        lambda p, x: (p["V"].T @ (x @ p["W"]).T).T,
        lambda p, x: x[:, ::-1],
        lambda p, x: np.concatenate([x, np.tanh(x)], axis=1),
        lambda p, x: np.einsum("bi,bj,ij->b", x, x, p["q"]),
        lambda p, x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True),
    ],
)
def test_separate_samples_are_seen_to_be(function):
    assert not coupled(function)


def test_an_mlp_does_not_couple_samples():
    net = mlp([2, 2, 2, 2])  # all axes as long as the batch
    assert not couples_samples(net.graph(2), net.declared_axes)


def test_outputs_without_a_batch_count_as_coupled():
    graph = trace(lambda p, x: {"y": p["W"] * 1 + 0}, SIZES, {})
    assert couples_samples(graph, DECLARED)
