"""Certificates for tests, changed ones, and a second opinion on what they claim."""

import json
from fractions import Fraction
from functools import partial
from math import comb, factorial, prod
from typing import Any

import numpy as np

from numerics.evaluate import Evaluator
from numerics.exact import prove_invariance
from numerics.systems.float64 import Float64
from proofs_check import checker
from proofs_check.certificate import make_certificate
from theory.activation import Activation
from theory.architecture import Architecture
from theory.backprop import pushforward
from theory.graph import Builder, Graph
from theory.manifold import block_constant, equitable
from theory.manifold.base import Manifold
from theory.partition import make_partition
from theory.primitives import Add, Apply, Constant, Einsum, Input, Multiply, Parameter, Reshape


def certified(net: Architecture, points: Manifold, tangent: Manifold) -> str:
    """The honest certificate of a true claim."""
    result = prove_invariance(net, points, tangent=tangent)
    assert result.verdict == "proved"
    return make_certificate(net, points, tangent, result)


def cloned(net: Architecture, blocks: Any, tangent: Any = block_constant) -> str:
    clones = make_partition(net.sizes, blocks)
    return certified(net, equitable(net, clones), tangent(net, clones))


def pairs(net: Architecture, *axes: str) -> dict[str, list[list[int]]]:
    """Units of axes named d1, d2, … in pairs, if d is given."""
    named = {a: n for a, n in net.sizes.items() if a.rstrip("0123456789") in axes}
    return {a: [[k, k + 1] for k in range(0, n - 1, 2)] for a, n in named.items()}


def sealed(data: Any) -> str:
    """The text of changed data with assumptions and digests that fit."""
    data["assumptions"] = checker.assumptions(data)
    return signed(data)


def signed(data: Any) -> str:
    """The text of changed data with digests that fit."""
    data["digests"] = checker.digests(data)
    return checker.canonical(data) + "\n"


def is_accepted(text: str) -> bool:
    try:
        return bool(checker.check(text)["verdict"] == "accepted")
    except (checker.RejectedError, ValueError):
        return False


def copied(data: Any) -> Any:
    return json.loads(json.dumps(data))


def graph_of(data: Any) -> Graph:
    """The graph of a certificate in the primitives of theory, with what is held overridden."""
    builder = Builder()
    numbers: list[int] = []
    for f in data["graph"]["nodes"]:
        operands = [numbers[j] for j in f["operands"]]
        match f["primitive"]:
            case "Hold":
                shape = builder.nodes[operands[0]].shape
                at = [int(k == f["entry"]) for k in range(prod(shape))]
                alive = builder.add(Constant(tuple(Fraction(1 - n) for n in at), shape))
                held = builder.add(Constant(tuple(n * Fraction(f["value"]) for n in at), shape))
                number = builder.add(Add(), builder.add(Multiply(), operands[0], alive), held)
            case "Constant":
                values = [Fraction(v) for n, v in f["runs"] for _ in range(n)]
                number = builder.add(Constant(tuple(values), tuple(f["shape"])))
            case "Apply":
                symbol = Activation(f["function"], f["order"], f["parity"])
                number = builder.add(Apply(symbol), *operands)
            case "Parameter" | "Input" as kind:
                leaf = Parameter if kind == "Parameter" else Input
                number = builder.add(leaf(f["name"], tuple(f["shape"])))
            case "Einsum":
                number = builder.add(Einsum(f["subscripts"]), *operands)
            case "Reshape":
                number = builder.add(Reshape(tuple(f["shape"])), *operands)
            case _:
                number = builder.add(Add(), *operands)
        numbers.append(number)
    return builder.finish({"y": numbers[data["graph"]["output"]]})


def normal_speed(data: Any) -> float:
    """Largest |J n| in float64 at a random point, by theory's forward mode.

    Unknown functions are read as z² + z³ + sin z.
    """
    graph, rng = graph_of(data), np.random.default_rng(0)
    leaves = [f for f in data["graph"]["nodes"] if f["primitive"] == "Parameter"]

    def tensors(vectors: Any, offset: Any) -> dict[str, Any]:
        flat = np.zeros(sum(prod(f["shape"]) for f in leaves))
        for vector, factor in [(offset, 1.0), *((v, rng.normal()) for v in vectors)]:
            for k, value in vector:
                flat[k] += factor * float(Fraction(value))
        stops = np.cumsum([prod(f["shape"]) for f in leaves])[:-1]
        parts = zip(leaves, np.split(flat, stops), strict=True)
        return {f["name"]: part.reshape(f["shape"]) for f, part in parts}

    given = tensors(data["points"]["vectors"], data["points"]["offset"])
    normal = tensors(data["tangent"]["normals"], [])
    given |= {f"tangent:{p}": v for p, v in normal.items()}
    ahead = pushforward(graph)
    symbols = [n.primitive.activation for n in ahead.nodes if isinstance(n.primitive, Apply)]
    chain = {repr(a): partial(_smooth, order=a.order) for a in symbols if not a.is_known}
    given |= {n: rng.normal(size=s) for n, s in ahead.input_shapes.items() if n not in given}
    return float(np.abs(Evaluator(ahead, Float64(chain))(given)["tangent:y"]).max())


def _smooth(z: Any, order: int) -> Any:
    """A derivative of z² + z³ + sin z."""
    powers = sum(comb(n, order) * factorial(order) * z ** max(n - order, 0) for n in (2, 3))
    return powers + np.sin(z + order * np.pi / 2)
