from math import prod

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from numerics.evaluate import Evaluator
from numerics.systems.rational import Rational
from theory.activation import relu
from theory.graph import Builder
from theory.primitives import Apply, Einsum
from theory.rewrite import reassociate, replace_values, substitute
from theory.tracing import Traced, trace

LENGTHS = dict(zip("ijkl", (2, 3, 4, 5), strict=True))


def run(graph, given):
    system = Rational()
    values = Evaluator(graph, system)({n: system.array(v) for n, v in given.items()})
    return {name: value.tolist() for name, value in values.items()}


@st.composite
def chains(draw):
    """Products of a few operands, two at a time, any of which may be used twice."""
    labels = [draw(st.permutations("ijkl"))[: draw(st.integers(0, 3))] for _ in range(3)]
    labels = ["".join(own) for own in labels]
    steps = []
    live = list(labels)
    for _ in range(draw(st.integers(1, 3))):
        a, b = (draw(st.integers(0, len(live) - 1)) for _ in range(2))
        joined = "".join(dict.fromkeys(live[a] + live[b]))
        out = "".join(c for c in draw(st.permutations(joined)) if draw(st.booleans()))
        steps.append((a, b, out))
        live.append(out)
    return labels, steps


@given(chains(), st.integers(0, 10**6))
def test_reassociation_keeps_values(chain, seed):
    labels, steps = chain

    def function(p, x):
        live, names = [p[f"p{k}"] for k in range(len(labels))], list(labels)
        for a, b, out in steps:
            live.append(np.einsum(f"{names[a]},{names[b]}->{out}", live[a], live[b]))
            names.append(out)
        return {str(k): value for k, value in enumerate(live)}

    shapes = {f"p{k}": tuple(LENGTHS[c] for c in own) for k, own in enumerate(labels)}
    graph = trace(function, shapes, {})
    rng = np.random.default_rng(seed)
    theta = {n: rng.integers(-3, 4, size=s) for n, s in shapes.items()}
    assert run(graph, theta) == run(reassociate(graph), theta)


def multiplications(graph):
    total = 0
    for node in graph.nodes:
        if isinstance(node.primitive, Einsum):
            left, right, _ = node.primitive.labels
            shapes = [graph.nodes[j].shape for j in node.operands]
            lengths: dict[str, int] = {}
            for labels, shape in zip((left, right), shapes, strict=True):
                lengths |= dict(zip(labels, shape, strict=True))
            total += prod(lengths.values())
    return total


@pytest.mark.parametrize("subscripts", ["ij,jk,k->i", "k,jk,ij->i", "i,j,j->i", "i,j,i->j"])
def test_a_vector_is_contracted_first(subscripts):
    labels = subscripts.split("->")[0].split(",")
    shapes = {f"p{k}": (30,) * len(own) for k, own in enumerate(labels)}
    graph = trace(lambda p, x: {"y": np.einsum(subscripts, *(p[n] for n in shapes))}, shapes, {})
    assert multiplications(reassociate(graph)) <= 2 * 30 * 30
    assert multiplications(reassociate(graph)) <= multiplications(graph)


def test_replaced_values_are_used_by_later_nodes():
    graph = trace(lambda p, x: {"y": relu(relu(p["w"]) - 1)}, {"w": (3,)}, {})

    def change(k, value):
        return value + 1 if isinstance(graph.nodes[k].primitive, Apply) else value

    assert run(replace_values(graph, change), {"w": [-2, 0, 5]})["y"] == [1, 1, 6]
    assert replace_values(graph, lambda k, value: value) == graph


def test_substituted_inputs_are_dropped():
    graph = trace(lambda p, x: {"y": p["w"] * x["a"]}, {"w": (2,)}, {"a": (2,)})
    builder = Builder()
    numbers = builder.extend(trace(lambda p, x: {"v": p["v"] + 1}, {"v": (2,)}, {}))
    values = substitute(builder, graph, {"a": Traced(builder, numbers[-1])})
    joint = builder.finish({"y": values["y"].number})
    assert set(joint.input_shapes) == {"w", "v"}
    assert run(joint, {"w": [2, 3], "v": [4, 5]})["y"] == [10, 18]
