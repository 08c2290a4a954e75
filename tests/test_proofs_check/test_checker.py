"""The checker accepts true claims, refuses false ones, and sees every change of a certificate."""

import ast
import json
import subprocess
import sys
from fractions import Fraction
from functools import partial
from itertools import product
from math import comb, factorial, prod
from random import Random

import numpy as np
import pytest

from numerics.evaluate import Evaluator
from numerics.exact import prove_invariance
from numerics.systems.float64 import Float64
from proofs_check import checker
from proofs_check.certificate import make_certificate
from proofs_check.networks import chooser, draw_network, draw_partition
from theory.backprop import pushforward
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
from theory.primitives import Apply
from theory.rewrite import replace_values
from theory.serialisation import graph_from_json
from theory.zoo import cnn, decoder, mlp, rnn

PAIR = {"h1": [[0, 1]]}


def certified(net, points, tangent):
    """The honest certificate of a true claim."""
    result = prove_invariance(net, points, tangent=tangent)
    assert result.verdict == "proved"
    return make_certificate(net, points, tangent, result)


def cloned(net, blocks, tangent=block_constant):
    clones = make_partition(net.sizes, blocks)
    return certified(net, equitable(net, clones), tangent(net, clones))


def sealed(data):
    """The text of changed data with assumptions and digests that fit."""
    data["assumptions"] = checker.assumptions(data)
    data["digests"] = checker.digests(data)
    return checker.canonical(data) + "\n"


def is_accepted(text):
    try:
        return checker.Certificate(text).check()["verdict"] == "accepted"
    except (checker.RejectedError, checker.UnusableError):
        return False


def pairs(net, *axes):
    named = {a: n for a, n in net.sizes.items() if a.rstrip("0123456789") in axes}
    return {a: [[k, k + 1] for k in range(0, n - 1, 2)] for a, n in named.items()}


@pytest.mark.parametrize("phi", ["phi", *(set(checker.RULES) - {"log", "sqrt", "rsqrt"})])
def test_every_function_symbol(phi):
    if phi != "reciprocal":
        assert is_accepted(cloned(mlp([2, 3, 2], phi), PAIR))


def test_clones_of_a_transformer_of_channels_and_of_a_recurrent_network():
    net = decoder(5, 3, 1, 4, 2, 4)
    assert is_accepted(cloned(net, pairs(net, "d", "k", "v", "m")))
    net = cnn((3, 3), (1, 4), 1, norm="layer")
    assert is_accepted(cloned(net, {"c1": [[0, 1], [2, 3]]}))
    net = rnn(2, 4, 1, 3)
    assert is_accepted(cloned(net, pairs(net, "h")))


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


def test_mirrored_and_zero_units():
    net = mlp([2, 4, 2], "tanh")
    signed = AxisPartition(4, ((0, 1), (2,)), signs=(1, -1, 1, 1), zero=(3,))
    blocks = {**make_partition(net.sizes, {}), "h1": signed}
    even, constant = equitable(net, blocks), block_constant(net, blocks)
    honest = certified(net, even, constant)
    assert is_accepted(honest)
    assert not is_accepted(honest.replace("tanh", "silu"))
    silu = json.loads(honest.replace('"name":"tanh"', '"name":"silu"'))
    assert not is_accepted(sealed(silu))  # no odd function


def swapped(net, points, tangent, other):
    """A certificate with its manifolds replaced by those of another question."""
    data = json.loads(other)
    for key, manifold in (("points", points), ("tangent", tangent)):
        data[key] = checker_json(net, manifold, key)
    return sealed(data)


def checker_json(net, manifold, key):
    from proofs_check.certificate import _manifold_to_json

    return _manifold_to_json(manifold, is_linear=key == "tangent")


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
    dead = net.freeze("h1", 0)
    data = json.loads(certified(dead, ambient(dead), trap(dead)))  # its frozen unit is dropped
    assert is_accepted(sealed(data))
    data["frozen"] = []
    assert not is_accepted(sealed(data))
    other = json.loads(honest)  # another function, of which the claim is as true
    for node in other["graph"]["nodes"]:
        if node["primitive"] == "Apply":
            node["activation"]["name"] = "phi"
    assert is_accepted(sealed(other))


