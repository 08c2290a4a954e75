from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numerics import parity
from numerics.evaluate import Evaluator
from numerics.parity import prove_parity
from numerics.systems.float64 import Float64
from theory.activation import activation
from theory.architecture import Architecture
from theory.backprop import gradient
from theory.errors import ManifoldError
from theory.manifold import equitable
from theory.partition import AxisPartition, make_partition
from theory.widening import source_counts, target_counts, widen
from theory.zoo import mlp

FEWER = settings(max_examples=settings().max_examples // 4)

BASE, WIDE = mlp([2, 2, 1, 2]), mlp([2, 5, 3, 2])
CLONES = make_partition(WIDE.sizes, {"h1": [[0, 3, 4], [1, 2]], "h2": [[0, 1, 2]]})


@st.composite
def widenings(draw: Any) -> tuple[Architecture, Architecture, dict[str, AxisPartition]]:
    """A base, a wider network and the partition of its units, in any order and of any sizes."""
    counts = [draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)) for _ in range(2)]
    ends = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    phi, bias = draw(st.sampled_from(["phi", "tanh", "relu"])), draw(st.booleans())
    base = mlp([ends[0], *map(len, counts), ends[1]], phi, bias=bias)
    wide = mlp([ends[0], *map(sum, counts), ends[1]], phi, bias=bias)
    blocks = {}
    for axis, sizes in zip(("h1", "h2"), counts, strict=True):
        units = iter(draw(st.permutations(range(sum(sizes)))))
        blocks[axis] = [sorted(next(units) for _ in range(n)) for n in sizes]
    return base, wide, make_partition(wide.sizes, blocks)


@given(widenings())
@FEWER
def test_widenings_keep_outputs_and_gradients(drawn):
    base, wide, clones = drawn
    found = prove_parity(base, wide, clones)
    assert (found.verdict, found.failing) == ("holds", ())
    assert found.bound.bits >= 60


def moved_point(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Base parameters, and wide ones on a leaf of IE∩OE over them."""
    rng = np.random.default_rng(seed)
    base = {p: rng.normal(size=s) for p, s in BASE.parameter_shapes.items()}
    on = equitable(WIDE, CLONES)
    free = {n: rng.normal(size=s) if "Z" in n else np.zeros(s) for n, s in on.free_shapes.items()}
    zero_sums = on.embed(free)
    point = widen(WIDE, CLONES, base)
    assert max(abs(a).max() for a in zero_sums.values()) > 1
    return base, {p: point[p] + zero_sums[p] for p in point}


def test_numbers_agree():
    base, wide = moved_point(0)
    rng = np.random.default_rng(1)
    data = {"x": rng.normal(size=(4, 2)), "adjoint:y": rng.normal(size=(4, 2))}
    tanh: dict[str, Any] = {"phi": np.tanh, "phi'": lambda z: 1 - np.tanh(z) ** 2}
    narrow, broad = (
        Evaluator(gradient(net.graph(4)), Float64(tanh))({**point, **data})
        for net, point in ((BASE, base), (WIDE, wide))
    )
    assert broad["y"] == pytest.approx(narrow["y"], rel=1e-12)
    for p, n in target_counts(WIDE, CLONES).items():
        expected = narrow[f"grad:{p}"] / n
        for k, axis in enumerate(WIDE.parameters[p]):
            expected = CLONES[axis].expand(expected, k)
        assert broad[f"grad:{p}"] == pytest.approx(expected, rel=1e-11, abs=1e-13)


def test_dividing_by_the_targets_fails(monkeypatch):
    """What arXiv 2510.00304 prints for the weights: the number of target clones."""

    def printed(architecture: Architecture, partition: Any, base: Any, _: Any) -> dict[str, Any]:
        sources, targets = (f(architecture, partition) for f in (source_counts, target_counts))
        scaled = {p: base[p] * sources[p] / targets[p] for p in architecture.parameters}
        return widen(architecture, partition, scaled)

    monkeypatch.setattr(parity, "widen", printed)
    found = prove_parity(BASE, WIDE, CLONES)
    assert (found.verdict, "outputs" in found.failing) == ("fails", True)


def test_dividing_gradients_by_the_sources_fails(monkeypatch):
    monkeypatch.setattr(parity, "target_counts", source_counts)
    found = prove_parity(BASE, WIDE, CLONES)
    assert (found.verdict, found.failing) == ("fails", ("W1", "b1", "W2", "b2", "W3"))


def test_undivided_gradients_fail(monkeypatch):
    ones = {p: np.ones((1,) * len(axes), dtype=int) for p, axes in WIDE.parameters.items()}
    monkeypatch.setattr(parity, "target_counts", lambda *_: ones)
    assert prove_parity(BASE, WIDE, CLONES).failing == ("W1", "b1", "W2", "b2")


def test_another_activation_fails():
    found = prove_parity(mlp([2, 2, 1, 2], "tanh"), mlp([2, 5, 3, 2], "sigmoid"), CLONES)
    assert (found.verdict, "outputs" in found.failing) == ("fails", True)


def test_a_base_of_another_size_is_refused():
    with pytest.raises(ManifoldError, match=r"^axis 'h1': the base has 3 units, .* 2 blocks$"):
        prove_parity(mlp([2, 3, 1, 2]), WIDE, CLONES)


def test_coupled_samples_take_two(monkeypatch):
    """With one sample the batch mean hides the first weights, so that any would do."""
    phi = activation("phi")

    def forward(p: dict[str, Any], x: Any) -> Any:
        z = x @ p["W"]
        return phi(z - z.mean(axis=0)) @ p["V"]

    def network(units: int) -> Architecture:
        axes = {"W": ("x", "h"), "V": ("h", "y")}
        return Architecture(forward, sizes={"x": 2, "h": units, "y": 1}, parameters=axes)

    def wrongly(architecture: Any, partition: Any, base: Any, _: Any) -> dict[str, Any]:
        return widen(architecture, partition, {**base, "W": 2 * base["W"]})

    base, wide = network(2), network(3)
    clones = make_partition(wide.sizes, {"h": [[0, 2]]})
    assert prove_parity(base, wide, clones).verdict == "holds"
    monkeypatch.setattr(parity, "widen", wrongly)
    assert prove_parity(base, wide, clones).verdict == "fails"
    assert prove_parity(base, wide, clones, batch=1).verdict == "holds"
