import threading
import tracemalloc
import weakref
from fractions import Fraction
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.systems.float64 import FUNCTIONS, TAKING_OUT, Float64
from numerics.systems.workspace import MIN_SIZE, Memory
from tests.test_numerics.programs import programs
from theory.activation import Activation, activation, leaky_relu
from theory.backprop import gradient
from theory.graph import Graph
from theory.primitives import Constant
from theory.tracing import trace
from theory.zoo import mlp

SIDE = 2 * int(MIN_SIZE**0.5)


@pytest.fixture(scope="module", autouse=True)
def arrays_of_any_size_are_kept():
    with (
        patch("numerics.systems.workspace.MIN_SIZE", 0),
        patch("numerics.evaluate.MIN_SIZE", 0),
    ):
        yield


def all_values(program, arrays):
    values = list(arrays)
    for step in program.steps:
        values.append(step.call(*(values[k] for k in step.operands)))
    return values


@given(program=programs(max_steps=8), data=st.data())
def test_calls_are_independent_of_each_other(program, data):
    number = len(program.given) + len(program.steps)
    shown = data.draw(st.sets(st.integers(0, number - 1), min_size=1), label="outputs")
    graph = trace(
        lambda p, x: {f"v{k}": all_values(program, x.values())[k] for k in shown},
        {},
        {name: a.shape for name, a in program.inputs.items()},
    )
    run = Evaluator(graph, Float64())
    found = []
    for sign in (1, -1, 1):
        given_ = {name: sign * a for name, a in program.inputs.items()}
        before = {name: a.copy() for name, a in given_.items()}
        found.append((sign, run(given_)))
        assert all((given_[name] == a).all() for name, a in before.items())
    for sign, outputs in found:
        expected = all_values(program, [sign * a for a in program.given])
        for k in shown:
            assert (outputs[f"v{k}"] == expected[k]).all()


@given(program=programs(max_steps=8))
def test_what_a_caller_does_with_outputs_is_not_seen_by_the_next_call(program):
    shapes = {name: a.shape for name, a in program.inputs.items()}
    graph = trace(lambda p, x: {"y": program.run(x.values()) * 2}, {}, shapes)
    run = Evaluator(graph, Float64())
    expected = 2 * program.run(program.given)
    for _ in range(3):
        y = run({name: a.copy() for name, a in program.inputs.items()})["y"]
        assert (y == expected).all()
        if y.flags.writeable:
            y[...] = np.nan


def test_leading_axes_may_change_from_call_to_call():
    graph = gradient(mlp([3, 4, 2], "tanh").graph(5))
    run = Evaluator(graph, Float64(), lead=1)
    rng = np.random.default_rng(0)
    for n in (3, 1, 3, 2):
        given_ = {name: rng.normal(size=(n, *s)) for name, s in graph.input_shapes.items()}
        found = run(given_)
        single = Evaluator(graph, Float64())
        for k in range(n):
            expected = single({name: a[k] for name, a in given_.items()})
            for name, a in expected.items():
                assert np.abs(found[name][k] - a).max() < 1e-13  # sums of 5 numbers below 10


def test_an_array_and_its_transpose_may_be_added_in_its_memory():
    graph = trace(lambda p, x: {"y": (w := x["x"] * 3) + w.T - 1}, {}, {"x": (4, 4)})
    x = np.arange(16.0).reshape(4, 4)
    run = Evaluator(graph, Float64())
    for _ in range(2):
        assert (run({"x": x})["y"] == 3 * x + 3 * x.T - 1).all()


PHI, PSI = activation("phi"), activation("psi")


def test_functions_from_outside_may_keep_or_return_their_argument():
    kept = []

    def phi(z):
        kept.append(z)
        return z

    system = Float64(functions={"phi": phi, "psi": np.square})
    graph = trace(lambda p, x: {"y": PSI(PHI(x["x"] + 1) * 2) - PHI(x["x"] * 3)}, {}, {"x": (3,)})
    x = np.arange(3.0)
    run = Evaluator(graph, system)
    first, second = run({"x": x})["y"], run({"x": -x})["y"]
    for sign, y, seen in ((1, first, kept[:2]), (-1, second, kept[2:])):
        assert (y == (2 * (sign * x + 1)) ** 2 - 3 * sign * x).all()
        assert sorted(z.tolist() for z in seen) == sorted(
            a.tolist() for a in (sign * x + 1, sign * x * 3)
        )