def normal_speed(data):
    """Largest |J n| in float64 at a random point, by theory's forward mode: an independent check.

    Unknown functions are read as z² + z³ + sin z.
    """
    plain = graph_from_json(data["graph"])

    def held(k, value):
        for unit in (u for u in data["frozen"] if u["node"] == k):
            mask = np.zeros(plain.nodes[k].shape, dtype=int)
            np.moveaxis(mask, unit["axis"], 0)[unit["unit"]] = 1
            constant = np.array(mask * Fraction(unit["value"]), dtype=object)
            value = value * np.array(1 - mask, dtype=object) + constant
        return value

    graph = replace_values(plain, held) if data["frozen"] else plain
    rng = np.random.default_rng(0)
    shapes = graph.parameter_shapes

    def vector(manifold, wants_rest):
        flat = []
        for part in manifold["parts"]:
            axes = [manifold["axes"][k] for k in part["axes"]]
            total = np.zeros([a["size"] for a in axes])
            for pattern in map("".join, product("CZ", repeat=len(axes))):
                if (pattern in part["patterns"]) == wants_rest:
                    continue
                own = rng.normal(size=total.shape)
                for k, letter in enumerate(pattern):
                    own = np.moveaxis(np.tensordot(projector(axes[k], letter), own, (1, k)), 0, k)
                total += own
            flat.append(total.ravel())
        found = np.concatenate(flat)
        for offset in [] if wants_rest else manifold["offset"]:
            for k, v in zip(offset["entries"], offset["values"], strict=True):
                found[k] += float(Fraction(v))
        values, start = {}, 0
        for p in (p["name"] for p in data["network"]["parameters"]):
            n = prod(shapes[p])
            values[p], start = found[start : start + n].reshape(shapes[p]), start + n
        return values

    theta, normal = vector(data["points"], False), vector(data["tangent"], True)
    ahead = pushforward(graph)
    symbols = [n.primitive.activation for n in ahead.nodes if isinstance(n.primitive, Apply)]
    chain = {repr(a): partial(smooth, order=a.order) for a in symbols if not a.is_known}
    given = theta | {f"tangent:{p}": v for p, v in normal.items()}
    inputs = set(ahead.input_shapes) - set(given)
    given |= {name: rng.normal(size=ahead.input_shapes[name]) for name in inputs}
    return float(np.abs(Evaluator(ahead, Float64(chain))(given)["tangent:y"]).max())


def smooth(z, order):
    """A derivative of z² + z³ + sin z."""
    powers = sum(comb(n, order) * factorial(order) * z ** max(n - order, 0) for n in (2, 3))
    return powers + np.sin(z + order * np.pi / 2)


def projector(axis, letter):
    """Orthogonal projector onto the span of the rest, or of everything else."""
    rest = np.zeros((len(axis["rest"]), axis["size"]))
    for row, vector in zip(rest, axis["rest"], strict=True):
        row[vector["entries"]] = [float(Fraction(v)) for v in vector["values"]]
    onto = np.linalg.pinv(rest) @ rest if len(rest) else np.zeros((axis["size"],) * 2)
    return onto if letter == "Z" else np.eye(axis["size"]) - onto


def places(value, path=()):
    """Paths to all values inside JSON data."""
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, entry in inner:
        if isinstance(entry, dict | list):
            yield from places(entry, (*path, key))
        else:
            yield (*path, key)


def mutate(data, random):
    """Change one value somewhere, swap two list entries, or drop or double a value."""
    *path, last = random.choice([p for p in places(data) if p[0] != "digests"])
    holder = data
    for key in path:
        holder = holder[key]
    value = holder[last]
    kind = random.randrange(3)
    if isinstance(value, list) and len(value) > 1 and kind == 0:
        i, k = random.sample(range(len(value)), 2)
        value[i], value[k] = value[k], value[i]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(last, json.loads(json.dumps(value)))
    elif kind == 1:
        holder[f"{last}x"] = holder.pop(last)
    elif isinstance(value, list | dict) or value is None:
        del holder[last]
    elif isinstance(value, int):
        holder[last] = value + random.choice([-1, 1, 5])
    else:
        holder[last] = random.choice(
            ["", "0", "2", "-1", "1/2", "h1", "CZ", "bi,ij->jb", f"{value}x"]
        )


