"""The checker accepts true claims and refuses false ones; its values are those of arithmetic."""

import ast
import json
import subprocess
import sys
from fractions import Fraction
from math import log2, prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

from numerics.evaluate import Evaluator
from numerics.exact import prove_invariance
from numerics.systems.rational import Rational
from proofs_check import certificate, checker
from proofs_check.certificate import make_certificate
from proofs_check.drawing.layered_networks import draw_layered
from proofs_check.drawing.networks import chooser, draw_network, draw_partition
from tests.test_proofs_check.certified import (
    certified,
    cloned,
    copied,
    is_accepted,
    normal_speed,
    pairs,
    sealed,
)
from tests.test_theory.interpreter import interpret
from theory.activation import activation
from theory.backprop import pushforward
from theory.core import core
from theory.manifold import (
    ambient,
    block_constant,
    equitable,
    frozen,
    incoming_equitable,
    intersect,
    leaf,
    outgoing_equitable,
    trap,
)
from theory.partition import AxisPartition, make_partition
from theory.tracing import trace
from theory.zoo import cnn, decoder, mlp, rnn

PAIR = {"h1": [[0, 1]]}
SYMBOLS = ("phi", "relu", "leaky_relu", "silu", "gelu", *checker.RULES)


@pytest.mark.parametrize("phi", sorted({*SYMBOLS} - {"log", "sqrt", "rsqrt", "reciprocal"}))
def test_every_function_symbol(phi):
    assert is_accepted(cloned(mlp([2, 3, 2], phi), PAIR))


def test_clones_of_a_transformer_of_channels_and_of_a_recurrent_network():
    net = decoder(5, 3, 1, 4, 2, 4)
    assert is_accepted(cloned(net, pairs(net, "d", "k", "v", "m")))
    net = cnn((3, 3), (1, 4), 1, norm="layer")
    assert is_accepted(cloned(net, {"c1": [[0, 1], [2, 3]]}))
    net = rnn(2, 4, 1, 3)
    assert is_accepted(cloned(net, pairs(net, "h")))


def test_coupled_samples():
    text = cloned(cnn((2, 2), (1, 2), 1, norm="batch"), {"c1": [[0, 1]]})
    data = json.loads(text)
    assert data["batch"] == 2
    assert "a batch has 2 samples" in data["assumptions"]
    assert is_accepted(text)
    assert not is_accepted(sealed({**data, "batch": 1}))


def test_leaves_frozen_units_and_traps():
    net = mlp([2, 4, 3, 2], "tanh")
    clones = make_partition(net.sizes, PAIR)
    even = equitable(net, clones)
    point = even.embed({n: np.full(s, 3) for n, s in even.free_shapes.items()})
    through = leaf(net, clones, {p: v + Fraction(0) for p, v in point.items()})
    assert is_accepted(certified(net, through, through))
    dead = net.freeze("h1", 0, 2).freeze("h1", 3).freeze("h2", 1)
    for tangent in (frozen(dead), trap(dead)):
        assert is_accepted(certified(dead, ambient(dead), tangent))
    same = net.freeze("h1", 0).freeze("h1", 1)
    both = intersect(equitable(same, clones), trap(same))
    assert is_accepted(certified(same, both, both))


@pytest.mark.parametrize("phi", ["phi", "relu", "silu"])
def test_a_held_unit_is_an_assumption_and_matters(phi):
    dead = mlp([2, 4, 2], phi).freeze("h1", 1, Fraction(1, 2))
    data = json.loads(certified(dead, ambient(dead), trap(dead)))
    held = [f for f in data["graph"]["nodes"] if f["primitive"] == "Hold"]
    assert [(f["entry"], f["value"]) for f in held] == [(1, "1/2")]
    assert "constantly 1/2, its slope 0" in data["assumptions"][-1]
    assert is_accepted(sealed(copied(data)))
    held[0].clear()
    held[0].update({"primitive": "Reshape", "operands": [0], "shape": [1, 4]})
    held[0]["operands"] = [data["graph"]["nodes"].index(held[0]) - 1]
    assert not is_accepted(sealed(data))