@pytest.mark.parametrize("name", [*FUNCTIONS, "leaky"])
def test_functions_have_the_same_values_in_a_workspace(name):
    symbol = leaky_relu() if name == "leaky" else Activation(name)
    z = np.array([0.25, 1.0, 3.5])
    system, workspace = Float64(), Float64().workspace()
    assert (workspace.apply(symbol, z) == system.apply(symbol, z)).all()
    assert FUNCTIONS.keys() >= TAKING_OUT


def test_threads_may_share_an_evaluator():
    net = mlp([3, 40, 2], "tanh")
    graph = gradient(net.graph(50))
    run = Evaluator(graph, Float64())
    wrong: list[int] = []

    def work(seed):
        rng = np.random.default_rng(seed)
        given_ = {name: rng.normal(size=s) for name, s in graph.input_shapes.items()}
        expected = Evaluator(graph, Float64())(given_)
        for _ in range(50):
            found = run(given_)
            wrong.extend(seed for name in expected if (found[name] != expected[name]).any())

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_error_leaves_the_evaluator_usable():
    fails = [True]

    def phi(z):
        if fails.pop():
            raise RuntimeError
        return z

    graph = trace(lambda p, x: {"y": PHI(x["x"] * 2) + 1}, {}, {"x": (3,)})
    run = Evaluator(graph, Float64(functions={"phi": phi}))
    with pytest.raises(RuntimeError):
        run({"x": np.ones(3)})
    fails.append(False)
    assert run({"x": np.ones(3)})["y"].tolist() == [3, 3, 3]


def test_a_second_call_allocates_its_outputs_and_no_intermediate_values():
    side = SIDE
    graph = trace(
        lambda p, x: {"y": np.sum(np.tanh(x["x"] @ x["x"] + 1) ** 2 * x["x"], axis=0)},
        {},
        {"x": (side, side)},
    )
    run = Evaluator(graph, Float64())
    x = np.ones((side, side))
    peaks = []
    for _ in range(2):
        tracemalloc.start()
        run({"x": x})
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] > x.nbytes
    assert peaks[1] < x.nbytes / 2


def test_outputs_that_are_views_survive_the_next_call():
    graph = trace(lambda p, x: {"y": (x["x"] * 2)[::-1], "z": x["x"] * 3 + 1}, {}, {"x": (4,)})
    run = Evaluator(graph, Float64())
    x = np.arange(4.0)
    first = run({"x": x})
    run({"x": x + 7})
    assert first["y"].tolist() == [6, 4, 2, 0]
    assert first["z"].tolist() == [1, 4, 7, 10]


def test_constants_cannot_be_changed_through_an_output():
    graph = trace(lambda p, x: {"y": x["x"] * 2, "c": x["x"] * 0 + 3}, {}, {"x": ()})
    three = Constant((Fraction(3),), ())
    constant = next(k for k, node in enumerate(graph.nodes) if node.primitive == three)
    run = Evaluator(Graph(graph.nodes, {**graph.outputs, "c": constant}), Float64())
    with pytest.raises(ValueError, match="read-only"):
        run({"x": 1})["c"][...] = 4


def test_outputs_belong_to_the_caller():
    graph = trace(lambda p, x: {"y": x["x"] * 2}, {}, {"x": (4,)})
    run = Evaluator(graph, Float64())
    y = run({"x": np.ones(4)})["y"]
    memory = weakref.ref(y.base)
    del y
    assert memory() is None


def test_memory_for_an_ensemble_is_given_back_when_a_smaller_one_is_evaluated():
    graph = trace(lambda p, x: {"y": np.sum(x["x"] * 2 + 1)}, {}, {"x": (SIDE,)})
    run = Evaluator(graph, Float64(), lead=1)
    ensemble = np.ones((SIDE, SIDE))
    tracemalloc.start()
    run({"x": ensemble})
    assert tracemalloc.get_traced_memory()[0] > ensemble.nbytes / 2
    run({"x": ensemble[:1]})
    assert tracemalloc.get_traced_memory()[0] < ensemble.nbytes / 2
    tracemalloc.stop()


def test_memory_is_lent_once_and_freed_whole():
    memory = Memory()
    a, b = memory.empty((2, 3)), memory.empty((6,))
    assert not np.shares_memory(a, b)
    memory.release(a.T[1:])
    memory.release(a)
    memory.release(np.zeros(6))
    c, d = memory.empty((3, 2)), memory.empty((3, 2))
    assert np.shares_memory(a, c)
    assert not any(np.shares_memory(d, other) for other in (a, b, c))
    memory.finish()
    memory.release(b)
    assert not np.shares_memory(memory.empty((6,)), b)