CLAIM = ("graph", "points", "tangent", "frozen", "batch")


@pytest.fixture(scope="module")
def honest():
    return [
        cloned(mlp([2, 3, 1]), PAIR),
        cloned(mlp([2, 2, 2, 1], "tanh"), {"h1": [[0, 1]], "h2": [[0, 1]]}),
        certified(
            mlp([1, 2, 1]).freeze("h1", 0, 2),
            ambient(mlp([1, 2, 1])),
            trap(mlp([1, 2, 1]).freeze("h1", 0, 2)),
        ),
    ]


def test_mutations_are_rejected_or_true(honest):
    random = Random(0)
    counts = {"stale": 0, "rejected": 0, "same claim": 0, "another true claim": 0}
    for number in range(600):
        text = honest[number % len(honest)]
        data = json.loads(text)
        mutate(data, random)
        if data == json.loads(text):
            continue
        stale = checker.canonical(data) + "\n"
        assert not is_accepted(stale)
        counts["stale"] += 1
        try:
            changed = sealed(data)
        except (KeyError, TypeError, AttributeError, IndexError, ValueError):
            data["digests"] = checker.digests(data)
            changed = checker.canonical(data) + "\n"
        if not is_accepted(changed):
            counts["rejected"] += 1
            continue
        before = json.loads(text)
        if all(data[key] == before[key] for key in CLAIM):
            assert data["bits"] <= checker.Certificate(changed).check()["bits"]
            counts["same claim"] += 1
        else:
            assert normal_speed(data) < 1e-9, data
            counts["another true claim"] += 1
    assert counts["stale"] >= 500
    assert counts["rejected"] >= 350
    assert counts["same claim"] > 0


def test_bytes(honest):
    random = Random(1)
    text = honest[0]
    for _ in range(300):
        k = random.randrange(len(text))
        other = (
            text[:k]
            + random.choice(["", " ", "1", '"', "{", "x"])
            + text[k + random.randrange(2) :]
        )
        assert other == text or not is_accepted(other)


def test_assumptions_and_keys_are_not_dropped(honest):
    data = json.loads(honest[0])
    data["assumptions"].pop()
    data["digests"] = checker.digests(data)
    assert not is_accepted(checker.canonical(data) + "\n")
    assert not is_accepted(honest[0].replace('{"assumptions"', '{"batch":1,"assumptions"', 1))
    stronger = json.loads(honest[0]) | {"bits": 129}
    assert not is_accepted(sealed(stronger))


def test_agreement_with_the_prover_on_random_networks():
    verdicts = []
    for seed in range(25):
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
    assert min(verdicts.count(True), verdicts.count(False)) > 20


def test_it_imports_the_standard_library_alone(tmp_path, honest):
    with open(checker.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    names += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
    file = tmp_path / "c.json"
    for text, status in ((honest[0], 0), (honest[0].replace("phi", "psi"), 1), ("{", 2)):
        file.write_text(text)
        command = [sys.executable, "-I", "-S", checker.__file__, str(file)]
        assert subprocess.run(command, capture_output=True, check=False).returncode == status


def test_values_are_those_of_rational_arithmetic():
    ring = checker.Ring(b"key", 2**61 - 1)
    node = checker._make_node(
        {"primitive": "Einsum", "operands": [0, 1], "subscripts": "bij,jk->kbi"},
        [checker.Node("Input", {}, s, [], 0) for s in ((2, 3, 4), (4, 5))],
    )
    rng = np.random.default_rng(0)
    a, b = rng.integers(-9, 9, (2, 3, 4)), rng.integers(-9, 9, (4, 5))
    tensors = [ring.numbers([str(v) for v in x.ravel().tolist()]) for x in (a, b)]
    expected = np.einsum("bij,jk->kbi", a, b).ravel() % ring.m
    assert ring.multiply(node, *tensors).values == expected.tolist()