def test_mirrored_and_zero_units():
    net = mlp([2, 4, 2], "tanh")
    signed = AxisPartition(4, ((0, 1), (2,)), signs=(1, -1, 1, 1), zero=(3,))
    blocks = {**make_partition(net.sizes, {}), "h1": signed}
    even, constant = equitable(net, blocks), block_constant(net, blocks)
    honest = certified(net, even, constant)
    assert is_accepted(honest)
    other = json.loads(honest.replace('"function":"tanh"', '"function":"softplus"'))
    assert not is_accepted(sealed(other))  # no odd function


def swapped(net, points, tangent, text):
    """A certificate with its manifolds replaced by those of another question."""
    data = json.loads(text)
    graph = core(net.unfrozen().graph(data["batch"]))
    vectors, offset, _ = certificate._solved(points, graph)
    along, _, normals = certificate._solved(tangent, graph)
    data["points"] = {"dimension": len(vectors), "vectors": vectors, "offset": offset}
    data["tangent"] = {"dimension": len(along), "normals": normals}
    return sealed(data)


def test_false_claims_with_digests_that_fit_are_refuted():
    net = mlp([2, 4, 4, 2], "tanh")
    clones = make_partition(net.sizes, {"h1": [[0, 1], [2, 3]], "h2": [[0, 1]]})
    even, constant = equitable(net, clones), block_constant(net, clones)
    honest = certified(net, even, constant)
    assert is_accepted(swapped(net, even, even, honest))
    for half in (incoming_equitable(net, clones), outgoing_equitable(net, clones)):
        assert not is_accepted(swapped(net, half, half, honest))
    assert not is_accepted(swapped(net, ambient(net), constant, honest))
    other = make_partition(net.sizes, {"h1": [[0, 2], [1, 3]], "h2": [[0, 1]]})
    assert not is_accepted(swapped(net, even, block_constant(net, other), honest))
    of_phi = honest.replace('"function":"tanh"', '"function":"phi"')
    assert is_accepted(sealed(json.loads(of_phi)))  # a graph of which the claim is as true


def test_agreement_with_the_prover_on_random_networks():
    verdicts = []
    for seed in range(10):
        choose = chooser(seed)
        net = draw_network(choose, max_depth=2, max_width=4)
        clones = draw_partition(choose, net)
        even = equitable(net, clones)
        result = prove_invariance(net, even, tangent=block_constant(net, clones))
        text = make_certificate(net, even, block_constant(net, clones), result)
        for points in (even, incoming_equitable(net, clones), outgoing_equitable(net, clones)):
            for tangent in (points, block_constant(net, clones)):
                if not tangent.codimension:
                    continue
                expected = prove_invariance(net, points, tangent=tangent).verdict == "proved"
                assert is_accepted(swapped(net, points, tangent, text)) == expected, net.name
                verdicts.append(expected)
    assert min(verdicts.count(True), verdicts.count(False)) > 10


def test_random_layered_networks_are_certified():
    proved = 0
    for seed in range(8):
        drawn = draw_layered(chooser(seed))
        net, clones = drawn.architecture, drawn.partition
        even, constant = equitable(net, clones), block_constant(net, clones)
        result = prove_invariance(net, even, tangent=constant)
        if constant.codimension and result.verdict == "proved":
            assert is_accepted(make_certificate(net, even, constant, result))
            proved += 1
    assert proved >= 4


def test_the_second_opinion_sees_false_claims():
    net = mlp([2, 4, 2], "tanh")
    clones = make_partition(net.sizes, PAIR)
    honest = cloned(net, PAIR)
    half = incoming_equitable(net, clones)
    assert normal_speed(json.loads(honest)) < 1e-9
    assert normal_speed(json.loads(swapped(net, half, half, honest))) > 1e-3


