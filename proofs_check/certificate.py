"""Certificates: an exact proof of invariance as JSON that another program re-checks.

A certificate holds the forward graph in the seven primitives of :mod:`theory.core`, the points and
the normals of the tangent space as explicit vectors, what the prover drew, and what is assumed.
:mod:`proofs_check.checker` re-checks it by forward mode, without NumPy and without the code that
proved it. The text is canonical, so equal proofs have equal bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from fractions import Fraction
from itertools import groupby
from math import floor, lcm, prod
from pathlib import Path
from typing import Any

import numpy as np

from numerics.exact import ExactResult
from numerics.primes import random_primes
from proofs_check import checker
from proofs_check.errors import CertificateError
from proofs_check.files import write_text
from proofs_check.prove import Answer
from theory.architecture import Architecture
from theory.axes import axis_names
from theory.core import core
from theory.errors import GraphError
from theory.graph import Graph, Node
from theory.manifold.base import Manifold
from theory.manifold.elimination import Row, row_echelon
from theory.primitives import Apply, Constant, Einsum, Input, Parameter, Reshape

Data = dict[str, Any]

ATTEMPTS = 16  # more than a prover makes
MAX_DIGITS = 4000  # of a number that the checker reads


def make_certificate(
    architecture: Architecture, points: Manifold, tangent: Manifold, result: ExactResult
) -> str:
    """The text of the certificate of a proof: the gradient on ``points`` is tangent to ``tangent``.

    Args:
        architecture: the network that was proved.
        points: where the parameters lie.
        tangent: the set whose tangent space holds the gradient.
        result: what the exact check found for them.

    Raises:
        CertificateError: if the result is no proof, or the network is beyond what the checker
            reads.

    >>> from numerics.exact import prove_invariance
    >>> from theory.manifold import equitable
    >>> from theory.partition import make_partition
    >>> from theory.zoo import mlp
    >>> net = mlp([3, 4, 2])
    >>> clones = equitable(net, make_partition(net.sizes, {"h1": [[0, 1], [2, 3]]}))
    >>> text = make_certificate(net, clones, clones, prove_invariance(net, clones))
    >>> checker.check(text)["verdict"]
    'accepted'
    """
    if result.verdict != "proved":
        raise CertificateError(f"no certificate: {result.summary()}")
    forward = architecture.unfrozen().graph(result.batch)
    held = _held_entries(architecture, forward)
    marked = {f"held:{k}": k for k in held}
    try:
        reduced = core(Graph(forward.nodes, {**forward.outputs, **marked}))
    except GraphError as error:
        raise CertificateError(f"no certificate: {error}") from None
    kept, offset, _ = _solved(points, reduced)
    directions, _, normals = _solved(tangent, reduced)
    data: Data = {
        "format": checker.FORMAT,
        "bits": floor(min(result.error_bits, checker.MAX_BITS)),
        "batch": result.batch,
        "num_parameters": architecture.num_parameters,
        "graph": _graph_to_json(
            reduced, {reduced.outputs[name]: held[k] for name, k in marked.items()}
        ),
        "points": {"dimension": len(kept), "vectors": kept, "offset": offset},
        "tangent": {"dimension": len(directions), "normals": normals},
        "prover": {
            "method": checker.METHOD,
            "seed": _seed_of_primes(result),
            "primes": list(result.primes),
        },
    }
    data["assumptions"] = checker.assumptions(data)
    data["digests"] = checker.digests(data)
    text = checker.canonical(data) + "\n"
    try:
        checker.check(text)
    except checker.RejectedError as error:
        raise CertificateError(f"no certificate: {error}") from None
    return text


def write_certificate(answer: Answer, path: str | Path) -> None:
    """Write the certificate of a proved answer; what is not proved writes nothing.

    Raises:
        CertificateError: if there is no proof, or none that the checker reads.
        OutputError: if the file cannot be written.
    """
    question = answer.question
    if answer.result is None:
        raise CertificateError(
            "no certificate: the exact check was left out for a network of this size; ask for it "
            "with --method exact"
        )
    write_text(
        path,
        make_certificate(question.architecture, question.points, question.tangent, answer.result),
    )


def replay(path: str | Path) -> Data:
    """The report of the checker in a fresh Python that sees the standard library alone.

    Raises:
        CertificateError: if the file is missing or no JSON, or the checker fails.
    """
    try:
        Path(path).open("rb").close()
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror or error}") from None
    done = subprocess.run(
        [sys.executable, "-I", "-S", checker.__file__, str(path), os.urandom(16).hex()],
        capture_output=True,
        check=False,
        text=True,
    )
    try:
        report: Data = json.loads(done.stdout)
    except ValueError:
        raise CertificateError(f"{path}: the checker ended with status {done.returncode}") from None
    if done.returncode not in (0, 1):
        raise CertificateError(f"{path}: {report['reason']}")
    return report


def read_certificate(path: str | Path) -> Data:
    """The data of a certificate that the checker accepted.

    Raises:
        CertificateError: if the file has gone or changed.
    """
    try:
        data: Data = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise CertificateError(f"{path}: the file changed while it was checked") from None
    return data


def _seed_of_primes(result: ExactResult) -> int:
    """The prover goes on to later seeds where a divisor is 0 by chance."""
    for seed in range(result.seed, result.seed + ATTEMPTS):
        if random_primes(len(result.primes), seed) == result.primes:
            return seed
    raise CertificateError(f"no certificate: {result.primes} are not the primes of the seed")


Held = dict[int, Fraction]  # entries in row-major order, and what they are on the data


def _held_entries(architecture: Architecture, graph: Graph) -> dict[int, Held]:
    """For every node with frozen units their entries."""
    names = axis_names(graph, architecture.declared_axes)
    found: dict[int, Held] = {}
    for k, node in enumerate(graph.nodes):
        numbers = np.arange(prod(node.shape)).reshape(node.shape)
        for position, axis in enumerate(names[k]):
            if isinstance(node.primitive, Apply) and axis in architecture.frozen:
                for unit, value in architecture.frozen[str(axis)].items():
                    entries = numbers.take(unit, position).ravel().tolist()
                    found.setdefault(k, {}).update(dict.fromkeys(entries, value))
    return found


def _graph_to_json(graph: Graph, held: Mapping[int, Held]) -> Data:
    """The nodes, those with held entries each followed by what holds them."""
    nodes: list[Data] = []
    numbers: list[int] = []
    for k, node in enumerate(graph.nodes):
        nodes.append(_node_to_json(node, [numbers[j] for j in node.operands]))
        for entry, value in sorted(held.get(k, {}).items()):
            fields = {"entry": entry, "value": _rational_to_json(value)}
            nodes.append({"primitive": "Hold", "operands": [len(nodes) - 1], **fields})
        numbers.append(len(nodes) - 1)
    return {"nodes": nodes, "output": numbers[graph.outputs["y"]]}


def _node_to_json(node: Node, operands: list[int]) -> Data:
    data: Data = {"primitive": type(node.primitive).__name__, "operands": operands}
    match node.primitive:
        case Parameter(name, shape) | Input(name, shape):
            data |= {"name": name, "shape": list(shape)}
        case Constant(values, shape):
            runs = [[len([*run]), _rational_to_json(value)] for value, run in groupby(values)]
            data |= {"shape": list(shape), "runs": runs}
        case Einsum(subscripts):
            data["subscripts"] = subscripts
        case Apply(symbol):
            data |= {"function": symbol.name, "order": symbol.order, "parity": symbol.parity}
        case Reshape(shape):
            data["shape"] = list(shape)
    return data


Sparse = list[list[Any]]  # pairs of an entry and its value


def _solved(manifold: Manifold, graph: Graph) -> tuple[list[Sparse], Sparse, list[Sparse]]:
    """Vectors along the manifold, a point of it, and normal vectors; each with an entry alone."""
    starts, total = {}, 0
    for p, shape in graph.parameter_shapes.items():
        starts[p] = total
        total += prod(shape)
    rows: list[Row] = []
    for row in manifold.constraints():
        scale = lcm(row.value.denominator, *(c.denominator for c in row.terms.values()))
        whole = {starts[p] + e: int(c * scale) for (p, e), c in row.terms.items()}
        rows.append(whole | ({total: int(row.value * scale)} if row.value else {}))
    solved = row_echelon(rows, total).rows
    along = {k: {k: Fraction(1)} for k in range(total) if k not in solved}
    offset = {}
    for pivot, solution in solved.items():
        for column, a in solution.items():
            share = Fraction(-a, solution[pivot])
            if column == total:
                offset[pivot] = -share
            elif column != pivot:
                along[column][pivot] = share
    normals = [{k: a for k, a in solved[pivot].items() if k != total} for pivot in sorted(solved)]
    return (
        [_sparse_to_json(vector) for vector in along.values()],
        _sparse_to_json(offset),
        [_sparse_to_json(vector) for vector in normals],
    )


def _sparse_to_json(terms: Mapping[int, Fraction | int]) -> Sparse:
    return [[k, _rational_to_json(Fraction(v))] for k, v in sorted(terms.items())]


def _rational_to_json(value: Fraction) -> str:
    if max(abs(value.numerator), value.denominator) >= 10**MAX_DIGITS:
        raise CertificateError(f"no certificate: a number of more than {MAX_DIGITS} digits")
    return str(value)