def squared(text, times, bits):
    """The same claim about y², y⁴, … with an error of 2^-bits."""
    data = json.loads(text)
    nodes = data["graph"]["nodes"]
    for _ in range(times):
        k = len(nodes) - 1
        nodes.append({"primitive": "Einsum", "operands": [k, k], "subscripts": "ab,ab->ab"})
    data["graph"]["output"] = len(nodes) - 1
    return sealed({**data, "bits": bits})


def test_the_error_grows_with_the_degree():
    honest = cloned(mlp([1, 2, 1]), PAIR)
    assert checker.check(squared(honest, 0, 128))["bits"] >= 128
    assert 100 <= checker.check(squared(honest, 130, 60))["bits"] <= 246 - 130
    with pytest.raises(checker.RejectedError, match="more than it claims"):
        checker.check(squared(honest, 130, 128))
    assert not is_accepted(squared(honest, 0, 129))


def test_a_divisor_that_vanishes_is_refused():
    data = json.loads(cloned(mlp([1, 2, 1]), PAIR))
    nodes = data["graph"]["nodes"]
    k = data["graph"]["output"]
    minus = {"primitive": "Constant", "operands": [], "shape": [], "runs": [[1, "-1"]]}
    nodes += [
        minus,
        {"primitive": "Einsum", "operands": [k, len(nodes)], "subscripts": "ab,->ab"},
        {"primitive": "Add", "operands": [k, len(nodes) + 1]},
        {
            "primitive": "Apply",
            "operands": [len(nodes) + 2],
            "function": "reciprocal",
            "order": 0,
            "parity": None,
        },
    ]
    data["graph"]["output"] = len(nodes) - 1
    with pytest.raises(checker.RejectedError, match="a divisor is 0 everywhere"):
        checker.check(sealed(data))


class Polynomial(checker.Ring):
    """Every function symbol is z² + z³, every input a small integer."""

    def apply(self, f: Any, z: checker.Tensor) -> tuple[checker.Tensor, checker.Tensor]:
        slopes = [(2 * v + 3 * v * v) % self.p for v in z.values]
        return checker.Tensor([(v * v + v**3) % self.p for v in z.values], 0), checker.Tensor(
            slopes, 0
        )

    def draw(self, *labels: Any) -> int:
        return sum(map(ord, repr(labels))) % 7 + 1


def dual_output(graph, ring, point, normal):
    """Residues of the output and of its tangent."""
    data = certificate._graph_to_json(core(graph), {})
    nodes = checker._read_graph(data, 1)
    given = [(iter(v), 1) for v in (point, normal)]
    duals: list[Any] = []
    for f in nodes:
        duals.append(ring.evaluate(f, given, [duals[j] for j in f["operands"]]))
    return duals[data["output"]]


def test_whole_networks_agree_with_rational_arithmetic():
    ring, system = Polynomial(b"key"), Rational({"phi": (0, 0, 1, 1)})
    rng = np.random.default_rng(0)
    nets = [draw_network(chooser(seed), activations=[activation("phi")]) for seed in range(12)]
    nets += [cnn((3, 3), (1, 2), 1, pool="avg"), rnn(2, 2, 1, 2, "phi")]
    for net in nets:
        graph = net.graph(1)
        shapes = core(graph).parameter_shapes
        vectors = [
            {p: rng.integers(-3, 4, size=s).astype(object) for p, s in shapes.items()}
            for _ in range(2)
        ]
        flat = [[int(v) for p in shapes for v in own[p].ravel()] for own in vectors]
        found = dual_output(graph, ring, *flat)
        x = [ring.draw("input", "x", k) for k in range(prod(graph.input_shapes["x"]))]
        ahead = pushforward(graph)
        given = {**vectors[0], **{f"tangent:{p}": v for p, v in vectors[1].items()}}
        given["x"] = np.array(x, dtype=object).reshape(graph.input_shapes["x"])
        given |= {n: np.zeros(s, int) for n, s in ahead.input_shapes.items() if n not in given}
        values = Evaluator(ahead, system)({n: system.array(v) for n, v in given.items()})
        for tensor, name in zip(found, ("y", "tangent:y"), strict=True):
            exact = [Fraction(int(v.p), int(v.q)) for v in values[name].ravel()]
            residues = [v.numerator * pow(v.denominator, -1, ring.p) % ring.p for v in exact]
            assert tensor.values == residues, net.name


def test_weights_bound_degree_and_norm():
    def network(p, x):
        h = x["x"] @ p["W"] * 3 - x["x"] * Fraction(5, 7)
        return {"y": (h * h @ p["W"] + h) * np.sum(h, axis=1, keepdims=True)}

    graph = trace(network, {"W": (2, 2)}, {"x": (1, 2)})
    value, _ = dual_output(graph, checker.Ring(b"key"), [1] * 4, [1] * 4)
    seventh = sympy.Symbol("seventh")
    given = {
        n: np.array(sympy.symbols(f"{n}:{prod(s)}"), dtype=object).reshape(s)
        for n, s in graph.input_shapes.items()
    }
    outputs = interpret(
        graph, given, lambda a, z: z, lambda v: v.numerator * seventh ** int(v.denominator > 1)
    )
    for entry in outputs["y"].ravel():
        polynomial = sympy.Poly(sympy.expand(entry))
        norm = sum(abs(c) for c in polynomial.coeffs())
        assert max(polynomial.total_degree(), log2(norm)) <= value.weight


def test_random_functions_have_their_parity_and_depend_on_the_key():
    ring, other = checker.Ring(b"key"), checker.Ring(b"another")
    assert ring.p != other.p
    assert ring.p.bit_length() == other.p.bit_length() == 256
    assert sympy.isprime(ring.p)
    for z in (1, 12345, ring.p // 2, ring.p // 2 + 1):
        for kind, sign in (("odd", -1), ("even", 1), ("free", -1)):
            values = [ring.symbol(v, f"{kind}_g") for v in (z, ring.p - z)]
            assert (values[0] - sign * values[1]) % ring.p == 0
        assert ring.symbol(z, "any_g") != ring.symbol(ring.p - z, "any_g")
    assert ring.symbol(0, "odd_g") == 0
    assert ring.symbol(0, "free_g") != 0


def test_primes():
    assert [n for n in range(43, 5000) if checker._is_prime(n)] == [*sympy.primerange(43, 5000)]
    carmichael = (561, 1105, 41041, 825265, 3215031751)
    assert not any(map(checker._is_prime, carmichael))


def test_replays_use_salts_that_no_author_foresees(tmp_path, monkeypatch):
    file = tmp_path / "c.json"
    file.write_text(cloned(mlp([1, 2, 1]), PAIR))
    salts = []
    run = subprocess.run

    def spied(command, **options):
        salts.append(command[-1])
        return run(command, **options)

    monkeypatch.setattr("proofs_check.certificate.subprocess.run", spied)
    assert {certificate.replay(file)["verdict"] for _ in range(2)} == {"accepted"}
    assert len(set(salts)) == 2
    assert min(map(len, salts)) >= 32


def test_it_is_one_short_script_of_the_standard_library(tmp_path):
    source = Path(checker.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) < 400
    tree = ast.parse(source)
    names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    names += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
    called = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert not called & {"__import__", "exec", "float"}
    assert not [n for n in ast.walk(tree) if isinstance(n, ast.Assert)]
    file = tmp_path / "c.json"
    honest = cloned(mlp([2, 3, 1]), PAIR)
    for text, status in ((honest, 0), (honest.replace("phi", "psi"), 1), ("{", 2)):
        file.write_text(text)
        command = [sys.executable, "-I", "-S", checker.__file__, str(file)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == status
